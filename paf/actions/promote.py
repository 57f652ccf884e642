"""promote: make the standby the primary, if the election says so."""

from paf import ocf
from paf.decide import election, scores, state, transition
from paf.cluster import base
from paf.instance import observe, server

_VOTES_PATIENCE = 5.0       # seconds


def run(context):
    """Promote the instance and return SUCCESS. Raises OcfError (soft)."""
    sight = observe.settle(context.instance, context.deadline)
    if sight.verdict.state == state.PRIMARY:
        return ocf.SUCCESS
    if sight.verdict.state in state.DOWN:
        from paf.actions import start
        start.run(context)
    elif sight.verdict.state != state.STANDBY:
        raise ocf.OcfError("cannot promote, the instance is {0}: {1}".format(
            sight.verdict.state, sight.verdict.why))
    if context.in_cluster:
        check_election(context)
    _promote(context)
    return ocf.SUCCESS


def check_election(context):
    """Raise OcfError unless the votes of this round make this node the primary."""
    lists = context.notification
    if transition.candidate(lists) != context.node:
        raise ocf.OcfError("no election was held: Pacemaker did not announce this promotion. "
                           "Let Pacemaker promote, or use pg_ctl in maintenance mode")
    reason = second_primary(lists)
    if reason:
        raise ocf.OcfError("not promoted: {0}".format(reason))
    found = context.cluster.round_state(context.deadline)
    if found == base.ROUND_RECOVERED and transition.is_recovery_of_primary(lists):
        context.log.info("the primary was recovered where it crashed: no election")
        return
    if found == base.ROUND_REFUSED:
        raise ocf.OcfError("promotion was refused before, see not_promoted_because in crm_mon -A")
    if found == base.ROUND_NONE:
        raise ocf.OcfError("no election was held: the pre-promote notification did not run here")
    verdict = count(context, context.deadline.within(_VOTES_PATIENCE))
    if not verdict.promote:
        concede(context, verdict)
        raise ocf.OcfError("not promoted: {0}".format(verdict.reason))
    context.log.info("promoting: {0}".format(verdict.reason))


def second_primary(lists):
    """Return why the promotion announced would make two primaries, or None.

    Pacemaker means to have two where promoted-max was raised while the cluster ran.
    """
    others = [node for node in transition.lasting_primaries(lists)
              if node != transition.candidate(lists)]
    if others:
        return "{0} is the primary and stays it; the clone must have promoted-max=1".format(
            ", ".join(others))
    return None


def count(context, deadline):
    """Wait until all voters have told their position, and return the election.Verdict.

    One that has left the cluster is not waited for: Pacemaker starts again, but not before this
    action has ended. Half of the action's time is left for what a refusal has to do.
    """
    voters = transition.voters(context.notification)
    deadline = deadline.within(context.deadline.remaining / 2)

    def over():
        positions = context.cluster.positions(voters, context.deadline)
        seen[:] = [election.decide(context.node, voters, positions)]
        return not seen[0].missing or departure.is_noticed(seen[0].missing)
    seen, departure = [], base.Departure(context.cluster, deadline)
    deadline.wait_for(over)
    return seen[0]


def concede(context, verdict):
    """Give the promotion to the node that is ahead, and say so. Raises OcfError."""
    reason = verdict.reason
    if verdict.better:
        current = context.cluster.view(context.deadline).scores
        wanted = election.concession(context.node, verdict.better, current)
        for node in (verdict.better, context.node):
            if current.get(node) != wanted[node]:
                context.cluster.set_score(node, wanted[node], context.deadline)
        if wanted[context.node] == election.BARRED:
            # as with a standby for disasters, which has the newest data and may not be promoted
            reason += "; a constraint keeps Pacemaker from promoting {0}".format(verdict.better)
    refuse(context, reason)


def refuse(context, reason):
    """Close the round and show the reason where administrators look. Raises OcfError."""
    context.log.warning("{0} is not promoted: {1}".format(context.node, reason))
    context.cluster.close_round(context.deadline)
    context.cluster.explain(context.node, reason, context.deadline)


def _promote(context):
    try:
        server.order_promotion(context.instance, context.deadline)
        back = _returned(context)    # while PostgreSQL works
        server.await_promotion(context.instance, context.deadline)
    except ocf.OcfError:
        from paf.crash import watcher
        watcher.end(context)    # a crash is counted as this failure, and not again
        _step_back(context)
        raise
    context.log.info("PostgreSQL was promoted")
    _outrank(context, back)


def _returned(context):
    """Return the nodes with an old primary's score that have come back in the meantime."""
    if not context.in_cluster:
        return []
    try:
        view = context.cluster.view(context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the scores could not be looked at: {0}".format(error))
        return []
    voters = transition.voters(context.notification)
    return [node for node in view.online
            if node not in voters and view.scores.get(node, 0) >= scores.PRIMARY]


def _outrank(context, nodes):
    """Lower the scores of nodes with an old primary, now that there is a new one.

    Else Pacemaker, which computes anew for whoever joins, would demote this node for it before
    the first monitor has set things right.
    """
    try:
        for node in nodes:
            context.cluster.set_score(node, scores.NOT_CONNECTED, context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the score of an old primary could not be lowered: {0}".format(error))


def _step_back(context):
    """Lower this node's score after a failed promotion, so that another one is tried next."""
    if not context.in_cluster:
        return
    try:
        context.cluster.set_score(context.node, election.LOSER_SCORE, context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the promotion score could not be lowered: {0}".format(error))
