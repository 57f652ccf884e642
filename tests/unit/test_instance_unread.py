"""What a server, its files or the primary do not say: a fact that is not known, or a refusal."""

import errno
import os
import struct
import types

import pytest

from paf import ocf, runner
from paf.deadline import Deadline
from paf.decide import state, timelines, wal
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import (
    conninfo, controldata, divergence, failoverslots, housekeeping, identity, journal, keptwal,
    line, listening, observe, peer, pidfile, position, postmaster, psql, rewind, rewindrole,
    server, serverlog, serverslots, settings, shutdown, sql, standby_mode, upstream,
    waiting_commits, walfiles)
from tests.unit.unread import SIZE, answer, segment, with_wal_folder

TIMEOUT = runner.Result(-9, "", "", True)
CONTROL = controldata.ControlData(
    state="shut down", timeline=2, checkpoint=96, redo=40, recovery_end=0, recovery_end_timeline=0,
    segment_size=SIZE, wal_level="replica", wal_log_hints=False, checksums=True,
    system_identifier="7")
HERE = wal.Position(2, 5 * SIZE + 0x148)


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """An instance with an empty pg_wal."""
    return with_wal_folder(tmp_path, monkeypatch)


# the primary

@pytest.mark.parametrize("text, reason", [
    ("", "primary_conninfo is empty"), ("host=", "primary_conninfo cannot be used"),
    ("host=srv1 port", "primary_conninfo cannot be used")])
def test_a_primary_that_no_connection_string_leads_to_is_not_known(instance, monkeypatch, text,
                                                                   reason):
    answer(monkeypatch, psql, "there", conninfo.Malformed("of a test"))
    assert upstream.ask(instance, text, Deadline(5)).reason.startswith(reason)


def test_a_primary_that_does_not_answer_in_time_is_not_known(instance, monkeypatch):
    answer(monkeypatch, psql, "there", TIMEOUT)
    assert upstream.ask(instance, "host=srv1", Deadline(5)) == Unknown(
        "the primary did not answer in time")


def test_before_postgresql_10_no_host_is_preferred(instance, monkeypatch):
    answer(monkeypatch, upstream.local, "version", 90600)
    assert upstream.primary_only(instance) == ()


def test_who_is_on_an_older_timeline_says_nothing_of_a_divergence(instance, monkeypatch):
    answer(monkeypatch, upstream, "ask", Known(upstream.Upstream(1, [], "7")))
    answer(monkeypatch, controldata, "read", Known(CONTROL))
    assert divergence.look(instance, "host=srv1", Deadline(5)) == Unknown(
        "who answers is on timeline 1, and this instance on 2")
    for acting in (None, 2):    # Pacemaker's primary says nothing, or is another server
        assert not is_known(divergence.look(instance, "host=srv1", Deadline(5),
                                            lambda acting=acting: acting))


@pytest.mark.parametrize("history, left", [
    ("1\t0/30\tx\n", wal.Position(1, 0x30)), ("1\t0/3", None), ("3\t0/30\tx\n", None)])
def test_what_is_on_a_later_timeline_than_the_primary_has_left_its_history(
        instance, monkeypatch, tmp_path, history, left):
    """By the primary's own word; it was promoted by something else."""
    (tmp_path / "pg_wal" / "00000002.history").write_text(history)
    answer(monkeypatch, upstream, "ask", Known(upstream.Upstream(1, [], "7")))
    answer(monkeypatch, controldata, "read", Known(CONTROL))
    answer(monkeypatch, divergence.walfiles, "missing", "")
    found = divergence.look(instance, "host=srv1", Deadline(5), lambda: 1).value
    assert "timeline 2 is later than the primary's timeline 1" in divergence.reason(found)
    assert "pg_rewind" not in divergence.reason(found)
    assert (found.fork, found.end) == (left, None)


