"""What stands in the WAL files, read with pg_waldump (pg_xlogdump before PostgreSQL 10)."""

import re

from paf import instance as local
from paf import runner, wal
from paf.instance import settings
from paf.ocf import OcfError

_RECORD = re.compile(r"lsn: ([0-9A-F]+/[0-9A-F]+), prev [0-9A-F]+/[0-9A-F]+, desc: (.*)")
_END = re.compile(r" at ([0-9A-Fa-f]+/[0-9A-Fa-f]+)")
_SHUTDOWN = re.compile(r"^(?:CHECKPOINT_SHUTDOWN|checkpoint:) .*shutdown")
_TAIL = 64 * 1024    # bytes of output that are kept: only its end is of interest


def _dump(instance, deadline, timeline, start, end=None, limit=None, manager=None):
    argv = [local.program(instance, settings.wal_dump(instance)),
            "-p", local.wal_folder(instance), "-t", str(timeline), "-s", wal.format_lsn(start)]
    if end is not None:
        argv += ["-e", wal.format_lsn(end)]
    if limit is not None:
        argv += ["-n", str(limit)]
    if manager is not None:
        argv += ["-r", manager]
    result = runner.run(argv, deadline, user=local.owner(instance), keep=_TAIL)
    if result.timed_out:
        raise OcfError("reading the WAL took too long")
    return result


def records(output):
    """Return the (LSN, description) pairs in pg_waldump's output."""
    return [(wal.parse_lsn(lsn), text) for lsn, text in _RECORD.findall(output)]


def ends_with_shutdown(instance, position, segment_size, deadline):
    """Tell whether the last WAL record before a Position is a primary's shutdown checkpoint.

    position: where this standby is; segment_size: bytes. Raises OcfError when the WAL cannot be
    read, which is not the same as its not being there.
    """
    last = _last_xlog_record(instance, position, segment_size, deadline)
    if last is None or not _SHUTDOWN.match(last[1]):
        return False
    after = records(_dump(instance, deadline, position.timeline, last[0], limit=2).out)
    if not after:
        raise OcfError("cannot read the WAL at {0}".format(wal.format_lsn(last[0])))
    return len(after) == 1


def _last_xlog_record(instance, position, size, deadline):
    """Return the last record of the XLOG manager before a Position; None without one.

    The segment before may be gone, or of another timeline; then the position's own must do.
    """
    segment = position.lsn // size
    for start in (segment - 1, segment):
        if start < 1:
            continue
        found = records(_dump(instance, deadline, position.timeline, start * size,
                              position.lsn, manager="XLOG").out)
        if found:
            return found[-1]
    return None


def has_record_at(instance, timeline, lsn, deadline):
    """Tell whether the local WAL of `timeline` goes on at `lsn` (int). Raises OcfError."""
    return bool(records(_dump(instance, deadline, timeline, lsn, limit=1).out))


def end(instance, timeline, start, deadline):
    """Return where the local WAL of `timeline` ends (LSN, int), read from `start` on."""
    result = _dump(instance, deadline, timeline, start)
    complaint = _END.findall(result.err)
    if complaint:    # "error in WAL record at X: invalid record length at Y": it ends at Y
        return max(start, wal.parse_lsn(complaint[-1]))
    found = records(result.out)
    return found[-1][0] if found else start
