"""The SQL that PAF asks, with the names of each PostgreSQL version.

PostgreSQL 10 renamed xlog to wal and location to lsn. One statement brings all that an action
wants: the first row is about the instance, the others about what it sees of its standbys.
"""

#: Settings of which a standby needs at least as much as its primary; see limits.
LIMITS = ("max_connections", "max_worker_processes", "max_wal_senders",
          "max_prepared_transactions", "max_locks_per_transaction")

_NAMES_BEFORE_10 = {
    "received": "pg_last_xlog_receive_location()",
    "replayed": "pg_last_xlog_replay_location()",
    "current": "pg_current_xlog_location()",
    "diff": "pg_xlog_location_diff",
    "written": "write_location",
    "flushed": "flush_location",
    "is_paused": "pg_is_xlog_replay_paused()",
    "resume": "pg_xlog_replay_resume()",
}
_NAMES = {
    "received": "pg_last_wal_receive_lsn()",
    "replayed": "pg_last_wal_replay_lsn()",
    "current": "pg_current_wal_lsn()",
    "flushed_here": "pg_current_wal_flush_lsn()",
    "diff": "pg_wal_lsn_diff",
    "written": "write_lsn",
    "flushed": "flush_lsn",
    "is_paused": "pg_is_wal_replay_paused()",
    "resume": "pg_wal_replay_resume()",
}

_MONITOR = """
SELECT 'me', pg_catalog.pg_is_in_recovery()::text, {receiving},
       pg_catalog.current_setting('synchronous_standby_names'), {now}, {paused}
UNION ALL
SELECT 'standby', application_name, state, ({diff}({written}, '0/0'))::bigint::text,
       ({diff}({current}, {written}))::bigint::text,
       ({diff}({flushed}, '0/0'))::bigint::text
  FROM pg_catalog.pg_stat_replication
 WHERE NOT pg_catalog.pg_is_in_recovery()
"""
# Part of each monitor's query, and by functions instead of views: what it reads of the catalog is
# in memory then. Another question would wait for the disk that hangs. Since 17 the names of wait
# events have small letters.
_FLUSHED = """
SELECT 'flushed', ({diff}({flushed_here}, '0/0'))::bigint::text,
       (SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) AS a
         WHERE lower(a.wait_event) IN
               ('walsync', 'walwrite', 'walwritelock', 'walinitsync', 'walinitwrite'))::text,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')::text, '', ''
 WHERE NOT pg_catalog.pg_is_in_recovery()
"""
#: The first version whose wait events say which processes read or write, and what.
FIRST_WITH_WAIT_EVENTS = 100000
#: The first word of the row about the flushing of WAL.
FLUSHED = "flushed"
# Since 13 there is a limit for slots. A standby's own WAL begins at its last restartpoint.
_SLOTS = """
SELECT 'limit', pg_catalog.current_setting('max_slot_wal_keep_size'),
       (pg_catalog.pg_wal_lsn_diff((pg_catalog.pg_control_checkpoint()).redo_lsn, '0/0'))::bigint
       ::text,
       (pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()
        THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,
        '0/0'))::bigint::text,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::text,
       coalesce(pg_catalog.current_setting('idle_replication_slot_timeout', true), '')
UNION ALL
SELECT 'slot', slot_name, coalesce(wal_status, ''),
       (pg_catalog.pg_wal_lsn_diff(restart_lsn, '0/0'))::bigint::text, active::text,
       (coalesce(xmin, catalog_xmin) IS NOT NULL)::text
  FROM pg_catalog.pg_replication_slots
 WHERE slot_name LIKE 'pgsqlms\\_%' AND slot_type = 'physical' AND NOT temporary
"""
#: The first version with max_slot_wal_keep_size.
FIRST_WITH_LIMIT = 130000
#: The first word of the rows about standbys; their state is the second word after it.
STANDBY = "standby"
#: The first word of the rows that are not about standbys, where slots are asked for.
LIMIT, SLOT = "limit", "slot"

# A receiver in the state "waiting" got the end of its timeline from the primary: not streaming.
# A role that may not see the status sees that there is one.
_RECEIVING = "(SELECT count(*) FROM pg_catalog.pg_stat_get_wal_receiver() AS r " \
             "WHERE r.pid IS NOT NULL AND coalesce(r.status, 'streaming') = 'streaming')::text"

_NOW = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' " \
       "ELSE ({diff}({current}, '0/0'))::bigint::text END"
_ROLE = "SELECT 'me', pg_catalog.pg_is_in_recovery()::text, '', '', '', ''"
_END = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity " \
       "WHERE pg_catalog.pg_is_in_recovery() AND xact_start IS NOT NULL " \
       "AND datname IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()"
_RESUME = "SELECT pg_catalog.{resume} WHERE pg_catalog.{is_paused}"
#: The first version in which a promotion ends a pause of replay that was asked for.
_FIRST_THAT_GOES_ON = 130000
_RETRY_INTERVAL = "SELECT setting FROM pg_catalog.pg_settings " \
                  "WHERE name = 'wal_retrieve_retry_interval' AND EXISTS (SELECT 1 " \
                  "FROM pg_catalog.pg_settings WHERE name = 'restore_command' AND setting = '') " \
                  "AND NOT pg_catalog.pg_is_wal_replay_paused()"
