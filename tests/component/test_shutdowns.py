"""A shutdown ends in time, whatever hangs, and a standby that keeps up misses none of its WAL."""

import contextlib
import os
import signal
import subprocess
import time

import psycopg2
import pytest

from tests.component.server import as_owner, bindir, deaf_session, owner, send, wait_until

TIMEOUT = 24
DEMOTION = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                promote="srv2")
STUCK = ["wal_sender_timeout = 0", "wal_receiver_timeout = 0"]


@contextlib.contextmanager
def client(node, folder, program="pg_receivewal", *more):
    """A client of WAL as the servers' owner; yields its process."""
    folder.mkdir()
    os.chown(folder, owner().pw_uid, owner().pw_gid)
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    process = subprocess.Popen(
        [f"{bindir()}/{program}", "-h", str(node.cluster.sockets), "-p", str(node.port),
         "-U", owner().pw_name, "--no-loop", *more], cwd=str(folder), stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, **who)
    try:
        yield process
    finally:
        send(process.pid, signal.SIGKILL)
        process.wait()


def streams(node, count):
    """Wait until that many clients of WAL are connected."""
    wait_until(lambda: node.value("SELECT count(*) FROM pg_stat_replication "
                                  "WHERE state = 'streaming'") >= count, "clients to stream")


def restart(node, *lines):
    """Restart the instance with further settings."""
    node.configure(*lines)
    node.stop()
    node.server.start()


@pytest.mark.parametrize("titles", ["on", "off"])
def test_a_standby_with_a_hung_client_is_stopped(pair, titles):
    standby = pair["srv2"]
    restart(standby, *STUCK, f"update_process_title = {titles}")
    pair.wait_for_streams("srv1", 1)
    with client(standby, pair.folder / "wal", "pg_receivewal", "-D", ".") as process:
        streams(standby, 1)
        process.send_signal(signal.SIGSTOP)
        pair["srv1"].sql("INSERT INTO t SELECT generate_series(1, 1000)")
        run = standby.agent("stop", timeout=TIMEOUT)
    assert run.code == 0, run
    assert standby.control() == "shut down in recovery"


@pytest.mark.parametrize("titles", ["on", "off"])
def test_a_client_that_does_not_read_keeps_no_healthy_standby_from_its_wal(pair, titles):
    """Its socket is full: the sender cannot even begin to stop."""
    primary, standby = pair["srv1"], pair["srv2"]
    restart(primary, *STUCK, f"update_process_title = {titles}")
    pair.wait_for_streams("srv1", 1)
    with client(primary, pair.folder / "wal", "pg_receivewal", "-D", ".") as process:
        streams(primary, 2)
        process.send_signal(signal.SIGSTOP)
        primary.sql("INSERT INTO t SELECT generate_series(1, 200000)")
        run = primary.agent("demote", timeout=TIMEOUT, lists=dict(DEMOTION, stop="srv1"))
    assert run.code == 0, run
    assert primary.control() == "shut down"
    received = standby.value("SELECT pg_last_wal_receive_lsn() > "
                             f"'{primary.control('Latest checkpoint location')}'")
    assert received and standby.value("SELECT count(*) FROM t") == 200000


@pytest.mark.parametrize("rows", [100000, 10], ids=["its socket is full", "all is sent"])
def test_a_logical_consumer_that_hangs_is_ended(primary, rows):
    restart(primary, *STUCK, "wal_level = logical", "max_replication_slots = 4")
    primary.sql("SELECT pg_create_logical_replication_slot('hung', 'test_decoding')")
    with client(primary, primary.cluster.folder / "logical", "pg_recvlogical", "-d", "postgres",
                "-S", "hung", "--start", "-f", "out") as process:
        streams(primary, 1)
        process.send_signal(signal.SIGSTOP)
        primary.sql(f"INSERT INTO t SELECT generate_series(1, {rows})")
        run = primary.agent("stop", timeout=TIMEOUT)
    assert run.code == 0, run
    assert primary.control() == "shut down"


@pytest.mark.parametrize("command", ["sleep 1000", "trap : TERM; while :; do sleep 1000; done"],
                         ids=["sleeps", "deaf"])
def test_an_archive_command_that_hangs_is_ended(primary, command):
    restart(primary, "archive_mode = on", f"archive_command = '{command}'")
    primary.sql("SELECT pg_switch_wal()")
    wait_until(lambda: as_owner("ps", "-eo", "args").count("sleep 1000"), "archiving to begin")
    run = primary.agent("stop", timeout=TIMEOUT)
    assert run.code == 0, run
    assert primary.control() == "shut down"
    assert list((primary.pgdata / "pg_wal" / "archive_status").glob("*.ready"))


def after_a_checkpoint(pair):
    """Have the standby's next restartpoint be worth one."""
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    pair["srv1"].sql("CHECKPOINT")
    pair.wait_for_streams("srv1", 1)


def runs(word):
    return word in as_owner("ps", "-eo", "args")


@pytest.fixture
def program(pair):
    """A program that hears no request to end, and its name."""
    path = pair.folder / "deaf-program"
    path.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    path.chmod(0o755)
    yield path
    subprocess.run(["pkill", "-KILL", "-f", str(path)], check=False)


@pytest.mark.parametrize("before", [True, False], ids=["before", "at the end"])
def test_an_archive_cleanup_command_that_hangs_holds_no_shutdown_up(pair, program, before):
    """The checkpointer runs it at each restartpoint, that of the shutdown as well."""
    standby = pair["srv2"]
    restart(standby, f"archive_cleanup_command = '{program}'")
    after_a_checkpoint(pair)
    if before:
        with subprocess.Popen(
                [f"{bindir()}/psql", "-h", str(pair.sockets), "-p", str(standby.port), "-U",
                 owner().pw_name, "-c", "CHECKPOINT", "postgres"], stderr=subprocess.DEVNULL):
            wait_until(lambda: runs(str(program)), "the command to run")
            run = standby.agent("stop", timeout=TIMEOUT)
    else:
        run = standby.agent("stop", timeout=TIMEOUT)
    assert run.code == 0 and "archive_cleanup_command does not end" in run.log, run
    assert standby.control() == "shut down in recovery" and "immediate" not in run.log


