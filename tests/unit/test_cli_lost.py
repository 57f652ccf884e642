"""paf lost: what the records of pg_waldump come to."""

import argparse
import json
import os
import pwd

import pytest

from paf import runner
from paf.cli import lost, walrecords
from paf.cli.common import ERROR, NOT_DONE, OK, Problem
from paf.decide import timelines, wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, divergence, journal, settings, upstream
from tests.conftest import REPOSITORY
from tests.unit.support import instance_at

RECORDED = (REPOSITORY / "tests" / "data" / "pg_waldump" / "records-15.txt").read_text()
TABLE = (1663, 5, 16384)
TIME = "2026-11-26 03:28:26.823090 UTC"
START = walrecords.Start(0, set())


def NOT_SAID():
    """The primary does not say its promotions."""
    return Unknown("srv2 does not say its timelines")


def records(text):
    """Return the records in pg_waldump's output, as paf lost takes them apart."""
    found = [walrecords._RECORD.match(line) for line in text.splitlines()]
    return [(m.group(1), int(m.group(2)), wal.parse_lsn(m.group(3)), m.group(4))
            for m in found if m]


def test_each_line_is_taken_apart():
    assert len(records(RECORDED)) == len(RECORDED.splitlines())


def test_commits_have_their_transaction_time_place_and_rows():
    found = walrecords.understand(records(RECORDED), START)
    assert [commit.xid for commit in found.commits] == [726, 729, 730, 731, 733]
    first = found.commits[0]
    assert first.time == "2026-11-26 03:28:26.823090 UTC" and first.rows == 10
    assert wal.format_lsn(first.lsn) == "0/85ED60"
    assert found.commits[3].rows == 1    # COMMIT_PREPARED names the transaction that was prepared


def test_rows_of_what_was_rolled_back_are_not_counted():
    inserted, updated, deleted = walrecords.understand(records(RECORDED), START).rows[TABLE]
    assert (inserted, updated, deleted) == (11, 11, 11)


def test_rows_of_subtransactions_count_with_their_parent():
    text = ("rmgr: Heap        len (rec/tot):     59/    59, tx:        801, lsn: 0/00000100, prev "
            "0/000000D8, desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0\n"
            "rmgr: Heap2       len (rec/tot):     59/    59, tx:        800, lsn: 0/00000140, prev "
            "0/00000100, desc: MULTI_INSERT+INIT ntuples: 7, flags: 0x02, offsets: [1], blkref #0: "
            "rel 1663/5/16384 blk 0\n"
            "rmgr: Transaction len (rec/tot):     46/    46, tx:        800, lsn: 0/00000180, prev "
            "0/00000140, desc: COMMIT 2026-11-26 03:28:26.823090 UTC; subxacts: 801 802\n")
    found = walrecords.understand(records(text), START)
    assert found.rows == {TABLE: [8, 0, 0]} and found.commits[0].rows == 8
    assert found.commits[0].time == "2026-11-26 03:28:26.823090 UTC"


# Transactions that were there before

def heap(xid, lsn):
    return ("Heap", xid, lsn, "INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0")


def commit(xid, lsn):
    return ("Transaction", xid, lsn, f"COMMIT {TIME}")


def running(following, lsn):
    return ("Standby", 0, lsn, f"RUNNING_XACTS nextXid {following} latestCompletedXid 1")


@pytest.mark.parametrize("before, rows", [
    # 800 was running; 801 has written; 802 has not
    ([running(801, 1), heap(801, 2)], {800: None, 801: None, 802: 1}),
    ([heap(801, 1), running(802, 2)], {800: None, 801: None, 802: 1}),
    ([running(700, 1), running(802, 2)], {800: None, 801: None, 802: 1}),
    ([running(700, 1)], {800: 1, 801: 1, 802: 1}),
    ([heap(801, 1)], {800: None, 801: None, 802: None}), ([], {800: None, 801: None, 802: None})])
def test_rows_of_a_transaction_that_may_have_started_before_are_not_known(before, rows):
    after = [record for xid in rows for record in (heap(xid, 10 * xid), commit(xid, 10 * xid + 1))]
    found = walrecords.understand(after, walrecords.running_before(before))
    assert {one.xid: one.rows for one in found.commits} == rows
    assert found.rows == {TABLE: [3, 0, 0]}    # at least


def test_the_first_list_of_transactions_serves_where_there_is_none_before():
    after = [heap(800, 1), running(801, 2), commit(800, 3), heap(801, 4), commit(801, 5)]
    assert [one.rows for one in walrecords.understand(after).commits] == [None, 1]


