"""A control file with another state in it, as a crash at the right moment leaves it."""

import struct

#: DBState in PostgreSQL's pg_control.h, by the words of pg_controldata.
STATES = ("starting up", "shut down", "shut down in recovery", "shutting down",
          "in crash recovery", "in archive recovery", "in production")

_STATE_AT = 16    # after system_identifier, pg_control_version and catalog_version_no
_POLYNOMIAL = 0x82F63B78


def crc32c(data):
    """Return the checksum that PostgreSQL writes at the end of the control data."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def write_state(pgdata, words):
    """Write another state into a stopped instance's control file, with the right checksum."""
    path = pgdata / "global" / "pg_control"
    data = bytearray(path.read_bytes())
    length = _length(bytes(data[:512]))
    struct.pack_into("<I", data, _STATE_AT, STATES.index(words))
    struct.pack_into("<I", data, length, crc32c(data[:length]))
    path.write_bytes(data)


def _length(data):
    """Return the offset of the checksum: it covers all bytes before it."""
    return next(length for length in range(128, 508, 4)
                if struct.unpack_from("<I", data, length)[0] == crc32c(data[:length]))
