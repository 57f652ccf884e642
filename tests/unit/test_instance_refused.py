"""Files of an instance that the system refuses: the error names them, and lasts only if that does.

A mistake in the setup bans the node (hard); a disk that fails for now does not.
"""

import errno
import os
import pwd
import re
import types

import pytest

from paf import instance as local
from paf import ocf, runner
from paf.actions import validate
from paf.deadline import Deadline
from paf.instance import (
    backuplabel, controldata, journal, keptwal, libpqfiles, line, listening, ownfiles,
    recovery_conf, replacement, serverlog, settings, tablespaces, waiting_commits, walend)
from tests.unit.support import instance_at
from tests.unit.unread import SIZE, answer, segment

DATA = "main"


@pytest.fixture
def instance(tmp_path):
    """A data directory of the tests' user, with a tablespace's folder and a segment."""
    for name in ("pg_wal", "global", "pg_tblspc"):
        (tmp_path / DATA / name).mkdir(parents=True)
    (tmp_path / DATA / "PG_VERSION").write_text("15\n")
    segment(tmp_path / DATA, 5)
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(tmp_path / DATA)._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, str(tmp_path / DATA)))


class Refusal:
    """Have the system refuse a call about a path that ends so."""

    def __init__(self, monkeypatch, error):
        self._patch, self._error = monkeypatch, error
        self.lasts = error == errno.EACCES

    def __call__(self, name, ending):
        call = getattr(os, name)

        def act(path, *more, **options):
            if os.fsdecode(path).endswith(ending):
                raise OSError(self._error, os.strerror(self._error), path)
            return call(path, *more, **options)
        self._patch.setattr(os, name, act)


@pytest.fixture(params=[errno.EIO, errno.EACCES])
def refuse(request, monkeypatch):
    return Refusal(monkeypatch, request.param)


def refused(act, refuse, match, hard=ocf.NotUsable):
    """Run what is refused: the error is a hard one only where it lasts."""
    with pytest.raises(ocf.OcfError, match=match) as caught:
        act()
    assert type(caught.value) is (hard if refuse.lasts else ocf.OcfError)


def test_a_label_that_cannot_be_renamed_stays_and_is_named(instance, refuse):
    refuse("rename", "backup_label")
    refused(lambda: backuplabel.set_aside(instance), refuse, "cannot rename .*/backup_label: ")


def test_a_folder_beside_the_data_that_cannot_be_removed_is_named(instance, tmp_path, refuse):
    """Also where root could not do it either: a folder of its owner's alone."""
    (tmp_path / "main.lost").mkdir()
    os.chmod(tmp_path, 0o777)    # not only root's
    refuse("rmdir", "main.lost")
    refused(lambda: journal.remove_folder(instance, str(tmp_path / "main.lost")), refuse,
            "cannot remove .*/main.lost: ")
    assert (tmp_path / "main.lost").is_dir()


def test_a_file_that_cannot_be_removed_is_not_one_that_is_gone(tmp_path, refuse):
    journal.delete(str(tmp_path / "gone"))
    (tmp_path / "x").touch()
    refuse("unlink", "x")
    with pytest.raises(OSError):
        journal.delete(str(tmp_path / "x"))


def test_wal_that_cannot_be_moved_to_where_it_is_kept_is_not_forgotten(instance, refuse):
    """The rewind is not complete then, and the next start moves it."""
    journal.begin(instance, {"what": "rewind", "phase": "returning"})
    os.mkdir(keptwal.folder(instance))
    refuse("rename", keptwal.folder(instance))
    refused(lambda: keptwal.give_up(instance, "set", {"kept": True}), refuse,
            "cannot keep the WAL that is given up in .*/set: ")
    assert os.path.isdir(keptwal.folder(instance))


def test_sets_of_wal_that_cannot_be_seen_are_not_none(instance, tmp_path, refuse):
    assert keptwal.with_same(instance, {}) == ""
    (tmp_path / "main.lost").mkdir()
    refuse("listdir", "main.lost")
    refused(lambda: keptwal.with_same(instance, {}), refuse,
            "cannot keep the WAL that is given up in .*/main.lost: ")


def test_tablespaces_that_cannot_be_seen_are_not_none(instance, refuse):
    assert ownfiles.storage(instance) == []
    refuse("listdir", "pg_tblspc")
    refused(lambda: ownfiles.storage(instance), refuse, "a rewind needs to see the tablespaces")


