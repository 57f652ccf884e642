"""The server's shared memory in /dev/shm, which others can remove while it runs.

systemd does at a logout (RemoveIPC=yes), and so does what cleans folders for temporary files. The
server and its sessions run on; each new session, worker or WAL sender ends with an error.
"""

import re

from paf.instance import postmaster, proc
from paf.ocf import OcfError

#: What the postmaster keeps mapped as long as it runs, without its name. With other types of
#: dynamic shared memory there is no such file. Source: proc(5), "maps"; dsm.c, dsm_impl.c.
_REMOVED = re.compile(br"/dev/shm/PostgreSQL\.[0-9]+ \(deleted\)")


def check(instance):
    """Raise OcfError where the memory of the instance's server was surely removed.

    For a server that could not be asked: where it is not known, what was heard of it counts.
    """
    found = postmaster.find(instance)
    server = getattr(found, "value", None)
    if server is not None and is_removed(server.pid):
        raise OcfError("the shared memory of the server was removed from /dev/shm: no new session "
                       "can begin, and only a restart helps")


def is_removed(pid):
    """Return whether a postmaster (its pid, int) surely has lost its shared memory."""
    return _REMOVED.search(proc.content(pid, "maps")) is not None
