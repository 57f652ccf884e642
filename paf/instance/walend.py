"""Where the WAL on disk ends, for an instance that cannot be asked or has not replayed it all.

The address in its first page distinguishes a written segment from a recycled one; then
pg_waldump reads the last of them. Where a page behind the last record was written in its place, a
record is damaged: it may be acknowledged, and what follows as well. A power cut can leave the same
where the disk wrote a later page first, which was not acknowledged; nothing says which it is.
Source: src/include/access/xlog_internal.h, XLogPageHeaderData and XLogLongPageHeaderData (9.3 and
later); pg_waldump.
"""

import errno
import os
import re
import stat
import struct
from collections import namedtuple

from paf import instance as local
from paf.decide import wal
from paf.decide.knowledge import AtLeast, Known
from paf.instance import settings, waldump, walfiles, walpages, walprogram
from paf.ocf import OcfError

#: The first page of a segment: the address (int LSN) that it was written for, bytes of a segment,
#: bytes of a page.
_Header = namedtuple("_Header", "address segment page")

_LAYOUT = "=HHIQI4xQII"    # magic, info, timeline, address, remaining; system, segment, page
_LONG = struct.calcsize(_LAYOUT)
#: How pg_waldump says that it came to the end of valid WAL; anything else is a failure of its own.
_ENDS = ("error in WAL record at", "could not find a valid record after",
         "could not find valid record after")
_RECORD = re.compile(r"len \(rec/tot\):\s*\d+/\s*(\d+),.* lsn: ([0-9A-Fa-f]+/[0-9A-Fa-f]+),")
_PLACE = re.compile(r"error in WAL record at ([0-9A-Fa-f]+/[0-9A-Fa-f]+)")
_TAIL = 64 * 1024    # bytes of output that are kept: its end is what counts


def find(instance, floor, deadline):
    """Return the Fact of the wal.Position at which the valid WAL in pg_wal ends.

    floor: a wal.Position that the instance surely has, on the timeline to look at. AtLeast(floor)
    where the WAL cannot be read.
    """
    try:
        return _find(instance, floor, deadline)
    except OcfError as error:
        return AtLeast(floor, str(error))