def test_transaction_numbers_go_round():
    start = walrecords.running_before([running((1 << 32) - 2, 1)])
    assert [one.rows for one in walrecords.understand(
        [heap(5, 1), commit(5, 2), commit((1 << 32) - 3, 3)], start).commits] == [1, None]


def test_it_is_shown_by_table_with_the_last_commits():
    commits = [{"xid": number, "time": "2026-11-26 03:00:00 UTC", "lsn": "0/1", "rows": 1}
               for number in range(30)]
    one = {"folder": "/pg/main.lost/x", "given_up": "2026-11-26T03:00:00Z",
           "diverged": "diverged: 9", "commits": commits, "others": "",
           "tables": [{"table": "db: t", "inserted": 30, "updated": 0,
                       "deleted": 0}]}
    text = "\n".join(lost.lines(one, False))
    assert "30 commits, from" in text and "and 10 before these: --all" in text and "db: t" in text
    assert "\n0 " not in text and "\n29 " in text
    assert "and 10" not in "\n".join(lost.lines(one, True)) and "before as well" not in text
    commits[0]["rows"] = None
    assert "1 commit may have changed rows before as well" in "\n".join(lost.lines(one, True))
    assert list(lost.lines(dict(one, commits=[]), False))[-1] == "no commit"


def line(mark, newest=2):
    return timelines.Line((timelines.Reign(1, 0, "initdb"),) + tuple(
        timelines.Reign(number, 50 * number, mark) for number in range(2, newest + 1)), True)


@pytest.mark.parametrize("mine, theirs, code", [
    (line("a"), Known(line("a")), OK), (line("a", 1), Unknown("no answer"), OK),
    (line("a"), Unknown("srv2 does not say its timelines"), ERROR),
    (line(None), Known(line("a")), ERROR), (line("a"), Known(line(None)), ERROR),
    (line(None), Known(line("a", 3)), ERROR), (None, Known(line("a")), ERROR)])
def test_a_promotion_that_may_be_another_one_is_not_nothing_lost(
        here, asked, capsys, monkeypatch, mine, theirs, code):
    """Both histories are the same, down to the LSN."""
    monkeypatch.setattr(divergence, "look", lambda *_: Known(None))
    monkeypatch.setattr(lost.promotions.line, "read", lambda *_: mine)
    monkeypatch.setattr(lost.promotions, "of_primary", lambda *_: theirs)
    assert lost.run(asked) == code
    said = capsys.readouterr()
    assert ("has no WAL that" in said.out) is (code == OK)
    assert ("not known whether this instance has diverged" in said.err) is (code == ERROR)


# What is not known is not none

LINE = ("rmgr: Heap        len (rec/tot):     59/ {0:>5}, tx:        801, lsn: {1}, prev 0/0000D8, "
        "desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0\n")
SEGMENT = 1 << 20
END = "pg_waldump: error: error in WAL record at {0}: invalid record length at {0}: wanted 24"


@pytest.mark.parametrize("answers, end, unread", [
    # the end of the WAL; a hole within a segment; the next segment is missing
    ([(1, LINE.format(59, "0/300000"), END)], "0/300040", None),
    ([(1, LINE.format(59, "0/300000"), END)], "0/380000", 0x300040),
    # the last record cannot be read, and is as short as a commit's
    ([(1, LINE.format(59, "0/300000"), END)], "0/300068", 0x300040),
    ([(0, LINE.format(59, "0/3FFFC0"), ""), (1, LINE.format(59, "0/400040"), END)],
     "0/400080", None),
    ([(1, LINE.format(59, "0/300000"), "could not find file \"000000010000000000000004\"")],
     "0/480000", 0x300040),
    # a record that is longer than a segment, and a segment that was switched
    ([(1, LINE.format(3 << 20, "0/300000"), END)], "0/600000", None),
    ([(1, LINE.format(3 << 20, "0/300000"), END), (1, "", END)], "0/610000", 0x602448),
    ([(1, LINE.format(24, "0/300000").replace("Heap ", "XLOG ").replace("INSERT", "SWITCH"), END),
      (0, LINE.format(59, "0/400028"), "")], "0/400068", None),
    # and the header of the first page behind it
    ([(1, LINE.format(24, "0/300000").replace("Heap ", "XLOG ").replace("INSERT", "SWITCH"), END)],
     "0/400028", None),
    # a program that ends well in front of the end
    ([(0, LINE.format(59, "0/300000"), "")], "0/300080", 0x300040)])
