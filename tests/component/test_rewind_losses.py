"""What a rewind or rebuild gives up is kept and reported, whatever the WAL looks like."""

import shutil

import pytest

from paf import ocf
from paf.actions import rejoin
from paf.cli import lost
from paf.cli.common import Problem
from tests.component.test_rebuild import context_of, work_of
from tests.component.test_rewind import come_back, fail_over, write_commits
from tests.component.test_rewind_cut import FULL, programs_with, same_rows

PAGE = 8192


def reports(node):
    """Return what paf lost reports on a node, and what it does not know."""
    instance = context_of(node).instance
    found, doubt = lost.places(instance)
    return [lost.report(instance, *one) for one in found], doubt


def rows_of(report):
    return sum(table["inserted"] for table in report["tables"])


def commit_up_to_a_page(node):
    """Commit rows; the last commit's record ends where a page of the WAL ends. Return how many."""
    connection, size = node.connect(), None
    connection.autocommit = False

    def position(cursor):
        cursor.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        return int(cursor.fetchone()[0])
    with connection.cursor() as cursor:
        for number in range(1, 50):
            before = position(cursor)
            room = PAGE - before % PAGE
            length = 64 if size is None or room < size + 72 else room - size
            cursor.execute("INSERT INTO t VALUES (9)")
            cursor.execute("SELECT pg_logical_emit_message(true, 'a', repeat('x', %s))", (length,))
            connection.commit()
            after = position(cursor)
            connection.rollback()
            if after % PAGE in (24, 40) and after // PAGE == before // PAGE + 1:
                connection.close()
                return number
            size = after - before - length if after // PAGE == before // PAGE else None
    pytest.fail("no commit ended with its page")


def test_a_commit_that_ends_with_its_page_is_no_less_lost(hinted):
    """What follows is no page of this WAL: pg_waldump names the last record, not where it ends."""
    hinted.move_vip(None)
    number = commit_up_to_a_page(hinted["srv1"])
    fail_over(hinted)
    ((before,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and before["unread_from"] is None
    come_back(hinted, "rewind")
    ((after,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and after["commits"] == before["commits"]
    assert rows_of(after) == len(after["commits"]) == number


def test_crash_recovery_removes_nothing_of_the_wal_that_is_only_here(hinted):
    """Its checkpoint would: all segments before the one where the WAL ends."""
    hinted["srv1"].server.configure("wal_keep_size = 0")
    hinted.move_vip(None)
    for _ in range(4):
        hinted["srv1"].sql("INSERT INTO t SELECT generate_series(1, 20000)")
    fail_over(hinted)
    come_back(hinted, "rewind")
    ((report,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and report["unread_from"] is None
    assert (len(report["commits"]), rows_of(report)) == (4, 80000)


def promote_alone(node):
    """Have a dead instance become a primary by itself, as after a mistake of an administrator."""
    # a killed server that init has not reaped yet counts as running to the next one
    for lock in (node.pgdata / "postmaster.pid",
                 node.cluster.sockets / f".s.PGSQL.{node.server.port}.lock"):
        lock.unlink(missing_ok=True)
    (node.pgdata / "standby.signal").touch()
    shutil.chown(node.pgdata / "standby.signal", node.pgdata.owner())
    node.server.start()
    node.sql("SELECT pg_promote()")
    node.sql("CHECKPOINT")


def test_what_was_written_on_a_timeline_of_its_own_is_kept_and_reported(hinted):
    """Both were promoted: the fork is in neither's newest timeline."""
    write_commits(hinted)
    fail_over(hinted)
    hinted.move_vip(None)
    promote_alone(hinted["srv1"])
    hinted["srv1"].sql("INSERT INTO t SELECT generate_series(1, 7)")
    hinted["srv1"].stop()
    hinted["srv2"].stop("immediate")
    promote_alone(hinted["srv2"])
    hinted.move_vip("srv2")
    assert hinted["srv2"].value("SELECT timeline_id FROM pg_control_checkpoint()") == 3
    ((before,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and rows_of(before) == 2007 and before["unread_from"] is None
    assert come_back(hinted, "safe", code=5)
    come_back(hinted, "rewind")
    ((after,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and after["commits"] == before["commits"]
    assert rows_of(after) == 2007
    same_rows(hinted)


def test_a_half_rewound_directory_is_not_started_after_a_copy_that_failed(hinted):
    """The copy is to replace it; what a rewind has left must not become a server before."""
    write_commits(hinted)
    fail_over(hinted)
    node = hinted["srv1"]
    programs = programs_with(hinted.folder / "full", node, FULL)
    come_back(hinted, "rewind", code=1, bindir=programs)
    work = work_of(node)
    broken = hinted.folder / "broken"
    shutil.copytree(programs, broken, symlinks=True)
    (broken / "pg_basebackup").unlink()
    (broken / "pg_basebackup").write_text("#!/bin/sh\nexit 1\n")
    (broken / "pg_basebackup").chmod(0o755)
    work._instance = work._instance._replace(
        parameters=work._instance.parameters._replace(bindir=str(broken)))
    with pytest.raises(Problem, match="pg_basebackup failed"):
        work.do()
    with pytest.raises(ocf.NotUsable, match="run paf rebuild again"):
        rejoin.finish(context_of(node))
    work_of(node).do()
    come_back(hinted, "manual")
    same_rows(hinted)
