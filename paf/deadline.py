"""Time is a value: an action makes one Deadline, and whatever waits takes it."""

import os
import time

#: Steps between two checks of a condition, in seconds. A wait of an action has no longer ones
#: unless it asks for them: they add to an outage.
FIRST_STEP = 0.005
LONGEST_STEP = 0.05

#: The longest step where a check costs only a system call or two.
FINE_STEP = 0.01

#: What an action leaves of its timeout for its messages and its exit, in seconds.
MARGIN = 2.0


def monotonic():
    """Return seconds on a clock that no administrator turns back (times(2) before Python 3.3)."""
    if hasattr(time, "monotonic"):
        return time.monotonic()  # novm
    return os.times()[4]


class Deadline(object):
    """A point in time that ends every wait of an action."""

    def __init__(self, seconds, clock=monotonic):
        self._clock = clock
        self._start = clock()
        self._end = self._start + seconds

    @classmethod
    def of_action(cls, timeout):
        """Return the deadline of an action whose timeout is `timeout` seconds."""
        return cls(timeout - min(MARGIN, timeout * 0.15))

    @property
    def elapsed(self):
        """Seconds since the deadline was made."""
        return self._clock() - self._start

    @property
    def remaining(self):
        """Seconds left, 0.0 once it has passed."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self):
        """True when no time is left."""
        return self.remaining <= 0.0

    def within(self, seconds):
        """Return a deadline at most `seconds` away, and never later than this one."""
        return Deadline(min(seconds, self.remaining), self._clock)

    def wait_for(self, condition, pause=time.sleep, longest=LONGEST_STEP):
        """Call `condition` in short steps until it returns something true; return that.

        longest: the longest step, in seconds.

        Returns the last (false) answer when the time is over. The condition is always asked
        at least once.
        """
        step = FIRST_STEP
        while True:
            answer = condition()
            if answer or self.passed:
                return answer
            pause(min(step, self.remaining))
            step = min(step * 2, longest)
