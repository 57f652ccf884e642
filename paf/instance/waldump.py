"""Records of the WAL files, read with pg_waldump (pg_xlogdump before PostgreSQL 10)."""

import os
from collections import namedtuple

from paf import instance as local
from paf.decide import wal
from paf.instance import settings, walpages, walprogram
from paf.ocf import OcfError

# as in "rmgr: XLOG ... lsn: 0/3000028, prev 0/2000110, desc: CHECKPOINT_SHUTDOWN redo ..."
_BEFORE_LSN, _AFTER_LSN, _BEFORE_TEXT = " lsn: ", ", prev ", " desc: "
_ENDS = r"\bat ([0-9A-Fa-f]+/[0-9A-Fa-f]+)"
_RECORD = r"len \(rec/tot\):\s*\d+/\s*(\d+),.* lsn: ([0-9A-Fa-f]+/[0-9A-Fa-f]+),"
_CHECKPOINTS = ("CHECKPOINT_SHUTDOWN ", "checkpoint: ")    # the second: up to 9.4
#: How the program says that it has come to the end of the WAL; or it misses the next segment.
_AT_END = ("error in WAL record at", "could not find a valid record after",
           "could not find valid record after")
_MISSING = r"could not (?:find|open) file \"(?:[^\"]*/)?([0-9A-F]{24})\""
TAIL = 64 * 1024    # bytes of output that are kept: only its end is of interest
#: Bytes from the end of the WAL within which a checkpoint begins that is its last record. No page
#: is larger: so a multiple of it is where a page begins.
_NEAR = 64 * 1024

#: What a part of the WAL holds: counts (dict of "Manager/RECORD" to int), the LSN of its end
#: (int), and the (LSN, description) pairs of its last transactions.
Content = namedtuple("Content", "counts end transactions")


class NoAnswer(OcfError):
    """The program did not end, or was killed: what is in the WAL is not known."""


def dump(instance, deadline, position, size, end=None, limit=None, manager=None, more=()):
    """Run the program from a Position on; return its Result, with the end of what it printed.

    None where the segment to begin with is not there: asked for a file that does not exist,
    pg_waldump waits five seconds for it to come. Raises OcfError.
    """
    folder = local.wal_folder(instance)
    name = wal.segment_name(position.timeline, position.lsn, size)
    if not local.is_there(os.path.join(folder, name)):
        return None
    options = list(more)
    if limit is not None:
        options += ["-n", str(limit)]
    if manager is not None:
        options += ["-r", manager]
    result = walprogram.run(instance, folder, position, size, deadline, end, options, TAIL)
    if result.timed_out:
        raise NoAnswer("reading the WAL took too long")
    if result.status < 0:
        raise NoAnswer("cannot read the WAL at {0}: {1} ended with status {2}".format(
            wal.format_lsn(position.lsn), settings.wal_dump(instance), result.status))
    return result


def _seen(result, instance, position):
    """Return the pairs that `records` does. Raises OcfError for none where the WAL does not end.

    A program that failed has not seen that there is no record.
    """
    found = records(result)
    if found or result is None or result.status == 0 or any(
            words in result.err for words in _AT_END):
        return found
    import re
    # only a segment: a program that lacks a library says "No such file" as well
    if re.search(_MISSING + ": No such file or directory", result.err):
        return found
    from paf.instance import sql
    raise OcfError("cannot read the WAL at {0}: {1}".format(
        wal.format_lsn(position.lsn), sql.last_words(result.err) or "{0} ended with status {1}"
        .format(settings.wal_dump(instance), result.status)))


def records(result):
    """Return the (LSN, description) pairs that pg_waldump printed; none for no Result."""
    found = []
    for line in result.out.splitlines() if result else []:
        lsn, _, rest = line.partition(_BEFORE_LSN)[2].partition(_AFTER_LSN)
        text = rest.partition(_BEFORE_TEXT)[2]
        if text:
            found.append((wal.parse_lsn(lsn), text))
    return found


