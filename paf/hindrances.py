"""What keeps a candidate from promotion whatever the votes: its lag, or a primary left behind."""

from paf import holders, ocf
from paf.cluster import notes
from paf.decide import election, transition, wal
from paf.decide.knowledge import is_known


def heard(context, where):
    """Return the end of the primary's WAL (int bytes) that this node knows of, for its vote.

    None without maxlag, or where it knows none. where: position.Place of this node. What a WAL
    receiver has heard is gone when it ends. The note keeps that for later elections, until this
    instance is started again; not for those on another timeline, which each promotion begins.
    """
    if not context.parameters.maxlag:
        return None
    own, seen = where.position.value, where.primary_seen
    if own is None:
        return seen
    try:
        noted = wal.from_wire(context.cluster.notes.read(notes.HEARD))
        if noted is not None and noted.timeline == own.timeline:
            seen = noted.lsn if seen is None else max(seen, noted.lsn)
        if seen is not None:
            context.cluster.notes.write(notes.HEARD, wal.to_wire(own._replace(lsn=seen)))
    except ocf.OcfError as error:
        context.log.warning("what was heard of the primary is not noted: {0}".format(error))
    return seen


def lag(context, where, better=None):
    """Return why the candidate surely lags too far behind the last primary, or None. OcfError.

    where: position.Place of this node; better: the node (str) that is ahead of it, None for none.
    Whether more votes are missing is no matter. To give way to a node that lags too far as well
    would have both chosen by turns; to one that may not, it is no reason to refuse.
    """
    maxlag = context.parameters.maxlag
    if not maxlag or not is_known(where.position):
        return None
    seen = context.cluster.primary_seen(context.deadline)
    mine = election.check_lag(where.position.value, seen, maxlag)
    if better is None:
        return mine
    fact = context.cluster.counted.get(better)
    if fact is None or not is_known(fact):
        return None
    theirs = election.check_lag(fact.value, seen, maxlag)
    return theirs and (mine or "{0} is ahead, and {1}".format(better, theirs))


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
