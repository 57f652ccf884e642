"""What a monitor costs and what it writes: nothing without need, little at any time."""

import os
import subprocess

import pytest

from tests.component.server import bindir, owner, wait_until

SETTLED = {"srv1": 1001, "srv2": 1000, "srv3": 990}
PROGRAMS = ("postgres", "pg_ctl", "psql", "pg_isready", "pg_controldata", "pg_waldump")


@pytest.fixture
def counted(tmp_path):
    """Return a function that lets a node's PostgreSQL programs be counted, and one that counts."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if str(parent) != "/" and parent.stat().st_mode & 0o1 == 0:
            parent.chmod(parent.stat().st_mode | 0o11)
    log = tmp_path / "started"
    log.touch()
    log.chmod(0o666)

    def watch(node):
        real = node.programs
        for name in PROGRAMS:
            script = tmp_path / name
            script.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec {real}/{name} "$@"\n')
            script.chmod(0o755)
        watched.append((node, real))
        node.parameters["bindir"] = str(tmp_path)

    def started():
        names = log.read_text().split()
        log.write_text("")
        return names
    watched = []
    yield watch, started
    for node, real in watched:
        node.parameters["bindir"] = real


def settle(cluster):
    """Run the monitor with which the primary writes its scores."""
    cluster["srv1"].monitor()
    assert cluster.store.score("srv1") == 1001


# Scores

def test_the_primarys_monitor_gives_each_node_its_score(steady):
    assert steady["srv1"].monitor().code == 8
    assert steady.store.score("srv1") == 1001
    assert sorted(steady.store.scores("srv2", "srv3")) == [990, 1000]


def test_a_second_monitor_writes_nothing_even_under_load(steady):
    settle(steady)
    for _ in range(3):
        steady["srv1"].sql("INSERT INTO t SELECT generate_series(1, 500)")
        run = steady["srv1"].monitor()
        assert run.code == 8 and not [call for call in run.calls if call.writes]


def test_a_standby_that_is_gone_loses_its_score_and_gets_it_back(trio):
    settle(trio)
    trio["srv3"].stop()
    wait_until(lambda: trio["srv1"].value("SELECT count(*) FROM pg_stat_replication") == 1,
               "srv3 to be gone")
    trio["srv1"].monitor()
    assert trio.store.score("srv3") == -1000
    assert trio.store.refusal("srv3").startswith("PAF-E105 does not stream from the primary")
    assert not [call for call in trio["srv1"].monitor().calls if call.writes]
    trio["srv3"].start()
    trio.wait_for_streams("srv1", 2)
    trio["srv1"].monitor()
    assert trio.store.score("srv3") > 0
    assert trio.store.refusal("srv3") is None


def test_a_rebuild_is_not_recommended_where_it_is_stopped(trio):
    """As after a ban, in standby mode, or on a node that has no PostgreSQL at all."""
    settle(trio)
    trio["srv3"].stop()
    trio.store.stops("srv3")
    wait_until(lambda: trio["srv1"].value("SELECT count(*) FROM pg_stat_replication") == 1,
               "srv3 to be gone")
    for _ in range(2):
        trio["srv1"].monitor()
        assert trio.store.score("srv3") == -1000
        assert trio.store.refusal("srv3") is None


def test_a_lost_node_cannot_come_back_above_the_primary(pair):
    pair.store.add_member("srv3", online=False)
    pair.store.set_score("srv3", 1001)
    pair["srv1"].monitor()
    assert pair.store.score("srv3") == -1000


def test_a_primary_that_is_cut_off_writes_no_score(pair):
    """Its CIB could replace that of the nodes which went on, and have another primary demoted."""
    pair["srv1"].monitor()
    assert pair.store.scores("srv1", "srv2") == [1001, 1000]
    pair.store.add_member("srv2", online=False)
    pair.move_vip(None)
    pair.store.has_quorum(False)
    run = pair["srv1"].monitor()
    assert run.code == 8 and pair.store.scores("srv1", "srv2") == [1001, 1000]
    assert not [call for call in run.calls if call.writes]
    pair.store.configure('<crm_config><cluster_property_set id="o"><nvpair id="p" '
                         'name="no-quorum-policy" value="ignore"/></cluster_property_set>'
                         '</crm_config>')
    pair["srv1"].monitor()
    assert pair.store.scores("srv1", "srv2") == [1001, -1000]


def test_a_standby_that_lags_too_much_gets_a_negative_score(pair):
    pair["srv2"].sql("SELECT pg_wal_replay_pause()")
    assert pair["srv1"].monitor(maxlag="1000").code == 8
    assert pair.store.score("srv2") == 1000    # what it wrote counts, not what it replayed


@pytest.mark.parametrize("name", ["x\x1fy", "a'b\"c", "srv2 ", "(srv", "\n", "é", "standby"])
def test_a_hostile_application_name_disturbs_nobody(steady, name):
    receiver = subprocess.Popen(
        [f"{bindir()}/pg_receivewal", "-h", str(steady.sockets), "-p",
         str(steady["srv1"].server.port), "-U", owner().pw_name, "-D", str(steady.folder),
         "--no-loop"],
        env={"PGAPPNAME": name, "PATH": "/usr/bin:/bin"}, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: steady["srv1"].value("SELECT count(*) FROM pg_stat_replication") == 3,
                   "pg_receivewal to stream")
        assert steady["srv1"].monitor().code == 8
        assert sorted(steady.store.scores("srv1", "srv2", "srv3")) == [990, 1000, 1001]
    finally:
        receiver.kill()
        receiver.wait()


@pytest.mark.parametrize("program, how", [
    ("cibadmin", "fail"), ("cibadmin", "hang"), ("crm_attribute", "fail"),
    ("crm_attribute", "hang")])
def test_trouble_with_the_cluster_does_not_fail_a_primary(steady, program, how):
    steady.store.breaks(program, how)
    run = steady["srv1"].monitor(timeout=10)
    steady.store.repairs(program)
    assert run.code == 8 and "scores could not be brought up to date" in run.log


# What it costs

@pytest.mark.fast
def test_a_standbys_monitor_starts_one_program(steady, counted):
    watch, started = counted
    watch(steady["srv2"])
    assert steady["srv2"].monitor().code == 0
    assert started() == ["psql"]
    assert steady["srv2"].monitor().calls == ()


def test_a_primarys_monitor_starts_two_whatever_the_number_of_nodes(steady, counted):
    settle(steady)
    watch, started = counted
    watch(steady["srv1"])
    run = steady["srv1"].monitor()
    assert started() == ["psql"] and [call.program for call in run.calls] == ["cibadmin"]


def test_a_steady_cluster_says_nothing(steady):
    settle(steady)
    for name in SETTLED:
        run = steady[name].monitor()
        assert (run.err, run.log) == ("", "")


@pytest.mark.fast
def test_a_probe_of_a_stopped_instance_says_nothing(idle):
    run = idle.agent("monitor")
    assert (run.code, run.err, run.log) == (7, "", "")
    # does it have last words that are older than what is there?
    assert [call.program for call in run.calls] == ["cibadmin"]


# What it does not wait for

def test_a_monitor_does_not_wait_for_a_synchronous_standby(primary):
    primary.configure("synchronous_standby_names = 'nobody'")
    primary.sql("SELECT pg_reload_conf()")
    assert primary.monitor(timeout=20).code == 8


def test_a_monitor_does_not_wait_for_a_lock(running_primary):
    connection = running_primary.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("LOCK pg_catalog.pg_database IN ACCESS SHARE MODE")
        assert running_primary.monitor(timeout=20).code == 8
    connection.close()


def test_a_monitor_writes_nothing_to_the_server(running_primary):
    def still():
        """Return whether nothing was written; the background writer may write at any moment."""
        before = running_primary.value("SELECT pg_current_wal_insert_lsn()")
        running_primary.monitor()
        return running_primary.value("SELECT pg_current_wal_insert_lsn()") == before
    assert any(still() for _ in range(5))


def test_debug_lines_show_the_notification_as_the_talk_does(idle):
    lists = dict(kind="pre", operation="start", start="srv1", inactive="pgsqld")
    run = idle.agent("notify", lists=lists, HA_debug="1", HA_DEBUGLOG=str(idle.log),
                     HA_LOGFILE=None)
    assert "start => [" in run.log and "rsc => 'pgsqld', uname => 'srv1'" in run.log


@pytest.mark.since(15)    # sessions open shared memory when they begin
def test_a_server_whose_shared_memory_was_removed_is_recovered(node):
    node.configure("dynamic_shared_memory_type = posix")
    node.start()
    # statistics that need more memory than the server has from the beginning: sessions open it
    node.sql("DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format("
             "'CREATE TABLE s%s(); INSERT INTO s%s DEFAULT VALUES', i, i); END LOOP; END $$")
    assert node.monitor().code == 8
    names = set()
    for pid in node.processes():
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            names |= {line.split()[-1] for line in maps if "/dev/shm/PostgreSQL." in line}
    for name in names:
        os.unlink(name)
    found = node.monitor()
    assert found.code == 1, (names, found)
    assert "PAF-E311 the shared memory of the server was removed" in found.err
