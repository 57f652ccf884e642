"""Where the WAL on disk ends: what cannot be seen is no end."""

import errno
import os
import struct

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.decide import timelines, wal
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.instance import controldata, line, position, sql, walend, walfiles, walprogram
from tests.unit.support import instance_at

SIZE = 1 << 20
CONTROL = controldata.ControlData(
    state="in archive recovery", timeline=1, checkpoint=96, redo=40, recovery_end=0,
    recovery_end_timeline=0, segment_size=SIZE, wal_level="replica", wal_log_hints=False,
    checksums=True, system_identifier="7")
INSIDE, BOUNDARY = wal.Position(2, 5 * SIZE + 0x148), wal.Position(2, 5 * SIZE)


@pytest.fixture
def standby(tmp_path, monkeypatch):
    """An instance whose pg_wal has a written segment before the one that its floor is in."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)    # the test's folder is its user's own
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "pg_wal").mkdir()
    segment(tmp_path, 4)
    return instance_at(tmp_path)


def segment(folder, number, length=SIZE, address=None, size=SIZE):
    """Write a segment of timeline 2 with the header of its first page."""
    address = number * SIZE if address is None else address
    header = struct.pack("=HHIQI4xQII", 0xD110, 2, 2, address, 0, 7, size, 8192)
    path = folder / "pg_wal" / wal.segment_name(2, number * SIZE, SIZE)
    path.write_bytes(header[:length])
    os.truncate(path, length)


@pytest.mark.parametrize("text, whole", [
    ("1\t0/3000060\tx\n2\t0/5000148\tx\n", True), ("1\t0/3000060\tx\n2\t0/", False),
    ("1\t0/5000060\tx\n2\t0/3000148\tx\n", False), ("\0" * 40, False)])
def test_of_a_damaged_history_nothing_is_concluded(standby, tmp_path, text, whole):
    """Its instance would seem to have parted from the others where the damage is."""
    segment(tmp_path, 5)
    os.rename(tmp_path / "pg_wal" / "000000020000000000000005",
              tmp_path / "pg_wal" / "000000030000000000000005")
    (tmp_path / "pg_wal" / "00000003.history").write_text(text)
    (tmp_path / "global").mkdir(exist_ok=True)
    (tmp_path / "global" / "pg_control").write_bytes(struct.pack("=Q", 17))
    assert (len(walfiles.switches(standby, 3)) == 2) == whole
    assert (line.read(standby, False) is not None) == whole


def test_a_history_begins_with_the_system_identifier(standby, tmp_path):
    os.rename(tmp_path / "pg_wal" / "000000020000000000000004",
              tmp_path / "pg_wal" / "000000010000000000000004")
    assert line.read(standby, False) is None    # what cannot be read is no other cluster's
    (tmp_path / "global").mkdir(exist_ok=True)
    control = tmp_path / "global" / "pg_control"
    control.write_bytes(b"\0" * 7)
    assert line.read(standby, False) is None
    control.write_bytes(struct.pack("=QI", 2**63 + 1, 1300))
    assert line.read(standby, False).reigns == (
        timelines.Reign(timelines.ORIGIN, 0, str(2**63 + 1)), timelines.Reign(1, 0, "initdb"))


def found(instance, floor):
    return walend.find(instance, floor, Deadline(30))


def test_a_segment_that_was_never_started_holds_nothing_more(standby, tmp_path):
    assert found(standby, BOUNDARY) == Known(BOUNDARY)
    segment(tmp_path, 5, address=SIZE)    # recycled
    assert found(standby, BOUNDARY) == Known(BOUNDARY)


def test_without_the_segment_that_the_floor_is_in_the_end_is_not_known(standby):
    """A folder of WAL that was emptied, or restored without it."""
    fact = found(standby, INSIDE)
    assert isinstance(fact, AtLeast) and fact.value == INSIDE
    assert "000000020000000000000005 is missing" in fact.reason


@pytest.mark.parametrize("how", [dict(length=0), dict(length=39), dict(address=SIZE),
                                 dict(size=2 * SIZE)])
def test_a_segment_that_is_not_what_was_written_there_is_no_end(standby, tmp_path, how):
    segment(tmp_path, 5, **how)
    assert isinstance(found(standby, INSIDE), AtLeast)


@pytest.mark.parametrize("floor", [INSIDE, BOUNDARY])
def test_a_wal_folder_that_is_not_mounted_is_no_end(standby, tmp_path, floor):
    os.rename(tmp_path / "pg_wal", tmp_path / "elsewhere")
    (tmp_path / "pg_wal").symlink_to(tmp_path / "volume")
    fact = found(standby, floor)
    assert isinstance(fact, AtLeast) and "pg_wal" in fact.reason


def test_a_segment_that_cannot_be_opened_is_no_end(standby, tmp_path, monkeypatch):
    """Its disk fails: neither the file nor its name can be looked at. It may have what counts."""
    for number in (5, 6):
        segment(tmp_path, number)
    broken = str(tmp_path / "pg_wal" / wal.segment_name(2, 6 * SIZE, SIZE))

    def failing(call):
        def fail(path, *more, **options):
            if path == broken:
                raise OSError(errno.EIO, "Input/output error")
            return call(path, *more, **options)
        return fail
    monkeypatch.setattr(walend, "_last_record", lambda *_: (BOUNDARY.lsn + 0x28, 100))
    monkeypatch.setattr(os, "open", failing(os.open))
    monkeypatch.setattr(os, "lstat", failing(os.lstat))
    fact = found(standby, INSIDE)
    assert isinstance(fact, AtLeast) and "Input/output error" in fact.reason


@pytest.mark.parametrize("backwards", [False, True])
def test_a_segment_that_was_cut_short_is_not_the_size_of_all(standby, tmp_path, monkeypatch,
                                                             backwards):
    for number, length in ((6, 0), (7, 8192), (8, 3 * 8192)):
        segment(tmp_path, number, length)
    monkeypatch.setattr(walfiles.os, "listdir", lambda folder: sorted(
        entry.name for entry in os.scandir(folder))[::-1 if backwards else 1])
    assert walfiles.look(standby).segment_size == SIZE


def test_a_server_whose_wal_files_cannot_be_seen_votes_with_a_lower_bound(standby, tmp_path,
                                                                          monkeypatch):
    """Its control file learns of a newer timeline at the next restartpoint only."""
    row = ["6000000", "6000000", "", "true", "", ""]
    monkeypatch.setattr(position.postmaster, "find", lambda instance: Known("a server"))
    monkeypatch.setattr(position.sql, "query",
                        lambda *arguments: sql.Answer(sql.ROWS, [row], ""))
    monkeypatch.setattr(position.controldata, "read", lambda *arguments: Known(CONTROL))
    assert position.place(standby, Deadline(30)).position == Known((2, 6000000))
    os.rename(tmp_path / "pg_wal", tmp_path / "elsewhere")
    fact = position.place(standby, Deadline(30)).position
    assert fact == AtLeast((1, 6000000), "its WAL files cannot be seen")


@pytest.mark.parametrize("runs, state, fact", [
    (Known("a server"), "in production", AtLeast), (Unknown("hidden"), "in production", AtLeast),
    (Known(None), "in production", Known), (Known("a server"), "in archive recovery", Known)])
def test_a_primary_that_does_not_answer_votes_like_no_standby(standby, monkeypatch, runs, state,
                                                              fact):
    """Pacemaker may have forgotten it, and no connection be free: a second one was promoted."""
    monkeypatch.setattr(position.postmaster, "find", lambda instance: runs)
    monkeypatch.setattr(position.sql, "query",
                        lambda *arguments: sql.Answer(sql.NO_CONNECTION, [], "too many clients"))
    monkeypatch.setattr(position.controldata, "read",
                        lambda *arguments: Known(CONTROL._replace(state=state)))
    monkeypatch.setattr(position, "_end", lambda instance, floor, deadline: Known(floor))
    found = position.place(standby, Deadline(30)).position
    assert isinstance(found, fact)
    assert found.value.timeline == (3 if fact is AtLeast else 2)


@pytest.fixture
def forked(standby, tmp_path, monkeypatch):
    """Its control file knows timeline 2 only; timeline 3 began two segments later."""
    records = []

    def last_record(instance, start, end, *_):
        records.append((start, end))
        return 7 * SIZE + 0x200, 100
    monkeypatch.setattr(walend, "_last_record", last_record)
    for number in (5, 6, 7):
        segment(tmp_path, number)
    os.rename(tmp_path / "pg_wal" / wal.segment_name(2, 7 * SIZE, SIZE),
              tmp_path / "pg_wal" / wal.segment_name(3, 7 * SIZE, SIZE))
    (tmp_path / "pg_wal" / "00000003.history").write_text(
        f"1\t0/28\tno recovery target\n2\t{wal.format_lsn(7 * SIZE + 0x80)}\tno recovery target\n")
    return standby, records


def page(folder, address, timeline=2, info=0, left=0):
    """Write the header of a page behind the first of a segment, which is there."""
    path = folder / "pg_wal" / wal.segment_name(2, address, SIZE)
    with open(path, "r+b") as stream:
        stream.seek(address % SIZE)
        stream.write(struct.pack("=HHIQI", 0xD110, info, timeline, address, left))


@pytest.mark.parametrize("header, known", [
    (None, True),                                   # zeros, as in a new segment
    (dict(timeline=1), True),                       # what a recycled one had there
    (dict(info=1, left=20000), True),               # the middle of a record that was cut off
    (dict(), False), (dict(info=1, left=400), False)])
def test_a_page_behind_the_last_record_shows_that_it_is_not_the_last(standby, tmp_path,
                                                                     monkeypatch, header, known):
    """A sector that cannot be read, say, in the last segment."""
    monkeypatch.setattr(walend, "_last_record", lambda *_: (5 * SIZE + 0x180, 59))
    segment(tmp_path, 5)
    end = 5 * SIZE + 0x180 + 64
    if header is not None:
        page(tmp_path, 5 * SIZE + 8192, **header)
    fact = found(standby, INSIDE)
    if known:
        assert fact == Known((2, end))
    else:
        assert fact == AtLeast(INSIDE, f"the WAL is damaged at {wal.format_lsn(end)}, and goes on "
                               "behind it")


LATER = wal.Position(3, INSIDE.lsn)    # the newest timeline, the control file's lower bound


def test_a_timeline_that_began_after_the_floor_is_read_from_there(forked):
    instance, records = forked
    assert found(instance, LATER) == Known((3, 7 * SIZE + 0x200 + 104))
    assert records == [((3, 7 * SIZE + 0x80), 8 * SIZE)]


@pytest.mark.parametrize("gone", ["000000020000000000000005", "000000020000000000000006",
                                  "00000003.history"])
def test_a_timeline_that_nothing_leads_to_has_no_end(forked, tmp_path, gone):
    os.unlink(tmp_path / "pg_wal" / gone)
    fact = found(forked[0], LATER)
    assert isinstance(fact, AtLeast) and fact.value == LATER and "is missing" in fact.reason


RECORD = ("rmgr: Heap        len (rec/tot):     59/    59, tx:        731, lsn: {0}, "
          "prev 0/5000050, desc: INSERT off 1 flags 0x00\n")


@pytest.mark.parametrize("status, complaint, known", [
    (0, "", True),
    (1, "pg_waldump: error: error in WAL record at 0/510000: incorrect resource manager data "
     "checksum in record at 0/510028", False),
    (1, "pg_waldump: error: could not read from file 000000020000000000000005", False),
    (-9, "", False)])
def test_records_behind_a_damaged_one_do_not_count(standby, tmp_path, monkeypatch, status,
                                                   complaint, known):
    """Recovery ends at the first that is damaged; what follows is on disk, and acknowledged."""
    def run(argv, *_, **__):
        if "-r" in argv:
            assert argv[argv.index("-s") + 1] == wal.format_lsn(INSIDE.lsn)
            assert argv[argv.index("-e") + 1] == wal.format_lsn(6 * SIZE + 0x80)
            return runner.Result(status, "", complaint, False)
        return runner.Result(0, RECORD.format(wal.format_lsn(6 * SIZE + 0x80)), "", False)
    monkeypatch.setattr(walprogram.runner, "run", run)
    for number in (5, 6):
        segment(tmp_path, number)
    fact = found(standby, INSIDE)
    if known:
        assert fact == Known((2, 6 * SIZE + 0x80 + 64))
    else:
        assert isinstance(fact, AtLeast) and fact.value == INSIDE
        assert fact.reason == "the WAL is damaged at 0/510000, and goes on behind it" or (
            "pg_waldump failed" in fact.reason)


@pytest.mark.parametrize("output", [
    "", "rmgr: Heap  length: 59, transaction: 731, at: 0/500150, INSERT\n"])
def test_a_program_that_succeeds_without_a_record_that_is_understood_shows_no_end(
        standby, tmp_path, monkeypatch, output):
    """It fails where no record follows. A commit on the floor's own page would be given up."""
    result = runner.Result(0, output, "", False)
    monkeypatch.setattr(walprogram.runner, "run", lambda *_, **__: result)
    segment(tmp_path, 5)
    fact = found(standby, INSIDE)
    assert isinstance(fact, AtLeast) and "pg_waldump printed no record from 0/500148" in fact.reason


def test_where_the_program_says_that_no_record_follows_the_floor_is_the_end(
        standby, tmp_path, monkeypatch):
    monkeypatch.setattr(walprogram.runner, "run", lambda *_, **__: runner.Result(
        1, "", "pg_waldump: error: could not find a valid record after 0/500148", False))
    segment(tmp_path, 5)
    assert found(standby, INSIDE) == Known(INSIDE)


@pytest.mark.parametrize("names, later", [
    ((), False), (("00000002.history",), True), (("old.history",), False),
    (("000000010000000000000003",), False),
    (("00000002.history", "000000010000000000000003", "000000020000000000000003"), False),
    (("00000012.history", "00000010.history", "00000010000000000000000C"), True),
    (("0000000A.history", "000000090000000000000003", "RECOVERYHISTORY"), True),
    (("00000002.history.done", "archive_status", "000000010000000000000003"), False)])
def test_a_history_that_no_segment_is_of_shows_a_standby_that_cannot_go_on(
        tmp_path, monkeypatch, names, later):
    monkeypatch.setattr(walfiles.local, "wal_folder", lambda _: str(tmp_path))
    for name in names:
        (tmp_path / name).touch()
    assert walfiles.knows_later(None) is later
