"""The one door to other programs: in time, whole, without a shell, with nothing left behind."""

import errno
import os
import pathlib
import pwd
import select
import signal
import time

import pytest

from paf import accounts, runner
from paf.deadline import Deadline
from paf.runner import NotStarted
from tests.unit.support import NOBODY

SH = "/bin/sh"


def sh(script, seconds=10.0, **more):
    return runner.run([SH, "-c", script], Deadline(seconds), **more)


def is_gone(pid):
    """No such process, or a zombie that no node has reaped."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# What comes back

def test_status_output_and_error_come_apart():
    result = sh("echo out; echo err >&2; exit 3")
    assert result == runner.Result(3, "out\n", "err\n", False)


def test_a_signal_is_a_negative_status():
    assert sh("kill -TERM $$").status == -signal.SIGTERM


def test_output_larger_than_a_pipe_comes_whole():
    result = sh("head -c 3000000 /dev/zero | tr '\\0' x; head -c 200000 /dev/zero >&2")
    assert (len(result.out), len(result.err)) == (3000000, 200000)


def test_only_the_end_is_kept_where_that_is_asked_for():
    result = sh("seq 1 100000", keep=100)
    assert len(result.out) == 100 and result.out.endswith("100000\n")


def test_a_program_reads_what_it_is_given():
    assert sh("cat", stdin="é\n").out == "é\n"
    assert sh("cat").out == ""


def test_a_program_that_does_not_read_is_no_error():
    assert sh("exec <&-; exit 0", stdin="x" * 1000).status == 0


def test_bytes_that_are_no_utf_8_survive():
    assert sh("printf '\\351'").out == "\udce9"


def test_no_shell_looks_at_the_arguments():
    result = runner.run(["/bin/echo", "$HOME; `id`", "a  b", "*"], Deadline(5))
    assert result.out == "$HOME; `id` a  b *\n"


# What the program is given

def test_the_environment_is_empty_but_for_path_and_locale(monkeypatch):
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("OCF_RESKEY_x", "y")
    names = {line.partition("=")[0] for line in runner.run(
        ["/usr/bin/env"], Deadline(5)).out.splitlines()}
    assert names == {"PATH", "LC_ALL"}


def test_a_given_environment_is_added():
    out = runner.run(["/usr/bin/env"], Deadline(5), env={"PGPORT": "1", "LC_ALL": "x"}).out
    assert set(out.split()) == {"PGPORT=1", "LC_ALL=x", "PATH=" + runner.PATH}


def test_no_descriptor_but_the_first_three_is_inherited():
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        assert sh("ls /proc/self/fd").out.split() == ["0", "1", "2", "3"]    # 3: the listing's
    finally:
        os.close(read)
        os.close(write)


def test_it_stands_in_the_root_folder_in_a_session_of_its_own():
    out = runner.run([SH, "-c", "pwd; ps -o sid= -p $$; echo $$"], Deadline(5)).out.split()
    assert out[0] == "/" and out[1] == out[2]


def test_no_descriptor_of_ours_is_left_open():
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        sh("exit 0")
        with pytest.raises(NotStarted):
            runner.run(["/nonexistent"], Deadline(5))
    assert len(os.listdir("/proc/self/fd")) == len(before)


# What cannot be started

@pytest.mark.parametrize("program, words", [
    ("/nonexistent/psql", "No such file"), ("/etc/passwd", "Permission denied"),
    ("/etc", "Permission denied"), ("/bin/\0x", "null byte")])
def test_a_program_that_cannot_be_run_is_named(program, words):
    with pytest.raises(NotStarted) as caught:
        runner.run([program], Deadline(5))
    assert words in str(caught.value)


def has_no_child():
    """Reap what a program before has left, on a machine that is slow to end it."""
    try:
        return os.waitpid(-1, os.WNOHANG) and False
    except ChildProcessError:
        return True


def test_a_failed_start_leaves_no_second_agent():
    assert Deadline(60).wait_for(has_no_child)
    pid = os.getpid()
    with pytest.raises(NotStarted):
        runner.run(["/nonexistent"], Deadline(5))
    assert os.getpid() == pid
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("function, number", [("fork", errno.EAGAIN), ("pipe", errno.EMFILE)])
def test_a_system_without_processes_or_descriptors_has_not_run_it(function, number, monkeypatch):
    """The actions go on as with a program that is missing: a monitor fails no server for it."""
    def refuse(*_):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(NotStarted, match=f"cannot run {SH}: {os.strerror(number)}"):
        sh("exit 0")


def test_a_lack_of_processes_leaves_no_descriptor_open(monkeypatch):
    monkeypatch.setattr(os, "fork", lambda: (_ for _ in ()).throw(OSError(errno.EAGAIN, "none")))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(NotStarted):
        sh("exit 0")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def ended(status):
    """Return the pid of a child, with a session of its own, that has ended: a zombie."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(status)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


