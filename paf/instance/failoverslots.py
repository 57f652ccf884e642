"""Logical slots that are to survive a failover, and whether this standby has them.

Source: PostgreSQL manual (17), "Logical Replication Failover"; pg_replication_slots. A copy is
temporary until it can be used.
"""

from paf import instance as local
from paf.decide.knowledge import Known, Unknown
from paf.instance import conninfo as connections
from paf.instance import psql, settings, sql, upstream

_FIRST = 170000
_PATIENCE = 5.0     # seconds for each question
_SLOTS = "SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE {0} AND NOT temporary " \
         "AND invalidation_reason IS NULL"


# The server copies none whose name one has that is no copy, whatever kind that is: mostly one of
# its time as a primary. Source: slotsync.c, synchronize_one_slot.
_LEFT = "SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE NOT synced"


def left(instance, names, deadline):
    """Return which of `names` this standby has that are no copies: Known(list of str).

    Unknown where it could not be asked. Raises OcfError when psql cannot be started.
    """
    here = sql.query(instance, _LEFT, deadline.within(_PATIENCE))
    if here.kind != sql.ROWS:
        return Unknown(here.message)
    return Known(sorted(set(names) & set(row[0] for row in here.rows)))


def missing(instance, deadline):
    """Return the primary's failover slots that this standby could not offer: Known(list of str).

    Unknown where the primary or this server could not be asked. Raises OcfError when psql cannot
    be started.
    """
    if local.version(instance) < _FIRST:
        return Known([])
    wanted = _primary(instance, deadline.within(_PATIENCE))
    if isinstance(wanted, Unknown) or not wanted.value:
        return wanted
    here = sql.query(instance, _SLOTS.format("synced"), deadline.within(_PATIENCE))
    if here.kind != sql.ROWS:
        return Unknown("the slots of this standby cannot be read: {0}".format(here.message))
    return Known(sorted(set(wanted.value) - set(row[0] for row in here.rows)))


def _primary(instance, deadline):
    """Return the names of the primary's failover slots: Known(list of str), or Unknown."""
    conninfo = settings.conninfo(instance, deadline)
    try:
        database = connections.values(conninfo).get("dbname") or "postgres"
        result = psql.there(instance, conninfo, (("dbname", database),)
                            + upstream.primary_only(instance), _SLOTS.format("failover"), deadline)
    except connections.Malformed as error:
        return Unknown("primary_conninfo cannot be used: {0}".format(error))
    if result.timed_out or result.status != 0:
        return Unknown("the role in primary_conninfo cannot read the primary's slots: {0}".format(
            sql.last_words(result.err) or "no answer in time"))
    return Known([row[0] for row in psql.rows(result.out)])
