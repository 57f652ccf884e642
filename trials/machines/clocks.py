"""Faults of time: a clock that jumps, clocks that drift, and a short pause of a node."""

import time

from lab.machines import layout
from lab.tools import wait_until
from trials.machines.model import Table

TABLE = Table(only=layout.GUESTS)
HOUR = 3600
MINUTE = 60
#: Parts per million by which clocks drift: the most that the kernel can be asked for.
DRIFT = 90000
#: Seconds of a pause that Corosync does not notice: less than its token (3 s and more).
BLINK = 1.5
#: Sets the time of day $1 seconds on: the kernel's, as NTP does that steps.
_STEP = """import sys, time
time.clock_settime(time.CLOCK_REALTIME, time.time() + float(sys.argv[1]))
"""
#: Sets the kernel's tick (microseconds, 10000 is right): struct timex of adjtimex(2), ADJ_TICK.
_TICK = """import ctypes, sys
class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("before", ctypes.c_long * 8),
                ("time", ctypes.c_long * 2), ("tick", ctypes.c_long),
                ("after", ctypes.c_long * 24)]
libc = ctypes.CDLL(None, use_errno=True)
timex = Timex(modes=0x4000, tick=int(sys.argv[1]))
if libc.adjtimex(ctypes.byref(timex)) < 0:
    raise OSError(ctypes.get_errno(), "adjtimex")
"""


def python(guest, text, *words):
    """Run a program of Python in a node."""
    guest.run(["python3", "-c", text, *map(str, words)])


def step(guest, seconds):
    """Let a node's time of day jump by so many seconds."""
    python(guest, _STEP, seconds)


def drift(guest, millionths):
    """Let a node's clock go faster by so many parts per million; 0 is right again."""
    python(guest, _TICK, 10000 + millionths // 100)


def wait(seconds):
    """Wait while clients write."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 60, "the end of the wait", 0.2)


def same_primary(scene):
    """Assert that nothing has happened to the primary."""
    assert scene.lab.primary() == scene.old, "another primary"


def _jump(scene, seconds):
    """Let the clock of the primary's node jump, and a minute later back."""
    step(scene.victim, seconds)
    try:
        wait(MINUTE)
        scene.lab.wait_whole()
    finally:
        step(scene.victim, -seconds)
    wait(MINUTE / 2)
    same_primary(scene)
    return []


@TABLE.row("clock-forward", "the clock of the primary's node jumps an hour forward, a minute later "
           "back", "nothing happens")
def forward(scene):
    """As an administrator does who corrects a time zone by hand."""
    return _jump(scene, HOUR)


@TABLE.row("clock-back", "the clock of the primary's node jumps an hour back, a minute later "
           "forward", "nothing happens")
def back(scene):
    """The times of files and of Pacemaker's records are in the future then."""
    return _jump(scene, -HOUR)


@TABLE.row("clock-failover", "a standby's clock is an hour behind, and the power of the primary's "
           "node is cut", "fenced; a standby is promoted; it comes back")
def failover(scene):
    """No decision may compare the clocks of two nodes."""
    late = scene.lab.nodes[scene.others[0]]
    step(late, -HOUR)
    try:
        scene.victim.dark()
        scene.successor()
    finally:
        step(late, HOUR)
    return [scene.old]


@TABLE.row("drift", f"for two minutes the clocks of the nodes drift: {DRIFT // 10000} % too fast, "
           "too slow, and right", "nothing happens")
def drifting(scene):
    """Let each clock have a speed of its own."""
    nodes = list(scene.lab.nodes.values())
    try:
        for guest, millionths in zip(nodes, (DRIFT, -DRIFT, 0)):
            drift(guest, millionths)
        wait(2 * MINUTE)
    finally:
        for guest in nodes:
            drift(guest, 0)
    same_primary(scene)
    return []


@TABLE.row("pause-short", f"the primary's guest is paused for {BLINK} s, ten times",
           "nothing happens: it is less than Corosync's token")
def blink(scene):
    """Pause as a snapshot does."""
    for _ in range(10):
        scene.victim.pause()
        try:
            wait(BLINK)
        finally:
            scene.victim.resume()
        wait(10)
    same_primary(scene)
    return []
