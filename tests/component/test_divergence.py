"""An old primary comes back: it follows where it can, and says what only it has where it can't."""

import os
import re
import shutil

import pytest

from paf.decide import wal
from tests.component.server import as_owner, bindir, owner, remove, wait_until

FAILOVER = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                stop="srv1", promote="srv2")
RETURN = dict(active="srv2", promoted="srv2", start="srv1")


def fail_over(cluster):
    """srv1 crashes and srv2 takes over."""
    cluster["srv1"].kill()
    assert cluster.promote("srv2", FAILOVER, ["srv2"]).code == 0
    cluster["srv2"].sql("INSERT INTO t VALUES (2)")


def hold_still(cluster):
    """Stop what the primary writes of its own accord; the standby has all of its WAL."""
    cluster["srv1"].hold_still()
    cluster.wait_for_streams("srv1", 1)


def write_alone(cluster):
    """Write rows on the primary that no standby receives."""
    cluster.move_vip(None)
    cluster["srv1"].sql("INSERT INTO t SELECT generate_series(1, 2000)")


def test_an_old_primary_that_has_nothing_of_its_own_follows_the_new_one(pair):
    hold_still(pair)
    fail_over(pair)
    assert pair["srv1"].agent("start", lists=RETURN).code == 0
    pair.wait_for_streams("srv2", 1)
    assert pair["srv1"].value("SELECT n FROM t") == 2
    assert pair["srv1"].monitor().code == 0


@pytest.mark.fast
def test_an_old_primary_that_has_diverged_stays_stopped_with_fork_and_bytes(pair):
    write_alone(pair)
    fail_over(pair)
    before = pair["srv1"].files()
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 5
    found = re.search(r"diverged: (\d+) bytes .* ([0-9A-F]+/[0-9A-F]+).*timeline 2", run.reason)
    assert found and int(found.group(1)) > 100000
    assert found.group(2) == fork_of(pair["srv2"])
    assert pair["srv1"].files() == before


def begin_a_promotion(node, last):
    """Leave what a promotion makes first: see XLogInitNewTimeline. last: the segment's name."""
    made = node.pgdata / "pg_wal" / f"00000002{last[8:]}"
    shutil.copy(node.pgdata / "pg_wal" / last, made)
    shutil.chown(made, owner().pw_uid, owner().pw_gid)


@pytest.mark.parametrize("alone", ["commits", "no commit", ""])
def test_one_whose_own_promotion_was_cut_off_has_still_diverged(hinted, alone):
    """Its first segment of timeline 2 is there, as if it had followed the primary."""
    old = hinted["srv1"]
    if alone == "commits":
        write_alone(hinted)
    else:
        hold_still(hinted)
    if alone == "no commit":
        hinted.move_vip(None)
        before = old.value("SELECT pg_current_wal_insert_lsn()")
        old.sql("BEGIN; INSERT INTO t SELECT generate_series(1, 5000); ROLLBACK")
        wait_until(lambda: old.value(f"SELECT pg_current_wal_flush_lsn() > '{before}'"),
                   "the WAL writer")
    last = old.value("SELECT pg_walfile_name(pg_current_wal_lsn())")
    fail_over(hinted)
    begin_a_promotion(old, last)
    run = old.agent("start", lists=RETURN)
    if alone == "commits":
        assert run.code == 5 and "diverged" in run.reason and "commit" in run.reason
        return
    assert run.code == 0, run.reason
    assert ("rewound" in run.log) == bool(alone)
    hinted.wait_for_streams("srv2", 1)


def fork_of(node):
    """Return the LSN where the node's last timeline began, as the agent writes it.

    PostgreSQL 19 has eight digits after the slash.
    """
    text = (node.pgdata / "pg_wal" / "00000002.history").read_text()
    return wal.format_lsn(wal.parse_lsn(text.split()[1]))


def list_first(node, length):
    """Have a segment without a header be what the node's WAL folder lists first."""
    folder, made = node.pgdata / "pg_wal", []
    while not made or next(each.name for each in os.scandir(folder)
                           if len(each.name) == 24) != made[-1].name:
        made.append(folder / f"00000001000000FF{len(made):08X}")
        made[-1].touch()
        os.truncate(made[-1], length)
        shutil.chown(made[-1], owner().pw_uid, owner().pw_gid)
        assert len(made) < 10000, "no name is listed first"
    for path in made[:-1]:
        path.unlink()


