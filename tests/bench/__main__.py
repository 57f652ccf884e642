"""python3 -m tests.bench [--runs 7] [--quick] [--peer perl]: measure, print, write the page."""

import argparse
import contextlib
import json
import os
import sys
import time

from tests.bench import costs, page, scenes
from tests.conftest import REPOSITORY
from tests.lab.lab import Lab
from tests.lab.tools import LabError

RESULTS = REPOSITORY / "build" / "bench" / "results.json"
#: Each of the two agents has its own cluster; what is measured alternates between them.
OURS = "ours"
SETTINGS = {"token": 1000}
STEADY = 60     # seconds for which CIB writes are counted


def say(text):
    """Print a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def outages(labs, runs, results, wanted):
    """Play each scene that is wanted on each agent's lab in turn, `runs` times."""
    for number in range(1, runs + 1):
        for name, play, broken in scenes.SCENES:
            if wanted and name.split()[0] not in wanted:
                continue
            for agent, lab in labs.items():
                note(results, agent, name, attempt(lab, play), f"run {number}/{runs}")
                if broken:
                    lab.reset()


def attempt(lab, play):
    """Play a scene; return (phases, durations), or None if it failed, with a whole cluster."""
    try:
        lab.wait_candidates(90)
        return play(lab)
    except LabError as error:
        say(f"  failed: {' '.join(str(error).split())[:200]}")
        lab.reset()
        return None


def note(results, agent, name, outcome, which):
    """Keep and tell what came of a scene."""
    mine = results[agent]["outages"].setdefault(name, [])
    if outcome is None:
        results[agent]["failed"].append(name)
        return
    phases, durations = outcome
    mine.append(phases)
    for label, seconds in durations.items():
        results[agent]["actions"].setdefault(name, {}).setdefault(label, []).append(seconds)
    say(f"{which}, {agent}: {name}: "
        + ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases.items()))


def steady(labs, runs, results, seconds):
    """Measure monitors, idle notifications and CIB writes on clusters at rest."""
    for agent, lab in labs.items():
        lab.wait_candidates(90)
        count = len(lab.nodes)
        found = results[agent]["costs"][str(count)] = costs.monitors(lab, runs)
        for what, values in found.items():
            say(f"{agent}, {count} nodes: {what}: "
                + ", ".join(f"{key} {value:.0f}" for key, value in values.items()))
        if seconds:
            results[agent]["cib writes"] = costs.cib_writes(lab, seconds)
            say(f"{agent}: CIB writes per minute under load: {results[agent]['cib writes']:.1f}")


@contextlib.contextmanager
def clusters(agents, nodes):
    """Yield {agent: Lab}, all up."""
    with contextlib.ExitStack() as stack:
        yield {agent: stack.enter_context(Lab(f"bench-{agent}-{nodes}", nodes, agent, **SETTINGS))
               for agent in agents}


def measure(options):
    """Return all results, as they are written to the file."""
    agents = (OURS, options.peer)
    results = {agent: {"outages": {}, "actions": {}, "costs": {}, "failed": []}
               for agent in agents}
    say(f"three nodes, {options.runs} runs of each fault")
    with clusters(agents, 3) as labs:
        steady(labs, 5 if options.quick else 20, results, 0 if options.quick else STEADY)
        outages(labs, options.runs, results, options.scenes)
    for nodes in () if options.quick or options.three else (5, 9):
        for agent in agents:
            with clusters((agent,), nodes) as labs:
                steady(labs, 20, results, 0)
    return {"runs": options.runs, "peer": options.peer, "date": time.strftime("%Y-%m-%d"),
            "load": os.getloadavg()[2], "results": results}


def main(arguments=None):
    """Measure, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="how often each fault is played")
    parser.add_argument("--quick", action="store_true", help="one run, three nodes, no page")
    parser.add_argument("--scenes", nargs="*", default=(), help="some only: switchover crash power "
                        "partition")
    parser.add_argument("--three", action="store_true", help="no clusters of 5 and 9 nodes")
    parser.add_argument("--peer", choices=("perl",), default="perl", help="the other agent")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs = 1
    if not options.page:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        results = measure(options)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    print("\n" + page.tables(results))
    if not options.quick:
        page.write(results)
        print(f"written: {page.PAGE.relative_to(REPOSITORY)}")
    print(f"results: {RESULTS.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
