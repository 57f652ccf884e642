"""From the name of an action to an exit status: codes, reasons, and never a traceback."""

import os
import pwd

import pytest

from paf import agent, ocf
from tests.unit.support import notify_variables


def variables(tmp_path, **more):
    """Return the environment of an instance whose processes this user may see.

    Those of postgres, which other servers on the machine may run as, only root may.
    """
    found = {"OCF_RESOURCE_INSTANCE": "pgsqld", "OCF_RESKEY_pgdata": str(tmp_path),
             "OCF_RESKEY_bindir": "/nonexistent"}
    if os.geteuid():
        found["OCF_RESKEY_system_user"] = pwd.getpwuid(os.geteuid()).pw_name
    return {**found, **more}


def reason(capfd):
    """Return the exit reason that was printed; fail on more than one."""
    lines = [line for line in capfd.readouterr().err.splitlines()
             if line.startswith("ocf-exit-reason:")]
    assert len(lines) == 1
    return lines[0].partition(":")[2]


def test_an_unknown_action_is_unimplemented(tmp_path, capfd):
    assert agent.main(["levitate"], variables(tmp_path)) == ocf.ERR_UNIMPLEMENTED
    assert "levitate" in reason(capfd)


@pytest.mark.parametrize("argv, code", [
    (["--help"], 0), (["-h"], 0), (["help"], 0), ([], ocf.ERR_ARGS), ([""], ocf.ERR_ARGS)])
def test_help_is_given_without_any_environment(argv, code, capfd):
    assert agent.main(argv, {}) == code
    assert "Usage: pgsqlms" in capfd.readouterr().out


def test_methods_are_listed(capfd):
    assert agent.main(["methods"], {}) == 0
    assert capfd.readouterr().out.split() == list(agent.METHODS)


def test_meta_data_needs_no_environment(capfd):
    assert agent.main(["meta-data"], {}) == 0
    assert capfd.readouterr().out.startswith("<?xml")


def test_each_method_but_the_listed_ones_has_a_module():
    # watch is no action of OCF's: Pacemaker never asks for it
    own = {"watch", "vote", "reconnect"}
    assert set(agent._MODULES) - own | {"methods", "meta-data"} == set(agent.METHODS)


def test_further_arguments_are_ignored(capfd):
    assert agent.main(["methods", "please"], {}) == 0


# Promise: stop never says a hard error

@pytest.mark.parametrize("error", [
    ocf.BadParameter, ocf.NotUsable, ocf.BadConfiguration, ocf.Unimplemented, ocf.OcfError])
def test_a_stop_fails_softly_whatever_happened(error, tmp_path, monkeypatch, capfd):
    def fail(context):
        raise error("no")
    monkeypatch.setattr("paf.actions.stop.run", fail)
    assert agent.main(["stop"], variables(tmp_path)) == ocf.ERR_GENERIC
    assert reason(capfd) == "PAF-E599 no"


@pytest.mark.parametrize("error, code", [
    (ocf.BadParameter, 2), (ocf.NotUsable, 5), (ocf.BadConfiguration, 6), (ocf.OcfError, 1),
    (ocf.Unimplemented, 3), (ocf.FailedPromoted, 9)])
def test_each_error_of_a_start_has_its_code(error, code, tmp_path, monkeypatch, capfd):
    def fail(context):
        raise error("no")
    monkeypatch.setattr("paf.actions.start.run", fail)
    assert agent.main(["start"], variables(tmp_path)) == code


def test_an_error_of_the_system_is_a_soft_one_with_its_file(tmp_path, monkeypatch, capfd):
    def fail(context):
        raise OSError(28, "No space left on device", "/srv/pg/x")
    monkeypatch.setattr("paf.actions.start.run", fail)
    assert agent.main(["start"], variables(tmp_path)) == ocf.ERR_GENERIC
    assert reason(capfd) == "PAF-E599 /srv/pg/x: No space left on device"


# Bad input

EVERY_ACTION = [name for name in agent.METHODS if name not in ("meta-data", "methods")]


@pytest.mark.parametrize("action", EVERY_ACTION)
@pytest.mark.parametrize("odd", [
    {"OCF_RESKEY_pgdata": "/nonexistent"}, {"OCF_RESKEY_pgdata": "relative"},
    {"OCF_RESKEY_pgdata": "/etc/passwd"}, {"OCF_RESKEY_system_user": "no-such-user"},
    {"OCF_RESKEY_pgport": "²"}, {"OCF_RESKEY_maxlag": "ten"},
    {"OCF_RESKEY_start_opts": "'"}, {"OCF_RESOURCE_INSTANCE": "$(id) 'x"},
    {"OCF_RESKEY_CRM_meta_timeout": "soon"}, {"OCF_RESKEY_pgdata": "a\udce9b"}])
def test_no_bad_value_ends_in_a_traceback(action, odd, tmp_path, capfd):
    values = variables(tmp_path, **{"OCF_RESKEY_CRM_meta_timeout": "2000", **odd})
    code = agent.main([action], values)
    assert code in (0, 1, 2, 5, 6, 7)
    if action == "stop":
        assert code == 0
    if action == "monitor":
        assert code == ocf.NOT_RUNNING    # a probe: no interval
    if action in ("start", "promote"):
        assert code != 0


@pytest.mark.parametrize("action", ["notify", "reload", "reload-agent", "stop"])
def test_what_has_nothing_to_do_succeeds_by_hand(action, tmp_path):
    assert agent.main([action], variables(tmp_path)) == 0


def test_a_notification_by_hand_does_nothing(tmp_path):
    lists = {"OCF_RESKEY_" + name: value for name, value in notify_variables(
        active="srv1", promote="srv1").items()}
    assert agent.main(["notify"], variables(tmp_path, **lists)) == 0


def test_nothing_is_written_into_an_empty_data_directory(tmp_path):
    for action in EVERY_ACTION:
        agent.main([action], variables(tmp_path, OCF_RESKEY_CRM_meta_timeout="2000"))
    assert list(tmp_path.iterdir()) == []


# Validation of parameters alone looks at nothing on the host

def test_level_0_passes_on_a_host_without_postgresql(tmp_path):
    values = variables(tmp_path, OCF_RESKEY_pgdata="/nonexistent", OCF_CHECK_LEVEL="0")
    assert agent.main(["validate-all"], values) == 0


def test_level_10_looks_at_the_host(tmp_path, capfd):
    values = variables(tmp_path, OCF_RESKEY_pgdata="/nonexistent", OCF_CHECK_LEVEL="10")
    assert agent.main(["validate-all"], values) in (2, 5)


def test_a_bad_parameter_is_fatal_everywhere_at_level_0(tmp_path, capfd):
    values = variables(tmp_path, OCF_RESKEY_maxlag="10MB")
    assert agent.main(["validate-all"], values) == ocf.ERR_CONFIGURED
    assert "maxlag" in reason(capfd)
