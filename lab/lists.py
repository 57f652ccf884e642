"""The lists that the history client appends to, and the log of what it did."""

import itertools
import json
import threading

from .checker import Transaction

LISTS = 3           # that are appended to at a time
LENGTH = 40         # values in a list before another takes its place
TABLE = """create table if not exists paf_lab_lists
    (run text, list int, items int[], primary key (run, list))"""


class Lists:
    """The lists in use, and the values, common to all writers."""

    def __init__(self):
        self._lock = threading.Lock()
        self._values = itertools.count(1)
        self._names = list(range(LISTS))
        self._filled = [0] * LISTS

    def draw(self, dice, count):
        """Return `count` different lists in ascending order: so writers never deadlock."""
        with self._lock:
            return sorted(dice.sample(self._names, count))

    def value(self, name):
        """Return a value that no other append has, for a list; replace the list if it is full."""
        with self._lock:
            if name in self._names:
                place = self._names.index(name)
                self._filled[place] += 1
                if self._filled[place] >= LENGTH:
                    self._names[place], self._filled[place] = name + LISTS, 0
            return next(self._values)


def parse(text):
    """Return the Transactions in a history.log; a half-written last line is left out."""
    found = []
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            begin, end, outcome, appends, reads, in_recovery = json.loads(line)
            found.append(Transaction(begin, end, outcome, tuple(map(tuple, appends)),
                                     tuple((name, tuple(values)) for name, values in reads),
                                     in_recovery))
    return found
