"""bindir and start_opts with which no server starts: what is kept, noted, and used instead."""

import os
from types import SimpleNamespace

import pytest

from paf import context as contexts
from paf import accounts, keeping, lastgood, ocf, proven, refused, remarks, runner
from paf.actions import demote, start, validate
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Unknown
from paf.instance import observe

WRONG = "-c no_such=1"
REASON = "PostgreSQL does not accept its configuration: no_such"
OTHER = "postgres in bindir {0} is of PostgreSQL 18, the data directory of 15"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes the context of parameters; log.said has what it says."""
    me = runner.Account("me", os.geteuid(), os.getegid(), "/")
    monkeypatch.setattr(accounts, "account", lambda name: me)
    for name in ("bin15", "bin18"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "postgres").touch()

    def context(**keys):
        keys = {"pgdata": str(tmp_path), "bindir": str(tmp_path / "bin15"), **keys}
        said = []
        return contexts.Context(ocf.Environment(dict(
            {"OCF_RESKEY_" + name: value for name, value in keys.items()},
            HA_RSCTMP=str(tmp_path), OCF_RESOURCE_INSTANCE="pgsqld")), Deadline(30),
            SimpleNamespace(warning=said.append, info=said.append, said=said))
    return context


@pytest.fixture(autouse=True)
def server(monkeypatch):
    """PostgreSQL's programs; `fault`: an error that all parameters end in; `wrong`: start_opts."""
    programs = SimpleNamespace(fault=None, wrong=WRONG)

    def check_programs(instance, _):
        if instance.parameters.bindir.endswith("18"):
            raise ocf.NotUsable(OTHER.format(instance.parameters.bindir))

    def check_data_directory(instance, _):
        if programs.fault:
            raise programs.fault
        if instance.parameters.start_opts == programs.wrong:
            raise ocf.BadParameter(REASON)
    monkeypatch.setattr(refused.settings, "check_programs", check_programs)
    monkeypatch.setattr(refused.settings, "check_data_directory", check_data_directory)
    return programs


def kept(context):
    """Return the last good bindir's name and start_opts, None without."""
    found = lastgood.load(context.environment)
    return (os.path.basename(found["bindir"]), found["start_opts"]) if found else None


@pytest.mark.parametrize("keys, reason, instead", [
    ({"start_opts": WRONG}, REASON, "start_opts="), ({"bindir": "18"}, OTHER, "bindir={0}/bin15")])
def test_what_a_server_refuses_is_shown_and_not_kept(make, tmp_path, keys, reason, instead):
    if "bindir" in keys:
        keys = {"bindir": str(tmp_path / "bin18")}
    refused.keep_others(make(**keys))
    assert kept(make()) is None
    assert remarks.of_parameters(make()) == [reason.format(keys.get("bindir"))]
    refused.keep_others(make())
    assert kept(make()) == ("bin15", "") and remarks.of_parameters(make()) == []
    refused.keep_others(make(**keys))
    assert kept(make()) == ("bin15", "")
    assert remarks.of_parameters(make(**keys)) == ["{0}; used instead: {1}".format(
        reason.format(keys.get("bindir")), instead.format(tmp_path))]
    assert remarks.has_parameters(make())
    proven.keep(make())    # a server was started with others
    assert remarks.of_parameters(make()) == []


def test_what_is_refused_whatever_the_parameters_are_is_no_mistake_in_them(make, server):
    refused.keep_others(make())
    server.fault = ocf.BadParameter("syntax error in postgresql.conf")
    refused.keep_others(make(start_opts="-c work_mem=5MB"))
    assert remarks.of_parameters(make()) == [] and kept(make()) == ("bin15", "")
    refused.keep_others(make())
    assert remarks.of_parameters(make()) == []


def test_what_could_not_be_found_out_is_no_refusal(make, server):
    refused.keep_others(make())
    server.fault = ocf.OcfError("postgres -C data_directory did not answer in time")
    refused.keep_others(make(start_opts="-c work_mem=5MB"))
    assert kept(make()) == ("bin15", "") and remarks.of_parameters(make()) == []
    context = make(start_opts=WRONG)
    with pytest.raises(ocf.OcfError, match="in time"):
        refused.check_data_directory(context)
    assert context.parameters.start_opts == WRONG