@pytest.mark.parametrize("status", [0, 3])
def test_a_program_that_ends_just_as_its_time_is_over_has_its_status(status):
    """With 0 it was waited for twice, and the action failed with "No child processes"."""
    assert runner.kill(ended(status)) == status


def test_a_number_that_is_no_longer_our_childs_is_not_killed(monkeypatch):
    """By now another process may have it."""
    pid = ended(0)
    os.waitpid(pid, 0)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("it kills another process"))
    with pytest.raises(ChildProcessError):
        runner.kill(pid)


# Promise: in time

def test_a_child_that_hangs_before_it_is_the_program_is_killed(monkeypatch):
    """As where the program is on dead storage, or a service of names does not answer."""
    monkeypatch.setattr(runner.signals, "signal", lambda *_: time.sleep(120))
    start = time.monotonic()
    result = sh("exit 0", seconds=1)
    assert result.timed_out and result.status == -signal.SIGKILL
    assert time.monotonic() - start < 60


def past_its_deadline(command, started):
    """Run it until it is killed; with more time where a busy machine did not let it begin."""
    for seconds in (2, 30):
        result = sh(command, seconds=seconds)
        if started(result):
            break
    return result


def test_a_program_past_the_deadline_is_killed():
    start = time.monotonic()
    result = past_its_deadline("echo before; sleep 600", lambda result: result.out)
    assert result.timed_out and result.status == -signal.SIGKILL
    assert result.out == "before\n"
    assert time.monotonic() - start < 300


def test_what_it_started_is_killed_with_it(tmp_path):
    pids = tmp_path / "pids"
    past_its_deadline(f"sleep 60 & echo $! > {pids}; sleep 60",
                      lambda _: pids.exists() and pids.read_text())
    child = int(pids.read_text())
    assert Deadline(30).wait_for(lambda: is_gone(child))


def test_a_program_that_ignores_signals_is_killed():
    result = sh("trap '' TERM INT HUP; sleep 60", seconds=2)
    assert result.timed_out


def test_a_daemon_that_keeps_the_pipe_open_does_not_hold_us():
    """pg_ctl's postmaster inherits the pipes."""
    start = time.monotonic()
    result = sh("setsid sleep 30 & echo $!; exit 0")
    assert result.status == 0 and time.monotonic() - start < 25
    os.kill(int(result.out), signal.SIGKILL)


def test_a_program_that_closed_its_pipes_is_still_waited_for():
    result = sh("exec >&- 2>&-; sleep 0.2; exit 7")
    assert result.status == 7


def test_a_deadline_that_has_passed_still_starts_and_ends_the_program():
    assert sh("sleep 60", seconds=0).timed_out


# Who it runs as

def test_an_unknown_account_is_none():
    assert accounts.account("no-such-user") is None
    assert accounts.account("a\0b") is None
    assert accounts.account("") is None


def test_an_account_is_that_of_the_system():
    entry = pwd.getpwuid(os.getuid())
    assert accounts.account(entry.pw_name)[:3] == (entry.pw_name, entry.pw_uid, entry.pw_gid)


