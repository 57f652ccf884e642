"""After a promotion: the election is over, and nothing follows the old primary any more."""

from paf import background, ocf
from paf.cluster import base, notes, ophistory
from paf.decide import transition

#: Seconds until a result has reached this node's copy of the CIB, and between two looks at it.
_PATIENCE, _STEP = 2.0, 0.2


def run(context):
    """Clear away what the election left in this node's attributes. Raises OcfError.

    Pacemaker announces the end of a promotion that failed as well (seen with 2.1.5). No primary
    has come then: how this instance was started, its timelines, and what it waits for still count.
    """
    before = _noted_history(context)
    if _is_needed_later(context) and not _is_promoted(context):
        context.cluster.end_old_round(False, context.deadline)
        if context.cluster.notes.read(notes.START) == base.MARK_RECOVERED:
            # it lets an old primary do without votes, and there may have been another one
            context.cluster.notes.remove(notes.START)
        _leave_old_primary(context, before)    # it may have succeeded
        return
    from paf import stranger
    stranger.leave_service(context)
    context.cluster.forget(context.deadline)
    _leave_old_primary(context, before)


def _noted_history(context):
    """Return the note of pre_promote (str), "" without one: it is of one promotion. Raises nothing.
    """
    own = context.cluster.notes
    try:
        before = own.read(notes.HISTORY)
        own.remove(notes.HISTORY)
        return before
    except ocf.OcfError:
        return ""


def _leave_old_primary(context, before):
    """Have this standby stream from the new primary, and no longer from what was one before.

    before: of `_noted_history`.

    One that counts as fenced can run all the same: its machine was paused, or its watchdog has
    failed. What it commits from now on is lost, and no standby must acknowledge it. A machine
    without power says nothing: a connection to it lasts until a timeout ends it, and with it the
    commits that wait for this standby. So the receiver has to look for the primary again; a daemon
    sees to it that it does not wait for an address that has moved meanwhile.
    """
    lists = context.notification
    if (transition.candidate(lists) in (None, context.node) or transition.lasting_primaries(lists)
            or transition.is_recovery_of_primary(lists)):
        return
    if not _has_found(context, before):
        _disconnect(context)
    try:
        background.start("reconnect", context.environment.variables)
    except EnvironmentError as error:    # it connects all the same, perhaps a second later
        context.log.info("its next connection is not helped: {0}".format(error.strerror))


def _has_found(context, before):
    """Return whether this standby has got another history since it was to vote; False if not known.

    That is the new primary's: it has found that one.
    """
    from paf.instance import walfiles
    try:
        return ocf.is_number(before) and walfiles.newest_history(context.instance) > int(before)
    except EnvironmentError:
        return False


def _disconnect(context):
    """End this standby's WAL receiver, if it streams. Raises nothing."""
    from paf.instance import receiver
    try:
        ended = receiver.disconnect(context.instance)
    except (ocf.OcfError, OSError) as error:
        context.log.warning("this standby may still stream from the old primary: {0}".format(error))
        return
    if ended:
        context.log.info("this standby still streamed from the old primary: its WAL receiver is "
                         "ended, and finds the new one")


def _is_needed_later(context):
    """Return whether this node has noted what a new primary ends. Raises OcfError."""
    own = context.cluster.notes
    return notes.are_without_primary(own) or bool(
        own.read(notes.AWAITED) or own.read(notes.STRANGER))


def _has_wal_writer(context):
    """Return whether this node's server is seen to be a primary; False if not known."""
    from paf.instance import postmaster
    try:
        return postmaster.has_wal_writer(context.instance)
    except ocf.OcfError:
        return False


def _is_promoted(context):
    """Return whether the candidate is promoted; False if not known.

    Where it is this node, its server shows it: the address of the clients waits for this. Else
    Pacemaker's history, whose entry may reach this node's copy of the CIB after this notification.
    """
    candidate = transition.candidate(context.notification)
    if candidate == context.node and _has_wal_writer(context):
        return True

    def ended():
        found = ophistory.promotion(
            context.cluster.cib(context.deadline), context.cluster.resource, candidate)
        return None if found is None else (found,)
    try:
        found = context.deadline.within(_PATIENCE).wait_for(ended, longest=_STEP)
    except ocf.OcfError as error:
        context.log.warning("whether the promotion succeeded is not known: {0}".format(error))
        return False
    if found is None:
        context.log.warning("whether the promotion of {0} succeeded is not known: Pacemaker's "
                            "history does not have its end".format(candidate))
        return False
    return found[0]
