"""Faults of what a node has beside PostgreSQL and the cluster: packages, systemd, its disk."""

import contextlib
import time

from lab.machines import layout
from lab.machines.cluster import PACKAGE
from lab.machines.qmp import Silence
from lab.tools import LabError, wait_until
from trials.machines.model import Table

TABLE = Table(only=layout.CONTAINERS)
LONG = 900
#: Seconds for which a disk is full.
MINUTE = 60
#: A package of a higher version with the same files.
_NEWER = f"""set -e
rm -rf /root/newer /root/newer.deb
dpkg-deb -R {PACKAGE} /root/newer
sed -i 's/^Version: .*/&+trial/' /root/newer/DEBIAN/control
dpkg-deb -b /root/newer /root/newer.deb
"""
#: Bytes of the file system for /var, and how it is put in place, and taken away again.
VAR = 400 * 2 ** 20
_SMALL = f"""set -e
pcs cluster stop
mkdir /small
mount -t tmpfs -o size={VAR},mode=755 small /small
cp -a /var/. /small
mount --move /small /var
pcs cluster start
"""
_LARGE = """set -e
pcs cluster stop
mkdir -p /small
mount --move /var /small
cp -a /small/. /var
# what was not stopped has its files there
umount --lazy /small
rmdir /small
systemctl restart systemd-journald
pcs cluster start
"""


def shell(guest, command, **options):
    """Run a line of shell in a node; return what it prints."""
    return guest.run(["sh", "-c", command], **options).output.strip()


def server(guest):
    """Return the pid of a node's postmaster and the time of its start, as text; "" without one."""
    return shell(guest, "sed -n '1p;3p' /var/lib/postgresql/15/main/postmaster.pid", check=False)


def install(guest, *words):
    """Install packages as an administrator does, without questions."""
    guest.run(["apt-get", "install", "-y", "--allow-downgrades", *words], timeout=LONG,
              env=["DEBIAN_FRONTEND=noninteractive"])


@TABLE.row("stop", "`systemctl stop pacemaker` on the primary's node under load, then `start`",
           "a standby is promoted, no node is fenced; it comes back")
def stop(scene):
    """Stop as an administrator does who does not know of the standby mode."""
    scene.victim.run(["systemctl", "stop", "pacemaker"], timeout=LONG)
    scene.successor()
    scene.victim.run(["systemctl", "start", "pacemaker"], timeout=LONG)
    return []


@TABLE.row("reboot-standby", "`systemctl reboot` of a standby under load",
           "the primary goes on, no node is fenced; it comes back")
def reboot_standby(scene):
    """Reboot as an administrator does."""
    guest = scene.lab.nodes[scene.others[0]]
    before = guest.boot_id()
    with contextlib.suppress(Silence):
        shell(guest, "systemctl reboot", timeout=10, check=False)
    guest.wait_up(LONG, before)
    scene.lab.wait_whole(LONG)
    assert scene.lab.primary() == scene.old, "another primary"
    return []


@TABLE.row("apt-paf", "on each node, the primary's last: a newer version of our package, by apt",
           "nothing happens")
def apt_paf(scene):
    """Upgrade, and go back, without maintenance mode."""
    for name in (*scene.others, scene.old):
        guest = scene.lab.nodes[name]
        before = server(guest)
        shell(guest, _NEWER)
        install(guest, "/root/newer.deb")
        assert server(guest) == before, f"the server of {name} is another"
        install(guest, PACKAGE)
    assert scene.lab.primary() == scene.old, "another primary"
    return []


@TABLE.row("apt-postgresql", "`apt-get install --reinstall postgresql-15` on each node, the "
           "primary's last, all while it runs", "nothing happens")
def apt_postgresql(scene):
    """The scripts of the package are those of an upgrade."""
    for name in (*scene.others, scene.old):
        guest = scene.lab.nodes[name]
        before = server(guest)
        install(guest, "--reinstall", *shell(guest, "ls /root/packages/postgresql-15_*").split())
        assert server(guest) == before, f"the server of {name} is another"
    assert scene.lab.primary() == scene.old, "another primary"
    return []


@TABLE.row("apt-pacemaker", "`apt-get install --reinstall pacemaker` on the primary's node",
           "a standby is promoted, or nothing happens; no node is fenced; it comes back")
def apt_pacemaker(scene):
    """The package stops Pacemaker, or not: that is for it to say."""
    guest = scene.victim
    before = shell(guest, "systemctl show pacemaker -p MainPID")
    install(guest, "--reinstall", *shell(guest, "ls /root/packages/pacemaker_*").split())
    same = shell(guest, "systemctl show pacemaker -p MainPID") == before
    scene.remarks.append("Pacemaker ran on" if same else "Pacemaker was restarted")
    return []


def small(lab):
    """Give the primary's node a small /var."""
    name = lab.primary()
    guest = lab.nodes[name]
    shell(guest, _SMALL, timeout=LONG)
    lab.wait_whole(LONG)
    if lab.primary() != name:
        guest.run(["paf", "switchover", name, "--yes"], timeout=LONG)


@TABLE.row("full", "`/var` of the primary's node is full: data, logs, and Pacemaker's files (a "
           f"{VAR >> 20} MB tmpfs stands for the root's disk); after a minute there is room again",
           "commits fail, the server runs on or another is promoted; `paf status` says it; no node "
           "is fenced", prepare=small)
