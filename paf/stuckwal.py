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

#: What monitors have seen: flushed: up to where (str, bytes), while processes waited for more;
#: since: when the first one saw it (seconds, as deadline.monotonic); looks: how many have; failed:
#: whether one has failed for it.
_Note = namedtuple("_Note", "flushed since looks failed")


def check(context, sight):
    """Return what is to be said (a list of str) of WAL that waits to be flushed. Raises OcfError.

    OcfError: nothing was flushed for so long that the primary has failed; for no other reason.
    sight: observe.Sight with the rows of queries.monitor.
    """
    if not context.in_cluster or not sight.rows:
        return []
    try:
        age = _age(context, _waiting_at(sight.rows))
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
        if note is None or not note.failed or _look(context) != note.flushed:
            return ""
    except ocf.OcfError as error:
        context.log.info("whether WAL is flushed is not known: {0}".format(error))
        return ""
    return "no WAL is flushed, for {0:.0f} s: its storage hangs".format(monotonic() - note.since)


def _waiting_at(rows):
    """Return up to where WAL is flushed (str) while processes wait for more, "" while none does.

    "" also where nothing says so: before 10, and to a role that may not see what others wait for,
    which is no member of pg_monitor. rows: of queries.monitor.
    """
    found = [row[1:4] for row in rows if row[0] == queries.FLUSHED]
    if not found:
        return ""
    place, waiting, sees = found[0]
    return place if waiting != "0" and sees in ("t", "true") else ""


def _look(context):
    """Return what `_waiting_at` does, of now. Raises OcfError."""
    answer = sql.query(context.instance, queries.monitor(local.version(context.instance)),
                       context.deadline.within(_PATIENCE))
    if answer.kind != sql.ROWS or not answer.rows:
        raise ocf.OcfError(answer.message or "no answer")
    return _waiting_at(answer.rows)


def _age(context, place):
    """Return for how many seconds (float) monitors have seen it; None where too few have.

    place: what `_waiting_at` returns. Raises OcfError.
    """
    own = notes.Notes(context.environment)
    if not place:
        own.remove(notes.UNFLUSHED)
        return None
    note, now = _read(own), monotonic()
    if note is None or note.flushed != place or note.since > now:
        note = _Note(place, now, 0, False)
    note = note._replace(looks=note.looks + 1)
    _write(own, note)
    return now - note.since if note.looks >= _LOOKS else None


def _is_sure(context):
    """Look again for some seconds, and note it if nothing moves. Raises OcfError."""
    own = notes.Notes(context.environment)
    note = _read(own)
    if note is None or context.deadline.within(_SURELY).wait_for(
            lambda: _look(context) != note.flushed, longest=_STEP):
        return False
    _write(own, note._replace(failed=True))
    return True


def _read(own):
    """Return the _Note, None without one that can be understood. Raises OcfError."""
    words = own.read(notes.UNFLUSHED).split(" ")
    try:
        flushed, since, looks = words[:3]
        return _Note(flushed, float(since), int(looks), words[3:] == [_MARK])
    except ValueError:
        return None


def _write(own, note):
    """Write the _Note. Raises OcfError."""
    own.write(notes.UNFLUSHED, "{0} {1:.1f} {2}{3}".format(
        note.flushed, note.since, note.looks, " " + _MARK if note.failed else ""))
