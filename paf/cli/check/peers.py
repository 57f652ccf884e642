"""paf check --all: the other nodes' servers, as far as this node can see them.

Asked over their database ports with the local primary_conninfo: by SQL where pg_hba.conf there lets
its role in, else over a replication connection, which shows settings since PostgreSQL 10. No login
on other nodes, no other password. What is not seen is said, and is never taken as good.
"""

from collections import namedtuple

from paf import ocf
from paf.cli import finding
from paf.cli.check import primary
from paf.cli.servers import REPLICATION, at
from paf.deadline import Deadline
from paf.instance import psql, sql
from paf.log import without_secrets

#: What one node's server says. settings: dict of str, without those that it does not show; pending:
#: names (list) of settings that wait for a restart, None where that is not known; way: how it was
#: asked; problem: why it was not (str), "" if it was.
Seen = namedtuple("Seen", "settings pending way problem")

#: Settings that have to be the same on all nodes: any of them is the primary one day.
SAME = (
    "archive_command", "archive_library", "archive_mode", "data_checksums", "full_page_writes",
    "hot_standby", "hot_standby_feedback", "log_timezone", "max_connections",
    "max_locks_per_transaction", "max_prepared_transactions", "max_replication_slots",
    "max_slot_wal_keep_size", "max_wal_senders", "max_worker_processes", "restore_command",
    "shared_preload_libraries", "synchronous_commit", "TimeZone", "wal_keep_segments",
    "wal_keep_size", "wal_level", "wal_log_hints", "wal_receiver_timeout",
    "wal_retrieve_retry_interval", "wal_sender_timeout")
OTHER = ("server_version_num", "synchronous_standby_names")

_FIRST_WITH_PENDING = 90500
_PATIENCE = 4.0     # seconds for each question
_LATE = "no answer within {0:.0f} s".format(_PATIENCE)
_DATABASE = (("dbname", "postgres"),)
_REFUSED = "FATAL:"
_NOT_SEEN = "its host (programs, start at boot, files in /run), its pg_hba.conf and its slots " \
            "are not seen from here"


def query(version):
    """Return the SQL for all settings of a server of this version (90600, 150000); pure."""
    pending = "pending_restart::text" if version >= _FIRST_WITH_PENDING else "'unknown'"
    return "SELECT name, setting, {0} FROM pg_settings WHERE name IN ({1})".format(
        pending, ", ".join("'{0}'".format(name) for name in SAME + OTHER)) + (
            " OR pending_restart" if pending != "'unknown'" else "")


def here(instance, version):
    """Return the Seen of the local server."""
    try:
        answer = sql.query(instance, query(version), Deadline(_PATIENCE), no_wait=False)
    except ocf.OcfError as error:
        return Seen({}, None, "", str(error))
    if not answer.rows:
        return Seen({}, None, "", answer.message or "it did not answer")
    return understood(answer.rows, "SQL")


def understood(rows, way):
    """Return the Seen in the rows of query(); pure."""
    pending = None if any(row[2] == "unknown" for row in rows) else [
        row[0] for row in rows if row[2] in ("t", "true")]
    return Seen(dict((row[0], row[1]) for row in rows if row[0] in SAME + OTHER), pending, way, "")


def there(instance, conninfo, address, version):
    """Return the Seen of the server at an address (str)."""
    there_only = at(conninfo, address)
    rows, problem = _asked(instance, conninfo, _DATABASE + there_only, query(version))
    if rows:
        return understood(rows, "SQL")
    if _REFUSED not in problem:
        return Seen({}, None, "", problem)    # it cannot be reached at all
    found = {}
    for name in SAME + OTHER:
        rows, why = _asked(instance, conninfo, REPLICATION + there_only, "SHOW " + name)
        if rows:
            found[name] = rows[0][0]
        elif why == _LATE or (_REFUSED in why and not found):
            problem = why
            break    # nor would it answer the next
    if not found:
        return Seen({}, None, "", problem)
    return Seen(found, None, "a replication connection", "")


