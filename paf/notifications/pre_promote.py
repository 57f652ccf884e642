"""Before a promotion: nodes tell each other their position, and the candidate decides."""

from paf import ocf
from paf.decide import election, scores, transition
from paf.actions import promote
from paf.cluster import base
from paf.instance import controldata, position, waldump

_ROUND_PATIENCE = 20.0      # seconds


def run(context):
    """Tell this node's position; on the candidate, hold the election."""
    lists = context.notification
    deadline = context.deadline
    chosen = transition.candidate(lists)
    where = position.position(context.instance, deadline)
    if chosen != context.node:
        told = context.cluster.vote(chosen, where, deadline.within(_ROUND_PATIENCE))
        if told is None:
            context.cluster.publish(position.by_checkpoint(context.instance, where, deadline),
                                    deadline)
        return
    mark = base.MARK_NONE
    if transition.is_recovery_of_primary(lists) or not lists.promoted:
        mark = context.cluster.mark(deadline)
    context.log.info("{0}: {1} is to be promoted".format(_name(context, mark), chosen))
    recovered = mark == base.MARK_RECOVERED and transition.is_recovery_of_primary(lists)
    context.cluster.open_round(where, recovered, deadline)
    if mark == base.MARK_COLD and _await_the_absent(context):
        return
    if not recovered:
        _elect(context, where)


def _name(context, mark):
    """Return the name of the transition, by the mark of this instance where the lists say nothing.

    An instance without a mark has had a primary beside it, or an election.
    """
    name = transition.transition(context.notification)
    if name != transition.PROMOTION or context.cluster.is_announced_again:
        return name
    return {base.MARK_COLD: transition.FIRST_START,
            base.MARK_RECOVERED: transition.RECOVERY_OF_PRIMARY}.get(mark, transition.FAILOVER)


def _await_the_absent(context):
    """After a cold start, wait for nodes that may hold more; True if one came, to start again.

    Whoever comes makes Pacemaker compute the transition again as soon as this notification has
    returned. Nobody came: what is here has to do.
    """
    def missing():
        view = context.cluster.view(context.deadline)
        return election.awaited(voters, view.online, view.scores, scores.PRIMARY)

    voters = transition.voters(context.notification)
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
    """Decide before any promote runs: Pacemaker sees new scores and chooses again."""
    reason = promote.second_primary(context.notification)
    if (not reason and context.cluster.guards_switchover
            and transition.is_switchover(context.notification)):
        reason = _missing_shutdown(context, where)
    # a refusal, too, comes after the votes: the others wait for a round to answer
    verdict = promote.count(context, context.deadline.within(context.cluster.votes_patience))
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
    old = transition.nodes(context.notification.promoted)[0]
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
