"""python3 -m trials.bench [--peer PEER] [--sync | --load]: measure, print, write the page."""

import argparse
import json
import os
import sys
import time

from trials.bench import modes, page, several, targets
from trials.bench.measure import Measurement
from trials.faults import store
from lab.settings import CHECKOUT
from lab.tools import interruptible

RESULTS = CHECKOUT / "build" / "bench"


def measure(options, path):
    """Play everything; write the results, after each step those so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"runs": options.runs, "peer": options.peer, "mode": modes.of(options).name,
             "agent": store.agent(), "load before": os.getloadavg()[0]}

    def save(results):
        text = json.dumps({**facts, "date": time.strftime("%Y-%m-%d"),
                           "load": os.getloadavg()[2], "results": results}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
    Measurement(options, save).run()


def main(arguments=None):
    """Measure, print, write; return the exit status: 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="how often each fault is played")
    parser.add_argument("--quick", action="store_true",
                        help="one run, three nodes; no verdict")
    parser.add_argument("--scenes", nargs="*", default=(), help="some only: switchover crash power "
                        "partition")
    parser.add_argument("--three", action="store_true", help="no clusters of 5 and 9 nodes")
    parser.add_argument("--peer", choices=modes.PEERS, default="perl",
                        help="the other agent; beside patroni outages alone")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--sync", action="store_true", help="outages where commits wait for a "
                       "standby, beside those where they do not")
    which.add_argument("--load", nargs="?", const=modes.PLAIN, choices=(modes.PLAIN, modes.EACH),
                       help="outages with pgbench beside them; or with each kind of load")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs, options.three = 1, True
    # what a whole run has found is not lost to a part of one
    part = not options.page and bool(options.three or options.scenes)
    mode = modes.of(options)
    pages = several if mode.outages else page
    path = RESULTS / (mode.name + ("-part" if part else "") + ".json")
    if not options.page:
        measure(options, path)
    results = json.loads(path.read_text(encoding="utf-8"))
    print("\n" + pages.tables(results))
    print(f"results: {path.relative_to(CHECKOUT)}")
    if not part:
        print(f"written: {pages.write(results).relative_to(CHECKOUT)}")
    return 0 if options.quick else report(targets.missed(results, part))


def report(missed):
    """Say which targets were missed; return the exit status."""
    for target in missed:
        print(f"missed: {target.what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
