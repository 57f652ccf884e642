"""What pg_waldump does not say of the WAL: nothing is read into its silence."""

import struct

import pytest

from paf import ocf, runner
from paf.deadline import Deadline
from paf.decide import wal
from paf.instance import housekeeping, waldump, walend, walpages
from tests.unit.unread import SIZE, answer, segment, with_wal_folder

TIMEOUT = runner.Result(-9, "", "", True)
HERE = wal.Position(2, 5 * SIZE + 0x148)


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """An instance with an empty pg_wal."""
    return with_wal_folder(tmp_path, monkeypatch)


def test_wal_goes_on_only_behind_what_is_there(instance, tmp_path):
    assert walpages.goes_on(instance, HERE, SIZE) is False
    segment(tmp_path, 5, page=77)
    with pytest.raises(ocf.OcfError, match="the WAL segment that holds 0/500148 has no header"):
        walpages.goes_on(instance, HERE, SIZE)
    assert walpages.page_size_in(instance, str(tmp_path / "no")) is None
    assert walpages.page_size_in(instance, str(segment(tmp_path, 5, page=77))) is None
    assert walpages.page_size_in(instance, str(segment(tmp_path, 5))) == 8192


def test_wal_that_takes_too_long_to_read_is_not_at_its_end(instance, tmp_path, monkeypatch):
    segment(tmp_path, 5)
    answer(monkeypatch, runner, "run", TIMEOUT)
    with pytest.raises(waldump.NoAnswer, match="reading the WAL took too long"):
        waldump.end(instance, HERE, SIZE, Deadline(5))
    with pytest.raises(ocf.OcfError, match="reading the WAL took too long"):
        walend._last_record(instance, HERE, HERE.lsn + 8, SIZE, Deadline(5))
    answer(monkeypatch, runner, "run", runner.Result(1, "", "could not open directory", False))
    with pytest.raises(ocf.OcfError, match="pg_waldump failed: could not open directory"):
        walend._last_record(instance, HERE, HERE.lsn + 8, SIZE, Deadline(5))


def test_a_shutdown_checkpoint_without_a_readable_record_is_none(instance, monkeypatch):
    answer(monkeypatch, waldump, "_last_xlog_record", None)
    assert waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5)) is False
    answer(monkeypatch, waldump, "_last_xlog_record", (
        96, "CHECKPOINT_SHUTDOWN redo 0/60; shutdown"))
    answer(monkeypatch, waldump, "dump", None)
    with pytest.raises(ocf.OcfError, match="cannot read the WAL at 0/60"):
        waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5))


def test_wal_that_is_damaged_in_its_middle_may_hold_anything(instance, monkeypatch):
    answer(monkeypatch, waldump, "_statistics", runner.Result(1, "", "", False))
    answer(monkeypatch, waldump, "_end_of", HERE.lsn)
    answer(monkeypatch, walpages, "goes_on", True)
    with pytest.raises(ocf.OcfError, match="the WAL is damaged at 0/500148, and goes on behind it"):
        waldump.content(instance, HERE, 0, SIZE, Deadline(5))


@pytest.mark.parametrize("later, runs", [(False, 2), (True, 1)])
def test_wal_that_ends_with_its_last_segment_is_read_again_up_to_there(instance, tmp_path,
                                                                       monkeypatch, later, runs):
    """pg_waldump fails for want of the next file; a file after that one would be a hole."""
    segment(tmp_path, 5)
    if later:
        segment(tmp_path, 7)
    asked, missing = [], wal.segment_name(2, 6 * SIZE, SIZE)

    def run(argv, *_, **__):
        asked.append(argv)
        return runner.Result(0, "", "", False) if "-e" in argv else runner.Result(
            1, "", f'pg_waldump: error: could not find file "{missing}": No such file', False)
    monkeypatch.setattr(runner, "run", run)
    result = waldump._statistics(instance, HERE, SIZE, Deadline(5))
    assert len(asked) == runs
    assert result.err.startswith("at 0/600000: " if runs == 2 else "pg_waldump: error")


@pytest.mark.parametrize("output", [
    "", "Type  N\nTransaction/COMMIT: 3\n", "Heap/INSERT    3 ( 60.00)\n",
    "Heap/INSERT    3 ( 60.00)\nTotal    5   4413 [22.68%]\n"])
