"""What can be broken at any moment, also in the middle of a transition.

Each takes the lab and the name of a node, and returns what repairs it (or None). What cannot be
broken now, because the node is off or runs no server, is no error.
"""

from dataclasses import dataclass

from lab import scenarios
from trials.faults import tools
from lab.tools import LabError


@dataclass(frozen=True)
class Injection:
    """do(lab, node); target: 'primary', 'standby' or 'any'; fences: it may cause fencing."""

    name: str
    target: str
    do: object
    fences: bool = False
    loses: bool = False     # rows, where standbys are asynchronous


def _kill(program):
    def do(lab, node):
        lab.nodes[node].kill(program)
    return do


def _freeze(program):
    def do(lab, node):
        lab.nodes[node].freeze(program)
        return lambda: lab.nodes[node].thaw(program)    # to a new process it is nothing
    return do


def _power_off(lab, node):
    lab.power_off(node)
    return lambda: lab.power_on(node)


def _cut(lab, node):
    lab.cut(node)
    return lambda: lab.mend(node)


def _slow(lab, node):
    lab.impair(node, latency=40, jitter=20, loss=1)
    return lambda: lab.mend(node)


def _replication_cut(lab, node):
    cut = tools.replication_cut(lab, node)
    cut.__enter__()
    return lambda: cut.__exit__(None, None, None)


def _move(lab, node):
    scenarios.request_switchover(lab, node)
    return lambda: scenarios.withdraw_request(lab)


def _stand_by(lab, node):
    set_standby(lab, node, True)
    return lambda: set_standby(lab, node, False)


def set_standby(lab, node, on):
    """Take a node out of service or back, and wait for nothing."""
    how = ["--update", "on"] if on else ["--delete"]
    lab.any_node().run(["crm_attribute", "--node", node, "--name", "standby", "--lifetime",
                        "forever", *how], check=on)


ALL = (
    Injection("kill -9 the postmaster", "primary", _kill("postmaster")),
    Injection("kill -9 the postmaster", "standby", _kill("postmaster")),
    Injection("kill -9 the checkpointer", "primary", _kill("checkpointer")),
    Injection("kill -9 the WAL receiver", "standby", _kill("walreceiver")),
    Injection("kill -9 the attribute manager", "any", _kill("pacemaker-attrd"), fences=True),
    Injection("SIGSTOP the postmaster", "any", _freeze("postmaster"), fences=True),
    Injection("SIGSTOP the WAL receiver", "standby", _freeze("walreceiver")),
    Injection("cut the power", "primary", _power_off, fences=True, loses=True),
    Injection("cut the power", "standby", _power_off, fences=True),
    Injection("cut the network", "primary", _cut, fences=True, loses=True),
    Injection("cut the network", "standby", _cut, fences=True),
    Injection("a bad wire", "any", _slow, fences=True, loses=True),
    Injection("cut replication", "standby", _replication_cut),
    Injection("switchover", "standby", _move),
    Injection("node in standby mode", "any", _stand_by),
)

#: What may go wrong with an injection because of the one before.
IMPOSSIBLE = (LabError, ProcessLookupError)
