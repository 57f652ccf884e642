"""What goes on beside pgbench and may make an outage longer: each kind is a context of it."""

import contextlib
import subprocess
import time

from lab.tools import wait_until
from lab.traffic import Load

SESSIONS, LONG, BEHIND = "450 sessions", "long transactions", "500 MB to replay"
KINDS = (SESSIONS, LONG, BEHIND)
#: Sessions that do nothing, and those of pgbench beside them.
IDLE, BUSY = 400, 50
_BYTES = 500 << 20
_COUNT = "select count(*) from pg_stat_activity where application_name = 'pgbench'"
_LEFT = "select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint"
_FILL = "insert into bench_fill select generate_series(1, 1000000)"
_WRITES = "begin; insert into bench_fill values (0); select pg_sleep(3600)"
_END = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'"
_READS = "select count(*) from pgbench_accounts, pg_sleep(3600)"


def clients(kind):
    """Return how many clients pgbench has beside a kind of load (str, "" for none)."""
    return BUSY if kind == SESSIONS else Load.CLIENTS


@contextlib.contextmanager
def of(cluster, kind):
    """Keep a kind of load up in the block; "" is none. Raises LabError."""
    if not kind:
        yield
        return
    cluster.nodes[cluster.primary()].sql("create table if not exists bench_fill (n int)")
    with _CONTEXTS[kind](cluster):
        yield


@contextlib.contextmanager
def _sessions(cluster):
    """Sessions that do nothing; who loses one finds out when it wants something."""
    idle = cluster.load(f"idle{time.monotonic_ns()}")
    idle.clients, idle.script = IDLE, "\\sleep 3600 s\n"
    with idle:
        primary = cluster.nodes[cluster.primary()]
        wait_until(lambda: int(primary.value(_COUNT)) >= IDLE, 120, f"{IDLE} sessions")
        yield


@contextlib.contextmanager
def _long(cluster):
    """A transaction that has written and stays open, and a query on each standby."""
    old = cluster.primary()
    with contextlib.ExitStack() as stack:
        for name in cluster.nodes:
            query = _WRITES if name == old else _READS
            stack.enter_context(_session(cluster, name, query))
        try:
            wait_until(lambda: all(_sleeps(node) for node in cluster.nodes.values()), 60,
                       "the long transactions to run")
            yield
        finally:    # they outlive psql, which outlives nsenter
            for node in cluster.nodes.values():
                if node.in_recovery() is not None:
                    node.sql(_END)


@contextlib.contextmanager
def _session(cluster, name, query):
    command = cluster.nodes[name].inside(
        [f"{cluster.settings.bindir}/psql", "-X", "-q", "-c", query], user="postgres")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def _sleeps(node):
    return node.value("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") != "0"


@contextlib.contextmanager
def _behind(cluster):
    """Standbys whose replay is paused with so much WAL before it."""
    primary = cluster.nodes[cluster.primary()]
    standbys = [cluster.nodes[name] for name in cluster.standbys()]
    for node in standbys:
        node.sql("select pg_wal_replay_pause()")
    try:
        primary.sql("truncate bench_fill")
        wait_until(lambda: all(int(node.value(_LEFT)) >= _BYTES for node in standbys)
                   or primary.sql(_FILL, timeout=120) and False, 180, "WAL to be replayed")
        yield
    finally:
        for node in cluster.nodes.values():
            if node.in_recovery():
                node.sql("select pg_wal_replay_resume()")


_CONTEXTS = {SESSIONS: _sessions, LONG: _long, BEHIND: _behind}
