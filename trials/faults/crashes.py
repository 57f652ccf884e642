"""Servers that die or hang."""

import time

from lab import scenarios
from trials.faults import tools
from trials.faults.model import Table
from lab.tools import wait_until

TABLE = Table()
_TIMELINE = "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
#: Two monitors of each role.
SEVERAL_MONITORS = 13


def timeline(lab, node):
    """Return the timeline that a primary writes."""
    return int(lab.nodes[node].value(_TIMELINE), 16)


@TABLE.row(1, "postmaster of the primary killed (kill -9)", "kill -9 under load",
           "recovered where it was, no write in between; one new timeline; no row lost",
           reason="crashed primary")
def primary_killed(scene):
    before = timeline(scene.lab, scene.old)
    scenarios.kill_primary(scene.lab)
    scene.settled(primary=scene.old)
    assert scene.actions() == [(operation, scene.old) for operation in
                               ("demote", "stop", "start", "promote")], scene.actions()
    assert timeline(scene.lab, scene.old) == before + 1


@TABLE.row(2, "postmaster of a standby killed (kill -9)", "kill -9 under load",
           "restarted as a standby; the primary goes on", reason="crashed standby", budget=8)
def standby_killed(scene):
    victim = scenarios.kill_standby(scene.lab)
    scene.settled(primary=scene.old)
    assert scene.actions() == [("stop", victim), ("start", victim)], scene.actions()


@TABLE.row(3, "a backend killed (kill -9)", "kill -9 of the client's backend on the primary",
           "PostgreSQL restarts itself; Pacemaker does nothing", quick=True)
def backend_killed(scene):
    old = scene.lab.nodes[scene.old]
    old.sql("checkpoint", timeout=60)    # the recovery is a short one

    def killed():
        """Kill the client's backend; the client may be about to connect again."""
        pid = old.value(
            f"select pid from pg_stat_activity where application_name = '{scene.play.run}'")
        return pid and old.kill(pid)
    wait_until(killed, 60, "the client's backend", step=0.1)
    scene.client.wait_rows(100)
    time.sleep(SEVERAL_MONITORS)
    assert scene.actions() == [], scene.actions()
    scene.settled(primary=scene.old)


@TABLE.row(4, "all processes of the primary hang", "SIGSTOP for postmaster and backends",
           "monitor fails in time, the instance is stopped and recovered; no node fenced",
           reason="does not answer in time")
def all_stopped(scene):
    scenarios.strike(scene.lab, scene.old, "stop", "postgres")
    scene.settled()
    assert ("stop", scene.old) in scene.actions()


@TABLE.row(5, "a backend hangs, a pile-up of locks, connections used up",
           "SIGSTOP of a backend; the client's table locked; then all connections taken, the "
           "superusers' too: each for several monitors",
           "Pacemaker does nothing", budget=None, quick=True)
def no_connections(scene):
    lab, old = scene.lab, scene.lab.nodes[scene.old]
    with tools.connections(lab, scene.old, 1, "set application_name = 'frozen'"):
        pid = old.value("select pid from pg_stat_activity where application_name = 'frozen'")
        old.freeze(pid)
        with tools.connections(lab, scene.old, 1,
                               "lock table paf_lab_rows in access exclusive mode"):
            time.sleep(SEVERAL_MONITORS)
        with tools.connections(lab, scene.old, 99) as held:
            assert held > 20
            assert not old.sql("select 1", check=False), "connections are left"
            time.sleep(SEVERAL_MONITORS)
        old.signal("cont", pid)
    wait_until(lambda: old.sql("select 1", check=False), 20, "a free connection", step=0.2)
    assert scene.actions() == [], scene.actions()
    scene.settled(primary=scene.old)
