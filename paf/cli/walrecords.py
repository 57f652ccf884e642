"""paf lost: what the records of a part of the WAL come to, as pg_waldump prints them."""

import os
import re
from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.decide import loss, wal
from paf.instance import sql, walpages, walprogram

#: Below that number, relations are PostgreSQL's own.
CATALOGS = 16384
_PATIENCE = 600.0   # seconds to read a segment
_RECORD = re.compile(r"^rmgr: (\S+) .*?, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: (.*)$")
_ANY_RECORD = "rmgr:"
_LENGTH = re.compile(r"len \(rec/tot\): *\d+/ *(\d+),")
_SWITCH = ("SWITCH", "xlog switch")
_LONGEST = 1 << 30  # bytes of a record, as in xlogrecord.h
_PAGE = 8192        # bytes of a page of WAL, where they cannot be read
_RELATION = re.compile(r"rel (\d+)/(\d+)/(\d+)")
_TUPLES = re.compile(r"(?:(\d+) tuples|ntuples:? (\d+))")
_PREPARED = re.compile(r"(?:COMMIT|ABORT)_PREPARED (?:gxid )?(\d+)?")
_CHILDREN = re.compile(r"subxacts: ([\d ]+)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d [0-9:.]+(?: [^\s;]+)?)")
_NEXT = re.compile(r"^RUNNING_XACTS nextXid (\d+)")
_XIDS = 1 << 32
_OLDER = 20         # timelines back that a segment may have been named after
_KINDS = {"INSERT": 0, "MULTI_INSERT": 0, "UPDATE": 1, "HOT_UPDATE": 1, "DELETE": 2}

#: commits: list of Commit; rows: dict of (space, database, file) to [inserted, updated, deleted];
#: others: dict of "Manager/RECORD" to how many of those that count without a commit.
Found = namedtuple("Found", "commits rows others")
#: xid: int; time: str; lsn: int; rows: int that it has changed in tables, None where it may have
#: changed some before these records.
Commit = namedtuple("Commit", "xid time lsn rows")
#: Which transactions have no record before: those from the number `following` (int) on, except for
#: `early` (a set of int).
Start = namedtuple("Start", "following early")


class Records(object):
    """The records of a part of the WAL: (manager, xid, LSN, description) of each.

    unread: the LSN (int) from where on they could not be read, or not be understood, None where
    all were.
    """

    def __init__(self, instance, folder, size, timelines, begin, end):
        self._instance, self._folder, self._timelines = instance, folder, timelines
        self._size, self._page = size, _PAGE
        self._begin, self._end = wal.parse_lsn(begin), wal.parse_lsn(end)
        self._reached = 0
        self.unread = None

    def __iter__(self):
        """Yield them, a segment at a time. Raises Problem where none can be read."""
        size, start, end = self._size, self._begin, self._end
        self._page = walpages.page_size_in(self._instance, os.path.join(
            self._folder, wal.segment_name(self._named(start), start, size))) or _PAGE
        self._reached = start
        while start < end:
            limit = min(start - start % size + size, end)
            # all of a segment may be of one record, which began before it
            for record in self._of_segment(start, limit) if self._reached < limit else ():
                yield record
            if self._reached < limit:    # also where the program ends well
                self._give_up(start)
                return
            start = limit

    def _of_segment(self, start, limit):
        """Yield the records that begin from an LSN `start` on and in front of another, `limit`.

        One segment more is read, so that a record which crosses the border is; and where that has
        not come to the border, as much as a record may need. Raises Problem.
        """
        done = start
        for further in (self._size, _LONGEST):
            result = self._dump(start, limit + further)
            for record in self._taken(result.out, limit):
                if record[2] >= done:
                    yield record
            if self._reached >= limit or result.timed_out:
                break
            done = max(done, self._reached)
        if result.timed_out or (result.status != 0 and not result.out and " at " not in result.err):
            raise Problem("the WAL in {0} cannot be read: {1}".format(
                self._folder, sql.last_words(result.err) or (
                    "it took too long" if result.timed_out else
                    "pg_waldump ended with status {0}".format(result.status))))

    def _give_up(self, start):
        """Note that not all can be read behind what was reached, or from an LSN `start` on."""
        if self.unread is None:
            self.unread = max(self._reached, start)

    def _taken(self, text, limit):
        """Yield the records in front of `limit` in what pg_waldump printed; note how far it came.
        """
        for line in text.splitlines():
            match, length = _RECORD.match(line), _LENGTH.search(line)
            if not match:
                if line.startswith(_ANY_RECORD) and self._reached < limit:
                    self._give_up(self._begin)
                continue
            lsn = wal.parse_lsn(match.group(3))
            if lsn >= limit:    # nothing is left out between records: all in front was read
                self._reached = max(self._reached, limit)
                return
            after = walpages.next_record(
                lsn, int(length.group(1)) if length else 0, self._page, self._size)
            if match.group(1) == "XLOG" and match.group(4).startswith(_SWITCH):
                after = walpages.next_record(
                    lsn - lsn % self._size + self._size, 0, self._page, self._size)
            self._reached = max(self._reached, after)
            yield match.group(1), int(match.group(2)), lsn, match.group(4)

    def _named(self, lsn):
        """Return the timeline that the file of a segment is named after.

        A promotion copies the last segment of a timeline, and may rename the old file (.partial).
        """
        with runner.Acting(local.owner(self._instance)):
            found = [number for number in self._timelines if os.path.lexists(os.path.join(
                self._folder, wal.segment_name(number, lsn, self._size)))]
        return (found or self._timelines)[0]

    def _dump(self, start, end):
        position = wal.Position(self._named(start), start)
        return walprogram.run(
            self._instance, self._folder, position, self._size, Deadline(_PATIENCE), end)


