"""`make demo`: start three nodes and play the demonstrations, one after the other.

Exit status 0 only if every one went as it should and no acknowledged row was lost.
"""

import argparse
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from lab import owner, scenarios
from lab.lab import Lab
from lab.settings import CHECKOUT
from lab.tools import LabError, interruptible
from trials.demo import acts, screen

LOGS = CHECKOUT / "build" / "demo-logs"
#: An outage in ms that is no failure on a busy machine, and whose reason should be looked for.
LONG_OUTAGE = 30_000
#: What KEEP=1 prints, and a test runs; docs/first-steps.md goes on from here.
COMMANDS = (
    ("status", "nodes, servers, Pacemaker's picture"),
    ("run {dc} paf status", "PAF's own table"),
    ("run {dc} paf timeline", "what happened, in order"),
    ("transitions --last 600", "what Pacemaker did"),
    ("down", "the end of it"),
)


def main(arguments=None):
    """Play, report, and tidy up; return the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--agent", default="ours", help="ours, perl, or a .deb")
    parser.add_argument("--only", default="12345", metavar="12345", help="the acts to play")
    parser.add_argument("--summary", metavar="FILE", help="write the results there, as JSON")
    options = parser.parse_args(arguments)
    demo = Demo(options)
    demo.play()
    status = demo.finish()
    if options.summary:
        Path(options.summary).write_text(json.dumps(demo.results()) + "\n", encoding="utf-8")
    return status


class Demo:
    """A run of the demo."""

    def __init__(self, options):
        self.options = options
        self.began = time.monotonic()
        self.played, self.failures = [], []     # (title, what happened) of each act; what was wrong
        self.lab: Any = None
        self.started = False

    def play(self):
        """Start the cluster and play the acts, until all are played or one breaks off."""
        try:
            self._start()
            for act in acts.ALL:
                if str(act.__doc__)[0] in self.options.only:
                    self._play(act)
        except KeyboardInterrupt:
            self.failures.append("the demo was interrupted")
        except LabError as error:
            self.failures.append(f"the demo broke off: {error}")

    def _start(self):
        screen.title("Three nodes: corosync, Pacemaker, fencing, PostgreSQL")
        taken = owner.why_taken("demo")
        self.lab = Lab(owner.free_name("demo"), nodes=3, agent=self.options.agent,
                       postgres=scenarios.SYNCHRONOUS)
        if self.lab.name != "demo":
            screen.paragraph(f"This one is {self.lab.name!r}: {taken or 'demo is taken'}")
        with screen.progress("booting, and waiting for a primary"):
            self.lab.up()
        self.started = True
        screen.picture("up", screen.nodes(self.lab))

    def _play(self, act):
        name, *lines = act.__doc__.strip().splitlines()
        screen.title(name)
        screen.paragraph(" ".join(line.strip() for line in lines))
        account = act(self.lab)
        screen.act(account)
        self.played.append((name, account))
        self.failures += [f"{name}: {sentence}" for sentence in account.wrong]

    def finish(self):
        """Say how it ended, keep or remove the cluster, return the exit status."""
        seconds = time.monotonic() - self.began
        slow = [name for name, account in self.played
                if (account.play.client.outage_ms or 0) > LONG_OUTAGE]
        if (self.failures or slow) and self.lab and self.lab.is_up:
            screen.text(*(f"{name}: a long outage" for name in slow))
            self._gather()
        screen.title(f"{'FAILED' if self.failures else 'All went as it should'}, {seconds:.0f} s")
        if self.played:
            screen.summary(self.rows())
        for failure in self.failures:
            screen.failure(failure)
        self._end()
        return 1 if self.failures else 0

    def _gather(self):
        try:
            self.lab.gather(LOGS)
            screen.text(f"The logs of all nodes are in {LOGS}")
        except (LabError, OSError) as error:
            screen.text(f"The logs of the nodes could not be gathered: {error}")

    def _end(self):
        """Keep the cluster if that was asked for and it has started; say so. Else remove it."""
        if not self.lab:
            return
        if self.options.keep and self.started and self.lab.is_up:
            self.lab.keep()
            if not self.failures:
                self._tidy()
            screen.text("", f"The cluster stays up; from {CHECKOUT}:")
            lines = commands(self.lab.name, self.lab.status().dc)
            width = max(len(line) for line in lines)
            for line, (_, words) in zip(lines, COMMANDS):
                screen.text(f"    {line:{width}}  # {words}")
            screen.text("docs/first-steps.md goes on from here.")
            return
        self.lab.down()
        if self.options.keep:
            screen.text("The cluster did not start, and nothing of it is left up.")

    def _tidy(self):
        """Forget the failures that were played, as an administrator does who has read them."""
        with screen.progress("crm_resource --cleanup"):
            try:
                self.lab.cleanup()
                self.lab.wait_settled()
                scenarios.wait_for_ranks(self.lab)
            except LabError as error:
                screen.text(f"The cluster is not tidy yet: {error}")

    def rows(self):
        """Return the rows of the summary."""
        return [(name, account.play.client.outage_ms, account.play.client.rows,
                 "?" if account.play.client.lost is None else len(account.play.client.lost),
                 len(account.play.fencings), not account.wrong) for name, account in self.played]

    def results(self):
        """Return what was seen, to be written as JSON."""
        return {"seconds": round(time.monotonic() - self.began, 1), "failures": self.failures,
                "remarks": [words for _, account in self.played for words in account.remarks],
                "acts": [dict(zip(("title", "outage_ms", "rows", "lost", "fenced", "good"), row))
                         for row in self.rows()]}


def commands(name, dc):
    """Return the commands for a lab that is kept, as they are typed in the checkout.

    dc: the node whose Pacemaker has the logs of what was decided.
    """
    place = os.environ.get("PAF_LAB_DIR")
    prefix = f"PAF_LAB_DIR={shlex.quote(place)} " if place else ""
    return [f"{prefix}python3 -m lab --lab {name} {words.format(dc=dc)}" for words, _ in COMMANDS]


if __name__ == "__main__":
    sys.exit(interruptible(main))
