"""Two nodes: one of them has quorum (`two_node` and `wait_for_all` of corosync)."""

import time

from trials.faults.crashes import SEVERAL_MONITORS
from trials.faults.model import Table
from trials.faults.networks import come_back, stays_off
from lab.tools import wait_until

TABLE = Table()
STAGE = "two nodes"


def fail_over(scene):
    """Cut the primary's power; return the name of the other node, which is the primary then."""
    stays_off(scene.lab, scene.old)
    scene.foresee(scene.old)
    scene.lab.power_off(scene.old)
    wait_until(lambda: scene.lab.primary_now() in scene.others, 120, "another primary", step=0.2)
    scene.came_true()
    return scene.others[0]


def names(lab, node, text):
    """Set synchronous_standby_names on a node; None: as it was."""
    lab.nodes[node].sql("alter system reset synchronous_standby_names" if text is None else
                        f"alter system set synchronous_standby_names = '{text}'")
    lab.nodes[node].sql("select pg_reload_conf()")


def alone(scene):
    """Have the survivor take writes alone, as its administrator decides, and lose its power."""
    new = fail_over(scene)
    names(scene.lab, new, "")
    scene.client.wait_rows(100, 60)
    scene.lab.power_off(new)
    scene.lab.nodes[scene.old].fence_policy("reboot")
    return new


def again(scene, new):
    """Wait until the survivor is the primary with a standby, which commits wait for again."""
    scene.settled(primary=new)
    names(scene.lab, new, None)


@TABLE.row(55, "two nodes: power cut of the primary", "the other one has half of the votes",
           "fenced, the standby is promoted; commits wait until there is a standby again",
           stage=STAGE, budget=None)
def primary_off(scene):
    fail_over(scene)
    come_back(scene.lab, scene.old)
    return [scene.old]


@TABLE.row(56, "two nodes: the survivor was alone, both are started",
           "power cut of the primary; the other takes writes without a standby, and loses its "
           "power too; both are switched on at once",
           "the survivor is the primary again; the other follows it, or says why not",
           stage=STAGE, budget=None)
def both_started(scene):
    new = alone(scene)
    scene.lab.power_on()
    again(scene, new)
    return [scene.old]


@TABLE.row(57, "two nodes: the survivor was alone, the other one is started first",
           "the same; the first primary, whose data are old, is switched on alone, and later the "
           "survivor", "no node is promoted or fenced before both were there "
           "(`wait_for_all`); then the survivor is", stage=STAGE, budget=None)
def old_one_first(scene):
    new = alone(scene)
    scene.lab.power_on(scene.old)
    time.sleep(SEVERAL_MONITORS)
    assert scene.lab.primary_now() is None, "the one with old data was promoted"
    scene.lab.power_on(new)
    again(scene, new)
    return [scene.old]


@TABLE.row(58, "two nodes cut from each other", "the packets between them are dropped; "
           "`priority-fencing-delay`, and a priority for the primary",
           "the standby is fenced, the primary stays", stage=STAGE, budget=None)
def cut_from_each_other(scene):
    other, = scene.others
    stays_off(scene.lab, other)
    scene.lab.cut(scene.old, other)
    wait_until(lambda: not scene.lab.nodes[other].is_on, 90, f"{other} to be fenced", step=0.2)
    come_back(scene.lab, other)
    scene.settled(primary=scene.old)
    assert ("demote", scene.old) not in scene.actions()
    return [other]
