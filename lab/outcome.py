"""The outcome of a fault for a node, asked until Pacemaker has finished with it.

While Pacemaker probes, starts or recovers an instance, it may look like one that came back, and
soon afterwards not: a failed start, for one, is shown as FAILED on the node until the stop that
follows it. So an outcome counts only if nothing is pending, nothing that failed is still active,
the DC is idle, and two looks agree.
"""

import time
from dataclasses import dataclass

from .cib import RESOURCE
from .tools import Deadline, LabError

PRIMARY, STREAMS, DIVERGED = "is the primary", "streams", "has diverged"
FAILED, STOPPED, OFF = "has failed", "is stopped", "is off"


@dataclass(frozen=True)
class Outcome:
    """What happened to a node; `reason` is the agent's, of the last failure."""

    node: str
    what: str
    reason: str = ""

    @property
    def takes_part(self):
        """True for a primary and for a standby that streams."""
        return self.what in (PRIMARY, STREAMS)

    @property
    def is_refused(self):
        """True if the instance stays stopped, with a reason, until an administrator acts."""
        return self.what in (DIVERGED, FAILED) and self.reason != ""

    def __str__(self):
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.node} {self.what}{reason}"


def outcome_of(lab, name, seconds=150):
    """Wait until Pacemaker has finished with a node; return its Outcome."""
    return outcomes(lab, seconds, [name])[name]


def outcomes(lab, seconds=150, names=None, wanted=lambda _: True):
    """Wait until Pacemaker has finished with the nodes (all); return {name: Outcome}.

    wanted: what has to be true of each Outcome; anything else is only on the way. LabError says
    what was seen last.
    """
    names, before = list(names or lab.nodes), None
    deadline = Deadline(seconds)
    while True:
        found, words = _look(lab, names)
        if not words and found == before and all(wanted(item) for item in found.values()):
            return found
        if deadline.passed():
            seen = words or [str(item) for item in found.values() if not wanted(item)]
            raise LabError(f"after {seconds:g} s lab {lab.name!r} is not finished with "
                           f"{', '.join(names)}: {'; '.join(seen) or 'it keeps changing'}")
        before = None if words else found
        time.sleep(0.4)


def _look(lab, names):
    """Return ({name: Outcome}, []), or (None, what is not finished)."""
    try:
        state = lab.look()
        if state is None:
            return None, [lab.describe()]
        if not state.dc or not state.quorum:
            return None, ["no DC elected by a majority"]
        found, words = {}, []
        for name in names:
            answer = _outcome(lab, state, name)
            if isinstance(answer, Outcome):
                found[name] = answer
            else:
                words.append(f"{name} {answer}")
        # last: what was read above is then the end of what the DC had to do
        if not words and not lab.is_idle(state):
            words.append(f"the DC {state.dc} is busy")
        return found, words
    except LabError as error:
        return None, [str(error)]


def _outcome(lab, state, name):
    """Return a node's Outcome, or in words what is not finished there."""
    seen = state.nodes.get(name, "unknown")
    if not lab.nodes[name].is_on:
        return Outcome(name, OFF) if seen == "offline" else f"has no power and is seen {seen}"
    if seen not in ("online", "standby", "maintenance"):
        return f"is {seen}"
    here = [item for item in state.instances if (item.resource, item.node) == (RESOURCE, name)]
    doing = [item.doing for item in here if item.doing]
    if doing:
        return f"is {doing[0]}"
    failed = [item for item in here if item.failed]
    if failed and not failed[0].blocked:
        return f"has failed as {failed[0].role}, and is not stopped yet"
    if failed or not here:
        return _stopped(state, name)
    return _running(lab, state, here[0])


def _stopped(state, name):
    mine = [item for item in state.failures
            if item.node == name and item.operation.split("_")[0].split(":")[0] == RESOURCE]
    starts = [item for item in mine if "_start_" in item.operation]
    if not mine:
        return Outcome(name, STOPPED)
    reason = " ".join((starts or mine)[-1].reason.split())
    return Outcome(name, DIVERGED if "diverged" in reason else FAILED, reason)


def _running(lab, state, instance):
    if instance.promoted:
        writes = lab.nodes[instance.node].in_recovery() is False
        return Outcome(instance.node, PRIMARY) if writes else "is promoted and takes no writes"
    for primary in state.promoted(RESOURCE):
        if instance.node in lab.streaming_now(primary):
            return Outcome(instance.node, STREAMS)
    return "runs and does not stream"
