"""Nodes and servers that do not reach each other."""

import time

from lab import scenarios
from trials.faults import tools
from trials.faults.crashes import SEVERAL_MONITORS
from trials.faults.model import Table
from lab.tools import wait_until

TABLE = Table()


def stays_off(lab, node):
    """Fencing leaves the node off; `come_back` switches it on."""
    lab.nodes[node].fence_policy("off")


def come_back(lab, node):
    """Repair the network and switch on."""
    lab.mend()
    lab.nodes[node].fence_policy("reboot")
    lab.power_on(node)


@TABLE.row(6, "the primary is cut off, with fencing", "its network port goes down under load",
           "the majority fences it and promotes the best; the old one comes back or says why not",
           quick=True)
def primary_cut(scene):
    stays_off(scene.lab, scene.old)
    scene.foresee(scene.old)
    scene.lab.cut(scene.old)
    scene.settled(online=scene.others, not_primary=scene.old)
    come_back(scene.lab, scene.old)
    return [scene.old]


@TABLE.row(7, "the primary is cut off, without fencing",
           "its network port goes down, it writes rows of its own, the network is repaired",
           "it loses quorum and is stopped; another is promoted; back again it is never promoted, "
           "and says that it has diverged", stage="no fencing", reason="diverged: ")
def primary_cut_unfenced(scene):
    old = scene.lab.nodes[scene.old]
    scene.foresee(scene.old)
    scene.lab.cut(scene.old)
    old.sql("set synchronous_commit = local; create table only_here as select 1")
    scene.settled(online=scene.others, not_primary=scene.old)
    wait_until(lambda: not old.pids("postmaster"), 60, f"{scene.old} to be stopped", step=0.2)
    new = scene.lab.primary()
    scene.lab.mend()
    wait_until(lambda: scene.shows("diverged: "), 60, "the divergence to be shown", step=0.5)
    scene.settled(primary=new, stopped=[scene.old])


@TABLE.row(8, "a standby is cut off", "its network port goes down under load",
           "it is fenced and comes back; the primary goes on", budget=8)
def standby_cut(scene):
    victim = scenarios.ranked_standbys(scene.lab)[0]
    stays_off(scene.lab, victim)
    scene.foresee(victim)
    scene.lab.cut(victim)
    wait_until(lambda: not scene.lab.nodes[victim].is_on, 60, f"{victim} to be fenced", step=0.2)
    scene.client.wait_rows(100)
    come_back(scene.lab, victim)
    scene.settled(primary=scene.old)
    assert ("demote", scene.old) not in scene.actions()
    return [victim]


@TABLE.row(9, "only replication is interrupted", "a standby's packets to the servers are dropped",
           "no failover; its score drops to -1000, and rises again; the node's attributes say "
           "why, and nothing is recovered", budget=8, quick=True,
           reason="does not stream from the primary")
def replication_cut(scene):
    victim = scenarios.ranked_standbys(scene.lab)[0]
    with tools.replication_cut(scene.lab, victim):
        wait_until(lambda: scenarios.scores(scene.lab).get(victim) == "-1000", 120,
                   "the score of who is not connected", step=0.5)
        wait_until(lambda: scene.shows("does not stream"), 60, "the reason", step=0.5)
        wait_until(lambda: scene.shows("PAF-E309 this standby does not stream"), 180,
                   f"the monitor on {victim} to say that it is degraded", step=0.5)
        scene.client.wait_rows(100)
    scenarios.wait_for_ranks(scene.lab)
    scene.settled(primary=scene.old)
    assert scene.actions() == [], scene.actions()


@TABLE.row(38, "the network flaps for less than the token", "the primary's port down for 0.3 s",
           "nothing happens", budget=8)
def flap(scene):
    scene.lab.cut(scene.old)
    time.sleep(0.3)
    scene.lab.mend()
    time.sleep(SEVERAL_MONITORS)
    assert scene.actions() == [], scene.actions()
    scene.settled(primary=scene.old)


@TABLE.row(37, "the virtual address is gone", "removed from the primary's interface by hand",
           "Pacemaker brings it back; the instances are left alone", budget=60)
def address_gone(scene):
    from lab.settings import VIP
    scene.lab.nodes[scene.old].run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"])
    rows = scene.client.rows()
    wait_until(lambda: scene.client.rows() > rows + 200, 60, "the address to come back", step=0.2)
    scene.settled(primary=scene.old)
    assert scene.actions() == [], scene.actions()
