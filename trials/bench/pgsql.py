"""A cluster with `pgsql`, the agent that comes with resource-agents: all that is different with it.

It is on this machine, and so in the nodes. It writes the standby's settings and `standby.signal`
itself, and an include of them at the end of postgresql.conf. It is set up as its authors advise
(migration-threshold=1), with `rep_mode=sync`: with `async` and three nodes or more no standby has
a score while a primary lives, so a switchover is not possible and a failover takes some monitors.
"""

from pathlib import Path

from trials.bench.clusters import Cluster
from lab.cib import RESOURCE
from lab.settings import VIP, Settings, cache_folder
from lab.tools import wait_until, write_file

FOLDER = "/var/lib/postgresql/tmp"
#: A primary has it, and loses it only if it stops last: with it the server is not started.
LOCK = f"{FOLDER}/PGSQL.lock"
#: The scores of a standby that may be promoted, and of the primary.
CANDIDATE, PRIMARY = "100", "1000"

#: Pacemaker 2.1.0 to 2.1.5 takes what follows -p for the resource's name: resource-agents 4.12 of
#: Debian 12 can set no score with it. Later releases have this line (ClusterLabs/resource-agents
#: pull request 1848).
SHELL_FUNCTIONS = "usr/lib/ocf/lib/heartbeat/ocf-shellfuncs"
BROKEN, MENDED = "crm_attribute -p $@", "crm_attribute -p ${OCF_RESOURCE_INSTANCE} $@"


def repaired():
    """Return a folder with the functions that the agent needs, to be laid over a node's root."""
    folder = cache_folder() / "pgsql"
    text = Path("/", SHELL_FUNCTIONS).read_text(encoding="utf-8")
    write_file(folder / SHELL_FUNCTIONS, text.replace(BROKEN, MENDED))
    return folder


def parameters(settings):
    """Return the parameters that the agent needs in a lab."""
    return {"pgctl": f"{settings.bindir}/pg_ctl", "psql": f"{settings.bindir}/psql",
            "pgdata": settings.pgdata, "rep_mode": "sync", "node_list": " ".join(settings.names),
            "master_ip": VIP, "primary_conninfo_opt": settings.conninfo, "tmpdir": FOLDER}


class PgsqlCluster(Cluster):
    """A cluster with resource-agents' own agent."""

    title = "pgsql agent"

    def __init__(self, name, nodes, **more):
        super().__init__(name, nodes, kind="pgsql", agent=str(repaired()),
                         meta={"migration-threshold": "1"},
                         parameters=parameters(Settings(name=name, count=nodes)), **more)

    def _scores(self):
        state = self.status()
        return {} if state is None else {
            name: state.attributes.get(name, {}).get(f"master-{RESOURCE}") for name in self.nodes}

    def _candidates(self):
        return [name for name, score in self._scores().items() if score == CANDIDATE]

    def favourite(self):
        """Return the synchronous standby: no other one can be promoted."""
        return self._candidates()[0]

    def _wait_ready(self, timeout):
        """Choose the first primary, which the agent finds by itself only after some monitors."""
        def all_started():
            state = self.status()
            return state and set(state.roles(RESOURCE)) == set(self.nodes) and not any(
                item.pending for item in state.instances)
        wait_until(all_started, timeout, "all servers to be started", step=0.2)
        first = self.settings.names[0]
        self.any_node().run(["crm_attribute", "--lifetime", "reboot", "--node", first, "--name",
                             f"master-{RESOURCE}", "--update", PRIMARY])
        self.wait_candidates(timeout)

    def wait_candidates(self, timeout=30, **expected):
        """Wait until the cluster is settled, and one standby has become the synchronous one."""
        self.wait_settled(timeout, **expected)
        if not self._candidates():
            primary = self.primary()
            self.nodes[primary].run(
                ["crm_resource", "--refresh", "--resource", RESOURCE, "--node", primary])
            wait_until(self._candidates, timeout, "a synchronous standby", step=0.2)
        self.wait_settled(timeout, **expected)

    def make_whole(self):
        """Take the lock of an old primary away, as the administrator does, and have it started."""
        primary = self.primary()
        for name, node in self.nodes.items():
            lock = node.disk.path(LOCK)
            if name != primary and lock.exists():
                lock.unlink()
                self.cleanup()
        super().make_whole()
