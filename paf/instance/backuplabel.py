"""A backup_label that a primary may have written itself: that of an exclusive backup.

Up to PostgreSQL 14, pg_start_backup() writes it into the data directory. A primary that crashes
before pg_stop_backup() keeps it. With it, a server in standby mode waits for the end of that
backup, which its WAL does not have; the server notes in its control file that it does, and a start
without standby mode leaves that note. A fast shutdown renames it to backup_label.old. Source:
PostgreSQL manual, "Making an Exclusive Low-Level Backup"; CancelBackup, read_backup_label and
CheckRecoveryConsistency in its xlog.c.
"""

import os
import time

from paf import instance as local
from paf import runner
from paf.ocf import failure, NotUsable

#: How that of an exclusive backup begins a line; a base backup has "streamed" there.
_METHOD = b"BACKUP METHOD: pg_start_backup"
_MOST = 4096    # bytes
_MOMENT = 2.0   # seconds from the last byte of a file to its last change
_START_TIME = b"START TIME: "
_WRITING = 10   # seconds from the time in the label to its last byte
_ZONES = 27 * 3600, 900    # seconds between two time zones: less, and a multiple of that

_ADVICE = ("its backup_label is of an exclusive backup, of which it has no end: remove the file if "
           "this is the primary that crashed in that backup, and no copy")


def is_exclusive(instance):
    """Return whether the label is of an exclusive backup. Raises EnvironmentError."""
    with open(_name(instance), "rb") as stream:
        return _METHOD in stream.read(_MOST).split(b"\n")


def advice(instance):
    """Return what to do if the label may keep the instance down (str), "" if it does not."""
    try:
        return _ADVICE if is_exclusive(instance) else ""
    except (IOError, OSError):
        return ""


def is_own(instance):
    """Return whether the label of an exclusive backup was written here, by the server.

    What restores a file changes its times afterwards, or gives it the mode and owner that it had;
    the kernel notes that, and nobody can set it back. What does neither, such as cp, writes it
    later than the label says. Raises EnvironmentError.
    """
    seen = os.lstat(_name(instance))
    with open(_name(instance), "rb") as stream:
        lines = stream.read(_MOST).split(b"\n")
    return (_METHOD in lines and _is_of_then(lines, seen.st_mtime)
            and abs(seen.st_ctime - seen.st_mtime) < _MOMENT)


def _is_of_then(lines, then):
    """Return whether the label (lines of bytes) can be of a time (seconds since 1970).

    It has the server's local time, and a time zone's name that only the server understands.
    """
    text = [line[len(_START_TIME):][:19].decode("ascii", "replace") for line in lines
            if line.startswith(_START_TIME)]
    try:
        apart = then - time.mktime(time.strptime(str(text[0]), "%Y-%m-%d %H:%M:%S"))
    except (LookupError, OverflowError, ValueError):
        return False
    most, step = _ZONES
    return abs(apart) < most and (apart + 1) % step < _WRITING


def set_aside(instance):
    """Rename the label as a fast shutdown does. Raises OcfError."""
    name = _name(instance)
    try:
        with runner.Acting(local.owner(instance)):
            os.rename(name, name + ".old")
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot rename {0}: {1}".format(name, error.strerror))


def _name(instance):
    return local.path(instance, "backup_label")
