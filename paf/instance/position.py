"""Where the instance is in the WAL, as it tells the others in an election."""

from paf import instance as local
from paf.decide import state, wal
from paf.instance import controldata, postmaster, queries, sql, walfiles
from paf.ocf import OcfError

#: How long, in seconds, a standby that still replays what it has on disk is waited for.
_REPLAY_PATIENCE = 10.0
#: A replay position that did not move for so long has come to the end of the local WAL.
_STILL = 0.3
_CHECKPOINT_PATIENCE = 20.0


def position(instance, deadline):
    """Return the Position (wal.Position) of the instance: all that it has, received or replayed.

    Where SQL brings no answer in time, the lower bound that the control file gives; a dead
    instance is NOWHERE. No CHECKPOINT is asked for.

    A running primary tells the timeline after its own. Pacemaker may have forgotten what it is
    (2.1.5 does when it is busy right after a reload); no standby may be promoted beside it,
    however much of its WAL that has by the time it votes.
    """
    if postmaster.find(instance) is None:
        return wal.NOWHERE
    control = controldata.read(instance, deadline)
    bound = controldata.lower_bound(control) if control else wal.NOWHERE
    answer = _ask(instance, deadline)
    if answer is None:
        return bound
    lsn, timeline, primary = answer
    newest = max(timeline, bound.timeline, walfiles.look(instance).newest_timeline)
    return wal.Position(newest + 1 if primary else newest, max(lsn, bound.lsn))


def by_checkpoint(instance, where, deadline):
    """Return the Position `where` (wal.Position) as the agents of 2.x would tell it.

    They ask for a checkpoint and take the timeline from it; a candidate of theirs compares like
    with like.
    """
    sql.query(instance, "CHECKPOINT", deadline.within(_CHECKPOINT_PATIENCE))
    control = controldata.read(instance, deadline)
    if control is None or control.state != state.IN_ARCHIVE_RECOVERY:
        return where
    return wal.Position(control.timeline, where.lsn)


def _ask(instance, deadline):
    """Return (LSN, timeline, whether it is a primary) by SQL; None without an answer.

    A standby accepts connections while it still replays its own WAL files, and asks for more
    (received is set) only once it is through: till then its position is not final.
    """
    seen = {}
    patience = deadline.within(min(_REPLAY_PATIENCE, deadline.remaining / 2))

    def final():
        row = _row(instance, patience)
        if row is None:
            return False
        received, replayed, timeline, primary = row
        if replayed != seen.get("replayed"):
            seen["since"] = patience.elapsed
        seen.update(received=received, replayed=replayed, timeline=timeline, primary=primary)
        return received or primary or patience.elapsed - seen["since"] > _STILL
    patience.wait_for(final)
    if "replayed" not in seen:
        return None
    return max(seen["received"], seen["replayed"]), seen["timeline"], seen["primary"]


def _row(instance, deadline):
    try:
        answer = sql.query(instance, queries.position(local.version(instance)), deadline)
    except OcfError:
        return None
    if answer.kind != sql.ROWS or len(answer.rows) != 1 or len(answer.rows[0]) != 4:
        return None
    try:
        numbers = tuple(int(text or 0) for text in answer.rows[0][:3])
        return numbers + (answer.rows[0][3] not in ("t", "true"),)
    except ValueError:
        return None
