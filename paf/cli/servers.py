"""What the servers say of themselves, asked from this node.

Three ways, each needing less than the one before: SQL through the local socket; SQL at the primary
with the local primary_conninfo; a replication connection to a node with the same role, for timeline
and position. Nothing is written anywhere, and no password is needed that a standby does
not have.
"""

from collections import namedtuple

from paf import instance as local
from paf import ocf
from paf.cli import dialect, nodelist
from paf.decide import wal
from paf.decide.knowledge import is_known
from paf.deadline import Deadline
from paf.instance import conninfo as connections
from paf.instance import controldata, psql, settings, sql

#: What is known of one server: in_recovery, paused: bool or None; timeline, received, replayed:
#: int or None (a primary's received is its own position); lag: seconds (float) or None; state:
#: of its replication (str); sync: sync_state (str); source: who said so.
Server = namedtuple("Server", "in_recovery timeline received replayed lag paused state sync source")

#: What a primary's commits wait for. names: synchronous_standby_names (str); waiting: number (int)
#: of sessions that wait for a synchronous standby, longest: for how many seconds (float), both
#: None where the role may not see it, or up to PostgreSQL 9.5; level: the server's
#: synchronous_commit (str), None where our session has another one of its own; exempt: roles and
#: databases (list of str) whose own setting does not wait.
Commits = namedtuple("Commits", "names waiting longest level exempt")

#: Values of synchronous_commit with which no commit waits for a standby.
NO_WAIT = ("off", "local")

UNKNOWN = Server(None, None, None, None, None, None, "", "", "")
NOT_STREAMING = "not streaming"
#: The state of a standby that receives WAL and does not replay it.
REPLAY_PAUSED = "replay paused"
#: The state of a server of another cluster, where one of this cluster should be.
STRANGER = "another cluster answers there"
#: States in pg_stat_replication that need no standby: a question of the agent or a base backup has
#: the node's name, too, and is still listed for hours where that node has lost its power meanwhile.
PASSING = ("startup", "backup")
#: Streams as a standby does, and acknowledges nothing that lasts.
_COPIER = "pg_basebackup"
_PATIENCE = 4.0     # seconds for each question
_DATABASE = (("dbname", "postgres"),)
REPLICATION = (("replication", "true"), ("dbname", "replication"))

_QUERY = """
SELECT 'me', pg_is_in_recovery()::text,
  (CASE WHEN pg_is_in_recovery() THEN {standby_timeline}
        ELSE ('x' || substr({file}({current}), 1, 8))::bit(32)::int END)::text,
  {diff}(CASE WHEN pg_is_in_recovery() THEN {receive} ELSE {current} END, '0/0')::bigint::text,
  {diff}(CASE WHEN pg_is_in_recovery() THEN {replay} ELSE {current} END, '0/0')::bigint::text,
  CASE WHEN NOT pg_is_in_recovery() THEN ''
       WHEN {diff}({receive}, {replay}) <= 0 THEN '0'
       ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::text END,
  CASE WHEN pg_is_in_recovery() THEN {paused}::text ELSE '' END,
  {receiver}
UNION ALL
SELECT 'standby', application_name, state, {diff}({flushed}, '0/0')::bigint::text,
  {diff}({replayed}, '0/0')::bigint::text, {lag}, sync_state, ''
FROM pg_stat_replication
UNION ALL
SELECT 'commits', current_setting('synchronous_standby_names'),
  {level}, {exempt}, '', '',
  {waiting}
UNION ALL
SELECT 'place', host(inet_server_addr()), '', '', '', '', '', ''
"""
# A role or a database may have a value of its own, and then our session has that
_LEVEL = """(SELECT CASE WHEN s.source IN ('default', 'environment variable', 'configuration file',
       'command line', 'global') THEN s.setting ELSE '' END
     FROM pg_settings AS s WHERE s.name = 'synchronous_commit')"""
_EXEMPT = """(SELECT coalesce(string_agg(coalesce('role ' || r.rolname || coalesce(
       ' in database ' || d.datname, ''), 'database ' || d.datname), chr(10)), '')
     FROM pg_db_role_setting AS o LEFT JOIN pg_database AS d ON d.oid = o.setdatabase
       LEFT JOIN pg_roles AS r ON r.oid = o.setrole CROSS JOIN unnest(o.setconfig) AS item
     WHERE lower(item) ~ '^synchronous_commit=(off|local|false|no|0)$'
       AND (d.oid IS NOT NULL OR r.oid IS NOT NULL))"""
# A role that may see only its own activity reads "<insufficient privilege>" there
_WAITING = """
  CASE WHEN seen.hidden THEN '' ELSE seen.waiting::text END,
  CASE WHEN seen.hidden THEN '' ELSE coalesce(extract(epoch FROM seen.longest)::text, '0') END
  FROM (SELECT coalesce(bool_or(query = '<insufficient privilege>'), false) AS hidden,
               count(CASE WHEN wait_event = 'SyncRep' THEN 1 END) AS waiting,
               max(CASE WHEN wait_event = 'SyncRep' THEN clock_timestamp() - query_start END)
                 AS longest FROM pg_stat_activity) AS seen"""
