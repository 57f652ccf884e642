"""Promotion scores from the primary's view of its standbys. Pure.

The values are a contract with the agents since 1.1, which may run on other nodes: primary 1001;
standbys 1000, 990, 980...; the same negated when too late; -1 while a base backup or the start
of streaming goes on; -1000 when not connected.
"""

from collections import namedtuple

from paf.decide import election, quorum

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Collection, Dict, Iterable  # novm # noqa: F401

    Scores = Dict[str, int]    # node to promotion score

PRIMARY = 1001
BEST = 1000
STEP = 10
NOT_READY = -1
NOT_CONNECTED = quorum.NOT_CONNECTED

#: Monitor runs for which a refused node stays barred after it has caught up, while its switchover
#: is still requested.
_PATIENCE = 20

_NOT_READY_STATES = ("startup", "backup")

#: In the reason of a node whose promotion was refused, while no primary runs; and of one that
#: followed the primary, and lagged by too much.
REFUSED, LATE = "its promotion was refused", ", maxlag is "

#: A connected standby as pg_stat_replication shows it: name (application_name, str), state
#: (str), lsn (what it wrote, int bytes from 0/0, None when unknown), lag (int bytes, None
#: when unknown), flushed (what it flushed, as lsn).
Replica = namedtuple("Replica", "name state lsn lag flushed")


def wanted(me, online, replicas, current, maxlag, segment_size, just_promoted=False, wished=()):
    # type: (str, list[str], list[Replica], Scores, int, int, bool, Collection[str]) -> Scores
    """Return the scores to write (dict of node to int): only those that have to change.

    me: this node, the primary. online: nodes of the partition. replicas: a list of Replica.
    current: dict of node to its score (int) as it is. maxlag: bytes, 0 for no limit.
    segment_size: bytes of a WAL segment; standbys nearer to each other keep their order, so that
    a busy cluster does not write to the CIB. just_promoted: standbys of the partition that are
    not connected, or not ready yet, keep the scores they have. wished: nodes that a constraint
    asks for.
    """
    scores = {me: PRIMARY}
    known = set(online) | set(current)
    best = by_name(replica for replica in replicas
                   if replica.name in known and replica.name != me)
    for node in known - set([me]):
        if not (just_promoted and node in online):
            scores[node] = NOT_CONNECTED
        elif current.get(node, 0) > BEST:    # the old primary
            scores[node] = election.LOSER_SCORE
    for name, replica in best.items():
        if not is_ready(replica) and not (just_promoted and name in online):
            scores[name] = NOT_READY
    barred = _barred(known - set([me]), current, best, segment_size, wished)
    ready = [replica for replica in best.values()
             if is_ready(replica) and replica.name not in barred]
    for rank, replica in enumerate(_ranked(ready, current, segment_size)):
        score = BEST - STEP * rank
        late = maxlag > 0 and (replica.lag is None or replica.lag > maxlag)
        scores[replica.name] = -score if late else score
    scores.update(barred)
    return dict((node, score) for node, score in scores.items()
                if current.get(node) != score and not _is_foreign(node, online, current, score))


def reason(score, replica, maxlag):
    # type: (int, Replica | None, int) -> str | None
    """Return why a standby that is there cannot be promoted (str), "" where its score lets it be.

    score: its promotion score; replica: its Replica, None when it is not connected; maxlag: bytes.
    None where there is nothing to add: it has just come, or was refused with a reason of its own.
    """
    if score > 0:
        return ""
    if score == NOT_CONNECTED and replica is None:
        return ("does not stream from the primary, see PostgreSQL's log on this node; rebuild it "
                "if the primary has removed WAL that it needs")
    if NOT_CONNECTED <= score < NOT_READY and replica is not None:
        if replica.lag is None:
            return "its lag is not known{0}{1}".format(LATE, maxlag)
        return "lags by {0} bytes{1}{2}".format(replica.lag, LATE, maxlag)
    return None


def is_ready(replica):
    # type: (Replica) -> bool
    """Return whether a Replica streams, or catches up, and its position is known."""
    return replica.state not in _NOT_READY_STATES and replica.lsn is not None


