"""Faults of disks: one that loses what was not flushed, that lies, hangs, fails, or is slow.

The data of a guest's server are on a disk of their own, whose server is the lab's
(lab/machines/nbd.py), below a device `data` of the kernel's device mapper.
"""

import contextlib
import time

from lab.machines import layout
from lab.tools import LabError, wait_until
from trials.machines.model import Table

TABLE = Table(only=layout.GUESTS)
LONG = 900
#: Seconds: of lies about flushes, of errors, of a slow disk, and the least of one that hangs.
LIES, ERRORS, MINUTE = 20, 30, 60
#: Milliseconds that each operation of a slow data disk takes, and operations a second of a slow
#: root disk.
DELAY, OPERATIONS = 200, 30
#: What the device is made of instead, in words of dmsetup; $disk is the data disk.
GOOD, BAD, SLOW = "linear $disk 0", "error", f"delay $disk 0 {DELAY}"
#: What is under way is not waited for, and the file system is not stopped: neither is in a fault.
SUSPEND, RESUME = "dmsetup suspend --noflush --nolockfs data", "dmsetup resume data"
_CHANGE = f"""set -e
disk=$(readlink -f /dev/disk/by-id/virtio-{layout.DATA})
size=$(blockdev --getsz "$disk")
{SUSPEND}
dmsetup reload data --table "0 $size {{0}}" || :
{RESUME}
dmsetup table data | grep -q " {{1}}"
"""


def shell(guest, command, **options):
    """Run a line of shell in a guest; return what it prints."""
    return guest.run(["sh", "-c", command], **options).output.strip()


def change(target):
    """Return the shell that makes the device of something else."""
    return _CHANGE.format(target, target.split()[0])


@contextlib.contextmanager
def other(guest, command, back):
    """Run `command` in a guest, and `back` at the end, unless it has booted meanwhile.

    Gives its first boot.
    """
    before = guest.boot_id()
    shell(guest, command, timeout=LONG)
    try:
        yield before
    finally:
        # no answer is asked for again: the node may have been reset, or may only be slow
        wait_until(lambda: guest.boot_id() != before
                   or shell(guest, back, timeout=MINUTE) is not None,
                   LONG, f"{guest.name} to have a good disk again", 1)


def pass_by(seconds):
    """Wait for some seconds."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 60, f"{seconds} s to pass", 1)


def cut(scene):
    """Cut the power of the primary, and say what its disk has lost."""
    disk = scene.victim.data
    before = len(disk.dropped())
    scene.victim.dark()
    lost = sum(disk.dropped()[before:])
    scene.remarks.append(f"{lost / 1024:.0f} kB were dropped")
    assert lost, "the disk has lost nothing"


@TABLE.row("disk-lost", "power cut of the primary in the middle of a flush: its data disk loses "
           "what was not flushed", "fenced; a standby is promoted; it comes back")
def disk_lost(scene):
    """Wait until a flush of the server is under way, which is never answered."""
    disk = scene.victim.data
    with disk.holds():
        wait_until(disk.held, LONG, "a flush of the primary's disk", 0.1)
        cut(scene)
    scene.successor()
    return [scene.old]


@TABLE.row("disk-liar", "the primary's data disk answers flushes and does not do them, for "
           f"{LIES} s or more under load; then power cut of the primary",
           "fenced; a standby is promoted; no row is lost, as one standby has each; it comes back, "
           "as a standby or by `paf rebuild`")
def disk_liar(scene):
    """Lie while rows are acknowledged; the disk is as it was before these when the power is cut."""
    with scene.victim.data.lies():
        pass_by(LIES)
        scene.client.wait_rows(50, LONG)
        cut(scene)
    scene.successor()
    return [scene.old]


def timeout_of_stop(lab, seconds):
    """Set the timeout of a stop: as the quick start has it, or as long as guests are given."""
    shell(lab.nodes[layout.NAMES[0]], "pcs resource update pgsqld op stop interval=0s "
          f"timeout={seconds}s", timeout=LONG)


def usual_stop(lab):
    """No stop can succeed: how long it takes to fail is what users have."""
    timeout_of_stop(lab, MINUTE)


@TABLE.row("disk-hang", "the primary's data disk hangs (`dmsetup suspend`) until another is "
           f"promoted, for {MINUTE} s or more",
           "another is promoted; fenced before, as no stop can succeed; it comes back",
           prepare=usual_stop)
def disk_hang(scene):
    """Let what reads or writes there wait; the reset of the node ends that."""
    begin = time.monotonic()
    with other(scene.victim, SUSPEND, RESUME):
        scene.successor()
        scene.remarks.append(f"another after {time.monotonic() - begin:.0f} s")
        wait_until(lambda: time.monotonic() > begin + MINUTE, MINUTE + 60, "the minute", 1)
    timeout_of_stop(scene.lab, 10 * MINUTE)
    return [scene.old]


@TABLE.row("disk-errors", "each read and write of the primary's data disk fails (`error` of the "
           f"device mapper) for {ERRORS} s; its node is rebooted once another was promoted, as the "
           "file system takes no more writes",
           "another is promoted; fenced only if a stop fails; it comes back")
def disk_errors(scene):
    """Let it fail, and do what the administrator has to: the file system is mounted again."""
    guest = scene.victim
    with other(guest, change(BAD), change(GOOD)) as boot:
        pass_by(ERRORS)
    scene.successor()
    if wait_until(guest.boot_id, LONG, f"an answer of {guest.name}", 1) == boot:
        scene.remarks.append("not fenced, rebooted")
        with contextlib.suppress(LabError):     # it may not live to answer
            shell(guest, "systemctl reboot", timeout=10, check=False)
    guest.wait_up(LONG, boot)
    return None


@TABLE.row("disk-slow", f"each read and write of the primary's data disk takes {DELAY} ms more for "
           "a minute (`delay` of the device mapper)",
           "clients write on, more slowly; the primary stays, no node is fenced")
def disk_slow(scene):
    """Count what clients can still write."""
    with other(scene.victim, change(SLOW), change(GOOD)):
        before = scene.client.rows()
        pass_by(MINUTE)
        scene.remarks.append(f"{scene.client.rows() - before} rows in the minute")
        scene.client.wait_rows(1, LONG)
    assert scene.lab.primary() == scene.old, "another primary"
    return []


@TABLE.row("root-slow", f"the root disk of the primary's node does {OPERATIONS} operations a "
           "second for a minute: programs, logs, Pacemaker's files",
           "clients write on; the primary stays, no node is fenced")
def root_slow(scene):
    """Throttle it in QEMU."""
    scene.victim.throttle(OPERATIONS)
    try:
        before = scene.client.rows()
        pass_by(MINUTE)
        scene.remarks.append(f"{scene.client.rows() - before} rows in the minute")
    finally:
        scene.victim.throttle(0)
    assert scene.lab.primary() == scene.old, "another primary"
    return []