def _asked(instance, conninfo, settings, text):
    """Return (rows, why there are none)."""
    try:
        result = psql.there(instance, conninfo, settings, text, Deadline(_PATIENCE))
    except ocf.OcfError as error:
        return [], str(error)
    if result.timed_out:
        return [], _LATE
    if result.status != 0:
        return [], " ".join(result.err.split()) or "psql ended with {0}".format(result.status)
    return psql.rows(result.out), ""


def compare(found, me):
    """Yield (name of the check, Finding or None) about what all nodes said; pure.

    found: dict of node to Seen; me: this node, whose host was looked at itself.
    """
    for rule in (_differences, _synchronous, _versions, _restarts):
        nothing = True
        for item in rule(found):
            nothing = False
            yield "all nodes", item
        if nothing:
            yield "all nodes: {0}".format(rule.__doc__.strip().rstrip(".")), None
    for node, seen in sorted(found.items()):
        if seen.problem:
            yield node, finding.warning(
                "its server was not asked: {0}".format(seen.problem),
                "nothing is known of its settings: run paf check on {0}".format(node))
        elif node != me:
            hidden = sorted(set(_usual(found)) - set(seen.settings))
            if hidden:
                yield node, finding.warning(
                    "seen by {0}, without {1}".format(seen.way, ", ".join(hidden)),
                    "whether these are the same there is not known: run paf check on {0}, or let "
                    "the role of primary_conninfo connect to the database postgres".format(node))
            yield node, finding.unseen("seen by {0}".format(seen.way), _NOT_SEEN +
                                       ": run paf check on {0}".format(node))


def _usual(found):
    return set(name for seen in found.values() for name in seen.settings)


def _differences(found):
    """Settings are the same."""
    for name in SAME:
        values = dict((node, seen.settings[name]) for node, seen in found.items()
                      if name in seen.settings)
        if len(set(values.values())) > 1:
            yield finding.warning(
                "{0} differs: {1}".format(name, ", ".join(
                    "{0} on {1}".format(without_secrets(value) or "empty", node)
                    for node, value in sorted(values.items()))),
                "after a failover the new primary works otherwise than the old one")


def _synchronous(found):
    """Each node as the primary replicates synchronously, or none does."""
    having = dict((node, seen.settings["synchronous_standby_names"].strip())
                  for node, seen in found.items() if "synchronous_standby_names" in seen.settings)
    without = sorted(node for node, names in having.items() if not names)
    if without and len(without) < len(having):
        yield finding.warning(
            "synchronous_standby_names is empty on {0}".format(", ".join(without)),
            "there as the primary, no commit waits for a standby: what is acknowledged can be lost")


def _versions(found):
    """Versions are the same."""
    versions = dict((node, int(seen.settings["server_version_num"])) for node, seen in found.items()
                    if ocf.is_number(seen.settings.get("server_version_num", "")))
    if len(set(versions.values())) < 2:
        return
    shown = ", ".join("{0} on {1}".format(number, node) for node, number in sorted(
        versions.items()))
    if len(set(primary.major(number) for number in versions.values())) > 1:
        yield finding.error("major versions differ: {0}".format(shown),
                            "no server replicates to one of another major version")
    else:
        yield finding.warning("minor versions differ: {0}".format(shown),
                              "finish the upgrade, standbys first")


def _restarts(found):
    """No setting waits for a restart."""
    for node, seen in sorted(found.items()):
        if seen.pending is None and not seen.problem:
            yield finding.warning(
                "on {0} it is not known whether a restart is pending".format(node),
                "a replication connection does not show it, and PostgreSQL before 9.5 has no such "
                "column: look there for pending_restart in pg_settings")
        if seen.pending:
            yield finding.warning(
                "on {0} a restart is pending for {1}".format(node, ", ".join(sorted(seen.pending))),
                "the configuration says otherwise than the running server: the next failover or "
                "crash brings the new values, unplanned")
