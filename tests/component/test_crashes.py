"""Crashes: a dead instance is stopped, never failed to stop; and it says what it was."""

import os
import shutil
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from tests.component.control_file import write_state
from tests.component.server import owner, wait_until

RECOVERY = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                stop="srv1", start="srv1", promote="srv1")


# A crashed primary

@pytest.mark.fast
def test_a_crashed_primary_is_failed_to_a_monitor_and_stopped_to_all_else(primary):
    primary.kill()
    run = primary.monitor()
    assert run.code == 9 and "crashed primary" in run.reason
    assert primary.probe() == 7
    assert primary.agent("stop").code == 0
    assert primary.agent("demote", lists=dict(demote="srv1", stop="srv1")).code == 0
    assert primary.control() == "in production"


def test_a_crashed_primary_comes_back_as_a_standby_with_all_its_rows(primary):
    primary.sql("INSERT INTO t SELECT generate_series(1, 5000)")
    primary.kill()
    assert primary.agent("start").code == 0
    assert primary.in_recovery
    assert primary.value("SELECT count(*) FROM t") == 5000


def test_nobody_can_write_between_a_crash_and_the_promotion(primary):
    """Clients hammer the socket while the crashed primary is started."""
    primary.kill()
    written, over = [], threading.Event()

    def write():
        while not over.is_set():
            try:
                primary.sql("INSERT INTO t VALUES (1)")
                written.append(1)
            except Exception:    # noqa: BLE001,S112  (refused: what the test is about)
                continue
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert primary.agent("start").code == 0
        assert primary.agent("monitor", interval=15).code == 0
    finally:
        over.set()
        writer.join()
    assert written == []


def test_a_recovered_primary_is_promoted_where_it_was_without_votes(pair):
    srv1 = pair["srv1"]
    srv1.kill()
    for action in ("demote", "stop", "start"):
        assert srv1.agent(action, lists=RECOVERY).code == 0
    assert pair.promote("srv1", RECOVERY, ["srv1", "srv2"]).code == 0
    assert srv1.monitor().code == 8
    pair.wait_for_streams("srv1", 1)


def test_a_restarted_primary_that_did_not_crash_here_needs_votes(pair):
    """The lists look like a recovery; the instance was shut down cleanly."""
    srv1 = pair["srv1"]
    srv1.stop()
    assert srv1.agent("start", lists=RECOVERY).code == 0
    pair.notify("pre", "promote", RECOVERY, ["srv1"], timeout=8)
    run = srv1.agent("promote", lists=RECOVERY, timeout=8)
    assert run.code == 1 and srv1.in_recovery


# A crashed standby

@pytest.mark.fast
def test_a_crashed_standby_is_an_error_to_a_monitor_and_stopped_to_all_else(standby):
    standby.kill()
    run = standby.monitor()
    assert run.code == 1 and "crashed standby" in run.reason
    assert standby.probe() == 7
    assert standby.agent("stop").code == 0
    assert standby.agent("start").code == 0
    assert standby.monitor().code == 0


# Orphans

BUSY = "DO $$ BEGIN LOOP NULL; END LOOP; END $$"


