"""The table of the result of the faults: for the terminal, and as docs/reliability.md."""

import platform
import re

from lab.settings import CHECKOUT
from lab.tools import run

PAGE = CHECKOUT / "docs" / "reliability.md"

_HEAD = """# Reliability: faults and their results

Made by `make faults`; `make faults ONLY=4,13` plays some again. {versions}.
The last column shows when a fault was played last, and with which commit of the agent.

Each fault is played on a real cluster of three nodes (namespaces on one machine, two cores), while
a client writes rows one after the other through the virtual address and each node is asked every
few milliseconds whether it takes writes. At least one standby is synchronous. A fault holds only
if, besides the outcome stated:

* no two nodes took writes at the same instant;
* every acknowledged row is there;
* several clients that append to lists and read them back saw a history that a correct server can
  give: all that was acknowledged is in the lists, in order and once, and what was read stays;
* all standbys end with the same lists;
* exactly the nodes that had to be fenced were;
* the reason is in `crm_mon`, if there is one;
* what `paf forecast` said just before, on a node that survives, came true, where the fault is the
  loss of one node: who is promoted or that none is, and whether acknowledged rows are lost
  ("forecast right");
* each instance takes part again, or is stopped with a reason that asks for the administrator;
* no process, temporary file, attribute or constraint is left over;
* the longest outage is within a multiple of that of an undisturbed switchover in the same run.

The outage is the longest time without an acknowledged row. A crash is reported by the watcher
(`crash_watch`); a server that hangs is found by the monitors, every 5 and 6 s here. The rows of
2026-11-26 were played beside other tests, with a load of 10 on two processors: outages are several
times those of a machine that is free. "Tests" means that a cluster adds nothing, and tests of the
agent alone play the fault. A dash: not measured, as nothing is written meanwhile.

| # | fault | how it is played | expected | came out | outage | rows lost | fencings | played |
| ---: | --- | --- | --- | --- | ---: | ---: | ---: | --- |
"""

_FOOT = """
Not played on namespaces: dead storage, on which processes hang in the kernel, and a disk that
ignores fsync (both are played on guests, below): the lab has no kernel of its own to break. SELinux
is played nowhere.

## With systemd, packages and a power switch

Made by `make containers` and `make machines`: the [quick start](quickstart-debian.md), command by
command, on three nodes of Debian 12 as apt and systemd set them up, then faults on the cluster that
this makes. `trials/machines/README.md` has how it is played and what must hold: what is said above
of two primaries, acknowledged rows, lists and fencings, and `paf status` has to exit with 0 before
and after. Containers share the kernel of this machine, guests have their own.

"""
#: What `make machines` writes, and this leaves as it is.
_MACHINES = "<!-- begin: make machines -->\n", "<!-- end: make machines -->\n"


def versions():
    """Return what ran, in one line."""
    packages = ("pacemaker", "corosync", "postgresql-15")
    found = run(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *packages]).output
    return f"{found.rstrip(', ')}; Python {platform.python_version()}"


def outcome(fault, result):
    """Return the result of a fault in a few words."""
    if result is None:
        return "not played"
    if result.problems:
        return "FAILS: " + "; ".join(result.problems)
    words = "holds (tests)" if not fault.play else "holds"
    words += ", forecast right" * bool(result.forecast)
    return "; ".join([words, *(short(remark) for remark in result.remarks)])


def short(text, length=130):
    """Return a text cut to a length that fits a table."""
    return text if len(text) <= length else text[:length - 1].rstrip() + "…"


def _number(value, unit=""):
    return "-" if value is None else f"{value}{unit}"


def line(fault, result):
    """Return a row for the terminal."""
    result_of = result and (result.outage_ms, result.lost, result.fencings)
    outage, lost, fenced = result_of or (None, None, None)
    return (f"{fault.number:3} {short(fault.name, 44):44} {_number(outage, ' ms'):>9} "
            f"{_number(lost):>4} lost {_number(fenced):>2} fenced  {outcome(fault, result)}")


def page(faults, results, unwatched):
    """Return the text of docs/reliability.md. unwatched: results with crash_watch=false."""
    rows = [_row(fault, results.get(fault.number)) for fault in faults]
    return (_HEAD.format(versions=versions()) + "".join(rows) + _without_watcher(faults, unwatched)
            + _FOOT + _machines())


def _machines():
    """Return what the page as it is has of `make machines`, with its marks."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    begin, end = _MACHINES
    return begin + text.partition(begin)[2].partition(end)[0] + end


def _without_watcher(faults, results):
    """Return the paragraph on the result of the faults where monitors alone find a crash."""
    played = [results[fault.number] for fault in faults if fault.number in results]
    if not played:
        return ""
    failed = [f"{result.fault}" for result in played if not result.holds]
    when = ", ".join(sorted({f"{result.date}, {result.agent}" for result in played}))
    return (f"\nWith `crash_watch=false` (`make faults WATCH=no`): only monitors find a crash; "
            f"{len(played) - len(failed)} of {len(played)} faults hold ({when})"
            + (f"; not: {', '.join(failed)}" if failed else "") + ".\n")


def _row(fault, result):
    measured, played = (None, None, None), ""
    if result is not None:
        measured = (result.outage_ms, result.lost, result.fencings)
        played = f"{result.date}, {result.agent}"
    cells = (fault.number, fault.name, fault.how, fault.expected,
             short(outcome(fault, result), 200), _number(measured[0], " ms"),
             *map(_number, measured[1:]), played)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"


def _cell(value):
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|")
