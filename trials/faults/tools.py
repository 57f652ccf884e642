"""What an administrator, or bad luck, does to a cluster while faults are played."""

import contextlib
import subprocess

from lab import network
from lab.cib import RESOURCE
from lab.tools import PYTHON, wait_until

FILLER = "paf-filler"
_HOLD = """
import sys, psycopg2
held = []
try:
    for number in range(int(sys.argv[2])):
        held.append(psycopg2.connect(host=sys.argv[1], user="postgres", dbname="postgres",
                                     connect_timeout=5))
        held[-1].cursor().execute(sys.argv[3])
except psycopg2.OperationalError:
    pass
print(len(held), flush=True)
sys.stdin.read()
"""


def set_property(lab, name, value):
    """Set a property of the cluster; None removes it."""
    how = ["--delete"] if value is None else ["--update", value]
    lab.any_node().run(["crm_attribute", "--type", "crm_config", "--name", name, *how])


@contextlib.contextmanager
def with_property(lab, name, value, before=None):
    """Set a property of the cluster while the block runs."""
    set_property(lab, name, value)
    try:
        yield
    finally:
        set_property(lab, name, before)


@contextlib.contextmanager
def with_parameter(lab, name, value, before=None):
    """Set a parameter of pgsqld while the block runs."""
    def put(text):
        how = (["--delete-parameter", name] if text is None
               else ["--set-parameter", name, "--parameter-value", text])
        lab.any_node().run(["crm_resource", "--resource", RESOURCE, *how])
    put(value)
    try:
        yield
    finally:
        put(before)


@contextlib.contextmanager
def with_timeout(lab, before, **operations):
    """Set timeouts of operations while the block runs; before: the usual ones."""
    def put(values):
        for name, timeout in values.items():
            lab.any_node().run(
                ["cibadmin", "--modify", "--scope", "resources", "--xml-text",
                 f'<op id="{RESOURCE}-{name}-0s" timeout="{timeout}"/>'])
    put(operations)
    try:
        yield
    finally:
        put(before)


def stand_by(lab, node, on=True):
    """Take a node out of service, as before maintenance, or back into it."""
    how = ["--update", "on"] if on else ["--delete"]
    lab.any_node().run(["crm_attribute", "--node", node, "--name", "standby", "--lifetime",
                        "forever", *how])
    if on:
        wait_until(lambda: not lab.nodes[node].pids("postmaster"), 90,
                   f"the instance on {node} to be stopped", step=0.2)


def cleanup(lab, node):
    """Clean up the failures of the instance on a node, so that Pacemaker tries again."""
    lab.any_node().run(["crm_resource", "--cleanup", "--resource", RESOURCE, "--node", node])


@contextlib.contextmanager
def replication_cut(lab, node):
    """Drop what the node sends to any server, while the block runs; all else works."""
    rules = ("table inet paf_fault {\n chain out {\n  type filter hook output priority 0;\n"
             "  oifname != lo tcp dport 5432 drop\n }\n}\n")
    lab.nodes[node].run(["nft", "-f", "-"], text=rules)
    try:
        yield
    finally:
        if lab.nodes[node].is_on:    # one that was switched off has forgotten it
            lab.nodes[node].run(["nft", "delete", "table", "inet", "paf_fault"], check=False)


@contextlib.contextmanager
def connections(lab, node, count, statement="select 1"):
    """Hold as many of a server's connections as it gives, `count` at most; yield the number."""
    argv = [PYTHON, "-c", _HOLD, lab.nodes[node].address, str(count), statement]
    with subprocess.Popen(network.inside(lab.settings.netns(), argv), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        try:
            yield int(holder.stdout.readline() or 0)
        finally:
            holder.kill()


@contextlib.contextmanager
def replay_held_up(lab, node):
    """Have a transaction on a standby keep replay from going on, while the block runs."""
    primary, standby = lab.nodes[lab.primary()], lab.nodes[node]
    standby.sql("alter system set max_standby_streaming_delay = -1")
    standby.sql("select pg_reload_conf()")
    primary.sql("create table if not exists paf_held_up (n int)")
    wait_until(lambda: standby.value("select to_regclass('paf_held_up') is not null") == "t", 60,
               f"the table to be on {node}", step=0.2)
    try:
        with connections(lab, node, 1, "select * from paf_held_up"):
            primary.sql("alter table paf_held_up add column if not exists more int")
            primary.sql("alter table paf_held_up drop column more")
            wait_until(lambda: standby.value(
                "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'")
                != "0", 60, f"replay on {node} to wait", step=0.2)
            yield
    finally:
        wait_until(lambda: standby.sql("select 1", check=False), 90, f"{node} to answer", step=0.5)
        standby.sql("alter system reset max_standby_streaming_delay")
        standby.sql("select pg_reload_conf()")


def own_wal_disk(lab, node, megabytes=640):
    """Put the WAL of a stopped instance on a small disk of its own; `fill` leaves no room on it.

    It has to hold what earlier faults left: wal_keep_size, and what the present checkpoint needs.
    """
    local, wal = lab.nodes[node], f"{lab.settings.pgdata}/pg_wal"
    local.run(["sh", "-ec", f"cp -a {wal} /run/paf-wal; "
               f"mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs {wal}; "
               f"cp -a /run/paf-wal/. {wal}; chown postgres: {wal}; rm -rf /run/paf-wal"])


def remove_wal_disk(lab, node):
    """Take that disk away again, with all that is on it."""
    wal = f"{lab.settings.pgdata}/pg_wal"
    lab.nodes[node].run(["sh", "-c", f"umount {wal}"])


def fill(lab, node):
    """Leave no byte on the small disk."""
    name = f"{lab.settings.pgdata}/pg_wal/{FILLER}"
    lab.nodes[node].run(["sh", "-c", f"cat /dev/zero > {name} 2>/dev/null || :"])


def free(lab, node):
    """Make room again."""
    lab.nodes[node].run(["rm", "-f", f"{lab.settings.pgdata}/pg_wal/{FILLER}"])
