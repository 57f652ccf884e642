"""Which process is this node's attribute manager: what is published in its memory ends with it.

Pacemaker starts it again after a failure, and with the cluster while instances run on, in
maintenance mode: then what this node had published is gone. Source: Pacemaker Explained, "Daemons"
(before 2.0 with other names); proc(5): stat.
"""

import os
from collections import namedtuple

_NAMES = ("pacemaker-attrd", "attrd")
_EXECUTORS = ("pacemaker-execd", "lrmd")
_MOST = 5    # processes between an action and Pacemaker's executor
#: name (str), parent (int), start (str, in ticks since the boot).
_Process = namedtuple("_Process", "name parent start")


def is_same(text):
    """Return whether the process that `find` named (text) still runs."""
    pid, _, start = text.partition(" ")
    process = _look(pid) if pid.isdigit() else None
    return process is not None and process.start == start


def find():
    """Return the attribute manager's pid and start (str); "" where it is not known.

    For an action that Pacemaker's executor has started: both have the same parent, whatever
    other clusters run on this machine. On a remote or guest node there is none.
    """
    pid, daemon = os.getpid(), None
    for _ in range(_MOST):
        process = _look(pid)
        if process is None:
            break
        if process.name in _EXECUTORS:
            daemon = process.parent
            break
        pid = process.parent
    for entry in os.listdir("/proc") if daemon else ():
        process = _look(entry) if entry.isdigit() else None
        if process is not None and process.parent == daemon and process.name in _NAMES:
            return "{0} {1}".format(entry, process.start)
    return ""


def _look(pid):
    """Return the _Process of a pid (int or str), None without one."""
    try:
        with open("/proc/{0}/stat".format(pid), "rb") as stream:
            data = stream.read()
    except (IOError, OSError):
        return None
    head, _, tail = data.rpartition(b")")
    words = tail.split()
    if len(words) < 20:
        return None
    return _Process(head.partition(b"(")[2].decode("latin-1"), int(words[1]),
                    words[19].decode("latin-1"))
