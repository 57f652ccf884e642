"""demote: stop, then start as a standby, as PostgreSQL knows no other way."""

from paf import ocf
from paf.crash import watcher
from paf.decide import state, transition
from paf.instance import observe, server, waiting_commits

_LOOK_PATIENCE, _LINE_PATIENCE = 5.0, 1.0    # seconds


def run(context):
    """Make the primary a standby and return SUCCESS. Raises OcfError (soft, always).

    Where Pacemaker stops the instance in the same transition, it is not started in between. No
    settings are checked here: clients are waiting, and a server that ran can be started.
    """
    # all is loaded now: an upgrade may replace the files while the server shuts down
    from paf import lastwords, refused, stuckwal
    from paf.actions import start
    stuck = stuckwal.lasts(context)
    if stuck:    # Pacemaker stops it next, and that fails as well
        raise ocf.OcfError("cannot be shut down: {0}".format(stuck))
    # first: a node that is cut off may be fenced
    waiting_commits.end(context.instance, context.log)
    # a short check: a server that hangs is stopped anyway
    sight = observe.observe(context.instance, context.deadline.within(
        min(_LOOK_PATIENCE, context.deadline.remaining / 4)))
    if (sight.verdict.state == state.STANDBY and observe.is_certain(sight)
            and not _may_be_promoted(context)):
        return ocf.SUCCESS
    _withdraw_line(context, sight)
    _shut_down(context, sight)
    if context.in_cluster and _is_stopped_next(context):
        if sight.verdict.state not in state.DOWN:
            lastwords.leave(context)
        context.log.info("demoted; Pacemaker stops the instance next, so it stays stopped")
        return ocf.SUCCESS
    try:
        refused.check_programs(context)
        was = _was(context, sight)
        start.end_backup(context)
        start.as_standby(context)
        start.enter_cluster(context, was)
        return ocf.SUCCESS
    except ocf.OcfError as error:
        lastwords.postpone(context)    # Pacemaker stops it next: a clean end, and no crash
        # a hard error would ban the node, although a stop and a start may still repair it
        raise ocf.OcfError("stopped, but does not come back as a standby: {0}".format(error))


def _shut_down(context, sight):
    """Shut the server down. Raises OcfError. sight: before that."""
    from paf import lastwords
    watcher.end(context)
    if sight.verdict.state not in state.DOWN:
        lastwords.postpone(context)    # first: the server may end after this action was killed
    server.stop(context.instance, context.deadline, context.log)


def _was(context, sight):
    """Return the state that an instance which was shut down is started from; sight: before that."""
    if sight.verdict.state == state.PRIMARY:    # what it was is to be said of its timelines
        return state.STOPPED_PRIMARY
    if sight.verdict.state in state.DOWN:
        return sight.verdict.state
    # no answer, or a standby that may have been promoted before it ended: its control file says it
    return observe.observe(context.instance, context.deadline).verdict.state


def _withdraw_line(context, sight):
    """In a switchover, withdraw the timelines that a primary says, while clients still write.

    Raises nothing: what is not withdrawn now is as soon as the standby runs. One that goes on as a
    primary nonetheless says them again in its next monitor.
    """
    try:
        if context.in_cluster and sight.verdict.state == state.PRIMARY and (
                transition.is_switchover(context.notification)):
            context.cluster.withdraw_line(context.deadline.within(
                min(_LINE_PATIENCE, context.deadline.remaining / 4)))
    except ocf.OcfError as error:
        context.log.info("the timelines of this node are withdrawn later: {0}".format(error))


def _may_be_promoted(context):
    """Return whether a standby may become a primary by itself: a promotion of it has failed.

    The server has its order, and promotes itself once what held it up is over: a restart alone
    takes the order back. Pacemaker may not stop it (on-fail=demote).
    """
    if not context.in_cluster:
        return False
    from paf.cluster import notes
    try:
        return bool(notes.Notes(context.environment).read(notes.ORDERED))
    except ocf.OcfError as error:
        context.log.warning("whether a promotion was ordered is not known: {0}".format(error))
        return True


def _is_stopped_next(context):
    """Return whether Pacemaker stops the instance in this transition; False if that is unknown."""
    if not context.notification.stop:
        return False
    try:
        return transition.stops_here(context.notification, context.node)
    except ocf.OcfError as error:
        context.log.warning("the instance is started, perhaps to be stopped next: {0}".format(
            error))
        return False
