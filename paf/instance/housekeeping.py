"""Commits of a part of the WAL that hold only what a server does of its own accord.

Autovacuum analyzes tables, and gives empty pages at their ends back to the system: also on a
primary that is cut off, and it waits for no standby. No client relies on that, and a new primary
does it again. Relations of a number below 10000 are PostgreSQL's own, under the number they were
made with.
Source: src/include/catalog/pg_statistic.h, pg_statistic_ext_data.h; lazy_truncate_heap in
vacuumlazy.c, RelationTruncate in storage.c; pg_waldump.
"""

import re

from paf import runner
from paf.decide import wal
from paf.instance import settings, sql, waldump
from paf.ocf import OcfError

#: pg_statistic, its TOAST table, pg_statistic_ext_data, their indexes.
_STATISTICS = frozenset(("2619", "2696", "2840", "2841", "3429", "3430", "3431", "3433"))
_CHANGES = ("Heap", "Heap2", "Btree", "XLOG")
_LINE = re.compile(r"^rmgr: (\S+) .*?, tx: +(\d+), lsn: ([0-9A-Fa-f]+/[0-9A-Fa-f]+), "
                   r".*?desc: (.*)$", re.M)
_ANY_RECORD = re.compile(r"^rmgr:", re.M)
_RELATION = re.compile(r"rel \d+/\d+/(\d+)")
#: A page of the maps of free space and of visible rows, which a truncation shortens.
_OF_A_MAP = re.compile(r"rel \d+/\d+/\d+ fork (?:fsm|vm)\b")
#: What changes nothing that is seen: how large a table is, which counts without a commit; an image
#: of a page; the lock for a truncation.
_NO_CHANGE = ("Heap/INPLACE", "XLOG/FPI_FOR_HINT", "Standby/LOCK")
#: An SQL TRUNCATE has other records as well, of the table's new file: it is none of these.
_TRUNCATION = "Storage/TRUNCATE"
_NEXT = re.compile(r"nextXid (\d+)")
_MOST = 20              # commits that are examined
_XIDS = 1 << 32


def commits(instance, start, end, size, wanted, deadline):
    """Return those of the commits `wanted` (LSNs) that are ANALYZE or VACUUM (list of int).

    start: the Position from which on the WAL is only here; end: LSN of its end; size: bytes of a
    segment. A commit of which that cannot be proved is not returned. Raises OcfError.
    """
    if not wanted or len(wanted) > _MOST:
        return []
    mark = _last_running(instance, start, size, deadline)
    if mark is None:
        return []
    xids = dict((wal.parse_lsn(lsn), (xid, text)) for manager, xid, lsn, text in _records(
        instance, start, end, size, ("-r", "Transaction"), deadline))
    found = []
    for lsn in wanted:
        xid, text = xids.get(lsn, ("", ""))
        if xid and "subxacts" not in text and _is_after(int(xid), mark[1]) and is_of_vacuum(
                _records(instance, wal.Position(start.timeline, mark[0]), end, size,
                         ("-x", xid), deadline)):
            found.append(lsn)
    return found


def _last_running(instance, start, size, deadline):
    """Return (LSN, next transaction) of the last list of running transactions before `start`.

    A transaction that had no number then has no record before. None without a list.
    """
    first = max(0, start.lsn - start.lsn % size - size)
    for begin in (start.lsn - start.lsn % size, first):
        found = [(wal.parse_lsn(lsn), int(_NEXT.search(text).group(1)))
                 for _, _, lsn, text in _records(
                     instance, wal.Position(start.timeline, begin), start.lsn, size,
                     ("-r", "Standby"), deadline) if _NEXT.search(text)]
        if found:
            return found[-1]
    return None


def _records(instance, start, end, size, more, deadline):
    """Return (manager, xid, LSN, description), all str, of all of the records; [] without WAL.

    Raises OcfError when they cannot be read, or are too many.
    """
    result = waldump.dump(instance, deadline, start, size, end=end, more=list(more))
    if result is None:
        return []
    if result.status != 0 or len(runner.data(result.out)) >= waldump.TAIL - 1:    # it was cut
        raise OcfError(sql.last_words(result.err) or "too many")
    found = _LINE.findall(result.out)
    if len(found) != len(_ANY_RECORD.findall(result.out)):
        raise OcfError("{0} prints records in a form that is not understood".format(
            settings.wal_dump(instance)))
    return found


def _is_after(xid, following):
    """Return whether transaction `xid` was started when `following` was the next number (int)."""
    return (xid - following) % _XIDS < _XIDS // 2


def is_of_vacuum(records):
    """Return whether these records, all of one transaction, are of ANALYZE or VACUUM; pure."""
    changed = False
    for manager, _, _, text in records:
        if manager == "Transaction":
            if not text.startswith("COMMIT "):
                return False
            continue
        name = "{0}/{1}".format(manager, text.split(" ", 1)[0])
        if name in _NO_CHANGE:
            continue
        if name != _TRUNCATION:
            maps = len(_OF_A_MAP.findall(text)) if name == "XLOG/FPI" else 0
            relations = _RELATION.findall(text)
            if maps and maps == len(relations):
                continue
            if manager not in _CHANGES or not relations or set(relations) - _STATISTICS:
                return False
        changed = True
    return changed
