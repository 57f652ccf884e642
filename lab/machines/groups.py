"""The control groups of a container, where systemd's limits take effect.

One group in each hierarchy that the lab uses, below that of the lab itself, so a limit on the lab
bounds its containers too. Process 1 joins them before it makes a namespace of them: systemd finds
its own group at the root. Needs the first version of control groups (also beside the second, as
systemd's "hybrid" has it), with memory, pids and cpu. Source: cgroups(7), cgroup_namespaces(7).
"""

import errno
import os
from pathlib import Path

from lab.tools import LabError, wait_until

ROOT = Path("/sys/fs/cgroup")
#: Hierarchies by the name of their folder, and what they are mounted with.
MOUNTS = {"cpu": ("cgroup", "cpu"), "cpuacct": ("cgroup", "cpuacct"),
          "memory": ("cgroup", "memory"), "pids": ("cgroup", "pids"),
          "devices": ("cgroup", "devices"), "systemd": ("cgroup", "none,name=systemd"),
          "unified": ("cgroup2", "")}
#: Of one container: bytes of memory (its page cache included), and processes.
LIMITS = {"memory/memory.limit_in_bytes": 1024 ** 3, "pids/pids.max": 4096}


def own(text):
    """Return {hierarchy: path of this process in it}; text: of /proc/self/cgroup."""
    found = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(",") if names else ["unified"]:
            found[name.replace("name=", "")] = path
    return found


def folders(name):
    """Return {hierarchy: folder of the container of that name}. LabError where one is missing."""
    mine = own(Path("/proc/self/cgroup").read_text(encoding="ascii"))
    missing = [kind for kind in MOUNTS if kind not in mine or not (ROOT / kind).is_dir()]
    if missing:
        raise LabError(f"no control groups {', '.join(missing)} in {ROOT}: containers need those "
                       "of the first version, each mounted by itself; guests do not")
    return {kind: Path(f"{ROOT / kind}{mine[kind].rstrip('/')}") / name for kind in MOUNTS}


def create(name):
    """Make the groups of a container, with its limits; return their folders."""
    found = folders(name)
    for place in found.values():
        place.mkdir(parents=True, exist_ok=True)
    for file, value in LIMITS.items():
        kind, _, setting = file.partition("/")
        (found[kind] / setting).write_text(str(value), encoding="ascii")
    return found


def join(places):
    """Move this process into the groups."""
    for place in places:
        (Path(place) / "cgroup.procs").write_text("0", encoding="ascii")


def remove(places):
    """Remove the groups and what was made in them; waits for processes that are ending."""
    for place in places:
        wait_until(lambda place=place: _removed(place), 30, f"the end of what is in {place}", 0.02)


def _removed(place):
    try:
        for path, _, _ in os.walk(place, topdown=False):
            os.rmdir(path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
