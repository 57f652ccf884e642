"""python3 -m trials.matrix [--cell NAME]: play the cells, two at a time; write docs/support.md."""

import argparse
import sys
import threading
import time

from lab.settings import CHECKOUT
from lab import systems
from lab.tools import LabError, in_threads, interruptible, is_interrupted
from trials.matrix import report, store
from trials.matrix.cells import CELLS
from trials.matrix.play import play

_ORDER = ("rolling", "whole", "primary", "candidate", "third", "alone")
_printing = threading.Lock()


def say(text):
    """Print a line whole, whatever other cells print."""
    with _printing:
        print(text, flush=True)


def announce(cell, step, problem, seconds):
    """Print the result of a step."""
    say(f"{cell.name:16} {step:28} {seconds:5.0f} s  {problem or 'ok'}")


def chosen(names):
    """Return the cells of these names, all without one. Raises SystemExit for one not known."""
    known = {cell.name: cell for cell in CELLS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no cell {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(CELLS)


def run(cell):
    """Play a cell and remember the result; return the Outcome."""
    outcome = play(cell, announce)
    if not is_interrupted():
        store.save(outcome)
    say(f"{cell.name:16} {'-' * 28} {outcome.seconds:5.0f} s  "
        f"{outcome.verdict}{'' if outcome.verdict != 'FAILS' else ', logs in build/matrix'}")
    return outcome


def main(arguments=None):
    """Play, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--cell", default="", help="names of cells: debian13,pg16")
    parser.add_argument("--refresh", action="store_true",
                        help="make new roots of the distributions, play nothing")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time (2)")
    options = parser.parse_args(arguments)
    cells = chosen(options.cell.replace(",", " ").split())
    if options.refresh:
        for release in sorted({cell.release for cell in cells if cell.release}):
            say(f"{release}: {systems.prepare(release, refresh=True)}")
        return 0
    begin = time.monotonic()
    # the longest first: none is left alone at the end
    ordered = sorted(cells, key=lambda cell: _ORDER.index(cell.course))
    outcomes = in_threads(options.jobs, run, ordered)
    played = {outcome.cell: outcome for outcome in outcomes}
    print("\n" + report.table({**store.load(), **played}))
    bad = [outcome.cell for outcome in outcomes if outcome.verdict == "FAILS"]
    good = sum(outcome.good for outcome in outcomes)
    print(f"\nwritten: {report.PAGE.relative_to(CHECKOUT)}\n{good} of "
          f"{len(cells)} cells are good, in {(time.monotonic() - begin) / 60:.0f} minutes"
          + (f"; not: {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(interruptible(main))
    except LabError as problem:
        sys.exit(f"make matrix: {problem}")