def start_of(instance, folder, size, timeline, begin):
    """Return the Start of the records from an LSN `begin` (str) on, from what is before them.

    None where no list of running transactions is near. Raises OcfError.
    """
    lsn, names = wal.parse_lsn(begin), list(range(timeline, max(0, timeline - _OLDER), -1))
    for back in (0, size):
        first = lsn - lsn % size - back
        if first < 0:
            continue
        before = Records(instance, folder, size, names, wal.format_lsn(first), begin)
        try:
            found = running_before(before)
        except Problem:    # the segment is not there
            continue
        if found is not None and before.unread is None:
            return found
    return None


def running_before(records):
    """Return the Start of what follows these records; None without a list of transactions; pure."""
    found = None
    for manager, xid, _, text in records:
        following = _NEXT.match(text) if manager == "Standby" else None
        if following:
            found = Start(int(following.group(1)), set())
        elif found and xid:
            found.early.add(xid)
    return found


def _is_whole(xid, start):
    """Return whether all that a transaction did is in the records of this Start (None unknown)."""
    return start is not None and xid not in start.early and (
        xid - start.following) % _XIDS < _XIDS // 2


def understand(records, start=None):
    """Return what (manager, xid, LSN, description) records come to: Found; pure.

    start: their Start; None where it is not known: then the first list of transactions in them is.
    """
    changes, parents, commits, others, prepared_here = {}, {}, [], {}, set()
    for manager, xid, lsn, text in records:
        kind = text.split(" ")[0].partition("+")[0]
        if start is None and manager == "Standby":
            start = running_before([(manager, xid, lsn, text)])
        _count(manager, kind, xid, text, others, prepared_here)
        if manager in ("Heap", "Heap2") and kind in _KINDS:
            place = _RELATION.search(text)
            if place:
                tuples = _TUPLES.search(text) if kind == "MULTI_INSERT" else None
                number = int(tuples.group(1) or tuples.group(2)) if tuples else 1
                numbers = changes.setdefault(xid, {}).setdefault(
                    tuple(int(word) for word in place.groups()), [0, 0, 0])
                numbers[_KINDS[kind]] += number
        elif manager == "Transaction" and kind in ("COMMIT", "COMMIT_PREPARED"):
            own = _prepared(text) or xid
            time = _TIME.search(text)
            commits.append((own, time.group(1) if time else "", lsn))
            for group in _CHILDREN.findall(text):
                parents.update((int(child), own) for child in group.split())
    if prepared_here:
        others["Transaction/PREPARE"] = len(prepared_here)
    return _summed(changes, parents, commits, others, start)


def _prepared(text):
    """Return the xid (int) that the second phase of a commit names, 0 without one."""
    found = _PREPARED.match(text)
    return int(found.group(1)) if found and found.group(1) else 0


def _count(manager, kind, xid, text, others, prepared_here):
    """Count a record that a client may rely on without a commit.

    others: dict of "Manager/RECORD" to int; prepared_here: xids that wait for their second phase.
    """
    name, own = "{0}/{1}".format(manager, kind), _prepared(text) or xid
    rule = loss.rule(name)
    if name == "Transaction/PREPARE":
        prepared_here.add(xid)
    elif own in prepared_here and manager == "Transaction":
        prepared_here.discard(own)
    elif rule is not None and rule.verdict == loss.LOST and not name.startswith(
            "Transaction/COMMIT") and " transactional" not in text:
        others[name] = others.get(name, 0) + 1


def _summed(changes, parents, commits, others, start):
    """Return the Found of the changes (by xid and place) that these commits made."""
    done, rows, counts = set(xid for xid, _, _ in commits), {}, {}
    for xid, places_ in changes.items():
        own = parents.get(xid, xid)
        if own not in done:
            continue
        for place, numbers in places_.items():
            if place[2] >= CATALOGS:
                counts[own] = counts.get(own, 0) + sum(numbers)
            sums = rows.setdefault(place, [0, 0, 0])
            sums[:] = [one + other for one, other in zip(sums, numbers)]
    return Found([Commit(xid, time, lsn, counts.get(xid, 0) if _is_whole(xid, start) else None)
                  for xid, time, lsn in commits], rows, others)
