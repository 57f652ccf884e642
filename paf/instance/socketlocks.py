"""Lock files beside a server's sockets that it has left: they keep the next server from starting.

A server refuses to start while a process of its user has the number in such a file, as in
postmaster.pid, and /tmp may outlive a power cut. The second line names its data directory. Source:
PostgreSQL's CreateSocketLockFile (miscinit.c).
"""

import os

from paf import instance as local
from paf import runner
from paf.instance import postmaster, settings
from paf.ocf import OcfError

_MOST = 4096    # bytes
_ABSTRACT = "@"    # a socket without a file


def make_way(instance, deadline):
    """Remove those of dead servers of this data directory. Raises OcfError if none may be dead.

    For a start after a crash: a shutdown removes them. What is not read or removed is named by the
    server. One of another data directory is left alone: its server may run.
    """
    if postmaster.processes(instance):
        return
    for name in _names(instance, deadline):
        if _is_ours(instance, name):
            try:
                with runner.Acting(local.owner(instance)):
                    os.unlink(name)
            except (IOError, OSError):
                continue


def _names(instance, deadline):
    """Return the paths (a list) of the files that the next server will make."""
    try:
        folders = settings.read(instance, "unix_socket_directories", deadline)
        port = settings.read(instance, "port", deadline)
    except OcfError:
        return []
    found = [folder.strip().strip('"') for folder in folders.split(",")]
    return [local.path(instance, os.path.join(folder, ".s.PGSQL.{0}.lock".format(port)))
            for folder in found if folder and not folder.startswith(_ABSTRACT)]


def _is_ours(instance, name):
    """Return whether a file says that a server of this data directory made it; False if unseen."""
    try:
        with open(name, "rb") as stream:
            lines = stream.read(_MOST).split(b"\n")
        theirs = os.stat(lines[1]) if len(lines) > 1 and lines[1] else None
        mine = os.stat(instance.parameters.datadir)
    except (IOError, OSError, ValueError):
        return False
    return theirs is not None and (theirs.st_dev, theirs.st_ino) == (mine.st_dev, mine.st_ino)
