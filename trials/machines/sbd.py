"""Faults with SBD in place of an external device: a watchdog alone, a shared disk, both levels.

The cluster is set up as docs/fencing.md has it. The watchdog is the guest's own (i6300esb): it
resets the guest, and does not count while the guest is paused.
"""

from lab.machines import layout
from lab.tools import LabError, wait_until
from trials.machines.faults import paused
from trials.machines.model import Table
from trials.machines.page import PCSD, with_pcsd

TABLE = Table(only=layout.GUESTS)
LONG = 900
#: For a restart of the cluster: pcs waits without end for a node that was reset meanwhile.
RESTART_LIMIT = 300
#: Seconds: docs/fencing.md has a third of it. Emulated processors are slow, and share a machine.
WATCHDOG = 15
MSGWAIT = 2 * WATCHDOG
#: What has a device of its own has a serial number that udev makes this name of.
DISK = "/dev/disk/by-id/virtio-sbd"
#: A set-up that was broken off has SBD enabled, and not the device.
_STATE = """sbd=$(systemctl is-enabled sbd || :)
. /etc/default/sbd
pcs stonith config fence-sbd > /dev/null 2>&1 && device=fence-sbd || device=none
echo "$sbd ${SBD_DEVICE:-none} $device"
"""
#: Of the cluster, on all nodes.
RESTART = "restart"
#: Level 1 is the board, level 2 the disk.
_LEVELS = tuple(f"pcs stonith level add {level} {name} {device}" for name in layout.NAMES
                for level, device in ((1, f"fence-{name}"), (2, "fence-sbd")))


def shell(guest, command, **options):
    """Run a line of shell in a node; return what it prints."""
    return guest.run(["sh", "-c", command], timeout=LONG, **options).output.strip()


def _set_up(lab, wanted, *commands):
    """Run the commands once, where the first node's SBD is not as wanted.

    RESTART is one of them.
    """
    first = lab.nodes[layout.NAMES[0]]
    if shell(first, _STATE) == wanted:
        return
    with with_pcsd(lab):
        for command in commands:
            if command == RESTART:
                _restart(lab, first)
            else:
                shell(first, command)
    assert shell(first, _STATE) == wanted, f"SBD is {shell(first, _STATE)}, not {wanted}"
    lab.wait_whole(LONG)


def _restart(lab, first):
    """Restart the cluster. SBD may reset a slow node before Pacemaker has stopped there."""
    try:
        for verb in ("stop", "start"):
            shell(first, f"timeout {RESTART_LIMIT} pcs cluster {verb} --all")
    except LabError:
        for guest in lab.nodes.values():
            guest.wait_up(LONG)
            guest.run(["systemctl", "start", *PCSD, "pacemaker"], timeout=LONG, check=False)


def diskless(lab):
    """Let SBD with a watchdog be the only fencing."""
    _set_up(lab, "enabled none none",
            "pcs stonith delete fence-sbd || :",
            f"pcs stonith sbd enable watchdog=/dev/watchdog SBD_WATCHDOG_TIMEOUT={WATCHDOG}",
            RESTART,
            f"pcs property set stonith-watchdog-timeout={MSGWAIT}",
            *(f"pcs stonith disable fence-{name}" for name in layout.NAMES),
            RESTART)


def disk(lab):
    """Let SBD with a shared disk be the only fencing."""
    _set_up(lab, f"enabled {DISK} fence-sbd",
            f"pcs stonith sbd device setup device={DISK} watchdog-timeout={WATCHDOG} "
            f"msgwait-timeout={MSGWAIT} --force",
            f"pcs stonith sbd enable watchdog=/dev/watchdog device={DISK} "
            f"SBD_WATCHDOG_TIMEOUT={WATCHDOG}",
            "pcs property set stonith-watchdog-timeout= --force",    # it need not be set
            *(f"pcs stonith disable fence-{name}" for name in layout.NAMES),
            f"pcs stonith create fence-sbd fence_sbd devices={DISK} "
            f"power_timeout={2 * MSGWAIT} pcmk_reboot_timeout={4 * MSGWAIT}",
            RESTART)


def levels(lab):
    """Let the boards be the first level, and the disk the second."""
    disk(lab)
    first = lab.nodes[layout.NAMES[0]]
    if "Level 2" not in shell(first, "pcs stonith level"):
        for command in (*(f"pcs stonith enable fence-{name}" for name in layout.NAMES), *_LEVELS):
            shell(first, command)


def _dead(scene):
    """Cut the power of the primary's node and of its board; switch it on after the failover."""
    scene.victim.off()
    scene.successor()
    scene.victim.on()
    return [scene.old]


def _paused(scene):
    """Pause it, and say how long it took writes after it went on."""
    paused(scene)
    return None


def _cut(scene):
    """Cut the network of the primary's node: it has no quorum, and the watchdog resets it."""
    before = scene.victim.boot_id()
    scene.cut(scene.old)
    scene.successor()
    wait_until(lambda: scene.victim.boot_id() not in ("", before), LONG, "its reset", 1)
    return [scene.old]


_WAYS = (
    ("sbd", diskless, "SBD with a watchdog, no disk",
     "it counts as fenced after `stonith-watchdog-timeout`"),
    ("sbd-disk", disk, "SBD with a shared disk", "it counts as fenced after `msgwait`"),
    ("levels", levels, "a topology: the boards, then SBD with a shared disk",
     "the board fails, the disk counts"))
for short, prepare, how, counts in _WAYS:
    TABLE.row(f"{short}-power", f"{how}: power cut of the primary's node and of its board",
              f"{counts}; a standby is promoted; it comes back when it is switched on",
              prepare=prepare)(_dead)
    if prepare is levels:
        break
    TABLE.row(f"{short}-cut", f"{how}: the network of the primary's node is cut",
              "it resets itself; a standby is promoted; it comes back", prepare=prepare)(_cut)
    TABLE.row(f"{short}-pause", f"{how}: the primary's guest is paused",
              "a standby is promoted; for how long the paused one takes writes when it goes on is "
              "measured: the watchdog does not count the pause", prepare=prepare, two=True)(_paused)
