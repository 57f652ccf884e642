"""paf metrics: text that a strict reader of the format takes, and nothing made up."""

import argparse
import copy
import re

import pytest

from paf.cli import configuration, servers
from paf.cli.common import Problem
from paf.cli.health import health, looks, metrics, request, series
from paf.cli.timeline import action_times, changes, events, gather
from tests.unit.test_cli_health import facts, standby  # noqa: F401

SAID = looks.SaidOfStandbys(
    {"srv1": servers.UNKNOWN._replace(state="streaming", sync="sync", replayed=4000, lag=0.5),
     'a"b\\c\nd': servers.UNKNOWN._replace(state="catchup", sync="async")},
    servers.Commits("srv1", 2, 1.5, "on", []), 5000, 150000)
NOW = 1795700000.0

#: OpenMetrics 1.0, "ABNF", as far as gauges go; also what Prometheus 0.0.4 takes.
SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
                    r'(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*)\})? (?P<value>-?\d+(?:\.\d+)?)$')


def read(text):
    """Return {(name, labels): value} of a page; fails where it breaks the format."""
    assert text.endswith("# EOF\n") and "\n\n" not in text
    found, kind = {}, None
    for line in text.splitlines()[:-1]:
        if line.startswith("# HELP "):
            kind = line.split()[2]
            assert (kind, "") not in [(name, "") for name, _ in found], f"{kind} is in two places"
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {kind} gauge"
        else:
            match = SAMPLE.match(line)
            assert match and match.group("name") == kind, line
            key = (kind, match.group("labels") or "")
            assert key not in found, line
            found[key] = float(match.group("value"))
    return found


def test_a_primary_has_all_its_standbys(facts):  # noqa: F811
    found = read(series.text(series.of(facts, SAID, NOW, {})))
    own = 'resource="pgsqld"'
    assert found[("paf_in_recovery", own)] == 0 and found[("paf_timeline", own)] == 5
    assert found[("paf_promoted", own + ',node="srv3"')] == 1
    assert found[("paf_promoted", own + ',node="srv1"')] == 0
    assert found[("paf_standby_lag_bytes", own + ',standby="srv1"')] == 1000
    assert ("paf_standby_lag_bytes", own + ',standby="a\\"b\\\\c\\nd"') not in found
    assert found[("paf_commits_need_standbys", own)] == 1
    assert found[("paf_managed", own)] == 1 and found[("paf_look_success", "")] == 1
    assert found[("paf_promoted_timestamp_seconds", own)] > 1e9


def test_what_is_hidden_and_a_base_backup_are_no_standbys(facts):  # noqa: F811
    seen = {"": servers.UNKNOWN, "pg_basebackup": servers.UNKNOWN._replace(state="backup")}
    found = read(series.text(series.of(facts, SAID._replace(standbys=seen), NOW, {})))
    assert not [name for name, _ in found if name.startswith("paf_standby_")]


@pytest.mark.parametrize("barred, shown", [({"srv3"}, []), ({"srv2"}, [0])])
def test_a_node_where_no_instance_is_to_run_has_no_server_that_is_down(
        facts, barred, shown):  # noqa: F811
    found = read(series.text(series.of(facts._replace(server=None, barred=barred), None, NOW, {})))
    assert [value for (name, _), value in found.items() if name == "paf_server_up"] == shown


PAUSED = """<meta_attributes id="paf-pause-pgsqld" score="1000000"><rule id="r" score="0">
<date_expression id="d" operation="lt" end="{0}"/></rule>
<nvpair id="n" name="maintenance" value="true"/></meta_attributes>"""
DEFAULT = '<rsc_defaults><meta_attributes id="rd"><nvpair id="rn" name="{0}" value="{1}"/>' \
          "</meta_attributes></rsc_defaults></configuration>"
SEASON = '<date_expression id="d" operation="date_spec"><date_spec id="s" months="1-6"/>' \
         "</date_expression>"


