"""Positions in the write-ahead log: pure arithmetic on timelines and LSNs.

Source: PostgreSQL manual, "WAL Internals"; pg_lsn type.
"""

from collections import namedtuple

from paf.ocf import is_number

#: Where an instance is: timeline (int) and LSN (int, bytes from 0/0). Compares as the election
#: does: the timeline first.
Position = namedtuple("Position", "timeline lsn")

NOWHERE = Position(0, 0)


def parse_lsn(text):
    # type: (str) -> int
    """Return the bytes from 0/0 (int) of an LSN written as "X/Y". Raises ValueError."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(lsn):
    # type: (int) -> str
    """Return `lsn` (int, bytes) as PostgreSQL writes it."""
    return "{0:X}/{1:X}".format(lsn >> 32, lsn & 0xFFFFFFFF)


def describe(position):
    # type: (Position) -> str
    """Return the Position as a DBA reads it: "TL 3, 0/5000148"."""
    return "TL {0}, {1}".format(position.timeline, format_lsn(position.lsn))


def to_wire(position):
    # type: (Position) -> str
    """Return the Position as it travels between nodes: "TL#LSN", both decimal.

    The format of the agents since 2.2, understood by all of them.
    """
    return "{0}#{1}".format(position.timeline, position.lsn)


def from_wire(value):
    # type: (str) -> Position | None
    """Return the Position written as "TL#LSN"; None for anything else."""
    timeline, mark, lsn = value.partition("#")
    if not mark or not is_number(timeline) or not is_number(lsn):
        return None
    return Position(int(timeline), int(lsn))


_SMALLEST_SEGMENT = 1024 * 1024    # bytes: initdb --wal-segsize


def may_be_a_request(lsn):
    # type: (int) -> bool
    """Return whether `lsn` can be where a WAL receiver asked its primary to begin.

    It asks from the beginning of a segment, and pg_last_wal_receive_lsn says that until something
    has arrived: a standby that was restarted may have more (PostgreSQL, RequestXLogStreaming).
    """
    return lsn % _SMALLEST_SEGMENT == 0


def segment_name(timeline, lsn, size):
    # type: (int, int, int) -> str
    """Return the name of the WAL segment of `timeline` that holds `lsn`; size: bytes of each."""
    number, per_file = lsn // size, 0x100000000 // size
    return "{0:08X}{1:08X}{2:08X}".format(timeline, number // per_file, number % per_file)


def segment_timeline(name):
    # type: (str) -> int | None
    """Return the timeline (int) of a WAL segment's file name; None for other files."""
    if len(name) != 24 or name.strip("0123456789ABCDEF"):
        return None
    return int(name[:8], 16)


def segment_number(name, size):
    # type: (str, int) -> int
    """Return the number (int) of the WAL segment with that file name; size: bytes of each."""
    return int(name[8:16], 16) * (0x100000000 // size) + int(name[16:24], 16)


_SHORT_HEADER, _LONG_HEADER, _ALIGNMENT = 24, 40, 8    # bytes, on machines with 64 bits


def record_end(lsn, length, page, segment):
    # type: (int, int, int, int) -> int
    """Return the LSN (int) at which a WAL record ends.

    lsn: where it begins; length: its own bytes; page, segment: bytes of each. Where a record goes
    on, each further page begins with a header. Source: src/include/access/xlog_internal.h.
    """
    left = (length + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
    while True:
        room = page - lsn % page
        if left <= room:
            return lsn + left
        left -= room
        lsn += room
        lsn += _SHORT_HEADER if lsn % segment else _LONG_HEADER
