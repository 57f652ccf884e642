"""python3 -m trials.machines [--only panic,pause]: faults on machines; README.md."""

import argparse
import contextlib
import itertools
import sys

from lab.machines import layout
from lab.machines.cluster import Machines
from lab.settings import CHECKOUT
from lab.tools import LabError, interruptible
from trials.machines import clocks, disks, faults, host, memory, report, sbd, store, two
from trials.machines.stage import QUICK_START, Stage

LOGS = CHECKOUT / "build" / "machines"
ROWS = (QUICK_START, *faults.TABLE, *clocks.TABLE, *host.TABLE, *disks.TABLE, *memory.TABLE,
        *two.TABLE, *sbd.TABLE)


def chosen(text):
    """Return the rows in "panic,pause"; "smoke": the few for little time."""
    names = text.replace(",", " ").split()
    unknown = set(names) - {row.name for row in ROWS} - {"smoke"}
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no fault {', '.join(sorted(unknown))}: smoke, "
            f"{', '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if row.name in names or ("smoke" in names and row.smoke)]


def nodes(name, kind):
    """Give the nodes of the lab of that name, which are left up; None: nodes for this once."""
    if name:
        return contextlib.nullcontext(Machines.attach(name))
    return Machines("trial", kind=kind)


def fit(rows, kind):
    """Return the rows that can be played on a kind of nodes."""
    return [row for row in rows if kind in row.kinds]


def play(stage, rows, bare):
    """Play the rows; yield a Played each. bare: the nodes are no cluster yet."""
    if bare or QUICK_START in rows:
        result = stage.quick_start(lambda line: print(line, flush=True))
        yield result
        if not result.holds:
            return
    for fault in rows:
        if fault is not QUICK_START:
            yield stage.run(fault)


def main(arguments=None):
    """Play, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="make machines", description=__doc__)
    parser.add_argument("--only", type=chosen, default=list(ROWS), metavar="NAMES",
                        help="names of faults, panic,pause; smoke: the few for little time")
    parser.add_argument("--lab", help="nodes that are up, and are left up; a cluster already, "
                        "unless quickstart is among the names")
    parser.add_argument("--containers", dest="kind", action="store_const", default=layout.GUESTS,
                        const=layout.CONTAINERS, help="containers, and what can be played there")
    options = parser.parse_args(arguments)
    failed, counter = [], itertools.count(1)
    try:
        with nodes(options.lab, options.kind) as lab:
            rows = fit(options.only, lab.kind)
            for result in play(Stage(lab, LOGS), rows, bare=not options.lab):
                store.save(result)
                failed += [] if result.holds else [result.fault]
                print(f"[{next(counter)}, {result.seconds:.0f} s] {report.line(result)}",
                      flush=True)
    except LabError as error:
        print(f"no nodes: {error}")
        return 1
    report.write(ROWS, store.load())
    print(f"written: {report.PAGE.relative_to(CHECKOUT)}")
    print(f"do not hold: {', '.join(failed)}; logs in {LOGS.relative_to(CHECKOUT)}" if failed
          else "all hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
