"""notify: where nodes tell each other their position, and the candidate decides."""

import os

from paf import election, notify, ocf, scores
from paf import instance as local
from paf.actions import monitor, promote
from paf.cluster import base
from paf.instance import controldata, position, settings, sql, waldump

_ROUND_PATIENCE = 20.0      # seconds
_CHECKPOINT_PATIENCE = 20.0


def run(context):
    """Do what the notification calls for and return SUCCESS, whatever comes of it.

    Pacemaker ignores the status of notify actions; attributes carry what matters.
    """
    lists = context.notification
    act = _ACTIONS.get((lists.kind, lists.operation))
    if context.log.debugging:
        context.log.debug("notify: {0}".format(notify.picture(lists)))
    if act is None or not context.in_cluster:
        return ocf.SUCCESS
    act(context)
    return ocf.SUCCESS


def _pre_promote(context):
    """Tell this node's position; on the candidate, hold the election."""
    lists = context.notification
    deadline = context.deadline
    chosen = notify.candidate(lists)
    where = position.position(context.instance, deadline)
    if chosen != context.node:
        context.cluster.publish(where, deadline)
        if not context.cluster.answer(chosen, where, deadline.within(_ROUND_PATIENCE)):
            context.log.debug("{0} opened no round".format(chosen))
        return
    context.log.info("{0}: {1} is to be promoted".format(notify.transition(lists), chosen))
    mark = base.MARK_NONE
    if notify.is_recovery_of_primary(lists) or not lists.promoted:
        mark = context.cluster.mark(deadline)
    recovered = mark == base.MARK_RECOVERED and notify.is_recovery_of_primary(lists)
    context.cluster.open_round(where, recovered, deadline)
    context.cluster.publish(where, deadline)
    if mark == base.MARK_COLD and _await_the_absent(context):
        return
    if not recovered:
        _elect(context, where)


def _await_the_absent(context):
    """After a cold start, wait for nodes that may hold more; True if one came, to start anew.

    Whoever comes makes Pacemaker compute the transition anew as soon as this notification has
    returned. Nobody came: what is here has to do.
    """
    def missing():
        view = context.cluster.view(context.deadline)
        return election.awaited(voters, view.online, view.scores, scores.PRIMARY)

    voters = notify.voters(context.notification)
    absent = missing()
    if not absent:
        return False
    context.log.warning("cold start: waiting for {0}, which may hold more WAL".format(
        ", ".join(absent)))
    context.cluster.explain(context.node, "waiting for {0}, which may hold more WAL".format(
        ", ".join(absent)), context.deadline)
    patience = context.deadline.within(max(0, context.deadline.remaining - _ROUND_PATIENCE))
    if patience.wait_for(lambda: missing() != absent):
        promote.refuse(context, "{0} came back while it was waited for".format(
            ", ".join(set(absent) - set(missing()))))
        return True
    context.log.warning("{0} did not come: electing without".format(", ".join(absent)))
    return False


def _elect(context, where):
    """Decide before any promote runs: Pacemaker sees new scores and chooses anew."""
    reason = promote.second_primary(context.notification)
    if context.cluster.guards_switchover and notify.is_switchover(context.notification):
        reason = _missing_shutdown(context, where)
    # a refusal, too, comes after the votes: the others wait for a round to answer
    verdict = promote.count(context, context.deadline.within(_ROUND_PATIENCE))
    if reason:
        context.cluster.set_score(context.node, election.BARRED, context.deadline)
        promote.refuse(context, reason)
    elif verdict.better:
        promote.concede(context, verdict)
    elif verdict.missing:
        # promote looks again, and fails with this reason if nothing changed
        context.log.warning(verdict.reason)


def _missing_shutdown(context, where):
    """Return why a switchover would strand the old primary; None if it would not.

    The old primary can follow only a node that has all it wrote, to the shutdown checkpoint.
    """
    old = notify.nodes(context.notification.promoted)[0]
    control = controldata.read(context.instance, context.deadline)
    if control is None:
        return "switchover refused: cannot read the control file here"
    try:
        received = waldump.ends_with_shutdown(
            context.instance, where, control.segment_size, context.deadline)
    except ocf.OcfError as error:
        return "switchover refused: cannot check for the shutdown checkpoint of {0}: {1}".format(
            old, error)
    if received:
        return None
    return "switchover refused: the shutdown checkpoint of {0} did not arrive here".format(old)


def _post_promote(context):
    """The election is over."""
    context.cluster.forget(context.deadline)


def _pre_demote(context):
    """Before a healthy primary is moved: see that it can be, and shorten its shutdown.

    A switchover that is refused here costs no outage at all. One that crashed or hangs is in no
    state for either.
    """
    lists = context.notification
    if context.cluster.guards_switchover and notify.is_switchover(lists):
        reason = _unfit(context)
        if reason:
            target = notify.candidate(lists)
            context.cluster.set_score(target, election.BARRED, context.deadline)
            context.cluster.explain(target, reason, context.deadline)
            context.log.warning("{0} is not promoted: {1}".format(target, reason))
            return
    if context.node in notify.nodes(lists.demote) and not notify.stops_here(lists, context.node):
        _checkpoint(context)


def _unfit(context):
    """Return why the target of a switchover cannot take over, as this node sees it, or None."""
    lists = context.notification
    target = notify.candidate(lists)
    if context.node == target:
        tool = settings.wal_dump(context.instance)
        if not os.access(local.program(context.instance, tool), os.X_OK):
            return "switchover refused: {0} is missing in bindir".format(tool)
    elif context.node in notify.nodes(lists.demote):
        return monitor.not_following(context, target)
    return None


def _checkpoint(context):
    """Write out what a shutdown would have to write, while clients still work."""
    context.log.info("the primary moves: checkpoint before its shutdown")
    answer = sql.query(context.instance, "CHECKPOINT",
                       context.deadline.within(_CHECKPOINT_PATIENCE))
    if answer.kind != sql.ROWS:
        context.log.info("the checkpoint before the demotion came to nothing: {0}".format(
            answer.message))


def _post_start(context):
    """On the primary, give standbys that have just come their scores.

    The next monitor may be too late: were the primary to die before, nobody could follow it.
    """
    if context.node in notify.nodes(context.notification.promoted):
        monitor.look_at_standbys(context)


def _pre_stop(context):
    """Say what is going on; a dead standby needs no help to be stopped."""
    if notify.is_recovery_of_standby(context.notification, context.node):
        context.log.info("recovery of this standby")


_ACTIONS = {
    ("pre", "promote"): _pre_promote,
    ("post", "promote"): _post_promote,
    ("pre", "demote"): _pre_demote,
    ("pre", "stop"): _pre_stop,
    ("post", "start"): _post_start,
}