@pytest.mark.parametrize("old, new, expected", [
    ("", "", True),
    ('type="pgsqlms">', 'type="pgsqlms">' + PAUSED.format("2999-01-01T00:00:00Z"), False),
    ('type="pgsqlms">', 'type="pgsqlms">' + PAUSED.format("2020-01-01T00:00:00Z"), True),
    ('type="pgsqlms">', 'type="pgsqlms">' + PAUSED.replace(
        '<date_expression id="d" operation="lt" end="{0}"/>', SEASON), None),
    ("</configuration>", DEFAULT.format("is-managed", "Off"), False),
    ("</configuration>", DEFAULT.format("maintenance", "1"), False),
    ("</configuration>", DEFAULT.format("is-managed", "rubbish"), True),
    ("</cluster_property_set>", '<nvpair id="x" name="is-managed-default" value="no"/>'
     "</cluster_property_set>", False)])
def test_what_keeps_pacemaker_from_acting_is_in_the_metrics(
        facts, data, old, new, expected):  # noqa: F811
    text = (data / "cli" / "cib.xml").read_text()
    assert old in text
    root, properties, managed, _ = looks._in_full(text.replace(old, new, 1) if old else text, "")
    given = facts._replace(root=root, properties=properties, managed=managed)
    assert series.is_managed(given) is expected
    found = read(series.text(series.of(given, SAID, NOW, {})))
    assert found.get(("paf_managed", 'resource="pgsqld"')) == expected


def test_the_outage_of_another_promotion_is_not_the_last_one(monkeypatch):
    """The logs were rotated away, or cannot be read."""
    item = action_times.Action("p", "promote", "srv1", 1000.0, 1002.0, "ok", "")
    event = events.Event("failover", ["srv1"], "srv2", "srv1", 990.0, 1003.0, 991.0, 1003.0, False,
                         False, {}, {}, False, [item])
    monkeypatch.setattr(gather, "history", lambda _: gather.History([event], [], 0.0))
    assert metrics._in_logs("p", 1001) == (12.0, 1003.0)
    assert metrics._in_logs("p", 5000) == (None, None)
    assert metrics._in_logs("q", 1001) == (None, None)


def test_a_standby_has_its_lag(standby):  # noqa: F811
    found = read(series.text(series.of(standby, None, NOW, {})))
    assert found[("paf_lag_bytes", 'resource="pgsqld"')] == 1000


def test_each_name_has_a_meaning_and_nothing_else_is_printed(facts, standby):  # noqa: F811
    known = [name for name, _ in series.HELP]
    values = series.of(facts, SAID, NOW, {}) + series.of(standby, None, NOW, {}) + (
        series.of_failover("pgsqld", 5, 2.5, NOW))
    assert {item.name for item in values} == set(known) and len(set(known)) == len(known)


def test_a_failed_look_keeps_the_time_of_the_last_good_one():
    nothing = looks.nothing("Pacemaker does not answer")
    found = read(series.text(series.of(nothing, None, NOW, {series.LOOKED: 7.5})))
    assert found[("paf_look_success", "")] == 0 and found[(series.LOOKED, "")] == 7.5
    assert "paf_quorum" not in {name for name, _ in found}


def test_the_file_is_written_in_one_step_and_read_back(facts, tmp_path, monkeypatch):  # noqa: F811
    name = tmp_path / "paf.prom"
    monkeypatch.setattr(metrics, "_look", lambda resource: (facts, SAID))
    asked = []
    monkeypatch.setattr(metrics, "_in_logs", lambda resource, promoted: (
        asked.append(resource) or (2.5, 9.0)))
    options = type("Options", (), {"file": str(name), "resource": ""})
    for _ in range(2):
        assert metrics.run(options) == 0
        found = read(name.read_text())
        assert found[(series.OUTAGE, 'resource="pgsqld"')] == 2.5
    assert asked == ["pgsqld"]    # the logs are read once for each promotion
    assert [path.name for path in tmp_path.iterdir()] == ["paf.prom"]
    assert name.stat().st_mode & 0o777 == 0o644


