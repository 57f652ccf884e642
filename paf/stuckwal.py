"""A primary whose WAL reaches no disk any more: its storage hangs, and each commit with it.

Such a server answers: to log in and to read needs no disk that its memory does not have. So a
monitor that only asks for its role would find it well without end.

Source: pg_current_wal_flush_lsn(), and the wait events of pg_stat_activity, in the manual of
PostgreSQL. Before 10 there are no such wait events, and nothing is found.
"""

from collections import namedtuple

from paf import instance as local
from paf import ocf
from paf.cluster import notes
from paf.deadline import monotonic
from paf.instance import queries, sql

#: Seconds in which nothing was flushed, at least, after which a server that waits for it has
#: failed. That is what storage networks are given to switch to another path, or controller.
_FAILED = 120.0
#: How many monitors have to see that, at least.
_LOOKS = 3
#: Seconds for which it is looked again before that, and between two looks.
_SURELY, _STEP = 3.0, 1.0
_PATIENCE = 3.0
#: What the monitor that fails adds to the note.
_MARK = "failed"

#: What is known: flushed: up to where (str, bytes); since: when a monitor first saw processes wait
#: for more (seconds, as deadline.monotonic), None where none did yet; looks: how many saw that.
_Note = namedtuple("_Note", "flushed since looks failed")


def check(context, sight):
    """Return what is to be said (a list of str) of WAL that waits to be flushed. Raises OcfError.

    OcfError: nothing was flushed for so long that the primary has failed; for no other reason.
    sight: observe.Sight with the rows of queries.monitor.
    """
    if not context.in_cluster or not sight.rows:
        return []
    try:
        age = _age(context, [row[1] for row in sight.rows if row[0] == queries.UNFLUSHED])
        if age is None:
            return []
        failed = age >= max(_FAILED, context.environment.timeout or 0) and _is_sure(context)
    except ocf.OcfError as error:
        context.log.warning("whether WAL is flushed is not known: {0}".format(error))
        return []
    if failed:
        raise ocf.OcfError("the primary cannot commit: no WAL is flushed, for {0:.0f} s, and "
                           "processes wait for it: its storage hangs".format(age))
    return ["no WAL is flushed, and processes wait for it: its storage hangs"]


def lasts(context):
    """Return why this server cannot shut down, as a monitor that failed has found, or "".

    A shutdown writes WAL. "" also where that is not known: it is tried then.
    """
    if not context.in_cluster:
        return ""
    try:
        note = _read(notes.Notes(context.environment))
        if note is None or not note.failed or not _waits(context, note.flushed):
            return ""
        age = monotonic() - (note.since or 0.0)
    except ocf.OcfError as error:
        context.log.info("whether WAL is flushed is not known: {0}".format(error))
        return ""
    return "no WAL is flushed, for {0:.0f} s: its storage hangs".format(age)


def _age(context, waits):
    """Return for how many seconds (float) monitors have seen processes wait; None for too few.

    waits: up to where WAL is flushed, [] where all is. Raises OcfError.
    """
    own = notes.Notes(context.environment)
    if not waits:
        own.remove(notes.UNFLUSHED)
        return None
    note = _read(own)
    if note is None or note.flushed != waits[0]:
        _write(own, _Note(waits[0], None, 0, False))
        return None
    if not _waits(context, note.flushed):
        own.remove(notes.UNFLUSHED)
        return None
    now = monotonic()
    since = now if note.since is None or note.since > now else note.since
    _write(own, note._replace(since=since, looks=note.looks + 1))
    return now - since if note.looks + 1 >= _LOOKS else None


def _is_sure(context):
    """Look again for some seconds, and note it if nothing moves. Raises OcfError."""
    own = notes.Notes(context.environment)
    note = _read(own)
    if note is None or context.deadline.within(_SURELY).wait_for(
            lambda: not _waits(context, note.flushed), longest=_STEP):
        return False
    _write(own, note._replace(failed=True))
    return True


def _waits(context, flushed):
    """Return whether processes wait for a flush, and WAL is flushed up to there. Raises OcfError.

    OcfError also where that is not known. Before 10 nothing says so: False.
    """
    version = local.version(context.instance)
    if version < queries.FIRST_WITH_WAIT_EVENTS:
        return False
    answer = sql.query(context.instance, queries.wal_waits(version),
                       context.deadline.within(_PATIENCE))
    if answer.kind != sql.ROWS or len(answer.rows) != 1 or len(answer.rows[0]) != 3:
        raise ocf.OcfError(answer.message or "no answer")
    count, place, sees = answer.rows[0]
    if sees not in ("t", "true"):
        raise ocf.OcfError("{0} may not see what processes wait for: it has to be a member of "
                           "pg_monitor".format(context.parameters.system_user))
    return count != "0" and place == flushed


def _read(own):
    """Return the _Note, None without one that can be understood. Raises OcfError."""
    words = own.read(notes.UNFLUSHED).split(" ")
    if len(words) not in (3, 4) or not ocf.is_number(words[2]):
        return None
    try:
        return _Note(words[0], float(words[1]) if words[1] else None, int(words[2]),
                     words[3:] == [_MARK])
    except ValueError:
        return None


def _write(own, note):
    """Write the _Note. Raises OcfError."""
    own.write(notes.UNFLUSHED, "{0} {1} {2}{3}".format(
        note.flushed, "" if note.since is None else "{0:.1f}".format(note.since), note.looks,
        " " + _MARK if note.failed else ""))
