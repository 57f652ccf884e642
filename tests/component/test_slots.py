"""The parameter `slots`: what a standby needs stays, on the primary and on the next one."""

import pytest

from paf.decide import slots
from tests.component.server import wait_until

LIMITED = ("wal_keep_size = 0", "max_slot_wal_keep_size = 8MB", "max_wal_size = 4MB",
           "min_wal_size = 2MB")


@pytest.fixture
def kept(make_cluster):
    """A running primary (srv1) and two standbys, with `slots`; nothing else keeps WAL."""
    cluster = make_cluster("srv1", "srv2", "srv3")
    for node in cluster:
        node.server.configure(*LIMITED)
        node.parameters["slots"] = "true"
    cluster.start()
    cluster.store.promotes("srv1")
    return cluster


def looks(cluster, *names):
    """Run the monitors of some nodes in this order; return the Run of the last one."""
    for name in names:
        run = cluster[name].monitor()
    return run


def held(node):
    """Return {node that a slot is for: bytes of WAL behind the end, None without WAL}."""
    end = ("pg_last_wal_replay_lsn()" if node.in_recovery else "pg_current_wal_lsn()")
    rows = dict(node.sql(f"SELECT slot_name, {end} - restart_lsn FROM pg_replication_slots"))
    return {name: rows.pop(slots.name_of(name)) for name in ("srv1", "srv2", "srv3")
            if slots.name_of(name) in rows} | rows


def write(node, megabytes=1):
    """Write WAL on a primary, and have it remove what no slot keeps."""
    for _ in range(megabytes):
        node.sql("INSERT INTO t SELECT generate_series(1, 12000)")
        node.sql("SELECT pg_switch_wal()")
    node.sql("CHECKPOINT")


def caught_up(cluster, *names):
    """Wait until standbys have flushed and replayed what the primary has, and restart there."""
    end = cluster["srv1"].value("SELECT pg_current_wal_lsn()")
    for name in names:
        wait_until(lambda node=cluster[name]: node.value(
            f"SELECT pg_last_wal_replay_lsn() >= '{end}'"), f"{name} to have the WAL")
        cluster[name].sql("CHECKPOINT")


def test_a_standby_finds_its_wal_on_the_primary_and_on_the_next_one(kept):
    first, second, away = kept
    assert looks(kept, "srv1", "srv2", "srv3").code == 0
    assert set(held(first)) == {"srv2", "srv3"} and set(held(second)) == {"srv1", "srv3"}
    away.stop()
    write(first, 4)
    caught_up(kept, "srv2")
    run = looks(kept, "srv1", "srv2", "srv1", "srv2")
    assert run.code == 0 and kept.store.remark("srv2") is None
    on_first, on_second = held(first), held(second)
    # what streams needs no more than a segment; what is away keeps its WAL on both
    assert on_first["srv2"] < 2 << 20 and on_first["srv3"] > 3 << 20
    assert on_second["srv3"] > 3 << 20 and on_second["srv1"] < 2 << 20
    first.stop()
    second.sql("SELECT pg_promote()")
    kept.move_vip("srv2")
    write(second)
    away.start()
    kept.wait_for_streams("srv2", 1)
    assert away.value("SELECT count(*) FROM t") == second.value("SELECT count(*) FROM t")


def test_a_slot_takes_no_more_than_the_limit_and_its_loss_is_shown(kept):
    first, away = kept["srv1"], kept["srv3"]
    looks(kept, "srv1", "srv2")
    away.stop()
    write(first, 12)
    caught_up(kept, "srv2")
    name = slots.name_of("srv3")
    status = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{name}'"
    assert first.value(status) == "lost"
    run = looks(kept, "srv1")
    assert run.code == 8 and "PAF-E310 slots=true: the slot of srv3 has lost its WAL" in (
        kept.store.remark("srv1"))
    assert held(first)["srv3"] is None
    assert "lost its WAL" in looks(kept, "srv1").err + kept.store.remark("srv1")
    assert looks(kept, "srv2").code == 0
    write(first, 2)
    assert held(first)["srv3"] is None
    assert sum(size for (size,) in first.sql("SELECT size FROM pg_ls_waldir()")) < 16 << 20


def test_a_slot_of_logical_replication_is_not_the_agents_whatever_its_name(make_cluster):
    """Dropped, its subscriber would lack changes for good."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure(*LIMITED, "wal_level = logical")
        node.parameters["slots"] = "true"
    cluster.start()
    cluster.store.promotes("srv1")
    names = ["pgsqlms_orders", slots.name_of("srv2")]
    for name in names:
        cluster["srv1"].sql(f"SELECT pg_create_logical_replication_slot('{name}', 'test_decoding')")
    assert looks(cluster, "srv1").code == 8
    assert dict(cluster["srv1"].sql("SELECT slot_name, slot_type FROM pg_replication_slots")) == {
        name: "logical" for name in names}
    assert "cannot make the slot" in cluster.store.remark("srv1")


def test_only_slots_of_nodes_that_left_the_cluster_are_dropped(kept):
    first = kept["srv1"]
    first.sql("SELECT pg_create_physical_replication_slot('mine')")
    looks(kept, "srv1", "srv2")
    kept["srv3"].stop()
    kept.store.add_member("srv3", online=False)
    looks(kept, "srv1", "srv2")
    assert set(held(first)) == {"srv2", "srv3", "mine"}
    kept.store.breaks("cibadmin")
    assert first.monitor().code == 8    # who is a member is not known
    kept.store.repairs("cibadmin")
    assert set(held(first)) == {"srv2", "srv3", "mine"}
    kept.store.remove_member("srv3")
    looks(kept, "srv1", "srv2")
    assert set(held(first)) == {"srv2", "mine"} and set(held(kept["srv2"])) == {"srv1"}


def test_without_a_limit_no_slot_is_made_and_the_check_refuses(kept):
    first = kept["srv1"]
    first.configure("max_slot_wal_keep_size = -1")
    first.sql("SELECT pg_reload_conf()")
    wait_until(lambda: first.value("SHOW max_slot_wal_keep_size") == "-1", "the reload")
    assert first.monitor().code == 8 and held(first) == {}
    assert "max_slot_wal_keep_size is -1" in kept.store.remark("srv1")
    run = first.agent("validate-all", OCF_CHECK_LEVEL="10")
    assert run.code == 2 and "slots=true: max_slot_wal_keep_size is -1" in run.reason
    assert first.agent("validate-all", OCF_CHECK_LEVEL="10", slots="false").code == 0


def test_switched_off_it_asks_nothing_and_makes_nothing(kept):
    first, calls = kept["srv1"], {}
    first.parameters["slots"] = "false"
    first.monitor()
    calls["false"] = first.monitor().calls
    assert held(first) == {}
    first.parameters["slots"] = "true"
    calls["true"] = first.monitor().calls
    assert len(calls["true"]) == len(calls["false"]) + 1


def test_a_standby_may_read_from_its_slot(kept):
    first, second = kept["srv1"], kept["srv2"]
    looks(kept, "srv1")
    second.configure(f"primary_slot_name = '{slots.name_of('srv2')}'")
    second.sql("SELECT pg_reload_conf()")
    active = f"SELECT active FROM pg_replication_slots WHERE slot_name = '{slots.name_of('srv2')}'"
    wait_until(lambda: first.value(active), "srv2 to read from its slot")
    write(first, 3)
    caught_up(kept, "srv2")
    assert looks(kept, "srv1", "srv2").code == 0
    assert first.value(active) and held(first)["srv2"] < 2 << 20
