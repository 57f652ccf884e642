"""The instance's files and processes: versions, left-over pid files, what is put in place."""

import os
import pwd
import resource
import subprocess
import sys

import pytest

from paf import instance, ocf, runner
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import observe, postmaster, server, standby_mode
from tests.unit.support import instance_at


@pytest.mark.parametrize("text, number", [
    ("9.3\n", 90300), ("9.6", 90600), ("10", 100000), ("12\n", 120000), ("18", 180000)])
def test_each_version_is_understood(tmp_path, text, number):
    (tmp_path / "PG_VERSION").write_text(text)
    assert instance.version(instance_at(tmp_path)) == number


@pytest.mark.parametrize("text", ["9.2", "8.4", "", "x", "15.x", "1.2.3", "²", "-15", "15\n16"])
def test_a_version_that_is_none_or_too_old_is_a_hard_error(tmp_path, text):
    (tmp_path / "PG_VERSION").write_text(text)
    with pytest.raises(ocf.NotUsable):
        instance.version(instance_at(tmp_path))


def test_a_missing_version_is_named_with_its_path(tmp_path):
    with pytest.raises(ocf.NotUsable) as caught:
        instance.version(instance_at(tmp_path))
    assert str(tmp_path / "PG_VERSION") in str(caught.value)


@pytest.mark.parametrize("version, folder", [("9.6", "pg_xlog"), ("10", "pg_wal")])
def test_the_wal_folder_has_the_name_of_its_version(tmp_path, version, folder):
    (tmp_path / "PG_VERSION").write_text(version)
    assert instance.wal_folder(instance_at(tmp_path)) == str(tmp_path / folder)


# The process