def test_the_last_good_ones_are_used_where_others_are_refused(make, tmp_path):
    refused.keep_others(make())
    context = make(start_opts=WRONG)
    refused.check_data_directory(context)
    assert context.instance.parameters == context.parameters == make().parameters
    context = make(bindir=str(tmp_path / "bin18"))
    refused.check_programs(context)
    assert context.instance.parameters.bindir == str(tmp_path / "bin15")
    assert "used instead: bindir" in context.log.said[0]
    proven.keep(context)    # started with what is used instead: the mistake is still one
    refused.keep_others(context)
    assert "used instead: bindir" in remarks.of_parameters(make())[0]


def test_without_better_ones_what_is_wrong_stays(make, tmp_path, server):
    context = make(start_opts=WRONG)
    with pytest.raises(ocf.BadParameter, match="no_such"):
        refused.check_data_directory(context)
    refused.keep_others(make())
    server.fault = ocf.BadParameter("syntax error in postgresql.conf")
    with pytest.raises(ocf.BadParameter, match="syntax error"):
        refused.check_data_directory(make(start_opts="-c work_mem=5MB"))
    (tmp_path / "older18").mkdir()
    (tmp_path / "older18" / "postgres").touch()
    proven.keep(make(bindir=str(tmp_path / "older18")))    # before the data was upgraded
    context = make(bindir=str(tmp_path / "bin18"))
    refused.check_programs(context)
    assert context.parameters == context.given and context.log.said == []
    lastgood.remove(lastgood.path(context.environment, "parameters"))
    context = make(bindir=str(tmp_path / "bin18"))
    refused.check_programs(context)
    assert context.parameters == context.given and context.log.said == []


def test_a_bindir_that_is_gone_is_not_used_again(make, tmp_path):
    refused.keep_others(make())
    (tmp_path / "bin15" / "postgres").unlink()
    (tmp_path / "bin16").mkdir()
    (tmp_path / "bin16" / "postgres").touch()
    context = make(bindir=str(tmp_path / "bin16"), start_opts=WRONG)
    refused.check_data_directory(context)
    assert context.parameters.bindir.endswith("bin16") and context.parameters.start_opts == ""


@pytest.mark.parametrize("failing", ["write", "remove", "save"])
def test_a_note_that_cannot_be_written_ends_no_action(make, monkeypatch, failing):
    def fail(*_):
        raise OSError(28, "No space left on device")
    refused.keep_others(make())
    monkeypatch.setattr(lastgood, failing, fail)
    context = make(start_opts=WRONG)
    refused.check_data_directory(context)
    refused.keep_others(context)
    refused.keep_others(make())
    assert context.parameters.start_opts == ""


# A server that was started by another agent

SAYS = observe.Sight(state.Verdict(state.PRIMARY, ""), None, [], "", "")
CONCLUDED = SAYS._replace(control=Unknown("psql is missing"))


@pytest.mark.parametrize("sight, keys, expected", [
    (SAYS, {}, ("bin15", "")), (CONCLUDED, {}, None), (SAYS, {"maxlag": "1MB"}, ("bin15", "")),
    (SAYS, {"bindir": "/nowhere"}, None)])
def test_the_first_parameters_are_those_of_a_server_that_answers(make, sight, keys, expected):
    keeping.look_again(make(**keys), sight)
    assert kept(make()) == expected


def test_what_another_agent_understood_keeps_no_service_down(make, monkeypatch):
    """Agents of 2.x took more for a number of bytes; the server has been running with that."""
    keeping.look_again(make(maxlag="1E8"), SAYS)
    assert lastgood.load(make().environment)["maxlag"] == "0"
    validate._restart_syntax(make(maxlag="1E8"))
    assert "used instead: maxlag=0" in remarks.of_parameters(make(maxlag="1E8"))[-1]


def test_what_was_refused_is_not_the_first_and_later_ones_replace_none(make):
    refused.keep_others(make(start_opts=WRONG))
    keeping.look_again(make(start_opts=WRONG), SAYS)
    assert kept(make()) is None
    refused.keep_others(make())
    keeping.look_again(make(start_opts="-c work_mem=5MB"), SAYS)
    assert kept(make()) == ("bin15", "")