def test_a_history_that_cannot_be_read_is_not_one_that_is_not_there(instance, tmp_path):
    primary = upstream.Upstream(3, [timelines.Switch(1, 96)], "7")
    assert divergence._same_history(instance, 2, primary)
    (tmp_path / "pg_wal" / "00000002.history").write_text("1\t0/")
    assert divergence._same_history(instance, 2, primary)    # damaged: the server refuses it
    os.rename(tmp_path / "pg_wal" / "00000002.history", tmp_path / "was")
    (tmp_path / "pg_wal" / "00000002.history").mkdir()
    with pytest.raises(ocf.OcfError, match="cannot read .*00000002.history: Is a directory"):
        divergence._same_history(instance, 2, primary)


def test_what_exists_only_here_needs_the_control_file(instance, monkeypatch):
    found = divergence.Divergence("diverged", True, upstream.Upstream(3, [], "7"), None, None, SIZE)
    answer(monkeypatch, controldata, "read", Unknown("pg_controldata was killed"))
    with pytest.raises(ocf.OcfError, match="pg_controldata was killed"):
        divergence.parts(instance, found, Deadline(5))
    answer(monkeypatch, controldata, "read", Known(CONTROL))
    found = found._replace(upstream=found.upstream._replace(system_identifier="8"))
    assert divergence.parts(instance, found, Deadline(5)) is None


def test_slots_of_a_primary_that_cannot_be_asked_are_not_none(instance, monkeypatch):
    answer(monkeypatch, settings, "conninfo", "host='srv1")
    for fact in (failoverslots._primary(instance, Deadline(5)),
                 serverslots.of_primary(instance, ["pgsqlms_srv2"], Deadline(5))):
        assert isinstance(fact, Unknown) and "primary_conninfo cannot be used" in fact.reason


@pytest.mark.parametrize("version, control, way, reason", [
    (90600, Known(CONTROL), "host=srv1", "cannot be asked for its role before PostgreSQL 10"),
    (150000, Unknown("pg_controldata was killed"), "host=srv1", "pg_controldata was killed"),
    (150000, Known(CONTROL), "", "primary_conninfo is empty"),
    (150000, Known(CONTROL), ocf.OcfError("psql cannot be started"), "psql cannot be started")])
def test_a_node_whose_server_cannot_be_asked_has_no_position(instance, monkeypatch, version,
                                                             control, way, reason):
    answer(monkeypatch, peer.local, "version", version)
    answer(monkeypatch, peer, "_addresses", Known(["192.0.2.1"]))
    answer(monkeypatch, peer, "_is_local", False)
    answer(monkeypatch, controldata, "read", control)
    answer(monkeypatch, settings, "conninfo", way)
    fact = peer.position(instance, "srv3", False, Deadline(5))
    assert isinstance(fact, Unknown) and reason in fact.reason


def test_a_name_that_cannot_be_looked_up_is_not_known(monkeypatch):
    answer(monkeypatch, runner, "run", TIMEOUT)
    assert "in time" in listening.addresses("srv3", Deadline(5)).reason
    monkeypatch.setattr(runner, "PATH", "/nonexistent")
    assert "there is no getent" in listening.addresses("srv3", Deadline(5)).reason
    answer(monkeypatch, listening, "addresses", ocf.OcfError("no program can be started"))
    assert identity._looked_up("srv3") is None


# a rewind's role and programs

@pytest.mark.parametrize("version, reason", [
    (90400, "9.5 or later"), (150000, "needs pg_rewind in bindir")])
def test_a_rewind_that_cannot_be_done_is_known_before(instance, monkeypatch, version, reason):
    answer(monkeypatch, rewind.local, "version", version)
    answer(monkeypatch, rewind.local, "program", "/nonexistent/pg_rewind")
    assert reason in rewind.problem_now(instance, CONTROL)


def test_a_role_that_may_order_no_checkpoint_waits_for_one(instance, monkeypatch):
    answer(monkeypatch, psql, "there", runner.Result(1, "", "permission denied", False))
    with pytest.raises(ocf.OcfError, match="first checkpoint on timeline 3.*permission denied"):
        rewindrole.await_checkpoint(instance, "host=srv1", 3, Deadline(0))
    answer(monkeypatch, rewindrole.local, "version", 90500)    # where it cannot be seen
    with pytest.raises(ocf.OcfError, match="checkpoint before a rewind failed: permission denied"):
        rewindrole.await_checkpoint(instance, "host=srv1", 3, Deadline(5))


