"""paf lost: what the records of pg_waldump come to."""

import argparse
import os
import pwd

import pytest

from paf import runner
from paf.cli import lost
from paf.cli.common import ERROR
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
