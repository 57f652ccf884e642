"""Nodes that share one machine: each has an instance and a name, and runs the real agent."""

import os
import pathlib
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests import interpreters
from tests.component.server import Server, clone, owner, quoted, wait_until
from tests.component.store import Store
from tests.conftest import REPOSITORY
from tests.unit.support import notify_variables

AGENT = REPOSITORY / "resource.d" / "pgsqlms"
RESOURCE = "pgsqld"
SECRET = "S3cretWord"
PREFIX = "ocf-exit-reason:"

#: What each action may end with; stop above all never says anything harder than 1.
CODES = {"start": (0, 1, 2, 5, 6), "stop": (0, 1), "monitor": (0, 1, 7, 8, 9),
         "notify": (0,),
         "promote": (0, 1, 2, 5, 6), "demote": (0, 1), "validate-all": (0, 2, 5, 6)}


@dataclass(frozen=True)
class Run:
    """What one run of the agent came to."""

    action: str
    code: int
    err: str
    log: str
    seconds: float
    calls: tuple

    @property
    def reason(self):
        """The exit reason that crm_mon would show, "" without one."""
        return "".join(line[len(PREFIX):] for line in self.err.splitlines()[-1:])

    def check(self):
        """Hold it to what holds for every run."""
        assert "Traceback" not in self.err + self.log, self.err
        assert SECRET not in self.err + self.log
        strays = [line for line in self.err.splitlines() if not line.startswith(PREFIX)]
        assert strays == []
        assert self.code in CODES.get(self.action, range(10)), (self.action, self)
        if self.code in (1, 2, 5, 6, 9):
            assert len(self.reason) > 15, self
        return self


def busy():
    """Return how many times as long as on an idle machine a program takes, about: 1.0 to 3.0.

    A timeout that is short for a test to be quick must not become too short beside other work.
    """
    with open("/proc/loadavg", encoding="ascii") as stream:
        fields = stream.read().split()
    processes = max(float(fields[0]), float(fields[3].partition("/")[0]) - 1)
    return min(3.0, max(1.0, processes / (os.cpu_count() or 1)))


def outputs(process, seconds, step=0.25):
    """Return what a process has written until it ended: (out, err); None if that takes too long.

    It is killed then. The time in which the machine stood still does not count: this process cannot
    have waited for longer than it wanted to, otherwise.
    """
    while seconds > 0:
        begin = time.monotonic()
        try:
            return process.communicate(timeout=step)
        except subprocess.TimeoutExpired:
            seconds -= min(time.monotonic() - begin, 2 * step)
    process.kill()
    process.communicate()
    return None


class Node:
    """A node of the cluster: its name, its instance, its agent."""

    def __init__(self, cluster, name, port):
        self.cluster, self.name = cluster, name
        self.server = Server(cluster.folder / f"node{port}" / "data", cluster.sockets, port)
        self.log = cluster.folder / "log" / f"agent{port}.log"
        self.log.touch(mode=0o666)
        self.temporary = cluster.folder / f"rsctmp{port}"
        self.temporary.mkdir()
        self.parameters = {
            "pgdata": str(self.server.pgdata), "bindir": self.server.programs,
            "system_user": owner().pw_name, "pghost": str(cluster.sockets), "pgport": str(port),
            "crash_watch": "false"}

    def __getattr__(self, name):
        return getattr(self.server, name)

    # The agent

    def environment(self, timeout, interval, lists, in_cluster, keys):
        """Return the environment that Pacemaker would give the agent."""
        variables = {
            "PATH": "/usr/bin:/bin", "LC_ALL": "C", "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_INSTANCE": self.cluster.store.resource, "HA_LOGFILE": str(self.log),
            "HA_RSCTMP": str(self.temporary),
            "HA_SBIN_DIR": str(self.cluster.store.programs),
            "PAF_TEST_STORE": str(self.cluster.store.folder), "PAF_TEST_NODE": self.name}
        settings = dict(self.parameters)
        if in_cluster:
            variables.update({"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"})
            settings.update({
                "crm_feature_set": "3.16.1", "CRM_meta_timeout": str(int(timeout * 1000)),
                "CRM_meta_interval": str(interval * 1000), "CRM_meta_on_node": self.name,
                "CRM_meta_notify": "true", "CRM_meta_master_max": "1",
                "CRM_meta_promoted_max": "1"})
            settings.update(notify_variables(**{"kind": "", "operation": "", **(lists or {})}))
        settings.update(keys)
        for name, value in settings.items():
            if value is not None:
                outer = name.isupper() or name.startswith("HA_")
                variables[name if outer else "OCF_RESKEY_" + name] = value
        return variables

    def agent(self, action, timeout=30, interval=0, lists=None, in_cluster=True, **keys):
        """Run an action as Pacemaker does and return its Run, which is held to its promises.

        timeout: of the operation, in seconds on an idle machine; see `busy`.
        keys: parameters (lower case) and environment variables (upper case), None to unset.
        """
        slowness = busy()
        timeout *= slowness
        environment = self.environment(timeout, interval, lists, in_cluster, keys)
        written, called = self.log.stat().st_size, len(self.cluster.store.calls())
        start = time.monotonic()
        with subprocess.Popen(
                [*interpreters.agent_argv(AGENT), action], env=environment, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE) as process:
            # what its start and its end take beside other work is not its own
            answer = outputs(process, timeout + 5 * (slowness - 1))
        if answer is None:
            pytest.fail(f"{action} on {self.name} did not end within its timeout of {timeout} s")
        out, err = answer
        text = self.log.read_bytes()[written:].decode("utf-8", "replace")
        assert out == b"" or action in ("meta-data", "methods")
        calls = [call for call in self.cluster.store.calls(called) if call.node == self.name]
        return Run(action, process.returncode, err.decode("utf-8", "replace"), text,
                   time.monotonic() - start, tuple(calls)).check()

    def probe(self, **more):
        """Return the code of a probe."""
        return self.agent("monitor", **more).code

    def monitor(self, **more):
        """Run a recurring monitor, of the role that Pacemaker gave the instance."""
        files = [self.server.pgdata / name for name in ("standby.signal", "recovery.conf")]
        role = "Unpromoted" if any(path.exists() for path in files) else "Promoted"
        return self.agent("monitor", interval=15, **{"timeout": 10, "CRM_meta_role": role, **more})