# the server

def test_what_cannot_be_seen_is_neither_up_nor_down(instance, monkeypatch):
    answer(monkeypatch, postmaster, "find", Unknown("postmaster.pid cannot be read"))
    sight = observe.observe(instance, Deadline(5))
    assert sight.verdict.state not in state.DOWN and "cannot be read" in sight.message
    answer(monkeypatch, postmaster, "find", Known(None))
    answer(monkeypatch, postmaster, "orphans", postmaster.Unseen("/proc cannot be read"))
    sight = observe.observe(instance, Deadline(5))
    assert sight.verdict.state not in state.DOWN and "/proc" in sight.message


def test_processes_that_do_not_end_fail_the_stop(instance, monkeypatch):
    answer(monkeypatch, postmaster, "find", Known(None))
    answer(monkeypatch, postmaster, "processes", [4711])
    answer(monkeypatch, postmaster, "end_orphans", [4711])
    log = types.SimpleNamespace(info=lambda text: None, warning=lambda text: None)
    with pytest.raises(ocf.OcfError, match="processes of the instance do not end: 4711"):
        server.stop(instance, Deadline(0), log)


@pytest.mark.parametrize("result", [TIMEOUT, runner.Result(1, "", "could not send signal", False)])
def test_an_order_of_promotion_that_fails_is_no_promotion(instance, monkeypatch, result):
    answer(monkeypatch, runner, "run", result)
    with pytest.raises(ocf.OcfError, match="pg_ctl promote failed"):
        server.order_promotion(instance, Deadline(5), None)


def test_a_server_that_does_not_get_writable_is_not_promoted(instance, monkeypatch):
    answer(monkeypatch, postmaster, "find", Known(types.SimpleNamespace(pid=1)))
    answer(monkeypatch, controldata, "read", Unknown("pg_controldata was killed"))
    answer(monkeypatch, server, "_says_primary", False)
    with pytest.raises(ocf.OcfError, match="was not promoted in .*pg_controldata was killed"):
        server.await_promotion(instance, Deadline(0), None)
    answer(monkeypatch, postmaster, "find", Known(None))
    with pytest.raises(ocf.OcfError, match="ended while it was promoted"):
        server.await_promotion(instance, Deadline(0), None)


def test_a_server_that_gives_no_sign_in_time_is_silent(instance, monkeypatch):
    answer(monkeypatch, runner, "run", TIMEOUT)
    where = identity.Address("/tmp", 5432, "")
    assert sql.readiness(instance, Deadline(5), where) == state.SILENT


@pytest.mark.parametrize("rows", [
    [["many", "0", "1", "true", "", ""]], [["0", "0", "1", "perhaps", "", ""]], [], [["0"]]])
def test_a_row_that_is_not_understood_is_no_position(instance, monkeypatch, rows):
    answer(monkeypatch, sql, "query", sql.Answer(sql.ROWS, rows, ""))
    assert position._ask(instance, Deadline(5)) is None


def test_without_a_control_file_the_disk_says_no_position(instance, monkeypatch):
    answer(monkeypatch, controldata, "read", Unknown("pg_controldata was killed"))
    assert position.at_rest(instance, Deadline(5)) == Unknown("pg_controldata was killed")


def test_a_postmaster_pid_that_changed_meanwhile_is_left_alone(instance, tmp_path, monkeypatch):
    """A server has started since: the number in the file is its own."""
    def started(_):
        (tmp_path / "postmaster.pid").write_text("4712\n/data\n")
        return []
    answer(monkeypatch, postmaster, "await_reaping", None)
    answer(monkeypatch, postmaster, "status", (4711, ""))
    answer(monkeypatch, postmaster, "find", Known(None))
    monkeypatch.setattr(postmaster, "processes", started)
    (tmp_path / "postmaster.pid").write_text("4711\n/data\n")
    pidfile.make_way(instance, Deadline(5))
    assert (tmp_path / "postmaster.pid").read_text() == "4712\n/data\n"
    answer(monkeypatch, postmaster, "processes", [4712])
    (tmp_path / "postmaster.pid").write_text("4711\n/data\n")
    pidfile.make_way(instance, Deadline(5))
    assert (tmp_path / "postmaster.pid").read_text() == "4711\n/data\n"


