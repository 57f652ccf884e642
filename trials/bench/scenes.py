"""What is measured of an outage: each function plays it once, and returns seconds by phase.

Times are epoch seconds: Pacemaker's from its logs, the client's converted.
"""

import itertools
import time

from lab.cib import RESOURCE
from lab.tools import LabError, wait_until

#: A shorter pause of the client is none of the fault's, in seconds.
NOTICEABLE = 0.3
#: All actions that clients waited for: what is left of an outage is Pacemaker's, and the address's.
TOGETHER = "all but monitors, together"
_numbers = itertools.count(1)


class Seen:
    """What the client and Pacemaker's logs show of one outage, from the moment `fault` on."""

    def __init__(self, lab, fault, report):
        self.fault = fault
        self.transitions = [item for item in lab.transitions(fault - 1)]
        self.actions = [action for item in self.transitions for action in item.actions
                        if action.start and action.start >= fault - 0.005]
        shift = time.time() - time.monotonic()
        self.gaps = [(gap.start + shift, gap.end + shift) for gap in report.gaps
                     if gap.seconds >= NOTICEABLE and gap.end + shift > fault]

        if not self.gaps:
            raise LabError("the client saw no outage")

    @property
    def writes(self):
        """When the last gap between acknowledged rows ended."""
        return self.gaps[-1][1]

    @property
    def total(self):
        """All that Pacemaker's logs would split into phases, of a cluster without Pacemaker."""
        return {"total": self.writes - self.fault}

    @property
    def longest(self):
        """The seconds of the longest time without rows."""
        return max(end - start for start, end in self.gaps)

    def first(self, *operations):
        """Return the first action with one of these operations."""
        found = [action for action in self.actions if action.operation in operations]
        if not found:
            raise LabError(f"Pacemaker did not {' or '.join(operations)}")
        return min(found, key=lambda action: action.start)

    def durations(self, begin):
        """Return {label: seconds} of the resource's actions; the longest of each.

        TOGETHER is how long at least one of them ran between `begin` and the first row.
        """
        found = {}
        for action in self._own():
            found[action.label] = max(found.get(action.label, 0), action.seconds)
        if found:    # with Pacemaker
            found[TOGETHER] = union([(max(action.start, begin), min(action.end, self.writes))
                                     for action in self._own() if action.operation != "monitor"])
        return found

    def _own(self):
        return [action for action in self.actions
                if action.resource == RESOURCE and action.seconds is not None]


def union(spans):
    """Return for how many seconds at least one of the (start, end) spans lasts."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _watched(lab, old, fault, **expected):
    """Write, play the fault, wait until it is over (see Settle); return what was seen.

    old: the primary. Its recovery is not waited for: some agents leave it stopped.
    """
    # a name for each: a client that starts must not be confused with the one before
    client = lab.client(f"bench{next(_numbers)}")
    client.patience = client.IMPATIENT
    with client:
        client.wait_rows(100)
        begin = lab.now()
        fault()
        _wait_for_outage(client)
        wait_until(lambda: _at_rest(lab, old, **expected) and _at_rest(lab, old, **expected), 120,
                   "the cluster to be settled", step=0.3)
        client.wait_rows(100, 60)
    return Seen(lab, begin, client.report())


def _wait_for_outage(client):
    """Wait until rows are acknowledged after a pause.

    Reads only the client's log: questions to the cluster cost processor time.
    """
    log = client.folder / "acks.log"
    wait_until(lambda: time.time() - log.stat().st_mtime > NOTICEABLE, 60, "an outage", step=0.02)
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size > size, 120, "the outage to end", step=0.05)


def _at_rest(lab, old, **expected):
    aside = (old, lab.primary())
    standbys = [name for name in lab.nodes if name not in aside]
    return not lab.settle(standbys=standbys, **expected).missing()


def switchover(lab):
    """An undisturbed switchover: the time without writes."""
    old, target = lab.primary(), lab.favourite()
    try:
        seen = _watched(lab, old, lambda: lab.request_switchover(target), not_primary=old)
    finally:
        lab.withdraw_request()
    begin, _ = max(seen.gaps, key=lambda gap: gap[1] - gap[0])
    return {"without writes": seen.longest}, seen.durations(begin)


def crash(lab):
    """kill -9 of the primary's postmaster."""
    old = lab.primary()
    seen = _watched(lab, old, lambda: lab.nodes[old].kill("postmaster"))
    if lab.settings.services:
        return seen.total, {}
    first = seen.first("notify", "demote", "stop")
    phases = {"until seen": first.start - seen.fault, "recovery": seen.writes - first.start}
    lab.cleanup()
    return phases, seen.durations(first.start)


def _fenced(lab, fault, old):
    lab.nodes[old].fence_policy("off")
    others = [name for name in lab.nodes if name != old]
    seen = _watched(lab, old, fault, online=others)
    if lab.settings.services:
        return seen.total, {}
    fence = seen.first("fence")
    phases = {"until seen": fence.start - seen.fault, "fencing": fence.end - fence.start,
              "recovery": seen.writes - fence.end}
    return phases, seen.durations(fence.end)


def power_cut(lab):
    """The primary's node loses its power."""
    old = lab.primary()
    return _fenced(lab, lambda: lab.power_off(old), old)


def partition(lab):
    """The primary's node loses its network."""
    old = lab.primary()
    return _fenced(lab, lambda: lab.cut(old), old)


SCENES = {
    "switchover": switchover,
    "crash of the primary": crash,
    "power cut of the primary": power_cut,
    "partition of the primary": partition,
}