def test_without_root_the_program_runs_as_we_do(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    out = runner.run(["/usr/bin/id", "-u"], Deadline(5), user=accounts.account("nobody")).out
    assert int(out) == os.getuid()


@pytest.mark.root
def test_as_root_all_rights_are_dropped():
    if os.getuid() != 0:
        pytest.fail("this test has to be run as root (make check, not make check-fast)",
                    pytrace=False)
    user = accounts.account("nobody")
    out = sh("id -u; id -g; id -G; umask; grep ^CapEff /proc/self/status", user=user).out.split()
    assert out[0] == str(user.uid) and out[1] == str(user.gid)
    assert "0" not in out[2:-3]
    assert out[-1] == "0" * 16


def test_an_interruption_ends_the_program_and_what_it_started(tmp_path):
    """Ctrl-C reaches the terminal's processes, and a program here has a session of its own."""
    def interrupted():
        if (tmp_path / "pids").exists():
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        sh(f"sleep 60 & echo $! $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids; wait",
           until=interrupted)
    for pid in (tmp_path / "pids").read_text().split():
        assert Deadline(10.0).wait_for(lambda one=pid: is_gone(one))


def test_a_program_has_its_moment_also_after_a_search_for_groups(monkeypatch):
    fork = runner._fork
    monkeypatch.setattr(runner, "_fork", lambda *given: time.sleep(1.0) or fork(*given))
    assert sh("echo x", seconds=0.8).out == "x\n"


# Promise: what is fed, killed and left behind

@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_a_program_that_closed_its_input_is_no_error_but_another_failure_is(number, monkeypatch):
    reader, writer = os.pipe()

    def refuse(*_):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "write", refuse)
    if number == errno.EPIPE:
        runner._feed(writer, "x")
    else:
        with pytest.raises(OSError, match="Input/output error"):
            runner._feed(writer, "x")
    assert os.read(reader, 1) == b"", "the other end is open"
    os.close(reader)


def test_the_input_of_another_user_is_a_file_that_it_may_open(monkeypatch):
    """A program may open /dev/stdin by its name: the pipe must be its own."""
    given = []

    def none():
        raise OSError(errno.EAGAIN, "none")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))
    monkeypatch.setattr(os, "fork", none)
    for stdin in ("select 1", ""):
        with pytest.raises(NotStarted):
            runner.run([SH], Deadline(5), user=NOBODY, stdin=stdin)
    assert given == [(NOBODY.uid, NOBODY.gid)]


def test_a_child_without_a_session_of_its_own_is_killed_alone():
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        assert runner.kill(pid) == -signal.SIGKILL and is_gone(pid)
    finally:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_program_that_may_not_be_killed_is_an_error(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("it is killed all the same"))
    with pytest.raises(PermissionError):
        runner.kill(99999999)


def left_behind(tmp_path, command, **env):
    """Return what a shell that is left behind writes to $OUT, waiting 20 s at most."""
    path = str(tmp_path / "out")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        runner.leave_behind([SH, "-c", "exec >$OUT; " + command], dict(env, OUT=path))
        chunks = [b"?"]
        while chunks[-1]:
            assert select.select([reader], [], [], 20)[0], "it did not run, or did not end"
            chunks.append(os.read(reader, 4096))
        return b"".join(chunks[1:]).decode()
    finally:
        os.close(reader)


def test_what_is_left_behind_has_nothing_of_ours(tmp_path, monkeypatch):
    """No file, which would hold a lock or a pipe of ours; no folder, no session, no variable."""
    monkeypatch.setenv("OURS", "x")
    mine = os.open(str(tmp_path), os.O_RDONLY)
    os.set_inheritable(mine, True)
    said = left_behind(tmp_path, "pwd; echo $OURS$THEIRS; readlink /proc/$$/fd/0 /proc/$$/fd/2; "
                       f"readlink /proc/$$/fd/{mine} || echo closed; cut -d' ' -f6 /proc/$$/stat",
                       THEIRS="theirs", PATH=runner.PATH)
    os.close(mine)
    *facts, session = said.split()
    assert facts == ["/", "theirs", "/dev/null", "/dev/null", "closed"]
    assert int(session) not in (0, os.getsid(0))


def test_what_is_left_behind_is_no_child_to_wait_for_nor_a_second_agent():
    pid = os.getpid()
    runner.leave_behind(["/nonexistent"], {})
    assert os.getpid() == pid
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
