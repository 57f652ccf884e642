"""The states that a node can be in when something happens."""

from lab import outcome, scenarios
from lab.cib import CLONE, RESOURCE
from lab.tools import LabError, wait_until
from trials.explore.moves import PRIMARY, STANDBY, Moves
from trials.faults import tools

STATES = Moves()


def node_attribute(lab, node, name, value):
    """Set a lasting attribute of a node, as administrators do; None removes it."""
    how = ["--delete"] if value is None else ["--update", value]
    lab.any_node().run(["crm_attribute", "--node", node, "--name", name, "--lifetime", "forever",
                        *how], check=value is not None)


def meta(lab, name, value):
    """Set a meta attribute of the clone; None removes it."""
    how = (["--delete-parameter", name] if value is None
           else ["--set-parameter", name, "--parameter-value", value])
    lab.any_node().run(["crm_resource", "--resource", CLONE, "--meta", *how],
                       check=value is not None)


def _held(context):
    """Enter a context; return what leaves it."""
    context.__enter__()
    return lambda: context.__exit__(None, None, None)


def _frozen(lab, node, program):
    lab.nodes[node].freeze(program)
    return lambda: lab.nodes[node].thaw(program)


@STATES.row("running")
def running(_lab, _node):
    """As it should be."""


@STATES.row("standby-mode", roles=(STANDBY,))
def standby_mode(lab, node):
    """The node is in Pacemaker's standby mode."""
    node_attribute(lab, node, "standby", "on")
    wait_until(lambda: not lab.nodes[node].pids("postmaster"), 60, f"{node} to stop", step=0.2)
    return lambda: node_attribute(lab, node, "standby", None)


@STATES.row("maintenance", unmanaged=True)
def maintenance(lab, node):
    """The node is in maintenance."""
    node_attribute(lab, node, "maintenance", "true")
    return lambda: node_attribute(lab, node, "maintenance", None)


@STATES.row("unmanaged", roles=(PRIMARY,), unmanaged=True)
def unmanaged(lab, _node):
    """The clone is unmanaged."""
    meta(lab, "is-managed", "false")
    return lambda: meta(lab, "is-managed", None)


@STATES.row("stopped", roles=(STANDBY,))
def stopped(lab, node):
    """A ban keeps the instance from the node."""
    lab.any_node().run(["crm_resource", "--ban", "--resource", CLONE, "--node", node])
    wait_until(lambda: not lab.nodes[node].pids("postmaster"), 60, f"{node} to stop", step=0.2)
    return lambda: lab.any_node().run(["crm_resource", "--clear", "--resource", CLONE,
                                       "--node", node], check=False)


@STATES.row("diverged", roles=(PRIMARY,), fences=True)
def diverged(lab, node):
    """The old primary came back with rows that no other node has."""
    assert scenarios.diverge(lab) == node
    lab.power_on(node)
    found = outcome.outcome_of(lab, node)
    if found.what != outcome.DIVERGED:
        raise LabError(f"{node} has not diverged: {found}")


@STATES.row("lagging", roles=(STANDBY,))
def lagging(lab, node):
    """Its packets to the servers are dropped."""
    return _held(tools.replication_cut(lab, node))


@STATES.row("deaf", roles=(STANDBY,))
def deaf(lab, node):
    """SIGSTOP of its WAL receiver."""
    return _frozen(lab, node, "walreceiver")


@STATES.row("replay-paused", roles=(STANDBY,))
def replay_paused(lab, node):
    """Replay is paused."""
    lab.nodes[node].sql("select pg_wal_replay_pause()")
    return lambda: lab.nodes[node].sql(
        "select pg_wal_replay_resume() where pg_is_in_recovery()", check=False)


@STATES.row("replay-held-up", roles=(STANDBY,))
def replay_held_up(lab, node):
    """A transaction that may stay as long as it likes keeps replay from going on."""
    return _held(tools.replay_held_up(lab, node))


@STATES.row("hung", fences=True)
def hung(lab, node):
    """SIGSTOP of the postmaster."""
    return _frozen(lab, node, "postmaster")


@STATES.row("frozen", fences=True)
def frozen(lab, node):
    """SIGSTOP of all processes of the server."""
    return _frozen(lab, node, "postgres")


@STATES.row("full")
def full(lab, node):
    """All connections are taken, the superusers' too."""
    return _held(tools.connections(lab, node, 99))


@STATES.row("slow", fences=True, loses=True)
def slow(lab, node):
    """A bad wire: 40 ms and 1 % loss."""
    lab.impair(node, latency=40, jitter=20, loss=1)
    return lambda: lab.mend(node)


def reset(lab):
    """Take back, on all nodes, whatever states and events have asked of Pacemaker."""
    lab.clear()
    for name in lab.nodes:
        for attribute in ("standby", "maintenance"):
            node_attribute(lab, name, attribute, None)
    for name in ("is-managed", "target-role"):
        meta(lab, name, None)
    given = lab.settings.parameters.get("maxlag")
    how = (["--delete-parameter", "maxlag"] if given is None
           else ["--set-parameter", "maxlag", "--parameter-value", given])
    lab.any_node().run(["crm_resource", "--resource", RESOURCE, *how], check=False)
