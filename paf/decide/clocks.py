"""Was the whole machine paused, and its own clocks with it? The hardware clock goes on: pure.

A guest's hardware clock is its host's; that of a server that sleeps has a battery.
"""

from collections import namedtuple

#: What the clocks of a machine show at one time, in seconds: hardware (int), its hardware clock;
#: running (float), the kernel's since the boot; day (float), its time of day.
Clocks = namedtuple("Clocks", "hardware running day")

#: Seconds that are no pause: the hardware clock has whole ones, and two looks are never exact.
LEAST = 3


def paused_for(before, now):
    # type: (Clocks, Clocks) -> float
    """Return for how many seconds (float) the machine did not run between two Clocks, 0.0 for none.

    A hardware clock that shows the time of day again has been set: Linux does that every eleven
    minutes where NTP works. Source: rtc(4), adjtimex(2).
    """
    ran = now.running - before.running
    missing = now.hardware - before.hardware - ran
    was_set = _differ(before) and not _differ(now)
    return float(missing) if missing >= LEAST and not was_set else 0.0


def _differ(seen):
    # type: (Clocks) -> bool
    return bool(abs(seen.hardware - seen.day) >= LEAST)
