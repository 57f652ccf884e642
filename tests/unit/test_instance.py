"""The instance's files and processes: versions, left-over pid files, what is put in place."""

import builtins
import errno
import os
import pwd
import resource
import signal
import subprocess
import sys
import time

import pytest

from paf import instance, ocf, runner
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import journal, observe, postmaster, rewind, server, settings, standby_mode
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


@pytest.mark.parametrize("method, began, expected", [
    ("pg_start_backup", 0, state.EXCLUSIVE), ("pg_start_backup", 5, state.EXCLUSIVE),
    ("pg_start_backup", -5.75 * 3600, state.EXCLUSIVE),    # in Nepal
    ("pg_start_backup", 60, state.LABEL), ("pg_start_backup", 7 * 24 * 3600, state.LABEL),
    ("pg_start_backup", None, state.LABEL), ("streamed", 0, state.LABEL)])
def test_the_label_says_which_backup_it_is_of(tmp_path, method, began, expected):
    """began: how many seconds before the label was written; None: it does not say so."""
    moment = "" if began is None else time.strftime(
        "%Y-%m-%d %H:%M:%S +0545", time.localtime(time.time() - began))
    (tmp_path / "backup_label").write_text(
        f"BACKUP METHOD: {method}\nSTART TIME: {moment}\nLABEL: nightly\n")
    assert observe.files(instance_at(tmp_path)) == expected


@pytest.fixture
def unprivileged(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


TEMPLATE = "standby_mode = on\nrecovery_target_timeline = 'latest'\nprimary_conninfo = ''\n"


def test_standby_mode_is_one_empty_file_since_12(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("15")
    standby_mode.enable(instance_at(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["PG_VERSION", "standby.signal"]
    assert (tmp_path / "standby.signal").stat().st_size == 0


def test_standby_mode_is_the_template_up_to_11(tmp_path, unprivileged):
    (tmp_path / "PG_VERSION").write_text("11")
    template = tmp_path / "template"
    template.write_bytes(TEMPLATE.encode() + b"# \xe9\n")
    standby_mode.enable(instance_at(tmp_path, recovery_template=str(template)))
    assert (tmp_path / "recovery.conf").read_bytes() == template.read_bytes()


@pytest.mark.parametrize("text, words", [
    ("primary_conninfo = ''\nrecovery_target_timeline = latest\n", "standby_mode = on"),
    (TEMPLATE + "recovery_target_name = 'x'\n", "recovery_target_name")])
def test_a_template_that_would_make_a_primary_is_not_put_in_place(
        tmp_path, unprivileged, text, words):
    """A demotion checks no settings, and the file may have changed since the server started."""
    (tmp_path / "PG_VERSION").write_text("11")
    (tmp_path / "template").write_text(text)
    with pytest.raises(ocf.BadParameter, match=words):
        standby_mode.enable(instance_at(tmp_path, recovery_template=str(tmp_path / "template")))
    assert not (tmp_path / "recovery.conf").exists()


def test_a_standby_whose_trigger_file_is_there_is_not_made(tmp_path, unprivileged):
    """A demotion checks no settings, and the file may have come while the primary ran."""
    (tmp_path / "PG_VERSION").write_text("11")
    (tmp_path / "template").write_text(TEMPLATE + "trigger_file = 'promote.now'\n")
    instance = instance_at(tmp_path, recovery_template=str(tmp_path / "template"))
    (tmp_path / "promote.now").touch()
    with pytest.raises(ocf.BadParameter, match="the trigger file promote.now exists"):
        standby_mode.enable(instance)
    assert not (tmp_path / "recovery.conf").exists()
    (tmp_path / "promote.now").unlink()
    standby_mode.enable(instance)
    assert (tmp_path / "recovery.conf").exists()


def test_a_signal_file_that_is_there_is_not_written_again(tmp_path, unprivileged, monkeypatch):
    """So a standby starts on a file system that has no room for it."""
    (tmp_path / "PG_VERSION").write_text("15")
    (tmp_path / "standby.signal").touch()
    refusing(monkeypatch, errno.ENOSPC, "rename")
    standby_mode.enable(instance_at(tmp_path))


@pytest.mark.parametrize("version, names", [
    ("11", []), ("12", ["promote_trigger_file"]), ("15", ["promote_trigger_file"]), ("16", []),
    ("18", [])])
def test_the_server_is_started_with_nothing_that_ends_recovery(tmp_path, version, names):
    (tmp_path / "PG_VERSION").write_text(version)
    words = standby_mode.options(instance_at(tmp_path))
    targets = [] if version == "11" else list(standby_mode.TARGETS)
    assert [word for word in words if word.endswith("=")] == [
        name + "=" for name in targets + names]
    assert ("recovery_target_timeline=latest" in words) == (version != "11")
    assert words[:2] == ["-c", "hot_standby=on"], "else it would never answer"


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
    template.write_text(TEMPLATE + "# a comment\n" * 20000)
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
        with pytest.raises(ocf.OcfError, match="cannot write .*recovery.conf") as caught:
            standby_mode.put(where, "recovery.conf", "x" * 8000)
        assert caught.type is ocf.OcfError
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "recovery.conf").read_text() == "old"
    standby_mode.put(where, "recovery.conf", "x" * 8000)
    assert (tmp_path / "recovery.conf").read_text() == "x" * 8000


PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE,
           errno.ENOMEM)


def refusing(monkeypatch, number, *names):
    """Make functions of the system fail in the agent with an error number."""
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))
    for name in names:
        monkeypatch.setattr(*((builtins, "open") if name == "open" else (os, name)), refuse)


