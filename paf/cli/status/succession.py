"""Whom the agents would promote, by their own rules. Pure.

Pacemaker's choice is only the candidate. It promotes itself if no node that votes is ahead of it,
and no node that does not vote may hold an acknowledged commit: see paf.decide.election.
"""

from collections import namedtuple

from paf import holders
from paf.cli.view import MAINTENANCE, OFFLINE, PENDING, UNCLEAN, UNPROMOTED
from paf.decide import election, quorum, scores, wal
from paf.decide.knowledge import Known, is_known

#: to: the node (str) that would be promoted, None for none; instead: nodes (list of str) that are
#: promoted in its place if they have received more by then; unless: nodes that vote and that
#: Pacemaker does not promote, since they are in maintenance or a constraint keeps the primary off
#: them: if one has received more by then, no node is promoted; refused: why the agents would
#: promote none, unknown: why it is not known whether they would (str), "".
Election = namedtuple("Election", "to instead unless refused unknown")

_STREAMS = ("streaming", "replay paused")
_LOWEST, _HIGHEST = wal.NOWHERE, wal.Position(2 ** 32, 2 ** 64)


def of(found, ballot, lost, candidate):
    """Return the Election after the loss of nodes.

    found: a report of paf status (dict), with its nodes; ballot: cluster.cib.Scan, None where the
    agents' attributes were not looked at, so that nothing is known of an election; lost: nodes
    (list of str); candidate: the one that Pacemaker would promote, None for none.
    """
    if candidate is None or ballot is None:
        return Election(candidate, [], [], "", "")
    voters = dict((row["node"], row) for row in found["nodes"] if _votes(row, lost))
    idle = dict((name, why) for name, why in ((name, _idle(voters[name])) for name in voters)
                if why)
    to = _best(candidate, voters)
    others = [name for name in sorted(voters)
              if name != to and voters[name]["state"] in _STREAMS]
    refused, unknown = _refusal(found, ballot, lost, to, voters)
    if to in idle:
        refused = "{0} has received more than {1}, and {2}".format(to, candidate, idle[to])
    return Election(to, [name for name in others if name not in idle],
                    [name for name in others if name in idle], refused, unknown)


def foreseen(found, outcome, lost):
    """Return a simulate.Outcome of the loss of the primary, with whom its loss lets in.

    found, lost: as in `of`. To Pacemaker a node is no candidate as long as the primary holds it
    back, so its scheduler promotes none; where the addresses would be then, it does not say: that
    is not known.
    """
    if outcome.unknown or outcome.promoted is not None:
        return outcome
    return outcome._replace(promoted=let_in(found, lost), places={})


def let_in(found, lost):
    """Return the node (str) that becomes a candidate without a primary, None for none.

    found, lost: as in `of`.
    """
    names = [row["node"] for row in found["nodes"]
             if _votes(row, lost) and not _idle(row) and scores.is_held_back(row["score"])]
    return names[0] if names else None


def _idle(row):
    """Return why Pacemaker does not promote a node that votes; "" where it may."""
    if MAINTENANCE in [row["membership"]] + row["flags"]:
        return "is in maintenance"
    if not row["managed"]:
        return "Pacemaker does not manage its instance"
    return "a constraint keeps the primary off it" if row["kept_off"] else ""


def _votes(row, lost):
    return (row["node"] not in lost and row["pacemaker_role"] == UNPROMOTED
            and row["membership"] not in (OFFLINE, UNCLEAN, PENDING))


def _best(candidate, voters):
    """Return the node that is furthest ahead; the candidate where its position is not known."""
    best, mine = candidate, _position(voters.get(candidate))
    for name in sorted(voters):
        where = _position(voters[name])
        if None not in (where, mine) and where > mine:
            best, mine = name, where
    return best


def _position(row):
    """Return the wal.Position in a row of the report; None where it is not known."""
    if row is None or row["timeline"] is None or row["received"] is None:
        return None
    return wal.Position(row["timeline"], wal.parse_lsn(row["received"]))


def _refusal(found, ballot, lost, node, voters):
    """Return (why `node` would refuse to be promoted, why that is not known), each "" if it is not.

    Where its position is not known, both ends are tried.
    """
    if node in ballot.accepted:
        return "", ""
    entries, bad = holders.entries_of(ballot)
    if bad:
        return bad, ""
    mine = _position(voters.get(node))
    verdicts = [_absent(found, ballot, lost, node, where, voters, entries)
                for where in ([mine] if mine else [_LOWEST, _HIGHEST])]
    no = [verdict.reason for verdict in verdicts if not verdict.promote]
    if len(no) == len(verdicts):
        return no[0], ""
    return "", "what {0} has received is not known; perhaps {1}".format(node, no[0]) if no else ""


def _absent(found, ballot, lost, node, mine, voters, entries):
    """Return the election.Decision on those that would not vote, as the candidate judges them.

    mine: its wal.Position; entries: dict of node to quorum.Entry.
    """
    primary, entry = quorum.last_primary(entries, ballot.scores, scores.PRIMARY)
    rules = [(entry.rule, "synchronous_standby_names of {0}".format(primary or "the last primary"))
             ] if entry else []
    own = quorum.parse((found["synchronous"] or {}).get("names", ""))
    if is_known(own) and own.value:
        rules.append((own.value, "synchronous_standby_names"))
    heard = set(voters) | set([node])
    online = set(ballot.online) - set(lost)
    words = dict((name, fact) for name, fact in holders.last_words(ballot).items()
                 if name not in heard)
    nodes = quorum.taken_in(entry.rule if entry and primary else None,
                            sorted(set(ballot.scores) | set(ballot.online)),
                            online - set(ballot.running) - heard - set(ballot.acknowledged))
    return election.check_absent(node, mine, rules, primary, heard, words, nodes,
                                 _set_back(ballot, dict(voters, **{node: None}), mine, words))


def _set_back(ballot, voters, mine, words):
    """Return the nodes (a set) that may have less than they acknowledged: see paf.holders.

    voters: dict of node to its row, None for the candidate, which is at `mine`; words: last words.
    """
    votes = dict(words)
    for name, row in voters.items():
        where = _position(row) if row else mine
        if where is not None:
            votes[name] = Known(where)
    return election.set_back(dict((name, fact) for name, fact in holders.marks(ballot).items()
                                  if name in voters or name in words), votes)
