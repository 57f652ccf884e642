"""One quick look at this node: what Pacemaker knows here, and what the server here answers.

Nothing is written, and no other node is asked.
"""

import os
import time
from collections import namedtuple

from paf import instance as local
from paf import ocf
from paf.cli import dialect
from paf.cli.common import Pacemaker, Problem
from paf.cli.health import glance, wire
from paf.cluster import ophistory
from paf.cluster.base import Cluster
from paf.cluster.cib import parse
from paf.deadline import Deadline
from paf.decide.knowledge import Known
from paf.instance import identity, postmaster, psql, receiver, sql, standby_mode

#: What is known. unknown: why nothing is, "" if something is; node: this one's name; resource: its
#: name; quorum: bool, None not known; view: cluster.cib.Scan; promoted: nodes (list) that are
#: online and promoted, by Pacemaker's history; server: Local, None without an answer; silence: why
#: there is none. Of a whole look only: root (Element of the CIB), properties (dict of str),
#: managed (configuration.Managed), barred (nodes, a set of str, where no instance is to run).
Looked = namedtuple("Looked", "unknown node resource quorum view promoted server silence root "
                    "properties managed barred")

#: What the server on this node answers. in_recovery: bool; timeline, position (received, or written
#: by a primary), replayed, seen (the primary's end of WAL in its last message): int bytes or None;
#: streaming: bool, None not known; heard: seconds (float) since that message, None not known.
Local = namedtuple("Local", "in_recovery timeline position replayed streaming seen heard")

#: What a primary says of its standbys. standbys: dict of name to servers.Server; commits:
#: servers.Commits, None where it did not say; position: the end of its WAL (int bytes) or None;
#: version: the server's (int).
SaidOfStandbys = namedtuple("SaidOfStandbys", "standbys commits position version")

_PATIENCE = 1.0     # seconds for each question
#: Why there is no answer where no question could be asked: the server may run well.
NOT_ASKED = "cannot be asked"
_HIDDEN = "?"       # a status that the role may not see
_SILENCE = {sql.NO_CONNECTION: "takes no connection", sql.TIMED_OUT: "does not answer in time",
            sql.REFUSED: "answers with an error"}

_QUERY = """
SELECT 'me', pg_is_in_recovery()::text,
  (CASE WHEN pg_is_in_recovery() THEN {timeline}
        ELSE ('x' || substr({file}({current}), 1, 8))::bit(32)::int END)::text,
  {diff}(CASE WHEN pg_is_in_recovery() THEN {receive} ELSE {current} END, '0/0')::bigint::text,
  {diff}({replay}, '0/0')::bigint::text, {receiver}
"""
# one row of nulls where there is no WAL receiver
# A role without pg_monitor sees that there is a receiver, and not its status
_RECEIVER = """CASE WHEN r.pid IS NOT NULL AND r.status IS NULL THEN '?' ELSE r.status END,
  {diff}(r.latest_end_lsn, '0/0')::bigint::text,
  extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time)::text
  FROM (SELECT 1) AS one LEFT JOIN pg_stat_get_wal_receiver() AS r ON true"""
_TIMELINE = "coalesce((SELECT w.received_tli FROM pg_stat_get_wal_receiver() AS w), " \
            "(SELECT timeline_id FROM pg_control_checkpoint()))"


def query(version):
    """Return the SQL by which a server says what it is; version: int, as PostgreSQL counts it."""
    names = dialect.names(version)
    modern = version >= 90600
    return _QUERY.format(
        timeline=_TIMELINE if modern else "NULL::int",
        receiver=_RECEIVER.format(**names) if modern else "'', '', ''", **names)


def understand(rows, is_receiving):
    """Return the Local in the query's rows (list of lists of str); None if it is not there; pure.

    is_receiving: function that says whether WAL arrives, asked where SQL does not (before 9.6).
    """
    if not rows or len(rows[0]) != 8 or rows[0][0] != "me":
        return None
    _, recovery, timeline, position, replayed, status, seen, heard = rows[0]
    in_recovery = recovery in ("t", "true")
    if not in_recovery:
        streaming = None
    elif timeline:
        streaming = None if status == _HIDDEN else status == "streaming"
    else:
        streaming = is_receiving()
    return Local(in_recovery, _number(timeline, int), dialect.received(position, replayed),
                 _number(replayed, int), streaming, _number(seen, int), _number(heard, float))


def _number(text, kind):
    try:
        return kind(text)
    except ValueError:
        return None