def test_what_ends_while_it_is_looked_at_does_not_hang(tmp_path):
    gone = 1 << 30
    assert shutdown._switches(gone) is None
    assert shutdown._waits_to_send(gone) is None
    assert shutdown._pipe(gone) is None
    nowhere = (str(tmp_path / "pipe"), 1)
    assert not shutdown._is_full(nowhere) and shutdown._empty(nowhere) == 0


def test_commits_that_wait_are_ended_as_far_as_they_are_seen(instance, monkeypatch):
    said = []
    answer(monkeypatch, postmaster, "find", Unknown("postmaster.pid cannot be read"))
    answer(monkeypatch, postmaster, "processes", postmaster.Unseen("/proc cannot be read"))
    waiting_commits.end(instance, types.SimpleNamespace(warning=said.append))
    assert said == ["not all commits that wait are seen: /proc cannot be read"]


def test_a_log_that_cannot_be_read_says_nothing(instance, monkeypatch, tmp_path):
    answer(monkeypatch, settings, "read", ocf.OcfError("postgres -C took too long"))
    assert serverlog._newest(instance, Deadline(5)) == []
    answer(monkeypatch, settings, "read", "log")
    assert serverlog._newest(instance, Deadline(5)) == []
    assert serverlog._changed(str(tmp_path / "no")) == serverlog._size(str(tmp_path / "no")) == 0
    assert walfiles._stat(str(tmp_path), "no", "st_size") == 0


@pytest.mark.parametrize("later", [True, False])
def test_the_complaint_of_a_failed_start_is_read_when_the_collector_has_ended(
        instance, monkeypatch, tmp_path, later):
    """It writes after the postmaster has ended; without one, nothing is waited for."""
    (tmp_path / "log").write_text("LOG:  starting\n")
    (tmp_path / "current_logfiles").write_text("stderr log\n")
    monkeypatch.setattr(server, "_READY", ())
    answer(monkeypatch, server, "_socket_lock", False)
    answer(monkeypatch, pidfile, "make_way", None)
    answer(monkeypatch, standby_mode, "options", [])
    answer(monkeypatch, runner, "run", runner.Result(1, "", "pg_ctl: could not start", False))
    looks = []

    def processes(_):
        looks.append(1)
        if later and len(looks) == 3:
            (tmp_path / "log").write_text("LOG:  starting\nFATAL:  could not load x\n")
        return [1] if later and len(looks) < 3 else []
    monkeypatch.setattr(postmaster, "processes", processes)
    with pytest.raises(ocf.OcfError, match="could not load x" if later else "could not start"):
        server.start(instance, Deadline(30))


def test_a_recovery_conf_that_is_malformed_has_no_settings():
    assert standby_mode.template_value("standby_mode = 'on\n", "standby_mode") == ""


# files

def test_a_first_record_that_cannot_be_read_has_no_mark(instance, tmp_path):
    begin = 5 * SIZE
    assert line._mark(instance, 2, 0, SIZE) == "initdb"
    assert line._mark(instance, 2, begin, SIZE) is None
    path = segment(tmp_path, 5)
    assert line._mark(instance, 2, begin, SIZE) is None         # the file ends before
    assert line._mark(instance, 2, begin + 8180, SIZE) is None  # it goes on in the next page
    os.truncate(path, SIZE)
    assert line._mark(instance, 2, begin, SIZE) is None         # zeros
    with open(path, "r+b") as stream:
        stream.seek(8192 + 24)
        stream.write(struct.pack("=IIQBBxxI", 42, 0, 0, 0, 0, 0xabcd1234))
    assert line._mark(instance, 2, begin + 8192, SIZE) == "abcd1234"
    path.unlink()
    path.mkdir()
    assert line._mark(instance, 2, begin, SIZE) is None


