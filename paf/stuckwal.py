"""A primary whose WAL reaches no disk any more: its storage hangs, and each commit with it.

Such a server answers: to log in and to read needs no disk that its memory does not have. So a
monitor that only asks for its role would find it well without end.

Source: pg_current_wal_flush_lsn(), and the wait events of pg_stat_activity, in the manual of
PostgreSQL. Before 10 there are no such wait events, and nothing is found.
"""

from paf import instance as local
from paf import ocf
from paf.cluster import notes
from paf.deadline import monotonic
from paf.instance import queries, sql

#: Seconds without any flush, after which a server that waits for one has failed. A path of a
#: storage network that is lost may take half of that, until another one is used.
_FAILED = 60.0
#: Seconds for one question.
_PATIENCE = 3.0
#: Seconds that a stop waits for a server that cannot shut down, as its storage may come back.
_HOPE = 10.0


def check(context, sight):
    """Return what is to be said (a list of str) of WAL that waits to be flushed. Raises OcfError.

    OcfError: nothing was flushed for so long that the primary has failed. sight: observe.Sight with
    the rows of queries.monitor. From one monitor to the next the note has what was flushed.
    """
    if not context.in_cluster or not sight.rows:
        return []
    own = notes.Notes(context.environment)
    waits = [row[1] for row in sight.rows if row[0] == queries.UNFLUSHED]
    if not waits:
        own.remove(notes.UNFLUSHED)
        return []
    age = _age(own.read(notes.UNFLUSHED), waits[0])
    if age is None:
        own.write(notes.UNFLUSHED, "{0} {1:.1f}".format(waits[0], monotonic()))
        return []
    waiting = _waiting(context)
    if not waiting:
        return []
    reason = "no WAL was flushed for {0:.0f} s, and {1} wait for it: its storage hangs".format(
        age, waiting)
    if age >= max(_FAILED, context.environment.timeout or 0):
        raise ocf.OcfError("the primary cannot commit: {0}".format(reason))
    return [reason]


def _age(note, flushed):
    """Return for how many seconds (float) no more was flushed than that; None: not known to be."""
    lsn, _, since = note.partition(" ")
    try:
        age = monotonic() - float(since)
    except ValueError:
        return None
    return age if lsn == flushed and age >= 0 else None


def _waiting(context):
    """Return how many processes wait for a flush (int), 0 where that is not known."""
    version = local.version(context.instance)
    if version < queries.FIRST_WITH_WAIT_EVENTS:
        return 0
    answer = sql.query(context.instance, queries.wal_waits(),
                       context.deadline.within(_PATIENCE))
    if answer.kind != sql.ROWS or not answer.rows or not ocf.is_number(answer.rows[0][0]):
        context.log.warning("whether something waits for WAL to be flushed is not known: "
                            "{0}".format(answer.message))
        return 0
    return int(answer.rows[0][0])


def lasts(context):
    """Return why this server cannot shut down, as a monitor has found and still holds; or "".

    A shutdown writes WAL. "" also where that is not known: it is tried then.
    """
    if not context.in_cluster:
        return ""
    try:
        note = notes.Notes(context.environment).read(notes.UNFLUSHED)
        if (_age(note, note.partition(" ")[0]) or 0) < _FAILED:
            return ""
        answer = sql.query(context.instance, queries.monitor(local.version(context.instance)),
                           context.deadline.within(_PATIENCE))
        waits = [row[1] for row in answer.rows or () if row[0] == queries.UNFLUSHED]
        age = _age(note, waits[0]) if waits else None
        if age is None or not _waiting(context):
            return ""
    except ocf.OcfError as error:
        context.log.info("whether WAL is flushed is not known: {0}".format(error))
        return ""
    return "no WAL was flushed for {0:.0f} s: its storage hangs".format(age)


def patience(context):
    """Return the Deadline of a stop: shorter where it can only succeed if the storage comes back.

    Pacemaker fences the node after a stop that fails: the sooner, the sooner there is a primary.
    """
    reason = lasts(context)
    if not reason:
        return context.deadline
    context.log.warning("this stop waits {0:.0f} s: {1}".format(_HOPE, reason))
    return context.deadline.within(_HOPE)