def look(resource="", patience=_PATIENCE, whole=False):
    """Return the Looked of this node. Never raises for what a program does or fails to do.

    resource: its name, "" where there is one only; patience: seconds for each question; whole:
    whether root, properties and managed are needed as well, which takes longer.
    """
    pacemaker = Pacemaker(patience)
    try:
        xml = _cib(pacemaker)
        seen = None if whole else glance.of(xml, resource)
        more = (None, {}, seen, set()) if seen else _in_full(xml, resource, pacemaker)
        seen = seen or _as_glance(*more)
        node = _node(pacemaker, seen.nodes)
        cluster = Cluster(ocf.Environment({"OCF_RESOURCE_INSTANCE": seen.name}))
        view = parse(xml, cluster.names(), seen.name)
        promoted = ophistory.promoted(xml, seen.name)
        quorum = _quorum(pacemaker, seen.quorum)
    except Problem as error:
        return nothing(str(error))
    except ocf.OcfError:
        return nothing("the cluster's state cannot be understood")
    server, silence = ask(dialect.instance_of(seen), patience)
    return Looked("", node, seen.name, quorum, view, promoted, server, silence, *more)


def _in_full(xml, resource, pacemaker=None):
    """Return (root, properties, managed, barred) of a CIB. Raises Problem."""
    from paf.cli import configuration
    configured = configuration.parse(xml, time.time())
    managed = configuration.find(configured, resource, lambda: _node(pacemaker, configured.nodes))
    return configured.root, configured.properties, managed, set(
        configuration.barred(configured, configuration.names_of(managed)))


def _as_glance(root, properties, managed, barred):
    """Return what was read in full as a glance.Glance."""
    del properties, barred
    return glance.Glance(
        managed.name, managed.parameters,
        [node.get("uname") for node in root.findall("configuration/nodes/node")],
        root.get("have-quorum", ""))


def nothing(why):
    """Return the Looked of a node that knows nothing; why (str)."""
    return Looked(why, "", "", None, None, [], None, "was not asked", None, {}, None, set())


def _cib(pacemaker):
    """Return this node's CIB. Raises Problem, with nothing of what a program printed.

    --local is deprecated since Pacemaker 3.0, where a node answers by itself.
    """
    result = pacemaker.run("cibadmin", "--query", "--local")
    if result.status != 0 and not result.timed_out:
        result = pacemaker.run("cibadmin", "--query")
    if result.timed_out:
        raise Problem("Pacemaker does not answer in time")
    if result.status != 0:
        raise Problem("Pacemaker does not answer")
    return result.out


def _node(pacemaker, nodes):
    """Return this node's name; the host's, if the cluster has a node that is called so.

    Raises Problem, with nothing of what a program printed.
    """
    host = os.uname()[1]
    try:
        return host if host in nodes else pacemaker.node()
    except Problem:    # which has what a program printed
        raise Problem("the name of this node is not known")


def _quorum(pacemaker, known):
    """Return whether this node has quorum: True, False, or None where that is not known.

    known: what the CIB says, "" for nothing. Membership changes reach the controller at once, and
    the CIB when there is a DC; so both have to say yes.
    """
    if known not in ("1", "true"):
        return False if known else None
    said = pacemaker.run("crm_node", "--quorum")
    return {"1": True, "0": False}.get(said.out.strip() if said.status == 0 else "")


def ask(instance, patience):
    """Return (Local, "") of the local instance, or (None, why there is no answer)."""
    deadline = Deadline(patience)
    try:
        text, where = query(local.version(instance)), identity.address(instance)
        options = "{0} {1}".format(sql.session(deadline), psql.options(instance))
        answer = wire.query(where, local.owner(instance), (
            ("application_name", "pgsqlms"), ("options", options)), text, deadline)
        answer = answer or sql.query(instance, text, deadline, where)
    except ocf.OcfError:    # no psql, no data directory
        return None, "does not run" if postmaster.find(instance) == Known(None) else NOT_ASKED
    found = understand(answer.rows, lambda: receiver.is_receiving(instance))
    if found is None:
        return None, _SILENCE.get(answer.kind, "gives no answer that can be understood")
    return found, ""


def process(facts):
    """Return the server's process (pid, None unknown) and the path of what makes it a standby.

    facts: Looked, with a server that has answered.
    """
    instance = dialect.instance_of(facts.managed)
    try:
        has_signal = local.version(instance) >= standby_mode.FIRST_WITH_SIGNAL
    except ocf.OcfError:
        return None, ""
    signal = "standby.signal" if has_signal else "recovery.conf"
    return postmaster.status(instance)[0], local.path(instance, signal)


def standbys(facts, patience=_PATIENCE):
    """Return what the server says of its standbys, if it is a primary: SaidOfStandbys, or None.

    facts: Looked; patience: seconds.
    """
    if facts.server is None or facts.server.in_recovery:
        return None
    from paf.cli import servers
    instance = dialect.instance_of(facts.managed)
    try:
        version = local.version(instance)
        answer = sql.query(instance, servers.query(version), Deadline(patience), no_wait=False)
    except ocf.OcfError:
        return None
    own, found = servers.understand(answer.rows, "")
    if own is None or own.in_recovery:
        return None
    return SaidOfStandbys(found, servers.commits(answer.rows), own.received, version)