def test_a_transaction_that_did_not_commit_is_no_statistics():
    changed = ("Heap", "7", "0/60", "HOT_UPDATE off 1, blkref #0: rel 1663/1/2619 blk 3")
    assert not housekeeping.is_of_vacuum([changed, ("Transaction", "7", "0/90", "ABORT 2026")])


def test_copies_that_cannot_be_made_are_refused_with_the_place(instance, tmp_path, monkeypatch):
    (tmp_path / "pg_wal").rmdir()
    with pytest.raises(ocf.OcfError, match="cannot copy the WAL that only this instance has from"):
        keptwal.segments(instance, 0, 2, SIZE)
    with pytest.raises(ocf.OcfError, match="cannot put the WAL back from"):
        keptwal.put_back(instance)
    monkeypatch.setattr(os, "statvfs", refuse)
    with pytest.raises(ocf.OcfError, match="cannot keep the WAL that is given up in"):
        keptwal.fits(instance, [], SIZE)
    monkeypatch.setattr(os.path, "lexists", refuse)
    with pytest.raises(ocf.OcfError, match="cannot keep the WAL that is given up in"):
        keptwal.free_name(instance, "2026-11-27T08:00")


def refuse(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_wal_that_is_too_much_to_keep_is_not_copied(instance, monkeypatch):
    answer(monkeypatch, journal, "make_folder", True)
    answer(monkeypatch, keptwal, "fits", False)
    assert keptwal.keep_aside(instance, ["a"], "set", {}, SIZE) == ""


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ocf.OcfError("no")])
def test_of_copies_that_fail_nothing_stays(instance, monkeypatch, error):
    removed = []
    answer(monkeypatch, journal, "make_folder", True)
    answer(monkeypatch, keptwal, "_copy", error)
    monkeypatch.setattr(journal, "remove_folder", lambda _, place: removed.append(place))
    with pytest.raises(ocf.OcfError):
        keptwal.keep_aside(instance, ["a"], "set", {}, SIZE)
    assert [place.rpartition("/")[2] for place in removed] == ["set"]


def test_a_journal_in_memory_is_refused_as_a_power_cut_would_take_it(instance, monkeypatch):
    beside = os.path.dirname(journal.folder(instance))
    monkeypatch.setattr(journal, "_memory", lambda path: path == beside)
    with pytest.raises(ocf.NotUsable, match="a journal there does not survive a power cut"):
        journal.begin(instance, {})


def test_a_journal_that_cannot_be_removed_is_an_error(instance, monkeypatch):
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(ocf.OcfError, match="cannot remove .*: Input/output error"):
        journal.remove(instance)


def test_a_phase_that_this_version_does_not_know_stops_the_rewind(instance, monkeypatch):
    answer(monkeypatch, journal, "read", {"what": rewind.WHAT, "phase": "of 4.0"})
    answer(monkeypatch, journal, "check_free", None)
    answer(monkeypatch, rewind.processes, "end", None)
    log = types.SimpleNamespace(warning=pytest.fail, info=pytest.fail)
    with pytest.raises(ocf.NotUsable, match="is of another version of PAF"):
        rewind.finish(instance, Deadline(5), log)


# what the system refuses

def test_a_folder_for_wal_that_cannot_be_seen_is_no_folder_with_the_checkpoint(
        instance, monkeypatch):
    def refuse(folder):
        raise OSError(errno.EIO, "Input/output error", folder)
    monkeypatch.setattr(os, "listdir", refuse)
    reason = walfiles.missing(instance, CONTROL)
    assert reason.startswith("cannot look into ") and reason.endswith(": Input/output error")


def test_a_signal_that_the_system_refuses_is_an_error(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(PermissionError):
        postmaster.send(99999999, 0)


def test_a_recovery_signal_that_cannot_be_removed_is_named(instance, monkeypatch):
    def refuse(path):
        raise OSError(errno.EACCES, "Permission denied", path)
    folder = instance.parameters.datadir
    for name, text in (("PG_VERSION", "15\n"), ("recovery.signal", "")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
            stream.write(text)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(ocf.OcfError, match="cannot remove .*recovery.signal: Permission denied"):
        standby_mode.forget_recovery(instance)
