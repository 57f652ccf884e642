"""What a rewind or rebuild gives up is kept and reported, whatever the WAL looks like."""

import shutil

import pytest

from paf import ocf
from paf.actions import rejoin
from paf.cli import lost
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.decide.timelines import line_from_wire
from tests.component.server import wait_until
from tests.component.test_rebuild import context_of, work_of
from tests.component.test_rewind import (
    FAILOVER, RETURN, come_back, fail_over, half, lost_of, write_commits)
from tests.component.test_rewind_cut import FULL, programs_with, same_rows

__all__ = ["half"]

PAGE = 8192


def reports(node):
    """Return what paf lost reports on a node, and what it does not know."""
    instance = context_of(node).instance
    found, doubt = lost.places(instance, lambda: promotions_of("srv2", node))
    return [lost.report(instance, *one) for one in found], doubt


def promotions_of(primary, node):
    """Return the Fact of a primary's timelines, as this node learns of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in "HA_SBIN_DIR", "PAF_TEST_STORE", "PAF_TEST_NODE":
            patch.setenv(name, node.environment(60, 0, {}, True, {})[name])
        said = context_of(node).cluster.lines(Deadline(10)).get(primary)
    return Known(line_from_wire(said)) if said else Unknown("it does not say them")


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
    """Run a dead instance as a primary by itself, as after a mistake of an administrator."""
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


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_pg_rewind_by_hand_has_left_half_done_is_rebuilt_by_a_copy(half, is_known):
    """A cleanup would have the start refused again (PAF-E206), which names paf rebuild."""
    node = half["srv1"]
    assert half["srv2"].monitor().code == 8    # it publishes its promotions
    work = work_of(node, theirs=(lambda: promotions_of("srv2", node)) if is_known else None)
    text = "\n".join(work.says())
    assert "since a rewind was cut off, or files were copied by hand" in text
    assert "let paf rebuild" not in text
    assert "Whether something exists only here is not known" in text, "of the old primary's WAL"
    work.do()
    assert list(lost_of(node).iterdir())
    come_back(half, "manual")
    same_rows(half)


def test_a_standby_that_had_not_replayed_what_only_it_received_follows_again(make_cluster):
    """For pg_rewind nothing diverges: it looks at what was replayed. A start would replay it."""
    cluster = make_cluster("srv1", "srv2", "srv3")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
    cluster.start()
    cluster["srv3"].sql("SELECT pg_wal_replay_pause()")
    cluster["srv2"].stop()
    cluster["srv1"].sql("INSERT INTO t SELECT generate_series(1, 7)")
    end = cluster["srv1"].value("SELECT pg_current_wal_flush_lsn()")
    wait_until(lambda: cluster["srv3"].value(
        f"SELECT pg_last_wal_receive_lsn() >= '{end}'"), "srv3 to receive what srv2 does not")
    cluster["srv3"].stop()
    cluster["srv1"].kill()
    cluster.move_vip(None)
    cluster["srv2"].server.start()
    assert cluster.promote("srv2", FAILOVER, ["srv2"]).code == 0
    cluster["srv2"].sql("INSERT INTO t VALUES (2)")
    node, lists = cluster["srv3"], dict(RETURN, start="srv3")
    run = node.agent("start", timeout=60, lists=lists)
    assert run.code == 5 and "among them 1 commit" in run.reason
    assert node.agent("start", timeout=60, lists=lists, rejoin="rewind").code == 0
    cluster.wait_for_streams("srv2", 1)
    assert sorted(node.sql("SELECT n FROM t")) == sorted(cluster["srv2"].sql("SELECT n FROM t"))
    ((report,), doubt) = reports(node)
    assert doubt == [] and rows_of(report) == 7


# Two promotions to the same timeline, at the same LSN

@pytest.fixture
def parted(hinted):
    """srv1 was promoted beside srv2, at the same LSN, and has 7 rows of its own; srv2 goes on."""
    node = hinted["srv1"]
    node.hold_still()
    hinted.wait_for_streams("srv1", 1)
    hinted.move_vip(None)
    node.kill()
    promote_alone(node)
    node.sql("INSERT INTO t SELECT generate_series(1, 7)")
    node.stop()
    assert hinted.promote("srv2", FAILOVER, ["srv2"]).code == 0
    assert [line.split("\t")[:2] for line in history_of(node)] == [
        line.split("\t")[:2] for line in history_of(hinted["srv2"])]
    return hinted


def history_of(node):
    return (node.pgdata / "pg_wal" / "00000002.history").read_text().splitlines()


def test_two_promotions_at_one_lsn_are_not_nothing_lost_and_a_rebuild_keeps_it(parted):
    """Before the new primary says its promotions, it cannot be known; then it is all shown.

    pg_rewind sees one timeline, and would leave it as it is.
    """
    node = parted["srv1"]
    found, (doubt,) = reports(node)
    assert found == [] and "timeline 2 is the primary's cannot be compared" in doubt
    assert parted["srv2"].monitor().code == 8
    ((before,), doubt) = reports(node)
    assert doubt == [] and "with different promotions" in before["diverged"]
    assert (len(before["commits"]), rows_of(before), before["unread_from"]) == (1, 7, None)
    work = work_of(node, theirs=lambda: promotions_of("srv2", node))
    text = "\n".join(work.says())
    assert "with different promotions" in text and "began here with another promotion" in text
    work.do()
    come_back(parted, "manual")
    ((after,), doubt) = reports(node)
    assert doubt == [] and after["commits"] == before["commits"]
    same_rows(parted)


def test_no_rewind_behind_a_promotion_that_was_another_one(parted):
    """The primary has left the timeline again: what is here behind that may hold no commit."""
    parted["srv2"].sql("INSERT INTO t SELECT generate_series(1, 300)")
    parted["srv2"].stop("immediate")
    promote_alone(parted["srv2"])
    parted.move_vip("srv2")
    parted["srv2"].sql("INSERT INTO t VALUES (2)")
    assert parted["srv2"].monitor().code == 8
    node = parted["srv1"]
    node.server.start()
    while node.value("SELECT pg_current_wal_lsn() - '0/0'") < parted["srv2"].value(
            "SELECT pg_current_wal_lsn() - '0/0'"):
        node.sql("SELECT pg_switch_wal()")
        node.sql("CHECKPOINT")
    node.stop()
    run = come_back(parted, "rewind", code=5)
    assert "began with different promotions" in run.reason
    ((report,), doubt) = reports(node)
    assert doubt == [] and rows_of(report) == 7


# Rows that were written before

@pytest.mark.long
def test_rows_that_were_written_before_the_fork_are_not_known(hinted):
    """The commit counts, whether its transaction began before or after the WAL was only here."""
    open_before = hinted["srv1"].connect()
    open_before.autocommit = False
    with open_before.cursor() as cursor:
        cursor.execute("INSERT INTO t SELECT generate_series(1, 50)")
    hinted["srv1"].sql("INSERT INTO t VALUES (3)")    # writes the WAL before it
    hinted.wait_for_streams("srv1", 1)
    hinted.move_vip(None)
    open_before.commit()
    open_before.close()
    hinted["srv1"].sql("INSERT INTO t SELECT generate_series(1, 9)")
    fail_over(hinted)
    ((report,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and rows_of(report) == 9
    assert [commit["rows"] for commit in report["commits"]] == [None, 9]
    come_back(hinted, "rewind")
    ((after,), doubt) = reports(hinted["srv1"])
    assert doubt == [] and after["commits"] == report["commits"]
