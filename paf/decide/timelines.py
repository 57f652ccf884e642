"""Timelines: does an instance still follow the history of the acting primary? Pure.

Source: PostgreSQL manual, "Timelines"; a history file has a line for each timeline that was left:
its number, the LSN where it was left, and why.
"""

from collections import namedtuple

from paf.decide import wal
from paf.ocf import is_number

#: timeline (int) that was left at lsn (int, bytes).
Switch = namedtuple("Switch", "timeline lsn")

SAME = "same timeline"
ANCESTOR = "ancestor"
UNRELATED = "not in the history"

#: A timeline in an instance's history: number (int), the LSN (int) where it begins, and a checksum
#: (str) of its first bytes, None where they are no longer on disk. The first bytes hold the
#: time of the promotion: two timelines of the same number have different ones. That of ORIGIN is
#: the system identifier.
Reign = namedtuple("Reign", "timeline begin mark")

#: What every history begins with, before its first timeline: initdb.
ORIGIN = 0

#: An instance's history: Reigns (tuple), oldest first, ORIGIN too unless they are too many; own: it
#: was the primary of the newest one, True, False, or None where that is not known.
Line = namedtuple("Line", "reigns own")

#: How Line.own travels.
_OWN = {True: "own", False: "not", None: "maybe"}
_WORDS = dict((word, own) for own, word in _OWN.items())

#: How two Lines compare.
TOGETHER = "one history"
PARTED = "two histories"
UNSURE = "cannot be found out"

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


def is_whole(text, timeline):
    # type: (str, int) -> bool
    """Return whether a text can be the whole history of a timeline (int) later than the first.

    What is empty, cut off or damaged cannot: nothing may be concluded from it. An LSN is known to
    be whole by what follows it, the end of the line or the reason that PostgreSQL adds.
    """
    switches = parse(text)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip()[0] == "#"]
    numbers = [switch.timeline for switch in switches] + [timeline]
    places = [switch.lsn for switch in switches]
    if not lines or not text.endswith("\n") and len(lines[-1].split()) < 3:
        return False
    return bool(switches) and len(switches) == len(lines) and places == sorted(places) and all(
        one < following for one, following in zip(numbers, numbers[1:]))


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


def successor(timeline, primary_timeline, switches):
    # type: (int, int, list[Switch]) -> int
    """Return the timeline (int) for which a primary's history left `timeline`, its ANCESTOR."""
    following = primary_timeline
    for switch in reversed(switches):
        if switch.timeline > timeline:
            following = switch.timeline
    return following


def parting(timeline, switches, other_timeline, other_switches):
    # type: (int, list[Switch], int, list[Switch]) -> int | None
    """Return the LSN (int) at which two histories part; None where they have nothing in common.

    timeline: the newest one of each history; switches: those before it, oldest first.
    """
    place = None  # type: int | None
    mine = [(switch.timeline, switch.lsn) for switch in switches] + [
        (timeline, None)]  # type: list[tuple[int, int | None]]
    others = [(switch.timeline, switch.lsn) for switch in other_switches] + [
        (other_timeline, None)]  # type: list[tuple[int, int | None]]
    for one, other in zip(mine, others):
        if one[0] != other[0]:
            return place
        if one[1] != other[1]:
            return min(lsn for lsn in (one[1], other[1]) if lsn is not None)
        place = one[1]
    return place


def parts(timeline, switches, begin, end):
    # type: (int, list[Switch], int, int) -> list[tuple[int, int, int]]
    """Return (timeline, begin, end) of each part of a history from an LSN `begin` to `end`."""
    found, start = [], 0
    for switch in list(switches) + [Switch(timeline, end)]:
        if switch.lsn > max(start, begin):
            found.append((switch.timeline, max(start, begin), switch.lsn))
        start = switch.lsn
    return found


def compare(line, other):
    # type: (Line | None, Line | None) -> str
    """Return how two Lines compare: TOGETHER where one is a part of the other, PARTED, or UNSURE.

    None is a line that is not known. Two nodes that were promoted from the same timeline have both
    counted up by one: they have different timelines of the same number, and their positions say
    nothing about each other. Where the first bytes are gone from disk, that can be excluded for
    what followed a primary, and not for what was one, or may have been. A promotion that both have
    proves that what was before it is the same.
    """
    if line is None or other is None:
        return UNSURE
    reigns = dict((reign.timeline, reign) for reign in line.reigns)
    others = dict((reign.timeline, reign) for reign in other.reigns)
    known = True
    first, last = max(min(reigns), min(others)), min(max(reigns), max(others))
    for number in sorted(set(list(reigns) + list(others))):
        if not first <= number <= last:
            continue
        mine, theirs = reigns.get(number), others.get(number)
        if mine is None or theirs is None or mine.begin != theirs.begin:
            return PARTED
        if None in (mine.mark, theirs.mark):
            known = False
        elif mine.mark != theirs.mark:
            return PARTED
        else:
            known = True
    newest = max(list(reigns) + list(others))
    owners = [one for one, numbers in ((line, reigns), (other, others))
              if one.own is not False and max(numbers) == newest]
    return UNSURE if owners and not known else TOGETHER


