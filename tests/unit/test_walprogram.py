"""pg_waldump takes the size of segments from any file: one that has none does not end it."""

import os

import pytest

from paf.deadline import Deadline
from paf.decide import wal
from paf.instance import walprogram
from paf.runner import Result
from tests.unit.support import instance_at

SIZE = 1 << 20
START = wal.Position(2, 5 * SIZE + 0x148)
FIRST, LAST = (wal.segment_name(2, number * SIZE, SIZE) for number in (5, 7))
OLD = ("pg_waldump: error: WAL segment size must be a power of two between 1 MB and 1 GB, but the "
       "WAL file \"{0}\" header specifies 0 bytes")
NEW = "pg_waldump: error: invalid WAL segment size in WAL file \"{0}\" (0 bytes)"
SHORT = "pg_waldump: error: could not read file \"{0}\": read 0 of 8192"
NOTHING_MORE = "pg_waldump: error: error in WAL record at 0/500148: invalid record length"


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """An instance with the segments 5, 6 and 7 of timeline 2, and one of timeline 3."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)    # the test's folder is its user's own
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "pg_wal").mkdir()
    for timeline, number in ((2, 5), (2, 6), (2, 7), (3, 9)):
        (tmp_path / "pg_wal" / wal.segment_name(timeline, number * SIZE, SIZE)).touch()
    return instance_at(str(tmp_path))


def run(instance, monkeypatch, answers, **more):
    """Run the program, which answers so; return its Result and the words after its options."""
    called, left = [], [Result(status, out, err, False) for status, out, err in answers]

    def answer(argv, *_, **__):
        called.append(argv[7:])
        return left.pop(0)
    monkeypatch.setattr(walprogram.runner, "run", answer)
    folder = walprogram.local.wal_folder(instance)
    return walprogram.run(instance, folder, START, SIZE, Deadline(5), **more), called[1:]


@pytest.mark.parametrize("answer", [
    (0, "records", ""), (1, "records", NOTHING_MORE), (1, "", NOTHING_MORE),
    (1, "records", OLD.format(LAST)), (-9, "", OLD.format(LAST)),
    (1, "", "pg_waldump: error: could not read file \"x\": read 0 of 8192")])
def test_another_answer_stays_as_it_is(instance, monkeypatch, answer):
    result, called = run(instance, monkeypatch, [answer])
    assert result[:3] == answer and called == []


@pytest.mark.parametrize("complaint", [OLD, NEW, SHORT])
def test_a_file_without_a_size_makes_it_read_the_segments_by_name(
        instance, monkeypatch, complaint):
    result, called = run(instance, monkeypatch, [
        (1, "", complaint.format("/x/pg_wal/" + LAST)), (1, "records", NOTHING_MORE)])
    assert result[:3] == (1, "records", NOTHING_MORE) and called == [[FIRST, LAST]]


@pytest.mark.parametrize("end, words, is_missing", [
    (None, [FIRST, LAST], True), (9 * SIZE, [FIRST, LAST], True),
    (8 * SIZE, ["-e", "0/800000", FIRST, LAST], False),
    (6 * SIZE, ["-e", "0/600000", FIRST, FIRST], False),
    (START.lsn, ["-e", "0/500148", FIRST, FIRST], False)])
def test_the_end_of_the_last_segment_is_an_end_only_where_no_more_was_asked_for(
        instance, monkeypatch, end, words, is_missing):
    result, called = run(instance, monkeypatch, [
        (1, "", NEW.format(LAST)), (0, "records", "")], end=end)
    assert called == [words]
    assert result.status == (1 if is_missing else 0)
    assert (wal.segment_name(2, 8 * SIZE, SIZE) in result.err) == is_missing


def test_a_number_of_records_that_was_asked_for_is_a_success(instance, monkeypatch):
    result, _ = run(instance, monkeypatch, [(1, "", NEW.format(LAST)), (0, "a record", "")],
                    more=["-n", "1"])
    assert result[:3] == (0, "a record", "")


@pytest.mark.parametrize("answers", [[NEW.format(FIRST)], [NEW.format(LAST), OLD.format(FIRST)]])
def test_a_segment_that_is_not_written_has_no_record(instance, monkeypatch, answers):
    result, _ = run(instance, monkeypatch, [(1, "", complaint) for complaint in answers])
    assert "could not find a valid record after 0/500148" in result.err and result.status == 1


def test_a_first_segment_that_is_cut_short_is_an_error(instance, monkeypatch):
    result, called = run(instance, monkeypatch, [(1, "", SHORT.format(FIRST))])
    assert result.err == SHORT.format(FIRST) and called == []


def test_without_the_first_segment_there_is_nothing_to_name(instance, monkeypatch, tmp_path):
    (tmp_path / "pg_wal" / FIRST).unlink()
    result, called = run(instance, monkeypatch, [(1, "", NEW.format(LAST))])
    assert result.err == NEW.format(LAST) and called == []


def test_a_folder_that_cannot_be_seen_leaves_what_the_program_said(instance, monkeypatch):
    """An error, and not the end of the WAL."""
    def refuse(folder):
        raise OSError(5, "Input/output error", folder)
    monkeypatch.setattr(os, "listdir", refuse)
    result, called = run(instance, monkeypatch, [(1, "", NEW.format(LAST))])
    assert result.err == NEW.format(LAST) and called == []
