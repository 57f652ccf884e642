"""`make demo-often RUNS=20 BUSY=4`: the demo again and again, with busy processes beside it.

Prints a table of the runs; exit status 0 only if each one went as it should.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time

from lab.settings import CHECKOUT
from lab.tools import interruptible

OUTPUT = CHECKOUT / "build" / "demo-often"
#: Seconds that a run may take, on a machine with other work too.
LONGEST = 1800


@contextlib.contextmanager
def busy(count):
    """Keep `count` processes computing while the block runs; they end with this process."""
    spin = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def play(number):
    """Play the demo once; return (whether it went as it should, seconds, its summary)."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    summary, began = OUTPUT / f"run-{number:02}.json", time.monotonic()
    summary.unlink(missing_ok=True)
    with open(OUTPUT / f"run-{number:02}.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-B", "-m", "trials.demo", "--summary", str(summary)], cwd=CHECKOUT,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            if process.poll() is None:
                process.terminate()     # it takes its lab down
                process.wait(120)
    found = json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else {}
    return status == 0, time.monotonic() - began, found


def line(number, good, seconds, found):
    """Return a run's line: how it ended, its seconds, the outage of each act, what was wrong."""
    outages = [f"{act['outage_ms']:>6}" if act["outage_ms"] else "  <100"
               for act in found.get("acts", [])]
    words = "; ".join(found.get("failures", ["it did not end"] if not good else []))
    if good and any("stays stopped" in remark for remark in found.get("remarks", [])):
        words = "the old primary had diverged"
    return (f"{number:>3}  {'ok' if good else 'FAILED':6} {seconds:>5.0f} s  "
            f"{' '.join(outages):35}  {words}").rstrip()


def main(arguments=None):
    """Play all runs; return the exit status."""
    parser = argparse.ArgumentParser(prog="make demo-often", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--busy", type=int, default=0, help="busy processes beside it")
    options = parser.parse_args(arguments)
    print(f"{options.runs} runs, {options.busy} busy processes; outages by act, in ms", flush=True)
    succeeded = 0
    with busy(options.busy):
        for number in range(1, options.runs + 1):
            good, seconds, found = play(number)
            succeeded += good
            print(line(number, good, seconds, found), flush=True)
    print(f"{succeeded} of {options.runs} went as they should; output in {OUTPUT}")
    return 0 if succeeded == options.runs else 1


if __name__ == "__main__":
    sys.exit(interruptible(main))
