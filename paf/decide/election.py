"""Which standby becomes the primary. Pure.

Every node that will run the resource publishes its position in the WAL; the candidate, which
Pacemaker chose by promotion score, continues only if no node is ahead of it.
"""

from collections import namedtuple

from paf.decide import lastprimary, quorum, wal
from paf.decide.knowledge import AtLeast, Known, Unknown, is_known

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Collection  # novm # noqa: F401
    from paf.decide.knowledge import Fact  # noqa: F401
    from paf.decide.timelines import Line  # noqa: F401
    Lines = dict[str, Line | None]
    Nodes = Collection[str]
    Positions = dict[str, Fact]

WINNER_SCORE = 1000
LOSER_SCORE = 1

#: The number that is -INFINITY to Pacemaker: no constraint outweighs it. Pacemaker before
#: 2.1.6 does not accept the word.
BARRED = -1000000

#: The score of a candidate for which it could not be proved that nothing gets lost: no promotion,
#: until a node or a fact that is missing comes; then it is tried again.
WAITING = -10

#: What the candidate does. promote: bool; reason: str; better: the node that is ahead (None:
#: none is); missing: nodes (tuple of str) that have not reported yet; awaited: nodes (tuple of
#: str) that have to come, or whose position has to become known, before this can be decided.
Decision = namedtuple("Decision", "promote reason better missing awaited")

_BOUND = "atleast/"
_UNKNOWN = "unknown"


def to_vote(fact):
    # type: (Fact) -> str
    """Return the Fact of a wal.Position as it travels between nodes.

    "TL#LSN" for a Known one, which the agents since 2.2 understand; they take the others for no
    vote at all, and wait.
    """
    if fact.value is None:
        return _UNKNOWN
    return (("" if is_known(fact) else _BOUND) + wal.to_wire(fact.value))


def from_vote(text):
    # type: (str) -> Fact | None
    """Return the Fact of a wal.Position in a vote; None where the text is no vote."""
    if text == _UNKNOWN:
        return Unknown("see the log there")
    position = wal.from_wire(text.replace(_BOUND, "", 1))
    if position is None:
        return None
    if text.startswith(_BOUND):
        return AtLeast(position, "see the log there")
    return Known(position)


def decide(candidate, voters, positions, primary=None, lines=None, certain=True, behind=()):
    # type: (str, Nodes, Positions, str | None, Lines | None, bool, Nodes) -> Decision
    """Return the Decision on promoting `candidate`.

    candidate: node (str). voters: nodes expected to report. positions: dict of node to the Fact
    of its wal.Position, of this round only. primary: after a cold start, the last primary (str),
    None where that is not known; lines: dict of node to timelines.Line, None for one that is not
    known; agents of 2.x publish none. certain: False where only its score says so: scores are
    written some time after a promotion. behind: nodes (of str) that by theirs did not follow it.

    Timeline first, then LSN; on a tie the candidate stays. But positions compare within one history
    only: what is not the last primary's counts less, and without the last primary no node is
    promoted. Only a position that is Known wins; others may be ahead: then no node is promoted.
    """
    others = sorted(set(voters) - set([candidate]))
    missing = tuple(node for node in sorted(others + [candidate]) if node not in positions)
    if missing:
        reason = "{0} did not report its WAL position".format(", ".join(missing))
        return Decision(False, reason, None, missing, missing)
    if not is_known(positions[candidate]):
        return Decision(False, "the WAL position of {0} itself is not known: {1}".format(
            candidate, _doubt(positions[candidate])), None, (), (candidate,))
    mine = positions[candidate].value
    doubt = lastprimary.outrun(primary, positions, lines or {}, behind) if certain else ""
    primary = None if doubt else primary    # it does not have all there is
    foreign = _foreign(others + [candidate], lines, primary if primary in voters else candidate)
    strangers = foreign | (
        _strangers(candidate, others, primary, lines or {}, positions) if certain else
        _left_behind(candidate, others, primary, lines or {}, positions, behind))
    if (foreign or certain and strangers) and primary not in voters:
        again = doubt or None in (lines or {}).values()    # which may become known
        return _without_primary(candidate, strangers, primary, mine, doubt)._replace(
            awaited=tuple(node for node in (primary, again and candidate) if node))
    last = lastprimary.last(candidate, primary, positions, lines or {}, certain, behind)
    best = _best(candidate, others, positions, last, strangers)
    if best is not None:
        return _behind(best, positions[best].value, mine, candidate in strangers, best == primary)
    return _leading(candidate, others, positions, lastprimary.covered(
        candidate, primary, positions, lines or {}, certain, behind))


