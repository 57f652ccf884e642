"""A backup_label that a primary may have written itself: that of an exclusive backup.

Up to PostgreSQL 14, pg_start_backup() writes it into the data directory. A primary that crashes
before pg_stop_backup() keeps it. With it, a server in standby mode waits for the end of that
backup, which its WAL does not have; the server notes in its control file that it does, and a start
without standby mode leaves that note. A fast shutdown renames it to backup_label.old. Source:
PostgreSQL manual, "Making an Exclusive Low-Level Backup"; CancelBackup, read_backup_label and
CheckRecoveryConsistency in its xlog.c.
"""

import os

from paf import instance as local
from paf import runner
from paf.ocf import failure, NotUsable

#: How that of an exclusive backup begins a line; a base backup has "streamed" there.
_METHOD = b"BACKUP METHOD: pg_start_backup"
_MOST = 4096    # bytes
_MOMENT = 2.0   # seconds from the last byte of a file to its last change

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
    the kernel notes that, and nobody can set it back.
    """
    try:
        seen = os.lstat(_name(instance))
        exclusive = is_exclusive(instance)
    except (IOError, OSError):
        return False
    return exclusive and abs(seen.st_ctime - seen.st_mtime) < _MOMENT


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
