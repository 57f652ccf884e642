"""What keeps a candidate from promotion whatever the votes: its lag, or a primary left behind."""

from paf import holders, ocf
from paf.decide import election, transition
from paf.decide.knowledge import is_known


def lag(context, where):
    """Return why the candidate lags too far behind the last primary, or None. Raises OcfError.

    where: position.Place of this node, whose position is known.
    """
    if not context.parameters.maxlag:
        return None
    return election.check_lag(where.position.value, context.cluster.primary_seen(context.deadline),
                              context.parameters.maxlag)


def stranded(context, where, view):
    """Return why the old primary, which was moved while it lived, would be stranded, or None.

    where: position.Place of this node; view: cib.Scan. It can follow only a node that has all it
    wrote, to the shutdown checkpoint.
    """
    lists = context.notification
    if not context.cluster.guards_switchover:
        return None
    if transition.is_switchover(lists):
        return _missing_shutdown(context, where)
    old = transition.moved_primary(lists)
    if old is None or not is_known(where.position):
        return None
    reason = election.check_move(old, where.position.value, holders.last_words(view))
    return reason and "switchover refused: {0}".format(reason)


def _missing_shutdown(context, where):
    """Return why a switchover would strand the old primary; None if it would not."""
    from paf.instance import controldata, waldump
    old = transition.nodes(context.notification.promoted)[0]
    control = controldata.read(context.instance, context.deadline)
    if not is_known(control) or not is_known(where.position):
        return "switchover refused: cannot read the control file here: {0}".format(
            control.reason or where.position.reason)
    try:
        received = waldump.ends_with_shutdown(
            context.instance, where.position.value, control.value.segment_size, context.deadline,
            where.replayed)
    except ocf.OcfError as error:
        return "switchover refused: cannot check for the shutdown checkpoint of {0}: {1}".format(
            old, error)
    if received:
        return None
    return "switchover refused: the shutdown checkpoint of {0} did not arrive here".format(old)
