"""WAL that is given up: its copies are kept, under a name of their own, and long enough."""

import errno
import json
import os
import pwd
import shutil
from types import SimpleNamespace

import pytest

from paf import ocf, runner
from paf.decide import wal
from paf.decide.knowledge import Known
from paf.deadline import Deadline
from paf.instance import (
    controldata, divergence, journal, keptwal, ownfiles, rewind, upstream, waldump, walpages)
from tests.component.cutting import cut
from tests.unit.support import instance_at

SIZE = 1 << 20
NAMES = ["00000001000000000000000{0}".format(number) for number in range(1, 6)]
FACTS = {"diverged": "d", "parts": [[1, "0/100000", "0/280000"]], "kept": True, "started": "b"}


@pytest.fixture
def instance(tmp_path):
    """A data directory with five segments of WAL and a history."""
    folder = tmp_path / "main"
    for name in ("pg_wal", "global"):
        (folder / name).mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    (folder / "global" / "pg_control").write_text("control")
    for name in [*NAMES, "00000001.history"]:
        (folder / "pg_wal" / name).write_text(name)
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(folder)._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def sets(tmp_path):
    return sorted(path.name for path in (tmp_path / "main.lost").iterdir())


def put(tmp_path, name, **facts):
    (tmp_path / "main.lost" / name).mkdir(parents=True)
    (tmp_path / "main.lost" / name / "about.json").write_text(json.dumps(facts))


def keep_in_journal(instance):
    journal.begin(instance, {"what": "rewind", "phase": "keeping"})
    assert keptwal.keep(instance, NAMES[:2], SIZE, Deadline(9))


def test_two_rewinds_in_one_second_have_a_set_each(instance, tmp_path):
    found = []
    for _ in range(3):
        found.append(keptwal.free_name(instance, "2026-11-26T03:30:00Z"))
        put(tmp_path, found[-1])
    assert found == ["2026-11-26T033000Z", "2026-11-26T033000Z-2", "2026-11-26T033000Z-3"]


def test_a_cut_at_any_step_leaves_the_copies_and_what_is_said_of_them(instance, tmp_path):
    step = 0
    while True:
        keep_in_journal(instance)
        was_cut = cut(lambda: keptwal.give_up(instance, "now", FACTS), step)
        place = keptwal.give_up(instance, "now", FACTS)    # the next start goes on
        assert (tmp_path / "main.lost" / "now" / NAMES[0]).read_text() == NAMES[0]
        assert json.loads((tmp_path / "main.lost" / "now" / "about.json").read_text()) == FACTS
        assert place == str(tmp_path / "main.lost" / "now") and sets(tmp_path) == ["now"]
        shutil.rmtree(tmp_path / "main.lost")
        journal.remove(instance)
        if not was_cut:
            return
        step += 1


def test_a_set_is_not_the_first_to_go_because_the_clock_was_set_back(instance, tmp_path):
    for number in range(5):
        put(tmp_path, "2026-11-26T03300{0}Z".format(number))
    keep_in_journal(instance)
    keptwal.give_up(instance, "2025-01-01T000000Z", FACTS)
    assert sets(tmp_path) == ["2025-01-01T000000Z"] + [
        "2026-11-26T03300{0}Z".format(number) for number in range(1, 5)]


def test_sets_without_a_loss_go_before_one_that_has_commits(instance, tmp_path):
    """A node that is cut off now and then, with nothing to lose, must not remove what was lost."""
    put(tmp_path, "2026-11-01T000000Z", harmless=False)
    for number in range(4):
        put(tmp_path, "2026-11-26T03300{0}Z".format(number), harmless=True)
    keep_in_journal(instance)
    keptwal.give_up(instance, "2026-11-27T000000Z", dict(FACTS, harmless=True))
    assert sets(tmp_path)[:2] == ["2026-11-01T000000Z", "2026-11-26T033001Z"]


def test_what_was_too_much_to_keep_is_noted(instance, tmp_path):
    journal.begin(instance, {"what": "rewind", "phase": "keeping"})
    for _ in range(2):
        keptwal.give_up(instance, "now", dict(FACTS, kept=False))
    assert sets(tmp_path) == ["now"]
    assert (tmp_path / "main.lost" / "now" / "about.json").exists()
    keptwal.give_up(instance, "none", dict(FACTS, kept=None))    # pg_rewind had nothing to do
    assert sets(tmp_path) == ["now"]


def test_a_full_disk_leaves_no_half_of_a_set(instance, tmp_path, monkeypatch):
    copied = ownfiles.copy_file

    def fill(path, target, empty=None):
        if path.endswith(NAMES[1]):
            raise OSError(errno.ENOSPC, "No space left on device")
        copied(path, target, empty)
    monkeypatch.setattr(ownfiles, "copy_file", fill)
    with pytest.raises(ocf.OcfError, match="No space left on device"):
        keptwal.keep_aside(instance, NAMES[:3], "now", FACTS, SIZE)
    assert sets(tmp_path) == []


def test_a_rebuild_that_is_repeated_keeps_its_wal_once(instance, tmp_path):
    place = keptwal.keep_aside(instance, NAMES[:3], "now", FACTS, SIZE)
    assert keptwal.with_same(instance, {"parts": FACTS["parts"], "diverged": "d"}) == place
    assert keptwal.with_same(instance, {"parts": FACTS["parts"], "diverged": "e"}) == ""


