"""The SQL that PAF asks, with the names of each PostgreSQL version.

PostgreSQL 10 renamed xlog to wal and location to lsn. One statement brings all that an action
wants: the first row is about the instance, the others about what it sees of its standbys.
"""

_NAMES_BEFORE_10 = {
    "received": "pg_last_xlog_receive_location()",
    "replayed": "pg_last_xlog_replay_location()",
    "current": "pg_current_xlog_location()",
    "diff": "pg_xlog_location_diff",
    "written": "write_location",
}
_NAMES = {
    "received": "pg_last_wal_receive_lsn()",
    "replayed": "pg_last_wal_replay_lsn()",
    "current": "pg_current_wal_lsn()",
    "diff": "pg_wal_lsn_diff",
    "written": "write_lsn",
}

_MONITOR = """
SELECT 'me', pg_catalog.pg_is_in_recovery()::text, {receiving}, '', ''
UNION ALL
SELECT 'standby', application_name, state, ({diff}({written}, '0/0'))::bigint::text,
       ({diff}({current}, {written}))::bigint::text
  FROM pg_catalog.pg_stat_replication
 WHERE NOT pg_catalog.pg_is_in_recovery()
"""
# A receiver that waits has been told by the primary that its timeline ends: it is not streaming.
# A role that may not see the status sees that there is one.
_RECEIVING = "(SELECT count(*) FROM pg_catalog.pg_stat_get_wal_receiver() AS r " \
             "WHERE r.pid IS NOT NULL AND coalesce(r.status, 'streaming') = 'streaming')::text"

_ROLE = "SELECT 'me', pg_catalog.pg_is_in_recovery()::text, '', '', ''"

_POSITION = """
SELECT {diff}({received}, '0/0')::bigint::text,
       {diff}(CASE WHEN pg_catalog.pg_is_in_recovery() THEN {replayed} ELSE {current} END,
              '0/0')::bigint::text,
       {received_timeline}, pg_catalog.pg_is_in_recovery()::text
"""
_RECEIVED_TIMELINE = "(SELECT r.received_tli FROM pg_catalog.pg_stat_get_wal_receiver() AS r)" \
                     "::text"


def _names(version):
    return _NAMES if version >= 100000 else _NAMES_BEFORE_10


def monitor(version):
    """Return the monitor's query: role, if a WAL receiver streams ('' before 9.6), standbys."""
    receiving = _RECEIVING if version >= 90600 else "''"
    return _MONITOR.format(receiving=receiving, **_names(version))


def role():
    """Return the query for the role alone; its first row reads like the monitor's."""
    return _ROLE


def position(version):
    """Return the query of an election: received, replayed (bytes), received timeline, recovery.

    What a primary has written stands in the place of what a standby has replayed.
    """
    timeline = _RECEIVED_TIMELINE if version >= 90600 else "NULL"
    return _POSITION.format(received_timeline=timeline, **_names(version))
