"""Start a container: python3 -m lab.machines.init enter|boot DESCRIPTION.

`enter` joins the container's control groups and runs `boot` in new namespaces. That mounts what a
container manager gives to systemd, and becomes systemd. Source of what systemd wants:
https://systemd.io/CONTAINER_INTERFACE/.

What the node must not do to this machine it cannot: load modules, set the clock, make devices,
change settings of the kernel.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import uuid
from pathlib import Path

from lab.boot import change_root, mount
from lab.tools import PYTHON

from . import groups

UNSHARE = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child",
           "--propagation", "private")
#: Numbers of capabilities: module, raw I/O, clock, mknod, kernel log, security modules.
#: Source: capability.h.
WITHOUT = (16, 17, 25, 27, 32, 33, 34)
PR_CAPBSET_DROP = 24
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
READ_ONLY = ("sys", "sysrq-trigger", "irq")
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
         "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
#: Open files of systemd and what it starts, as the kernel and systemd have it (soft, hard).
FILES = (1024, 524288)


def build_root(spec):
    """Mount the node's root and what is not on its disk."""
    root = spec["root"]
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={spec['system']},upperdir={spec['disk']},"
          f"workdir={spec['work']}", root)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", f"{root}/proc")
    mount("-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs", f"{root}/sys")
    for place, mode in (("dev", "755"), ("run", "755"), ("tmp", "1777")):
        mount("-t", "tmpfs", "-o", f"mode={mode},nosuid", "tmpfs", f"{root}/{place}")
    for name in filter(lambda name: Path(root, "proc", name).exists(), READ_ONLY):
        mount("--bind", f"{root}/proc/{name}", f"{root}/proc/{name}")
        mount("-o", "remount,bind,ro", f"{root}/proc/{name}")
    _boot_id(root)
    _devices(root, spec["console"])
    _groups(root)


def _boot_id(root):
    """Give this boot a number of its own."""
    path = Path(root, "run", "boot-id")
    path.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    mount("--bind", str(path), f"{root}/proc/sys/kernel/random/boot_id")


def _devices(root, console):
    for name in (*DEVICES, "console"):
        Path(root, "dev", name).touch()
        mount("--bind", console if name == "console" else f"/dev/{name}", f"{root}/dev/{name}")
    for name in ("pts", "shm"):
        Path(root, "dev", name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts",
          f"{root}/dev/pts")
    mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", f"{root}/dev/shm")
    for name, target in LINKS.items():
        Path(root, "dev", name).symlink_to(target)


def _groups(root):
    """Mount the container's groups, and nothing that would let systemd mount others."""
    place = f"{root}/sys/fs/cgroup"
    mount("-t", "tmpfs", "-o", "mode=755,nosuid,nodev,noexec", "tmpfs", place)
    for name, (kind, options) in groups.MOUNTS.items():
        Path(place, name).mkdir()
        mount("-t", kind, *(["-o", options] if options else []), "cgroup", f"{place}/{name}")
    # systemd's name for the first two
    Path(place, "cpu,cpuacct").mkdir()
    mount("--bind", f"{place}/cpu", f"{place}/cpu,cpuacct")
    mount("-o", "remount,ro", place)


def become_systemd(name):
    """Give up what a node must not do, and run systemd in place of this program."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in WITHOUT:
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # who may not raise a limit, as in some containers, has it lower
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES[0], min(FILES[1], hard)))
    os.execve("/lib/systemd/systemd", ["systemd", f"systemd.hostname={name}"],
              {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb",
               "container": "paf-lab"})


def main():
    """Enter the container, or boot it."""
    step, path = sys.argv[1:]
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    if step == "enter":
        groups.join(spec["groups"])
        os.execvp("unshare", [*UNSHARE, PYTHON, "-m", "lab.machines.init", "boot", path])
    build_root(spec)
    subprocess.run(["hostname", spec["name"]], check=True)
    change_root(spec["root"])
    become_systemd(spec["name"])


if __name__ == "__main__":
    main()
