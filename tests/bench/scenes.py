"""What is measured of an outage: each function plays it once, and returns seconds by phase.

Times are epoch seconds: Pacemaker's from its logs, the client's converted.
"""

import itertools
import time

from tests import scenarios
from tests.lab.cib import RESOURCE
from tests.lab.tools import LabError, wait_until

#: A shorter pause of the client is none of the fault's, in seconds.
NOTICEABLE = 0.3
_numbers = itertools.count(1)


class Seen:
    """What the client and Pacemaker's logs tell of one outage, from the moment `fault` on."""

    def __init__(self, lab, fault, report):
        self.fault = fault
        self.transitions = [item for item in lab.transitions(fault - 1)]
        self.actions = [action for item in self.transitions for action in item.actions
                        if action.start and action.start >= fault - 0.005]
        shift = time.time() - time.monotonic()
        self.gaps = [(gap.start + shift, gap.end + shift) for gap in report.gaps
                     if gap.seconds >= NOTICEABLE and gap.end + shift > fault]

    @property
    def writes(self):
        """When rows were acknowledged again for good."""
        if not self.gaps:
            raise LabError("the client saw no outage")
        return self.gaps[-1][1]

    def first(self, *operations):
        """Return the first action with one of these operations."""
        found = [action for action in self.actions if action.operation in operations]
        if not found:
            raise LabError(f"Pacemaker did not {' or '.join(operations)}")
        return min(found, key=lambda action: action.start)

    def durations(self):
        """Return {label: seconds} of the resource's actions; the longest of each."""
        found = {}
        for action in self.actions:
            if action.resource == RESOURCE and action.seconds is not None:
                found[action.label] = max(found.get(action.label, 0), action.seconds)
        return found


def _watched(lab, fault, wait):
    """Write, play the fault, wait; return what was seen."""
    # a name for each: a client that starts must not be taken for the one before
    with lab.client(f"bench{next(_numbers)}") as client:
        client.wait_rows(200)
        begin = lab.now()
        fault()
        wait()
        client.wait_rows(200, 60)
    return Seen(lab, begin, client.report())


def switchover(lab):
    """An undisturbed switchover: the time without writes."""
    old = lab.primary()
    target = scenarios.ranked_standbys(lab)[0]
    try:
        seen = _watched(lab, lambda: scenarios.request_switchover(lab, target),
                        lambda: lab.wait_settled(90, primary=target, not_primary=old))
    finally:
        scenarios.withdraw_request(lab)
    start, end = max(seen.gaps, key=lambda gap: gap[1] - gap[0])
    return {"without writes": end - start}, seen.durations()


def crash(lab):
    """kill -9 of the primary's postmaster."""
    old = lab.primary()

    def fault():
        lab.nodes[old].kill("postmaster")

    def wait():
        scenarios.wait_until_noticed(lab, old)
        lab.wait_settled(120)
    seen = _watched(lab, fault, wait)
    first = seen.first("notify", "demote", "stop")
    phases = {"until seen": first.start - seen.fault, "recovery": seen.writes - first.start}
    lab.cleanup()
    lab.wait_settled(60)
    return phases, seen.durations()


def _fenced(lab, fault, old):
    lab.nodes[old].fence_policy("off")
    others = [name for name in lab.nodes if name != old]
    seen = _watched(lab, fault, lambda: _wait_for_another(lab, old, others))
    fence = seen.first("fence")
    phases = {"until seen": fence.start - seen.fault, "fencing": fence.end - fence.start,
              "recovery": seen.writes - fence.end}
    return phases, seen.durations()


def _wait_for_another(lab, old, others):
    wait_until(lambda: lab.primary() not in (None, old), 120, "another primary", step=0.2)
    lab.wait_settled(60, online=others, standbys=[
        name for name in others if name != lab.primary()])


def power_cut(lab):
    """The primary's node loses its power."""
    old = lab.primary()
    return _fenced(lab, lambda: lab.power_off(old), old)


def partition(lab):
    """The primary's node loses its network."""
    old = lab.primary()
    return _fenced(lab, lambda: lab.cut(old), old)


#: Name, function, whether the lab has to be made whole afterwards.
SCENES = (
    ("switchover", switchover, False),
    ("crash of the primary", crash, False),
    ("power cut of the primary", power_cut, True),
    ("partition of the primary", partition, True),
)
