"""The store of the stand-ins, seen from a test: what the cluster knows, and who asked."""

import pathlib
import py_compile
import shutil
from dataclasses import dataclass

PROGRAMS = ("attrd_updater", "crm_attribute", "crm_node", "cibadmin", "crm_resource")
_STAND_IN = pathlib.Path(__file__).with_name("stand_in.py")
#: Each of the programs; what they do is compiled once, as they start thousands of times.
_PROGRAM = """#!/usr/bin/python3 -ISB
import sys
sys.path.insert(0, {folder!r})
import stand_in
sys.exit(stand_in.main())
"""


@dataclass(frozen=True)
class Call:
    """One run of one of Pacemaker's programs."""

    node: str
    program: str
    words: tuple

    @property
    def writes(self):
        """True when it changed something."""
        return "--update" in self.words or "--delete" in self.words


class Store:
    """What the cluster knows: attributes, scores, members."""

    def __init__(self, folder, resource="pgsqld"):
        self.folder = pathlib.Path(folder)
        self.resource = resource
        self._old = False
        self.programs = self.folder / "sbin"
        self.programs.mkdir(parents=True)
        self.folder.chmod(0o755)
        py_compile.compile(str(_STAND_IN), cfile=str(self.programs / "stand_in.pyc"), doraise=True)
        for name in PROGRAMS:
            (self.programs / name).write_text(_PROGRAM.format(folder=str(self.programs)))
            (self.programs / name).chmod(0o755)

    def _path(self, *parts):
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add_member(self, node, online=True):
        """Add a node to the cluster."""
        self._path("members", coded(node)).write_text("online" if online else "offline")

    def remove_member(self, node):
        """Take a node out of the cluster, with all that the CIB has of it, as crm_node -R does."""
        self._path("members", coded(node)).unlink()
        for section in ("nodes", "status"):
            shutil.rmtree(self.folder / section / coded(node), ignore_errors=True)

    def value(self, attribute, node):
        """Return a private attribute's value, None if it was never set."""
        path = self._path("attrd", coded(f"{attribute}-{self.resource}"), coded(node))
        return path.read_text() if path.exists() else None

    def set_value(self, attribute, node, value):
        """Set a private attribute, as another agent would."""
        self._path("attrd", coded(f"{attribute}-{self.resource}"), coded(node)).write_text(value)

    def score(self, node):
        """Return a node's promotion score (int), None without one."""
        path = self._path("nodes", coded(node), coded(f"master-{self.resource}"))
        return int(path.read_text()) if path.exists() else None

    def set_score(self, node, score):
        """Set a node's promotion score, as an administrator would."""
        self._path("nodes", coded(node), coded(f"master-{self.resource}")).write_text(str(score))

    def scores(self, *nodes):
        """Return the scores of these nodes, in their order."""
        return [self.score(node) for node in nodes]

    def forget_permanent(self):
        """Remove all permanent attributes of all nodes, their promotion scores too."""
        for path in self.folder.glob("nodes/*/*"):
            path.unlink()

    def permanent(self, attribute, node):
        """Return a permanent attribute of a node, None without it."""
        path = self._path("nodes", coded(node), coded(f"{attribute}-{self.resource}"))
        return path.read_text() if path.exists() else None

    def set_permanent(self, attribute, node, value):
        """Set a permanent attribute of a node."""
        self._path("nodes", coded(node), coded(f"{attribute}-{self.resource}")).write_text(value)

    def lose(self, attribute, node):
        """Forget a permanent attribute, as a majority that never heard of it."""
        self._path("nodes", coded(node), coded(f"{attribute}-{self.resource}")).unlink()

    def set_transient(self, attribute, node, value):
        """Set a transient attribute of a node, as an administrator would."""
        self._path("status", coded(node), coded(f"{attribute}-{self.resource}")).write_text(value)

    def transient(self, attribute, node):
        """Return a transient attribute of a node, None without it."""
        path = self._path("status", coded(node), coded(f"{attribute}-{self.resource}"))
        return path.read_text() if path.exists() else None

    def refusal(self, node):
        """Return why a node was not promoted, None if it was not refused."""
        return self.transient("not_promoted_because", node)

    def failures(self, node):
        """Return how often the resource has failed on a node as a watcher reported (int)."""
        path = self._count(node)
        return int(path.read_text() or 0) if path.exists() else 0

    def counted(self):
        """Return Pacemaker's own count, before any process could correct it."""
        return int(self._path("counted").read_text())

    def set_failures(self, node, count):
        """Set that number, as earlier failures would."""
        self._count(node).write_text(str(count))

    def _count(self, node):
        by_operation = "" if self._old else "#asyncmon_0"
        return self._path("attrd", coded(f"fail-count-{self.resource}{by_operation}"), coded(node))

    def is_of_old(self, old):
        """Give the DC the feature set of Pacemaker 1.1.16, which counts by resource, or not."""
        self._old = old
        self._path("feature_set").write_text("3.0.11" if old else "3.16.1")

    def counts_failures(self, times):
        """Make Pacemaker count each failure that is reported to it so many times."""
        self._path("counts").write_text(str(times))

    def has_quorum(self, has):
        """Give the partition quorum, or take it."""
        self._path("quorum").write_text("1" if has else "0")

    def stops(self, node):
        """Record that Pacemaker has stopped the resource on a node."""
        self.demotes(node)
        self._path("stopped", coded(node)).write_text("")

    def demotes(self, node):
        """Record that the resource runs unpromoted on a node."""
        self._path("promoted", coded(node)).unlink(missing_ok=True)

    def promotes(self, node):
        """Record that Pacemaker has promoted the resource on a node."""
        self._path("promoted", coded(node)).write_text("")

    def remark(self, node):
        """Return what is shown of a node that is no failure, None for nothing."""
        path = self._path("status", coded(node), coded(f"degraded_because-{self.resource}"))
        return path.read_text() if path.exists() else None

    def configure(self, *elements):
        """Put elements (XML) into the CIB's configuration."""
        self._path("configuration").write_text("\n".join(elements))

    def breaks(self, program, how="fail"):
        """Make a program fail, or hang."""
        self._path("broken", program).write_text(how)

    def repairs(self, program):
        """Make the program work again."""
        self._path("broken", program).unlink()

    def calls(self, start=0):
        """Return the Calls since the `start`-th."""
        path = self._path("calls")
        lines = path.read_text(errors="surrogateescape").splitlines() if path.exists() else []
        split = [line.split("\x1f") for line in lines[start:]]
        return [Call(words[0], words[1], tuple(words[2:])) for words in split]


def coded(name):
    """Return a name as the stand-ins' file name."""
    return name.encode("utf-8", "surrogateescape").hex()