def are_together(line, place, other, other_place):
    # type: (Line | None, wal.Position | None, Line | None, wal.Position | None) -> bool
    """Return whether two instances surely have one history, by their Lines and wal.Positions.

    To `compare`, a history is a part of one that has a later timeline. It is not, if it has WAL
    behind the place where that one began.
    """
    return compare(line, other) == TOGETHER and not any(
        where is not None and there is not None and _passed(where, there)
        for where, there in ((place, other), (other_place, line)))


def _passed(where, other):
    # type: (wal.Position, Line) -> bool
    """Return whether what is at a wal.Position is behind the place where a Line left its timeline.
    """
    later = [reign.begin for reign in other.reigns if reign.timeline > where.timeline]
    return bool(later) and where.lsn > min(later) and any(
        reign.timeline == where.timeline for reign in other.reigns)


def ownership(was_primary, has_rule):
    # type: (bool, bool) -> bool | None
    """Return whether an instance was the primary of its newest timeline, None if that is not known.

    was_primary: its control file said so when it was started. The first start as a standby ends
    that. has_rule: a rule of synchronous standbys is published for its node. A primary publishes
    one, and the next primary removes it once this instance follows: until then its newest timeline
    may be one of its own, however often it was started since.
    """
    return True if was_primary else None if has_rule else False


def differing(line, other):
    # type: (Line, Line) -> Reign | None
    """Return the first Reign of a Line that the other has with another promotion, at the same LSN.

    None without one: that does not mean that both have one history, see `compare`.
    """
    others = dict((reign.timeline, reign) for reign in other.reigns)
    found = None  # type: Reign | None
    for reign in reversed(line.reigns):
        theirs = others.get(reign.timeline)
        if reign.timeline != ORIGIN and theirs is not None and theirs.begin == reign.begin and (
                None not in (reign.mark, theirs.mark) and reign.mark != theirs.mark):
            found = reign
    return found


def identifiers(line, other):
    # type: (Line, Line) -> tuple[str | None, str | None] | None
    """Return the system identifiers of two Lines where they differ; None where they do not.

    None too where one of them is not known. What was initialized twice has no common history,
    whatever its timelines and positions are.
    """
    found = [reign.mark for each in (line, other) for reign in each.reigns
             if reign.timeline == ORIGIN]
    return (found[0], found[1]) if len(found) == 2 and found[0] != found[1] else None


def foreign(lines, reference, nodes):
    # type: (dict[str, Line | None], str, list[str]) -> set[str]
    """Return those of the nodes (a set) whose data another initdb made than that of `reference`.

    lines: dict of node to Line, None for one that is not known; reference: a node. No score counts:
    a data directory can be replaced after it was given.
    """
    line = lines.get(reference)
    found = [(node, lines.get(node)) for node in nodes]
    return set(node for node, other in found
               if line is not None and other is not None and identifiers(other, line))


def left(line, last):
    # type: (Line | None, Line | None) -> bool
    """Return whether a Line is surely not the history of the last primary, whose Line is `last`.

    None is a line that is not known.
    """
    if line is None or last is None:
        return False
    newest, final = line.reigns[-1].timeline, last.reigns[-1].timeline
    return (newest > final or newest == final and line.own
            or compare(line, last) == PARTED)


def line_to_wire(line):
    # type: (Line | None) -> str
    """Return a Line as the value of a node attribute: "own 3:50331744:1f3a 4:..."; see `Reign`.

    "not" in place of "own" for a timeline that it followed, "maybe" where that is not known.
    "unknown" for None: the node's history cannot be read.
    """
    if line is None:
        return "unknown"
    words = ["{0}:{1}:{2}".format(reign.timeline, reign.begin, reign.mark or "")
             for reign in line.reigns]
    return " ".join([_OWN[line.own]] + words)


def line_from_wire(value):
    # type: (str) -> Line | None
    """Return the Line in an attribute's value; None where it is not known."""
    words = value.split()
    reigns = []
    for word in words[1:]:
        parts = word.split(":")
        if len(parts) != 3 or not is_number(parts[0]) or not is_number(parts[1]):
            return None
        reigns.append(Reign(int(parts[0]), int(parts[1]), parts[2] or None))
    if not reigns or words[0] not in _WORDS:
        return None
    return Line(tuple(reigns), _WORDS[words[0]])
