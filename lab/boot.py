"""A node's process 1: builds the node's root, starts corosync and pacemakerd, reaps zombies.

Other services in their place are shell commands of the description.

Runs as a program in new mount, pid, uts and ipc namespaces, with the path of its description (JSON)
as argument. Everything is imported before the root changes: the node's own Python may be another
one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

OLD_ROOT = "mnt"
DAEMONS = {"corosync": ["/usr/sbin/corosync", "-f"], "pacemaker": ["/usr/sbin/pacemakerd", "-f"]}


def mount(*words):
    """Run mount with these words."""
    subprocess.run(["mount", *words], check=True)


def build_root(spec):
    """Mount the node's root: its disk over the system it runs, and what a running system has."""
    root = spec["root"]
    layers = f"lowerdir={spec['system']},upperdir={spec['disk']},workdir={spec['work']}"
    mount("-t", "overlay", "overlay", "-o", layers, root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/dev", f"{root}/dev")
    mount("-t", "sysfs", "sysfs", f"{root}/sys")
    for folder in ("dev/shm", "run", "tmp"):
        mount(
            "-t",
            "tmpfs",
            "-o",
            "mode=1777" if folder != "run" else "mode=755",
            "tmpfs",
            f"{root}/{folder}",
        )
    for source, target in spec["binds"]:
        os.makedirs(root + target, exist_ok=True)
        mount("--bind", source, root + target)
    os.makedirs(f"{root}/run/lock", exist_ok=True)
    os.makedirs(f"{root}/run/postgresql", exist_ok=True)
    os.chown(f"{root}/run/postgresql", spec["postgres_uid"], spec["postgres_gid"])


def change_root(root):
    """Make the node's root the root of this process and of all that enter its namespaces."""
    os.chdir(root)
    subprocess.run(["pivot_root", ".", OLD_ROOT], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", f"/{OLD_ROOT}"], check=True)


def start(name, spec):
    """Start a daemon, its output in a file of its own."""
    output = os.open(f"/var/log/{name}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        signal.set_wakeup_fd(-1)
        os.execve(DAEMONS[name][0], DAEMONS[name], spec["environment"])
    os.close(output)
    return pid


def members():
    """Return how many members corosync sees, 0 if it does not answer yet."""
    done = subprocess.run(
        ["corosync-quorumtool", "-l"], capture_output=True, text=True, check=False
    )
    return sum(
        1 for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0].isdigit()
    )


def wait_for_members(count, seconds=120):
    """Wait for `count` members: nodes switched on together meet before one elects itself."""
    end = time.monotonic() + seconds
    while members() < count and time.monotonic() < end:
        time.sleep(0.1)


def reap_zombies():
    """Reap children forever, as process 1 must."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()


def main():
    """Boot the node."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    build_root(spec)
    socket.sethostname(spec["hostname"])
    change_root(spec["root"])
    if spec["services"]:
        subprocess.run(["sh", "-ec", spec["services"]], env=spec["environment"], check=True)
    else:
        start("corosync", spec)
        wait_for_members(spec["members"])
        start("pacemaker", spec)
    reap_zombies()


if __name__ == "__main__":
    main()
