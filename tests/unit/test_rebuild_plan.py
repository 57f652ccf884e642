"""paf rebuild: what is in the way of a copy is found before anything is changed."""

import errno
import os
import pwd
from types import SimpleNamespace

import pytest

from paf import runner
from paf.cli.common import Problem
from paf.cli.rebuild import awaited, copying, places, plan, source
from paf.decide import state
from paf.instance import journal
from tests.unit.support import instance_at

VERSION = 150000
SPACE = "16400"


@pytest.fixture
def data(tmp_path):
    """A data directory in a folder of its own."""
    folder = tmp_path / "main"
    for name in ("pg_tblspc", "pg_wal/archive_status"):
        (folder / name).mkdir(parents=True)
    return folder


def space_at(data, place):
    """Make a tablespace with a folder of the version's, and its link."""
    (place / "PG_15_202209061").mkdir(parents=True)
    (data / "pg_tblspc" / SPACE).symlink_to(place)


def make(data, discard=False, tablespaces=None, version=VERSION, size=1):
    mine = pwd.getpwuid(os.geteuid())
    owner = runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir)
    return plan.make(instance_at(data)._replace(owner=owner),
                     source.Source("", "1", size, tablespaces, ""), discard, version)


@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("where", ["main/spaces/a", "main/pg_wal/../spaces", "."])
def test_a_tablespace_inside_the_data_directory_is_refused(data, where, discard):
    """Its files would go away with the old directory, and old ones come back with the own ones."""
    space_at(data, data.parent / where)
    with pytest.raises(Problem, match="is inside"):
        make(data, discard)


def test_a_tablespace_that_the_primary_has_inside_is_refused(data):
    with pytest.raises(Problem, match="main/space is inside .*main:"):
        make(data, tablespaces={SPACE: str(data / "space")})


def test_wal_behind_a_link_that_leads_inside_is_refused(data):
    (data / "pg_wal").rename(data / "elsewhere")
    (data / "pg_wal").symlink_to("elsewhere")
    with pytest.raises(Problem, match="is inside"):
        make(data)


@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("stranger", ["PG_14_202107181", "PG_1_1", "backups"])
def test_a_tablespaces_folder_with_something_else_in_it_is_refused(data, stranger, discard):
    """As of another cluster's version, after pg_upgrade: it would be removed in the end."""
    space_at(data, data.parent / "space")
    (data.parent / "space" / stranger).mkdir()
    with pytest.raises(Problem, match=f"holds what is not this instance's: {stranger}"):
        make(data, discard)


def test_what_belongs_into_a_tablespace_depends_on_the_version(data):
    place = data.parent / "space"
    (place / "PG_9.6_201608131").mkdir(parents=True)
    (data / "pg_tblspc" / SPACE).symlink_to(place)
    assert make(data, version=90600).swaps[0][1] == str(place)
    with pytest.raises(Problem, match="PG_9.6_201608131"):
        make(data)


@pytest.mark.parametrize("name", ["17-main", "lost+found", "notes.txt"])
def test_a_wal_folder_with_something_else_in_it_is_refused(data, name):
    wal = data.parent / "wal"
    (data / "pg_wal").rename(wal)
    (data / "pg_wal").symlink_to(wal)
    (wal / name).mkdir()
    with pytest.raises(Problem, match="wal holds what is not this instance's"):
        make(data)


@pytest.mark.parametrize("name", [
    "000000010000000000000001", "000000010000000000000001.00000028.backup", "00000002.history",
    "000000010000000000000003.partial", "archive_status", "summaries", "xlogtemp.4711",
    "RECOVERYXLOG"])
def test_what_postgresql_has_beside_its_wal_is_no_obstacle(data, name):
    wal = data.parent / "wal"
    (data / "pg_wal").rename(wal)
    (data / "pg_wal").symlink_to(wal)
    (wal / name).mkdir(exist_ok=True)
    assert make(data).wal == str(wal) + ".rebuilt"


@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("point", ["pg_wal", "log"])
def test_a_file_system_mounted_inside_is_refused(data, monkeypatch, point, discard):
    """The copy would not be on it, and the next boot would mount it over the new WAL."""
    monkeypatch.setattr(journal, "mounts", lambda: [
        ("/", "ext4"), (str(data) + "2", "ext4"), (str(data / point), "ext4")])
    with pytest.raises(Problem, match=f"mounted on .*main/{point}, inside"):
        make(data, discard)