def test_what_was_refused_is_asked_again_by_each_monitor(make, server):
    refused.keep_others(make())
    server.wrong = WRONG
    refused.keep_others(make(start_opts=WRONG))
    assert remarks.of_parameters(make(start_opts=WRONG))
    server.wrong = ""    # the file that it names has been corrected
    keeping.look_again(make(start_opts=WRONG), SAYS)
    assert remarks.of_parameters(make(start_opts=WRONG)) == []
    assert kept(make()) == ("bin15", WRONG)


def test_no_program_is_asked_where_there_is_no_other_value(make, monkeypatch):
    refused.keep_others(make())
    monkeypatch.setattr(refused.settings, "check_programs", lambda *_: pytest.fail("asked"))
    refused.check_programs(make())


def test_values_of_another_data_directory_are_none_for_this_one(make, tmp_path):
    """A server on it would run with the files that the other one's options name."""
    refused.keep_others(make())
    (tmp_path / "b").mkdir()
    context = make(pgdata=str(tmp_path / "b"), start_opts=WRONG)
    assert refused.earlier(context) is None and lastgood.load(context.environment) == {}
    with pytest.raises(ocf.BadParameter, match="no_such"):
        refused.check_data_directory(context)


# A start

@pytest.mark.parametrize("error", [
    ocf.BadParameter("wal_level must be replica"), ocf.NotUsable("bindir lacks pg_waldump")])
def test_a_start_is_checked_again_with_the_last_good_ones(make, monkeypatch, error):
    def host(context):
        if context.parameters.start_opts == WRONG:
            raise error
    monkeypatch.setattr("paf.actions.validate.host", host)
    with pytest.raises(type(error), match=str(error)):
        start._check_host(make(start_opts=WRONG))
    refused.keep_others(make())
    context = make(start_opts=WRONG)
    start._check_host(context)
    assert context.parameters.start_opts == "" and context.log.said == [
        "{0}; used instead: start_opts=".format(error)]


@pytest.mark.parametrize("second, expected", [
    (ocf.NotUsable("notify=true"), ocf.BadParameter), (ocf.OcfError("a disk hangs"), ocf.OcfError)])
def test_a_start_fails_for_what_is_wrong_with_the_parameters_that_are_given(
        make, monkeypatch, second, expected):
    """But an error that may pass by itself bans no node."""
    def host(context):
        raise second if context.parameters.start_opts == "" else ocf.BadParameter(REASON)
    monkeypatch.setattr("paf.actions.validate.host", host)
    refused.keep_others(make())
    with pytest.raises(ocf.OcfError) as caught:
        start._check_host(make(start_opts=WRONG))
    assert type(caught.value) is expected
    assert remarks.of_parameters(make()) == []


class Reached(Exception):
    """What the test is about was reached."""


def test_a_start_looks_with_programs_that_know_the_data_directory(make, tmp_path, monkeypatch):
    def settle(instance, _):
        assert instance.parameters.bindir.endswith("bin15")
        raise Reached
    refused.keep_others(make())
    monkeypatch.setattr(observe, "settle", settle)
    with pytest.raises(Reached):
        start.run(make(bindir=str(tmp_path / "bin18")))


def test_a_demotion_starts_with_programs_that_know_the_data_directory(make, tmp_path, monkeypatch):
    def as_standby(context):
        assert context.instance.parameters.bindir.endswith("bin15")
        raise Reached
    refused.keep_others(make())
    for name in ("paf.stuckwal.lasts", "paf.instance.waiting_commits.end",
                 "paf.crash.watcher.end", "paf.instance.server.stop",
                 "paf.actions.start.end_backup"):
        monkeypatch.setattr(name, lambda *_: None)
    monkeypatch.setattr(observe, "observe", lambda *_: SAYS)
    monkeypatch.setattr(start, "as_standby", as_standby)
    with pytest.raises(Reached):
        demote.run(make(bindir=str(tmp_path / "bin18")))