def test_what_is_known_is_written_before_the_logs_are_read(
        facts, monkeypatch, tmp_path):  # noqa: F811
    """systemd may end the run meanwhile: the file kept the state of the failover, run by run."""
    def ended(*_):
        raise KeyboardInterrupt
    name = tmp_path / "paf.prom"
    monkeypatch.setattr(metrics, "_look", lambda _: (facts, None))
    monkeypatch.setattr(metrics, "_in_logs", ended)
    wanted = argparse.Namespace(file=str(name), resource="")
    with pytest.raises(KeyboardInterrupt):
        metrics.run(wanted)
    assert metrics.before(str(name))[series.LOOKED_FOR] == series.promoted_at(facts)
    monkeypatch.setattr(metrics, "_in_logs", lambda *_: pytest.fail("read again"))
    metrics.run(wanted)


@pytest.mark.parametrize("silence, up", [(looks.NOT_ASKED, None), ("takes no connection", 0)])
def test_a_server_that_could_not_be_asked_is_not_down(facts, silence, up):  # noqa: F811
    """As without psql. A monitor takes it for one that runs."""
    found = {item.name: item.value for item in series.of(
        facts._replace(server=None, silence=silence), None, NOW, {})}
    assert (found.get("paf_server_expected"), found.get("paf_server_up")) == (1, up)


def test_a_failed_look_names_no_resource():
    nothing = looks.nothing("Pacemaker does not answer")
    assert list(metrics._outage(nothing, {series.OUTAGE: 2.5, series.LOOKED_FOR: 5.0})) == []


def test_the_failover_before_is_not_the_last_one_where_there_may_have_been_another(
        facts, monkeypatch):  # noqa: F811
    """`crm_resource --refresh`, as in `paf resume`, takes the time of the promotion away."""
    facts = facts._replace(root=copy.deepcopy(facts.root))
    promoted = series.promoted_at(facts)
    old = {series.OUTAGE: 2.5, series.FAILOVER: 9.0, series.LOOKED_FOR: float(promoted)}
    monkeypatch.setattr(metrics, "_in_logs", lambda *_: pytest.fail("looked again"))
    names = {item.name: item.value for item in metrics._outage(facts, old)}
    assert names == old
    monkeypatch.setattr(metrics.time, "time", lambda: promoted + 5.0)    # not settled yet
    before = {**old, series.LOOKED_FOR: promoted - 500.0}
    names = {item.name: item.value for item in metrics._outage(facts, before)}
    assert names == {series.LOOKED_FOR: promoted - 500.0}
    for resource in facts.root.iter("lrm_resource"):
        for operation in list(resource):
            if operation.get("operation") == "promote":
                resource.remove(operation)
    assert series.promoted_at(facts) is None
    assert list(metrics._outage(facts, old)) == []    # and then it is looked for again


@pytest.mark.parametrize("text", ["", "rubbish {\n", "paf_x{a=\"b\" 1\npaf_y 1e\n", "\x00\xff"])
def test_a_broken_file_of_before_is_nothing(tmp_path, text):
    name = tmp_path / "paf.prom"
    name.write_text(text)
    assert metrics.before(str(name)) == {} and metrics.before(str(tmp_path / "none")) == {}


def test_health_has_them_too(facts, monkeypatch):  # noqa: F811
    monkeypatch.setattr(metrics, "_look", lambda resource: (facts, SAID))
    good, text = health.answer(request.parse(b"GET /metrics HTTP/1.1\r\n\r\n"))
    assert good and "openmetrics-text" in text
    read(text.partition("\r\n\r\n")[2])


def test_two_files_of_two_resources_have_no_value_twice(facts):  # noqa: F811
    """node_exporter then refuses the files; a look that fails is one of its resource, too."""
    seen = []
    for look, name in ((facts, "one"), (facts._replace(resource="other"), "other"),
                       (looks.nothing("no answer"), "third")):
        seen += list(read(series.text(series.of(look, None, 9.0, {}, name))))
    assert len(seen) == len(set(seen))
    assert (series.SUCCESS, 'resource="third"') in seen