def test_a_file_that_has_no_folder_to_go_back_to_stays_in_the_journal(instance, refuse):
    aside = os.path.join(journal.folder(instance), "deep")
    os.makedirs(aside)
    open(os.path.join(aside, "0"), "wb").close()
    refuse("mkdir", "global/conf")
    refused(lambda: ownfiles.put_back(instance, ["global/conf/x"]), refuse,
            "cannot put files back from ")
    assert os.listdir(aside) == ["0"]


def test_a_file_of_the_primary_that_stays_is_named(instance, tmp_path, refuse):
    (tmp_path / DATA / "postgresql.conf").touch()
    refuse("unlink", "postgresql.conf")
    refused(lambda: ownfiles.remove_strangers(instance), refuse,
            "cannot remove .*/postgresql.conf, which came from the primary: ")


def test_a_data_directory_that_cannot_be_looked_at_is_not_known_to_be_another(
        instance, monkeypatch, tmp_path, refuse):
    answer(monkeypatch, settings, "read", str(tmp_path / "other"))
    refuse("stat", "other")
    refused(lambda: settings.check_data_directory(instance, Deadline(5)), refuse,
            'data_directory of the server is ".*/other": ', ocf.BadParameter)


def test_a_pgdata_that_cannot_be_looked_at_is_not_known_to_be_no_folder(instance, refuse):
    refuse("stat", DATA)
    context = types.SimpleNamespace(instance=instance, parameters=instance.parameters)
    refused(lambda: validate._places(context), refuse,
            "pgdata is no folder" if refuse.lasts else f"cannot read .*/{DATA}: ",
            ocf.BadParameter)


def test_a_folder_for_a_tablespace_whose_owner_cannot_be_seen_is_not_anothers(
        instance, tmp_path, refuse):
    """It was: the node was banned, with the advice to change the owner."""
    (tmp_path / "space").mkdir()
    spaces = [["16400", str(tmp_path / "space")]]
    assert tablespaces.problem_of_new(instance, spaces) is None
    refuse("stat", "space")
    with pytest.raises(ocf.OcfError, match="cannot look into .*/space: ") as caught:
        tablespaces.problem_of_new(instance, spaces)
    assert caught.value.code == ocf.ERR_GENERIC


