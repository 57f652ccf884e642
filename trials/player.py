"""Plays steps on a cluster, one after the other, and audits after each: for soak and explore.

A step says what is broken (`disturb`), which nodes may be fenced for it and whether asynchronous
clusters may lose rows; the rest is the same for all.
"""

import contextlib

from lab import scenarios
from lab.tools import LabError, wait_until
from trials.faults import audits
from trials.faults.stage import whole_or_stopped

#: Bytes of WAL that each row of the client needs at least: row, index entry, commit record.
ROW_BYTES = 150
_WHOLE = 300    # seconds


class Player:
    """Plays steps on a lab; a subclass says how a step breaks something.

    synchronous: whether no acknowledged row may be lost. maxlag: bytes that may be, otherwise.
    """

    def __init__(self, lab, synchronous, maxlag):
        self.lab, self.synchronous, self.maxlag = lab, synchronous, maxlag
        self.before = audits.configuration(lab)
        self.lost = {}      # run -> rows that may be missing

    def disturb(self, step, play):
        """Break what the step says, and take it back; return problems seen meanwhile."""
        raise NotImplementedError

    def fenced(self, step, play):
        """Return the problems with what was fenced."""
        raise NotImplementedError

    def losses_allowed(self, step):
        """Return how many acknowledged rows may be lost."""
        return 0 if self.synchronous else self.maxlag // ROW_BYTES

    def at_rest(self, step, stopped):
        """Return problems seen once the obstacles are gone, before failures are cleaned up.

        stopped: {node: reason} of the instances that wait for an administrator.
        """
        return []

    def play(self, step):
        """Play a step; return (problems, words on what was measured)."""
        problems, stopped = [], None
        with scenarios.watched(self.lab, settled=False, durable=self.synchronous) as play:
            try:
                problems += self.disturb(step, play)
                stopped = whole_or_stopped(self.lab, _WHOLE)
                # without the stopped ones a rule of synchronous standbys may let no commit end
                if not (stopped and self.synchronous):
                    self.lab.client(play.run).wait_rows(50, 120)
            except LabError as error:    # what was seen is reported anyway
                problems.append(f"not whole again: {error}")
        problems += [*audits.two_primaries(play), *audits.history(play), *self._rows(step, play),
                     *self.fenced(step, play)]
        words = (f"outage {play.client.outage_ms} ms, {len(play.client.lost or ())} lost, "
                 f"{len(play.fencings)} fenced, {len(stopped or ())} rebuilt")
        if stopped is not None:
            problems += self.at_rest(step, stopped)
            problems += self._restore(play, stopped)
        return problems, words

    def _restore(self, play, stopped):
        """Rebuild what has to be rebuilt; return what is still not as it was."""
        for node in stopped:
            scenarios.rebuild(self.lab, node)
        self.lab.wait_settled(180)
        found = audits.copies(self.lab, play.run)
        self.lab.cleanup()
        self.lab.wait_settled(180)    # what was cleaned up is probed again
        return found + [*audits.processes(self.lab), *audits.files(self.lab),
                        *audits.attributes(self.lab), *audits.leftovers(self.lab, self.before)]

    def _rows(self, step, play):
        lost = play.client.lost
        self.lost[play.run] = len(lost or ())
        if lost is None:
            return ["no primary is left to look for the rows"]
        allowed = self.losses_allowed(step)
        return [f"{len(lost)} rows lost, {allowed} allowed"] if len(lost) > allowed else []

    def wait_in_service(self, take_back):
        """Repair what could not be repaired when its time had come.

        take_back: called until all nodes are members in service; takes back what was asked of
        Pacemaker. A node that was cut off may bring its own configuration back: what was said
        there in its last second with a quorum.
        """
        def in_service():
            with contextlib.suppress(LabError):
                take_back()
                state = self.lab.look()
                return state is not None and all(
                    state.nodes.get(name) == "online" for name in self.lab.nodes)
            return False
        self.lab.mend()
        self.lab.power_on()
        wait_until(in_service, _WHOLE, "all nodes to be members in service", step=0.5)

    def history(self):
        """Return what is wrong with the rows of all steps together, now."""
        return [f"{run}: {len(report.lost)} rows lost, {known} when it ended"
                for run, known in self.lost.items()
                for report in [self.lab.client(run).report()] if len(report.lost) != known]
