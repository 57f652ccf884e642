"""Whatever the parameters and the environment are: a status of OCF, one reason, no traceback."""

import errno
import os
import string
from collections import namedtuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paf import agent, ocf, parameters, runner
from paf.actions import monitor
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known
from paf.instance import observe, position, postmaster, sql
from tests.unit.support import instance_at

ACTIONS = [name for name in agent.METHODS if name not in ("meta-data", "methods")]
#: What execve lets an environment hold, bytes that are no UTF-8 included.
WORDS = st.text(alphabet=st.one_of(st.characters(
    blacklist_categories=["Cs"], blacklist_characters="\0"), st.sampled_from("\udce9\udcff")),
    max_size=12)
VALUES = st.one_of(WORDS, st.sampled_from([
    "-1", "0", "1", "1e9", "1MB", "99999999999999999999", "9" * 400, "0x10", "²", "x" * 5000, "'",
    '"', "$(id)", "/", "/dev/null", "/proc", "/etc/passwd", "/nonexistent", "../..", "true", "no",
    "@x", "::1", "localhost", "-D /", "-c 'x", "\n", "%s", "{0}"]))
META = ("timeout", "interval", "on_node", "notify", "promoted_max", "master_max", "role",
        "notify_type", "notify_operation", "notify_promote_uname", "notify_promote_resource",
        "notify_active_uname", "notify_active_resource", "notify_start_uname")
NAMES = st.one_of(
    st.sampled_from(["OCF_RESKEY_" + one.name for one in parameters.DECLARED]),
    st.sampled_from(["OCF_RESKEY_CRM_meta_" + name for name in META]),
    st.sampled_from(["OCF_RESOURCE_INSTANCE", "OCF_CHECK_LEVEL", "OCF_RESKEY_crm_feature_set",
                     "OCF_EXIT_REASON_PREFIX", "HA_LOGFACILITY", "HA_LOGFILE", "HA_DEBUGLOG",
                     "HA_debug", "HA_RSCTMP", "HA_SBIN_DIR"]))


@pytest.fixture
def no_programs(monkeypatch, tmp_path):
    """No program is started, as where none is there; and the log goes to files of the test."""
    def refuse(argv, *_, **__):
        raise runner.NotStarted(f"cannot run {argv[0]}: No such file or directory")
    monkeypatch.setattr(runner, "run", refuse)
    monkeypatch.setattr(runner, "leave_behind", lambda *_: None)
    monkeypatch.setattr("paf.deadline.time.sleep", lambda _: None)
    monkeypatch.setattr(os, "isatty", lambda _: False)
    monkeypatch.chdir(tmp_path)    # names of files may be relative ones
    return tmp_path


@pytest.mark.parametrize("action", ACTIONS)
@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(NAMES, VALUES, max_size=6))
def test_each_action_ends_in_a_status_of_ocf(action, values, no_programs, capfd):
    variables = {"OCF_RESKEY_pgdata": str(no_programs), "OCF_RESKEY_CRM_meta_timeout": "100",
                 "HA_RSCTMP": str(no_programs), "HA_LOGFACILITY": "none", **values}
    variables["HA_LOGFILE"] = "/dev/null" if variables.get("HA_LOGFILE", "").startswith(
        "/etc") else variables.get("HA_LOGFILE", "")
    if "HA_RSCTMP" in values:    # notes are written there
        variables["HA_RSCTMP"] = f"{no_programs}/{values['HA_RSCTMP']}"
    code = agent.main([action], variables)
    err = capfd.readouterr().err
    assert 0 <= code <= 9
    assert "mistake in the agent" not in err
    if action == "stop":
        assert code in (ocf.SUCCESS, ocf.ERR_GENERIC)


@given(st.text(alphabet=string.printable, max_size=30))
def test_no_action_is_unknown_to_it_in_a_way_that_raises(word):
    assert 0 <= agent.main([word], {"HA_LOGFACILITY": "none"}) <= 9


@pytest.mark.parametrize("error", [TypeError, OverflowError, UnicodeDecodeError("a", b"", 0, 1, ""),
                                   KeyError, AttributeError, RecursionError])
def test_a_mistake_in_the_agent_is_one_line_and_a_soft_error(error, monkeypatch, capfd):
    def fail(_):
        raise error
    monkeypatch.setattr("paf.actions.start.run", fail)
    assert agent.main(["start"], {"OCF_RESKEY_pgdata": "/nonexistent"}) == ocf.ERR_GENERIC
    lines = [line for line in capfd.readouterr().err.splitlines() if "ocf-exit-reason" in line]
    assert len(lines) == 1 and "test_anything.py:" in lines[0]


SERVER = postmaster.Postmaster(4711, 5432, "/tmp", "", "ready", None)


