"""Where the instance is in the WAL, as it votes in an election."""

from collections import namedtuple

from paf import instance as local
from paf.decide import wal
from paf.decide.knowledge import AtLeast, Known, Unknown, is_known
from paf.decide.state import IN_ARCHIVE_RECOVERY, IN_PRODUCTION
from paf.instance import controldata, postmaster, queries, sql, walfiles
from paf.ocf import OcfError

#: How long, in seconds, the server may take to say where it is.
_PATIENCE = 10.0
_CHECKPOINT_PATIENCE = 20.0
_TRUE, _FALSE = ("t", "true"), ("f", "false")

#: position: Fact of the wal.Position, all that the instance has, replayed or not; primary_seen:
#: the end of the primary's WAL (int bytes) that it heard of last, None where no WAL receiver
#: says so; synchronous: Fact of synchronous_standby_names (str); replayed: up to where the server
#: has replayed, on whatever timeline (int bytes), None where it does not say so.
Place = namedtuple("Place", "position primary_seen synchronous replayed")

_Row = namedtuple("_Row", "received replayed timeline primary seen synchronous")


def place(instance, deadline):
    """Return the Place of the instance. No CHECKPOINT is asked for.

    What a standby has received counts, also before it is replayed. Where the server gives no
    answer, or may not have come to the end of what is on disk, pg_waldump finds the end of it.

    A running primary votes with the timeline after its own. Pacemaker may have forgotten what it
    is (2.1.5 does when it is busy right after a reload); no standby may be promoted beside it,
    however much of its WAL that has by the time it votes.
    """
    control = controldata.read(instance, deadline)
    bound = controldata.lower_bound(control.value) if is_known(control) else None
    row, runs = None, postmaster.find(instance) != Known(None)
    if runs:
        row = _ask(instance, deadline.within(min(_PATIENCE, deadline.remaining / 2)))
    if row is None:
        fact = _on_disk(instance, bound, control.reason, deadline)
        if runs and is_known(control) and control.value.state == IN_PRODUCTION:
            fact = _of_silent_primary(fact)
        return Place(fact, None, Unknown("the server does not answer"), None)
    on_disk = walfiles.look(instance).newest_timeline
    newest = max(row.timeline, bound.timeline if bound else 0, on_disk)
    lsn = max(row.received or 0, row.replayed, bound.lsn if bound else 0)
    if row.primary:
        fact = Known(wal.Position(newest + 1, lsn))
    elif not newest:
        fact = Unknown(    # type: ignore[assignment]
            "neither the server nor its files say which timeline it is on")
    elif not on_disk:    # a server that answers has replayed WAL; a newer timeline may be there
        fact = AtLeast(    # type: ignore[assignment]
            wal.Position(newest, lsn), "its WAL files cannot be seen")
    elif _has_streamed(row):
        fact = Known(wal.Position(newest, lsn))
    else:
        fact = _end(instance, wal.Position(newest, lsn), deadline)
    return Place(fact, row.seen, Known(row.synchronous), row.replayed or None)


def _has_streamed(row):
    """Return whether a standby has received all that it has since its start, by its _Row.

    Else what is on disk may not be replayed yet, or may go on behind a record that is damaged: a
    WAL receiver that was asked for shows the beginning of a segment, also where it never connected.
    And what was replayed beyond that came from an archive, or was there before.
    """
    return row.received is not None and row.received >= row.replayed and (
        not wal.may_be_a_request(row.received))


def _of_silent_primary(fact):
    """Return what a server votes that runs, does not answer, and is a primary by its control file.

    As that of one that answers, its vote is behind none: Pacemaker may have forgotten it.
    """
    reason = "a server runs that does not answer, and its control file says \"in production\""
    if fact.value is None:
        return Unknown(reason)
    return AtLeast(fact.value._replace(timeline=fact.value.timeline + 1), reason)


def at_rest(instance, deadline):
    """Return the Fact of the wal.Position at which an instance ends that does not run."""
    control = controldata.read(instance, deadline)
    if not is_known(control):
        return Unknown(control.reason)
    from paf.instance import historyfiles
    reason = historyfiles.off_history(instance, control.value)
    if reason:    # the end of the WAL is not where this instance ends
        return Unknown(reason)
    return _on_disk(instance, controldata.lower_bound(control.value), "", deadline)


def _on_disk(instance, bound, reason, deadline):
    if bound is None:
        return Unknown(reason)
    newest = max(bound.timeline, walfiles.look(instance).newest_timeline)
    return _end(instance, wal.Position(newest, bound.lsn), deadline)


def _end(instance, floor, deadline):
    from paf.instance import walend
    return walend.find(instance, floor, deadline.within(deadline.remaining / 2))


def by_checkpoint(instance, fact, deadline):
    """Return the Fact of a wal.Position as the agents of 2.x would report it.

    They ask for a checkpoint and take the timeline from it; a candidate of theirs compares like
    with like.
    """
    sql.query(instance, "CHECKPOINT", deadline.within(_CHECKPOINT_PATIENCE))
    control = controldata.read(instance, deadline)
    if not is_known(control) or not is_known(fact) or (
            control.value.state != IN_ARCHIVE_RECOVERY):
        return fact
    return Known(wal.Position(control.value.timeline, fact.value.lsn))


def _ask(instance, deadline):
    """Return the _Row that the server answers, None without an answer."""
    try:
        answer = sql.query(instance, queries.position(local.version(instance)), deadline)
    except OcfError:
        return None
    if answer.kind != sql.ROWS or len(answer.rows) != 1 or len(answer.rows[0]) != 6:
        return None
    received, replayed, timeline, recovery, seen, synchronous = answer.rows[0]
    if recovery not in _TRUE + _FALSE:
        return None
    try:
        return _Row(int(received) if received else None, int(replayed or 0), int(timeline or 0),
                    recovery in _FALSE, int(seen) if seen else None, synchronous)
    except ValueError:
        return None
