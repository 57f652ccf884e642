"""python3 -m trials.faults [--only 4,13]: play the faults, print the table, write the page."""

import argparse
import contextlib
import itertools
import subprocess
import sys
import time

from lab.settings import CHECKOUT
from trials.faults import report, store
from trials.result import Played
from trials.faults.stage import STAGES, Stage
from trials.faults.table import FAULTS
from lab.tools import LabError, interruptible

LOGS = CHECKOUT / "build" / "faults"


def numbers(text):
    """Return the numbers in "4,13" (a set)."""
    chosen = {int(word) for word in text.replace(",", " ").split()}
    unknown = chosen - {fault.number for fault in FAULTS}
    if unknown:
        raise argparse.ArgumentTypeError(f"no fault {', '.join(map(str, sorted(unknown)))}")
    return chosen


def tested(fault):
    """Run the tests for a fault that is not played; return its Played."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header",
         *fault.tests], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    last = (done.stdout.strip() or done.stderr.strip() or "no output").splitlines()[-1]
    return Played(fault.number, [f"tests: {last}"] if done.returncode else [],
                  seconds=time.monotonic() - start)


def play(faults, announce, watch=True):
    """Play the faults, cluster by cluster; return {number: Played}. watch: see crash_watch."""
    results = {}

    def note(fault, result):
        results[fault.number] = result
        announce(fault, result)
    for kind in STAGES:
        mine = [fault for fault in faults if fault.play and fault.stage == kind]
        try:
            with contextlib.ExitStack() as stack:
                stage = stack.enter_context(Stage(kind, LOGS, watch)) if mine else None
                for fault in mine:
                    note(fault, stage.run(fault))
        except LabError as error:
            print(f"no cluster of {kind}, its faults are left out: {error}", flush=True)
    for fault in faults:
        if fault.tests:
            note(fault, tested(fault))
    return results


def main(arguments=None):
    """Play, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", type=numbers, default=None, help="numbers of faults: 4,13")
    parser.add_argument("--no-watch", action="store_true",
                        help="with crash_watch=false; the page shows it in a line")
    options = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if not options.only or fault.number in options.only]
    counter, watch = itertools.count(1), not options.no_watch

    def announce(fault, result):
        store.save(result, watch)
        print(f"[{next(counter)}/{len(chosen)}, {result.seconds:.0f} s] "
              f"{report.line(fault, result)}", flush=True)
    results = play(chosen, announce, watch)
    print("\n" + "\n".join(report.line(fault, results.get(fault.number)) for fault in chosen))
    report.PAGE.write_text(report.page(FAULTS, store.load(), store.load(watch=False)),
                           encoding="utf-8")
    print(f"\nwritten: {report.PAGE.relative_to(CHECKOUT)}")
    failed = [fault.number for fault in chosen
              if fault.number not in results or not results[fault.number].holds]
    print(f"\n{len(chosen) - len(failed)} of {len(chosen)} faults hold"
          + (f"; not: {', '.join(map(str, failed))}; logs in build/faults" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
