"""What a dead server has left: its number in postmaster.pid and beside its sockets."""

import os
import shutil
import signal
import subprocess

import pytest

from tests.component.server import owner, wait_until


@pytest.mark.fast
def test_a_pid_file_left_over_with_somebody_elses_pid_is_nobody(node):
    (node.pgdata / "postmaster.pid").write_text(f"{os.getpid()}\n{node.pgdata}\n")
    assert node.probe() == 7
    assert node.agent("stop").code == 0


def test_a_pid_file_left_over_does_not_keep_the_server_down_while_its_owner_has_that_pid(node):
    """After a power cut the numbers are given out again, to a server of another cluster as well."""
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    other = subprocess.Popen(["/bin/sleep", "600"], cwd="/", **who)
    pid_file = node.pgdata / "postmaster.pid"
    try:
        pid_file.write_text(f"{other.pid}\n{node.pgdata}\n1700000000\n5432\n/tmp\nlocalhost\n"
                            "  5432001    123456\nready   \n")
        shutil.chown(pid_file, owner().pw_uid, owner().pw_gid)
        assert node.agent("start", lists=dict(start="srv1", inactive="pgsqld")).code == 0
        assert node.in_recovery and other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_pid_file_that_is_gone_does_not_hide_a_running_server(primary):
    (primary.pgdata / "postmaster.pid").rename(primary.pgdata / "postmaster.pid.away")
    assert primary.monitor().code != 7
    assert primary.agent("stop").code == 0
    assert primary.processes() == []


def test_a_zombie_is_not_a_living_process(node):
    """Its parent does not reap it: as with a container's init that reaps no process."""
    who = owner()
    more = {} if os.geteuid() else {"user": who.pw_uid, "group": who.pw_gid}
    process = subprocess.Popen(
        [f"{node.programs}/postgres", "-D", str(node.pgdata)], cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    wait_until(lambda: "ready" in (node.pgdata / "postmaster.pid").read_text()
               if (node.pgdata / "postmaster.pid").exists() else "", "the server to be ready")
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert node.agent("stop").code == 0
    assert node.probe() == 7
    process.wait()


def test_an_empty_pid_file_does_not_hide_a_running_server(primary):
    """PostgreSQL looks once a minute whether its number is there."""
    (primary.pgdata / "postmaster.pid").write_text("")
    assert primary.monitor().code == 8 and primary.probe() == 8
    assert primary.agent("stop").code == 0
    assert primary.processes() == [] and primary.control() == "shut down"


@pytest.mark.parametrize("content", [b"", bytes(64), b"\n", b"-x\n/data\n"],
                         ids=["empty", "zeros", "blank", "garbage"])
def test_a_pid_file_without_a_number_that_was_left_keeps_no_server_down(node, content):
    """A power cut leaves it empty, or filled with zero bytes (xfs); pg_ctl takes neither."""
    (node.pgdata / "postmaster.pid").write_bytes(content)
    assert node.probe() == 7
    assert node.agent("start", lists=dict(start="srv1", inactive="pgsqld")).code == 0
    assert node.in_recovery


def test_a_lock_of_its_socket_does_not_keep_the_server_down_while_another_has_that_pid(primary):
    """It is beside the socket, in /tmp for one, and survives a power cut as postmaster.pid does."""
    lock = primary.cluster.sockets / f".s.PGSQL.{primary.port}.lock"
    dead, before = primary.pid(), lock.read_text()
    primary.kill_and_reap()
    who = {} if os.geteuid() else {"user": owner().pw_uid, "group": owner().pw_gid}
    other = subprocess.Popen(["/bin/sleep", "600"], cwd="/", **who)
    try:
        for path in (lock, primary.pgdata / "postmaster.pid"):
            path.write_text(path.read_text().replace(str(dead), str(other.pid)))
        run = primary.agent("start", lists=dict(start="srv1", inactive="pgsqld"))
        assert run.code == 0 and primary.in_recovery and other.poll() is None
        assert primary.agent("stop").code == 0
        lock.write_text(before.replace(str(dead), str(other.pid)).replace("data", "else"))
        shutil.chown(lock, owner().pw_uid, owner().pw_gid)
        run = primary.agent("start", lists=dict(start="srv1", inactive="pgsqld"))
        assert run.code == 1 and lock.exists()    # another data directory's server may run
    finally:
        other.kill()
        other.wait()
        lock.unlink(missing_ok=True)
