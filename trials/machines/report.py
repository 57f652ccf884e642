"""The table of the results: a line for the terminal, and the section of docs/reliability.md."""

import re

from lab.machines.layout import CONTAINERS, GUESTS
from lab.settings import CHECKOUT
from trials.machines.model import title

PAGE = CHECKOUT / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: make machines -->\n", "<!-- end: make machines -->\n"
KINDS = (CONTAINERS, GUESTS)
_HEAD = """| fault | on | what | expected | came out | outage | rows lost | fencings | played |
| --- | --- | --- | --- | --- | ---: | ---: | ---: | --- |
"""


def outcome(result):
    """Return the result of a fault in a few words."""
    words = f"FAILS: {'; '.join(result.problems)}" if result.problems else "holds"
    return "; ".join([words, *result.remarks])


def line(result):
    """Return a line for the terminal."""
    seen = (f"outage {_milliseconds(result.outage_ms)}, {_number(result.lost)} lost, "
            f"{_number(result.fencings)} fenced")
    return f"{result.fault} {seen}  {outcome(result)}"


def table(rows, results):
    """Return the section between the markers."""
    played = "".join(_row(row, kind, results[title(row.name, kind)])
                     for row in rows for kind in row.kinds if title(row.name, kind) in results)
    return _HEAD + played + "".join(_left(rows, kind, results) for kind in KINDS)


def _left(rows, kind, results):
    """Return a sentence on what was not played on that kind of nodes."""
    names = [row.name for row in rows
             if kind in row.kinds and title(row.name, kind) not in results]
    return f"\nNot played on {kind}: {', '.join(names)}.\n" if names else ""


def write(rows, results):
    """Put the table into the page, between its markers."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table(rows, results)}{END}{after}", encoding="utf-8")


def _row(row, kind, result):
    cells = [row.name, kind, row.what, row.expected, outcome(result)[:600],
             _milliseconds(result.outage_ms), _number(result.lost), _number(result.fencings),
             f"{result.date}, {result.agent}"]
    return "| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", "\\|")
                             for cell in cells) + " |\n"


def _number(value):
    return "-" if value is None else str(value)


def _milliseconds(value):
    return "-" if value is None else f"{value} ms"
