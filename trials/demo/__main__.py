"""`make demo`: start three nodes and play the demonstrations, one after the other.

Exit status 0 only if every one went as it should and no acknowledged row was lost.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from trials.demo import acts, screen
from lab.lab import Lab
from lab.owner import free_name
from lab.tools import LabError
from lab.scenarios import SYNCHRONOUS


def main():
    """Play, report, and tidy up; return the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--agent", default="ours", help="ours, perl, or a .deb")
    options = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(free_name("demo"), nodes=3, agent=options.agent, postgres=SYNCHRONOUS)
    failures = []
    try:
        screen.title("Starting three nodes: corosync, Pacemaker, fencing, PostgreSQL")
        with screen.progress("booting, and waiting for a primary"):
            lab.up()
        screen.picture(lab.crm_mon())
        for act in acts.ALL:
            failures += play(lab, act)
    except (LabError, KeyboardInterrupt) as error:
        failures.append(f"the demo broke off: {error or 'interrupted'}")
    return finish(lab, options.keep, failures, time.monotonic() - began)


def play(lab, act):
    """Play one act and show it; return what went wrong, in sentences."""
    screen.title(act.__doc__.splitlines()[0])
    screen.text(*act.__doc__.splitlines()[1:])
    wrong = act(lab)
    for sentence in wrong:
        screen.failure(sentence)
    return [f"{act.__doc__.splitlines()[0]} {sentence}" for sentence in wrong]


def finish(lab, keep, failures, seconds):
    """Say how it ended, keep or remove the cluster, return the exit status."""
    if failures:
        folder = Path("build") / "demo-logs"
        lab.gather(folder)
        screen.text(f"The logs of all nodes are in {folder}/")
    if keep and lab.is_up:
        lab.keep()
        screen.text(
            "The cluster stays up. To look around:",
            f"  python3 -m lab --lab {lab.name} status",
            f"  python3 -m lab --lab {lab.name} run srv1 crm_mon -1A",
            "  python3 -m lab --help",
            f"  python3 -m lab --lab {lab.name} down")
    else:
        lab.down()
    screen.title(f"{'FAILED' if failures else 'All demonstrations went well'}, {seconds:.0f} s")
    for failure in failures:
        screen.failure(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
