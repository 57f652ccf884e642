"""The parameters: names and defaults of 2.3.0, and what is found wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf import ocf, parameters, variant
from tests.unit.support import environment, parameters_with

DEFAULTS = {
    "system_user": "postgres", "bindir": "/usr/bin", "pgdata": "/var/lib/pgsql/data",
    "datadir": "/var/lib/pgsql/data", "pghost": variant.PGHOST, "pgport": 5432, "maxlag": 0,
    "recovery_template": "/var/lib/pgsql/data/recovery.conf.pcmk", "start_opts": "",
    "rejoin": "safe", "crash_watch": True, "slots": False,
}


def test_names_and_defaults_are_those_of_2_3():
    assert parameters.read(environment())._asdict() == DEFAULTS


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) - {"crash_watch", "slots"}))
@pytest.mark.parametrize("value", ["", "0"])
def test_empty_and_zero_are_unset(name, value):
    assert getattr(parameters_with(**{name: value}), name) == DEFAULTS[name]


@pytest.mark.parametrize("text, value", [
    ("", True), ("1", True), ("yes", True), ("True", True), ("on", True),
    ("0", False), ("no", False), ("FALSE", False), ("off", False)])
def test_a_boolean_is_read_as_pacemaker_reads_it(text, value):
    assert parameters_with(crash_watch=text).crash_watch is value


def test_datadir_and_template_follow_pgdata():
    found = parameters_with(pgdata="/srv/pg")
    assert found.datadir == "/srv/pg"
    assert found.recovery_template == "/srv/pg/recovery.conf.pcmk"


def test_the_defaults_have_no_problem():
    assert parameters.problems(parameters_with()) == []


@pytest.mark.parametrize("name, value", [
    ("pgport", "x"), ("pgport", "-1"), ("pgport", "65536"), ("pgport", "5432;"),
    ("pgport", "5432 "), ("maxlag", "10MB"), ("maxlag", "-5"), ("maxlag", "Inf"),
    ("maxlag", "1E8"), ("maxlag", "0x10"), ("pgdata", "data"), ("bindir", "./bin"),
    ("datadir", "../x"), ("recovery_template", "x"), ("start_opts", "-c 'x"),
    ("rejoin", "perhaps"), ("crash_watch", "perhaps"), ("slots", "perhaps")])
def test_each_bad_value_is_named(name, value):
    problems = parameters.problems(parameters_with(**{name: value}))
    assert problems and name in problems[0]


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=20)))
def test_no_value_at_all_breaks_reading_and_checking(values):
    parameters.problems(parameters_with(**values))


# Promise: a mistake in a parameter stops no service that runs

@pytest.mark.parametrize("name, wrong, before, expected", [
    ("maxlag", "1MB", "1000000", 1000000), ("maxlag", "-5", None, 0),
    ("maxlag", "x", "y", 0), ("pgport", "543x", "5433", 5433), ("pgport", "99999", None, 5432),
    ("rejoin", "rewnid", "rewind", "rewind"), ("crash_watch", "perhaps", "no", False),
    ("slots", "perhaps", "on", True)])
def test_the_last_good_value_goes_on_or_the_default(name, wrong, before, expected):
    given = parameters_with(**{name: wrong})
    assert parameters.unusable(given) == [name]
    found = parameters.usable(given, {name: before} if before else {})
    assert getattr(found, name) == expected
    assert found._replace(**{name: getattr(given, name)}) == given


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=8)),
       st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=8)))
def test_whatever_was_given_can_be_worked_with(values, before):
    found = parameters.usable(parameters_with(**values), before)
    assert parameters.unusable(found) == []


@given(st.lists(st.text(alphabet="ab '\"\\$;&|`\n*", min_size=1), max_size=5))
def test_start_opts_are_words_and_nothing_is_expanded(words):
    import shlex
    assert parameters.words(" ".join(map(shlex.quote, words))) == words


def test_an_open_quote_is_an_error_of_this_node_alone():
    with pytest.raises(ocf.BadParameter):
        parameters.words("-c \"x")


# The environment around them

@pytest.mark.parametrize("text, expected", [
    ("3.16.1", (3, 16, 1)), ("", ()), ("3.x", ()), ("3.16.", ()), ("-3.1", ())])
def test_the_feature_set_is_numbers_or_nothing(text, expected):
    assert environment(crm_feature_set=text).feature_set == expected


@pytest.mark.parametrize("text, seconds", [
    ("60000", 60.0), ("", None), ("0", None), ("60s", None), ("-5", None),
    ("2246400000", 86400.0), ("99999999999999999999", 86400.0)])
def test_the_timeout_is_seconds_or_nothing(text, seconds):
    assert environment(CRM_meta_timeout=text).timeout == seconds


@pytest.mark.parametrize("text, probe", [("", True), ("0", True), ("15000", False)])
def test_a_monitor_without_interval_is_a_probe(text, probe):
    assert environment(CRM_meta_interval=text).is_probe is probe


@pytest.mark.parametrize("text, level", [("", 0), ("10", 10), ("x", 0), ("-1", 0)])
def test_the_check_level_is_a_number(text, level):
    assert ocf.Environment({"OCF_CHECK_LEVEL": text}).check_level == level


def test_the_resource_keeps_its_instance_number():
    assert ocf.Environment({"OCF_RESOURCE_INSTANCE": "pgsqld:1"}).resource == "pgsqld:1"
    assert ocf.Environment({}).resource == "default"


def test_no_number_with_odd_digits_raises():
    """str.isdigit takes superscripts and other scripts' digits, which int() may refuse."""
    for digits in ("²", "१२", "①"):
        found = environment(CRM_meta_timeout=digits, crm_feature_set=digits)
        assert found.timeout is None or found.timeout > 0
        assert isinstance(found.feature_set, tuple)
        assert ocf.Environment({"OCF_CHECK_LEVEL": digits}).check_level >= 0
        parameters_with(pgport=digits, maxlag=digits)