@pytest.mark.parametrize("number", PASSING)
def test_no_node_is_banned_for_an_error_of_the_disk_that_can_pass(
        number, tmp_path, unprivileged, monkeypatch):
    (tmp_path / "PG_VERSION").write_text("15")
    instance_here = instance_at(tmp_path)
    journal.make_folder(instance_here, journal.folder(instance_here))
    refusing(monkeypatch, number, "rename", "mkdir")
    for write in (lambda: standby_mode.enable(instance_here),
                  lambda: journal.write(instance_here, {}),
                  lambda: journal.make_folder(instance_here, str(tmp_path / "x"))):
        with pytest.raises(ocf.OcfError, match=os.strerror(number)) as caught:
            write()
        assert caught.value.code == ocf.ERR_GENERIC
    refusing(monkeypatch, number, "open")
    with pytest.raises(ocf.OcfError, match=os.strerror(number)) as caught:
        standby_mode.template(instance_here)
    assert caught.value.code == ocf.ERR_GENERIC


@pytest.mark.parametrize("number, code", [
    (errno.EIO, ocf.ERR_GENERIC), (errno.ESTALE, ocf.ERR_GENERIC),
    (errno.ENOENT, ocf.ERR_INSTALLED), (errno.EACCES, ocf.ERR_INSTALLED)])
def test_a_program_that_cannot_be_looked_for_is_not_missing(number, code, tmp_path, monkeypatch):
    (tmp_path / "PG_VERSION").write_text("15")
    refusing(monkeypatch, number, "stat")
    with pytest.raises(ocf.OcfError) as caught:
        settings.check_programs(instance_at(tmp_path, bindir="/bin"), Deadline(5))
    assert caught.value.code == code


@pytest.mark.parametrize("complaint, code", [
    ("postgres: could not access directory \"/data\": Input/output error", ocf.ERR_GENERIC),
    ("FATAL:  out of memory", ocf.ERR_GENERIC),
    ("FATAL:  could not open file \"x\": Too many open files in system", ocf.ERR_GENERIC),
    ("LOG:  unrecognized configuration parameter \"x\" in file \"y\" line 1", ocf.ERR_ARGS)])
def test_a_configuration_that_could_not_be_read_is_not_refused(
        complaint, code, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(1, "", complaint, False))
    with pytest.raises(ocf.OcfError) as caught:
        settings.read(instance_at(tmp_path), "port", Deadline(5))
    assert caught.value.code == code


@pytest.mark.parametrize("status, complaint, code", [
    (1, "pg_rewind: error: could not write file \"base/1/2\": No space left on device",
     ocf.ERR_GENERIC),
    (1, "pg_rewind: error: could not fetch remote file \"x\": server closed the connection "
     "unexpectedly", ocf.ERR_GENERIC),
    (-9, "", ocf.ERR_GENERIC),
    (1, "pg_rewind: error: could not find common ancestor of the source and target cluster's "
     "timelines", ocf.ERR_INSTALLED)])
def test_a_rewind_that_lost_its_connection_or_disk_is_tried_again(
        status, complaint, code, tmp_path, monkeypatch):
    (tmp_path / "PG_VERSION").write_text("15")
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(
        status, "", complaint, False))
    with pytest.raises(ocf.OcfError, match="pg_rewind failed: .") as caught:
        rewind._pg_rewind(instance_at(tmp_path), {"conninfo": "host=x", "restore_command": ""},
                          Deadline(5))
    assert caught.value.code == code


def test_a_shutdown_goes_on_where_processes_cannot_be_seen_for_a_moment(tmp_path, monkeypatch):
    """It is no condition of the shutdown that it is helped on; its end is checked at the end."""
    seen = []

    def processes(_):
        seen.append(True)
        if len(seen) == 1:
            raise postmaster.Unseen("cannot see where process 1 works")
        return []
    # in the background SIGINT is ignored, and what is started there inherits that
    program = ("import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); "
               "print(flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        monkeypatch.setattr(postmaster, "processes", processes)
        monkeypatch.setattr(postmaster, "find", lambda _: Known(postmaster.Postmaster(
            process.pid, 5432, "", "", "ready", None)))
        server.stop(instance_at(tmp_path), Deadline(30), None)
        assert process.wait() == -signal.SIGINT