def test_statistics_that_are_not_understood_do_not_mean_that_no_commit_is_there(
        instance, monkeypatch, output):
    """A rewind would have given up all that is only here, with rejoin=safe."""
    answer(monkeypatch, waldump, "_statistics", runner.Result(
        1, output, "pg_waldump: error: error in WAL record at 0/500148: at 0/500190", False))
    answer(monkeypatch, walpages, "goes_on", False)
    with pytest.raises(ocf.OcfError, match="counts the records in a form that is not understood"):
        waldump.content(instance, HERE, 0, SIZE, Deadline(5))


def test_a_program_that_prints_nothing_does_not_say_that_no_record_is_there(
        instance, tmp_path, monkeypatch):
    segment(tmp_path, 5)
    answer(monkeypatch, runner, "run", runner.Result(0, "", "", False))
    with pytest.raises(ocf.OcfError, match="pg_waldump printed no record from 0/500148 on"):
        waldump.has_record_at(instance, HERE, SIZE, Deadline(5))


def test_a_damaged_record_at_the_fork_is_not_the_end_of_the_wal(instance, tmp_path, monkeypatch):
    """One record later it was seen: acknowledged rows behind it were given up without a word."""
    answer(monkeypatch, runner, "run", runner.Result(
        1, "", "pg_waldump: error: could not find a valid record after 0/500148: incorrect "
        "resource manager data checksum", False))
    path = segment(tmp_path, 5)
    first = path.read_bytes()
    path.write_bytes(first.ljust(2 * 8192, b"\0"))
    assert waldump.has_record_at(instance, HERE, SIZE, Deadline(5)) is False
    page = struct.pack("=HHIQI4x", 0xD110, 0, 2, HERE.lsn // 8192 * 8192 + 8192, 0)
    path.write_bytes(first.ljust(8192, b"\0") + page.ljust(8192, b"\0"))
    with pytest.raises(ocf.OcfError, match="the WAL is damaged at 0/500148, and goes on behind it"):
        waldump.has_record_at(instance, HERE, SIZE, Deadline(5))
    path.write_bytes(b"\0" * len(first) + path.read_bytes()[len(first):])    # made for later WAL
    assert waldump.has_record_at(instance, HERE, SIZE, Deadline(5)) is False


def test_records_of_a_transaction_that_are_not_understood_may_be_anything(
        instance, tmp_path, monkeypatch):
    segment(tmp_path, 5)
    lines = ("rmgr: Heap  len (rec/tot): 59/ 59, tx:  731, lsn: 0/500150, prev 0/500100, desc: x\n"
             "rmgr: Heap  length: 59, transaction: 731, at: 0/500190, INSERT\n")
    answer(monkeypatch, runner, "run", runner.Result(0, lines, "", False))
    with pytest.raises(ocf.OcfError, match="in a form that is not understood"):
        housekeeping._records(instance, HERE, HERE.lsn + 99, SIZE, ("-x", "731"), Deadline(5))


@pytest.mark.parametrize("letter", ["x", "\xe9", "\u20ac"])
@pytest.mark.parametrize("missing, cut", [(2, False), (1, True), (0, True)])
def test_output_of_which_the_begin_may_have_been_cut_off_is_not_all_of_it(
        instance, tmp_path, monkeypatch, letter, missing, cut):
    """What is kept of it is counted in bytes: a name may have letters of several."""
    segment(tmp_path, 5)
    line = "rmgr: Heap  len (rec/tot): 59/ 59, tx: 731, lsn: 0/500150, prev 0/500100, desc: x\n"
    room = waldump.TAIL - missing - len(line) - 1
    words = letter * (room // len(letter.encode()))
    output = line + words + "x" * (room - len(words.encode())) + "\n"
    assert len(output.encode()) == waldump.TAIL - missing
    answer(monkeypatch, runner, "run", runner.Result(0, output, "", False))
    given = (instance, HERE, HERE.lsn + 99, SIZE, ("-x", "731"), Deadline(5))
    if not cut:
        assert len(housekeeping._records(*given)) == 1
        return
    with pytest.raises(ocf.OcfError, match="too many"):
        housekeeping._records(*given)


RECORD = ("rmgr: Heap  len (rec/tot): 59/ 59, tx: 731, lsn: 0/500100, prev 0/5000C8, "
          "desc: INSERT x\n")
NO_MORE = "could not find file \"{0}\": No such file or directory".format(
    wal.segment_name(2, 6 * SIZE, SIZE))


def read_twice(monkeypatch, err, again):
    """Have pg_waldump print RECORD and end so; then, where it asks for one record, `again`."""
    monkeypatch.setattr(runner, "run", lambda argv, *_, **__: again if "-n" in argv else
                        runner.Result(1, RECORD, "pg_waldump: error: " + err, False))


@pytest.mark.parametrize("err", [NO_MORE, "error in WAL record at 0/500100: invalid magic number"])
def test_the_wal_ends_where_its_last_record_does(instance, tmp_path, monkeypatch, err):
    segment(tmp_path, 5)
    read_twice(monkeypatch, err, runner.Result(0, RECORD, "", False))
    start = HERE._replace(lsn=5 * SIZE + 0x28)
    assert waldump.end(instance, start, SIZE, Deadline(5)) == 5 * SIZE + 0x140


@pytest.mark.parametrize("err", [NO_MORE, "error in WAL record at 0/500100: invalid magic number"])
@pytest.mark.parametrize("again", [
    runner.Result(1, "", "pg_waldump: error: out of memory", False),
    runner.Result(1, "", "could not find a valid record after 0/500100", False),
    runner.Result(0, "", "", False), runner.Result(0, RECORD.replace("100,", "140,"), "", False)])
def test_a_last_record_that_is_not_found_again_is_not_without_length(instance, tmp_path,
                                                                     monkeypatch, err, again):
    """The WAL counted as ending where its last record begins."""
    segment(tmp_path, 5)
    read_twice(monkeypatch, err, again)
    start = HERE._replace(lsn=5 * SIZE + 0x28)
    with pytest.raises(ocf.OcfError, match="at 0/500100|from 0/500100 on"):
        waldump.end(instance, start, SIZE, Deadline(5))


def test_wal_without_a_record_of_a_checkpoint_does_not_end_with_one(instance, tmp_path,
                                                                    monkeypatch):
    """pg_waldump has read the segment of the position, and found none; the one before is gone."""
    nothing = "pg_waldump: error: error in WAL record at 0/500100: invalid record length"
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(1, "", nothing, False))
    with pytest.raises(ocf.OcfError, match="cannot read the WAL at 0/500148: it is not there"):
        waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5))
    segment(tmp_path, 5)
    assert waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5)) is False


