"""Clusters with Patroni and etcd in place of Pacemaker: all that is different with them.

Both are Debian's packages, unpacked and laid over the nodes' roots; this machine gets neither. Each
node has a member of etcd, with etcd's own timeouts. What Patroni's package for Debian writes into
its configuration is set here too (pg_rewind, a new copy where that fails). Patroni has no virtual
address: its callbacks set and remove it, the quickest of the ways that are in use.
"""

import json
import tempfile
from pathlib import Path

from trials.bench.clusters import REPAIR, Cluster
from lab.configuration import PORT, POSTGRES, pg_hba
from lab.settings import VIP, cache_folder
from lab.settle import Settle
from lab.tools import PYTHON, LabError, run

#: Patroni, etcd, and what they need; the nodes have the rest with Pacemaker's and PostgreSQL's.
PACKAGES = ("patroni", "etcd-server", "python3-etcd", "python3-dnspython", "python3-urllib3",
            "python3-cdiff", "python3-click", "python3-colorama", "python3-dateutil",
            "python3-pkg-resources", "python3-prettytable", "python3-psutil", "python3-six",
            "python3-wcwidth", "python3-yaml")
#: What Patroni has where nothing is set, and the least that its documentation allows ("Dynamic
#: Configuration Settings"), where also loop_wait + 2 * retry_timeout <= ttl is asked for.
DEFAULTS = {"ttl": 30, "loop_wait": 10, "retry_timeout": 10}
LEAST = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}

ETCD, PATRONI, CALLBACK = "/etc/etcd.json", "/etc/patroni.json", "/usr/local/sbin/move-address"
START = f"""export HOME=/var/lib/postgresql
setsid etcd --config-file {ETCD} >> /var/log/etcd.log 2>&1 < /dev/null &
setsid setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=+net_admin,+net_raw \\
    --ambient-caps=+net_admin,+net_raw \\
    patroni {PATRONI} >> /var/log/patroni.log 2>&1 < /dev/null &
"""
MOVE_ADDRESS = f"""#!/bin/sh
# Patroni calls this with an action, the server's role, and the cluster's name.
PATH=$PATH:/usr/libexec/heartbeat
case "$1 $2" in
    "on_start master" | "on_role_change master" | "on_start primary" | "on_role_change primary")
        ip address replace {VIP}/24 dev eth0
        exec send_arp -i 200 -r 5 -p /tmp/send_arp.pid eth0 {VIP} auto not_used not_used ;;
    *)
        ip address delete {VIP}/24 dev eth0 2> /dev/null ;;
esac
"""
#: By this connection Patroni asks its own server for the timeline.
HBA, REPLICATION = "/var/lib/postgresql/pg_hba.conf", "host replication all 127.0.0.1/32 trust\n"
#: Patroni sets these itself.
_OWN = ("listen_addresses", "port", "recovery_target_timeline")


def installed():
    """Return a folder with the programs, to be laid over a node's root; fetch them once."""
    folder = cache_folder() / "patroni"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            run(["apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
                 "download", *PACKAGES], cwd=scratch, timeout=300)
            for package in Path(scratch).glob("*.deb"):
                run(["dpkg-deb", "-x", package, Path(scratch, "unpacked")])
            # /usr alone: a folder /lib would hide the node's link of that name
            tree = Path(scratch, "tree")
            tree.mkdir()
            Path(scratch, "unpacked", "usr").rename(tree / "usr")
            run([PYTHON, "-m", "compileall", "-q", "-s", tree, "-p", "/",
                 tree / "usr/lib/python3/dist-packages"], timeout=300)
            tree.rename(folder)
    return folder


def etcd(settings, name):
    """Return the configuration of a node's member of etcd."""
    def url(node, port):
        return f"http://{settings.address(node)}:{port}"
    return {"name": name, "data-dir": "/var/lib/etcd",
            "listen-peer-urls": url(name, 2380), "initial-advertise-peer-urls": url(name, 2380),
            "listen-client-urls": url(name, 2379), "advertise-client-urls": url(name, 2379),
            "initial-cluster": ",".join(f"{node}={url(node, 2380)}" for node in settings.names),
            # on by default, but not where there is a file of settings
            "enable-grpc-gateway": True}


