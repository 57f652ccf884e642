"""What /proc does not show of a process: it has not ended, and nothing is done as if it had."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from paf import ocf
from paf.crash import postmaster_end
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.instance import journal, pidfile, postmaster, proc, processes, server
from tests.unit.support import instance_at

#: What a fast shutdown begins with is ignored.
DEAF = "trap '' INT; exec \"$0\" -c \"$1\""
#: A shell and one child of it, both under the name of the file that they are started from.
SERVER = "exec 3<&0; (read line <&3) & wait $!"


@pytest.fixture(autouse=True)
def ours(monkeypatch):
    """Of all processes, only this one and what it has started: others come and go, unseen perhaps.

    Those of other users, for one, and those of the same test elsewhere on this machine.
    """
    everyone = proc.all_pids

    def all_pids():
        pids = everyone()
        parents = {pid: proc.parent_of(pid) for pid in pids}
        found = [os.getpid()]
        for parent in found:
            found += [pid for pid in pids if parents[pid] == parent]
        return found
    for module in (proc, postmaster):
        monkeypatch.setattr(module, "all_pids", all_pids)


@pytest.fixture
def start(tmp_path):
    """Start a process in a data directory, under a name; give it a postmaster.pid."""
    found = []
    (tmp_path / "data").mkdir()

    def start(name="postgres", script="read line"):
        shutil.copy("/bin/sh", tmp_path / name)
        found.append(subprocess.Popen(
            ["/bin/sh", "-c", DEAF, tmp_path / name, script], stdin=subprocess.PIPE,
            cwd=tmp_path / "data"))
        exe = f"/proc/{found[-1].pid}/exe"
        assert Deadline(10.0).wait_for(lambda: os.readlink(exe) == str(tmp_path / name))
        (tmp_path / "data" / "postmaster.pid").write_text(f"{found[-1].pid}\n")
        return found[-1]
    yield start
    for process in found:
        process.stdin.close()
        process.kill()
        process.wait()


@pytest.fixture
def instance(tmp_path):
    return instance_at(tmp_path / "data")


@pytest.fixture(params=[errno.EACCES, errno.EPERM, errno.EIO, errno.ENFILE])
def hide(request, monkeypatch):
    """Make reading a file of one process fail."""
    read = proc._content

    def hide(pid, *names):
        def refuse(other, name):
            if int(other) == pid and name in names:
                raise IOError(request.param, os.strerror(request.param))
            return read(other, name)
        monkeypatch.setattr(proc, "_content", refuse)
    return hide


def test_a_process_whose_start_cannot_be_read_has_not_ended(start, hide):
    process = start()
    before = proc.birth(process.pid)
    hide(process.pid, "stat")
    assert isinstance(proc.birth(process.pid), Unknown)
    assert not proc.has_ended(process.pid, before)
    assert not proc.has_ended(process.pid, proc.birth(process.pid))


def test_a_process_that_ended_or_whose_number_is_anothers_has_ended(start):
    process = start()
    before = proc.birth(process.pid)
    assert not proc.has_ended(process.pid, before)
    assert proc.has_ended(process.pid, Known("1"))
    process.kill()
    process.wait()
    assert proc.has_ended(process.pid, before) and proc.has_ended(process.pid, Unknown("no"))


def test_a_stop_waits_for_a_postmaster_that_it_cannot_see_end(start, hide, instance):
    """It counted as dead, was taken for a process without a postmaster, and was killed."""
    process = start()
    hide(process.pid, "stat")
    with pytest.raises(ocf.OcfError, match="did not shut down"):
        server.stop(instance, Deadline(1.5), Silent())
    assert process.poll() is None


def test_a_process_without_a_name_may_be_the_server(start, hide, instance):
    """Its program was renamed or replaced, so that only its name and its title say what it is."""
    process = start("renamed")
    hide(process.pid, "comm", "cmdline")
    assert isinstance(postmaster.find(instance), Unknown)
    assert postmaster.is_alive(instance, process.pid)
    with pytest.raises(postmaster.Unseen, match=str(process.pid)):
        postmaster.processes(instance)
    with pytest.raises(ocf.OcfError, match="cannot find out"):
        server.stop(instance, Deadline(1), Silent())


def test_a_rewind_whose_process_cannot_be_seen_may_be_under_way(start, hide, instance, monkeypatch):
    process = start()
    monkeypatch.setattr(journal, "exists", lambda _: True)
    facts = {"what": "rewind", "process": process.pid, "since": proc.start_time(process.pid)}
    monkeypatch.setattr(journal, "read", lambda _: facts)
    hide(process.pid, "stat")
    with pytest.raises(journal.InUse, match="not known whether a rewind"):
        journal.check_free(instance)


def test_a_program_whose_arguments_cannot_be_seen_may_be_the_one(start, hide):
    process = start("pg_rewind")
    hide(process.pid, "cmdline")
    with pytest.raises(proc.Unseen):
        processes.running("pg_rewind", "-c")


def test_a_program_that_shows_no_arguments_yet_may_be_the_one(start, monkeypatch):
    """The kernel shows the name of what is executed before its arguments."""
    process, read, asked = start("pg_rewind"), proc._content, []

    def late(pid, name):
        asked.append(name if pid == process.pid else "another's")
        if pid == process.pid and name == "cmdline" and asked.count("cmdline") < 3:
            return b""
        return read(pid, name)
    monkeypatch.setattr(proc, "_content", late)
    assert processes.running("pg_rewind", "-c") == [process.pid]
    assert asked.count("cmdline") == 3
    monkeypatch.setattr(processes, "_MOMENT", 0.0)
    del asked[:]
    with pytest.raises(proc.Unseen, match="cannot see the arguments"):
        processes.running("pg_rewind", "-c")
    del asked[:]
    assert processes.running("pg_basebackup", "-c") == []
    process.kill()
    assert Deadline(10.0).wait_for(lambda: read(process.pid, "cmdline") == b"")
    assert processes.running("pg_rewind", "-c") == [], "it has ended, and was not waited for"


def test_a_program_whose_file_cannot_be_seen_may_be_the_one(start, monkeypatch):
    process, readlink = start("pg_rewind"), os.readlink

    def refuse(path, **more):
        if path == f"/proc/{process.pid}/exe":
            raise PermissionError(errno.EACCES, "Permission denied")
        return readlink(path, **more)
    assert processes.running("pg_rewind", "-c") == [process.pid]
    monkeypatch.setattr(os, "readlink", refuse)
    with pytest.raises(proc.Unseen, match="cannot see the program"):
        processes.running("pg_rewind", "-c")


def test_the_watcher_waits_for_a_server_that_it_cannot_see(start, hide, instance, monkeypatch):
    process, pauses = start(), []
    monkeypatch.setattr(postmaster_end, "_pidfd", lambda _: None)
    hide(process.pid, "stat")

    def pause(_seconds):
        pauses.append(process.poll())
        if len(pauses) == 3:
            monkeypatch.undo()
            process.kill()
            process.wait()
    postmaster_end.await_end(instance, process.pid, pause)
    assert pauses == [None, None, None]


def test_a_process_that_ends_while_it_is_looked_at_is_none_of_ours(start, instance, monkeypatch):
    """Where the agent may not see where others work, only what still runs may be ours."""
    process = start()

    def refuse(_instance, _pid):
        process.kill()
        process.wait()
        raise PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(postmaster, "_same_folder", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    assert postmaster.works_here(instance, process.pid) == Known(False)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOMEM])
def test_a_root_folder_that_cannot_be_seen_may_be_ours(start, instance, monkeypatch, number):
    process, stat = start(), os.stat

    def refuse(path, **more):
        if path == f"/proc/{process.pid}/root":
            raise OSError(number, os.strerror(number))
        return stat(path, **more)
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(postmaster.Unseen, match="root folder"):
        postmaster._has_our_root(instance, process.pid)
    monkeypatch.undo()
    process.kill()
    process.wait()
    assert postmaster._has_our_root(instance, process.pid) is False


@pytest.mark.parametrize("ends", [True, False])
def test_what_is_hidden_from_root_is_looked_at_with_the_owners_rights(start, hide, instance,
                                                                      monkeypatch, ends):
    """Where nothing says whose it is, either: it may be ours, unless it has ended."""
    process, readlink, refused = start(), os.readlink, []
    hide(process.pid, "status")

    def refuse(path, **more):
        if path == f"/proc/{process.pid}/cwd" and not (ends and refused):
            refused.append(path)
            raise PermissionError(errno.EACCES, "Permission denied")
        if path == f"/proc/{process.pid}/cwd":
            process.kill()
            process.wait()
        return readlink(path, **more)
    monkeypatch.setattr(os, "readlink", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postmaster.runner, "Acting", contextlib.nullcontext)
    found = postmaster.works_here(instance, process.pid)
    assert found == Known(False) if ends else isinstance(found, Unknown)
    assert len(refused) == (1 if ends else 2)


@pytest.mark.parametrize("shown, killed, found", [
    ([True], None, False), ([False], errno.ESRCH, False),
    ([False, True], None, False),       # another process has the number by now
    ([False, False], errno.EPERM, None), ([False, False], None, None)])
def test_a_process_that_proc_hides_has_not_ended(instance, monkeypatch, shown, killed, found):
    """hidepid: its folder is not there, and yet it takes signals."""
    def send(_pid, number):
        assert number == 0
        if killed:
            raise OSError(killed, os.strerror(killed))

    def gone(path, **_):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    monkeypatch.setattr(os.path, "exists", lambda path: shown.pop(0))
    monkeypatch.setattr(os, "kill", send)
    monkeypatch.setattr(os, "readlink", gone)
    here = postmaster.works_here(instance, 4711)
    assert here == Known(False) if found is False else "hidden in /proc" in here.reason
    assert shown == []


def test_a_dead_postmaster_that_cannot_be_seen_is_not_waited_for(start, hide, instance):
    """The server that is started next looks for itself."""
    hide(start().pid, "stat")
    assert postmaster.is_zombie(instance) is False


def test_without_a_list_of_processes_none_has_ended(instance, monkeypatch):
    def refuse(folder):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), folder)
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(proc.Unseen, match="cannot look for processes in /proc: Too many open"):
        postmaster.processes(instance)


def test_a_proc_of_another_namespace_says_nothing_of_these_processes(instance, monkeypatch):
    """As in a container that has its machine's: numbers there are of others, and got signals."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(proc.Unseen, match="another PID namespace"):
        postmaster.processes(instance)