def _is_foreign(node, online, current, score):
    # type: (str, list[str], Scores, int) -> bool
    """Return whether a node that is away gets no score: it has none, or one that is as low."""
    return node not in online and score == NOT_CONNECTED and current.get(node, score) <= score


def by_name(replicas):
    # type: (Iterable[Replica]) -> dict[str, Replica]
    """Return a dict of name to Replica.

    A name can occur twice, when a connection broke and the server has not noticed yet.
    """
    best = {}  # type: dict[str, Replica]
    for replica in replicas:
        other = best.get(replica.name)
        if other is None or _merit(replica) > _merit(other):
            best[replica.name] = replica
    return best


def _merit(replica):
    # type: (Replica) -> tuple[bool, int]
    return (is_ready(replica), -1 if replica.lsn is None else replica.lsn)


def _ranked(replicas, current, segment_size):
    # type: (list[Replica], Scores, int) -> list[Replica]
    """Most advanced first; within a segment of the most advanced, in the order they had."""
    left = sorted(replicas, key=lambda replica: (
        -_rank_before(current.get(replica.name)), -replica.lsn, replica.name))
    order = []
    while left:
        newest = max(replica.lsn for replica in left)
        near = [replica for replica in left if newest - replica.lsn <= segment_size]
        order.append(near[0])
        left.remove(near[0])
    return order


def _rank_before(score):
    # type: (int | None) -> int
    """Return the number that encodes a rank; a standby that was too late has it negated."""
    return abs(score) if score is not None and abs(score) <= PRIMARY else 0


def _barred(nodes, current, replicas, segment_size, wished):
    # type: (Collection[str], Scores, dict[str, Replica], int, Collection[str]) -> Scores
    """Return the scores (dict of node to int) that keep those out whose promotion was refused.

    A node is allowed again when it has caught up. While its switchover is still requested, only
    some monitors later, which its score counts: otherwise Pacemaker would request it again at
    once, and repeated refusals would never end.
    """
    scores = {}
    for node in nodes:
        score, replica = current.get(node, 0), replicas.get(node)
        if score > election.BARRED:
            continue
        caught_up = (replica is not None and is_ready(replica)
                     and replica.lag is not None and replica.lag <= segment_size)
        if not caught_up:
            scores[node] = election.BARRED
        elif node in wished and score > election.BARRED - _PATIENCE:
            scores[node] = score - 1
    return scores


def is_held_back(score):
    # type: (int | None) -> bool
    """Return whether a node was refused, and could be promoted but for the primary of that time.

    score: its own. It has caught up since, and is still asked for: see `_barred`. Or it was to be a
    second primary: see `held_back`.
    """
    return score is not None and score < election.BARRED


def held_back(score):
    # type: (int) -> int
    """Return the score for a node that may not be promoted as long as the primary runs.

    score: its own. One that could not have been promoted without a constraint is not let in later.
    """
    return election.BARRED - 1 if score > 0 else election.BARRED


def nobody_else(me, online, current):
    # type: (str, list[str], Scores) -> bool
    """Return whether no other node of the partition has a score that could be promoted."""
    return len(online) > 1 and not any(
        current.get(node, 0) > 0 for node in online if node != me)


def bootstrap(clean_primary, current):
    # type: (bool, Scores) -> bool
    """Return True if an instance that just started may give itself the first score of all.

    clean_primary: it was shut down cleanly as a primary before. current: dict of node to its
    score, of all nodes, also of those that are away. A score that is left, whatever it is, was
    given by a primary: then this is no first start, and that primary may have what is not here.
    """
    return clean_primary and not current


def left_out(score, able=()):
    # type: (int | None, Collection[str]) -> str
    """Return why a node is not promoted where no primary runs (str).

    score: its own, a negative one, or None without one; able: other nodes (of str) that have a
    positive one.
    """
    who = " or ".join(sorted(able))
    if score is None:
        return ("no primary runs, and none has given this node a promotion score; start {0}, or "
                "accept the loss: paf promote".format(who or "the node that was the primary"))
    why = (REFUSED + ", and whether it has caught up since is not known"
           if score <= election.BARRED else "it had not received all WAL then")
    return ("no primary runs, and the last one left this node the promotion score {0}: {1}; start "
            "{2}, or accept the loss: paf promote".format(score, why, who or "the node that had"))


FIRST = 1