def test_logs_that_cannot_be_read_now_are_looked_at_again(facts, tmp_path, monkeypatch):  # noqa: F811
    """One failed look was the last for that promotion; the outage of an earlier one is not its."""
    def refuse(_):
        raise Problem("Pacemaker does not answer")
    name, own = tmp_path / "paf.prom", 'resource="pgsqld"'
    old = series.of_failover("pgsqld", 5.0, 7.5, 4.0)
    name.write_text(series.text(old))
    monkeypatch.setattr(metrics, "_look", lambda resource: (facts, SAID))
    monkeypatch.setattr(gather, "history", refuse)
    options = type("Options", (), {"file": str(name), "resource": ""})
    assert metrics.run(options) == 0
    found = read(name.read_text())
    assert (series.OUTAGE, own) not in found and (series.FAILOVER, own) not in found
    looked = []
    monkeypatch.setattr(gather, "history", lambda wanted: (
        looked.append(wanted.resource) or gather.History([], [], 0.0)))
    for _ in range(2):
        assert metrics.run(options) == 0
    assert looked == ["pgsqld"]
    found = read(name.read_text())
    assert found[(series.LOOKED_FOR, own)] == series.promoted_at(facts)
    assert (series.OUTAGE, own) not in found


@pytest.mark.parametrize("place", ["none/paf.prom", "folder"])
def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(
        facts, tmp_path, monkeypatch, place):  # noqa: F811
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(metrics, "_look", lambda resource: (facts, SAID))
    monkeypatch.setattr(metrics, "_outage", lambda *_: [])
    options = type("Options", (), {"file": str(tmp_path / place), "resource": ""})
    with pytest.raises(Problem, match=f"cannot write .*{place}: "):
        metrics.run(options)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name, value, expected", [
    ("fail-count-pgsqld", "2", {"srv1": 5}),
    ("fail-count-pgsqld#start_0", "INFINITY", {"srv1": 1000003}),
    ("fail-count-pgsqld-2#start_0", "2", {"srv1": 3}), ("last-failure-pgsqld", "9", {"srv1": 3})])
def test_failures_of_all_operations_of_the_resource_are_counted(
        facts, name, value, expected):  # noqa: F811
    attributes = '<status><node_state id="1"><transient_attributes><instance_attributes>' \
                 '<nvpair name="fail-count-pgsqld#monitor_15000" value="3"/>' \
                 f'<nvpair name="{name}" value="{value}"/></instance_attributes>' \
                 "</transient_attributes></node_state></status>"
    root = configuration.parse('<cib><configuration><nodes><node id="1" uname="srv1"/></nodes>'
                               f"</configuration>{attributes}</cib>").root
    assert series.failures(facts._replace(root=root)) == expected


def test_when_it_was_promoted_is_not_known_of_no_primary_or_of_two(facts):  # noqa: F811
    assert series.promoted_at(facts)
    for promoted in ([], ["srv2", "srv3"]):
        assert series.promoted_at(facts._replace(promoted=promoted)) is None
    assert series.promoted_at(facts._replace(unknown="no answer")) is None


def test_a_state_of_a_node_that_has_only_its_number_counts_too(facts):  # noqa: F811
    """The name is in another part of the CIB, as for the counts of failures."""
    facts = facts._replace(root=copy.deepcopy(facts.root))
    every = list(changes.of_cib(facts.root))
    known = series.promoted_at(facts)
    for state in facts.root.findall("status/node_state"):
        assert state.attrib.pop("uname")
        for operation in state.iter("lrm_rsc_op"):
            operation.attrib.pop("on_node", None)
    assert known and series.promoted_at(facts) == known
    assert list(changes.of_cib(facts.root)) == every


def test_of_a_server_that_does_not_answer_there_is_nothing_but_that(facts):  # noqa: F811
    own = 'resource="pgsqld"'
    found = read(series.text(series.of(facts._replace(server=None), None, NOW, {})))
    assert found[("paf_server_up", own)] == 0
    assert not {name for name, _ in found} & {
        "paf_in_recovery", "paf_timeline", "paf_wal_position_bytes", "paf_streaming"}
