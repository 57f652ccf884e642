"""postmaster.pid that a dead postmaster has left: what keeps the next server from starting.

Source: PostgreSQL's CreateLockFile (miscinit.c). A server refuses to start while a process of its
user has the number in the file, whatever that is, except its parent and its parent's parent. After
a power cut the numbers are given out again: to a server of another cluster, to a client.
"""

import os

from paf import instance as local
from paf.decide.knowledge import Known
from paf.instance import postmaster, standby_mode

_NAME = "postmaster.pid"


def make_way(instance, deadline):
    """Let a server program start where none runs; before each start. Raises OcfError.

    A dead postmaster may wait for its parent to reap it. Where another process has its number, the
    file gets that of the agent, which is the parent of what it starts. The rest of the file stays:
    the server looks there for shared memory that is still in use.
    """
    postmaster.await_reaping(instance, deadline)
    pid = postmaster.status(instance)[0]
    if not pid or pid == os.getpid() or not postmaster.start_time(pid):
        return
    if postmaster.find(instance) != Known(None) or postmaster.processes(instance):
        return    # the server says so itself
    with open(local.path(instance, _NAME), "rb") as stream:
        first, _, rest = stream.read().partition(b"\n")
    if first.strip() != str(pid).encode("ascii"):
        return    # it is another server's by now
    standby_mode.put(instance, _NAME, str(os.getpid()).encode("ascii") + b"\n" + rest)
