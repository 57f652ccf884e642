"""What a monitor says of an instance that runs well while something else may fail soon."""

import time

import pytest

from tests.component.server import wait_until

SETTING = "ANY 1 (srv2, srv3)"


def age(node, seconds=60):
    """Make the noted worries of a node some seconds old."""
    path = node.temporary / f"pgsqlms-{node.cluster.store.resource}.worries"
    path.write_text(str(int(time.time()) - seconds))


@pytest.fixture
def alone(pair):
    """A pair whose primary is away: the standby does not stream."""
    pair["srv1"].stop("immediate")
    wait_until(lambda: pair["srv2"].value("SELECT count(*) FROM pg_stat_wal_receiver "
                                          "WHERE status = 'streaming'") == 0, "the stream to end")
    return pair


def test_a_standby_that_does_not_stream_for_a_while_is_degraded(alone):
    node = alone["srv2"]
    first = node.monitor()
    assert first.code == 0 and "does not stream" not in first.err
    age(node)
    run = node.monitor()
    assert run.code == 0 and "does not stream" in run.log
    assert alone.store.remark("srv2").startswith("PAF-E309 this standby does not stream")
    again = node.monitor()
    assert again.code == 0 and "does not stream" not in again.log    # said once


def test_what_is_stopped_is_not_degraded(alone):
    node = alone["srv2"]
    node.monitor()
    age(node)
    assert node.monitor().code == 0 and alone.store.remark("srv2")
    assert node.agent("stop").code == 0
    assert alone.store.remark("srv2") is None
    assert not [path for path in node.temporary.iterdir()
                if path.suffix in (".worries", ".remarks")]


def test_a_standby_that_streams_again_is_well_again(alone):
    node = alone["srv2"]
    node.monitor()
    age(node)
    assert node.monitor().code == 0 and alone.store.remark("srv2")
    alone["srv1"].start()
    alone.wait_for_streams("srv1", 1)
    assert node.monitor().code == 0 and alone.store.remark("srv2") is None
    assert not list(node.temporary.glob("*.worries"))


def test_a_primary_whose_commits_wait_is_degraded_and_keeps_its_scores(pair):
    node = pair["srv1"]
    node.server.configure(f"synchronous_standby_names = '{SETTING}'")
    node.sql("SELECT pg_reload_conf()")
    wait_until(lambda: node.value("SHOW synchronous_standby_names") == SETTING, "the reload")
    assert node.monitor().code == 8
    pair["srv2"].stop()
    wait_until(lambda: node.value("SELECT count(*) FROM pg_stat_replication") == 0, "the end")
    assert node.monitor().code == 8
    age(node)
    assert node.monitor().code == 8
    assert "commits wait for synchronous standbys: 0 of 1 stream" in pair.store.remark("srv1")
    assert pair.store.score("srv1") == 1001


def make_serializable(node):
    """Have all transactions of a server be serializable, and deferrable where they only read."""
    for name, value in (("isolation", "serializable"), ("deferrable", "on")):
        node.sql(f"ALTER SYSTEM SET default_transaction_{name} = '{value}'")
    node.sql("SELECT pg_reload_conf()")
    wait_until(lambda: node.value("SHOW default_transaction_isolation") == "serializable", "reload")


def test_serializable_by_default_keeps_no_server_from_answering(pair):
    """A hot standby refuses such a query; on a primary it waits for writers that stay open."""
    for node in (pair["srv1"], pair["srv2"]):
        make_serializable(node)
    writer = pair["srv1"].connect()
    writer.autocommit = False
    try:
        with writer.cursor() as cursor:
            cursor.execute("CREATE TABLE kept_open (n int)")
            assert pair["srv1"].monitor(timeout=8).code == 8
            assert pair["srv2"].monitor(timeout=8).code == 0
    finally:
        writer.close()
    assert pair.store.remark("srv1") is None and pair.store.remark("srv2") is None
