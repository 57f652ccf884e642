"""paf lost: WAL of which nothing can be read, and from which list of transactions on it counts."""

import os
import pwd

import pytest

from paf import runner
from paf.cli import walrecords
from paf.cli.common import Problem
from paf.decide import wal
from paf.instance import walprogram
from tests.unit.support import instance_at, printed

SEGMENT = 1 << 20
RUNNING = ("rmgr: Standby     len (rec/tot):     50/    50, tx:          0, lsn: {0}, prev 0/0028, "
           "desc: RUNNING_XACTS nextXid 801 latestCompletedXid 800 oldestRunningXid 801\n")
INSERT = ("rmgr: Heap        len (rec/tot):     59/    59, tx:        801, lsn: {0}, prev 0/00D8, "
          "desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0\n")


@pytest.fixture
def instance(tmp_path):
    mine = pwd.getpwuid(os.geteuid())
    (tmp_path / "main").mkdir()
    (tmp_path / "wal").mkdir()
    return instance_at(tmp_path / "main")._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def dumped(monkeypatch, answers):
    """Have pg_waldump answer by the LSN that it begins at (str); return from where it was asked."""
    asked = []

    def run(_, __, start, *___):
        asked.append(wal.format_lsn(start.lsn))
        return answers.get(asked[-1], printed("", 1, "pg_waldump: error: could not find file"))
    monkeypatch.setattr(walprogram, "run", run)
    return asked


def records(instance, tmp_path, begin="0/300000", end="0/300100"):
    return walrecords.Records(instance, str(tmp_path / "wal"), SEGMENT, [1], begin, end)


@pytest.mark.parametrize("answer, words", [
    (printed("", 1, "pg_waldump: error: could not find file \"0001\""), "could not find file"),
    (printed("", -9, ""), "pg_waldump ended with status -9$"),
    (printed("", -15, "", True), "it took too long$")])
def test_wal_of_which_nothing_can_be_read_is_a_problem_with_its_reason(
        instance, tmp_path, monkeypatch, answer, words):
    dumped(monkeypatch, {"0/300000": answer})
    with pytest.raises(Problem, match=f"the WAL in {tmp_path / 'wal'} cannot be read: .*{words}"):
        list(records(instance, tmp_path))


def test_what_pg_waldump_prints_beside_records_is_none(instance, tmp_path, monkeypatch):
    """pg_waldump: first record is after 0/300000, at 0/300028, skipping over 40 bytes."""
    dumped(monkeypatch, {"0/300000": printed(
        "first record is after 0/300000, at 0/300028, skipping over 40 bytes\n"
        + INSERT.format("0/300028"))})
    found = records(instance, tmp_path, end="0/300068")
    assert [(manager, xid, lsn) for manager, xid, lsn, _ in found] == [("Heap", 801, 0x300028)]
    assert found.unread is None


@pytest.mark.parametrize("text", ["", "\n", RUNNING.format("0/300028")])
def test_a_program_that_ends_well_and_has_not_come_to_the_end_has_not_read_it(
        instance, tmp_path, monkeypatch, text):
    """It printed nothing: no commit was there, and `paf lost` ended with 0."""
    dumped(monkeypatch, {"0/300000": printed(text)})
    found = records(instance, tmp_path)
    assert len(list(found)) == text.count("rmgr")
    assert found.unread == (0x300060 if text.strip() else 0x300000)


def test_what_one_look_ahead_has_seen_the_next_has_to_print(instance, tmp_path, monkeypatch):
    """A segment is read with the one before it, and its records are taken when it is its turn."""
    dumped(monkeypatch, {
        "0/200000": printed(INSERT.format("0/2FFFE0") + INSERT.format("0/300048")),
        "0/300000": printed("")})
    found = records(instance, tmp_path, "0/200000", "0/300088")
    assert [record[2] for record in found] == [0x2FFFE0] and found.unread == 0x300048


