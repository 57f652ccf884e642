"""The texts of the nodes' configuration files: corosync, hosts, PostgreSQL."""

from .settings import NETWORK, VIP

PORT = 5432

# Small and quick, and what PAF's documentation asks for. 'a few seconds' of timeouts: a test does
# not wait a minute.
POSTGRES = {
    "listen_addresses": "*",
    "port": PORT,
    "unix_socket_directories": "/var/run/postgresql, /tmp",
    "max_connections": 50,
    "shared_buffers": "32MB",
    "hot_standby": "on",
    "wal_level": "replica",
    "wal_log_hints": "on",
    "max_wal_senders": 20,
    "max_replication_slots": 20,
    "wal_keep_size": "256MB",
    "min_wal_size": "32MB",
    "wal_sender_timeout": "3s",
    "wal_receiver_timeout": "3s",
    "wal_retrieve_retry_interval": "500ms",
    "jit": "off",    # a compiler in each backend whose tables were never analyzed
    "recovery_target_timeline": "latest",
    "logging_collector": "on",
    "log_directory": "/var/log/postgresql",
    "log_filename": "postgresql.log",
    "log_truncate_on_rotation": "off",
    "log_rotation_age": 0,
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
    "log_replication_commands": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def corosync(settings):
    """Return corosync.conf. Its parser wants each brace at the end of its own line."""
    nodes = "".join(
        f"    node {{\n        name: {name}\n        nodeid: {settings.number(name)}\n"
        f"        ring0_addr: {settings.address(name)}\n    }}\n"
        for name in settings.names
    )
    quorum = "    provider: corosync_votequorum\n"
    if settings.count == 2:
        quorum += "    two_node: 1\n"
    if settings.wait_for_all:
        quorum += "    wait_for_all: 1\n"
    elif settings.count == 2:
        quorum += "    wait_for_all: 0\n"
    return (
        "totem {\n    version: 2\n"
        f"    cluster_name: {settings.name}\n    transport: knet\n    token: {settings.token}\n"
        # A link counts as up after two answers: ask often, boots are waited for. Failures are the
        # token's business
        "    interface {\n        linknumber: 0\n"
        "        knet_ping_interval: 100\n        knet_ping_timeout: 1000\n    }\n"
        "    crypto_cipher: none\n    crypto_hash: none\n}\n"
        f"nodelist {{\n{nodes}}}\n"
        f"quorum {{\n{quorum}}}\n"
        "logging {\n    to_stderr: no\n    to_syslog: no\n    to_logfile: yes\n"
        "    logfile: /var/log/corosync/corosync.log\n    timestamp: hires\n}\n"
    )


def hosts(settings):
    """Return /etc/hosts."""
    lines = ["127.0.0.1 localhost", f"{VIP} pgsql-vip"]
    lines += [f"{settings.address(name)} {name}" for name in settings.names]
    return "\n".join(lines) + "\n"


def postgres(settings, node):
    """Return the settings of a node's server, which postgresql.conf includes."""
    values = dict(POSTGRES)
    values["hba_file"] = "/var/lib/postgresql/pg_hba.conf"
    values["primary_conninfo"] = (
        f"host={VIP} port={PORT} user=postgres application_name={node} {settings.conninfo}"
    )
    if float(settings.pg_version) >= 12:
        values["wal_init_zero"] = "off"    # a new segment costs 16 MiB of writes otherwise
    values.update(settings.postgres)
    return "".join(
        f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'\n"
        for name, value in sorted(values.items())
    )


def pg_hba(settings, node):
    """Return pg_hba.conf: a server never replicates from itself, by its address or the VIP."""
    return (
        "local all         all                      trust\n"
        "local replication all                      trust\n"
        f"host  replication all {settings.address(node)}/32 reject\n"
        f"host  replication all {VIP}/32 reject\n"
        f"host  replication all {NETWORK}.0/24 trust\n"
        f"host  all         all {NETWORK}.0/24 trust\n"
        "host  all         all 127.0.0.1/32 trust\n"
    )