CHECKPOINT = ("rmgr: XLOG  len (rec/tot): 114/ 114, tx: 0, lsn: 0/5000D0, prev 0/500098, "
              "desc: CHECKPOINT_SHUTDOWN redo 0/5000D0; shutdown\n")
NEAR = 64 * 1024


@pytest.mark.parametrize("replayed, starts", [
    (HERE.lsn, [5 * SIZE]), (HERE.lsn + 8, [5 * SIZE]), (5 * SIZE, [5 * SIZE]),
    (HERE.lsn - 3 * NEAR, [5 * SIZE - 4 * NEAR]), (HERE.lsn - 2 * SIZE, [4 * SIZE]),
    (None, [4 * SIZE])],
    ids=["all", "more", "the segment before", "less", "long behind", "not known"])
def test_wal_that_was_replayed_is_not_read_again_for_the_shutdown_checkpoint(
        instance, tmp_path, monkeypatch, replayed, starts):
    """A segment and more was read while clients waited; what was not replayed is, as before."""
    segment(tmp_path, 4)
    segment(tmp_path, 5)
    asked = []

    def run(argv, *_, **__):
        if "XLOG" in argv:
            asked.append(wal.parse_lsn(argv[argv.index("-s") + 1]))
        return runner.Result(0, CHECKPOINT, "", False)
    monkeypatch.setattr(runner, "run", run)
    assert waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5), replayed) is True
    assert asked == starts


