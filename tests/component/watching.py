"""The watcher as a test sees it: its process, its file, and its reports."""

import contextlib
import os
import signal

from tests import interpreters
from tests.component.server import wait_until

PRIMITIVE = '<primitive id="pgsqld" class="ocf" provider="heartbeat" type="pgsqlms">{0}</primitive>'


def resources(inside="", around=""):
    """Return the CIB's section of resources: a clone, and what is in it and in its primitive."""
    return f'<resources><clone id="pgsqld-clone">{around}{PRIMITIVE.format(inside)}</clone>' \
           "</resources>"


def watchers(folder):
    """Return the pids of the watchers that work in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                words = stream.read().split(b"\0")
            with open(f"/proc/{pid}/environ", "rb") as stream:
                mine = f"HA_RSCTMP={folder}".encode() in stream.read()
        except OSError:
            continue
        found += [int(pid)] if mine and b"watch" in words else []
    return found


def lock(node):
    """Return the path of the watcher's file."""
    return node.temporary / "pgsqlms-pgsqld.watcher"


def watching(node):
    """Return the pid of a node's watcher once it watches."""
    def noted():
        try:
            return lock(node).read_text().partition("/")[0]
        except FileNotFoundError:    # not there yet, or just removed by an action
            return ""
    return int(wait_until(noted, "the watcher to watch"))


def files_of(pid):
    """Return what a process has open, by name; what it closes meanwhile is left out."""
    names = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return names


def asleep(node):
    """Return the pid of a node's watcher once it waits for nothing but the postmaster's end.

    Before that it looks for the postmaster, and loads what it needs later. An older Python has no
    pidfd and polls: that it sleeps at all has to be enough there.
    """
    pid = watching(node)

    def sleeps():
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            state = stream.read().rpartition(")")[2].split()[0]
        return state == "S" and (
            "pidfd" in str(files_of(pid)) or interpreters.VARIABLE in os.environ)
    wait_until(sleeps, "the watcher to sleep")
    return pid


def gone(node):
    """Wait until a node has no watcher."""
    wait_until(lambda: not watchers(node.temporary), "the watcher to have ended")


def reports(node):
    """Return how often a failure of the resource on a node was reported to Pacemaker."""
    return sum("--fail" in call.words for call in node.cluster.store.calls())


def begin(node, **more):
    """Start the watcher, with a monitor of the running instance."""
    node.parameters["crash_watch"] = "true"
    node.cluster.store.configure(resources())
    assert node.monitor(**more).code in (0, 8)
    return watching(node)


def is_asked_to_end(pid):
    """Return whether SIGTERM is pending for a process that is stopped."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        pending = [int(line.split()[1], 16) for line in stream if line.startswith("ShdPnd:")]
    return bool(pending[0] & 1 << signal.SIGTERM - 1)