def test_wal_that_cannot_be_read_to_its_end_is_said(monkeypatch, answers, end, unread):
    left = [runner.Result(status, out, err.format("0/1"), False) for status, out, err in answers]
    answer = []

    def dump(_, __, end):
        if end < 1 << 30:    # else it is the same with as much more as a record may need
            answer[:] = [left.pop(0)]
        return answer[0]
    monkeypatch.setattr(walrecords.Records, "_dump", dump)
    monkeypatch.setattr(walrecords.walpages, "page_size_in", lambda *_: None)
    monkeypatch.setattr(walrecords.Records, "_named", lambda *_: 1)
    records_ = walrecords.Records(None, "/x", SEGMENT, [1], "0/300000", end)
    list(records_)
    assert (records_.unread, left) == (unread, [])


def test_commits_beyond_what_can_be_read_are_not_none(here, asked, capsys, monkeypatch):
    one: dict = {"folder": "/x", "given_up": "now", "diverged": "d", "commits": [], "tables": [],
                 "unread_from": "0/38", "others": ""}
    monkeypatch.setattr(lost, "places", lambda *_: ([("/x", {})], []))
    monkeypatch.setattr(lost, "report", lambda *_: one)
    assert lost.run(asked) == ERROR
    assert "cannot be read from 0/38 on" in capsys.readouterr().err
    one["unread_from"] = None
    assert lost.run(asked) == OK