def test_the_last_wal_of_a_segment_is_enough(instance, tmp_path, monkeypatch):
    """In front of it is more of the same segment: pg_waldump finds the first record behind."""
    segment(tmp_path, 5)
    start, there = [], HERE._replace(lsn=5 * SIZE + 7 * NEAR + 0x148)
    monkeypatch.setattr(waldump, "dump", lambda instance, deadline, position, *_, **__: (
        start.append(position.lsn), runner.Result(0, CHECKPOINT, "", False))[1])
    assert waldump.ends_with_shutdown(instance, there, SIZE, Deadline(5), there.lsn) is True
    assert start[0] == 5 * SIZE + 6 * NEAR


MB, GB = 1 << 20, 1 << 30


@pytest.mark.parametrize("lsn, size, replayed, begin", [
    (5 * MB + 0x148, MB, 5 * MB + 0x148, 5 * MB),
    (5 * GB + 7 * MB + 8, GB, 5 * GB + 7 * MB + 8, 5 * GB + 7 * MB - NEAR),
    (5 * MB, MB, 5 * MB, 5 * MB - NEAR),                # where a segment ends
    (5 * MB, MB, 4 * MB, 4 * MB), (5 * MB, MB, 4 * MB - 8, 4 * MB - 2 * NEAR),
    (5 * MB, MB, 3 * MB + 8, None), (0x148, MB, 0x148, None), (MB + 8, MB, MB + 8, MB)])
def test_the_last_wal_begins_in_the_segment_that_ends_there(lsn, size, replayed, begin):
    assert waldump._near_end(lsn, size, replayed) == begin


@pytest.mark.parametrize("there", [[4, 5], [5]])
def test_where_the_last_wal_has_no_checkpoint_all_is_read_as_before(instance, tmp_path, monkeypatch,
                                                                    there):
    """It is of another timeline, or gone: the segment of the position has to do."""
    for number in there:
        segment(tmp_path, number)
    asked, nothing = [], "error in WAL record at 0/500100: invalid record length"

    def run(argv, *_, **__):
        asked.append(wal.parse_lsn(argv[argv.index("-s") + 1]))
        if len(asked) == 1:
            return runner.Result(1, "", nothing, False)
        return runner.Result(0, CHECKPOINT, "", False)
    monkeypatch.setattr(runner, "run", run)
    assert waldump.ends_with_shutdown(instance, HERE, SIZE, Deadline(5), HERE.lsn) is True
    assert asked[:-1] == [5 * SIZE, 4 * SIZE if 4 in there else 5 * SIZE]


def test_a_record_that_never_ends_is_wal_that_goes_on(instance, tmp_path, monkeypatch):
    """Each page says that more of it follows: damage, and no end of the WAL."""
    segment(tmp_path, 5)
    address, pages = [], 3
    monkeypatch.setattr(walpages, "_MOST_PAGES", pages)

    def header(_, position, size):
        address.append(position.lsn)
        return 0xD110, 1, position.timeline, position.lsn, 1 << 30
    monkeypatch.setattr(walpages, "_header", header)
    assert walpages.goes_on(instance, HERE, SIZE) is True
    assert address == [5 * SIZE + 8192 * number for number in (1, 2, 3)]


@pytest.mark.parametrize("rest, expected", [(8152, True), (8153, False), (8168, False)])
def test_the_first_page_of_a_segment_has_less_room(
        instance, tmp_path, monkeypatch, rest, expected):
    """A record that a crash cut off there goes on in a page that was never written: no damage."""
    segment(tmp_path, 5)
    pages = {6 * SIZE: (0xD110, 1, 2, 6 * SIZE, rest)}
    monkeypatch.setattr(walpages, "_header", lambda _, position, __: pages.get(position.lsn))
    assert walpages.goes_on(instance, wal.Position(2, 6 * SIZE - 100), SIZE) is expected


def test_records_of_one_name_in_two_rows_are_added_up():
    """pg_xlogdump counts transactions with XLOG_XACT_HAS_INFO by themselves."""
    text = ("Transaction/COMMIT    3 ( 50.00)   100 ( 50.00)\n"
            "Transaction/ABORT     1 ( 16.67)    40 ( 20.00)\n"
            "Transaction/COMMIT    2 ( 33.33)    60 ( 30.00)\n")
    assert waldump.statistics(text) == {"Transaction/COMMIT": 5, "Transaction/ABORT": 1}