@pytest.mark.parametrize("largest, again, kept", [
    (5 * SIZE, True, True), (2 * SIZE, False, True), (1, False, False)])
def test_what_exists_only_here_is_kept_where_all_that_pg_rewind_needs_is_too_much(
        instance, tmp_path, monkeypatch, largest, again, kept):
    """The last common checkpoint may be gigabytes before the fork."""
    monkeypatch.setattr(keptwal, "_LARGEST", largest)
    (tmp_path / ".main.pgsqlms").mkdir()
    parts = [(1, 3 * SIZE + 40, 4 * SIZE + 60)]
    found = rewind._keep_copies(instance, "rewinding from last common checkpoint at 0/100028 on "
                                "timeline 1", parts, SIZE, Deadline(9))
    assert found == {"again": again, "kept": kept}
    names = set(NAMES[2:4]) if not again else set(NAMES)
    have = set(os.listdir(tmp_path / ".main.pgsqlms" / "wal")) if kept else set()
    assert have & set(NAMES) == (names if kept else set())


def test_a_file_system_that_does_not_say_its_room_may_have_some(instance, monkeypatch):
    """Without the copies a rewind that is cut off cannot be repeated."""
    silent = SimpleNamespace(f_frsize=4096, f_blocks=0, f_bavail=0)
    monkeypatch.setattr(keptwal.os, "statvfs", lambda _: silent)
    assert keptwal.fits(instance, NAMES, SIZE)
    silent.f_blocks = 1 << 20
    assert not keptwal.fits(instance, NAMES, SIZE)


def test_pg_rewind_that_has_nothing_to_do_gives_nothing_up(instance):
    assert rewind._keep_copies(instance, "pg_rewind: no rewind required", None, SIZE,
                               Deadline(9)) == {"again": False, "kept": None}


def test_copies_that_take_too_long_say_so(instance, tmp_path):
    """Killed at its timeout, each start would begin again and never say why."""
    (tmp_path / ".main.pgsqlms").mkdir()
    with pytest.raises(ocf.OcfError, match="not copied in .* give start a longer timeout"):
        keptwal.keep(instance, NAMES[:2], SIZE, Deadline(0))


# Where the WAL ends

LINE = ("rmgr: Transaction len (rec/tot):     34/    34, tx:        801, lsn: {0}, prev 0/00C8, "
        "desc: COMMIT 2026-11-26 03:28:26.823090 UTC\n")
LAST_ON_ITS_PAGE = ("pg_waldump: error: error in WAL record at 0/301FD8: invalid magic number 0000 "
                    "in log segment 000000010000000000000003, offset 8192")


def answered(monkeypatch, *results):
    left = [runner.Result(status, out, err, False) for status, out, err in results]
    monkeypatch.setattr(waldump, "dump", lambda *_, **__: left.pop(0))
    monkeypatch.setattr(walpages, "page_size", lambda *_: 8192)


@pytest.mark.parametrize("results, end", [
    ([(1, LINE.format("0/300100"), "error in WAL record at 0/300100: invalid record length at "
       "0/300128: wanted 24, got 0")], 0x300128),
    # the last record ends at the end of its page: the error names where that record begins
    ([(1, LINE.format("0/301FD8"), LAST_ON_ITS_PAGE), (0, LINE.format("0/301FD8"), "")], 0x302000),
    # nothing was read, since the next segment is missing
    ([(1, LINE.format("0/300100"), "could not find file \"000000010000000000000004\": No such file "
       "or directory"), (0, LINE.format("0/300100"), "")], 0x300128)])
def test_the_end_of_the_wal_is_that_of_its_last_record(monkeypatch, results, end):
    answered(monkeypatch, *results)
    assert waldump.end(None, wal.Position(1, 0x300000), SIZE, Deadline(5)) == end


def test_a_program_that_failed_has_not_seen_the_end(monkeypatch, tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    answered(monkeypatch, (1, "", "pg_waldump: error: out of memory"))
    with pytest.raises(ocf.OcfError, match="cannot read the WAL at 0/300000.*out of memory"):
        waldump.end(instance_at(tmp_path), wal.Position(1, 0x300000), SIZE, Deadline(5))


def test_what_exists_only_on_two_timelines_is_known(instance, tmp_path, monkeypatch):
    """This node was promoted as well, later than the primary was."""
    (tmp_path / "main" / "pg_wal" / "00000003.history").write_text(
        "1\t0/100000\tx\n2\t0/380000\tx\n")
    (tmp_path / "main" / "pg_wal" / "000000030000000000000003").write_text("")
    control = controldata.ControlData("shut down", 3, 0x400028, 0x400028, 0, 0, SIZE, "replica",
                                      True, False, "7")
    monkeypatch.setattr(controldata, "read", lambda *_: Known(control))
    monkeypatch.setattr(waldump, "end", lambda *_: 0x400100)
    switches = [divergence.timelines.Switch(1, 0x100000), divergence.timelines.Switch(2, 0x280000)]
    found = divergence.Divergence("d", True, upstream.Upstream(4, switches, "7"), None, None, SIZE)
    parts = divergence.parts(instance, found, Deadline(5))
    assert parts == [(2, 0x280000, 0x380000), (3, 0x380000, 0x400100)]
    assert rewind.described(found, parts)["parts"] == [
        [2, "0/280000", "0/380000"], [3, "0/380000", "0/400100"]]
