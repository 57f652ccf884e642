"""python3 -m trials.soak --minutes 20 --seed 1: faults at random until the time is up."""

import argparse
import sys
import time

from lab import scenarios
from lab.settings import CHECKOUT
from lab.lab import Lab
from lab.owner import free_name
from lab.tools import LabError, interruptible
from trials.soak import steps

LOGS = CHECKOUT / "build" / "soak"
MAXLAG = 1 << 20
#: nodes, synchronous
CLUSTERS = ((3, True), (3, False), (5, True), (5, False))


def settings(nodes, synchronous):
    """Return what the Lab of a cluster takes."""
    names = ", ".join(f"srv{number}" for number in range(1, nodes + 1))
    return {
        "nodes": nodes,
        "postgres": {"synchronous_standby_names": f"ANY 1 ({names})"} if synchronous else {},
        "parameters": {} if synchronous else {"maxlag": str(MAXLAG)},
        "operations": {"monitor:Promoted": {"interval": "5s", "timeout": "10s"},
                       "monitor:Unpromoted": {"interval": "6s", "timeout": "10s"}}}


def soak(cluster, seed, first, until):
    """Play steps on a cluster until the time is up; return (next step, problems)."""
    nodes, synchronous = cluster
    print(f"{nodes} nodes, {'' if synchronous else 'a'}synchronous", flush=True)
    with Lab(free_name("soak"), **settings(nodes, synchronous)) as lab:
        player, number = steps.Player(lab, synchronous, MAXLAG), first
        while time.monotonic() < until:
            scenarios.wait_for_ranks(lab)
            step = steps.draw(seed, number)
            print(f"  step {number}: {step}", flush=True)
            try:
                problems, words = player.play(step)
            except LabError as error:
                problems, words = [str(error)], "not whole again"
            print(f"    {words}", flush=True)
            if problems:
                lab.gather(LOGS / f"seed-{seed}-step-{number}")
                return number, [f"step {number}: {problem}" for problem in problems]
            number += 1
        return number, player.history()


def main(arguments=None):
    """Soak; return the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first step")
    parser.add_argument("--nodes", type=int, choices=(3, 5), help="only clusters of so many")
    options = parser.parse_args(arguments)
    clusters = [one for one in CLUSTERS if options.nodes in (None, one[0])]
    begin, number = time.monotonic(), options.first
    for index, cluster in enumerate(clusters, 1):
        until = begin + options.minutes * 60 * index / len(clusters)
        number, problems = soak(cluster, options.seed, number, until)
        if problems:
            print("\n".join(problems))
            print(f"replay: python3 -m trials.soak --seed {options.seed} --first {number} "
                  f"--minutes 1 --nodes {cluster[0]}; logs in {LOGS.relative_to(CHECKOUT)}")
            return 1
    print(f"{number - options.first} steps of seed {options.seed}: all audits hold")
    return 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
