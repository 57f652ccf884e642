"""notify: where nodes tell each other their position, and the candidate decides."""

from paf import election, notify, ocf
from paf.actions import promote
from paf.instance import controldata, position, sql, waldump

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
    recovered = (notify.is_recovery_of_primary(lists)
                 and context.cluster.was_recovered(deadline))
    context.cluster.open_round(where, recovered, deadline)
    context.cluster.publish(where, deadline)
    if not recovered:
        _elect(context, where)


def _elect(context, where):
    """Decide before any promote runs: Pacemaker sees new scores and chooses anew."""
    reason = None
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
    """Write out what a shutdown would have to write, while clients still work.

    Only where a healthy primary is moved: one that crashed or hangs is in no state to.
    """
    lists = context.notification
    if context.node not in notify.nodes(lists.demote) or notify.stops_here(lists, context.node):
        return
    context.log.info("the primary moves: checkpoint before its shutdown")
    answer = sql.query(context.instance, "CHECKPOINT",
                       context.deadline.within(_CHECKPOINT_PATIENCE))
    if answer.kind != sql.ROWS:
        context.log.info("the checkpoint before the demotion came to nothing: {0}".format(
            answer.message))


def _pre_stop(context):
    """Say what is going on; a dead standby needs no help to be stopped."""
    if notify.is_recovery_of_standby(context.notification, context.node):
        context.log.info("recovery of this standby")


_ACTIONS = {
    ("pre", "promote"): _pre_promote,
    ("post", "promote"): _post_promote,
    ("pre", "demote"): _pre_demote,
    ("pre", "stop"): _pre_stop,
}
