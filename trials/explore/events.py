"""What happens to a cluster whose nodes are in the states that were drawn."""

from lab import scenarios
from lab.cib import CLONE, RESOURCE
from lab.tools import wait_until
from trials.explore.moves import PRIMARY, STANDBY, Moves
from trials.explore.states import node_attribute

EVENTS = Moves()
#: The longest clean stop of Pacemaker, in seconds.
_SHUTDOWN = 240


@EVENTS.row("crash")
def crash(lab, node):
    """Kill -9 of the postmaster."""
    lab.nodes[node].kill("postmaster")


@EVENTS.row("power-cut", fences=True, loses=True)
def power_cut(lab, node):
    """Its power is cut, and stays off."""
    lab.nodes[node].fence_policy("off")
    lab.power_off(node)
    return lambda: _switch_on(lab, node)


@EVENTS.row("power-cycle", fences=True, loses=True)
def power_cycle(lab, node):
    """Its power is cut; it boots at once."""
    lab.nodes[node].reboot()


@EVENTS.row("partition", fences=True, loses=True)
def partition(lab, node):
    """Its network is cut."""
    lab.nodes[node].fence_policy("off")
    lab.cut(node)

    def undo():
        lab.mend(node)
        _switch_on(lab, node)
    return undo


@EVENTS.row("move", roles=(STANDBY,))
def move(lab, node):
    """The primary is moved to it."""
    scenarios.request_switchover(lab, node)
    return lambda: scenarios.withdraw_request(lab)


@EVENTS.row("promote-by-hand", roles=(STANDBY,), by_hand=True)
def promote_by_hand(lab, node):
    """It is promoted by pg_ctl, beside the primary."""
    scenarios.promote_by_hand(lab, node)


@EVENTS.row("node-standby", roles=(PRIMARY,))
def node_standby(lab, node):
    """The primary's node goes into standby mode."""
    node_attribute(lab, node, "standby", "on")
    return lambda: node_attribute(lab, node, "standby", None)


@EVENTS.row("ban", roles=(PRIMARY,))
def ban(lab, node):
    """The primary is banned from its node."""
    lab.any_node().run(["crm_resource", "--ban", "--resource", CLONE, "--node", node])
    return lambda: lab.any_node().run(["crm_resource", "--clear", "--resource", CLONE], check=False)


@EVENTS.row("pacemaker-stop")
def pacemaker_stop(lab, node):
    """Pacemaker is stopped cleanly."""
    booted = lab.nodes[node].pid
    lab.nodes[node].signal("term", "pacemakerd")
    return lambda: _boot_again(lab.nodes[node], booted)


@EVENTS.row("cold-start", roles=(PRIMARY,))
def cold_start(lab, _node):
    """The power of all nodes is cut; all boot."""
    lab.power_off()
    lab.power_on()


@EVENTS.row("cold-start-without", roles=(PRIMARY,), fences=True, loses=True)
def cold_start_without(lab, node):
    """The power of all nodes is cut; all boot but the primary."""
    lab.nodes[node].fence_policy("off")
    lab.power_off()
    lab.power_on(*(name for name in lab.nodes if name != node))
    return lambda: _switch_on(lab, node)


@EVENTS.row("parameter", roles=(PRIMARY,))
def parameter(lab, _node):
    """Maxlag is changed."""
    _maxlag(lab, "2000000")


@EVENTS.row("typo", roles=(PRIMARY,))
def typo(lab, _node):
    """Maxlag gets a value that it cannot have."""
    _maxlag(lab, "1MB")


@EVENTS.row("restart", roles=(PRIMARY,))
def restart(lab, _node):
    """The clone is restarted."""
    lab.any_node().run(["crm_resource", "--restart", "--resource", CLONE, "--timeout", "90s"],
                       check=False, timeout=200)


def _maxlag(lab, value):
    lab.any_node().run(["crm_resource", "--resource", RESOURCE, "--set-parameter", "maxlag",
                        "--parameter-value", value])


def _boot_again(node, booted):
    """Boot a node whose Pacemaker was stopped, unless something else has done so: it is a member.

    booted: the pid of the node's process 1 when it was stopped. A slow cluster takes its time.
    """
    if node.pid in (None, booted):
        wait_until(lambda: not node.pids("pacemakerd"), _SHUTDOWN, "Pacemaker to end", step=0.2)
        node.reboot()


def _switch_on(lab, node):
    lab.nodes[node].fence_policy("reboot")
    lab.power_on(node)
