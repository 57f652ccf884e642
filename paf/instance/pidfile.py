"""postmaster.pid that a dead postmaster has left: what keeps the next server from starting.

Source: PostgreSQL's CreateLockFile (miscinit.c). A server refuses to start while a process of its
user has the number in the file, whatever that is, except its parent and its parent's parent. After
a power cut the numbers are given out again: to a server of another cluster, to a client. And it
refuses an empty file, which a power cut or a full disk leaves: another server may be starting.
"""

import os

from paf import instance as local
from paf import runner
from paf.decide.knowledge import Known
from paf.instance import postmaster, standby_mode
from paf.ocf import OcfError

_NAME = "postmaster.pid"


def make_way(instance, deadline):
    """Remove what keeps a server from starting where none runs; before each start. Raises OcfError.

    A dead postmaster may wait for its parent to reap it. Another process may get its number at any
    moment, so the file gets that of the agent, which is the parent of what it starts. The rest of
    the file stays: the server looks there for shared memory that is still in use.
    """
    postmaster.await_reaping(instance, deadline)
    if _is_empty(instance):
        _remove_empty(instance)
        return
    pid = postmaster.status(instance)[0]
    if not pid or pid == os.getpid():
        return
    if postmaster.find(instance) != Known(None) or postmaster.processes(instance):
        return    # the server says so itself
    with open(local.path(instance, _NAME), "rb") as stream:
        first, _, rest = stream.read().partition(b"\n")
    if first.strip() != str(pid).encode("ascii"):
        return    # it is another server's by now
    standby_mode.put(instance, _NAME, str(os.getpid()).encode("ascii") + b"\n" + rest)


def _is_empty(instance):
    """Return whether postmaster.pid is there and has nothing in it; False where that is unseen."""
    try:
        return not os.stat(local.path(instance, _NAME)).st_size
    except OSError:
        return False


def _remove_empty(instance):
    """Remove an empty postmaster.pid if no process works here. Raises OcfError.

    A server that starts is in the data directory before it makes the file.
    """
    if postmaster.processes(instance) or not _is_empty(instance):
        return
    try:
        with runner.Acting(local.owner(instance)):
            os.unlink(local.path(instance, _NAME))
    except (IOError, OSError) as error:
        raise OcfError("cannot remove the empty {0}: {1}".format(
            local.path(instance, _NAME), error.strerror))
