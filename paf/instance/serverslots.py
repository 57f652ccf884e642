"""The replication slots of this server and of the primary: read, made, advanced, dropped.

Source: PostgreSQL manual, "Replication Management Functions"; "Streaming Replication Protocol",
READ_REPLICATION_SLOT (15 and later).
"""

from paf import instance as local
from paf.decide import slots, wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import conninfo as connections
from paf.instance import psql, queries, settings, sql, upstream

_FIRST_WITH_COMMAND = 150000
_PATIENCE = 3.0    # seconds for each question
_CHANGES = {
    slots.MAKE: "pg_create_physical_replication_slot('{0}', true)",
    slots.MAKE_EMPTY: "pg_create_physical_replication_slot('{0}')",
    slots.DROP: "pg_drop_replication_slot('{0}')",
    slots.ADVANCE: "pg_replication_slot_advance('{0}', '{1}')",
}


def limit(rows):
    """Return max_slot_wal_keep_size (str) in the rows of queries.monitor, "" before 13."""
    return "".join(row[1] for row in rows if row[0] == queries.LIMIT)


def idle(rows):
    """Return idle_replication_slot_timeout (str) in the rows of queries.monitor, "" before 18."""
    return "".join(row[5] for row in rows if row[0] == queries.LIMIT)


def here(rows):
    """Return the slots.Here and the slots (a list of slots.Slot) in the rows of queries.monitor.

    Here is None where the server does not say it.
    """
    where = [slots.Here(*[int(word) for word in row[2:5]]) for row in rows
             if row[0] == queries.LIMIT and all(row[2:5])]
    found = [slots.Slot(row[1], row[2] == "lost", int(row[3]) if row[3] else None, row[4] == "true",
                        row[5] == "true")
             for row in rows if row[0] == queries.SLOT]
    return where[0] if where else None, found


def change(instance, wanted, deadline):
    """Make a slots.Change; return why it failed (str), "" if it did not. Raises OcfError.

    Safe to repeat: the server refuses to drop or to advance a slot that a standby uses.
    """
    call = "pg_catalog." + _CHANGES[wanted.what].format(
        wanted.name, None if wanted.lsn is None else wal.format_lsn(wanted.lsn))
    answer = sql.query(instance, "SELECT {0}".format(call), deadline.within(_PATIENCE))
    return "" if answer.kind == sql.ROWS else answer.message


def of_primary(instance, names, deadline):
    """Return what the primary's slots keep: Known(dict of name to int bytes), or Unknown.

    names: of the slots in question (a list of str). Those that the primary lacks are not in it; the
    value is None for one that keeps no WAL. Raises OcfError when psql cannot be started.
    """
    way = settings.conninfo(instance, deadline.within(_PATIENCE))
    by_command = local.version(instance) >= _FIRST_WITH_COMMAND
    try:
        database = connections.values(way).get("dbname") or "postgres"
        result = psql.there(
            instance, way, (upstream.REPLICATION if by_command else (("dbname", database),))
            + upstream.primary_only(instance),
            [(_COMMAND if by_command else _QUERY).format(name) for name in names],
            deadline.within(_PATIENCE))
    except connections.Malformed as error:
        return Unknown("primary_conninfo cannot be used: {0}".format(error))
    if result.timed_out or result.status != 0:
        return Unknown("no answer in time" if result.timed_out else sql.last_words(result.err))
    return _parsed(names, result.out)


_COMMAND = "READ_REPLICATION_SLOT {0}"
_QUERY = "SELECT max(slot_type), max(restart_lsn::text), '' " \
         "FROM pg_catalog.pg_replication_slots " \
         "WHERE slot_name = '{0}' AND slot_type = 'physical'"


def _parsed(names, output):
    """Return the answer in psql's output (str): one line for each name."""
    lines = [line.split(psql.FIELD) for line in output.splitlines()]
    if len(lines) != len(names) or any(len(words) != 3 for words in lines):
        return Unknown("the primary's answer about its slots cannot be understood")
    found = {}
    for name, words in zip(names, lines):
        if words[0]:
            found[name] = wal.parse_lsn(words[1]) if words[1] else None
    return Known(found)