def is_shutdown(text):
    """Return whether the description of a record (str) is that of a shutdown checkpoint."""
    return text.startswith(_CHECKPOINTS) and "shutdown" in text


def ends_with_shutdown(instance, position, size, deadline, replayed=None):
    """Return whether the last WAL record before a Position is a primary's shutdown checkpoint.

    position: where this standby is; size: bytes of a segment; replayed: the LSN (int) up to which
    the server has replayed, None where that is not known. Raises OcfError when the WAL cannot be
    read, which is not the same as its not being there.
    """
    last = _last_xlog_record(instance, position, size, deadline, replayed)
    if last is None or not is_shutdown(last[1]):
        return False
    at = wal.Position(position.timeline, last[0])
    after = records(dump(instance, deadline, at, size, limit=2))
    if not after:
        raise OcfError("cannot read the WAL at {0}".format(wal.format_lsn(last[0])))
    return len(after) == 1


def _last_xlog_record(instance, position, size, deadline, replayed):
    """Return the last record of the XLOG manager before a Position; None without one.

    Clients may wait for it, so first only the last WAL is read (`_near_end`). Where that has none,
    this segment and the one before are, which may be gone, or of another timeline; then the
    position's own must do. Raises OcfError.
    """
    near = _near_end(position.lsn, size, replayed)
    if near is not None:
        found = records(dump(instance, deadline, position._replace(lsn=near), size, position.lsn,
                             manager="XLOG"))
        if found:
            return found[-1]
    segment, results = position.lsn // size, []
    for number in (segment - 1, segment):
        start = wal.Position(position.timeline, number * size)
        results.append(dump(instance, deadline, start, size, position.lsn, manager="XLOG"))
        found = _seen(results[-1], instance, start)
        if found:
            return found[-1]
    if results == [None, None]:
        raise OcfError("cannot read the WAL at {0}: it is not there".format(
            wal.format_lsn(position.lsn)))
    return None


