"""A start finishes what was cut off only where the file systems that it needs are there."""

import errno
import os
import shutil

import pytest

from paf import ocf
from paf.deadline import Deadline
from paf.instance import journal, keptwal, replacement, rewind
from tests.unit.test_journal import half_rewound, instance
from tests.unit.test_rebuild_cut import LOG, OWN, dead, facts_of, own_files, write_facts

__all__ = ["instance"]

PHASES = [("rewind", "kept"), ("rewind", "rewound"), ("rewind", "returning"),
          ("rebuild", "aside"), ("rebuild", "returning")]


@pytest.mark.parametrize("what, phase", PHASES)
def test_nothing_moves_below_a_mount_point(instance, tmp_path, what, phase):
    """The data directory is one: the folder below it belongs to postgres, and is empty."""
    half_rewound(instance, tmp_path)
    write_facts(instance, dead(), what=what, phase=phase, deep=[], top=sorted(OWN), swaps=[])
    (tmp_path / "main").rename(tmp_path / "disk")
    (tmp_path / "main").mkdir()
    module = rewind if what == "rewind" else replacement

    def finish():
        if module is rewind:
            rewind.finish(instance, Deadline(5.0), LOG)
        else:
            replacement.finish(instance, LOG)
    with pytest.raises(ocf.OcfError, match="cannot read .*PG_VERSION"):
        finish()
    assert os.listdir(tmp_path / "main") == []
    assert own_files(tmp_path / ".main.pgsqlms" / "own") == OWN
    (tmp_path / "main").rmdir()
    (tmp_path / "disk").rename(tmp_path / "main")
    finish()
    assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


@pytest.mark.parametrize("missing", ["tablespace", "WAL"])
def test_a_rewind_is_not_repeated_below_a_mount_point(instance, tmp_path, monkeypatch, missing):
    half_rewound(instance, tmp_path)
    (tmp_path / "space").mkdir()
    (tmp_path / "main" / "pg_tblspc").mkdir()
    (tmp_path / "main" / "pg_tblspc" / "16384").symlink_to(tmp_path / "space")
    for name in ("space/PG_15_202209061", "main/pg_wal/archive_status"):
        if missing not in ("tablespace" if "space" in name else "WAL"):
            (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(rewind, "_pg_rewind", None)
    monkeypatch.setattr(keptwal, "put_back", None)
    with pytest.raises(ocf.OcfError, match=f"the {missing} .*mount its file system") as found:
        rewind.finish(instance, Deadline(5.0), LOG)
    assert found.type is ocf.OcfError and journal.exists(instance)


def test_a_repeated_rewind_finds_the_nodes_own_archive(instance, tmp_path, monkeypatch):
    """pg_rewind has brought the primary's files by then, and removed what it was given."""
    half_rewound(instance, tmp_path)
    (tmp_path / "main" / "pg_wal" / "archive_status").mkdir(parents=True)
    facts = dict(facts_of(instance), again=True, restore_command="cp '/a'")
    facts.pop("process"), facts.pop("since")
    write_facts(instance, dead(), **facts)
    for name in ("postgresql.conf", "postgresql.auto.conf"):
        (tmp_path / "main" / name).write_text("restore_command = 'the primary has it'\n")
    monkeypatch.setattr(rewind, "_check_source", lambda *_: None)
    monkeypatch.setattr(rewind.rewindrole, "await_checkpoint", lambda *_: None)
    monkeypatch.setattr(keptwal, "put_back", lambda _: None)
    seen = []
    monkeypatch.setattr(rewind, "_pg_rewind", lambda *_: seen.append(own_files(tmp_path / "main")))
    rewind.finish(instance, Deadline(5.0), LOG)
    assert seen == [{"postgresql.conf": "restore_command = 'cp ''/a'''\n"}]
    assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


@pytest.mark.parametrize("name", ["stat", "listdir"])
def test_a_journal_that_cannot_be_seen_for_a_moment_keeps_its_files(
        instance, tmp_path, monkeypatch, name):
    half_rewound(instance, tmp_path)
    write_facts(instance, dead(), what="rewind", phase="returning", deep=[], top=sorted(OWN))
    left, real = [OSError(errno.EIO, "Input/output error")], getattr(os, name)

    def failing(path, *more, **named):
        if str(path).endswith("/own") and left:
            raise left.pop()
        return real(path, *more, **named)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing)
        try:
            rewind.finish(instance, Deadline(5.0), LOG)
        except ocf.OcfError:
            assert journal.exists(instance)
            rewind.finish(instance, Deadline(5.0), LOG)
    assert own_files(tmp_path / "main") == OWN and not journal.exists(instance)


@pytest.mark.parametrize("below", [False, True])
def test_a_copy_whose_disk_is_not_mounted_has_not_taken_its_place(instance, tmp_path, below):
    """The old tablespace would be used with the new data directory; below: its folder is there."""
    disk, fresh, copy = tmp_path / "disk2", tmp_path / "fresh", tmp_path / "main.rebuilt"
    for name, text in (("ts", "old"), ("ts.rebuilt", "new")):
        (disk / name).mkdir(parents=True)
        (disk / name / "PG_15_1").write_text(text)
    copy.mkdir()
    write_facts(instance, dead(), what="rebuild", phase=replacement.SWAPPING, swaps=[
        [str(disk / "ts.rebuilt"), str(disk / "ts"), str(disk / "ts.old")],
        [str(copy), str(tmp_path / "main"), str(tmp_path / "main.old")]])
    disk.rename(fresh)
    (disk / "ts" if below else disk).mkdir(parents=True)
    with pytest.raises(ocf.OcfError, match="neither .*/disk2/ts nor its copy .*mount") as caught:
        replacement.finish(instance, LOG)
    assert caught.type is ocf.OcfError and journal.exists(instance) and copy.is_dir()
    shutil.rmtree(disk)
    fresh.rename(disk)
    replacement.finish(instance, LOG)
    assert (disk / "ts" / "PG_15_1").read_text() == "new" and not journal.exists(instance)
    assert (disk / "ts.old" / "PG_15_1").read_text() == "old" and (tmp_path / "main.old").is_dir()
