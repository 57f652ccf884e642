"""Which standby becomes the primary. Pure.

Every node that will run the resource tells its position in the WAL; the candidate, which
Pacemaker chose by promotion score, goes on only if nobody is ahead of it.
"""

from collections import namedtuple

from paf.decide import wal

WINNER_SCORE = 1000
LOSER_SCORE = 1

#: The number that Pacemaker takes for -INFINITY: no constraint makes up for it. Pacemaker
#: before 2.1.6 does not take the word.
BARRED = -1000000

#: What the candidate does. promote: bool; reason: str; better: the node that is ahead (None:
#: none is); missing: nodes (tuple of str) that have not spoken, so that nothing is decided yet.
Verdict = namedtuple("Verdict", "promote reason better missing")


def decide(candidate, voters, positions):
    """Return the Verdict on promoting `candidate`.

    candidate: node (str). voters: nodes expected to speak. positions: dict of node to Position,
    of this round only. Timeline first, then LSN; on a tie the candidate stays.
    """
    missing = tuple(sorted(node for node in set(voters) | set([candidate])
                           if node not in positions))
    if missing:
        return Verdict(False, "{0} did not tell its WAL position".format(", ".join(missing)),
                       None, missing)
    mine = positions[candidate]
    best = candidate
    for node in sorted(voters):
        if positions[node] > positions[best]:
            best = node
    if best == candidate:
        return Verdict(True, "no standby is ahead of {0} ({1})".format(
            candidate, wal.describe(mine)), None, ())
    return Verdict(False, "{0} is ahead: {1} > {2}".format(
        best, wal.describe(positions[best]), wal.describe(mine)), best, ())


def awaited(voters, online, scores, primary_score):
    """Return the nodes (a sorted list) that are away and may hold more WAL than the voters.

    For a cold start only: nobody has seen the primary go. scores: as they were left, dict of node
    to int. If the last primary (primary_score) is among the voters, it has all there is; else
    whoever had a score that could be promoted may.
    """
    if any(scores.get(node, 0) >= primary_score for node in voters):
        return []
    return sorted(node for node, score in scores.items()
                  if score > 0 and node not in online and node not in voters)


def concession(candidate, better, scores):
    """Return the scores (dict of node to int) that make Pacemaker choose `better` instead.

    scores: the present ones. Where they already say so and Pacemaker chose the candidate all
    the same, a constraint of the administrator wants it: only BARRED stands above that, and
    without it Pacemaker would choose the same node for ever.
    """
    conceded = (scores.get(candidate) == LOSER_SCORE and scores.get(better) == WINNER_SCORE)
    return {better: WINNER_SCORE, candidate: BARRED if conceded else LOSER_SCORE}
