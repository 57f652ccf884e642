"""Ask the local server about its settings with psycopg2, and print the answers as JSON.

A program of its own: it runs as the owner of the instance, which the server lets in.
Its argument is a connection string without a password.
"""

import json
import sys

SETTINGS = ("wal_level", "hot_standby", "max_wal_senders", "max_replication_slots",
            "synchronous_standby_names", "synchronous_commit", "primary_conninfo",
            "recovery_target_timeline", "wal_log_hints", "data_checksums", "logging_collector",
            "log_destination", "max_slot_wal_keep_size", "listen_addresses", "hba_file",
            "data_directory", "max_connections", "max_worker_processes",
            "max_prepared_transactions", "max_locks_per_transaction", "server_version_num",
            "unix_socket_directories", "default_transaction_read_only",
            "wal_retrieve_retry_interval", "recovery_init_sync_method", "recovery_target",
            "recovery_target_lsn", "recovery_target_name", "recovery_target_time",
            "recovery_target_xid", "sync_replication_slots", "synchronized_standby_slots",
            "hot_standby_feedback", "primary_slot_name", "wal_sender_shutdown_timeout",
            "recovery_min_apply_delay")

_SETTINGS = "SELECT name, setting, context FROM pg_settings WHERE name = ANY(%s)"
_HBA = """SELECT line_number, type, array_to_string(database, ','), array_to_string(user_name, ','),
       address, netmask, auth_method, error, {file} FROM pg_hba_file_rules ORDER BY {order}"""
# what a message took from the primary's clock to this one's
_CLOCK = """SELECT extract(epoch FROM last_msg_receipt_time - last_msg_send_time)
  FROM pg_stat_get_wal_receiver() WHERE last_msg_send_time IS NOT NULL"""
_SLOTS = """SELECT slot_name, slot_type, active, {status}, {synced}, {safe}, {failover}
  FROM pg_replication_slots"""
_FIRST_WITH_STATUS, _FIRST_WITH_SYNCED = 130000, 170000
_FIRST_WITH_HBA, _FIRST_WITH_SLOTS, _FIRST_WITH_RECEIVER = 100000, 90400, 90600
_FIRST_WITH_INCLUDED_HBA = 160000


def slots(version):
    """Return the query for replication slots of a server of this version (150018)."""
    status, synced = version >= _FIRST_WITH_STATUS, version >= _FIRST_WITH_SYNCED
    return _SLOTS.format(status="coalesce(wal_status, '')" if status else "''",
                         synced="synced" if synced else "false",
                         safe="safe_wal_size" if status else "NULL::bigint",
                         failover="failover" if synced else "false")


def hba(version):
    """Return the query for the rules of pg_hba.conf of a server of this version, as they decide.

    Another file's name comes last, "" for pg_hba.conf itself, which may include others since 16.
    """
    if version < _FIRST_WITH_INCLUDED_HBA:
        return _HBA.format(file="''", order="line_number")
    return _HBA.format(file="CASE WHEN file_name = current_setting('hba_file') THEN '' "
                            "ELSE file_name END", order="rule_number, file_name, line_number")


def main(argv):
    """Print what the server says; return the exit status."""
    try:
        import psycopg2
    except ImportError:
        return 3
    try:
        connection = psycopg2.connect(argv[1])
        cursor = connection.cursor()

        def rows(query, *parameters):
            cursor.execute(query, parameters or None)
            return [list(row) for row in cursor.fetchall()]
        answer = {
            "settings": dict((name, value) for name, value, _ in rows(_SETTINGS, list(SETTINGS))),
            "in_recovery": rows("SELECT pg_is_in_recovery()")[0][0],
            "clock": [float(row[0]) for row in rows(_CLOCK)] if (
                connection.server_version >= _FIRST_WITH_RECEIVER) else [],
            "hba": rows(hba(connection.server_version)) if
            connection.server_version >= _FIRST_WITH_HBA else [],
            "slots": rows(slots(connection.server_version)) if
            connection.server_version >= _FIRST_WITH_SLOTS else []}
    except psycopg2.Error as error:
        sys.stderr.write(str(error))
        return 1
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