def test_a_program_that_does_not_end_is_no_end(start, monkeypatch):
    """Two that write to one directory ruin it."""
    start("pg_rewind")
    monkeypatch.setattr(processes, "_MOMENT", 0.05)
    monkeypatch.setattr(postmaster, "send", lambda *_: None)    # as where it waits for a dead disk
    with pytest.raises(ocf.OcfError, match="a pg_rewind of this instance still runs"):
        processes.end("pg_rewind", "-c")


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A process that is no server, with a working directory on dead storage, as of NFS."""
    (tmp_path / "home").mkdir()
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE,
                          cwd=tmp_path / "home") as process:
        stat = os.stat

        def hang(path, **more):
            assert path != f"/proc/{process.pid}/cwd", "it would not return"
            return stat(path, **more)
        monkeypatch.setattr(os, "stat", hang)
        yield process
        process.stdin.close()


def test_a_shell_on_dead_storage_holds_no_action_up(start, instance, stranger, tmp_path):
    """A stop looked at the working directory of each process of the machine, and did not end."""
    process = start()
    assert postmaster.processes(instance) == [process.pid]
    assert postmaster.strayed(instance) == []
    (tmp_path / "data" / "postmaster.pid").unlink()
    process.kill()
    process.wait()
    server.stop(instance, Deadline(5), Silent())


def test_a_program_of_another_kind_that_hangs_is_not_asked_for_its_arguments(
        start, instance, stranger, monkeypatch):
    """To read them waits where its memory is locked; for a postmaster its name is enough."""
    start()
    monkeypatch.setattr(postmaster, "processes", None)
    read = proc._content

    def hang(pid, name):
        assert (pid, name) != (stranger.pid, "cmdline"), "it would not return"
        return read(pid, name)
    monkeypatch.setattr(proc, "_content", hang)
    assert postmaster.strayed(instance) == []


# A postmaster.pid without a number

@pytest.mark.parametrize("text", ["", "\n", "x\n", "\0\n"])
def test_a_server_whose_pid_file_has_no_number_runs(start, instance, tmp_path, text):
    process = start(script=SERVER)
    assert Deadline(10.0).wait_for(lambda: proc.descendants(process.pid))
    (tmp_path / "data" / "postmaster.pid").write_text(text)
    assert postmaster.find(instance).value.pid == process.pid


def test_processes_of_a_dead_server_are_none_though_its_pid_file_is_empty(start, instance,
                                                                          tmp_path):
    process = start()
    (tmp_path / "data" / "postmaster.pid").write_text("")
    assert postmaster.find(instance) == Known(None)
    assert postmaster.processes(instance) == [process.pid]


@pytest.mark.parametrize("text, rest", [
    ("", ""), ("x\n/data\n", "/data\n"), ("\0" * 64, ""), ("\n", ""), ("-\n", "")])
def test_a_pid_file_without_a_number_gets_one_before_a_start(start, instance, tmp_path,
                                                             monkeypatch, text, rest):
    """PostgreSQL refuses to start with one, and no later start would go better."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    name = tmp_path / "data" / "postmaster.pid"
    name.write_text(text)
    pidfile.make_way(instance, Deadline(5))
    assert name.read_text() == f"{os.getpid()}\n{rest}"
    start()
    name.write_text(text)
    pidfile.make_way(instance, Deadline(5))
    assert name.read_text() == text


class Silent:
    """A log that nobody reads."""

    def warning(self, text):
        """Log nothing."""

    info = warning


def test_the_number_of_a_dead_server_is_replaced_before_another_process_gets_it(
        instance, tmp_path, monkeypatch):
    """After a power cut numbers are given out again, to what PostgreSQL's user runs as well."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "data").mkdir()
    name = tmp_path / "data" / "postmaster.pid"
    name.write_text(f"{gone.pid}\n/data\n")
    pidfile.make_way(instance, Deadline(5))
    assert name.read_text() == f"{os.getpid()}\n/data\n"