@pytest.mark.parametrize("what", ["main", "wal", "space"])
def test_a_mount_point_cannot_be_renamed_so_it_is_given_up_or_refused(data, monkeypatch, what):
    """Also where a folder of the same file system is mounted there: ismount does not see that."""
    for name in ("wal", "space"):
        (data.parent / name).mkdir()
    (data / "pg_wal").rename(data.parent / "wal" / "archive_status")
    (data / "pg_wal").symlink_to(data.parent / "wal")
    (data / "pg_tblspc" / SPACE).symlink_to(data.parent / "space")
    point = str(data.parent / what)
    make(data)
    monkeypatch.setattr(journal, "mounts", lambda: [("/", "ext4"), (point, "ext4")])
    with pytest.raises(Problem, match=f"{what} is a mount point: .* --discard gives it up first"):
        make(data)
    monkeypatch.setattr(journal, "mounts", lambda: [])
    monkeypatch.setattr(os.path, "ismount", lambda path: path == point)
    with pytest.raises(Problem, match=f"{what} is a mount point"):
        make(data)
    assert (point, point, "") in make(data, discard=True).swaps
    (data.parent / what / "lost+found").mkdir()
    with pytest.raises(Problem, match="has a folder lost.found, and a copy needs an empty one"):
        make(data, discard=True)


def test_too_little_space_is_said_with_the_numbers(data, monkeypatch):
    """Of the file system that takes the copy: with --discard the one that is mounted there."""
    beside, there = 100 << 20, 30 << 20
    monkeypatch.setattr(plan, "_free", lambda folder: there if folder == str(data) else beside)
    make(data, size=beside)
    before = sorted(data.parent.rglob("*"))
    with pytest.raises(Problem, match=f"the copy needs 101 MB, {data.parent} has 100 MB free: "
                       "--discard gives the old directory up first"):
        make(data, size=beside + (1 << 20))
    assert sorted(data.parent.rglob("*")) == before
    monkeypatch.setattr(plan, "size_of", lambda path: 50 << 20 if path == str(data) else 0)
    make(data, discard=True, size=80 << 20)
    with pytest.raises(Problem, match=f"the copy needs 81 MB, {data} has 80 MB free$"):
        make(data, discard=True, size=81 << 20)
    assert make(data, size=None).room == [(str(data.parent), beside)]


@pytest.fixture
def unreadable(data, monkeypatch):
    """The data directory on a disk that fails."""
    def refuse(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)
    (data / "x").touch()
    monkeypatch.setattr(os, "lstat", refuse)
    return SimpleNamespace(mapping=[], room=[("/", 1)], swaps=[(str(data), str(data), "")])


def test_a_directory_that_cannot_be_measured_may_make_room_enough(unreadable):
    """--discard gives it up."""
    source_of = SimpleNamespace(size=2 << 20)
    with pytest.raises(Problem, match="the copy needs 2 MB"):
        plan._enough(unreadable, source_of, False)
    plan._enough(unreadable, source_of, True)


def test_a_copy_that_cannot_be_measured_goes_on_and_says_no_progress(unreadable, capsys):
    copy = copying.Copying.__new__(copying.Copying)
    copy._plan, copy._size, copy._began, copy._next = unreadable, 9, 0.0, 0.0
    assert copy._progress() is False and copy._next > 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("rate", ["nonsense", "50MB", "31", "31k", "1025M", "-5M", "50 M"])
def test_a_rate_that_pg_basebackup_would_not_take_is_refused_before(data, tmp_path, rate):
    instance = instance_at(data, bindir=str(tmp_path))
    with pytest.raises(Problem, match="pg_basebackup is not there"):
        source.check_copier(instance, None)
    (tmp_path / "pg_basebackup").write_text("")
    (tmp_path / "pg_basebackup").chmod(0o755)
    for good in (None, "32", "50M", "0.5M", "1024M", "100.5k"):
        source.check_copier(instance, good)
    with pytest.raises(Problem, match=f"--rate {rate}: "):
        source.check_copier(instance, rate)


def test_what_lies_beside_is_no_obstacle(data):
    space_at(data, data.parent / "main2")
    found = make(data)
    assert [place for _, place, _ in found.swaps] == [str(data.parent / "main2"), str(data)]
    places._apart(["/a/b", "/a/bc", "/a/c"])


def test_mount_points_are_read_as_they_are_called():
    assert ("/proc", "proc") in journal.mounts()


@pytest.mark.parametrize("said, receiving, expected", [
    ("1", None, True), ("0", None, False), ("", True, True), ("", False, False)])
def test_a_standby_streams_where_that_is_known(monkeypatch, said, receiving, expected):
    """PostgreSQL up to 9.5 does not say it by SQL; the old directory is removed when it is so."""
    seen = SimpleNamespace(verdict=SimpleNamespace(state=state.STANDBY),
                           rows=[["me", "true", said, "", "", ""]])
    monkeypatch.setattr(awaited.local, "version", lambda _: 90500)
    monkeypatch.setattr(awaited.observe, "observe", lambda *_: seen)
    monkeypatch.setattr(awaited.receiver, "is_receiving", lambda _: receiving)
    assert awaited.streams(None) is expected
