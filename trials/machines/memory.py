"""Faults of memory: the kernel's OOM killer, and too little of it for the page cache.

The OOM killer is the kernel's own. It is let loose on one process: in a control group of its own,
below that of the container, with a limit that nothing fits into. What the process had is charged to
its old group, so it dies at the next page that it asks for.
"""

import contextlib
import time

from lab.machines import layout
from lab.tools import LabError, wait_until
from trials.machines.model import Table

TABLE = Table(only=layout.CONTAINERS)
ROOT = "/sys/fs/cgroup/memory"
#: Bytes: less than anything needs; and what a backend starts with, not more.
NOTHING, SOME = 4096, 200 * 2 ** 20
#: Seconds until a process that does little asks for a page.
LONG = 300
#: Seconds of too little memory, and bytes of page cache meanwhile.
MINUTE, CACHE = 60, 20 * 2 ** 20
#: Puts each monitor of the agent into the group $1, until the kernel has killed one there.
_CATCH = """until [ "$(sed -n 's/^oom_kill //p' "$1/memory.oom_control")" -gt 0 ]; do
    for pid in $(pgrep -f 'heartbeat/pgsqlms monitor$'); do
        echo "$pid" > "$1/cgroup.procs" || :
    done
done
"""
#: Leaves $2 bytes beside what cannot be dropped; $1 is the group of the whole node.
_PRESS = """fixed=$(awk '/^(total_rss|total_shmem) / { all += $2 } END { print all }' \
    "$1/memory.stat")
kernel=$(cat "$1/memory.kmem.usage_in_bytes")
echo 0 > "$1/memory.failcnt"
echo $((fixed + kernel + $2)) > "$1/memory.limit_in_bytes"
"""
#: A file to swap to, and what keeps asking for all memory and $1 MB more, for $2 seconds.
_SWAP = """[ -f /swapfile ] || { fallocate -l 1G /swapfile && chmod 600 /swapfile \\
    && mkswap /swapfile; } >/dev/null
swapon /swapfile
"""
_HOG = """import sys, time
for line in open("/proc/meminfo"):
    if line.startswith("MemAvailable:"):
        size = int(line.split()[1]) * 1024 + int(sys.argv[1]) * 2 ** 20
end, memory = time.monotonic() + float(sys.argv[2]), bytearray(size)
while time.monotonic() < end:
    for page in range(0, size, 4096):
        memory[page] = 1
"""
_SWAPPED = "sed -n 's/^pswpout //p' /proc/vmstat"
POSTMASTER = "head -1 /var/lib/postgresql/15/main/postmaster.pid"
#: A session whose backend is put into the group $1 before it takes all that it can get.
_GREEDY = """runuser -u postgres -- env PGAPPNAME=greedy psql -Xq -c "set work_mem = '2GB'" \
    -c "select pg_sleep(5)" -c "select count(*) from (select repeat('x', 1000) || i
from generate_series(1, 1000000) i order by 1 desc offset 1) t" &
pid=
while [ -z "$pid" ]; do
    sleep 0.1
    pid=$(runuser -u postgres -- psql -XAtqc \
        "select pid from pg_stat_activity where application_name = 'greedy'")
done
echo "$pid" > "$1/cgroup.procs"
wait
"""


def shell(guest, command, *words, **options):
    """Run a line of shell in a node; return what it prints."""
    return guest.run(["sh", "-c", command, "sh", *words], **options).output.strip()


def pid_of(guest, program):
    """Return the pid of the only process of a program, as the node has it (text)."""
    return shell(guest, f"pgrep -x {program[:15]}")


def group(guest):
    """Make a control group without a limit; return its folder."""
    return shell(guest, f"mktemp -d {ROOT}/trial.XXXXXX")


def killed(guest, place):
    """Return how many processes the kernel has killed in a group."""
    return int(shell(guest, f"sed -n 's/^oom_kill //p' {place}/memory.oom_control"))


