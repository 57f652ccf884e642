"""Before a demotion: see that a switchover can go well, and make it short."""

from paf import stuckwal
from paf.decide import transition

#: Seconds that the checkpoints may take together, one that leaves little for the next, and how many
#: there are at most: a server that writes more than the disk takes never has less to write.
_CHECKPOINT_PATIENCE, _SHORT_CHECKPOINT, _CHECKPOINTS = 20.0, 0.5, 3
#: Seconds before a switchover of a primary that answers: how long it has to answer, how long the
#: archiver's backlog is waited for, and what the checkpoints leave of the action's time.
_LOOK_PATIENCE, _ARCHIVE_PATIENCE, _MARGIN = 3.0, 15.0, 5.0


def run(context):
    """Before a healthy primary is moved: see that it can be, and shorten its shutdown.

    A switchover that is refused here costs no outage at all. A primary that crashed or
    hangs can do neither.
    """
    lists = context.notification
    if not transition.nodes(lists.promote):
        _without_successor(context)
    if context.cluster.guards_switchover and transition.moved_primary(lists):
        reason = _unfit(context)
        if reason:
            from paf.decide import election
            target = transition.candidate(lists)
            context.cluster.set_score(target, election.BARRED, context.deadline)
            context.cluster.explain(target, reason, context.deadline)
            context.log.warning("{0} is not promoted: {1}".format(target, reason))
            if context.node in transition.nodes(lists.demote):
                _stay(context)
            return
    if (context.node in transition.nodes(lists.demote)
            and not transition.stops_here(lists, context.node) and not stuckwal.lasts(context)):
        most = _CHECKPOINT_PATIENCE
        if _is_calm(context):
            _archive(context)
            most = max(most, context.deadline.remaining - _MARGIN)
        _checkpoint(context, most)


def _stay(context):
    """Keep this primary's score, which is seen to serve: one below zero would have it demoted.

    A node that was cut off can bring a CIB of its own time, with its own scores, and that can
    replace the cluster's: Pacemaker takes the one that was changed more often.
    """
    from paf.decide import scores
    if context.cluster.view(context.deadline).scores.get(context.node) != scores.PRIMARY:
        context.log.warning("the promotion score of this primary was changed: it is set again")
        context.cluster.set_score(context.node, scores.PRIMARY, context.deadline)


def _without_successor(context):
    """Do what is due where no other node takes over."""
    lists = context.notification
    if context.node in transition.nodes(lists.demote):
        # perhaps this one is cut off, and about to be fenced
        from paf.instance import waiting_commits
        waiting_commits.end(context.instance, context.log)
    elif not transition.stops_here(lists, context.node):
        from paf import candidacy
        candidacy.explain_score(context, context.cluster.view(context.deadline), context.deadline)


def _unfit(context):
    """Return why the target of a switchover cannot take over, as this node sees it, or None."""
    lists = context.notification
    target = transition.candidate(lists)
    if context.node == target:
        reason = _without_tool(context) or _without_slots(context)
        if reason and not transition.is_switchover(lists):
            # the old primary is stopped whatever is said here, or its node is being fenced
            context.log.warning("promoted all the same: {0}".format(reason))
            return None
        return reason and "switchover refused: {0}".format(reason)
    if context.node in transition.nodes(lists.demote):
        from paf.actions import monitor
        return monitor.not_following(context, target)
    return None


def _without_tool(context):
    """Return why this node could not compare itself with the old primary, or None."""
    import os

    from paf import instance as local
    from paf.instance import settings
    tool = settings.wal_dump(context.instance)
    if os.access(local.program(context.instance, tool), os.X_OK):
        return None
    return "{0} is missing in bindir".format(tool)


def _without_slots(context):
    """Return why subscribers could not go on at this node, or None; not known is no reason."""
    from paf import ocf
    from paf.decide.knowledge import is_known
    from paf.instance import failoverslots
    try:
        found = failoverslots.missing(context.instance, context.deadline)
    except ocf.OcfError as error:
        context.log.info("logical slots are not compared: {0}".format(error))
        return None
    if not is_known(found):
        context.log.info("logical slots are not compared: {0}".format(found.reason))
    elif found.value:
        return "logical failover slots are not synced here: {0}{1}".format(
            ", ".join(found.value), _slots_in_the_way(context, found.value))
    return None


def _slots_in_the_way(context, names):
    """Return the clause on slots that keep the primary's from being copied; "" without any."""
    from paf import ocf
    from paf.instance import failoverslots
    try:
        own = failoverslots.left(context.instance, names, context.deadline).value
    except ocf.OcfError:
        own = None
    return ("; here are slots of these names that are no copies, drop them on this node, unless "
            "something reads them: {0}".format(", ".join(own))) if own else ""


def _is_calm(context):
    """Return whether nothing hurries: it is a switchover of a primary that answers.

    One that hangs, and one without a successor, is demoted because something is wrong.
    """
    from paf.instance import observe
    return transition.is_switchover(context.notification) and observe.is_primary(
        context.instance, context.deadline.within(_LOOK_PATIENCE))


def _archive(context):
    """Have the archiver work its backlog off while clients work: the shutdown waits for that."""
    from paf.decide.knowledge import is_known
    from paf.instance import archiving
    left = archiving.catch_up(context.instance, context.deadline.within(
        min(_ARCHIVE_PATIENCE, context.deadline.remaining / 3)))
    if not is_known(left):
        context.log.info("cannot look for WAL that waits for the archiver: {0}".format(left.reason))
    elif left.value:
        context.log.warning("{0} WAL files wait for the archiver, and the shutdown waits for it, "
                            "without clients: does archive_command work?".format(left.value))


def _checkpoint(context, most):
    """Write out what a shutdown would have to write, while clients still work.

    most: seconds that this may take. A long one again: what clients changed meanwhile is less, and
    the next one is shorter. One that is not waited for goes on, and the shutdown waits for it.
    """
    from paf.instance import sql
    context.log.info("the primary moves: checkpoint before its shutdown")
    patience = context.deadline.within(most)
    for _ in range(_CHECKPOINTS):
        begin = patience.elapsed
        answer = sql.query(context.instance, "CHECKPOINT", patience)
        if answer.kind != sql.ROWS:
            context.log.info("the checkpoint before the demotion failed: {0}".format(
                answer.message))
            return
        if min(patience.elapsed - begin, patience.remaining) < _SHORT_CHECKPOINT:
            return