def patroni(settings, name, timing):
    """Return the configuration of a node's Patroni; all servers have the lab's settings."""
    address = settings.address(name)
    parameters = {key: value for key, value in {
        **POSTGRES, "wal_init_zero": "off", **settings.postgres}.items() if key not in _OWN}
    return {
        "scope": "lab", "name": name,
        "restapi": {"listen": f"{address}:8008", "connect_address": f"{address}:8008"},
        "etcd3": {"hosts": [f"{settings.address(node)}:2379" for node in settings.names]},
        "bootstrap": {"dcs": {**timing, "postgresql": {
            "use_pg_rewind": True, "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True, "parameters": parameters}}},
        "postgresql": {
            "listen": f"*:{PORT}", "connect_address": f"{address}:{PORT}",
            "data_dir": settings.pgdata, "bin_dir": settings.bindir, "use_unix_socket": True,
            "pgpass": "/var/lib/postgresql/pgpass",
            "authentication": {"superuser": {"username": "postgres"},
                               "replication": {"username": "postgres"}},
            "parameters": {"hba_file": HBA,
                           "unix_socket_directories": POSTGRES["unix_socket_directories"]},
            "callbacks": dict.fromkeys(("on_start", "on_stop", "on_role_change"), CALLBACK)}}


class Settled(Settle):
    """What a settled cluster of Patroni looks like."""

    def missing(self):
        """Return what is not reached, in words; nothing if all is."""
        try:
            primary = self.lab.primary_now()
            if primary in (None, self.not_primary):
                return ["there is no primary, or still the old one"]
            standbys = self.standbys
            if standbys is None:
                standbys = [name for name, node in self.lab.nodes.items() if node.is_on]
            streaming = {primary, *self.lab.streaming_now(primary)}
            wrong = [f"{name} does not stream from {primary}" for name in standbys
                     if name not in streaming]
            if self.lab.holders() != [primary]:
                wrong.append(f"the address is on {self.lab.holders()}, expected {primary}")
            return wrong
        except LabError as error:    # a question without an answer
            return [str(error)]


class PatroniCluster(Cluster):
    """A cluster with Patroni and etcd, and no Pacemaker."""

    title, timing = "Patroni 3.0.2", DEFAULTS

    def __init__(self, name, nodes, **more):
        super().__init__(name, nodes, agent=str(installed()), resource=False, services=START,
                         **more)

    def _disks(self, names, primary=None):
        super()._disks(names, primary)
        for name in names:
            node = self.nodes[name]
            # the settings are Patroni's, which writes its own primary_conninfo
            node.install("/var/lib/postgresql/node.conf", "", 0o644)
            node.install(HBA, pg_hba(self.settings, name) + REPLICATION, 0o644)
            node.install(ETCD, json.dumps(etcd(self.settings, name)), 0o644)
            node.install(PATRONI, json.dumps(patroni(self.settings, name, self.timing)), 0o644)
            node.install(CALLBACK, MOVE_ADDRESS)

    def make_whole(self):
        """Switch on what is off: Patroni repairs the servers itself."""
        self.mend()
        self.power_on()
        self.wait_settled(REPAIR)

    def settle(self, **expected):
        """Return a Settled: what is expected, and `missing()`, what is not reached yet."""
        return Settled(self, **expected)

    def primary_now(self):
        """Return the node whose server takes writes, None if there is none, or more than one."""
        found = [name for name, node in self.nodes.items() if node.in_recovery() is False]
        return found[0] if len(found) == 1 else None

    def holders(self):
        """Return the nodes that have the virtual address."""
        return [name for name, node in self.nodes.items() if node.is_on and f" {VIP}/" in run(
            ["ip", "-n", self.settings.netns(name), "-oneline", "address"]).output]

    def describe(self):
        """Return what Patroni says of its members, for errors."""
        for node in self.nodes.values():
            if node.is_on:
                return node.run(["patronictl", "-c", PATRONI, "list"], check=False).output
        return "all nodes are off"

    def favourite(self):
        """Return a standby; they are equals."""
        return min(self.streaming())

    def request_switchover(self, target):
        """Ask for a switchover to a node, and come back at once."""
        self.nodes[target].run([
            "sh", "-c", f"patronictl -c {PATRONI} switchover --master {self.primary()} "
            f"--candidate {target} --force > /var/log/patronictl.log 2>&1 < /dev/null &"])

    def withdraw_request(self):
        """Do nothing: Patroni forgets a request itself."""


class TunedCluster(PatroniCluster):
    """The same, as quick as Patroni's documentation allows."""

    title, timing = "Patroni 3.0.2, tuned", LEAST