def starve(guest, pid):
    """Let the OOM killer end a process."""
    place = group(guest)
    shell(guest, f"echo {NOTHING} > {place}/memory.limit_in_bytes "
                 f"&& echo {pid} > {place}/cgroup.procs")
    try:
        wait_until(lambda: killed(guest, place), LONG, f"the end of {pid} for want of memory", 0.2)
    finally:
        with contextlib.suppress(LabError):     # the node may be gone with it
            shell(guest, f"echo -1 > {place}/memory.limit_in_bytes")


@TABLE.row("oom-postmaster", "the kernel's OOM killer ends the primary's postmaster",
           "recovered or another is promoted; no node fenced")
def postmaster(scene):
    """Starve the postmaster."""
    starve(scene.victim, shell(scene.victim, POSTMASTER))
    return []


@TABLE.row("oom-backend", f"a query takes more than the {SOME >> 20} MB that its backend may have, "
           "and the kernel's OOM killer ends it",
           "PostgreSQL restarts itself, or is recovered; no node fenced")
def backend(scene):
    """Run a query with more memory than there is."""
    guest = scene.victim
    place = group(guest)
    shell(guest, f"echo {SOME} > {place}/memory.limit_in_bytes")
    shell(guest, _GREEDY, place, check=False, timeout=LONG)
    assert killed(guest, place), "the query had memory enough"
    return []


@TABLE.row("oom-agent", "the kernel's OOM killer ends the agent during a monitor of the primary",
           "the monitor fails, and is a failure like others; no node fenced")
def agent(scene):
    """Catch a monitor, and leave it no memory."""
    guest = scene.victim
    place = group(guest)
    shell(guest, f"echo {NOTHING} > {place}/memory.limit_in_bytes")
    shell(guest, _CATCH, place, timeout=LONG)
    return []


def _daemon(name):
    """Add the row of a daemon."""
    short = name.replace("pacemaker-", "")

    @TABLE.row(f"oom-{short}", f"the kernel's OOM killer ends `{name}` on the primary's node",
               "it runs again, or the node is fenced and another is promoted")
    def play(scene):
        guest = scene.victim

        def which():
            return guest.boot_id(), pid_of(guest, name)
        old = which()
        with contextlib.suppress(LabError):     # the node may be gone with it
            starve(guest, old[1])
        wait_until(lambda: which() != old, LONG, f"another {name}", 0.5)
        return None


for daemon in ("pacemakerd", "pacemaker-attrd", "pacemaker-execd", "pacemaker-controld",
               "corosync"):
    _daemon(daemon)


@TABLE.row("memory", "for a minute the primary's node has 20 MB for what can be read again from "
           "its disk; nothing swaps, as this machine has no swap",
           "it goes on, or another is promoted")
def pressure(scene):
    """Lower the limit of the container, and raise it again."""
    guest = scene.victim
    before = shell(guest, f"cat {ROOT}/memory.limit_in_bytes")
    end = time.monotonic() + MINUTE
    try:
        shell(guest, _PRESS, ROOT, str(CACHE))
        wait_until(lambda: time.monotonic() > end, MINUTE + 60, "the minute", 1)
        failures = int(shell(guest, f"cat {ROOT}/memory.failcnt"))
        scene.remarks.append(f"{failures} times short of memory")
    finally:
        with contextlib.suppress(LabError):     # fenced: its next boot has the usual limit
            shell(guest, f"echo {before} > {ROOT}/memory.limit_in_bytes", check=False)
    return None


@TABLE.row("swap", "for a minute a program on the primary's node keeps asking for 300 MB more than "
           "there is, and the node swaps", "it goes on, or another is promoted",
           only=layout.GUESTS)
def swap(scene):
    """Let the node swap; it may be fenced meanwhile, and the program ends with it."""
    guest = scene.victim
    shell(guest, _SWAP, timeout=LONG)
    begin = int(shell(guest, _SWAPPED))
    with contextlib.suppress(LabError):
        guest.run(["python3", "-c", _HOG, "300", str(MINUTE)], timeout=LONG)
        scene.remarks.append(f"{(int(shell(guest, _SWAPPED)) - begin) * 4 >> 10} MB swapped out")
    guest.wait_up(LONG)
    shell(guest, "swapoff -a; rm -f /swapfile", timeout=LONG)
    return None