@pytest.fixture
def monitored(monkeypatch, tmp_path):
    """A function that runs a recurring monitor of a server which answers with these rows."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(postmaster, "find", lambda _: Known(SERVER))
    monkeypatch.setattr(os, "isatty", lambda _: False)

    def run(rows, **keys):
        monkeypatch.setattr("paf.instance.psql.here", lambda *_: runner.Result(
            0, "\x1e".join("\x1f".join(row) for row in rows) + "\n", "", False))
        return agent.main(["monitor"], {
            "OCF_RESKEY_pgdata": str(tmp_path), "HA_RSCTMP": str(tmp_path),
            "HA_LOGFACILITY": "none",
            "OCF_RESKEY_CRM_meta_timeout": "4000", "OCF_RESKEY_CRM_meta_interval": "10000",
            "HA_LOGFILE": str(tmp_path / "log"), "OCF_RESKEY_bindir": "/nonexistent", **keys})
    (tmp_path / "log").touch()
    return run


PRIMARY = ["me", "false", "0", "", "83886080", ""]
Here = namedtuple("Here", "in_cluster deadline log")
Log = namedtuple("Log", "warning")
Sight = namedtuple("Sight", "rows")


@pytest.mark.parametrize("error", [
    OSError(errno.EAGAIN, "Resource temporarily unavailable"), TypeError("x"), KeyError("x"),
    MemoryError(), ValueError("x")])
def test_what_a_monitor_does_beside_its_answer_brings_no_server_down(
        error, monitored, monkeypatch, tmp_path):
    def fail(*_):
        raise error
    monkeypatch.setattr("paf.actions.monitor.update_scores", fail)
    assert monitored([PRIMARY]) == ocf.RUNNING_PROMOTED
    assert "ERROR" in (tmp_path / "log").read_text()


def test_a_monitor_begins_nothing_that_it_has_no_time_for(monkeypatch):
    """Each program takes half a second at least: a hung one for each node would be too much."""
    done, said = [], []
    monkeypatch.setattr(monitor, "_steps", lambda *_: iter([lambda: done.append(1)] * 50))
    monitor.update_scores(Here(True, Deadline(0), Log(said.append)), Sight([PRIMARY]))
    assert not done and "no time is left" in said[0]


@pytest.mark.parametrize("rows", [
    [PRIMARY, ["standby"]], [PRIMARY, ["standby", "srv2", "streaming", "x", "", "y"]],
    [PRIMARY[:2]], [PRIMARY[:4] + ["x", ""]]])
def test_an_answer_with_odd_rows_brings_no_server_down(rows, monitored):
    assert monitored(rows) == ocf.RUNNING_PROMOTED


@pytest.mark.parametrize("row", [["me"], ["me", ""], ["me", "x", "", "", "", ""], [""],
                                 ["hello", "false"]])
def test_an_answer_that_says_no_role_makes_no_primary(row, tmp_path, monkeypatch):
    answer = sql.Answer(sql.ROWS, [row], "")
    monkeypatch.setattr(sql, "query", lambda *_: answer)
    monkeypatch.setattr(sql, "readiness", lambda *_: state.NO_LOGIN)
    found = observe._ask(instance_at(tmp_path), SERVER, None, Deadline(5), "")
    assert found[0] == state.NO_LOGIN
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(sql, "query", lambda *_: answer._replace(
        rows=[["1", "1", "1", row[1][:0] if row[1:] else "x", "", ""]]))
    assert position._ask(instance_at(tmp_path), Deadline(5)) is None


@pytest.mark.parametrize("facility", [
    "upto", "mask", "pid", "debug", "x y", "", "\udce9", "local0", "FTP", "authpriv"])
def test_a_facility_that_syslog_does_not_have_is_daemon(facility, monkeypatch, tmp_path):
    import socket
    import syslog

    from paf import log, systemlog
    monkeypatch.setattr(os, "isatty", lambda _: False)
    monkeypatch.setattr(systemlog, "_PLACE", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(systemlog._PLACE)
        reader.setblocking(False)
        log.Log(ocf.Environment({
            "HA_LOGFACILITY": facility, "OCF_RESOURCE_INSTANCE": "\udce9"})).info("text \0 \udcff")
        wanted = {"local0": syslog.LOG_LOCAL0, "FTP": 11 << 3, "authpriv": 10 << 3}.get(
            facility, syslog.LOG_DAEMON) | syslog.LOG_INFO
        if facility:
            line = reader.recv(999)
            assert line.startswith(f"<{wanted}>".encode())
            assert line.endswith(b"]: INFO: text ? \\udcff")
        with pytest.raises(BlockingIOError):
            reader.recv(999)


def test_a_log_that_is_a_pipe_without_a_reader_holds_nothing_up(tmp_path, monkeypatch):
    from paf import log
    monkeypatch.setattr(os, "isatty", lambda _: False)
    os.mkfifo(tmp_path / "log")
    log.Log(ocf.Environment({"HA_LOGFILE": str(tmp_path / "log")})).info("text")
