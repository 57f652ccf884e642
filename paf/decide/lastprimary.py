"""The last primary in an election, and what counts like it. Pure."""

from paf.decide import timelines
from paf.decide.knowledge import is_known

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Collection, Dict  # novm # noqa: F401
    from paf.decide.knowledge import Fact  # noqa: F401
    from paf.decide.timelines import Line  # noqa: F401

    Lines = Dict[str, "Line | None"]    # node to its timelines


def outrun(primary, positions, lines, behind):
    # type: (str | None, dict[str, Fact], Lines, Collection[str]) -> str
    """Return why the last primary does not count as such (str), "" where it does.

    Nodes that followed it may have more of its WAL, though a primary sends what is on its disk. So
    it was set back since: restored from a copy, or its disk to a snapshot, or that lost what it had
    called written. Where the first record of the timeline is gone, who had a score of a connected
    standby has followed it; not who may have been the primary of that timeline: no monitor of the
    last primary has seen that one follow.
    """
    fact = positions.get(str(primary))
    if fact is None or not is_known(fact) or lines.get(str(primary)) is None:
        return ""
    ahead = sorted(node for node, other in positions.items()
                   if other.value is not None and other.value.timeline == fact.value.timeline
                   and other.value.lsn > fact.value.lsn
                   and _followed(node, str(primary), lines, behind))
    if not ahead:
        return ""
    return "the last primary, {0}, has less than {1}, which followed it: was it restored? " \
        "Accept the loss: paf promote".format(primary, " and ".join(ahead))


def _followed(node, primary, lines, behind):
    # type: (str, str, Lines, Collection[str]) -> bool
    """Return whether a node is of the last primary's history, by what `outrun` says."""
    line, last = lines.get(node), lines.get(primary)
    found = timelines.compare(line, last)
    return line is not None and not timelines.left(line, last) and (
        found == timelines.TOGETHER
        or found == timelines.UNSURE and line.own is False and node not in behind)


def covered(candidate, primary, positions, lines, certain, behind):
    # type: (str, str | None, dict[str, Fact], Lines, bool, Collection[str]) -> set[str]
    """Return the nodes (a set) that have no more than the candidate, as it is the last primary.

    A primary sends what is on its disk, and standbys send that on: where a power cut damaged the
    end of a standby's WAL, the last primary need not wait for what cannot be found out. A lower
    bound that is more disproves that. One on a later timeline may be of a primary that is silent,
    or was promoted by hand. Where only its score says that it was the last primary, it has to have
    been that of its timeline, and the others have to have followed it. It is None here where it is
    known to have been set back, or outrun.
    """
    line = lines.get(candidate)
    if candidate != primary or not certain and (line is None or line.own is not True):
        return set()

    def is_standby(node):
        # type: (str) -> bool
        other = lines.get(node)
        return other is not None and other.own is False and _followed(
            node, candidate, lines, behind)
    return set(node for node, fact in positions.items()
               if fact.value is not None and fact.value <= positions[candidate].value
               and (certain or is_standby(node)))


def last(candidate, primary, positions, lines, certain, behind):
    # type: (str, str | None, dict[str, Fact], Lines, bool, Collection[str]) -> set[str]
    """Return the nodes (a set) that count as the last primary: those of one history with it.

    There the LSN decides: where it cannot be promoted, a standby with all of its WAL is as good.
    Where only its score says that it was one, also a node that was the primary of its timeline,
    where the other one only followed: the score is of an earlier time.
    """
    primary = str(primary)
    if certain and primary not in lines:
        return set([primary])
    presumed = lines.get(primary)

    def counts(line):
        # type: (Line | None) -> bool
        return timelines.compare(line, presumed) == timelines.TOGETHER or bool(
            not certain and line and presumed and line.own and presumed.own is False)
    return set([primary] + [node for node in positions if counts(lines.get(node))]) | _level(
        candidate, primary, positions, lines, behind)


def _level(node, primary, positions, lines, behind):
    # type: (str, str, dict[str, Fact], Lines, Collection[str]) -> set[str]
    """Return the node (in a set) where it is exactly where the last primary is, and followed it.

    Where the first record of their timeline is gone its score shows that: see `outrun`.
    """
    fact, line, theirs = positions.get(primary), lines.get(node), lines.get(primary)
    followed = (line is not None and theirs is not None and line.own is False
                and node not in behind and timelines.compare(line, theirs) == timelines.UNSURE)
    return set([node] if followed and fact == positions[node] else [])
