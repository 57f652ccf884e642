"""python3 -m trials.explore --minutes 30 --seed 1: states crossed with events, until time is up."""

import argparse
import shlex
import sys
import time

from lab import scenarios
from lab.lab import Lab
from lab.settings import CHECKOUT
from lab.owner import free_name
from lab.tools import LabError, interruptible
from trials.explore import steps
from trials.explore.explorer import Explorer

LOGS = CHECKOUT / "build" / "explore"
MAXLAG = 1 << 20
#: Nodes of the clusters, in turn.
NODES = (3, 4)
_MINIMISE = 8       # plays at most


def settings(nodes):
    """Return what the Lab of a cluster takes."""
    return {"nodes": nodes, "parameters": {"maxlag": str(MAXLAG)},
            "operations": {"monitor:Promoted": {"interval": "5s", "timeout": "10s"},
                           "monitor:Unpromoted": {"interval": "6s", "timeout": "10s"}}}


class Exploration:
    """One lab, and the steps played on it."""

    def __init__(self, name, nodes):
        self.nodes = nodes
        self.lab = Lab(name, **settings(nodes))
        self.explorer = None

    def __enter__(self):
        self.lab.up()
        self.explorer = Explorer(self.lab, MAXLAG)
        return self

    def __exit__(self, *_):
        self.lab.down()

    def play(self, step, logs=None):
        """Play a step on a whole cluster; return its problems. After one, the lab is a new one."""
        begin = time.monotonic()
        try:
            scenarios.wait_for_ranks(self.lab)
            problems, words = self.explorer.play(step)
        except LabError as error:
            problems, words = [f"the cluster is not fit for a step: {error}"], "not played"
        print(f"    {time.monotonic() - begin:.0f} s: {words}", flush=True)
        if problems:
            if logs:
                self.lab.gather(logs)
            self.lab.down()
            self.__enter__()
        return problems

    def minimise(self, step):
        """Return the smallest step found that fails as well, by leaving out one thing at a time."""
        plays, tried = 0, set()
        while True:
            for smaller in step.smaller():
                if str(smaller) in tried:
                    continue
                if plays == _MINIMISE:
                    return step
                plays += 1
                tried.add(str(smaller))
                print(f"    does it fail with less: {smaller}", flush=True)
                if self.play(smaller):
                    step = smaller
                    break
            else:
                return step


def explore(exploration, draw, until, minimise=True):
    """Play what `draw()` yields until the time is up; return the report lines of the failures."""
    failures = []
    for label, step in draw:
        if time.monotonic() > until:
            break
        print(f"  {label}: {step}", flush=True)
        problems = exploration.play(step, LOGS / label.replace(" ", "-"))
        if problems:
            print("".join(f"    PROBLEM: {problem}\n" for problem in problems), end="", flush=True)
            least = exploration.minimise(step) if minimise else step
            failures.append("\n".join([
                f"{label} fails: {'; '.join(problems)}",
                f"  replay: python3 -m trials.explore --nodes {exploration.nodes} --step "
                f"{shlex.quote(str(least))}",
                f"  logs: {(LOGS / label.replace(' ', '-')).relative_to(CHECKOUT)}"]))
            print(failures[-1], flush=True)
    return failures


def _arguments(arguments):
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first step")
    parser.add_argument("--nodes", type=int, choices=NODES, help="only clusters of so many")
    parser.add_argument("--step", type=steps.parse, action="append", help="play this step alone")
    parser.add_argument("--times", type=int, default=1, help="how often the steps are played")
    parser.add_argument("--as-is", action="store_true", help="do not minimise what fails")
    parser.add_argument("--lab", default="explore", help="name of the lab")
    return parser.parse_args(arguments)


def _drawn(options, nodes):
    number = options.first
    while True:
        yield f"seed {options.seed} step {number}", steps.draw(options.seed, number, nodes)
        number += 1


def main(arguments=None):
    """Explore; return the exit status."""
    options, failures = _arguments(arguments), []
    sizes = [nodes for nodes in NODES if options.nodes in (None, nodes)]
    begin = time.monotonic()
    for index, nodes in enumerate(sizes[:1] if options.step else sizes, 1):
        print(f"{nodes} nodes", flush=True)
        with Exploration(free_name(options.lab), nodes) as exploration:
            if options.step:
                draw = [(f"replay {number}", step) for number, step in enumerate(
                    options.step * options.times, 1)]
                failures += explore(exploration, draw, float("inf"), minimise=False)
            else:
                until = begin + options.minutes * 60 * index / len(sizes)
                failures += explore(exploration, _drawn(options, nodes), until, not options.as_is)
    print("\n".join(failures) or "all audits hold")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
