"""What ends a verb on the way: Ctrl-C, SIGTERM, and SIGHUP when the terminal is closed.

All three end it by the same exception, so that what takes back a verb's changes need not
distinguish them.
"""

import signal
import sys

from paf.cli.common import complain, failing

LONG = 3.0    # seconds, after which people want to know what a verb does

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def numbers():
    """Return the signals (list of int) that end a verb here: not those ignored, as with nohup."""
    return [number for number in _NUMBERS if signal.getsignal(number) != signal.SIG_IGN]


class Raised(object):
    """As a context: what has its default raises KeyboardInterrupt."""

    def __enter__(self):
        self._before = [(number, signal.signal(number, signal.default_int_handler))
                        for number in numbers() if signal.getsignal(number) == signal.SIG_DFL]

    def __exit__(self, *_):
        for number, handler in self._before:
            signal.signal(number, handler)


class Noted(object):
    """As a context: they are noted in `seen` (list of int), and interrupt nothing.

    For what cleans up: an impatient second Ctrl-C would end that. Programs that are started
    meanwhile have the defaults.
    """

    def __init__(self):
        self.seen = []

    def __enter__(self):
        self._before = [(number, signal.signal(number, self._note)) for number in numbers()]
        return self

    def _note(self, number, frame):
        self.seen.append(number)

    def __exit__(self, *_):
        for number, handler in self._before:
            signal.signal(number, handler)


class Announced(object):
    """As a context: calls a function (once) where what is inside takes longer than `seconds`."""

    def __init__(self, seconds, function):
        self._seconds, self._function = seconds, function

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, lambda number, frame: self._function())
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


class Patience(Announced):
    """As a context: where what is inside takes long, a text (str) says on a terminal what it does.

    Where a program of Pacemaker fails at that moment, and is asked again, it says with what words.
    """

    def __init__(self, text):
        Announced.__init__(self, LONG, lambda: _say(text))


def _say(text):
    if sys.stderr is not None and sys.stderr.isatty():
        why = failing()
        complain("{0}: {1}".format(text.partition(":")[0], why) if why else text)
