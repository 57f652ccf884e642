"""Where the tests' servers and labs live: in memory, if the machine has enough of it.

They write and flush thousands of small files: on a slow disk tests reach their limits for the disk
alone. What a disk does wrong is simulated where a test needs it.
"""

import contextlib
import os
import pathlib
import shutil

SHARED_MEMORY = "/dev/shm"
MOUNTS = "/proc/mounts"
MEMINFO = "/proc/meminfo"
#: Bytes that have to be free there, and in the machine: four labs of three nodes, three lanes of
#: component tests, and all their processes.
FREE = 6 << 30
AVAILABLE = 10 << 30
_PREFIX = "paf-check-"


def usable():
    """Return whether there is a file system in memory with room for the tests."""
    with open(MOUNTS, encoding="utf-8") as stream:
        options = {fields[1]: (fields[2], fields[3].split(","))
                   for fields in map(str.split, stream)}
    kind, flags = options.get(SHARED_MEMORY, ("", []))
    if kind != "tmpfs" or {"ro", "noexec"} & set(flags):
        return False
    size = os.statvfs(SHARED_MEMORY)
    return size.f_bavail * size.f_frsize >= FREE and _available() >= AVAILABLE


def _available():
    """Return the bytes of memory that programs can have, as the kernel estimates them."""
    with open(MEMINFO, encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def folder():
    """Return the folder of this run's labs, in memory."""
    return pathlib.Path(SHARED_MEMORY, f"{_PREFIX}{os.getpid()}")


def environment():
    """Return the variables that lead labs and servers there; none where there is no room.

    A folder that the caller has chosen is left as it is.
    """
    if not usable():
        return {}
    mine = {"PAF_LAB_DIR": str(folder()), "PAF_TEST_DIR": SHARED_MEMORY}
    return {name: value for name, value in mine.items() if name not in os.environ}


def clean():
    """Remove this run's folder, and those of runs that were killed.

    A folder with a lab stays: its power daemon may still be taking it down.
    """
    for path in pathlib.Path(SHARED_MEMORY).glob(f"{_PREFIX}*"):
        process = path.name[len(_PREFIX):]
        if path != folder() and os.path.exists(f"/proc/{process}"):
            continue
        with contextlib.suppress(FileNotFoundError):    # another run removes it
            if all(entry.name.startswith(".") for entry in path.iterdir()):
                shutil.rmtree(path, ignore_errors=True)