class Cluster:
    """All nodes, what they know of each other, and the address that follows the primary."""

    def __init__(self, folder, names, resource=RESOURCE):
        self.folder = pathlib.Path(folder)
        self.sockets, self.vip = self.folder / "run", self.folder / "vip"
        for path in (self.sockets, self.vip, self.folder / "log"):
            path.mkdir()
            os.chown(path, owner().pw_uid, owner().pw_gid)
        self.store = Store(self.folder / "store", resource)
        self.nodes = {name: Node(self, name, 6001 + rank) for rank, name in enumerate(names)}
        for name in names:
            self.store.add_member(name)

    def __getitem__(self, name):
        return self.nodes[name]

    def __iter__(self):
        return iter(self.nodes.values())

    def create(self, templates):
        """Give each node an instance: the first was a primary, the others standbys."""
        for rank, node in enumerate(self):
            conninfo = (f"host={self.vip} port=5432 user={owner().pw_name} password={SECRET} "
                        f"application_name={quoted(node.name)}")
            clone(templates / ("standby" if rank else "primary"), node.server.pgdata)
            node.server.configure(
                f"port = {node.server.port}", f"unix_socket_directories = '{self.sockets}'",
                f"log_directory = '{self.folder}/log'",
                f"log_filename = 'server{node.server.port}.log'",
                f"primary_conninfo = {quoted(conninfo)}")

    def move_vip(self, name):
        """Route clients and standbys to that node, None for no node; end present connections."""
        path = self.vip / ".s.PGSQL.5432"
        path.unlink(missing_ok=True)
        for node in self:
            if node.name != name and node.processes():
                node.server.drop_standbys()
        if name:
            path.symlink_to(self.sockets / f".s.PGSQL.{self[name].server.port}")

    def note_starts(self):
        """Note what a start by the agent does: that it was none without a primary."""
        resource = self.store.resource.replace("/", "_")
        for node in self:
            (node.temporary / f"pgsqlms-{resource}.entered").write_text("yes")

    def start(self, primary="srv1"):
        """Start all instances without the agent, and wait until all standbys stream."""
        self.note_starts()
        self.move_vip(primary)
        self.at_once(lambda node: node.server.start(), list(self.nodes))
        self.wait_for_streams(primary, len(self.nodes) - 1)

    def wait_for_streams(self, primary, count):
        """Wait until that many standbys stream from the primary and have replayed its WAL."""
        def streaming():
            return self[primary].server.value(
                "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' "
                "AND replay_lsn >= pg_current_wal_lsn()") >= count
        wait_until(streaming, f"{count} standbys to stream from {primary}")

    def at_once(self, work, names):
        """Call work(node) for each node at once; return {name: result}."""
        with ThreadPoolExecutor(len(names) or 1) as pool:
            return dict(zip(names, pool.map(lambda name: work(self[name]), names)))

    def notify(self, kind, operation, lists, on, **more):
        """Run the notify action on these nodes at once; return {name: Run}."""
        sent = dict(lists, kind=kind, operation=operation)
        return self.at_once(lambda node: node.agent("notify", lists=sent, **more), on)

    def promote(self, name, lists, on, **more):
        """Announce the promotion, promote, say that it is over; return the promotion's Run."""
        self.notify("pre", "promote", lists, on, **more)
        run = self[name].agent("promote", lists=lists, **more)
        if run.code == 0:
            self.move_vip(name)
            self.store.promotes(name)
            self.notify("post", "promote", lists, on)
        return run

    def destroy(self):
        """End all processes."""
        for node in self:
            node.server.destroy()
