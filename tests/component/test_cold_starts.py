"""After a cold start the last primary is waited for, once; by a candidate that may lack its WAL."""

import threading

import pytest

from paf.decide import wal
from tests.component.server import wait_until

COLD = dict(active="", promoted="", start="srv2")


@pytest.fixture
def cold(make_cluster):
    """srv2 after a cold start; the last primary srv1 and srv3 are away."""
    cluster = make_cluster("srv1", "srv2", "srv3")
    for node, score in (("srv1", 1001), ("srv2", 1000), ("srv3", 990)):
        cluster.store.set_score(node, score)
    for node in ("srv1", "srv3"):
        cluster.store.add_member(node, online=False)
    assert cluster["srv2"].agent("start", lists=COLD).code == 0
    return cluster


def announce(cluster, **more):
    """Announce the promotion of srv2, which is alone; return the run of its notification."""
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    return cluster.notify("pre", "promote", lists, ["srv2"], **more)["srv2"]


def test_a_cold_start_that_is_announced_again_still_waits_for_the_last_primary(cold):
    """A node joins during the wait, and the promotion is announced a second time."""
    def join():
        wait_until(lambda: "waiting for" in (cold.store.refusal("srv2") or ""), "the wait")
        cold.store.add_member("srv3")
    joins = threading.Thread(target=join)
    joins.start()
    run = announce(cold)
    joins.join()
    assert "waiting for srv1, srv3" in run.log and "srv3 came back" in run.log
    run = announce(cold, timeout=24)
    assert "cold start: waiting for srv1" in run.log


def test_a_cold_start_that_is_announced_again_after_the_wait_does_not_wait_twice(cold):
    """The reason that is shown for the wait changes the CIB: the promotion is announced again."""
    assert "electing without" in announce(cold, timeout=24).log
    run = announce(cold, timeout=24)
    assert "waiting for" not in run.log and run.seconds < 6
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    assert cold["srv2"].agent("promote", lists=lists).code == 0


def test_a_cold_start_after_an_election_that_was_refused_waits_again(cold):
    assert "electing without" in announce(cold, timeout=24).log
    cold["srv2"].server.stop()
    cold["srv2"].server.pgdata.joinpath("pg_wal").rename(cold["srv2"].server.pgdata / "pg_lost")
    assert "is not promoted" in announce(cold, timeout=24).log
    cold["srv2"].server.pgdata.joinpath("pg_lost").rename(cold["srv2"].server.pgdata / "pg_wal")
    cold["srv2"].server.start()
    assert "cold start: waiting for srv1" in announce(cold, timeout=24).log


def test_a_standby_that_crashed_as_the_primary_was_lost_starts_no_cold_election(cold):
    """It had the primary beside it until then: others that run on would not wait either."""
    cold["srv2"].server.kill_and_reap()
    again = dict(active="srv2", unpromoted="srv2", stop="srv2", start="srv2", promote="srv2")
    assert cold["srv2"].agent("start", lists=again).code == 0
    assert "cold start" in announce(cold, timeout=24).log    # as before the crash
    cold["srv2"].agent("stop", lists=dict(active="srv2", stop="srv2"))
    assert cold["srv2"].agent("start", lists=dict(
        active="srv1", promoted="srv1", start="srv2")).code == 0
    cold["srv2"].server.kill_and_reap()
    assert cold["srv2"].agent("start", lists=again).code == 0
    run = announce(cold, timeout=24)
    assert "cold start" not in run.log and "failover" in run.log


def test_a_cold_start_that_could_not_be_noted_waits_for_the_last_primary_as_well(cold):
    """There was no room for its notes when it was started; then there is."""
    again(cold, HA_RSCTMP="/proc/nowhere")
    run = announce(cold, timeout=24)
    assert "cold start: waiting for srv1" in run.log


def test_a_cold_start_whose_notes_are_gone_waits_for_the_last_primary_as_well(cold):
    """The folder was cleaned up; its monitor has written there again."""
    again(cold)
    for note in cold["srv2"].temporary.iterdir():
        note.unlink()
    assert cold["srv2"].monitor().code == 0
    run = announce(cold, timeout=24)
    assert "cold start: waiting for srv1" in run.log


def again(cluster, **more):
    """Start srv2 again as it was started."""
    assert cluster["srv2"].agent("stop").code == 0
    for note in cluster["srv2"].temporary.iterdir():
        note.unlink()
    assert cluster["srv2"].agent("start", lists=COLD, **more).code == 0


@pytest.fixture
def damaged(pair):
    """After a power cut of both, records are damaged in the middle of what srv2 had flushed."""
    primary, standby = pair["srv1"].server, pair["srv2"].server
    primary.value("SELECT pg_switch_wal()")
    primary.sql("INSERT INTO t SELECT generate_series(1, 100)")
    begin = primary.value("SELECT pg_current_wal_lsn()")
    primary.sql("CREATE TABLE filler AS SELECT repeat('x', 300) FROM generate_series(1, 500)")
    end = primary.value("SELECT pg_current_wal_lsn()")
    wait_until(lambda: standby.value(f"SELECT pg_last_wal_replay_lsn() >= '{end}'"), "replay")
    segment = primary.value(f"SELECT pg_walfile_name('{begin}')")
    assert segment == primary.value(f"SELECT pg_walfile_name('{end}')")
    pair["srv1"].kill()
    standby.kill_and_reap()
    pair.move_vip(None)
    page = wal.parse_lsn(begin) % (1 << 20) // 8192 + 3
    with open(standby.pgdata / "pg_wal" / segment, "r+b") as stream:
        stream.seek(page * 8192 + 24)
        stream.write(bytes(8192 - 24))
    pair.store.set_score("srv1", 1001)
    pair.store.set_score("srv2", 1000)
    for name in ("srv1", "srv2"):
        lists = dict(active="", promoted="", start="srv1 srv2")
        assert pair[name].agent("start", lists=lists).code == 0
    # a WAL receiver has been asked for, and cannot connect
    wait_until(lambda: standby.value("SELECT pg_last_wal_receive_lsn()"), "the request", 60)
    return pair


@pytest.mark.since(10)
def test_a_standby_whose_wal_is_damaged_has_more_than_it_can_replay(damaged):
    """It was level with the primary. Where a receiver was asked for, this was not looked at."""
    both = dict(active="srv1 srv2", unpromoted="srv1 srv2")
    damaged.notify("pre", "promote", dict(both, promote="srv1"), ["srv1", "srv2"])
    assert ":atleast/" in damaged.store.value("ballot", "srv2")
    run = damaged["srv1"].agent("promote", lists=dict(both, promote="srv1"))
    assert run.code == 0 and not damaged["srv1"].in_recovery
