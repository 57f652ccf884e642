"""What a monitor says without a failure: which worries last, and a disk without room."""

import time
from types import SimpleNamespace

import pytest

from paf import ocf, remarks

WORRY = ["this standby does not stream from a primary"]


@pytest.fixture
def context(tmp_path):
    """A context, and what its log was given."""
    said = []
    return SimpleNamespace(
        said=said, in_cluster=True, log=SimpleNamespace(
            exit_reason=said.append, warning=said.append), environment=ocf.Environment({
                "HA_RSCTMP": str(tmp_path), "OCF_RESOURCE_INSTANCE": "pgsqld"}))


def began(context, tmp_path, seconds):
    (tmp_path / "pgsqlms-pgsqld.worries").write_text(str(int(time.time() - seconds)))


def test_a_worry_lasts_after_ten_seconds(context, tmp_path):
    assert remarks.lasting(context, WORRY) == []
    assert remarks.lasting(context, WORRY) == []
    began(context, tmp_path, 11)
    assert remarks.lasting(context, WORRY) == WORRY
    assert remarks.lasting(context, []) == [] and remarks.lasting(context, WORRY) == []


def test_a_clock_that_was_set_back_hides_none(context, tmp_path):
    began(context, tmp_path, -3600)
    assert remarks.lasting(context, WORRY) == WORRY


def test_a_note_that_cannot_be_read_is_written_again(context, tmp_path):
    (tmp_path / "pgsqlms-pgsqld.worries").write_text("x")
    assert remarks.lasting(context, WORRY) == []
    began(context, tmp_path, 11)
    assert remarks.lasting(context, WORRY) == WORRY


def test_where_nothing_can_be_noted_the_worry_is_shown(context, tmp_path):
    (tmp_path / "file").touch()
    context.environment.variables["HA_RSCTMP"] = str(tmp_path / "file")
    assert remarks.lasting(context, WORRY) == WORRY and "cannot remember" in context.said[0]


class Disks:
    """statvfs of folders: bytes that are left, and files; no other folder can be read."""

    def __init__(self, **left):
        self.left = left

    def __call__(self, folder):
        name = folder.rpartition("/")[2]
        if name not in self.left:
            raise OSError(5, "Input/output error", folder)
        left, files, free = self.left[name][:3]
        return SimpleNamespace(f_bavail=left // 4096, f_frsize=4096, f_files=files, f_favail=free,
                               f_blocks=GB // 4096 if len(self.left[name]) == 3 else 0)


GB = 2 ** 30


@pytest.mark.parametrize("data, wal, expected", [
    ((GB, 100, 9), (GB, 100, 9), []),
    ((GB, 0, 0), (GB, 0, 0), []),                   # btrfs: it does not count files
    ((0, 0, 0, 0), (GB, 100, 9), []),               # FUSE: some do not say anything
    ((4096, 100, 9), (GB, 100, 9), ["no room is left for {0}"]),
    ((GB, 100, 9), (0, 100, 9), ["no room is left for {0}/pg_wal"]),
    ((0, 100, 0), (0, 100, 0), ["no room is left for {0}", "no room is left for {0}/pg_wal"]),
    ((GB, 100, 0), (GB, 100, 9), ["no room is left for another file in {0}"])])
def test_a_disk_without_room_is_said(context, tmp_path, monkeypatch, data, wal, expected):
    datadir = made(context, tmp_path)
    with monkeypatch.context() as patch:    # each folder on a disk of its own
        patch.setattr(remarks.os, "statvfs", Disks(data=data, pg_wal=wal))
        patch.setattr(remarks.os, "stat", lambda name: SimpleNamespace(st_dev=len(str(name))))
        found = remarks.no_room(context)
    assert found == [line.format(datadir) for line in expected]


def test_one_disk_is_named_once_and_one_that_cannot_be_read_is_not_without_fault(
        context, tmp_path, monkeypatch):
    datadir = made(context, tmp_path)
    monkeypatch.setattr(remarks.os, "statvfs", Disks(data=(0, 1, 1), pg_wal=(0, 1, 1)))
    assert remarks.no_room(context) == ["no room is left for " + datadir]
    monkeypatch.setattr(remarks.os, "statvfs", Disks())
    assert remarks.no_room(context) == [
        "cannot find out how much room is left for {0}: Input/output error".format(datadir)]


def test_a_data_directory_without_a_version_has_no_folder_for_wal_to_look_at(context, tmp_path):
    made(context, tmp_path)
    (tmp_path / "data" / "PG_VERSION").write_text("x\n")
    found = remarks.no_room(context)
    assert len(found) == 1
    assert found[0].startswith("cannot find out how much room is left for WAL: ")


def made(context, tmp_path):
    """Make the folders of an instance; return the data directory."""
    datadir = tmp_path / "data"
    (datadir / "pg_wal").mkdir(parents=True)
    (datadir / "PG_VERSION").write_text("15\n")
    context.instance = SimpleNamespace(parameters=SimpleNamespace(datadir=str(datadir)))
    return str(datadir)