@pytest.mark.parametrize("begin", ["0/300000", "0/300060"])
def test_a_record_that_ends_some_segments_later_is_read(instance, tmp_path, monkeypatch, begin):
    """pg_waldump finds no record in front of its end that it is not to read to its own end."""
    asked = []
    first = RUNNING.format("0/300028") if begin == "0/300000" else ""
    long = INSERT.format("0/300060").replace("    59/    59", "3500000/3500000")

    def run(_, __, start, ___, ____, end, *_____):
        asked.append((start.lsn, end))
        if end < 0x700000:
            return printed(first, 1, "error: could not find a valid record after 0/300060")
        return printed(first + long, 1, "error: error in WAL record at 0/700000: at 0/700028")
    monkeypatch.setattr(walprogram, "run", run)
    found = records(instance, tmp_path, begin, "0/400000")
    assert [record[2] for record in found][-1] == 0x300060 and found.unread is None
    assert [end for _, end in asked] == [0x500000, 0x400000 + (1 << 30)]


@pytest.mark.parametrize("strange", [
    INSERT.format("0/300028").replace("tx:", "xid:"), "rmgr: Transaction\n",
    INSERT.format("0/300028").replace("desc: ", "")])
@pytest.mark.parametrize("status", [0, 1])
def test_a_record_that_is_not_understood_may_be_a_commit(
        instance, tmp_path, monkeypatch, strange, status):
    """Of the records behind it that are understood nothing is left out."""
    dumped(monkeypatch, {"0/300000": printed(
        RUNNING.format("0/300028") + strange + INSERT.format("0/3000A0")
        + strange + INSERT.format("0/300120"), status, "error: at 0/300160")})
    found = records(instance, tmp_path, end="0/300160")
    assert [record[2] for record in found] == [0x300028, 0x3000A0, 0x300120]
    assert found.unread == 0x300060
    # what is behind its end is not looked at
    before = records(instance, tmp_path, end="0/300060")
    assert len(list(before)) == 1 and before.unread is None


#: The last is of no list of transactions; each is (answers, begin, from where it was read, Start).
BEFORE = [
    ({"0/300000": printed(RUNNING.format("0/300028") + INSERT.format("0/300060"))}, "0/3000A0",
     ["0/300000"], walrecords.Start(801, {801})),
    # the list is in the segment before; the first segment has none before it
    ({"0/300000": printed(INSERT.format("0/300028")), "0/200000": printed(
        RUNNING.format("0/2FFFC8"))}, "0/300068", ["0/300000", "0/200000"],
     walrecords.Start(801, {801})),
    ({"0/0": printed(INSERT.format("0/28"))}, "0/68", ["0/0"], None),
    # a segment that is gone is no segment without transactions
    ({"0/200000": printed(RUNNING.format("0/2FFFC8"), 1, "error: at 0/300000")}, "0/300068",
     ["0/300000", "0/200000"], None),
    ({}, "0/300068", ["0/300000", "0/200000"], None)]


@pytest.mark.parametrize("answers, begin, read, start", BEFORE)
def test_transactions_count_from_a_list_of_those_that_run_or_are_in_doubt(
        instance, tmp_path, monkeypatch, answers, begin, read, start):
    """None: how many rows a commit has changed is not known, which is not none."""
    asked = dumped(monkeypatch, answers)
    assert walrecords.start_of(instance, str(tmp_path / "wal"), SEGMENT, 1, begin) == start
    assert list(dict.fromkeys(asked)) == read


def test_a_record_that_was_cut_off_at_a_border_hides_nothing_behind_it(
        instance, tmp_path, monkeypatch):
    """After a crash PostgreSQL writes over the rest of it, on the next segment's first page."""
    behind = RUNNING.format("0/400028") + RUNNING.format("0/400060")
    asked = dumped(monkeypatch, {
        "0/300000": printed(INSERT.format("0/3FFF00") + behind), "0/400000": printed(behind)})
    found = records(instance, tmp_path, end="0/400098")
    assert [lsn for _, _, lsn, _ in found] == [0x3FFF00, 0x400028, 0x400060]
    assert found.unread is None and asked == ["0/300000", "0/400000"]