def _leading(candidate, others, positions, covered):
    # type: (str, list[str], dict[str, Fact], set[str]) -> Decision
    """Return the Decision on a candidate that no known position is ahead of.

    covered: nodes that have no more than it, also where only a lower bound of them is known.
    """
    where = wal.describe(positions[candidate].value)
    doubtful = tuple(node for node in others
                     if not is_known(positions[node]) and node not in covered)
    if doubtful:
        return Decision(False, "; ".join("{0} may be ahead of {1}: {2}".format(
            node, where, _doubt(positions[node])) for node in doubtful), None, (), doubtful)
    return Decision(True, "no standby is ahead of {0} ({1})".format(candidate, where), None, (), ())


def _behind(best, position, mine, stranger, primary):
    # type: (str, wal.Position, wal.Position, bool, bool) -> Decision
    """Return the Decision where `best` is at `position`, the candidate, at `mine`, behind it."""
    text = "{0} is ahead: {1} > {2}"
    if stranger or position < mine:
        text = ("{0} was the last primary" + ("" if primary else " or followed it")
                + ": {1} there counts more than {2} here")
    return Decision(False, text.format(best, wal.describe(position), wal.describe(mine)),
                    best, (), ())


def _strangers(candidate, others, primary, lines, positions):
    # type: (str, list[str], str | None, Lines, dict[str, Fact]) -> set[str]
    """Return the nodes (a set) of another history than the last primary's.

    Without the last primary: those that may have another one than the candidate. Where a history
    is not known, a later timeline than the last primary's shows that it was left.
    """
    from paf.decide import timelines
    if primary in others + [candidate]:
        last = lines.get(str(primary))
        return set(node for node in others + [candidate] if node != primary
                   and (timelines.left(lines.get(node), last)
                        or lines and is_later(positions[node], positions[str(primary)])))
    return set(node for node in others if node in lines and candidate in lines
               and not timelines.are_together(lines[candidate], positions[candidate].value,
                                              lines[node], positions[node].value))


def _left_behind(candidate, others, presumed, lines, positions, behind):
    # type: (str, list[str], str | None, Lines, dict[str, Fact], Collection[str]) -> set[str]
    """Return the nodes (a set) that did not follow the last primary, and have another history.

    By the scores that it left, and by the histories: that of the presumed primary, or of the
    candidate where that one does not vote. Who only has more of the same history counts.
    """
    from paf.decide import timelines
    reference = str(presumed) if presumed in others else candidate
    voters, line, place = others + [candidate], lines.get(reference), positions[reference].value
    return set(node for node in voters if node in behind and node != reference
               and None not in (line, lines.get(node)) and not timelines.are_together(
                   lines[node], positions[node].value, line, place))


def _foreign(voters, lines, reference):
    # type: (list[str], Lines | None, str | None) -> set[str]
    from paf.decide import timelines
    return timelines.foreign(lines, str(reference), voters) if lines else set()


def is_later(fact, other):
    # type: (Fact, Fact) -> bool
    """Return whether the Fact of a wal.Position is on a later timeline than another."""
    return None not in (fact.value, other.value) and bool(
        fact.value.timeline > other.value.timeline)


