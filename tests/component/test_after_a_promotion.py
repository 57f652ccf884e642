"""A primary that counts as lost and lives: once another is promoted, no standby streams from it."""

import pytest

from paf.instance import connecting
from tests.component.server import wait_until
from tests.component.test_waiting import Session
from tests.unit.support import full

LOST = dict(active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1",
            stop="srv1", promote="srv2")
#: A promotion that was announced again, after the node had been fenced.
AGAIN = dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2")
BESIDE = dict(active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", promote="srv2")
SURVIVORS = ["srv2", "srv3"]


@pytest.fixture
def zombie(synchronous):
    """The primary runs on, and both standbys stay connected; nothing new finds it."""
    synchronous["srv1"].sql("INSERT INTO t SELECT generate_series(1, 100)")
    synchronous.wait_for_streams("srv1", 2)
    (synchronous.vip / ".s.PGSQL.5432").unlink()
    synchronous.store.add_member("srv1", online=False)
    return synchronous


def streams(cluster):
    """Return the names of the standbys that stream from srv1."""
    return sorted(name for name, in cluster["srv1"].sql(
        "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'"))


@pytest.mark.fast
@pytest.mark.parametrize("lists", [LOST, AGAIN])
def test_what_it_commits_then_is_acknowledged_by_none(zombie, lists):
    zombie.notify("pre", "promote", lists, SURVIVORS)
    assert zombie["srv2"].agent("promote", lists=lists).code == 0
    zombie.store.promotes("srv2")
    runs = zombie.notify("post", "promote", lists, SURVIVORS)
    assert "streamed from the old primary" in runs["srv3"].log
    wait_until(lambda: streams(zombie) == [], "both standbys to have left it")
    late = Session(zombie["srv1"], "INSERT INTO t VALUES (0)")
    wait_until(lambda: late.answer or zombie["srv1"].value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), "its commit")
    assert late.answer is None
    zombie["srv1"].sql(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    late.end()
    zombie.move_vip("srv2")
    zombie.wait_for_streams("srv2", 1)
    assert zombie["srv3"].value("SELECT count(*) FROM t") == 100


@pytest.mark.parametrize("lists", [BESIDE, dict(LOST, promote="srv1", start="srv1")])
def test_beside_a_primary_that_stays_nothing_is_disconnected(zombie, lists):
    """promoted-max was raised by mistake, or the primary was recovered where it was."""
    zombie.notify("post", "promote", lists, ["srv3"])
    assert streams(zombie) == SURVIVORS


def test_who_streams_from_the_new_primary_already_is_not_disconnected(trio):
    """primary_conninfo may name all nodes."""
    trio.wait_for_streams("srv1", 2)
    trio["srv1"].kill()
    trio.move_vip(None)
    trio.notify("pre", "promote", AGAIN, SURVIVORS)
    assert trio["srv2"].agent("promote", lists=AGAIN).code == 0
    trio.move_vip("srv2")
    trio.wait_for_streams("srv2", 1)
    before = trio["srv2"].sql("SELECT pid FROM pg_stat_replication")
    trio.store.promotes("srv2")
    runs = trio.notify("post", "promote", AGAIN, SURVIVORS)
    assert "still streamed" not in runs["srv3"].log
    assert trio["srv2"].sql("SELECT pid FROM pg_stat_replication") == before


def helped(node):
    """Give a standby an address where nothing answers, then something; return the agent's run."""
    with full() as listener:
        host, port = listener.getsockname()
        node.server.configure(f"primary_conninfo = 'host={host} port={port}'")
        node.server.sql("SELECT pg_reload_conf()")
        wait_until(lambda: any(map(connecting.unanswered, node.server.processes())),
                   "its WAL receiver to wait for an answer")
        listener.listen(16)
        return node.agent("reconnect", lists=LOST)


@pytest.mark.since(13)    # before, another primary_conninfo needs a restart
def test_a_standby_whose_packet_went_nowhere_connects_again_once_there_is_an_answer(trio):
    """TCP repeats the packet after a second, unless the machine is too busy for the agent's."""
    trio.wait_for_streams("srv1", 2)
    runs = (helped(trio["srv3"]) for _ in range(5))
    assert any("127.0.0.1 answers now" in run.log for run in runs)
    log = trio.folder / "log" / f"server{trio['srv3'].server.port}.log"
    wait_until(lambda: "terminating walreceiver" in log.read_text(), "the end of its receiver")