def test_a_segment_that_cannot_be_read_is_not_one_that_is_not_there(instance, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert walend.header(instance, 2, 6, SIZE) is None
    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(ocf.OcfError, match="cannot read .*: Input/output error"):
        walend.header(instance, 2, 5, SIZE)


def test_a_first_record_whose_segment_goes_meanwhile_has_no_mark(instance, tmp_path, monkeypatch):
    """None: it is not known with which promotion the timeline began."""
    found = walend.header(instance, 2, 5, SIZE)
    answer(monkeypatch, line.walend, "header", found)
    next((tmp_path / DATA / "pg_wal").iterdir()).unlink()
    assert line._mark(instance, 2, 5 * SIZE, SIZE) is None


def test_a_link_in_proc_that_cannot_be_read_leaves_the_sockets_unknown(refuse):
    assert listening._owned(os.getpid()) is not None
    refuse("readlink", "/0")
    assert listening._owned(os.getpid()) is None


def test_a_log_that_goes_meanwhile_has_no_complaint(instance, tmp_path):
    (tmp_path / DATA / "current_logfiles").write_text("stderr log\n")
    (tmp_path / DATA / "log").write_text("FATAL:  of an earlier start\n")
    mark = serverlog.Mark(instance)
    assert mark.complaint(Deadline(5)) == ""
    (tmp_path / DATA / "log").write_text("FATAL:  of an earlier start\nFATAL:  could not load x\n")
    assert mark.complaint(Deadline(5)) == "could not load x"
    (tmp_path / DATA / "log").unlink()
    assert mark.complaint(Deadline(5)) == ""


# what files hold

def test_a_pg_version_that_is_no_text_has_no_version(instance, tmp_path):
    (tmp_path / DATA / "PG_VERSION").write_bytes(b"15\xff\n")
    with pytest.raises(ocf.NotUsable, match="PG_VERSION holds no PostgreSQL version"):
        local.version(instance)


@pytest.mark.parametrize("text", ["", "-7", "7 8", "\u00b2"])
def test_a_control_file_without_a_system_identifier_says_nothing(data, text):
    whole = sorted((data / "pg_controldata").iterdir())[0].read_text()
    assert controldata.parse(whole) is not None
    assert controldata.parse(re.sub("(?m)(?<=system identifier:).*$", text, whole)) is None


def test_a_recovery_template_that_would_end_recovery_makes_no_standby(
        instance, tmp_path, monkeypatch):
    (tmp_path / DATA / "PG_VERSION").write_text("9.6\n")
    template = tmp_path / "recovery.conf.pcmk"
    template.write_text("standby_mode = off\n")
    instance = instance._replace(parameters=instance.parameters._replace(
        recovery_template=str(template)))
    answer(monkeypatch, settings, "read", "")
    with pytest.raises(ocf.BadParameter, match=r"standby_mode.*recovery.conf.pcmk\)"):
        settings.check_standby(instance, "srv1", Deadline(5))


def test_a_byte_of_a_setting_that_is_no_ascii_stays_that_byte():
    value = recovery_conf.parse(r"primary_conninfo = 'password=a\303\251\101'")["primary_conninfo"]
    assert runner.data(value) == "password=aéA".encode()


# a password file in the data directory

def test_the_password_file_of_a_home_in_the_data_directory_is_found_in_the_journal(instance):
    """While the node's own files are aside, and the string names none."""
    aside = os.path.join(journal.folder(instance), journal.OWN)
    os.makedirs(aside)
    open(os.path.join(aside, ".pgpass"), "wb").close()
    found = libpqfiles.connection(instance, "host=srv1")
    assert found.environment["PGPASSFILE"] == os.path.join(aside, ".pgpass")
    named = os.path.join(instance.parameters.datadir, "other")
    found = libpqfiles.connection(instance, f"host=srv1 passfile={named}")
    assert named in found.target and "PGPASSFILE" not in found.environment    # psql says it


# the journal

def test_a_journal_that_is_removed_while_it_is_read_holds_nothing(instance, monkeypatch):
    """Where it is still there, nothing is known of the data directory."""
    os.mkdir(journal.folder(instance))

    def gone(*_):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    monkeypatch.setattr(os, "listdir", gone)
    with pytest.raises(ocf.NotUsable, match="cannot read the journal"):
        journal.read(instance)
    os.rmdir(journal.folder(instance))
    assert journal.read(instance) == {}


# commits that wait

def test_commits_that_cannot_be_noted_count_as_acknowledged_and_the_log_says_so(
        instance, monkeypatch, refuse):
    said, sent = [], []
    monkeypatch.setattr(waiting_commits.postmaster, "processes", lambda _: [4711])
    monkeypatch.setattr(waiting_commits.postmaster, "title",
                        lambda _: "postgres: u d [local] COMMIT waiting for 0/3000060")
    monkeypatch.setattr(waiting_commits.postmaster, "send", lambda *words: sent.append(words[0]))
    refuse("mkdir", ".main.waiting")
    waiting_commits.end(instance, types.SimpleNamespace(warning=said.append))
    assert sent == [4711] and "so they will count as acknowledged: " in said[-1]
    assert waiting_commits.noted(instance, 2) == []


def test_commits_that_waited_on_another_timeline_are_not_taken_for_these(instance):
    waiting_commits._note(instance, 2, ["0/3000060"])
    assert waiting_commits.noted(instance, 2) == ["0/3000060"]
    assert waiting_commits.noted(instance, 3) == []


# copies

@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_copy_has_the_group_of_what_was_copied(instance, tmp_path, monkeypatch, kind):
    """As for backups, whose user may read it."""
    del instance
    given, look = [], os.lstat
    (tmp_path / "a").mkdir() if kind == "folder" else (tmp_path / "a").touch()
    monkeypatch.setattr(os, "lstat", lambda path: os.stat_result(
        tuple(look(path)[:5]) + (look(path).st_gid + 1,) + tuple(look(path)[6:])))
    monkeypatch.setattr(os, "fchown", lambda _, *words: given.append(words))
    ownfiles.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert given == [(-1, look(tmp_path / "a").st_gid + 1)]


def test_a_file_that_goes_while_it_is_measured_has_no_bytes(tmp_path):
    (tmp_path / "a").write_text("123")
    (tmp_path / "b").symlink_to("gone")
    assert replacement.size_of(str(tmp_path)) == 3 + len("gone")
    assert replacement.size_of(str(tmp_path / "gone")) == 0


@pytest.mark.parametrize("call, name", [("lstat", "a"), ("scandir", "folder")])
def test_what_cannot_be_measured_is_not_empty(tmp_path, refuse, call, name):
    """It was copied as if it were small, and --discard was refused."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "a").write_text("123")
    assert replacement.size_of(str(tmp_path)) == 3
    refuse(call, name)
    with pytest.raises(OSError):
        replacement.size_of(str(tmp_path))