def _without_primary(candidate, strangers, primary, mine, doubt):
    # type: (str, set[str], str | None, wal.Position, str) -> Decision
    """Return the Decision where positions do not compare, and the last primary is away.

    doubt: why one that is here does not count (str), "" where it does not vote.
    """
    who = doubt or "the last primary is not known; accept the loss: paf promote"
    if primary:
        who = ("the last primary, {0}, does not vote; start {0}, or accept the loss: "
               "paf promote".format(primary))
    return Decision(False, "{0} may have another history than {1} (at {2}), and {3}".format(
        ", ".join(sorted(strangers)), candidate, wal.describe(mine), who), None, (), ())


def _best(candidate, others, positions, last, strangers):
    # type: (str, list[str], dict[str, Fact], set[str], set[str]) -> str | None
    """Return the node that is furthest ahead of the candidate, None if none is.

    last: nodes that count as the last primary.
    """
    def rank(node):
        # type: (str) -> tuple[bool, int, bool, int]
        where = positions[node].value
        return node not in strangers, where.timeline, node in last, where.lsn

    best = candidate
    for node in others:
        if positions[node].value is not None and rank(node) > rank(best):
            best = node
    return None if best == candidate else best


def _doubt(fact):
    # type: (Fact) -> str
    """Return what is not known of a position, and why (str)."""
    why = fact.reason or "see its log"
    if fact.value is None:
        return "its WAL position is not known ({0})".format(why)
    return "it has at least {0}, and the end of its WAL is not known ({1})".format(
        wal.describe(fact.value), why)


def check_absent(candidate,     # type: str
                 mine,          # type: wal.Position
                 rules,         # type: list[tuple[quorum.Rule, str]]
                 primary,       # type: str | None
                 heard,         # type: Collection[str]
                 last_words,    # type: dict[str, Fact]
                 nodes,         # type: list[str]
                 back=()        # type: Collection[str]
                 ):
    # type: (...) -> Decision
    """Return the Decision on nodes that do not vote: may one of them hold an acknowledged commit?

    For a candidate that no voter is ahead of. mine: its wal.Position; rules: list of
    (quorum.Rule, where it was found: str); primary: the last primary (str), None where that is
    not known; heard: nodes (of str) whose position was compared; last_words: dict of node to the
    Fact of its wal.Position when it was stopped cleanly; nodes: all of the cluster (list of str);
    back: nodes (of str) that `set_back` returned: what they say is no proof.
    """
    ahead = [node for node, fact in sorted(last_words.items())
             if node not in heard and is_known(fact) and fact.value > mine]
    silent = set(heard) | set(node for node, fact in last_words.items()
                              if is_known(fact) and fact.value <= mine)
    silent -= set(back)
    for rule, source in rules:
        names = _as_nodes(quorum.unheard(rule, primary, silent, nodes), nodes)
        if names:
            stopped = [node for node in ahead if node in names]
            missing = [node for node in names if node not in back] or (
                [primary] if primary and primary not in back else [])
            return Decision(False, "{0} may hold commits that were acknowledged, and {1} ({2}); "
                            "{3}accept the loss: paf promote".format(
                                " or ".join(names),
                                _absence(names, stopped, last_words, mine, back), source,
                                missing and "start {0}, or ".format(" and ".join(missing)) or ""),
                            None, (), tuple(missing))
    return Decision(True, "no absent node can hold an acknowledged commit", None, (), ())


def _as_nodes(names, nodes):
    # type: (list[str], list[str]) -> list[str]
    """Return standby names, which are in lower case, as the names of the nodes they belong to."""
    known = dict((node.lower(), node) for node in nodes)
    return [known.get(name, name) for name in names]


