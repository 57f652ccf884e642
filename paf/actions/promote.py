"""promote: make the standby the primary, if the election says so."""

from paf import holders, ocf, promotion, refused, voted
from paf.decide import election, scores, state, transition
from paf.cluster import base, notes
from paf.instance import observe, queries, server, standby_mode

_VOTES_PATIENCE = 5.0       # seconds
_RECOUNT_MUTE = 0.3


def run(context):
    """Promote the instance and return SUCCESS. Raises OcfError (soft)."""
    refused.check_programs(context)
    sight = observe.ask(observe.settle, context.instance, context.deadline, queries.replay)
    if observe.shows_primary(context.instance, sight):
        return ocf.SUCCESS
    if sight.verdict.state in state.DOWN:
        from paf.actions import start
        start.run(context, elected=context.in_cluster and _has_round(context))
    elif sight.verdict.state != state.STANDBY:
        raise ocf.OcfError("cannot promote, the instance is {0}: {1}".format(
            sight.verdict.state, sight.verdict.why))
    _let_replay(context, sight)
    if context.in_cluster:
        check_election(context)
        holders.publish_rule(context)
    _promote(context)
    return ocf.SUCCESS


def _has_round(context):
    """Return whether this node is the candidate of a round that goes on. Raises OcfError."""
    return (transition.candidate(context.notification) == context.node
            and context.cluster.round_state(context.deadline) in (
                base.ROUND_OPEN, base.ROUND_PASSED, base.ROUND_RECOVERED))


def _let_replay(context, sight):
    """Start a standby again whose replay is paused for want of what the primary has. OcfError.

    A promotion would end it, and with its configuration it would not start again. Its position
    stays: all that it has received is on disk. Also where it is not known why replay is paused.
    Where it is not known whether it is, the promotion is tried: most servers have not paused.
    """
    if not sight.rows and sight.verdict.state == state.STANDBY:
        context.log.warning("whether replay is paused is not known: {0}".format(sight.message))
    if not sight.rows or not sight.rows[0][2]:
        return
    from paf.instance import limits
    why = limits.why_paused(context.instance, sight.rows[0][2], context.deadline)
    if not why:
        return
    from paf.actions import start
    from paf.crash import watcher
    context.log.warning("{0}: this is done before it is promoted".format(why))
    watcher.end(context)
    server.stop(context.instance, context.deadline, context.log)
    start.as_standby(context)


def check_election(context):
    """Raise OcfError unless the votes of this round make this node the primary."""
    lists = context.notification
    if transition.candidate(lists) != context.node:
        raise ocf.OcfError("no election was held: Pacemaker did not announce this promotion. "
                           "Let Pacemaker promote, or use pg_ctl in maintenance mode")
    reason = promotion.second_primary(lists)
    if reason:
        raise ocf.OcfError("not promoted: {0}".format(reason))
    found = context.cluster.round_state(context.deadline)
    if found == base.ROUND_RECOVERED and transition.is_recovery_of_primary(lists):
        context.log.info("the primary was recovered where it crashed: no election")
        return
    if found == base.ROUND_REFUSED:
        raise ocf.OcfError("promotion was refused before, see not_promoted_because in crm_mon -A")
    if found not in (base.ROUND_OPEN, base.ROUND_PASSED):
        raise ocf.OcfError("no election was held: the pre-promote notification did not run here, "
                           "or failed")
    if found == base.ROUND_PASSED:
        voted.complete_lists(context)
    verdict = _count(context, found)
    if not verdict.promote:
        from paf.instance import position
        promotion.concede(context, position.place(context.instance, context.deadline), verdict)
        raise ocf.OcfError("not promoted: {0}".format(verdict.reason))
    context.log.info("promoting: {0}".format(verdict.reason))


def _count(context, found):
    """Return the election.Decision as the votes are now.

    Who does not vote was judged before; where the notification could not (ROUND_OPEN), it is now.
    """
    if found == base.ROUND_OPEN:
        _await_the_absent(context)
    deadline = context.deadline.within(_VOTES_PATIENCE)
    if found == base.ROUND_OPEN:
        mute, view = deadline.remaining, context.cluster.view(context.deadline)
    else:
        mute, view = _RECOUNT_MUTE, None
    cold = promotion.cold_facts(context, view)
    verdict = promotion.count(context, deadline, mute=mute, cold=cold)
    if found == base.ROUND_PASSED:
        verdict = voted.count_silent(context, verdict, cold)
    if view is None and not verdict.promote:
        view = context.cluster.view(context.deadline)
    if found == base.ROUND_OPEN:
        verdict = _judge(context, verdict, view)
    elif not verdict.promote and context.node in view.accepted:
        return election.Decision(True, "the administrator accepts the loss", None, (), ())
    return verdict