def test_a_data_directory_that_is_not_there_is_not_known(here, asked, capsys):
    (here / "main").rmdir()
    assert lost.run(asked) == ERROR
    out, err = capsys.readouterr()
    assert "has no WAL" not in out and "main is not there" in err


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A stopped instance whose primary cannot be asked; paf lost looks at it."""
    (tmp_path / "main").mkdir()
    mine = pwd.getpwuid(os.geteuid())
    instance = instance_at(tmp_path / "main")._replace(
        owner=runner.Account(mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))

    class Pacemaker:
        def node(self):
            return "srv1"

        def cib(self):
            return ""
    monkeypatch.setattr(lost.promotions, "of_primary", lambda *_: NOT_SAID())
    monkeypatch.setattr(lost, "Pacemaker", Pacemaker)
    monkeypatch.setattr(lost.configuration, "parse", lambda *_: None)
    monkeypatch.setattr(lost.configuration, "find", lambda *_: argparse.Namespace(name="pgsqld"))
    monkeypatch.setattr(lost.dialect, "instance_of", lambda _: instance)
    monkeypatch.setattr(settings, "conninfo", lambda *_: "host=192.0.2.1")
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("no pg_controldata"))
    monkeypatch.setattr(upstream, "ask", lambda *_: Unknown("the primary cannot be asked"))
    return tmp_path


@pytest.fixture
def asked():
    parser = argparse.ArgumentParser()
    lost.arguments(parser)
    return parser.parse_args([])


def test_a_primary_that_cannot_be_asked_does_not_mean_that_nothing_is_lost(here, asked, capsys):
    assert lost.run(asked) == ERROR
    said = capsys.readouterr()
    assert "has no WAL" not in said.out
    assert "not known whether this instance has diverged: the primary cannot be asked" in said.err


@pytest.mark.parametrize("about", [None, "{"])
def test_wal_that_is_kept_without_its_description_is_named(here, asked, capsys, about):
    place = here / "main.lost" / "2026-11-26T033000Z"
    place.mkdir(parents=True)
    if about:
        (place / "about.json").write_text(about)
    assert lost.run(asked) == ERROR
    assert f"{place} holds WAL that was given up" in capsys.readouterr().err


TRANSACTION = ("rmgr: Transaction len (rec/tot):     46/    46, tx:        {0}, lsn: 0/00000{1}, "
               "prev 0/00000140, desc: {2}\n")


@pytest.mark.parametrize("lines, shown", [
    ([(800, "100", "PREPARE gid a: " + TIME)], "1 prepared transaction"),
    ([(800, "100", "PREPARE gid a: " + TIME), (0, "180", "COMMIT_PREPARED 800: " + TIME)], ""),
    ([(800, "100", "PREPARE gid a: " + TIME), (0, "180", "ABORT_PREPARED 800: " + TIME)], ""),
    ([(0, "180", "ABORT_PREPARED 800: " + TIME)], "1 prepared transaction rolled back")])
def test_a_transaction_that_is_prepared_is_something(lines, shown):
    found = walrecords.understand(records("".join(TRANSACTION.format(*line) for line in lines)))
    assert lost.loss.judge(found.others).relied_on == shown
    assert len(found.commits) == sum("COMMIT" in line[2] for line in lines)


def test_a_restore_point_and_a_message_are_no_nothing(here, asked, capsys, monkeypatch):
    text = ("rmgr: XLOG        len (rec/tot):     98/    98, tx:          0, lsn: 0/00000100, "
            "prev 0/00000028, desc: RESTORE_POINT here\n"
            "rmgr: LogicalMessage len (rec/tot):     59/    59, tx:          0, lsn: 0/00000180, "
            "prev 0/00000100, desc: MESSAGE non-transactional, prefix \"a\"; payload (1 bytes)\n"
            "rmgr: LogicalMessage len (rec/tot):     59/    59, tx:        801, lsn: 0/00000200, "
            "prev 0/00000180, desc: MESSAGE transactional, prefix \"a\"; payload (1 bytes)\n")
    found = walrecords.understand(records(text), START)
    shown = lost.loss.judge(found.others).relied_on
    assert shown == "1 logical message and 1 restore point" and not found.commits
    one: dict = {"folder": "/x", "given_up": "now", "diverged": "d", "commits": [], "tables": [],
                 "unread_from": None, "others": shown}
    monkeypatch.setattr(lost, "places", lambda *_: ([("/x", {})], []))
    monkeypatch.setattr(lost, "report", lambda *_: one)
    assert lost.run(asked) == NOT_DONE
    assert shown in capsys.readouterr().out


def described(place, **facts):
    place.mkdir(parents=True)
    (place / "about.json").write_text(json.dumps(facts))
    return place


def test_a_set_that_cannot_be_read_hides_no_other(here, asked, capsys, monkeypatch):
    for name in ("1", "2"):
        described(here / "main.lost" / name, parts=[[1, "0/1", "0/2"]], kept=True, diverged="d")

    def report(_, folder, facts):
        if folder.endswith("1"):
            raise Problem("the WAL in it cannot be read")
        return {"folder": folder, "given_up": "now", "diverged": "d", "tables": [], "others": "",
                "unread_from": None,
                "commits": [{"xid": 7, "time": TIME, "lsn": "0/1", "rows": 1}]}
    monkeypatch.setattr(lost, "report", report)
    assert lost.run(asked) == NOT_DONE
    said = capsys.readouterr()
    assert "1 commit" in said.out and "the WAL in it cannot be read" in said.err


def test_wal_that_was_too_much_to_keep_is_not_nothing(here, asked, capsys):
    described(here / "main.lost" / "1", kept=False, diverged="diverged: 9 bytes")
    assert lost.run(asked) == ERROR
    said = capsys.readouterr()
    assert "diverged: 9 bytes: its WAL was given up and is not kept" in said.err
    assert "has no WAL" not in said.out


def test_what_a_rewind_that_was_cut_off_has_kept_is_read_where_it_is(here):
    """The directory is the primary's already, and shows no divergence."""
    instance = lost.dialect.instance_of(None)
    facts = {"what": "rewind", "phase": "returning", "parts": [[1, "0/1", "0/2"]], "kept": True}
    journal.begin(instance, facts)
    (here / ".main.pgsqlms" / "wal").mkdir()
    ((folder, found),), doubt = lost.places(instance, NOT_SAID)
    assert (folder, found["parts"], doubt) == (
        str(here / ".main.pgsqlms" / "wal"), [[1, "0/1", "0/2"]], [])
    (here / ".main.pgsqlms" / "wal").rmdir()
    assert lost.places(instance, NOT_SAID) == (
        [], ["a rewind was cut off here: what only this node had is known when it is complete"])


def test_another_clusters_data_is_not_nothing(here, monkeypatch):
    instance = lost.dialect.instance_of(None)
    found = divergence.Divergence("another cluster's data", False,
                                  upstream.Upstream(1, [], "8"), None, None, None)
    monkeypatch.setattr(divergence, "look", lambda *_: Known(found))
    monkeypatch.setattr(divergence, "parts", lambda *_: None)
    assert lost.places(instance, NOT_SAID)[1] == [
        "another cluster's data: it is not known from where on, so all its WAL may be only here"]


def test_the_last_segment_of_a_timeline_is_read_from_its_copy(here):
    """A promotion renames the old one where there is an archive."""
    instance = lost.dialect.instance_of(None)
    (here / "00000002000000000000000A").touch()
    one = walrecords.Records(instance, str(here), SEGMENT, [1, 2], "0/900000", "0/A00100")
    assert (one._named(0x900000), one._named(0xA00000)) == (1, 2)