def set_back(acknowledged, positions):
    # type: (dict[str, Fact], dict[str, Fact]) -> set[str]
    """Return the nodes (a set) of which it is not known that they have what they acknowledged.

    acknowledged: dict of node to the Fact of the wal.Position up to which its instance may have
    acknowledged commits; positions: of those that say where they are, dict of node to Fact. A data
    directory that was restored, or whose disk was set back to a snapshot, has less, and knows
    nothing of it.
    """
    def has(fact, found):
        # type: (Fact, Fact | None) -> bool
        return (is_known(fact) and found is not None and found.value is not None
                and bool(found.value >= fact.value))
    return set(node for node, fact in acknowledged.items() if not has(fact, positions.get(node)))


def _absence(names, stopped, last_words, mine, back):
    # type: (list[str], list[str], dict[str, Fact], wal.Position, Collection[str]) -> str
    less = [name for name in names if name in back]
    if less:
        return "{0} may have less than it acknowledged: was it restored?".format(
            " and ".join(less))
    if stopped:
        return "{0} was stopped at {1}, ahead of {2}".format(
            stopped[0], wal.describe(last_words[stopped[0]].value), wal.describe(mine))
    return "{0} away".format("is" if len(names) == 1 else "are")


def check_lag(mine, primary_seen, maxlag):
    # type: (wal.Position, int | None, int) -> str | None
    """Return why a candidate lags too far behind the last primary to be promoted, or None.

    mine: its wal.Position; primary_seen: the furthest end of WAL (int bytes) that any voter had
    heard of from the primary, None where no voter knows one: then there is nothing to compare
    with, and the scores of the primary's last monitor have to do. maxlag: bytes, 0 for no limit.
    """
    if not maxlag or primary_seen is None or primary_seen - mine.lsn <= maxlag:
        return None
    return "lags by {0} bytes behind what was heard of the primary's WAL, maxlag is {1}".format(
        primary_seen - mine.lsn, maxlag)


def check_move(old, mine, last_words):
    # type: (str, wal.Position, dict[str, Fact]) -> str | None
    """Return why a primary that was moved while it lived would be stranded, or None.

    old: the node (str) of the primary that is stopped in this transition; last_words: as in
    `check_absent`. Without last words of it, it has crashed or was fenced: then it is no move.
    A later timeline than the candidate's holds writes of a primary that it never followed.
    """
    left = last_words.get(old)
    if left is None:
        return None
    if not is_known(left):
        return "cannot compare with {0}, which was stopped: {1}".format(old, left.reason)
    if left.value.lsn <= mine.lsn and left.value.timeline <= mine.timeline:
        return None
    return "{0} was stopped cleanly at {1}, and only {2} came here: it would be stranded".format(
        old, wal.describe(left.value), wal.describe(mine))


def awaited(voters, scores, primary_score, no_more=()):
    # type: (Collection[str], dict[str, int], int, Collection[str]) -> list[str]
    """Return the nodes (a sorted list) that do not vote and may hold more WAL than the voters.

    For a cold start only: no node has seen the primary go. scores: as they were left, dict of node
    to int. If the last primary (primary_score) is among the voters, it has all there is; else
    each node that could be promoted may have more, also one that waited for others itself, or was
    held back (see scores.is_held_back); no_more: but not these, whose last words say so.
    """
    if any(scores.get(node, 0) >= primary_score for node in voters):
        return []
    return sorted(node for node, score in scores.items()
                  if (score > 0 or score == WAITING or score < BARRED)
                  and node not in voters and node not in no_more)


def concession(candidate, better, scores):
    # type: (str, str, dict[str, int]) -> dict[str, int]
    """Return the scores (dict of node to int) that make Pacemaker choose `better` instead.

    scores: the present ones. Where they already say so and Pacemaker chose the candidate
    anyway, a constraint requests it: only BARRED outweighs that, and without it Pacemaker would
    choose the same node without end.
    """
    conceded = (scores.get(candidate) == LOSER_SCORE and scores.get(better) == WINNER_SCORE)
    return {better: WINNER_SCORE, candidate: BARRED if conceded else LOSER_SCORE}