@pytest.fixture
def orphaned(primary):
    """A primary whose postmaster is gone, and a backend that is too busy to notice."""
    started = threading.Event()

    def work():
        connection = primary.connect()
        started.set()
        try:
            connection.cursor().execute(BUSY)
        except Exception:    # noqa: BLE001,S110  (its server is killed)
            pass
    threading.Thread(target=work, daemon=True).start()
    started.wait(20)
    wait_until(lambda: primary.sql(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"),
        "the backend to be busy")
    postmaster = primary.pid()
    primary.signal(signal.SIGKILL)
    wait_until(lambda: postmaster not in primary.processes(), "the postmaster to be dead")
    assert primary.processes()
    return primary


def test_a_backend_without_postmaster_is_a_failed_primary(orphaned):
    assert orphaned.monitor().code == 9
    assert orphaned.probe() == 9


def test_a_stop_ends_backends_that_outlived_their_postmaster(orphaned):
    assert orphaned.agent("stop").code == 0
    assert orphaned.processes() == []
    assert orphaned.probe() == 7


def test_a_start_ends_them_too(orphaned):
    assert orphaned.agent("start").code == 0
    assert orphaned.in_recovery


def test_a_demotion_ends_them_too(orphaned):
    assert orphaned.agent("demote", lists=dict(demote="srv1")).code == 0
    assert orphaned.in_recovery


# Hung, full, or strange

def test_a_stop_does_not_wait_for_a_logging_collector_whose_pipe_somebody_holds(primary):
    """As a program does that a backend, or archive_command, has left in the background."""
    primary.sql("COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; "
                "setsid sleep 300 </dev/null >/dev/null & echo $! > sleeper'")
    sleeper = int((primary.pgdata / "sleeper").read_text())
    try:
        begin = time.monotonic()
        assert primary.agent("stop", timeout=120).code == 0
        assert time.monotonic() - begin < 120 / 2
        assert primary.processes() == [] and primary.control() == "shut down"
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_a_postmaster_that_hangs_is_a_soft_error_in_time_and_can_be_stopped(primary):
    primary.signal(signal.SIGSTOP)
    assert primary.monitor(timeout=4).code == 1
    assert primary.agent("stop").code == 0
    assert primary.control() == "shut down"


def test_a_stop_that_takes_too_long_fails_softly_in_time_and_says_what_it_waits_for(node):
    """A postmaster that hears no signal, as one that waits for a disk."""
    program = node.cluster.folder / "postgres"
    shutil.copy("/bin/sleep", program)
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    deaf = subprocess.Popen(
        ["/bin/sh", "-c", f"trap '' INT TERM; exec {program} 600"], cwd=node.pgdata, **who)
    try:
        (node.pgdata / "postmaster.pid").write_text(f"{deaf.pid}\n{node.pgdata}\n")
        wait_until(lambda: os.readlink(f"/proc/{deaf.pid}/exe").endswith("postgres"), "it to run")
        run = node.agent("stop", timeout=5)
        assert run.code == 1 and "waiting for the postmaster itself" in run.reason
        assert deaf.poll() is None
    finally:
        deaf.kill()
        deaf.wait()
        (node.pgdata / "postmaster.pid").unlink()


def test_a_primary_whose_connections_are_used_up_is_a_primary(primary):
    held = []
    try:
        while True:
            held.append(primary.connect())
    except Exception as error:    # noqa: BLE001
        assert "too many" in str(error) or "reserved" in str(error)
    try:
        assert primary.monitor().code == 8
    finally:
        for connection in held:
            connection.close()


def test_a_standby_whose_connections_are_used_up_is_a_standby(standby):
    held = []
    try:
        while True:
            held.append(standby.connect())
    except Exception:    # noqa: BLE001
        assert held
    assert standby.monitor().code == 0
    for connection in held:
        connection.close()


def test_a_restored_backup_is_not_running(node):
    write_state(node.pgdata, "in production")
    (node.pgdata / "backup_label").write_text("START WAL LOCATION: 0/1 (file 0)\n")
    assert node.monitor().code == 7 and node.probe() == 7
    assert node.agent("stop").code == 0


@pytest.mark.fast
@pytest.mark.parametrize("words", ["starting up", "shutting down", "in crash recovery"])
@pytest.mark.parametrize("signal_file, code", [(True, 1), (False, 9)])
def test_a_transitional_control_state_without_process_is_a_crash(node, words, signal_file, code):
    write_state(node.pgdata, words)
    assert node.control() == words
    if signal_file:
        (node.pgdata / "standby.signal").touch()
    run = node.monitor(timeout=60)
    assert run.code == code and run.seconds < 40
    assert node.probe() == 7
    assert node.agent("stop").code == 0


def test_an_instance_that_crashed_while_shutting_down_starts_as_a_standby(primary):
    primary.kill()
    write_state(primary.pgdata, "shutting down")
    assert primary.agent("start").code == 0
    assert primary.in_recovery


# A damaged control file

@pytest.fixture
def damaged(node):
    path = node.pgdata / "global" / "pg_control"
    path.write_bytes(bytes(path.stat().st_size))
    return node


@pytest.mark.fast
def test_a_damaged_control_file_is_a_hard_error_to_a_start_with_its_path(damaged):
    before = damaged.files()
    run = damaged.agent("start")
    assert run.code == 5
    assert str(damaged.pgdata / "global" / "pg_control") in run.reason
    assert damaged.files() == before


def test_a_damaged_control_file_stops_nothing(damaged):
    assert damaged.agent("stop").code == 0
    assert damaged.probe() == 7
    assert damaged.monitor().code == 1


def test_a_missing_control_file_is_the_same(node):
    (node.pgdata / "global" / "pg_control").unlink()
    assert node.agent("start").code == 5
    assert node.agent("stop").code == 0 and node.probe() == 7


# A restore that has left recovery.signal: the server does not look for it beside standby.signal

_CHECKPOINTER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"


def restored(node):
    """Have the node's instance look as restored from a backup, from an archive that is slow."""
    node.server.configure("restore_command = 'false'")
    path = node.pgdata / "recovery.signal"
    path.touch()
    shutil.chown(path, owner().pw_uid, owner().pw_gid)
    return path


def crash_a_session(node):
    """Kill a session of a primary, which then recovers by itself, with another checkpointer."""
    connection, before = node.server.connect(), node.value(_CHECKPOINTER)

    def recovered():
        try:
            return node.sql(_CHECKPOINTER) not in ([], [(before,)]) and not node.in_recovery
        except psycopg2.OperationalError:
            return False
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    wait_until(recovered, "the server to have recovered")


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_primary_that_was_once_restored_stays_on_its_timeline_after_a_crash(standby, by_hand):
    left = restored(standby)
    if not by_hand:
        standby.stop()
        assert standby.agent("start", in_cluster=False).code == 0
        assert not left.exists() and (standby.pgdata / "standby.signal").exists()
    assert standby.agent("promote", in_cluster=False).code == 0
    assert not left.exists()
    assert standby.value("SELECT pg_walfile_name(pg_current_wal_lsn())").startswith("00000002")
    crash_a_session(standby)
    assert standby.value("SELECT pg_walfile_name(pg_current_wal_lsn())").startswith("00000002")
    assert standby.monitor(in_cluster=False).code == 8


def test_a_primary_with_a_recovery_signal_is_demoted_to_a_standby_alone(primary):
    left = restored(primary)
    assert primary.agent("demote").code == 0
    assert not left.exists() and primary.in_recovery
