"""python3 -m trials.partitions --rounds 20: the primary cut off under load; is it whole by itself?

A round holds if no two nodes take writes, and it ends in one of two ways. Whole without a person:
each instance takes part again, and no acknowledged row is lost. Or stopped: commits that a client
may rely on exist only on the old primary, which stays stopped and says how many; with ANY 1 no row
may be lost there either. A round that ends otherwise has a problem, and the exit status is 1.
"""

import argparse
import re
import shutil
import sys
import time
from dataclasses import dataclass, field

from lab import scenarios
from lab.lab import Lab
from lab.owner import free_name
from lab.settings import CHECKOUT
from lab.tools import LabError, interruptible, wait_until
from trials.faults import audits
from trials.faults.stage import whole_or_stopped

LOGS = CHECKOUT / "build" / "partitions"
_MONITORS = {"monitor:Promoted": {"interval": "5s", "timeout": "10s"},
             "monitor:Unpromoted": {"interval": "6s", "timeout": "10s"}}
#: Seconds until the network is repaired, in turn.
_CUTS = (0, 5)
_WHOLE = 240
#: What a reason says of what a client may rely on. Source: paf/decide/loss.py.
_NAMED = re.compile(r"exist only here, among them (1|\d+) (?:commits?|prepared transactions?)")


@dataclass
class Round:
    """What was seen of a round.

    stopped: the instances that stay so (node to reason); lost: rows that the client had got
    acknowledged and the cluster lacks at the end.
    """

    number: int
    old: str = ""
    problems: list = field(default_factory=list)
    stopped: dict = field(default_factory=dict)
    said: str = ""
    lost: int = 0
    seconds: float = 0.0

    @property
    def end(self):
        """How it ended, for people."""
        if self.problems:
            return "; ".join(self.problems)
        if self.stopped:
            return "; ".join(f"stopped: {node} names {named(reason)} of its own"
                             for node, reason in self.stopped.items())
        return f"whole without a person{', ' + self.said if self.said else ''}"

    def __str__(self):
        return f"{self.number:>5}  {self.old:<11}  {self.seconds:>7.0f}  {self.lost:>9}  {self.end}"


HEADING = "round  old primary  seconds  lost rows  end"


def named(reason):
    """Return what a reason names that a client may rely on ("3 commits"), "" for nothing; pure."""
    found = _NAMED.search(reason)
    return found.group(0).partition("among them ")[2] if found else ""


def judged(one, synchronous):
    """Return the problems (a list of str) of how a Round ended; pure."""
    found = [f"{node} stays stopped and names no commit: {reason or 'no reason'}"
             for node, reason in one.stopped.items() if not named(reason)]
    if one.lost and (synchronous or not one.stopped):
        # without a synchronous standby they are on the old primary, which has to say so
        found.append(f"{one.lost} acknowledged rows lost")
    return found


def summary(played, wanted):
    """Return the line at the end; played: Rounds; wanted: how many there were to be; pure."""
    whole = sum(not one.problems and not one.stopped for one in played)
    stopped = [one for one in played if not one.problems and one.stopped]
    bad = sum(bool(one.problems) for one in played)
    return (f"{wanted} rounds wanted, {len(played)} played: {whole} whole without a person; "
            f"{len(stopped)} stopped with their commits named; {bad} with a problem; "
            f"{sum(one.lost for one in played)} acknowledged rows lost, "
            f"{sum(one.lost for one in stopped)} of them kept on a stopped old primary")


def settings(synchronous, fencing, delay=0):
    """Return what the Lab takes; delay: seconds that fencing takes to cut the power."""
    return {"postgres": scenarios.SYNCHRONOUS if synchronous else {}, "fencing": fencing,
            "fence_delay": delay, "operations": _MONITORS}


def play(lab, number, synchronous):
    """Play a round on a whole cluster; return the Round."""
    result, began = Round(number), time.monotonic()
    scenarios.wait_for_ranks(lab)
    with scenarios.watched(lab, settled=False, durable=synchronous) as seen:
        result.old = lab.primary()
        try:
            _cut_off(lab, result.old, _CUTS[number % len(_CUTS)])
            result.stopped = whole_or_stopped(lab, _WHOLE)
            lab.client(seen.run).wait_rows(50, 120)
        except LabError as error:
            result.problems.append(f"not whole again: {error}")
    result.lost = len(seen.client.lost or ())
    result.problems += [*audits.two_primaries(seen), *audits.history(seen)]
    if seen.client.lost is None:
        result.problems.append("it is not known which acknowledged rows are lost")
    result.problems += judged(result, synchronous)
    result.seconds = time.monotonic() - began
    if not result.stopped:
        result.said = _said(lab, result.old)
    return result


def _cut_off(lab, old, seconds):
    """Cut the primary off, wait until another serves, and repair the network."""
    lab.cut(old)
    lab.wait_settled(120, online=[name for name in lab.nodes if name != old], not_primary=old)
    time.sleep(seconds)
    lab.mend()
    wait_until(lambda: lab.nodes[old].is_on, 60, f"{old} to have power", step=0.2)


def _said(lab, node):
    """Return what the agent said last when it rewound this node, "" for nothing."""
    lines = [line for line in lab.nodes[node].log().splitlines()
             if "exist only here" in line and "rewinding" in line]
    return lines[-1].partition("exist only here, ")[2].partition(";")[0] if lines else ""


def _keep(lab, node, number):
    """Keep what `paf lost` says of an instance that stays stopped, its WAL, and the logs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    result = lab.nodes[node].run(["paf", "lost", "--all"], check=False)
    (LOGS / f"round-{number}-{node}.txt").write_text(result.output, encoding="utf-8")
    wal = lab.nodes[node].disk.path(lab.settings.pgdata) / "pg_wal"
    shutil.copytree(wal, LOGS / f"round-{number}-{node}-wal", dirs_exist_ok=True)
    lab.gather(LOGS / f"round-{number}")


def rounds(lab, count, synchronous):
    """Play rounds; return them. The first with a problem is the last."""
    played = []
    print(HEADING, flush=True)
    for number in range(1, count + 1):
        try:
            one = play(lab, number, synchronous)
        except LabError as error:
            one = Round(number, problems=[f"the cluster is not fit for a round: {error}"])
        played.append(one)
        print(one, flush=True)
        if one.problems:
            lab.gather(LOGS / f"round-{number}")
            return played
        for node in one.stopped:
            _keep(lab, node, number)
            scenarios.rebuild(lab, node)
        lab.cleanup()
        lab.wait_settled(180)
    return played


def main(arguments=None):
    """Play; return the exit status: 0 if every round was played and ended as it has to."""
    parser = argparse.ArgumentParser(prog="make partitions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--synchronous", action="store_true", help="ANY 1 of the standbys")
    parser.add_argument("--no-fencing", action="store_true")
    parser.add_argument("--fence-delay", type=int, default=0, metavar="SECONDS",
                        help="from the request of a fencing to the cut of the power (0)")
    options = parser.parse_args(arguments)
    with Lab(free_name("partitions"), **settings(
            options.synchronous, not options.no_fencing, options.fence_delay)) as lab:
        played = rounds(lab, options.rounds, options.synchronous)
    print(summary(played, options.rounds))
    return 0 if len(played) == options.rounds and not any(one.problems for one in played) else 1


if __name__ == "__main__":
    sys.exit(interruptible(main))
