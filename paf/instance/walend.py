"""Where the WAL on disk ends, for an instance that cannot be asked or has not replayed it all.

The address in its first page distinguishes a written segment from a recycled one; then
pg_waldump reads the last of them. Source: src/include/access/xlog_internal.h, XLogPageHeaderData
and XLogLongPageHeaderData (9.3 and later); pg_waldump.
"""

import os
import re
import stat
import struct
from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.decide.knowledge import AtLeast, Known
from paf.instance import settings, walfiles
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
    first = last = floor.lsn // size
    if header(instance, floor.timeline, first, size) is None:
        if any(number > first for number in _numbers(instance, floor.timeline, size)):
            raise OcfError("the WAL segment {0} is missing".format(
                wal.segment_name(floor.timeline, floor.lsn, size)))
        return Known(floor)    # nothing was written past it
    newest = None
    while True:
        found = header(instance, floor.timeline, last, size)
        if found is None or found.address != last * size:
            break
        newest, last = found, last + 1
    if newest is None:    # allocated, and not written yet
        return Known(floor)
    end = last * size
    for number in range(last - 1, first - 1, -1):
        start = max(floor.lsn, number * size)
        record = _last_record(instance, wal.Position(floor.timeline, start), end, deadline)
        if record is not None:
            lsn = wal.record_end(record[0], record[1], newest.page, size)
            return Known(wal.Position(floor.timeline, max(floor.lsn, lsn)))
    return Known(floor)


def _numbers(instance, timeline, size):
    """Return the numbers of the segments of a timeline that have a file."""
    names = walfiles.names(local.wal_folder(instance))
    return [wal.segment_number(name, size) for name in names
            if wal.segment_timeline(name) == timeline]


def header(instance, timeline, number, size):
    """Return the _Header of a segment (address, segment, page), None where it has no file.

    number: of the segment; size: bytes of each. Raises OcfError.
    """
    path = os.path.join(local.wal_folder(instance),
                        wal.segment_name(timeline, number * size, size))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (IOError, OSError) as error:
        if not os.path.lexists(path):
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


def _last_record(instance, start, end, deadline):
    """Return (LSN, bytes) of the last valid record from a Position on, None without one."""
    result = runner.run(
        [local.program(instance, settings.wal_dump(instance)), "-p", local.wal_folder(instance),
         "-t", str(start.timeline), "-s", wal.format_lsn(start.lsn), "-e", wal.format_lsn(end)],
        deadline, user=local.owner(instance), keep=_TAIL)
    if result.timed_out:
        raise OcfError("reading the WAL took too long")
    if result.status != 0 and not any(words in result.err for words in _ENDS):
        raise OcfError("{0} failed: {1}".format(
            settings.wal_dump(instance), " ".join(result.err.split()) or "status {0}".format(
                result.status)))
    found = _RECORD.findall(result.out)
    return (wal.parse_lsn(found[-1][1]), int(found[-1][0])) if found else None
