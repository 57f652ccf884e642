"""paf rebuild: the primary that is copied, and what it reports."""

import os
import re
from collections import namedtuple

from paf import instance as local
from paf import ocf, runner
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.instance import conninfo as connections
from paf.instance import psql, settings, sql

#: conninfo: the way to it (str, may hold secrets); identifier: str; size: bytes (int), None
#: unknown; tablespaces: dict of oid (str) to location, None unknown; why: why something is unknown.
Source = namedtuple("Source", "conninfo identifier size tablespaces why")

_PATIENCE = 15.0
_REPLICATION = (("replication", "true"), ("dbname", "replication"))
_DATABASE = (("dbname", "postgres"),)
_FACTS = """SELECT 'version', pg_catalog.current_setting('server_version_num'), ''
UNION ALL SELECT 'size', sum(pg_catalog.pg_database_size(oid))::text, ''
  FROM pg_catalog.pg_database
UNION ALL SELECT 'place', oid::text, pg_catalog.pg_tablespace_location(oid)
  FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) <> ''"""
_SENDERS = """SELECT 'max_wal_senders', pg_catalog.current_setting('max_wal_senders'),
  count(*)::text FROM pg_catalog.pg_stat_replication"""
_NEEDED = 2    # WAL senders for a copy and its WAL


def version(instance):
    """Return the version (int) of PostgreSQL's programs here: 150000. Raises Problem."""
    result = runner.run([local.program(instance, "postgres"), "--version"], Deadline(_PATIENCE),
                        user=local.owner(instance))
    found = re.search(r" (\d+)(?:\.(\d+))?", result.out)
    if not found:
        raise Problem(": ".join(part for part in (
            "{0} does not say its version".format(local.program(instance, "postgres")),
            sql.last_words(result.err)) if part))
    major = int(found.group(1))
    return major * 10000 + (int(found.group(2) or 0) * 100 if major < 10 else 0)


def check_copier(instance, rate):
    """Raise Problem where pg_basebackup is not there, or would not take the rate (str, None).

    What it complains of itself may come after the old directory was given up. Source:
    pg_basebackup(1), --max-rate.
    """
    program = local.program(instance, "pg_basebackup")
    if not os.access(program, os.X_OK):
        raise Problem("{0} is not there: a copy needs it".format(program))
    found = re.match(r"(\d+(?:\.\d+)?)([kM]?)$", rate or "32")
    if not found or not 32 <= float(found.group(1)) * (
            1024 if found.group(2) == "M" else 1) <= 1048576:
        raise Problem("--rate {0}: kB per second from 32 on, or MB as 50M, up to 1024M".format(
            rate))


def conninfo(instance, given, number):
    """Return the way to the primary (str): as given, or primary_conninfo. Raises Problem.

    number: the version of the programs here (int), which counts where the data directory is lost.
    """
    if given:
        return given
    try:
        found = settings.conninfo(_readable(instance), Deadline(_PATIENCE), number)
    except ocf.OcfError as error:
        raise Problem("primary_conninfo cannot be read here ({0}): say --from "
                      "\"host=... user=...\"".format(error))
    if not found:
        raise Problem("primary_conninfo is empty here: say --from \"host=... user=...\"")
    return found


def _readable(instance):
    """Return the instance for postgres -C, which wants a folder even if config_file is elsewhere.

    Where there is no pgdata, one without a configuration: then only what start_opts name counts.
    """
    if os.path.isdir(instance.parameters.pgdata):
        return instance
    return instance._replace(parameters=instance.parameters._replace(pgdata="/"))


def look(instance, where, number):
    """Return the Source that a connection string leads to. Raises Problem.

    number: the version of the programs here (int).
    """
    only = _only(number)
    said = _rows(instance, where, _REPLICATION + only, "IDENTIFY_SYSTEM")
    facts = _rows(instance, where, _DATABASE + only, _FACTS)
    theirs = [row[1] for row in facts if row[0] == "version"] if isinstance(facts, list) else []
    if not theirs and isinstance(said, list):
        shown = _rows(instance, where, _REPLICATION + only, "SHOW server_version_num")
        theirs = [row[0] for row in shown] if isinstance(shown, list) else []
    if theirs:
        _same_major(int(theirs[0]), number)    # another one may be why it refuses
    if isinstance(said, str):
        raise Problem("this node cannot replicate from the primary: {0}".format(said))
    if not theirs:
        raise Problem("the primary does not say which version of PostgreSQL it is: let the role in "
                      "primary_conninfo connect to the database postgres{0}".format(
                          " ({0})".format(facts) if isinstance(facts, str) else ""))
    if isinstance(facts, str):
        return Source(where, said[0][0], None, None, facts)
    size = [int(row[1]) for row in facts if row[0] == "size" and row[1]]
    places = dict((row[1], row[2]) for row in facts if row[0] == "place")
    return Source(where, said[0][0], size[0] if size else None, places, "")


def _only(number):
    """Return the settings with which libpq of a version (int) takes a primary alone."""
    if number < 100000:
        return ()
    return (("target_session_attrs", "primary" if number >= 140000 else "read-write"),)


def _same_major(theirs, mine):
    """Raise Problem unless two versions (int) are of one major version."""
    if _major(theirs) != _major(mine):
        raise Problem("the primary is PostgreSQL {0}, bindir has {1}: only the same major version "
                      "can follow it. Correct bindir, or install PostgreSQL {0} here".format(
                          _major(theirs), _major(mine)))


def _major(number):
    """Return the major version (str) of a version (int)."""
    return "{0}".format(number // 10000) if number >= 100000 else "{0}.{1}".format(
        number // 10000, number // 100 % 100)


def check_room(instance, source, number):
    """Raise Problem where the primary has too few free WAL senders for pg_basebackup.

    That complains of them itself, but after the old directory may have been given up. Where the
    role may only replicate it is not known, as the size is not. Source: pg_basebackup(1),
    --wal-method=stream (two connections).
    """
    rows = _rows(instance, source.conninfo, _DATABASE + _only(number), _SENDERS)
    for name, most, used in rows if isinstance(rows, list) else ():
        if int(most) - int(used) < _NEEDED:
            raise Problem("the primary has {0} of {1} WAL senders in use, and a copy needs {2}: "
                          "free some, or set {3} higher there, and restart it".format(
                              used, most, _NEEDED, name))


def _rows(instance, where, more, text):
    """Return rows (lists of str), or why there are none (str)."""
    try:
        result = psql.there(instance, where, more, text, Deadline(_PATIENCE))
    except connections.Malformed as error:
        raise Problem("the connection string cannot be used: {0}".format(error))
    if result.timed_out or result.status != 0:
        return sql.last_words(result.err) or "no answer in time"
    return psql.rows(result.out)