_REPLAY = "SELECT 'me', pg_catalog.pg_is_in_recovery()::text, {0}, '', '', ''"
# As the server has them: its configuration may have other ones by now.
_PAUSED = "CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN '' " \
          "WHEN pg_catalog.pg_is_wal_replay_paused() THEN {0} ELSE '' END".format(
              " || ' ' || ".join("pg_catalog.current_setting('{0}')".format(name)
                                 for name in LIMITS))
#: The first version that pauses replay where a setting is lower than the primary's.
_FIRST_THAT_PAUSES = 140000

_POSITION = """
SELECT {diff}({arrived}, '0/0')::bigint::text,
       {diff}(CASE WHEN pg_catalog.pg_is_in_recovery() THEN {replayed} ELSE {current} END,
              '0/0')::bigint::text,
       {received_timeline}, pg_catalog.pg_is_in_recovery()::text, {seen},
       pg_catalog.current_setting('synchronous_standby_names')
"""
_RECEIVED_TIMELINE = "(SELECT r.received_tli FROM pg_catalog.pg_stat_get_wal_receiver() AS r)" \
                     "::text"
# With synchronous_commit=remote_write a commit is acknowledged before the standby has flushed it.
# The receiver flushes as it ends, so that a promotion replays what was written.
_ARRIVED = "(SELECT greatest({received}, r.written_lsn) FROM " \
           "pg_catalog.pg_stat_get_wal_receiver() AS r)"
_SEEN = "(SELECT {diff}(r.latest_end_lsn, '0/0')::bigint FROM " \
        "pg_catalog.pg_stat_get_wal_receiver() AS r)::text"


def _names(version):
    return _NAMES if version >= 100000 else _NAMES_BEFORE_10


def monitor(version, slots=False):
    """Return the monitor's query.

    First row: role, if a WAL receiver streams ('' before 9.6), synchronous_standby_names, on a
    primary the end of its WAL (bytes), and on a standby what `replay` asks. Then a row for each
    standby: application_name, state, written (bytes), lag of that, flushed (bytes). Since 10 a
    primary has a row "flushed": up to where WAL is flushed (bytes), how many processes wait for it
    to be written or flushed, and whether the role may see what processes wait for.

    With `slots`, since PostgreSQL 13, also a row "limit": max_slot_wal_keep_size, where the last
    checkpoint or restartpoint begins, what is replayed or written, the size of a segment (bytes);
    and a row "slot" for each of the agent's: name, wal_status, restart_lsn (bytes), active.
    """
    receiving = _RECEIVING if version >= 90600 else "''"
    names = _names(version)
    return _MONITOR.format(receiving=receiving, now=_NOW.format(**names),
                           paused=_paused(version), **names) + (
        "UNION ALL" + _FLUSHED.format(**names) if version >= FIRST_WITH_WAIT_EVENTS else "") + (
        "UNION ALL" + _SLOTS if slots and version >= FIRST_WITH_LIMIT else "")


def hides_standbys(rows):
    """Return whether rows of `monitor` show standbys to a role that may not see what they do.

    It sees their names, and null for the rest, such as the state, which all have. Source:
    PostgreSQL's pg_stat_get_wal_senders; pg_stat_get_activity shows names to all.
    """
    return any(row[:1] == [STANDBY] and len(row) > 2 and not row[2] for row in rows)


def role():
    """Return the query for the role alone; its first row reads like the monitor's."""
    return _ROLE


def end_transactions():
    """Return the command that ends a standby's sessions with an open transaction; a row for each.

    It ends none once the server is promoted.
    """
    return _END


def resume(version):
    """Return the command that resumes a standby's replay, with a row where it was paused.

    "" where a promotion does so. Source: PostgreSQL 13's release notes; its recoveryPausesHere.
    """
    return "" if version >= _FIRST_THAT_GOES_ON else _RESUME.format(**_names(version))


def retry_interval():
    """Return the query for wal_retrieve_retry_interval in ms. For PostgreSQL 12 and later.

    No row where the server asks an archive before it connects, or replay is paused: then no other
    WAL receiver is started. An error where it is no standby.
    """
    return _RETRY_INTERVAL


def replay(version):
    """Return the query for the role and, where replay is paused, the values of LIMITS.

    '' where it is not, and before 14: no server pauses for such a setting there.
    """
    return _REPLAY.format(_paused(version))


def _paused(version):
    return _PAUSED if version >= _FIRST_THAT_PAUSES else "''"


def position(version):
    """Return the query of an election.

    Received (since 13 what was written, before what was flushed), replayed (bytes), received
    timeline, recovery, the end of the primary's WAL as the WAL receiver heard of it last (bytes),
    synchronous_standby_names. Of a primary, what it has written takes the place of what a standby
    has replayed.
    """
    names = _names(version)
    since_96 = version >= 90600
    arrived = _ARRIVED if version >= 130000 else "{received}"
    return _POSITION.format(arrived=arrived.format(**names),
                            received_timeline=_RECEIVED_TIMELINE if since_96 else "NULL",
                            seen=_SEEN.format(**names) if since_96 else "NULL", **names)