@pytest.fixture
def stranger(tmp_path):
    """A process that is in the data directory but is no server."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                               cwd=str(tmp_path))
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("text", ["", "x\n", "-\n", "--5\n", "99999999\n", "9" * 30 + "\n",
                                  "0\n", "1\n/\n", "\0\n"])
def test_a_pid_file_that_names_no_server_is_nobody(tmp_path, text):
    (tmp_path / "postmaster.pid").write_text(text)
    assert postmaster.find(instance_at(tmp_path)) == Known(None)


def test_a_pid_file_that_is_no_text_is_nobody(tmp_path):
    (tmp_path / "postmaster.pid").write_bytes(b"\xff\xfe\x00")
    assert postmaster.find(instance_at(tmp_path)) == Known(None)


def test_a_process_that_merely_has_the_pid_is_nobody(tmp_path, stranger):
    (tmp_path / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}\n")
    assert postmaster.find(instance_at(tmp_path)) == Known(None)


def test_a_shell_in_the_data_directory_is_no_process_of_the_instance(tmp_path, stranger):
    assert postmaster.processes(instance_at(tmp_path)) == []


# What /proc does not show is not dead

@pytest.fixture
def hidden(monkeypatch, tmp_path):
    """A pid file whose process may not be looked at, as in a container without CAP_SYS_PTRACE."""
    process = subprocess.Popen(["/bin/sleep", "60"], cwd=str(tmp_path))
    (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
    readlink = os.readlink

    def refuse(path, **more):
        if str(path).startswith(f"/proc/{process.pid}/"):
            raise PermissionError(13, "Permission denied")
        return readlink(path, **more)
    monkeypatch.setattr(os, "readlink", refuse)
    monkeypatch.setattr(postmaster, "_is_of", lambda *_: True)
    yield process.pid
    process.kill()
    process.wait()


def test_a_process_that_may_not_be_looked_at_is_unknown(tmp_path, hidden):
    found = postmaster.find(instance_at(tmp_path))
    assert isinstance(found, Unknown) and str(hidden) in found.reason
    assert postmaster.is_alive(instance_at(tmp_path), hidden)
    with pytest.raises(postmaster.Unseen):
        postmaster.processes(instance_at(tmp_path))


def test_a_stop_does_not_succeed_while_that_is_unknown(tmp_path, hidden):
    with pytest.raises(ocf.OcfError, match="cannot find out"):
        server.stop(instance_at(tmp_path), Deadline(1), None)


def test_without_proc_nothing_is_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "listdir", lambda _: ["1", "cpuinfo"])
    with pytest.raises(postmaster.Unseen):
        postmaster.processes(instance_at(tmp_path))


def test_a_pid_file_that_cannot_be_read_is_not_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "postmaster.pid").mkdir()
    monkeypatch.setattr(postmaster, "processes", lambda _: [5, 6])
    monkeypatch.setattr(postmaster, "parent", lambda _: 5)
    assert postmaster.find(instance_at(tmp_path)).value.pid == 5
    monkeypatch.setattr(postmaster, "parent", lambda _: None)
    assert isinstance(postmaster.find(instance_at(tmp_path)), Unknown)


def test_a_data_directory_that_cannot_be_looked_into_has_hidden_files(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise OSError(5, "Input/output error")
    monkeypatch.setattr(os, "stat", refuse)
    assert observe.files(instance_at(tmp_path)) == state.HIDDEN


def test_a_zombie_is_no_living_process(tmp_path):
    process = subprocess.Popen(["/bin/true"], cwd=str(tmp_path))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
    assert postmaster.find(instance_at(tmp_path)) == Known(None)
    process.wait()


def test_the_title_of_an_ended_process_is_empty():
    assert postmaster.title(99999999) == ""


def test_a_signal_to_an_ended_process_is_no_error():
    postmaster.send(99999999, 0)


# Files

@pytest.mark.parametrize("names, expected", [
    ((), state.NEITHER), (("standby.signal",), state.SIGNAL), (("recovery.conf",), state.SIGNAL),
    (("recovery.signal",), state.SIGNAL), (("backup_label",), state.LABEL),
    (("backup_label", "standby.signal"), state.LABEL)])
def test_the_files_that_matter_are_seen(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).touch()
    assert observe.files(instance_at(tmp_path)) == expected


@pytest.fixture
def unprivileged(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_standby_mode_is_one_empty_file_since_12(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("15")
    standby_mode.enable(instance_at(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["PG_VERSION", "standby.signal"]
    assert (tmp_path / "standby.signal").stat().st_size == 0


def test_standby_mode_is_the_template_up_to_11(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("11")
    template = tmp_path / "template"
    template.write_bytes(b"standby_mode = on # \xe9\n")
    standby_mode.enable(instance_at(tmp_path, recovery_template=str(template)))
    assert (tmp_path / "recovery.conf").read_bytes() == template.read_bytes()


@pytest.mark.parametrize("name", ["standby.signal", "standby.signal.pgsqlms"])
def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path, unprivileged, name):
    (tmp_path / "PG_VERSION").write_text("15")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / name).symlink_to(victim)
    standby_mode.enable(instance_at(tmp_path))
    assert victim.read_text() == "precious"
    assert not (tmp_path / "standby.signal").is_symlink()


def test_a_file_that_cannot_be_written_is_a_hard_error_with_its_path(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("15")
    (tmp_path / "standby.signal").mkdir()
    (tmp_path / "standby.signal" / "x").touch()
    with pytest.raises(ocf.NotUsable) as caught:
        standby_mode.enable(instance_at(tmp_path))
    assert "standby.signal" in str(caught.value)


def test_a_template_longer_than_one_read_is_copied_whole(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("9.6")
    template = tmp_path / "template"
    template.write_text("# a comment\n" * 20000)
    standby_mode.enable(instance_at(tmp_path, recovery_template=str(template)))
    assert (tmp_path / "recovery.conf").read_text() == template.read_text()


@pytest.mark.parametrize("title, is_orphan", [
    ("postgres: logger", False), ("postgres: main: logger", False),
    ("postgres: logger process", False), ("", False), ("postgres: checkpointer", True),
    ("postgres: logger db 10.0.0.1(5000) idle", True), ("/usr/bin/postgres -D /data", True)])
def test_who_only_writes_the_log_or_has_just_ended_is_no_orphan(monkeypatch, title, is_orphan):
    monkeypatch.setattr(postmaster, "processes", lambda _: [42])
    monkeypatch.setattr(postmaster, "title", lambda _: title)
    assert postmaster.orphans(None) == [42] * is_orphan


def test_a_disk_that_fills_up_leaves_the_old_file_or_the_new_one(tmp_path):
    """Half a recovery.conf, without standby_mode, would make a primary."""
    mine = pwd.getpwuid(os.geteuid())
    where = instance_at(tmp_path)._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))
    (tmp_path / "recovery.conf").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ocf.NotUsable, match="cannot write .*recovery.conf"):
            standby_mode.put(where, "recovery.conf", "x" * 8000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "recovery.conf").read_text() == "old"
    standby_mode.put(where, "recovery.conf", "x" * 8000)
    assert (tmp_path / "recovery.conf").read_text() == "x" * 8000
