"""The faults that need a machine: a small function for each, in a table."""

import contextlib
import time

from lab import network
from lab.machines import bridges, layout
from lab.machines.qmp import Silence
from lab.tools import run, wait_until
from lab.traffic import Client
from trials.machines import health
from trials.machines.model import Table

TABLE = Table()
#: Seconds for which a guest is paused: longer than corosync's token and than a watchdog.
PAUSE = 20
#: Seconds without a write, after which a server that ran on after its pause takes none.
QUIET = 45
#: Seconds in which an answer that was sent before the pause reaches its client.
ON_THE_WAY = 1.0
LONG = 900
#: Rules of nft, as small kernels have no netem: the tap of a guest in the hub, where "egress" is
#: what the guest receives.
_ONE_WAY = """table netdev one_way {{
    chain drop_all {{
        type filter hook {hook} device {card} priority 0; policy drop;
    }}
}}
"""


def shell(guest, command, **options):
    """Run a line of shell in a guest."""
    return guest.run(["sh", "-c", command], **options)


def last(guest, command):
    """Run a line of shell in a guest that may not live to answer."""
    with contextlib.suppress(Silence):
        shell(guest, command, timeout=10, check=False)


@TABLE.row("switchover", "`paf switchover` under load", "the other node is the primary",
           smoke=True)
def switchover(scene):
    """Move the primary as an administrator does."""
    target = scene.others[0]
    found = scene.victim.run(["paf", "switchover", target, "--yes"], check=False, timeout=LONG)
    assert found.ok, f"{found}"
    assert scene.lab.primary() == target, "another primary than was asked for"
    return []


@TABLE.row("panic", "the primary's kernel panics (`echo c > /proc/sysrq-trigger`)",
           "fenced; a standby is promoted; it comes back", smoke=True, only=layout.GUESTS)
def panic(scene):
    """Let the kernel die; its guest does nothing more, and runs on for QEMU."""
    last(scene.victim, "echo c > /proc/sysrq-trigger")
    scene.successor()
    return [scene.old]


@TABLE.row("power", "power cut of the primary; a guest loses what was not flushed",
           "fenced; a standby is promoted; it comes back")
def power(scene):
    """Cut the power; fencing starts the guest again."""
    scene.victim.dark()
    scene.successor()
    return [scene.old]


@TABLE.row("reboot", "`systemctl reboot` of the primary under load",
           "a standby is promoted, no node is fenced; it comes back")
def reboot(scene):
    """Reboot as an administrator does."""
    before = scene.victim.boot_id()
    last(scene.victim, "systemctl reboot")
    scene.successor()
    scene.victim.wait_up(LONG, before)
    return []


@TABLE.row("pause", f"the primary's guest is paused for {PAUSE} s or more",
           "fenced; a standby is promoted; the paused guest takes no write after that",
           smoke=True, only=layout.GUESTS)
def pause(scene):
    """Pause the guest, and let it run on after its successor was promoted."""
    late = paused(scene)
    assert not late, f"{len(late)} writes after the pause"
    return [scene.old]


def paused(scene):
    """Pause the primary's guest until another is promoted; return the times of its late writes.

    The client speaks to its server by its own address. Times are seconds since the end of the
    pause, at most ON_THE_WAY of them for what was acknowledged before, and is read late.
    """
    direct = Direct(scene.lab, f"{scene.run}-direct")
    direct.start(interval=0.05, host=scene.victim.address)
    with direct:
        direct.wait_rows(20, LONG)
        scene.victim.pause()
        begin = time.monotonic()
        scene.successor()
        wait_until(lambda: time.monotonic() > begin + PAUSE, PAUSE + 30, "the pause", 0.2)
        # fencing has reset it and let it run; for one that was not fenced the pause ends here
        before, end = scene.victim.status(), time.monotonic()
        scene.victim.resume()
        # not until the cluster is whole: a standby may have to be rebuilt first
        wait_until(lambda: time.monotonic() > max([end, *direct.acknowledged()]) + QUIET, LONG,
                   "the end of its writes", 1)
    late = [row - end for row in direct.acknowledged() if row > begin + ON_THE_WAY]
    scene.remarks.append(f"{before} when the pause ended; {len(late)} writes after it" + (
        f", until {late[-1]:.1f} s after it" if late else ""))
    return late


@TABLE.row("deaf", "the network card of the primary's node receives nothing, and still sends",
           "fenced; a standby is promoted; it comes back", only=layout.GUESTS)
def deaf(scene):
    """Lose what is sent to it."""
    return _one_way(scene, "egress")


@TABLE.row("mute", "the network card of the primary's node sends nothing, and still receives",
           "fenced; a standby is promoted; it comes back", only=layout.GUESTS)
def mute(scene):
    """Lose what it sends."""
    return _one_way(scene, "ingress")


def _one_way(scene, hook):
    """Drop what passes a hook of its tap until another is promoted; its fencing is not cut."""
    hub = scene.lab.hub
    run(network.inside(hub, ["nft", "-f", "-"]), text=_ONE_WAY.format(
        hook=hook, card=bridges.tap(scene.old, 0)))
    try:
        scene.successor()
    finally:
        run(network.inside(hub, ["nft", "delete", "table", "netdev", "one_way"]))
    return [scene.old]


@TABLE.row("health", "a flood of the port for load balancers, on the primary's node",
           "the monitors come in time, clients write on, the port answers afterwards",
           only=layout.CONTAINERS)
def flood(scene):
    """Flood it for a minute: silent, slow, huge and binary requests, and thousands of good ones."""
    return health.play(scene)


class Direct(Client):
    """A client of one server, whoever is the primary, that waits for no standby."""

    environment = {"PGOPTIONS": "-c synchronous_commit=local", "PAF_LAB_CONNECT_SECONDS": "5"}
    first = LONG

    def acknowledged(self):
        """Return the times of the acknowledged rows (monotonic)."""
        return [int(line.split()[2]) / 1e9 for line in self.read("acks.log").splitlines()
                if len(line.split()) == 3]
