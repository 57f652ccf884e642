"""How servers call what they are asked, and what they mean: PostgreSQL 10 renamed xlog to wal."""

from paf import instance as local
from paf import ocf, parameters

_NAMES = {"receive": "pg_last_wal_receive_lsn()", "replay": "pg_last_wal_replay_lsn()",
          "current": "pg_current_wal_lsn()", "diff": "pg_wal_lsn_diff", "flushed": "flush_lsn",
          "replayed": "replay_lsn", "file": "pg_walfile_name",
          "paused": "pg_is_wal_replay_paused()",
          "lag": "coalesce(extract(epoch from replay_lag)::text, '')"}
_NAMES_BEFORE_10 = {
    "receive": "pg_last_xlog_receive_location()", "replay": "pg_last_xlog_replay_location()",
    "current": "pg_current_xlog_location()", "diff": "pg_xlog_location_diff",
    "flushed": "flush_location", "replayed": "replay_location", "file": "pg_xlogfile_name",
    "paused": "pg_is_xlog_replay_paused()", "lag": "''"}


def names(version):
    """Return how a PostgreSQL version (int) calls what is asked about (dict of str)."""
    return _NAMES if version >= 100000 else _NAMES_BEFORE_10


def received(received_lsn, replayed_lsn):
    """Return up to where a server has WAL (int bytes); None where it is not known; pure.

    Both are int bytes as str, "" for none. A standby that was started says that it has received
    up to the begin of the segment from which it streams, until the primary writes again. Source:
    PostgreSQL manual, pg_last_wal_receive_lsn; RequestXLogStreaming in walreceiverfuncs.c.
    """
    known = [int(text) for text in (received_lsn, replayed_lsn) if text.isdigit()]
    return max(known) if known else None


def instance_of(managed):
    """Return the Instance that the resource's parameters describe on this node.

    managed: anything that has them as `parameters` (dict of str).
    """
    variables = dict(("OCF_RESKEY_" + name, value) for name, value in managed.parameters.items())
    return local.of(parameters.read(ocf.Environment(variables)))
