"""The votes with which an election passed: its notification notes them, and promote uses them.

Between the two a node can be lost, and its vote with it. And promote has lists of its own, which
lack nodes that are stopped in this transition: Pacemaker (2.1.5) leaves all stops but one out of
them where two nodes are fenced, and has them in the lists of the notification.
"""

from paf import promotion
from paf.cluster import notes
from paf.decide import election, transition


def pass_round(context):
    """Note that the election decided for this node, and with which votes. Raises OcfError."""
    context.cluster.notes.remove(notes.VOTES)    # rounds have no numbers in the corosync1 build
    context.cluster.pass_round()
    votes = context.cluster.counted    # one that voted may have been lost since
    names = set(votes) | set(transition.voters(context.notification))
    context.cluster.notes.write(notes.VOTES, "\n".join(
        [context.cluster.notes.read(notes.ROUND)] + ["{0} {1}".format(
            election.to_vote(votes[node]) if node in votes else "", node)
            for node in sorted(names)]))


def _noted(context):
    """Return the votes of the round that passed: dict of node to Fact, None for one without.

    None where that was another round. Raises OcfError.
    """
    lines = context.cluster.notes.read(notes.VOTES).split("\n")
    if lines[0] != context.cluster.notes.read(notes.ROUND):
        return None
    pairs = [line.partition(" ")[::2] for line in lines[1:]]
    return dict((node, election.from_vote(vote)) for vote, node in pairs)


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


def count_departed(context, verdict, cold):
    """Return the election.Decision with votes of nodes that have left since this round was passed.

    verdict: of promotion.count, without them. They have voted in it, and can have no more than they
    said: where a promotion is due, the primary that they followed is stopped, or was fenced.
    Raises OcfError.
    """
    voted = _noted(context)
    if not verdict.missing or voted is None:
        return verdict
    left = set(verdict.missing) - set(context.cluster.view(context.deadline).online)
    if left != set(verdict.missing) or any(voted.get(node) is None for node in left):
        return verdict
    context.log.warning("{0} has left since the election, where it had voted".format(
        " and ".join(sorted(left))))
    positions = dict(((node, voted[node]) for node in left), **promotion.all_positions(context))
    return promotion.decide(
        context.node, transition.voters(context.notification), positions, cold)
