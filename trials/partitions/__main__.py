"""python3 -m trials.partitions --rounds 20: the primary cut off under load; is it whole by itself?

A round holds if no acknowledged row is lost and no two nodes take writes, and each instance takes
part again without a person. Where a commit that a client may rely on exists only on the old
primary, it has to stay stopped, with the reason: such rounds are counted apart.
"""

import argparse
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


@dataclass
class Round:
    """What was seen of a round: problems, and the instances that stay stopped (node to reason)."""

    number: int
    old: str = ""
    problems: list = field(default_factory=list)
    stopped: dict = field(default_factory=dict)
    said: str = ""
    lost: int = 0
    seconds: float = 0.0

    def __str__(self):
        end = "; ".join(self.problems or [
            f"{node} stays stopped: {reason}" for node, reason in self.stopped.items()])
        return (f"{self.number:>3} {self.old} {self.seconds:>4.0f} s  {self.lost} lost  "
                f"{end or 'whole by itself'}{', ' + self.said if self.said else ''}")


def settings(synchronous, fencing):
    """Return what the Lab takes."""
    return {"postgres": scenarios.SYNCHRONOUS if synchronous else {}, "fencing": fencing,
            "operations": _MONITORS}


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
    if synchronous:
        result.problems += audits.rows(seen)
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
    """Keep what `paf lost` says of an instance that stays stopped."""
    LOGS.mkdir(parents=True, exist_ok=True)
    result = lab.nodes[node].run(["paf", "lost", "--all"], check=False)
    (LOGS / f"round-{number}-{node}.txt").write_text(result.output, encoding="utf-8")


def rounds(lab, count, synchronous):
    """Play rounds; return them. The first with a problem is the last."""
    played = []
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
    """Play; return the exit status: 0 if every round held, whether or not a person was needed."""
    parser = argparse.ArgumentParser(prog="make partitions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--synchronous", action="store_true", help="ANY 1 of the standbys")
    parser.add_argument("--no-fencing", action="store_true")
    options = parser.parse_args(arguments)
    with Lab(free_name("partitions"),
             **settings(options.synchronous, not options.no_fencing)) as lab:
        played = rounds(lab, options.rounds, options.synchronous)
    bad = sum(bool(one.problems) for one in played)
    alone = sum(not one.problems and not one.stopped for one in played)
    print(f"{alone} of {options.rounds} rounds whole by themselves, "
          f"{sum(bool(one.stopped) for one in played)} with an instance that stays stopped, "
          f"{sum(one.lost for one in played)} rows lost")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
