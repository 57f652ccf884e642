"""The acting primary, asked about its timeline over a replication connection.

Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM, TIMELINE_HISTORY.
primary_conninfo is the way there, and the only one that a standby has.
"""

from collections import namedtuple

from paf import instance as local
from paf.decide import timelines
from paf.decide.knowledge import Known, Unknown
from paf.instance import conninfo as connections
from paf.instance import psql, sql
from paf.ocf import is_number

#: The acting primary: timeline (int), switches (list of timelines.Switch), system_identifier.
Upstream = namedtuple("Upstream", "timeline switches system_identifier")

#: What makes a connection one for replication.
REPLICATION = (("replication", "true"), ("dbname", "replication"))
_PATIENCE = 3.0    # seconds for each question and host
_MOST_HOSTS = 4
_FIRST_WITH_ATTRIBUTES, _FIRST_WITH_PRIMARY = 100000, 140000


def ask(instance, conninfo, deadline):
    """Return what is known of the primary that conninfo (str) leads to: Known(Upstream), Unknown.

    Where conninfo has several hosts, or an address that is on its way, a standby may answer:
    it is not believed to be the primary. Raises OcfError only when psql itself cannot be started.
    """
    if not conninfo:
        return Unknown("primary_conninfo is empty")
    try:
        return _ask(instance, conninfo, deadline)
    except connections.Malformed as error:
        return Unknown("primary_conninfo cannot be used: {0}".format(error))


def _ask(instance, conninfo, deadline):
    settings = REPLICATION + primary_only(instance)
    system = _question(instance, conninfo, settings, "IDENTIFY_SYSTEM", deadline)
    if isinstance(system, Unknown):
        return system
    if len(system.value[0]) < 2 or not all(is_number(word) for word in system.value[0][:2]):
        return Unknown("the primary does not say its timeline")
    timeline = int(system.value[0][1])
    switches = []
    if timeline > 1:
        history = _question(instance, conninfo, settings,
                            "TIMELINE_HISTORY {0}".format(timeline), deadline)
        if isinstance(history, Unknown):
            return history
        text = history.value[0][-1]
        switches = timelines.parse(text)
        if not timelines.is_whole(text, timeline):
            return Unknown("the primary does not say the history of its timeline {0}".format(
                timeline))
    return Known(Upstream(timeline, switches, system.value[0][0]))


def primary_only(instance):
    """Return the (keyword, value) pairs with which libpq accepts the primary only, of all hosts.

    Source: PostgreSQL manual, libpq, target_session_attrs (10 and later; "primary" since 14).
    """
    version = local.version(instance)
    if version < _FIRST_WITH_ATTRIBUTES:
        return ()
    return (("target_session_attrs",
             "primary" if version >= _FIRST_WITH_PRIMARY else "read-write"),)


def _question(instance, conninfo, settings, command, deadline):
    """Return the rows of a replication command, one at least: Known(list of lists), or Unknown."""
    patience = _PATIENCE * min(_MOST_HOSTS, conninfo.count(",") + 1)
    result = psql.there(instance, conninfo, settings, command, deadline.within(patience))
    if result.timed_out:
        return Unknown("the primary did not answer in time")
    if result.status != 0:
        return Unknown("the primary cannot be asked: {0}".format(
            sql.last_words(result.err) or "psql ended with status {0}".format(result.status)))
    rows = psql.rows(result.out)
    return Known(rows) if rows else Unknown("the primary sent no row")
