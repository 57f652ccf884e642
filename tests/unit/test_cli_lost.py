"""paf lost: what the records of pg_waldump come to."""

import argparse
import os
import pwd

import pytest

from paf import runner
from paf.cli import lost
from paf.cli.common import ERROR, OK
from paf.decide import wal
from paf.decide.knowledge import Unknown
from paf.instance import controldata, settings, upstream
from tests.conftest import REPOSITORY
from tests.unit.support import instance_at

RECORDED = (REPOSITORY / "tests" / "data" / "pg_waldump" / "records-15.txt").read_text()
TABLE = (1663, 5, 16384)


def records(text):
    """Return the records in pg_waldump's output, as paf lost takes them apart."""
    found = [lost._RECORD.match(line) for line in text.splitlines()]
    return [(m.group(1), int(m.group(2)), wal.parse_lsn(m.group(3)), m.group(4))
            for m in found if m]


def test_each_line_is_taken_apart():
    assert len(records(RECORDED)) == len(RECORDED.splitlines())


def test_commits_have_their_transaction_time_place_and_rows():
    found = lost.understand(records(RECORDED))
    assert [commit.xid for commit in found.commits] == [726, 729, 730, 731, 733]
    first = found.commits[0]
    assert first.time == "2026-11-26 03:28:26.823090 UTC" and first.rows == 10
    assert wal.format_lsn(first.lsn) == "0/85ED60"
    assert found.commits[3].rows == 1    # COMMIT_PREPARED names the transaction that was prepared


def test_rows_of_what_was_rolled_back_are_not_counted():
    inserted, updated, deleted = lost.understand(records(RECORDED)).rows[TABLE]
    assert (inserted, updated, deleted) == (11, 11, 11)


def test_rows_of_subtransactions_count_with_their_parent():
    text = ("rmgr: Heap        len (rec/tot):     59/    59, tx:        801, lsn: 0/00000100, prev "
            "0/000000D8, desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0\n"
            "rmgr: Heap2       len (rec/tot):     59/    59, tx:        800, lsn: 0/00000140, prev "
            "0/00000100, desc: MULTI_INSERT+INIT ntuples: 7, flags: 0x02, offsets: [1], blkref #0: "
            "rel 1663/5/16384 blk 0\n"
            "rmgr: Transaction len (rec/tot):     46/    46, tx:        800, lsn: 0/00000180, prev "
            "0/00000140, desc: COMMIT 2026-11-26 03:28:26.823090 UTC; subxacts: 801 802\n")
    found = lost.understand(records(text))
    assert found.rows == {TABLE: [8, 0, 0]} and found.commits[0].rows == 8


def test_it_is_shown_by_table_with_the_last_commits():
    commits = [{"xid": number, "time": "2026-11-26 03:00:00 UTC", "lsn": "0/1", "rows": 1}
               for number in range(30)]
    one = {"folder": "/pg/main.lost/x", "given_up": "2026-11-26T03:00:00Z",
           "diverged": "diverged: 9", "commits": commits,
           "tables": [{"table": "db: t", "inserted": 30, "updated": 0,
                       "deleted": 0}]}
    text = "\n".join(lost.lines(one, False))
    assert "30 commits, from" in text and "and 10 before these: --all" in text and "db: t" in text
    assert "\n0 " not in text and "\n29 " in text
    assert "and 10" not in "\n".join(lost.lines(one, True))
    assert list(lost.lines(dict(one, commits=[]), False))[-1] == "no commit"


# What is not known is not none

LINE = ("rmgr: Heap        len (rec/tot):     59/ {0:>5}, tx:        801, lsn: {1}, prev 0/0000D8, "
        "desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0\n")
SEGMENT = 1 << 20
END = "pg_waldump: error: error in WAL record at {0}: invalid record length at {0}: wanted 24"


@pytest.mark.parametrize("answers, end, unread", [
    # the end of the WAL; a hole within a segment; the next segment is missing
    ([(1, LINE.format(59, "0/300000"), END)], "0/300040", None),
    ([(1, LINE.format(59, "0/300000"), END)], "0/380000", 0x300000 + 59 + 80),
    ([(0, LINE.format(59, "0/3FFFC0"), ""), (1, LINE.format(59, "0/400040"), END)],
     "0/400080", None),
    ([(1, LINE.format(59, "0/300000"), "could not find file \"000000010000000000000004\"")],
     "0/480000", 0x300000 + 59 + 80),
    # a record that is longer than a segment, and a segment that was switched
    ([(1, LINE.format(3 << 20, "0/300000"), END), (1, "", END), (1, "", END)], "0/600000", None),
    ([(1, LINE.format(24, "0/300000").replace("Heap ", "XLOG ").replace("INSERT", "SWITCH"), END),
      (0, LINE.format(59, "0/400028"), "")], "0/400080", None)])
def test_wal_that_cannot_be_read_to_its_end_is_said(monkeypatch, answers, end, unread):
    left = [runner.Result(status, out, err.format("0/1"), False) for status, out, err in answers]
    monkeypatch.setattr(lost.Records, "_dump", lambda *_: left.pop(0))
    records_ = lost.Records(None, "/x", {"fork": "0/300000", "end": end, "own_timeline": 1,
                                         "segment_size": SEGMENT})
    list(records_)
    assert (records_.unread, left) == (unread, [])


def test_commits_beyond_what_can_be_read_are_not_none(here, asked, capsys, monkeypatch):
    one: dict = {"folder": "/x", "given_up": "now", "diverged": "d", "commits": [], "tables": [],
                 "unread_from": "0/38"}
    monkeypatch.setattr(lost, "places", lambda _: ([("/x", {})], []))
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
    monkeypatch.setattr(lost, "Pacemaker", Pacemaker)
    monkeypatch.setattr(lost.configuration, "parse", lambda *_: None)
    monkeypatch.setattr(lost.configuration, "find", lambda *_: None)
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
