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
_SIZE = """SELECT 'size', sum(pg_catalog.pg_database_size(oid))::text, ''
  FROM pg_catalog.pg_database
UNION ALL SELECT 'place', oid::text, pg_catalog.pg_tablespace_location(oid)
  FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) <> ''"""


def version(instance):
    """Return the version (int) of PostgreSQL's programs here: 150000. Raises Problem."""
    result = runner.run([local.program(instance, "postgres"), "--version"], Deadline(_PATIENCE),
                        user=local.owner(instance))
    found = re.search(r" (\d+)(?:\.(\d+))?", result.out)
    if not found:
        raise Problem("{0} does not say its version".format(local.program(instance, "postgres")))
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


def conninfo(instance, given):
    """Return the way to the primary (str): as given, or primary_conninfo. Raises Problem."""
    if given:
        return given
    try:
        found = settings.conninfo(instance, Deadline(_PATIENCE))
    except ocf.OcfError as error:
        raise Problem("primary_conninfo cannot be read here ({0}): say --from "
                      "\"host=... user=...\"".format(error))
    if not found:
        raise Problem("primary_conninfo is empty here: say --from \"host=... user=...\"")
    return found


def look(instance, where, number):
    """Return the Source that a connection string leads to. Raises Problem.

    number: the version of the programs here (int).
    """
    only = ()  # type: tuple[tuple[str, str], ...]
    if number >= 100000:
        only = (("target_session_attrs", "primary" if number >= 140000 else "read-write"),)
    rows = _rows(instance, where, _REPLICATION + only, "IDENTIFY_SYSTEM")
    if isinstance(rows, str):
        raise Problem("the primary does not let this node replicate: {0}".format(rows))
    theirs = _rows(instance, where, _REPLICATION + only, "SHOW server_version_num")
    if number >= 100000 and not isinstance(theirs, str) and theirs and (
            int(theirs[0][0]) // 10000 != number // 10000):
        raise Problem("the primary is PostgreSQL {0}, bindir has {1}".format(
            int(theirs[0][0]) // 10000, number // 10000))
    facts = _rows(instance, where, _DATABASE + only, _SIZE)
    if isinstance(facts, str):
        return Source(where, rows[0][0], None, None, facts)
    size = [int(row[1]) for row in facts if row[0] == "size" and row[1]]
    places = dict((row[1], row[2]) for row in facts if row[0] == "place")
    return Source(where, rows[0][0], size[0] if size else None, places, "")


def _rows(instance, where, more, text):
    """Return rows (lists of str), or why there are none (str)."""
    try:
        result = psql.there(instance, where, more, text, Deadline(_PATIENCE))
    except connections.Malformed as error:
        raise Problem("the connection string cannot be used: {0}".format(error))
    if result.timed_out or result.status != 0:
        return sql.last_words(result.err) or "no answer in time"
    return psql.rows(result.out)