_RECEIVED_TIMELINE = "coalesce((SELECT r.received_tli FROM pg_stat_get_wal_receiver() AS r), " \
                     "(SELECT timeline_id FROM pg_control_checkpoint()))"
# A role that may not see the status sees that there is one: whether it streams is not known
_RECEIVER = "(SELECT coalesce(max(CASE WHEN r.pid IS NOT NULL THEN coalesce(r.status, " \
            "'running') END), '') FROM pg_stat_get_wal_receiver() AS r)"


def query(version):
    """Return the SQL for a server's own row and those of its standbys; version: int."""
    modern = version >= 90600
    return _QUERY.format(
        standby_timeline=_RECEIVED_TIMELINE if modern else "NULL::int",
        receiver=_RECEIVER if modern else "''",
        waiting=_WAITING if modern else "'', ''", level=_LEVEL, exempt=_EXEMPT,
        **dialect.names(version))


def understand(rows, source):
    """Return (own Server, dict of standby's name to Server) from the query's rows; pure."""
    if not rows or len(rows[0]) != 8 or rows[0][0] != "me":
        return None, {}
    _, recovery, timeline, received, replayed, lag, paused, state = rows[0]
    in_recovery = recovery in ("t", "true")
    own = Server(in_recovery, _int(timeline), dialect.received(received, replayed),
                 _int(replayed), _float(lag), paused in ("t", "true"), state, "", source)
    standbys = {}
    if not in_recovery:
        for row in [row for row in rows[1:] if row[0] == "standby" and row[1] != _COPIER]:
            found = _standby(row, own, source)
            # a role without pg_monitor sees the name, and no state, which each has
            name = row[1] if row[2] else ""
            other = standbys.get(name)
            # a broken connection may still be listed beside the new one
            if other is None or (found.received or 0) > (other.received or 0):
                standbys[name] = found
    return own, standbys


def commits(rows):
    """Return the Commits in the query's rows of a primary; None if they are not there; pure."""
    for row in rows:
        if row[0] == "commits" and len(row) == 8:
            return Commits(row[1], _int(row[6]), _float(row[7]), row[2] or None,
                           [item for item in row[3].split("\n") if item])
    return None


def _standby(row, primary, source):
    _, _, state, received, replayed, lag, sync, _ = row
    replayed = _int(replayed)
    seconds = _float(lag)
    if seconds is None and replayed is not None and replayed == primary.received:
        seconds = 0.0
    return Server(None if state in PASSING else True,
                  primary.timeline if state == "streaming" else None, _int(received),
                  replayed, seconds, None, state, sync, source)


def _int(text):
    return int(text) if text.lstrip("-").isdigit() else None


def _float(text):
    try:
        return float(text)
    except ValueError:
        return None