def _find(instance, floor, deadline):
    size = walfiles.look(instance).segment_size
    if header(instance, floor.timeline, floor.lsn // size, size) is None:
        floor = _begin(instance, floor, size)
    first = last = floor.lsn // size
    later = [number for number in _numbers(instance, floor.timeline, size) if number >= first]
    newest = None
    while _is_written(instance, floor.timeline, last, size):
        newest, last = header(instance, floor.timeline, last, size), last + 1
    if any(number > last and _is_written(instance, floor.timeline, number, size)
           for number in later) or newest is None and floor.lsn % size:
        raise OcfError("the WAL segment {0} is missing, or not what was written there".format(
            wal.segment_name(floor.timeline, last * size, size)))
    if newest is None:    # not there, or allocated, and not written yet
        return Known(floor)
    if newest.segment != size:
        raise OcfError("the WAL has segments of {0} bytes and of {1}".format(size, newest.segment))
    end = wal.Position(floor.timeline, max(floor.lsn, _last_end(
        instance, floor, first, last, newest, deadline)))
    if walpages.goes_on(instance, end, size):
        raise OcfError("the WAL is damaged at {0}, and goes on behind it".format(
            wal.format_lsn(end.lsn)))
    return Known(end)


def _begin(instance, floor, size):
    """Return the Position where the floor's timeline began, if that was later; else the floor.

    The floor too where the WAL from there to the beginning is not all here, on the timelines
    before. The control file learns of a new timeline at the next restartpoint. Raises OcfError.
    """
    switches = walfiles.switches(instance, floor.timeline)
    if not switches or switches[-1].lsn <= floor.lsn:
        return floor
    for number in range(floor.lsn // size, switches[-1].lsn // size):
        # where a timeline ends in the middle of a segment, the next one has a copy of it
        if not any(_is_written(instance, switch.timeline, number, size) for switch in switches
                   if switch.lsn >= number * size):
            return floor
    return wal.Position(floor.timeline, switches[-1].lsn)


def _last_end(instance, floor, first, last, newest, deadline):
    """Return the LSN at which the last valid record ends in the segments from first to last - 1.

    newest: the _Header of the last one; `floor` has no record after it where there is none. Raises
    OcfError where a record before the last segment is damaged: a promotion would end there, and
    what follows may be acknowledged, since a segment is on disk before the next one begins.
    """
    size = newest.segment
    for number in range(last - 1, first - 1, -1):
        start = max(floor.lsn, number * size)
        record = _last_record(instance, wal.Position(floor.timeline, start), last * size, size,
                              deadline, number == first)
        if record is not None:
            if start > floor.lsn:
                _check_whole(instance, floor, record[0], size, deadline)
            return wal.record_end(record[0], record[1], newest.page, size)
    return floor.lsn    # the program has said that no record follows it


def _numbers(instance, timeline, size):
    """Return the numbers of the segments of a timeline that have a file. Raises OcfError."""
    folder = local.wal_folder(instance)
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise OcfError("cannot look into {0}: {1}".format(folder, error.strerror))
    return [wal.segment_number(name, size) for name in names
            if wal.segment_timeline(name) == timeline]


def _is_written(instance, timeline, number, size):
    """Return whether a segment's file begins with the page for its place. Raises OcfError.

    One that was only allocated, or was recycled, has another address there, or none.
    """
    found = header(instance, timeline, number, size)
    return found is not None and found.address == number * size


def header(instance, timeline, number, size):
    """Return the _Header of a segment (address, segment, page), None where it has no file.

    number: of the segment; size: bytes of each. Raises OcfError.
    """
    path = os.path.join(local.wal_folder(instance),
                        wal.segment_name(timeline, number * size, size))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (IOError, OSError) as error:
        if error.errno == errno.ENOENT:    # no other error says that it is not there
            return None
        raise OcfError("cannot read {0}: {1}".format(path, error.strerror))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OcfError("{0} is no file".format(path))
        data = os.read(descriptor, _LONG)
    except (IOError, OSError) as error:
        raise OcfError("cannot read {0}: {1}".format(path, error.strerror))
    finally:
        os.close(descriptor)
    if len(data) < _LONG:
        return _Header(-1, size, 0)
    fields = struct.unpack(_LAYOUT, data)
    return _Header(fields[3], fields[6], fields[7])


def _check_whole(instance, start, end, size, deadline):
    """Raise OcfError unless all records from a Position to an LSN can be read."""
    result = _dump(instance, start, end, size, deadline, "-r", "XLOG")    # the fewest to be printed
    if result.status != 0:
        place = _PLACE.search(result.err)
        raise OcfError("the WAL is damaged at {0}, and goes on behind it".format(place.group(1))
                       if place else "{0} failed: {1}".format(
                           settings.wal_dump(instance), " ".join(result.err.split())
                           or "status {0}".format(result.status)))


def _dump(instance, start, end, size, deadline, *more):
    result = walprogram.run(
        instance, local.wal_folder(instance), start, size, deadline, end, more, _TAIL)
    if result.timed_out:
        raise OcfError("reading the WAL took too long")
    return result


def _last_record(instance, start, end, size, deadline, must_end=False):
    """Return (LSN, bytes) of the last valid record from a Position on, None without one.

    must_end: whether valid WAL ends between `start` and `end`, which the program reports if it
    finds no record. In a later segment the end of a long one may be all there is. Raises OcfError.
    """
    result = _dump(instance, start, end, size, deadline)
    if result.status != 0 and not any(words in result.err for words in _ENDS):
        raise OcfError("{0} failed: {1}".format(
            settings.wal_dump(instance), " ".join(result.err.split()) or "status {0}".format(
                result.status)))
    found = _RECORD.findall(result.out)
    if not found and (result.status == 0 and must_end or "rmgr:" in result.out):
        raise OcfError(waldump.unclear(instance, start.lsn))
    return (wal.parse_lsn(found[-1][1]), int(found[-1][0])) if found else None
