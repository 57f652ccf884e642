"""The one place that runs pg_waldump (pg_xlogdump before PostgreSQL 10).

pg_waldump takes the size of segments from the file that the folder lists first. Where that is a
segment which is allocated and not written yet, it ends without a look at the WAL that was asked
for. Then it is run again, with the names of the segments to read. Source: src/bin/pg_waldump/
pg_waldump.c, search_directory (PostgreSQL 11 and later).
"""

import os

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.instance import settings

#: What it says of a file whose first page has no size: up to 16, and since 17.
_NO_SIZE = r"WAL segment size (?:must|in).*WAL file \"(?:[^\"]*/)?([0-9A-F]{24})\""
_TOO_SHORT = r"could not read file \"(?:[^\"]*/)?([0-9A-F]{24})\": read \d+ of"


def run(instance, folder, start, size, deadline, end=None, more=(), keep=None):
    """Read the WAL in a folder (a path) from a Position on; return the program's Result.

    size: bytes of a segment; end: an LSN (int), None to read as far as there are records;
    more: other options (a list of str); keep: bytes of its output that are kept, None for all.
    Raises runner.NotStarted.
    """
    options = ["-p", folder, "-t", str(start.timeline), "-s", wal.format_lsn(start.lsn)]
    options += list(more)
    result = _run(instance, options + _until(end), deadline, keep)
    if _unusable(result) is None:
        return result
    first = wal.segment_name(start.timeline, start.lsn, size)
    if first not in (_unusable(result), _without_size(result)):
        result = _by_name(instance, folder, start, size, end, options, deadline, keep) or result
    if _without_size(result) == first:
        return result._replace(err="could not find a valid record after {0}: {1} is allocated, "
                               "and not written".format(wal.format_lsn(start.lsn), first))
    return result


def _run(instance, words, deadline, keep):
    return runner.run([local.program(instance, settings.wal_dump(instance))] + words, deadline,
                      user=local.owner(instance), keep=keep)


def _until(end):
    return [] if end is None else ["-e", wal.format_lsn(end)]


def _without_size(result):
    """Return the name of the file that ended the program, as it has no segment size; or None."""
    return _file(_NO_SIZE, result)


def _unusable(result):
    """Return the name of the file that ended the program before it read any WAL; or None."""
    return _without_size(result) or _file(_TOO_SHORT, result)


def _file(pattern, result):
    import re
    found = re.search(pattern, result.err) if result.status > 0 and not result.out else None
    return found.group(1) if found else None


def _by_name(instance, folder, start, size, end, options, deadline, keep):
    """Run the program with the first and the last segment; None where the first is not there.

    It stops at the end of the last one without an error. Where more was asked for, the error is
    added that it prints without names: the next segment is missing.
    """
    first = wal.segment_name(start.timeline, start.lsn, size)
    names = [name for name in _names(instance, folder)
             if wal.segment_timeline(name) == start.timeline and name >= first]
    if first not in names:
        return None
    last = max(names)
    border = (wal.segment_number(last, size) + 1) * size
    if end is not None and end <= border:
        last = wal.segment_name(start.timeline, max(start.lsn, end - 1), size)
        return _run(instance, options + _until(end) + [first, last], deadline, keep)
    result = _run(instance, options + [first, last], deadline, keep)
    if result.status != 0 or "-n" in options:
        return result
    return result._replace(status=1, err="could not find file \"{0}\": {1}".format(
        wal.segment_name(start.timeline, border, size), "No such file or directory"))


def _names(instance, folder):
    """Return the names in a folder; none where it cannot be seen, which the program reports."""
    try:
        with runner.Acting(local.owner(instance)):
            return os.listdir(folder)
    except OSError:
        return []
