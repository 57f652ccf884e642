"""postmaster.pid that a dead postmaster has left: what keeps the next server from starting.

Source: PostgreSQL's CreateLockFile (miscinit.c) and pg_ctl. A server refuses to start while a
process of its user has the number in the file, whatever that is, except its parent and its parent's
parent. After a power cut the numbers are given out again: to a server of another cluster, to a
client. And neither takes a file without a number, which a power cut or a full disk leaves, empty or
filled with zero bytes: another server may be starting.
"""

import os

from paf import instance as local
from paf.decide.knowledge import Known
from paf.instance import postmaster, standby_mode

_NAME = "postmaster.pid"
_MOST = 65536    # bytes; a server writes some hundred


def make_way(instance, deadline):
    """Have postmaster.pid keep no server from starting where none runs; before each start.

    Returns whether a dead server has left one.
    A dead postmaster may wait for its parent to reap it. Another process may get its number at any
    moment, so the file gets that of the agent, which is the parent of what it starts. The rest of
    the file stays: the server looks there for shared memory that is still in use. A server that
    starts is in the data directory before it makes the file. Raises OcfError.
    """
    postmaster.await_reaping(instance, deadline)
    before = _content(instance)
    if before is None or postmaster.status(instance)[0] == os.getpid():
        return before is not None
    if postmaster.find(instance) != Known(None) or postmaster.processes(instance):
        return False    # the server says so itself
    if _content(instance) != before:
        return False    # it is another server's by now
    rest = before.partition(b"\n")[2]
    standby_mode.put(instance, _NAME, str(os.getpid()).encode("ascii") + b"\n" + rest)
    return True


def _content(instance):
    """Return the file (bytes), None where there is none or it cannot be read."""
    try:
        with open(local.path(instance, _NAME), "rb") as stream:
            return stream.read(_MOST)
    except (IOError, OSError):
        return None
