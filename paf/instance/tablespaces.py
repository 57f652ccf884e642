"""Tablespaces whose file system is not there, as after a boot at which it was not mounted.

PostgreSQL starts without them. A standby then replays its WAL into the empty folder below, streams
and acknowledges commits; with the file system mounted again, what was replayed there is lost.
Source: PostgreSQL manual, "Database File Layout" (pg_tblspc); catalog.h: the folder in a tablespace
is called PG_VERSION_NUMBER.
"""

import errno
import os

from paf import instance as local
from paf import runner
from paf.ocf import OcfError, is_number

_FOLDER = "pg_tblspc"
_OF_A_SERVER = "PG_"
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
#: What a server makes in the folder of its WAL, and what its archive_command and restore_command
#: make there again (WAL-G, WAL-E, pg_probackup): a regular expression.
WAL = (r"[0-9A-F]{8}|archive_status$|summaries$|xlogtemp\.|RECOVERY(XLOG|HISTORY)$"
       r"|walg_data$|\.wal-[eg]$|pbk_prefetch$")
#: Root's: pg_rewind cannot look into it, and ends before it has changed anything.
_FOUND = "lost+found"


def check(instance):
    """Raise OcfError unless each tablespace of the data directory is there, as far as is seen.

    Before anything is written or replayed. Soft: a file system may be mounted later.
    """
    for location, link in missing(instance):
        raise OcfError("the tablespace at {0} is not there: mount its file system (if it was "
                       "dropped, remove the link {1})".format(location, link))


def missing(instance):
    """Return the (location, link) of each tablespace that is not there (a list of paths).

    Raises OcfError where that cannot be seen.
    """
    found = []
    for name in _names(local.path(instance, _FOLDER)) or ():
        if not is_number(name):
            continue
        link = local.path(instance, os.path.join(_FOLDER, name))
        inside = _names(link)
        if inside is None or not any(each.startswith(_OF_A_SERVER) for each in inside):
            found.append((os.path.realpath(link), link))
    return found


def has_wal(folder):
    """Return whether a folder (a path) has any of the WAL's files. Raises OcfError."""
    import re    # for paf rebuild only
    return any(re.match(WAL, name) for name in _names(folder) or ())


def not_the_servers(instance, aside):
    """Return a path (str) that pg_rewind would remove and is not this server's, "" without one.

    pg_rewind takes all below a tablespace's location, and below pg_wal, for the server's. aside:
    paths in the data directory (list of str) that are moved aside before. Raises OcfError.
    """
    import re    # for a rewind only
    version = local.version(instance)
    major = "{0}".format(version // 10000) if version >= 100000 else "{0}.{1}".format(
        version // 10000, version // 100 % 100)
    own = _OF_A_SERVER + re.escape(major) + "_"
    with runner.Acting(local.owner(instance)):
        folders = [(os.path.join(_FOLDER, name), own)
                   for name in _names(local.path(instance, _FOLDER)) or () if is_number(name)]
        folders.append((os.path.basename(local.wal_folder(instance)), WAL))
        for folder, pattern in folders:
            for name in sorted(_names(local.path(instance, folder)) or ()):
                path = os.path.join(folder, name)
                if not re.match(pattern, name) and name != _FOUND and not any(
                        one == path or one.startswith(path + "/") for one in aside):
                    return os.path.realpath(local.path(instance, path))
    return ""


def check_all(instance):
    """Raise OcfError where a file system is missing that pg_rewind would write below. Soft.

    It may have removed each segment of the WAL by now; PostgreSQL's folder beside them stays.
    """
    check(instance)
    folder = local.wal_folder(instance)
    if not local.is_there(os.path.join(folder, "archive_status")):
        raise OcfError("the WAL of the last checkpoint is not in {0}: mount its file "
                       "system".format(folder))


def problem_of_new(instance, spaces):
    """Return why a tablespace that this instance has not yet cannot be made here, or None.

    spaces: (oid, location) of the primary's (lists of str). pg_rewind makes the link, then a folder
    in the location, and ends half way where it cannot. Raises OcfError.
    """
    for oid, location in spaces:
        with runner.Acting(local.owner(instance)):
            if os.path.lexists(local.path(instance, os.path.join(_FOLDER, oid))):
                continue
            inside = _names(location)
            if inside is None:
                return "a rewind needs the folder {0} here, where the primary has a tablespace " \
                    "now".format(location)
            if any(each.startswith(_OF_A_SERVER) for each in inside):
                return "a rewind needs the folder {0} to be empty, where the primary has a " \
                    "tablespace now".format(location)
            if _owner_of(location) != local.owner(instance).uid:
                return "a rewind needs the folder {0} to belong to {1}, as the primary has a " \
                    "tablespace there now".format(location, local.owner(instance).name)
    return None


def _owner_of(folder):
    """Return the uid of a folder's owner. Raises OcfError."""
    try:
        return os.stat(folder).st_uid
    except OSError as error:
        raise OcfError("cannot look into {0}: {1}".format(folder, error.strerror))


def _names(folder):
    """Return the names in a folder (a list of str), None without the folder. Raises OcfError."""
    try:
        return os.listdir(folder)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise OcfError("cannot look into {0}: {1}".format(folder, error.strerror))
