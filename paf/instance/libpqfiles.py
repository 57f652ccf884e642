"""Files that a connection string names: where they are while the node's own files are aside.

The password file, certificates and keys may be in the data directory. A rewind or rebuild moves
what is the node's own there into the journal, and has to reach the primary meanwhile. Source:
PostgreSQL manual, libpq, "Parameter Key Words"; a server works in its data directory, which
relative paths of its primary_conninfo begin at.
"""

import os

from paf import instance as local
from paf import runner
from paf.instance import conninfo as connections
from paf.instance import journal

_KEYWORDS = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir")
_HOMES = ".pgpass"    # where the string names no password file


def connection(instance, text, settings=()):
    """Return the conninfo.Connection for a connection string, with files where they are now.

    text, settings: see conninfo.connection. Raises conninfo.Malformed, BadParameter.
    """
    given = connections.values(text)
    found = connections.connection(text, tuple(settings) + tuple(
        (keyword, place) for keyword, place in (
            (keyword, _place(instance, given[keyword])) for keyword in _KEYWORDS
            if given.get(keyword)) if place != given[keyword]))
    homes = os.path.join(local.owner(instance).home, _HOMES)
    place = _place(instance, homes)
    if place != homes and not given.get("passfile"):
        found.environment["PGPASSFILE"] = place
    return found


def _place(instance, path):
    """Return where a file is that a connection string names (a path); as named if it is nowhere."""
    inside = _inside(instance, path)
    if inside is None:
        return path
    here = local.path(instance, inside)
    with runner.Acting(local.owner(instance)):
        # first: while pg_rewind works, a file of the primary's may have the name
        aside = os.path.join(journal.folder(instance), journal.OWN, inside)
        for place in (aside, here):
            if os.path.lexists(place):
                return path if place == here and os.path.isabs(path) else place
    return path


def _inside(instance, path):
    """Return the path relative to the data directory, None for one that is not below it."""
    if not os.path.isabs(path):
        return os.path.normpath(path)
    data = instance.parameters.datadir
    for top in (data, os.path.realpath(data), instance.parameters.pgdata):
        if path.startswith(top.rstrip("/") + "/"):
            return os.path.relpath(path, top)
    return None
