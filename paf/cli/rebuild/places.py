"""paf rebuild: the folders that a copy replaces as a whole have to be this instance's alone."""

import errno
import os
import re

from paf import runner
from paf.cli.common import Problem
from paf.instance import journal, tablespaces

_MOST = 3       # names that are shown
_WAL = re.compile(tablespaces.WAL)


def check(swaps, wal, version, account):
    """Raise Problem where replacing the places would take something else along.

    swaps: (copy, place, aside) of tablespaces, the WAL, and the data directory, which is the last;
    wal: the place of the WAL, None inside the data directory; version: PostgreSQL's (int); account:
    runner.Account of the owner.
    """
    places = [place for _, place, _ in swaps]
    _apart(places)
    _mounts(places, journal.mounts())
    for place in places[:-1]:
        _alone(place, _WAL if place == wal else _tablespace(version), account)
    for name in ("pg_wal", "pg_xlog") if wal is None else ():    # it goes with the directory
        _alone(os.path.join(places[-1], name), _WAL, account)


def _apart(places):
    """Raise Problem where a place is inside another: it would move with that."""
    for number, inner in enumerate(places):
        for other, outer in enumerate(places):
            if number != other and (inner + "/").startswith(outer.rstrip("/") + "/"):
                raise Problem("{0} is inside {1}: a copy cannot take the place of both. Move it "
                              "out of there first".format(inner, outer))


def _mounts(places, points):
    """Raise Problem where a file system is mounted below a place: it would stay with the old one.

    points: (folder, kind) of what is mounted.
    """
    for point, _ in points:
        for place in places:
            if point.startswith(place.rstrip("/") + "/"):
                raise Problem("a file system is mounted on {0}, inside {1}: unmount it, mount it "
                              "elsewhere, and make {0} a link".format(point, place))


def _tablespace(version):
    """Return the pattern of what PostgreSQL of a version (int) makes in a tablespace's folder."""
    major = "{0}".format(version // 10000) if version >= 100000 else "{0}.{1}".format(
        version // 10000, version // 100 % 100)
    return re.compile("PG_{0}_".format(re.escape(major)))


def _alone(place, pattern, account):
    """Raise Problem where a folder holds what the instance did not put there."""
    try:
        with runner.Acting(account):
            names = sorted(name for name in os.listdir(place) if not pattern.match(name))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise Problem("cannot see what {0} holds: {1}".format(place, error.strerror))
    if names:
        raise Problem("{0} holds what is not this instance's: {1}. A copy replaces the whole "
                      "folder: move that elsewhere first".format(
                          place, ", ".join(names[:_MOST]) + (", ..." if names[_MOST:] else "")))