def _judge(context, verdict, view):
    """Do for the last time what a notification that was killed has not done. Raises OcfError."""
    from paf import hindrances
    from paf.instance import position
    where = position.place(context.instance, context.deadline)
    verdict = promotion.judge(context, where, view, verdict)
    if context.node not in view.accepted:
        reason, score = (verdict.promote and hindrances.stranded(context, where, view),
                         election.BARRED)
        if not reason and verdict.better not in view.accepted:
            reason, score = hindrances.lag(context, where, verdict.better), scores.NOT_CONNECTED
        if reason:
            promotion.refuse(context, reason, score)
            raise ocf.OcfError("not promoted: {0}".format(reason))
    if verdict.promote:
        holders.prepare_rule(context, where, view)
    return verdict


def _await_the_absent(context):
    """Do what a notification that was killed has not done. Raises OcfError to elect again."""
    if context.notification.promoted or context.cluster.mark() != base.MARK_COLD:
        return
    from paf.instance import position
    where = position.place(context.instance, context.deadline)
    if promotion.await_the_absent(context, where):
        raise ocf.OcfError("not promoted: a node that was waited for has come")


def _promote(context):
    _note_order(context)
    try:
        server.order_promotion(context.instance, context.deadline, context.log)
        view = _look(context)
        server.await_promotion(context.instance, context.deadline, context.log)
    except ocf.OcfError:
        from paf.crash import watcher
        watcher.end(context)    # a crash is counted as this failure, and not again
        _step_back(context)
        raise
    context.log.info("PostgreSQL was promoted")
    try:
        standby_mode.forget_recovery(context.instance)    # of a standby that was started by hand
    except ocf.OcfError as error:
        context.log.warning("{0}: after a crash of one of its processes the server would be a "
                            "backup that is restored; remove it".format(error))
    from paf.actions import start
    start.forget_order(context)
    if context.in_cluster:
        from paf import stranger
        stranger.forget(context)    # of a candidate that gave way: this history is the cluster's
        holders.confirm(context)
    if view is not None:
        _settle_scores(context, view)


def _note_order(context):
    """Note that a promotion is ordered: it may come about after this action has failed."""
    try:
        if context.in_cluster:
            context.cluster.notes.write(notes.ORDERED, "yes")
    except ocf.OcfError as error:
        context.log.warning("if this promotion fails, a demotion does not know of it: {0}".format(
            error))


def _look(context):
    """Return the cib.Scan while PostgreSQL works, None where Pacemaker gives no answer."""
    if not context.in_cluster:
        return None
    try:
        return context.cluster.view(context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the scores could not be looked at: {0}".format(error))
        return None


def _settle_scores(context, view):
    """Lower the scores of former primaries that have come back, now that there is a new one.

    Else Pacemaker, which computes again when a node joins, would demote this node for it before
    the first monitor has set things right. After a cold start also the score of one that is away,
    and this node gets a primary's: if all lose power again before the first monitor, the scores
    name the last primary. The administrator's word that a loss is accepted, on whatever node, holds
    for one promotion.
    """
    voters = transition.voters(context.notification)
    cold = context.cluster.mark() == base.MARK_COLD
    wanted = dict((node, scores.NOT_CONNECTED)
                  for node in (sorted(view.scores) if cold else view.online)
                  if node not in voters and view.scores.get(node, 0) >= scores.PRIMARY)
    try:
        if cold and view.scores.get(context.node) != scores.PRIMARY:
            context.cluster.set_score(context.node, scores.PRIMARY, context.deadline)
        for node in sorted(wanted):
            context.cluster.set_score(node, wanted[node], context.deadline)
        for node in sorted(view.accepted):
            context.cluster.forget_acceptance(node, context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the scores of old primaries could not be lowered: {0}".format(error))


def _step_back(context):
    """Lower this node's score after a failed promotion, so that another one is tried next."""
    if not context.in_cluster:
        return
    try:
        context.cluster.set_score(context.node, election.LOSER_SCORE, context.deadline)
    except ocf.OcfError as error:
        context.log.warning("the promotion score could not be lowered: {0}".format(error))