@pytest.mark.parametrize("length", [0, 16 << 20], ids=["empty", "zeros"])
def test_a_segment_that_is_not_written_yet_keeps_no_wal_from_being_read(pair, length):
    """pg_waldump takes the size of segments from the file that the folder lists first."""
    write_alone(pair)
    fail_over(pair)
    list_first(pair["srv1"], length)
    run = pair["srv1"].agent("start", lists=RETURN)
    assert (run.code, "diverged: " in run.reason) == (5, True), run.reason


def without_wal(node):
    """As after a boot at which the file system for WAL was not mounted; return where it is."""
    folder, away = node.pgdata / "pg_wal", node.pgdata.parent / "wal"
    folder.rename(away)
    folder.mkdir(mode=0o700)
    shutil.chown(folder, owner().pw_uid, owner().pw_gid)
    return folder, away


def test_an_old_primary_without_the_file_system_of_its_wal_is_not_started(pair):
    """PostgreSQL says "could not locate a valid checkpoint record", as of a damaged one."""
    write_alone(pair)
    fail_over(pair)
    folder, away = without_wal(pair["srv1"])
    before = pair["srv1"].files()
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 1 and "WAL of the last checkpoint" in run.reason, run
    assert pair["srv1"].files() == before
    folder.rmdir()
    away.rename(folder)
    run = pair["srv1"].agent("start", lists=RETURN)
    assert (run.code, "diverged: " in run.reason) == (5, True), run.reason


@pytest.mark.parametrize("lists", [
    dict(active="srv1", promoted="srv1", start="srv2"), dict(start="srv2")],
    ids=["primary", "alone"])
def test_a_standby_without_the_file_system_of_its_wal_is_not_started(pair, lists):
    """What it has acknowledged may be there, and not be replayed yet."""
    pair["srv2"].stop()
    without_wal(pair["srv2"])
    if not lists.get("promoted"):
        pair["srv1"].kill()
    run = pair["srv2"].agent("start", lists=lists)
    assert run.code == 1 and "WAL of the last checkpoint" in run.reason, run
    assert not list((pair["srv2"].pgdata / "pg_wal").iterdir())


def test_it_stays_so_and_stops_and_is_probed_without_a_failure(pair):
    write_alone(pair)
    fail_over(pair)
    for _ in range(2):
        assert pair["srv1"].agent("start", lists=RETURN).code == 5
        assert pair["srv1"].agent("stop", lists=RETURN).code == 0
        assert pair["srv1"].probe() == 7


def test_an_old_primary_that_was_shut_down_cleanly_and_left_behind_follows(pair):
    pair["srv1"].stop()
    assert pair.promote("srv2", FAILOVER, ["srv2"]).code == 0
    assert pair["srv1"].agent("start", lists=RETURN).code == 0
    pair.wait_for_streams("srv2", 1)


def test_a_shutdown_checkpoint_that_nobody_received_is_a_divergence(pair):
    """One record is enough to keep it from following the new timeline."""
    pair.move_vip(None)
    pair["srv1"].stop()
    assert pair.promote("srv2", FAILOVER, ["srv2"]).code == 0
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 5 and "diverged" in run.reason


def promote_alone(node):
    """A crashed primary is recovered where it was, and promoted; no standby receives from it."""
    node.server.kill_and_reap()
    (node.pgdata / "standby.signal").touch()
    node.server.start()
    node.sql("SELECT pg_promote()")
    node.server.kill_and_reap()


def test_two_promotions_at_the_same_lsn_are_distinguished(pair):
    hold_still(pair)
    pair.move_vip(None)
    promote_alone(pair["srv1"])
    assert pair.promote("srv2", FAILOVER, ["srv2"]).code == 0
    assert fork_of(pair["srv1"]) == fork_of(pair["srv2"])
    pair.move_vip("srv2")
    assert pair["srv2"].monitor().code == 8
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 5 and "began with different promotions" in run.reason


def test_an_attribute_manager_without_an_answer_keeps_no_node_from_its_start(pair):
    """That the timelines differ is not known then, and a start that fails would ban the node."""
    hold_still(pair)
    fail_over(pair)
    pair.store.breaks("attrd_updater")
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 0 and "cannot compare the timelines here with those of srv2" in run.log


