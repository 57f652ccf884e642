"""Could a correct server have given this history of appends to lists? Pure.

Jepsen's list-append idea, kept simple. Transactions append unique values to lists and read the
lists back; at the end the lists are read a last time. Since every value is unique and a list only
grows, its final state says in which order the transactions took effect:

    lost        an acknowledged append is not in the final list
    vanished    an acknowledged transaction has read a value that is not in the final list
    duplicate   a value is in a list twice
    invented    a value that was never appended to this list
    aborted     an append that certainly was not committed is in a final list
    partial     a transaction's appends are in one list and not in the other
    order       a value precedes one that was acknowledged before it was appended
    prefix      what was read is not the beginning of the final list
    stale       a read of a primary lacks a value that was acknowledged before the read began

Lost and vanished values are problems only where commits are durable (a synchronous standby has
them); elsewhere they are counted. A transaction without an answer to its commit may have happened
or not. A read-only transaction proves nothing about durability: after a crash, PostgreSQL shows
rows that no standby has confirmed yet. One that appends as well does, for its own commit is
confirmed only after all that it has read.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
_EXAMPLES = 3


@dataclass(frozen=True)
class Transaction:
    """What one transaction did.

    begin, end: seconds of one clock, before the first statement and after the last answer.
    outcome: OK (its commit was acknowledged), FAILED (certainly not committed), or UNKNOWN.
    appends: (list, value) pairs in order. reads: (list, values) pairs, its own appends included.
    in_recovery: whether a server in recovery answered a read: a primary that is recovered where it
    crashed, through the virtual address.
    """

    begin: float
    end: float
    outcome: str
    appends: tuple = ()
    reads: tuple = ()
    in_recovery: bool = False


@dataclass(frozen=True)
class Verdict:
    """The result of a check: problems (sentences, none if all is well) and numbers."""

    problems: list
    acknowledged: int = 0       # transactions
    unknown: int = 0            # transactions
    lost: list = field(default_factory=list)        # (list, value), acknowledged and gone
    vanished: list = field(default_factory=list)    # (list, value), read and gone

    def __str__(self):
        words = (f"{self.acknowledged} transactions acknowledged, {self.unknown} unknown, "
                 f"{len(self.lost)} values lost, {len(self.vanished)} vanished")
        return "\n".join([words, *self.problems])


def check(transactions, final, durable=True):
    """Return the Verdict on a history.

    transactions: Transactions in any order. final: {list: values} as it is now. durable: whether
    no acknowledged commit may be lost.
    """
    history = _History(transactions, final)
    lost, vanished = history.lost(), history.vanished()
    found = {"duplicate": history.duplicates(), "invented": history.invented(),
             "aborted": history.aborted(), "partial": history.partial(),
             "order": history.disorder(), "prefix": history.no_prefix(), "stale": history.stale()}
    if durable:
        found = {"lost": [_item(*item) for item in lost],
                 "vanished": [_item(*item) for item in vanished], **found}
    count = Counter(one.outcome for one in transactions)
    return Verdict([_sentence(kind, items) for kind, items in found.items() if items],
                   count[OK], count[UNKNOWN], lost, vanished)


def _item(name, value):
    return f"{value} of list {name}"


def _sentence(kind, items):
    more = f" and {len(items) - _EXAMPLES} more" if len(items) > _EXAMPLES else ""
    return f"{kind}: {'; '.join(items[:_EXAMPLES])}{more}"


class _History:
    """The history, indexed."""

    def __init__(self, transactions, final):
        self.transactions = list(transactions)
        self.final = {name: list(values) for name, values in final.items()}
        self.place = {(name, value): number for name, values in self.final.items()
                      for number, value in reversed(list(enumerate(values)))}
        self.writer = {item: one for one in self.transactions for item in one.appends}
        self.acknowledged = [one for one in self.transactions if one.outcome == OK]

    def lost(self):
        """Return the (list, value) that were acknowledged and are gone."""
        return [item for one in self.acknowledged for item in one.appends
                if item not in self.place]

    def vanished(self):
        """Return the (list, value) that a transaction with appends has read and that are gone."""
        seen = {(name, value) for one in self.acknowledged if one.appends
                for name, values in one.reads for value in values}
        return sorted(item for item in seen if item not in self.place)

    def duplicates(self):
        """Return values that are twice in a final list or in a read."""
        lists = [*self.final.items(), *(read for one in self.acknowledged for read in one.reads)]
        return sorted({_item(name, value) for name, values in lists
                       if len(set(values)) < len(values)
                       for value, count in Counter(values).items() if count > 1})

    def invented(self):
        """Return values that no transaction has appended to the list that has them."""
        return [_item(*item) for item in self.place if item not in self.writer]

    def aborted(self):
        """Return values of final lists whose transaction never sent its commit."""
        return [_item(*item) for item in self.place
                if item in self.writer and self.writer[item].outcome == FAILED]

    def partial(self):
        """Return pairs of values of one transaction of which one is there and one is not."""
        found = []
        for one in self.transactions:
            there = [item for item in one.appends if item in self.place]
            gone = [item for item in one.appends if item not in self.place]
            if there and gone:
                found.append(f"{_item(*there[0])} is there, {_item(*gone[0])} is not")
        return found

    def disorder(self):
        """Return pairs in a final list whose order is not the order of their transactions."""
        found = []
        for name, values in self.final.items():
            earliest, before = float("inf"), None
            for value in reversed(values):
                one = self.writer.get((name, value))
                if one is None:
                    continue
                if one.begin > earliest:
                    found.append(f"{_item(name, value)} precedes {before}")
                if one.outcome == OK and one.end < earliest:
                    earliest, before = one.end, value
        return found

    def no_prefix(self):
        """Return reads that, without what is gone, are not the beginning of the final list."""
        found = []
        for one in self.acknowledged:
            for name, values in one.reads:
                kept = [value for value in values if (name, value) in self.place]
                if kept != self.final.get(name, [])[:len(kept)]:
                    found.append(f"list {name} was read as {_short(kept)}, "
                                 f"is {_short(self.final.get(name, []))}")
        return found

    def stale(self):
        """Return reads that lack what was acknowledged before they began, if it is there now.

        A server in recovery may not have replayed all of its WAL when it answers.
        """
        appended, reads = defaultdict(list), defaultdict(list)
        for one in self.acknowledged:
            for item in one.appends:
                if item in self.place:
                    appended[item[0]].append((one.end, self.place[item], item[1]))
            for name, values in () if one.in_recovery else one.reads:
                kept = sum((name, value) in self.place for value in values)
                reads[name].append((one.begin, kept))
        return [text for name in reads for text in _stale(name, appended[name], reads[name])]


def _stale(name, appended, reads):
    """Yield the reads of a list that came too early in it.

    appended: (acknowledged at, place, value); reads: (start time, how many values were there).
    """
    waiting, last = sorted(appended, reverse=True), (-1, None)
    for begin, length in sorted(reads):
        while waiting and waiting[-1][0] < begin:
            last = max(last, waiting.pop()[1:], key=lambda pair: pair[0])
        if last[0] >= length:
            yield f"a read of list {name} lacks {last[1]}, acknowledged before it began"


def _short(values):
    shown = ", ".join(str(value) for value in values[:6])
    return f"[{shown}{', …' if len(values) > 6 else ''}]"
