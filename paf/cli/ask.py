"""Ask the local server about its settings with psycopg2, and print the answers as JSON.

A program of its own: it runs as the owner of the instance, whom alone the server lets in.
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
            "unix_socket_directories", "default_transaction_read_only")

_SETTINGS = "SELECT name, setting, context FROM pg_settings WHERE name = ANY(%s)"
_HBA = """SELECT line_number, type, array_to_string(database, ','), array_to_string(user_name, ','),
       address, netmask, auth_method, error FROM pg_hba_file_rules ORDER BY line_number"""
_SLOTS = "SELECT slot_name, slot_type, active FROM pg_replication_slots"
_FIRST_WITH_HBA, _FIRST_WITH_SLOTS = 100000, 90400


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
            "clock": float(rows("SELECT extract(epoch FROM clock_timestamp())")[0][0]),
            "hba": rows(_HBA) if connection.server_version >= _FIRST_WITH_HBA else [],
            "slots": rows(_SLOTS) if connection.server_version >= _FIRST_WITH_SLOTS else []}
    except psycopg2.Error as error:
        sys.stderr.write(str(error))
        return 1
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