def _near_end(lsn, size, replayed):
    """Return the LSN (int) at which to begin to read the last WAL in front of an LSN.

    None where that saves nothing: two segments are read then. What is not replayed is read as well.
    A shutdown with an archive ends a segment early (XLOG_SWITCH), and writes its checkpoint into
    the next: in front of that there are no pages, so reading begins in the segment that ends there.
    """
    if replayed is None:
        return None
    last, begin = min(lsn, replayed), (lsn - 1) // size * size
    near = (last // _NEAR - 1) * _NEAR
    near = max(near, begin) if last >= begin else near
    return near if near > max(0, begin - size) else None


def has_record_at(instance, position, size, deadline):
    """Return whether the local WAL goes on at a Position; size: of a segment. Raises OcfError."""
    result = dump(instance, deadline, position, size, limit=1)
    if result is not None and result.status == 0 and not records(result):
        raise OcfError(unclear(instance, position.lsn))    # it fails where there is none
    if _seen(result, instance, position):
        return True
    if walpages.is_written(instance, position, size) and walpages.goes_on(
            instance, position, size):
        raise OcfError("the WAL is damaged at {0}, and goes on behind it".format(
            wal.format_lsn(position.lsn)))
    return False


def unclear(instance, lsn):
    """Return why what pg_waldump printed from an LSN (int) on says nothing (str)."""
    return "{0} printed no record from {1} on, or not in a form that is understood".format(
        settings.wal_dump(instance), wal.format_lsn(lsn))


def end(instance, start, size, deadline):
    """Return where the local WAL ends (LSN, int), read from the Position `start` on.

    Raises OcfError where the program failed for another reason than that end.
    """
    result = dump(instance, deadline, start, size)
    found = _seen(result, instance, start)
    reached = _end_of(result, instance, start, size, deadline)
    if reached is None:
        reached = _end_of_record(
            instance, start._replace(lsn=found[-1][0]), size, deadline) if found else start.lsn
    return max(start.lsn, reached)


def _end_of(result, instance, start, size, deadline):
    """Return the LSN (int) at which reading came to an end; None where that is not said. OcfError.

    "error in WAL record at X: invalid record length at Y": at Y. Where the next page is none of
    this WAL, there is no Y, and X is where the last record begins that could be read.
    """
    import re
    found = re.findall(_ENDS, result.err) if result else []
    if not found:
        return None
    last = wal.parse_lsn(found[-1])
    return last if len(found) > 1 else _end_of_record(
        instance, start._replace(lsn=last), size, deadline)


def _end_of_record(instance, position, size, deadline):
    """Return the LSN (int) at which the record at a Position ends. Raises OcfError.

    The program has read it before: where it does not again, the WAL does not end in front of it.
    """
    import re
    result = dump(instance, deadline, position, size, limit=1)
    _seen(result, instance, position)
    found = re.search(_RECORD, result.out) if result else None
    if found is None or wal.parse_lsn(found.group(2)) != position.lsn:
        raise OcfError(unclear(instance, position.lsn))
    return wal.record_end(position.lsn, int(found.group(1)),
                          walpages.page_size(instance, position, size), size)


def content(instance, start, known_end, size, deadline):
    """Return the Content of the local WAL from the Position `start` on.

    known_end: an LSN (int) up to which there is WAL. Raises OcfError when the WAL cannot be read
    up to its end: what was not read may hold anything.
    """
    result = _statistics(instance, start, size, deadline)
    end = _end_of(result, instance, start, size, deadline)
    if end is None or end < known_end:
        from paf.instance import sql
        raise OcfError("the WAL from {0} on cannot be read to its end: {1}".format(
            wal.format_lsn(start.lsn), sql.last_words(result.err) if result else
            "its first segment is missing"))
    if walpages.goes_on(instance, wal.Position(start.timeline, end), size):
        raise OcfError("the WAL is damaged at {0}, and goes on behind it".format(
            wal.format_lsn(end)))
    counts = statistics(result.out)
    if end > start.lsn and (not counts or sum(counts.values()) != _total(result.out)):
        raise OcfError("{0} counts the records in a form that is not understood".format(
            settings.wal_dump(instance)))
    found = []
    if any(name.startswith("Transaction/") for name in counts):
        found = records(dump(instance, deadline, start, size, end, manager="Transaction"))
    return Content(counts, end, found)


def _statistics(instance, start, size, deadline):
    """Return the Result of pg_waldump --stats=record; None without a first segment.

    WAL that ends with its last segment makes the program fail: it is run again up to there.
    """
    import re
    result = dump(instance, deadline, start, size, more=["--stats=record"])
    missing = re.findall(_MISSING, result.err) if result else []
    if not missing:
        return result
    names = os.listdir(local.wal_folder(instance))
    boundary = wal.segment_number(missing[-1], size) * size
    if boundary <= start.lsn or any(wal.segment_timeline(name) == start.timeline and
                                    name > missing[-1] for name in names):
        return result    # a hole
    again = dump(instance, deadline, start, size, end=boundary, more=["--stats=record"])
    return again._replace(err="at {0}: {1}".format(wal.format_lsn(boundary), again.err)
                          if again.status == 0 else again.err)


def _total(text):
    """Return the number of all records (int) that --stats=record printed, None without one."""
    import re
    found = re.search(r"(?m)^Total\s+(\d+)\s", text)
    return int(found.group(1)) if found else None


def statistics(text):
    """Return the number of records by "Manager/RECORD" (dict) that --stats=record printed; pure.

    Older programs print two rows of one name: transactions with XLOG_XACT_HAS_INFO have their own.
    """
    import re
    found = {}
    for name, number in re.findall(r"(?m)^(\w+/\S.*?)\s+(\d+) \(", text):
        if int(number):
            found[name] = found.get(name, 0) + int(number)
    return found
