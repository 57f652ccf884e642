"""The history of the instance's own timelines, for an election after a cold start.

Each timeline is identified by where it begins and by the checksum of its first record, which holds
the time of the promotion; the first one by the system identifier, which initdb draws. Source:
PostgreSQL manual, "Timelines"; src/include/access/xlogrecord.h (xlog.h up to 9.4), XLogRecord;
src/include/access/xlog_internal.h (a page begins with a header); src/include/catalog/pg_control.h
(the control file begins with the system identifier).
"""

import os
import struct

from paf import instance as local
from paf.decide import timelines, wal
from paf.instance import walend, walfiles
from paf.ocf import OcfError

_RECORD = "=IIQBBxxI"    # length, transaction, previous record, info, resource manager, checksum
_OLD_RECORD = "=IIIBBxxQI"    # up to 9.4: two lengths, and the previous record before the checksum
_FIRST_WITH_RECORD = 90500
_IDENTIFIER = struct.Struct("=Q")
_SHORT_HEADER, _LONG_HEADER = 24, 40    # bytes of a page's header; the first one of a segment's
#: As many of the newest timelines are compared.
_MOST = 20


def read(instance, own):
    """Return the timelines.Line of an instance, None where its history cannot be read.

    own: whether it was the primary of its newest timeline, of timelines.ownership.
    """
    folder, identifier = walfiles.look(instance), _identifier(instance)
    newest = folder.newest_timeline
    if not newest or identifier is None:
        return None
    switches = walfiles.switches(instance, newest) if newest > 1 else []
    if newest > 1 and not switches:
        return None
    numbers = [switch.timeline for switch in switches] + [newest]
    begins = [0] + [switch.lsn for switch in switches]
    reigns = [timelines.Reign(number, begin, _mark(instance, number, begin, folder.segment_size))
              for number, begin in list(zip(numbers, begins))[-_MOST:]]
    if len(reigns) == len(numbers):
        reigns.insert(0, timelines.Reign(timelines.ORIGIN, 0, identifier))
    return timelines.Line(tuple(reigns), own)


def _identifier(instance):
    """Return the system identifier (str) of an instance, None where it cannot be read."""
    try:
        with open(local.path(instance, "global/pg_control"), "rb") as stream:
            data = stream.read(_IDENTIFIER.size)
    except (IOError, OSError):
        return None
    return str(_IDENTIFIER.unpack(data)[0]) if len(data) == _IDENTIFIER.size else None


def _mark(instance, timeline, begin, size):
    """Return the checksum (str) of a timeline's first record, None where it cannot be read.

    What initdb made has no promotion: "initdb". Its system identifier is that of ORIGIN.
    """
    if not begin:
        return "initdb"
    try:
        layout = _record(instance)
        header = walend.header(instance, timeline, begin // size, size)
    except OcfError:
        return None
    if header is None or header.address != begin // size * size or not header.page:
        return None
    start = begin % size
    if not start % header.page:
        start += _SHORT_HEADER if start else _LONG_HEADER
    if start % header.page + struct.calcsize(layout) > header.page:
        return None    # the record goes on after the next page's header
    path = os.path.join(local.wal_folder(instance), wal.segment_name(timeline, begin, size))
    try:
        with open(path, "rb") as stream:
            stream.seek(start)
            data = stream.read(struct.calcsize(layout))
    except (IOError, OSError):
        return None
    if len(data) < struct.calcsize(layout):
        return None
    fields = struct.unpack(layout, data)
    return "{0:08x}".format(fields[-1]) if fields[0] else None


def _record(instance):
    """Return the layout of a WAL record's header, which ends with its checksum. Raises OcfError."""
    return _RECORD if local.version(instance) >= _FIRST_WITH_RECORD else _OLD_RECORD
