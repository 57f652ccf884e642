"""The pages of WAL files: does the WAL go on behind the place where reading ends?

Source: PostgreSQL, src/include/access/xlog_internal.h: XLogPageHeaderData (magic, info, timeline,
address, rest of the record from the page before) and XLogLongPageHeaderData, at a segment's start.
"""

import errno
import os
import struct

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.ocf import OcfError

_HEADER = struct.Struct("=HHIQI")
_SHORT_HEADER, _LONG_HEADER = 24, 40    # bytes that they take up: what follows is aligned
_CONTINUED = 0x0001     # XLP_FIRST_IS_CONTRECORD
_PAGE_SIZE_AT, _PAGE_SIZE = 36, struct.Struct("=I")
_SIZES = (1024, 2048, 4096, 8192, 16384, 32768, 65536)
_MOST_PAGES = 1 << 17   # of one record, which has 1 GiB at most


def goes_on(instance, position, size):
    """Return whether a page behind a Position without a readable record was written in its place.

    A server that stops or crashes leaves what it had there before, or zeros: nothing goes on. Where
    it does, records are damaged and what follows them cannot be read. A page that only has the
    middle of a long record is not enough. size: bytes of a segment. Raises OcfError.
    """
    if not local.is_there(_segment(instance, position, size)):
        return False
    page = page_size(instance, position, size)
    address = position.lsn - position.lsn % page + page
    for _ in range(_MOST_PAGES):
        header = _header(instance, wal.Position(position.timeline, address), size)
        if header is None or header[2] != position.timeline or header[3] != address:
            return False
        room = page - (_SHORT_HEADER if address % size else _LONG_HEADER)
        if not header[1] & _CONTINUED or header[4] <= room:
            return True
        address += page
    return True


def is_written(instance, position, size):
    """Return whether the segment of a Position begins with the page of its place. Raises OcfError.

    One that is made, or used again, for WAL to come does not.
    """
    start = position._replace(lsn=position.lsn - position.lsn % size)
    header = _header(instance, start, size)
    return header is not None and header[3] == start.lsn


def page_size(instance, position, size):
    """Return the bytes of a page of the segment that holds a Position. Raises OcfError."""
    data = _read(instance, position, size, 0, _PAGE_SIZE_AT + _PAGE_SIZE.size)
    found = _PAGE_SIZE.unpack(data[_PAGE_SIZE_AT:])[0] if data else 0
    if found not in _SIZES:
        raise OcfError("the WAL segment that holds {0} has no header".format(
            wal.format_lsn(position.lsn)))
    return found


def page_size_in(instance, path):
    """Return the bytes of a page of a segment's file (path); None where that cannot be read."""
    try:
        with runner.Acting(local.owner(instance)):
            with open(path, "rb") as stream:
                data = stream.read(_PAGE_SIZE_AT + _PAGE_SIZE.size)
    except (IOError, OSError):
        return None
    found = _PAGE_SIZE.unpack(data[_PAGE_SIZE_AT:])[0] if len(data) > _PAGE_SIZE_AT + 3 else 0
    return found if found in _SIZES else None


def _header(instance, position, size):
    """Return the fields of a page's header; None where the segment ends, or is not there."""
    data = _read(instance, position, size, position.lsn % size, _HEADER.size)
    return _HEADER.unpack(data) if data else None


def _segment(instance, position, size):
    return os.path.join(local.wal_folder(instance),
                        wal.segment_name(position.timeline, position.lsn, size))


def _read(instance, position, size, offset, length):
    """Return bytes of a segment, none where it ends before, or is not there. Raises OcfError."""
    name = _segment(instance, position, size)
    try:
        with runner.Acting(local.owner(instance)):
            with open(name, "rb") as stream:
                stream.seek(offset)
                data = stream.read(length)
    except (IOError, OSError) as error:
        if error.errno == errno.ENOENT:
            return b""
        raise OcfError("cannot read {0}: {1}".format(name, error.strerror))
    return data if len(data) == length else b""


def next_record(lsn, length, page, size):
    """Return the LSN (int) at which the record after one of `length` bytes at `lsn` begins.

    page, size: bytes of a page and of a segment. A page begins with a header.
    """
    end = wal.record_end(lsn, length, page, size)
    if end % page:
        return end
    return end + (_SHORT_HEADER if end % size else _LONG_HEADER)
