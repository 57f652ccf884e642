"""The watcher as a test sees it: its process, its file, and its reports."""

import os
import signal

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
        return lock(node).exists() and lock(node).read_text().partition("/")[0]
    return int(wait_until(noted, "the watcher to watch"))


def gone(node):
    """Wait until a node has no watcher."""
    wait_until(lambda: not watchers(node.temporary), "the watcher to have ended")


def told(node):
    """Return how often a failure of the resource on a node was reported to Pacemaker."""
    return sum("--fail" in call.words for call in node.cluster.store.calls())


def begin(node, **more):
    """Let a monitor of the running instance begin the watcher."""
    node.parameters["crash_watch"] = "true"
    node.cluster.store.configure(resources())
    assert node.monitor(**more).code in (0, 8)
    return watching(node)


def is_asked_to_end(pid):
    """Return whether SIGTERM is pending for a process that is stopped."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        pending = [int(line.split()[1], 16) for line in stream if line.startswith("ShdPnd:")]
    return bool(pending[0] & 1 << signal.SIGTERM - 1)
