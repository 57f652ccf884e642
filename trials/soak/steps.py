"""The steps of a soak: what is drawn from the seed, how it is played and audited."""

import contextlib
import random
import time
from dataclasses import dataclass

from lab import scenarios
from trials.faults import audits
from trials.faults.stage import whole_or_stopped
from lab.tools import LabError, wait_until
from trials.soak import injections

#: Row, index and commit record of one of the client's rows in the WAL, at the least.
ROW_BYTES = 150


@dataclass(frozen=True)
class Strike:
    """One injection: on which node (a number, modulo those that fit), after how many seconds."""

    injection: injections.Injection
    number: int
    after: float


@dataclass(frozen=True)
class Step:
    """What is broken in one go: one or two strikes, and how long they last."""

    number: int
    strikes: tuple
    seconds: float

    def __str__(self):
        return " and ".join(f"{strike.injection.name} ({strike.injection.whom} {strike.number}, "
                            f"after {strike.after:.1f} s)" for strike in self.strikes)


def draw(seed, number):
    """Return step `number` of a seed: the same one always, whatever came before."""
    dice = random.Random(f"{seed}/{number}")
    strikes = tuple(Strike(dice.choice(injections.ALL), dice.randrange(4),
                           dice.choice((0, 0.5, 1, 2, 4)) if index else 0)
                    for index in range(dice.choice((1, 1, 2))))
    return Step(number, strikes, dice.uniform(3, 15))


def target(lab, strike, primary):
    """Return the name of the node that a strike is for."""
    if strike.injection.whom == "primary":
        return primary
    names = [name for name in lab.nodes if strike.injection.whom == "any" or name != primary]
    return names[strike.number % len(names)]


class Player:
    """Plays steps on a lab and remembers all that was acknowledged."""

    def __init__(self, lab, synchronous, maxlag):
        self.lab, self.synchronous, self.maxlag = lab, synchronous, maxlag
        self.before = audits.configuration(lab)
        self.lost = {}      # run -> rows that may be missing

    def play(self, step):
        """Play a step; return (problems, words on what was measured)."""
        with scenarios.watched(self.lab, settled=False, durable=self.synchronous) as play:
            primary = self.lab.primary()
            self._strike(step, primary)
            stopped = whole_or_stopped(self.lab, 300)
            self.lab.client(play.run).wait_rows(50, 120)
        problems = [*audits.two_primaries(play), *audits.history(play), *self._rows(step, play),
                    *self._fenced(step, play)]
        for node in stopped:
            scenarios.rebuild(self.lab, node)
        self.lab.wait_settled(180)
        problems += audits.copies(self.lab, play.run)
        self.lab.cleanup()
        self.lab.wait_settled(180)    # what was cleaned up is probed again
        problems += [*audits.processes(self.lab), *audits.files(self.lab),
                     *audits.attributes(self.lab), *audits.leftovers(self.lab, self.before)]
        words = (f"outage {play.client.outage_ms} ms, {len(play.client.lost or ())} lost, "
                 f"{len(play.fencings)} fenced, {len(stopped)} rebuilt")
        return problems, words

    def _strike(self, step, primary):
        mend = []
        for strike in step.strikes:
            time.sleep(strike.after)
            with contextlib.suppress(*injections.IMPOSSIBLE):
                mend.append(strike.injection.do(self.lab, target(self.lab, strike, primary)))
        time.sleep(step.seconds)
        for undo in reversed(mend):
            if undo is not None:
                with contextlib.suppress(*injections.IMPOSSIBLE):
                    undo()
        self._mend_all()

    def _mend_all(self):
        """Leave nothing broken that could not be mended when its time had come."""
        self.lab.mend()
        self.lab.power_on()
        wait_until(self._is_in_service, 300, "all nodes to be members, and none in standby mode",
                   step=0.5)

    def _is_in_service(self):
        """Take back what was asked of Pacemaker; tell whether that reached all nodes.

        A node that was cut off may bring its own configuration back: what was said there in its
        last second with a quorum.
        """
        with contextlib.suppress(LabError):
            scenarios.withdraw_request(self.lab)
            for name in self.lab.nodes:
                injections.set_standby(self.lab, name, False)
            state = self.lab.status()
            return state is not None and all(
                state.nodes.get(name) == "online" for name in self.lab.nodes)
        return False

    def _rows(self, step, play):
        lost = play.client.lost
        self.lost[play.run] = len(lost or ())
        if lost is None:
            return ["no primary is left to look for the rows"]
        may = not self.synchronous and any(strike.injection.loses for strike in step.strikes)
        allowed = self.maxlag // ROW_BYTES if may else 0
        return [f"{len(lost)} rows lost, {allowed} allowed"] if len(lost) > allowed else []

    @staticmethod
    def _fenced(step, play):
        if any(strike.injection.fences for strike in step.strikes):
            return []
        return audits.fencings(play, ())

    def history(self):
        """Return what is wrong with the rows of all steps together, now."""
        return [f"{run}: {len(report.lost)} rows lost, {known} when it ended"
                for run, known in self.lost.items()
                for report in [self.lab.client(run).report()] if len(report.lost) != known]