def test_a_timeline_of_the_primarys_past_that_began_elsewhere_is_a_divergence(pair):
    """Both were promoted to timeline 2; the primary goes on with timeline 3."""
    write_alone(pair)
    promote_alone(pair["srv1"])
    assert pair.promote("srv2", FAILOVER, ["srv2"]).code == 0
    pair["srv2"].sql("INSERT INTO t SELECT generate_series(1, 20000)")
    promote_alone(pair["srv2"])
    pair["srv2"].server.start()
    pair.move_vip("srv2")
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 5 and "timeline 2 is not in the history" in run.reason


def test_the_fork_is_named_by_the_timeline_that_began_there(pair):
    """The primary has been promoted again since: its newest timeline began elsewhere."""
    write_alone(pair)
    fail_over(pair)
    fork = fork_of(pair["srv2"])
    promote_alone(pair["srv2"])
    pair["srv2"].server.start()
    pair.move_vip("srv2")
    run = pair["srv1"].agent("start", lists=RETURN)
    assert run.code == 5 and f"after {fork} (start of timeline 2)" in run.reason


def test_without_a_primary_to_ask_it_starts_and_the_monitor_asks_again(pair):
    write_alone(pair)
    fail_over(pair)
    pair.move_vip(None)
    assert pair["srv1"].agent("start", lists=RETURN).code == 0
    assert pair["srv1"].monitor().code == 0
    pair.move_vip("srv2")
    # from time to time the WAL receiver streams briefly, without result
    wait_until(lambda: pair["srv1"].monitor().code == 1, "the monitor to find out")
    assert "diverged" in pair["srv1"].log.read_text()
    assert pair["srv1"].agent("stop").code == 0
    assert pair["srv1"].agent("start", lists=RETURN).code == 5


def test_the_data_of_another_cluster_is_refused(make_cluster):
    """The wrong backup was restored here: the system identifiers differ."""
    cluster = make_cluster("srv1", "srv2")
    cluster["srv2"].server.start()
    cluster["srv2"].server.sql("SELECT pg_promote()")
    cluster.move_vip("srv2")
    initialize_again(cluster["srv1"])
    run = cluster["srv1"].agent("start", lists=RETURN)
    assert run.code == 5 and "system identifier" in run.reason


def initialize_again(node, *statements):
    """Replace the node's data by that of another cluster, which is on its first timeline too."""
    conf = (node.pgdata / "postgresql.conf").read_text()
    remove(node.pgdata)
    as_owner(f"{bindir()}/initdb", "-D", node.pgdata, "-N", "-A", "trust", "-U", owner().pw_name,
             "--wal-segsize=1")
    (node.pgdata / "postgresql.conf").write_text(conf)
    if statements:
        node.server.start()
        for text in statements:
            node.server.sql(text)
        node.server.stop()


def test_the_data_of_another_cluster_is_refused_where_the_primary_cannot_be_asked(pair):
    """By the system identifier that the primary's monitor has published."""
    standby = pair["srv2"]
    assert pair["srv1"].monitor().code == 8
    standby.stop()
    initialize_again(standby)
    pair.move_vip(None)
    run = standby.agent("start", lists=dict(active="srv1", promoted="srv1", start="srv2"))
    assert run.code == 5 and "system identifier" in run.reason and "srv1" in run.reason


@pytest.mark.parametrize("absent", ["", "srv1"])
def test_the_data_of_another_cluster_wins_no_cold_start(make_cluster, absent):
    """It has more WAL than the last primary, on the same timeline."""
    cluster = make_cluster("srv1", "srv2", "srv3")
    initialize_again(cluster["srv3"], "CREATE TABLE other AS SELECT generate_series(1, 200000) n")
    for name, score in (("srv1", 1001), ("srv2", 1000), ("srv3", 990)):
        cluster.store.set_score(name, score)
    names = [name for name in ("srv1", "srv2", "srv3") if name != absent]
    cold, up = dict(active="", promoted="", start=" ".join(names)), " ".join(names)
    runs = cluster.at_once(lambda node: node.agent("start", lists=cold), names)
    assert [run.code for run in runs.values()] == [0] * len(names)
    cluster.notify("post", "start", cold, names)
    lists = dict(active=up, unpromoted=up)
    run = cluster.promote(names[0], dict(lists, promote=names[0]), names)
    assert run.code == (1 if absent else 0)
    if absent:    # nothing here says whose data is the right one
        assert "start srv1" in cluster.store.refusal("srv2")
    # it was stopped as another was promoted, and is not started again
    assert cluster.promote("srv3", dict(lists, promote="srv3"), names).code == (1 if absent else 5)
    assert (cluster["srv3"].pgdata / "postmaster.pid").exists() == bool(absent)
