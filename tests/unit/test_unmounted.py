"""A start finishes what was cut off only where the file systems that it needs are there."""

import contextlib
import errno
import os
import shutil

import pytest

from paf import ocf
from paf.cli.common import Problem
from paf.cli.rebuild import plan, source
from paf.cli.rebuild import rebuild as verb
from paf.deadline import Deadline
from paf.instance import journal, keptwal, replacement, rewind
from tests.unit.test_journal import half_rewound, instance
from tests.unit.test_rebuild_cut import (
    LOG, OWN, copier, dead, facts_of, options, own_files, write_facts)

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


# A data directory that is a mount point

@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Return a function that unmounts the data directory, and one that mounts it."""
    ismount = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: ismount(path) or (
        path == str(tmp_path / "main") and not (tmp_path / "disk").exists()))

    def unmount():
        (tmp_path / "main").rename(tmp_path / "disk")
        (tmp_path / "main").mkdir()

    def mount():
        (tmp_path / "main").rmdir()
        (tmp_path / "disk").rename(tmp_path / "main")
    return unmount, mount


class Work(verb.Work):
    """A Work that asks no primary."""

    def _look_again(self):
        pass


def give_up(instance):
    """Do what paf rebuild does first with what was cut off."""
    Work(instance, "srv1", options())._clear_journal()


@pytest.mark.parametrize("what, phase", PHASES + [
    ("rewind", "rewinding"), ("rebuild", "swapping"), ("rebuild", "half")])
def test_paf_rebuild_moves_nothing_below_a_mount_point(instance, tmp_path, disk, what, phase):
    """Nor is the journal removed: what is mounted later may be half rewound."""
    half_rewound(instance, tmp_path)
    write_facts(instance, dead(), what=what, phase=phase, deep=[], top=sorted(OWN), started="x",
                mounted=journal.mount_points([str(tmp_path / "main")]), kept=None,
                swaps=[[str(tmp_path / "rebuilt"), str(tmp_path / "main"), str(tmp_path / "old")]])
    unmount, mount = disk
    unmount()
    (tmp_path / "rebuilt").mkdir()
    before = facts_of(instance)
    for attempt in (lambda: give_up(instance), lambda: plan.mounted(
            instance, journal.read(instance))):
        with pytest.raises(ocf.OcfError, match="main was a mount point when .*mount its file sys"):
            attempt()
    assert os.listdir(tmp_path / "main") == [] and facts_of(instance) == before
    assert own_files(tmp_path / ".main.pgsqlms" / "own") == OWN
    mount()
    give_up(instance)
    assert phase in ("swapping", "half") or own_files(tmp_path / "main") == OWN


def test_a_start_finishes_nothing_below_a_mount_point_and_bans_no_node(instance, tmp_path, disk):
    half_rewound(instance, tmp_path)
    facts = facts_of(instance)
    facts.pop("process"), facts.pop("since")
    write_facts(instance, dead(), **dict(facts, mounted=[str(tmp_path / "main")]))
    disk[0]()
    with pytest.raises(ocf.OcfError, match="was a mount point") as caught:
        rewind.finish(instance, Deadline(5.0), LOG)
    assert caught.value.code == ocf.ERR_GENERIC and journal.exists(instance)


@pytest.mark.parametrize("phase, demanded", [
    ("half", False), ("discarded", False), ("swapping", True)])
def test_a_disk_that_no_folder_is_on_any_more_is_not_demanded(
        instance, tmp_path, phase, demanded):
    """It may be lost: the next copy goes elsewhere. Copies that take their places need theirs."""
    write_facts(instance, dead(), what="rebuild", phase=phase, half=True, swaps=[], links=[],
                deep=[], mounted=[str(tmp_path / "gone")])
    attempts = [lambda: plan.mounted(instance, journal.read(instance))]
    if phase != "discarded":
        attempts.append(lambda: replacement.revert(instance, LOG))
    for attempt in attempts:
        with pytest.raises(ocf.OcfError, match="gone was a mount point") if demanded else (
                contextlib.nullcontext()):
            attempt()


def test_a_place_of_the_copy_is_demanded(tmp_path):
    facts = {"mounted": [str(tmp_path / "gone")]}
    journal.check_mounted(facts, [str(tmp_path / "gone-not"), "/"])
    with pytest.raises(ocf.OcfError, match="gone was a mount point"):
        journal.check_mounted(facts, [str(tmp_path / "gone" / "ts")])


def test_an_automounter_is_asked_before_a_mount_point_counts_as_none(monkeypatch):
    """The kernel mounts for a name with a slash at its end, not for a look at the name itself."""
    asked = []
    monkeypatch.setattr(os.path, "lexists", asked.append)
    monkeypatch.setattr(os.path, "ismount", lambda path: asked == ["/auto/fast/"])
    journal.check_mounted({"mounted": ["/auto/fast"]})


def test_that_a_directory_is_a_mount_point_is_noted_until_a_copy_has_replaced_it(
        instance, tmp_path, disk):
    facts = {"what": "rewind", "phase": "rewinding", "deep": [], "started": "x", "kept": None}
    journal.begin(instance, facts)
    main = str(tmp_path / "main")
    assert main in facts_of(instance)["mounted"]
    give_up(instance)
    assert facts_of(instance)["phase"] == "half" and main in facts_of(instance)["mounted"]
    copy = copier(instance, "--copy", "--discard")
    disk[0]()
    with pytest.raises(ocf.OcfError, match="main was a mount point"):
        copy.run()
    assert os.listdir(main) == [] and facts_of(instance)["phase"] == "half"
    disk[1]()
    copy.run()
    assert not journal.exists(instance)


def test_a_directory_that_was_given_up_is_not_copied_below_its_mount_point(
        instance, tmp_path, disk):
    write_facts(instance, dead(), what="rebuild", phase="discarded", deep=[], swaps=[], links=[],
                mounted=[str(tmp_path / "main")])
    disk[0]()
    for attempt in (copier(instance, "--discard").run,
                    lambda: plan.mounted(instance, journal.read(instance))):
        with pytest.raises(ocf.OcfError, match="main was a mount point"):
            attempt()
    assert os.listdir(tmp_path / "main") == []


# A copy of the primary

def looking(monkeypatch, instance, *words, **facts):
    """Return a Work that finds a primary without tablespaces, and no obstacle there."""
    for where, name in ((plan, "running"), (plan, "foreign"), (source, "check_copier"),
                        (source, "check_room")):
        monkeypatch.setattr(where, name, lambda *_: None)
    monkeypatch.setattr(source, "version", lambda _: 150000)
    monkeypatch.setattr(source, "conninfo", lambda *_: "host=192.0.2.1")
    monkeypatch.setattr(source, "look", lambda *_: source.Source("", "1", 1, None, ""))
    monkeypatch.setattr(verb.Work, "_not_rewound", lambda _: "asked for")
    if facts:
        write_facts(instance, dead(), what="rebuild", **facts)
    return verb.Work(instance, "srv1", options("--copy", *words))


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("words", [(), ("--discard",)])
def test_nothing_is_copied_below_a_mount_point(instance, tmp_path, monkeypatch, words, below):
    """It would fill another file system, and be hidden when the right one is mounted."""
    work = looking(monkeypatch, instance, *words)
    (tmp_path / "main" / "pg_tblspc").mkdir()
    for link, file in (("pg_tblspc/16400", "PG_15_1"), ("pg_wal", "archive_status")):
        place = tmp_path / "disk2" / os.path.basename(link)
        (place if below else tmp_path / "disk2").mkdir(parents=True, exist_ok=True)
        (tmp_path / "main" / link).symlink_to(place)
        what = "tablespace at" if "tblspc" in link else "WAL's folder"
        with pytest.raises(Problem, match=f"{what} {place} is not there.*mount its file system"):
            work.look()
        (place / file).mkdir(parents=True)
    work.look()
    assert [place for _, place, _ in work._plan.swaps[:2]] == [
        str(tmp_path / "disk2" / "16400"), str(tmp_path / "disk2" / "pg_wal")]


@pytest.mark.parametrize("gone", [True, False])
def test_a_cut_between_two_renames_loses_no_place_of_wal_and_tablespaces(
        instance, tmp_path, monkeypatch, gone):
    """The old directory has another name by then, and the new one has not taken its place."""
    wal, space = tmp_path / "wal", tmp_path / "space"
    work = looking(monkeypatch, instance, phase="swapping", swaps=[], links=[
        ["pg_tblspc/16400", str(space)], ["pg_wal", str(wal)]])
    if gone:
        (tmp_path / "main").rename(tmp_path / "main.old")
    work.look()
    assert work._plan.wal == f"{wal}.rebuilt"
    assert work._plan.mapping == [(str(space), f"{space}.rebuilt")]
