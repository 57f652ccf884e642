"""The votes with which an election passed: its notification notes them, and promote uses them.

Between the two a node can be lost, and its vote with it. And promote has lists of its own, which
lack nodes that are stopped in this transition: Pacemaker (2.1.5) leaves all stops but one out of
them where two nodes are fenced, and has them in the lists of the notification.
"""

from paf import promotion
from paf.cluster import notes
from paf.decide import election, transition

#: Behind the name of a node whose server was asked.
_ASKED = " asked"


def pass_round(context):
    """Note that the election decided for this node, and with which votes. Raises OcfError."""
    context.cluster.notes.remove(notes.VOTES)    # rounds have no numbers in the corosync1 build
    context.cluster.pass_round()
    votes = context.cluster.counted    # one that voted may have been lost since
    names = set(votes) | set(transition.voters(context.notification))
    context.cluster.notes.write(notes.VOTES, "\n".join(
        [context.cluster.notes.read(notes.ROUND)] + ["{0} {1}{2}".format(
            election.to_vote(votes[node]) if node in votes else "", node,
            _ASKED * (node in context.cluster.asked)) for node in sorted(names)]))


def _noted(context):
    """Return what was counted in the round that passed: dict of node to pairs.

    The Fact, None for a node without; and whether its server was asked, as it did not vote. None
    where that was another round. Raises OcfError.
    """
    lines = context.cluster.notes.read(notes.VOTES).split("\n")
    if lines[0] != context.cluster.notes.read(notes.ROUND):
        return None
    found = {}
    for line in lines[1:]:
        vote, _, name = line.partition(" ")
        node = name[:-len(_ASKED)] if name.endswith(_ASKED) else name
        found[node] = election.from_vote(vote), node != name
    return found


def complete_lists(context):
    """Have promote take the nodes for stopped that its notification knew as such. Raises OcfError.

    Their votes would be missing. Only nodes that are lost: one that is a member may have come since
    the election, in another transition, whose notification was killed before it opened a round.
    """
    lists, voted = context.notification, _noted(context)
    if voted is None or set(transition.voters(lists)) <= set(voted):
        return
    members = context.cluster.view(context.deadline).online
    context.notification = transition.with_stops(lists, list(voted) + members)


def count_silent(context, verdict, cold):
    """Return the election.Decision with what nodes had when this round was passed, and do not say.

    verdict: of promotion.count, without them. They have left since and voted before; or they never
    voted, and their server, which was asked, does not answer again. They can have no more than they
    said: where a promotion is due, the primary that they followed is stopped, or was fenced. A
    member whose vote is gone has withdrawn it. Raises OcfError.
    """
    voted = _noted(context)
    if not verdict.missing or voted is None:
        return verdict
    online = context.cluster.view(context.deadline).online
    if context.cluster.is_powerless:    # those that voted may go on without this node
        return verdict
    facts = dict((node, fact) for node, (fact, was_asked) in voted.items()
                 if fact is not None and (was_asked or node not in online))
    if set(verdict.missing) - set(facts):
        return verdict
    for node in sorted(verdict.missing):
        context.log.warning("{0} {1}".format(
            node, "does not vote, and its server, which was asked in the election, does not answer "
            "now" if node in online else "has left since the election, where it had voted"))
    positions = dict(((node, facts[node]) for node in verdict.missing),
                     **promotion.all_positions(context))
    return promotion.decide(
        context.node, transition.voters(context.notification), positions, cold)
