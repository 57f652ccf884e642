"""The acting primary, asked about its timeline over a replication connection.

Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM, TIMELINE_HISTORY.
primary_conninfo is the way there, and the only one that a standby has.
"""

from collections import namedtuple

from paf import instance as local
from paf.decide import timelines
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import conninfo as connections
from paf.instance import psql, sql
from paf.ocf import is_number

#: The acting primary: timeline (int), switches (list of timelines.Switch), system_identifier.
Upstream = namedtuple("Upstream", "timeline switches system_identifier")

#: What makes a connection one for replication.
REPLICATION = (("replication", "true"), ("dbname", "replication"))
_IDENTIFY = "IDENTIFY_SYSTEM"
_PATIENCE = 3.0    # seconds for each connection and host
_MOST_HOSTS = 4
_FIRST_WITH_ATTRIBUTES, _FIRST_WITH_PRIMARY = 100000, 140000
_FIRST_WITH_COMMANDS = 90600    # more than one, in a run of psql


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
    fact = _questions(instance, conninfo, [_IDENTIFY], deadline)
    if not is_known(fact):
        return fact
    system = _identified(fact.value)
    if system is None:
        return Unknown("the primary does not say its timeline")
    identifier, timeline = system
    if timeline == 1:
        return Known(Upstream(timeline, [], identifier))
    fact = _history(instance, conninfo, timeline, deadline)
    if not is_known(fact):
        return fact
    # an address may lead to another server by now, or the server have been promoted again
    if _identified(fact.value) != system:
        return Unknown("who answers at the primary's address is another server, or on another "
                       "timeline, than a moment ago")
    text = (psql.rows(fact.value.partition("\n")[2]) or [[""]])[0][-1]
    if not timelines.is_whole(text, timeline):
        return Unknown("the primary does not say the history of its timeline {0}".format(timeline))
    return Known(Upstream(timeline, timelines.parse(text), identifier))


def _history(instance, conninfo, timeline, deadline):
    """Return what IDENTIFY_SYSTEM and TIMELINE_HISTORY print: Known(str), or Unknown.

    Up to 9.5 psql runs the last of its commands only: who has said the history is asked who it is
    right after that, as it was before.
    """
    history = "TIMELINE_HISTORY {0}".format(timeline)
    if local.version(instance) >= _FIRST_WITH_COMMANDS:
        return _questions(instance, conninfo, [_IDENTIFY, history], deadline)
    fact = _questions(instance, conninfo, [history], deadline)
    who = _questions(instance, conninfo, [_IDENTIFY], deadline) if is_known(fact) else fact
    return Known("{0}\n{1}".format(who.value.rstrip("\n"), fact.value)) if is_known(who) else who


def _identified(output):
    """Return (system identifier, timeline: int) in the first line of an output; None without."""
    rows = psql.rows(output.partition("\n")[0])
    if not rows or len(rows[0]) < 2 or not all(is_number(word) for word in rows[0][:2]):
        return None
    return rows[0][0], int(rows[0][1])


def primary_only(instance):
    """Return the (keyword, value) pairs with which libpq accepts the primary only, of all hosts.

    Source: PostgreSQL manual, libpq, target_session_attrs (10 and later; "primary" since 14).
    """
    version = local.version(instance)
    if version < _FIRST_WITH_ATTRIBUTES:
        return ()
    return (("target_session_attrs",
             "primary" if version >= _FIRST_WITH_PRIMARY else "read-write"),)


def _questions(instance, conninfo, commands, deadline):
    """Return what replication commands print, asked on one connection: Known(str), or Unknown."""
    patience = _PATIENCE * min(_MOST_HOSTS, conninfo.count(",") + 1)
    result = psql.there(instance, conninfo, REPLICATION + primary_only(instance), commands,
                        deadline.within(patience))
    if result.timed_out:
        return Unknown("the primary did not answer in time")
    if result.status != 0:
        return Unknown("the primary cannot be asked: {0}".format(
            sql.last_words(result.err) or "psql ended with status {0}".format(result.status)))
    return Known(result.out) if result.out.strip() else Unknown("the primary sent no row")