def test_a_program_of_a_session_that_hangs_holds_no_demotion_up(pair, program):
    primary = pair["srv1"]
    with subprocess.Popen(
            [f"{bindir()}/psql", "-h", str(pair.sockets), "-p", str(primary.port), "-U",
             owner().pw_name, "-c", f"COPY t FROM PROGRAM '{program}'", "postgres"],
            stderr=subprocess.DEVNULL):
        wait_until(lambda: runs(str(program)), "the program to run")
        run = primary.agent("demote", timeout=TIMEOUT, lists=dict(DEMOTION, stop="srv1"))
    assert run.code == 0 and "a program that a session has started" in run.log, run
    assert primary.control() == "shut down" and str(program) not in run.log


def test_a_session_that_does_not_end_has_no_node_fenced(pair):
    """It holds a demotion up, which says so; the stop after it ends at once."""
    primary = pair["srv1"]
    primary.sql("INSERT INTO t VALUES (1)")
    with deaf_session(primary, pair.folder / "fifo"):
        run = primary.agent("demote", timeout=8, lists=dict(DEMOTION, stop="srv1"))
        assert run.code == 1 and "waiting for sessions" in run.err, run
        run = primary.agent("stop", timeout=TIMEOUT, lists=dict(DEMOTION, stop="srv1"))
        assert run.code == 0 and "(immediate mode), as sessions do not end" in run.log, run
    assert primary.control() == "in production" and not primary.server.processes()
    assert primary.agent("start", lists=dict(active="srv2", start="srv1")).code == 0
    assert primary.value("SELECT count(*) FROM t") == 1


def test_messages_that_nothing_reads_hold_no_shutdown_up(node):
    node.configure("logging_collector = off", "log_min_messages = debug5", "log_duration = on")
    node.cluster.move_vip("srv1")
    reader, writer = os.pipe()
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    process = subprocess.Popen([f"{node.programs}/postgres", "-D", str(node.pgdata)], cwd="/",
                               stdout=subprocess.DEVNULL, stderr=writer, **who)
    os.close(writer)
    try:
        def ready():
            os.set_blocking(reader, False)
            with contextlib.suppress(BlockingIOError):
                os.read(reader, 1 << 20)
            return "ready" in (node.pgdata / "postmaster.pid").read_text()
        wait_until(lambda: (node.pgdata / "postmaster.pid").exists() and ready(), "it to start")
        writing = os.open(f"/proc/{process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x")
        run = node.agent("stop", timeout=TIMEOUT)
        assert run.code == 0 and "dropped" in run.log, run
        assert node.control() == "shut down"
    finally:
        os.close(reader)
        process.kill()
        process.wait()


def title(pid):
    """Return the title of a process, "" where it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="ascii") as stream:
        return stream.read()
    return ""


def accepts(node):
    """Return whether a server accepts connections."""
    with contextlib.suppress(psycopg2.OperationalError):
        return node.value("SELECT 1") == 1
    return False


def in_the_middle_of_a_restart(node):
    """Crash a child, and stop the startup process before it begins to replay."""
    for _ in range(20):
        wait_until(lambda: accepts(node), "the server to accept connections")
        child = next(pid for pid in node.server.processes() if "checkpointer" in title(pid))
        send(child, signal.SIGKILL)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for pid in node.server.processes():
                if "startup" in title(pid):
                    send(pid, signal.SIGSTOP)
                    if node.control() == "in production":
                        return
                    send(pid, signal.SIGCONT)
                    until = 0
    pytest.fail("the startup process was too fast each time")


@pytest.mark.long    # the moment is met by trying; the decision is in tests/unit/test_shutdown.py
def test_a_shutdown_during_a_restart_after_a_crash_ends(primary):
    """PostgreSQL then waits for a checkpointer that nobody asks to end; it cost a fencing."""
    restart(primary, "fsync = on")
    folder = primary.pgdata / "many"
    folder.mkdir()
    for number in range(3000):    # each is synced before the startup process replays
        (folder / str(number)).touch()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner().pw_uid, owner().pw_gid)
    primary.sql("CREATE TABLE big AS SELECT generate_series(1, 100000)")
    in_the_middle_of_a_restart(primary)
    run = primary.agent("stop", timeout=TIMEOUT)
    assert run.code == 0 and "the next start repeats the recovery" in run.log, run
    assert not primary.server.processes()
    primary.server.start()
    assert primary.value("SELECT count(*) FROM big") == 100000


def test_a_healthy_shutdown_says_nothing_of_it(pair):
    run = pair["srv1"].agent("demote", timeout=120, lists=dict(DEMOTION, stop="srv1"))
    assert run.code == 0 and "continues without" not in run.log


def test_a_server_in_single_user_mode_is_ended(node):
    """As a start that was killed during the crash recovery before a rewind leaves it."""
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    process = subprocess.Popen(
        [f"{bindir()}/postgres", "--single", "-D", str(node.pgdata), "postgres"], cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)
    try:
        wait_until((node.pgdata / "postmaster.pid").exists, "single-user mode")
        process.stdin.write(b"SELECT pg_sleep(600)\n")
        process.stdin.flush()
        run = node.agent("stop", timeout=TIMEOUT)
        assert run.code == 0 and "no postmaster" in run.log
        assert node.processes() == []
    finally:
        process.kill()
        process.wait()
