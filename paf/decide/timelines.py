"""Timelines: does an instance still follow the history of the acting primary? Pure.

Source: PostgreSQL manual, "Timelines"; a history file has a line for each timeline that was left:
its number, the LSN where it was left, and why.
"""

from collections import namedtuple

from paf.decide import wal

#: timeline (int) that was left at lsn (int, bytes).
Switch = namedtuple("Switch", "timeline lsn")

SAME = "same timeline"
ANCESTOR = "ancestor"
UNRELATED = "not in the history"

#: How a timeline relates to a primary's: kind, and for ANCESTOR the LSN of the fork.
Relation = namedtuple("Relation", "kind fork")


def parse(text):
    # type: (str) -> list[Switch]
    """Return the Switches (a list) in a history file's text; other lines are skipped."""
    switches = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or not words[0].isdigit():
            continue
        try:
            switches.append(Switch(int(words[0]), wal.parse_lsn(words[1])))
        except ValueError:
            continue
    return switches


def relation(timeline, primary_timeline, switches):
    # type: (int, int, list[Switch]) -> Relation
    """Return the Relation of `timeline` to the timeline of a primary with this history.

    On an ANCESTOR, WAL after the fork is not in the primary's history.
    """
    if timeline == primary_timeline:
        return Relation(SAME, None)
    for switch in switches:
        if switch.timeline == timeline:
            return Relation(ANCESTOR, switch.lsn)
    return Relation(UNRELATED, None)