class Servers(object):
    """Asks the servers of one resource; managed: configuration.Managed.

    commits: the primary's Commits once `known` has asked it; None where nothing is known of them.
    silence: why this node's server did not answer (str), "" where it did, or was not asked.
    """

    commits = None
    silence = ""

    def __init__(self, managed, node):
        self._node = node
        self._instance = dialect.instance_of(managed)
        self._conninfo = self._mine = None

    def known(self, nodes, primary, addresses):
        """Return what is known (dict of node to Server).

        nodes: those online. primary: the node Pacemaker has promoted, or None. addresses: a
        function that returns nodes' addresses (dict), called only when it is needed.
        """
        addresses = _once(addresses)
        (mine, standbys, waits), found, connected = self._local(), {}, None
        if primary in (None, self._node):
            if mine is not None and not mine.in_recovery:
                self.commits, connected = waits, standbys
        else:
            first, others, waits = self._at_primary(primary, addresses)
            if first is not None:
                self.commits, connected, found[primary] = waits, others, first
        found.update(connected or {})
        if found.pop("", None) and self.commits and self.commits.names.strip():
            self.commits = None    # who acknowledges them is hidden
        if mine is not None:
            found[self._node] = self._with_sync(mine, found.get(self._node))
        others = sorted(set(nodes) - set(found))
        for node in others:
            answer = self._by_replication(node, addresses().get(node, node))
            if node != primary and shows_all(connected):
                answer = (answer or UNKNOWN)._replace(state=NOT_STREAMING)
            if answer is not None:
                found[node] = answer
        if primary in found and set(others) - set([primary]):
            found[primary] = self._later(primary, found[primary], addresses)
        return found

    def _later(self, primary, before, addresses):
        """Return what is known of the primary (Server), with where it is after others were asked.

        What they have is compared with that, and it has gone on meanwhile.
        """
        if primary == self._node:
            now = self._local()[0]
        else:
            now = self._at_primary(primary, addresses)[0] or self._by_replication(
                primary, addresses().get(primary, primary))
        received = None if now is None or now.in_recovery else now.received
        return before._replace(received=received)

    @staticmethod
    def _with_sync(mine, seen):
        """Return what a server reports, with what only its primary knows."""
        if seen is None:
            return mine
        return mine._replace(sync=seen.sync, state=seen.state)

    def _local(self):
        try:
            text = query(local.version(self._instance))
            answer = sql.query(self._instance, text, Deadline(_PATIENCE), no_wait=False)
        except ocf.OcfError as error:
            self.silence = str(error)
            return None, {}, None
        self.silence = "" if answer.kind == sql.ROWS else answer.message
        return understand(answer.rows, "SQL on {0}".format(self._node)) + (commits(answer.rows),)

    def _settings(self):
        """Return primary_conninfo as it is set here; "" when it cannot be read."""
        if self._conninfo is None:
            try:
                self._conninfo = settings.conninfo(self._instance, Deadline(_PATIENCE))
            except ocf.OcfError:
                self._conninfo = ""
        return self._conninfo

    def _at_primary(self, primary, addresses):
        """Ask the primary by SQL: pg_monitor there shows all standbys.

        At the address of its node, else where primary_conninfo leads; but what answers on an
        address of another node is not the primary.
        """
        text, places = query_or_none(self._instance), addresses()
        rows = self._remote(_DATABASE + at(self._settings(), places.get(primary, primary)), text)
        if not rows:
            rows = self._remote(_DATABASE, text)
            elsewhere = set(place for node, place in places.items() if node != primary)
            if elsewhere.intersection(row[1] for row in rows if row[0] == "place"):
                rows = []
        own, standbys = understand(rows, "SQL on {0}".format(primary))
        if own is None or own.in_recovery:
            return None, {}, None
        return own, standbys, commits(rows)

    def _by_replication(self, node, address):
        """Ask a node over a replication connection for its timeline and position."""
        rows = self._remote(REPLICATION + at(self._settings(), address), "IDENTIFY_SYSTEM")
        if not rows or len(rows[0]) < 3:
            return None
        try:
            timeline, position = int(rows[0][1]), wal.parse_lsn(rows[0][2])
        except ValueError:
            return None
        if rows[0][0] != self._identifier(rows[0][0]):
            return UNKNOWN._replace(state=STRANGER)
        return UNKNOWN._replace(timeline=timeline, received=position,
                                source="replication connection to {0}".format(node))

    def _identifier(self, default):
        """Return the system identifier (str) of the instance here, the default if not known."""
        if self._mine is None:
            found = controldata.read(self._instance, Deadline(_PATIENCE))
            self._mine = found.value.system_identifier if is_known(found) else ""
        return self._mine or default

    def count(self, node, address, text):
        """Return the number (int) that a query answers on a node's server; None without an answer.

        Here by SQL as the instance's owner, elsewhere with the role of primary_conninfo, which has
        to be let into the database "postgres" there.
        """
        if node == self._node:
            try:
                rows = sql.query(self._instance, text, Deadline(_PATIENCE)).rows
            except ocf.OcfError:
                rows = []
        else:
            rows = self._remote(_DATABASE + at(self._settings(), address), text)
        return _int(rows[0][0]) if rows and rows[0] else None

    def _remote(self, extra, text):
        return remote(self._instance, self._settings(), extra, text)


def _once(function):
    """Return a function that calls another one once, and then returns that answer each time."""
    answers = []    # type: list[dict[str, str]]

    def answer():
        if not answers:
            answers.append(function())
        return answers[0]
    return answer


def at(conninfo, address):
    """Return the (name, value) pairs with which a connection string leads to one address; pure.

    To any server that is there, primary or not.
    """
    pairs = [("host", address)]
    try:
        given = connections.values(conninfo)
    except connections.Malformed:
        return tuple(pairs)    # nothing is asked with it
    pairs += [(name, value) for name, value in (
        ("hostaddr", ""), ("target_session_attrs", "any")) if given.get(name)]
    ports = set(given.get("port", "").split(","))
    if len(ports) == 1 and "," in given.get("port", ""):
        pairs.append(("port", ports.pop()))    # one for each host
    return tuple(pairs)


def remote(instance, conninfo, extra, text):
    """Return the rows that a server answers; [] without an answer.

    conninfo: where it is (str); extra: (name, value) pairs that replace what it
    has, REPLICATION for a replication connection; text: SQL or a replication command.
    """
    if not text or not conninfo:
        return []
    try:
        result = psql.there(instance, conninfo, extra, text, Deadline(_PATIENCE))
    except ocf.OcfError:
        return []
    if result.timed_out or result.status != 0:
        return []
    return psql.rows(result.out)


def shows_all(connected):
    """Return whether the primary has shown who streams from it; pure.

    connected: dict of names, "" for those whose state is hidden, as it is from a role without
    pg_monitor; None where it was not asked.
    """
    return connected is not None and "" not in connected


def query_or_none(instance):
    """Return the query for servers of the local instance's version; None without an instance."""
    try:
        return query(local.version(instance))
    except ocf.OcfError:
        return None


def addresses(pacemaker):
    """Return the nodes' addresses (dict of name to str), as corosync has them."""
    return nodelist.addresses(nodelist.read(pacemaker))