def full(scene):
    """Fill it under load, see that it is said, and make room."""
    guest, said = scene.victim, []
    shell(guest, "head -c 2G /dev/zero > /var/full", check=False, timeout=LONG)
    end = time.monotonic() + MINUTE

    def over():
        with contextlib.suppress(LabError):
            code, answer = scene.lab.status()
            said.extend(row["degraded_because"] for row in answer["nodes"]
                        if code and row["degraded_because"])
        return time.monotonic() > end
    try:
        wait_until(over, MINUTE + 60, "the minute", 1)
        now = scene.lab.primary_now()
        scene.remarks.append(f"{now or 'no node'} is the primary meanwhile, it was {scene.old}")
    finally:
        shell(guest, "rm /var/full")
        scene.lab.wait_whole(LONG)
        shell(guest, _LARGE, timeout=LONG)
    assert any("no room is left" in text for text in said), f"paf status says {said}"
    return []


@TABLE.row("tmpfiles", "on each node `systemd-tmpfiles --clean` with an age of one second for "
           "`/tmp` and `/var/tmp`",
           "nothing happens")
def tmpfiles(scene):
    """Clean as a rule does that somebody has made too strict."""
    for name, guest in scene.lab.nodes.items():
        before = server(guest)
        # of two files that have a line for a folder, the first counts
        guest.put("/etc/tmpfiles.d/00-trial.conf", "d /tmp 1777 root root 1s\n"
                  "d /var/tmp 1777 root root 1s\n")
        try:
            found = shell(guest, "SYSTEMD_LOG_LEVEL=debug systemd-tmpfiles --clean 2>&1 "
                                 "| grep -c '^Removing' || :")
        finally:
            shell(guest, "rm /etc/tmpfiles.d/00-trial.conf")
        assert int(found), f"nothing was removed on {name}"
        scene.remarks.append(f"{found} removed on {name}")
        assert server(guest) == before, f"the server of {name} is another"
    return []


@TABLE.row("shm", "`rm /dev/shm/PostgreSQL.*` on the primary's node, as a cleaner does, or "
           "RemoveIPC=yes where the account is no system account",
           "the monitor fails; recovered, or another is promoted; no node is fenced")
def shm(scene):
    """Remove the server's shared memory, and wait until it has another."""
    guest = scene.victim
    before = server(guest)
    shell(guest, "rm /dev/shm/PostgreSQL.*")
    wait_until(lambda: server(guest) != before, LONG, "another server", 0.5)
    return []


@TABLE.row("removeipc", "`RemoveIPC=yes`, and a session of the account `postgres` ends on the "
           "primary's node", "nothing happens: it is a system account")
def removeipc(scene):
    """Log in and out, and see that parallel queries still have shared memory."""
    guest = scene.victim
    guest.put("/etc/systemd/logind.conf.d/trial.conf", "[Login]\nRemoveIPC=yes\n")
    guest.run(["systemctl", "restart", "systemd-logind"])
    try:
        before = shell(guest, "ls /dev/shm | grep -c PostgreSQL")
        seen = shell(guest, "su -l postgres -c 'loginctl list-sessions --no-legend'")
        assert "postgres" in seen, f"no session: {seen}"
        wait_until(lambda: "postgres" not in shell(guest, "loginctl list-users --no-legend"), 60,
                   "the end of the session", 0.5)
        assert shell(guest, "ls /dev/shm | grep -c PostgreSQL") == before, "memory was removed"
        guest.sql("set force_parallel_mode = on; select count(*) from pg_class")
    finally:
        shell(guest, "rm /etc/systemd/logind.conf.d/trial.conf; systemctl restart systemd-logind")
    return []


def _starters(lab, word):
    """Let systemd start PostgreSQL at boot ("auto"), or not ("manual")."""
    for guest in lab.nodes.values():
        shell(guest, f"echo {word} > /etc/postgresql/15/main/start.conf; systemctl daemon-reload")


@TABLE.row("starters-standby", "`start.conf` says `auto` by mistake: systemd starts PostgreSQL as "
           "well; a standby reboots", "`paf check` says it; the standby is taken over as it runs")
def starters_standby(scene):
    """Reboot a standby whose server systemd starts."""
    name = scene.others[0]
    guest = scene.lab.nodes[name]
    _starters(scene.lab, "auto")
    try:
        found = guest.run(["paf", "check"], check=False, timeout=LONG)
        assert "systemd starts" in found.output and not found.ok, f"paf check: {found.output}"
        before = guest.boot_id()
        with contextlib.suppress(Silence):
            shell(guest, "systemctl reboot", timeout=10, check=False)
        guest.wait_up(LONG, before)
        scene.lab.wait_whole(LONG)
    finally:
        _starters(scene.lab, "manual")
    assert scene.lab.primary() == scene.old, "another primary"
    return []


@TABLE.row("starters-primary", "the same, and power cut of the primary",
           "fenced; a standby is promoted; systemd starts the old primary as one, without the "
           "address, until its agent stops it: what `paf check` warns of", two=True)
def starters_primary(scene):
    """Cut the power of a primary whose server systemd starts again."""
    before = scene.victim.boot_id()
    _starters(scene.lab, "auto")
    try:
        scene.victim.dark()
        scene.successor()
        scene.victim.wait_up(LONG, before)
        with contextlib.suppress(LabError):
            scene.lab.wait_whole(60)
    finally:
        _starters(scene.lab, "manual")
    return [scene.old]
