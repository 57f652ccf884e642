"""The clusters of the agents that are compared: labs, and what the benchmark asks of them."""

from lab import scenarios
from lab.lab import Lab
from lab.tools import LabError

TOKEN = 1000
#: Seconds until a whole cluster has settled, and until a repaired one has.
REST, REPAIR = 30, 90


class Cluster(Lab):
    """A cluster with PAF: this checkout's agent, or the Perl agent."""

    agent, title = "ours", "this agent"
    #: Settings of PostgreSQL that the lab does not have.
    settings_of_server: dict[str, str] = {}

    def __init__(self, name, nodes, **more):
        postgres = {**self.settings_of_server, **more.pop("postgres", {})}
        super().__init__(name, nodes, more.pop("agent", self.agent), token=TOKEN,
                         postgres=postgres, **more)

    def favourite(self):
        """Return the name of the standby that a switchover goes to."""
        return scenarios.ranked_standbys(self)[0]

    def request_switchover(self, target):
        """Ask for a switchover to a node, and come back at once."""
        scenarios.request_switchover(self, target)

    def withdraw_request(self):
        """Take back what a request for a switchover leaves."""
        scenarios.withdraw_request(self)

    def make_whole(self):
        """Repair what an outage has left, so that the next one finds all nodes well.

        A node that is off gets a new disk: what it has may have diverged. The Perl agent would be
        fenced for it repeatedly.
        """
        off = [name for name, node in self.nodes.items() if not node.is_on]
        if not off:
            try:
                self.wait_candidates(REST)
                return
            except LabError:    # to be repaired
                pass
        self.mend()
        self.renew(*off)
        self.heal(REPAIR)


class PerlCluster(Cluster):
    """A cluster with Debian's package of the Perl agent."""

    agent, title = "perl", "Perl PAF 2.3.0"


class SynchronousCluster(Cluster):
    """This checkout's agent; a commit waits for one of the standbys."""

    title = "ANY 1, 500 ms"
    settings_of_server = scenarios.SYNCHRONOUS


class SlowCluster(SynchronousCluster):
    """The same, and standbys look for a new primary as often as PostgreSQL does by default."""

    title = "ANY 1, default 5 s"
    settings_of_server = {**scenarios.SYNCHRONOUS, "wal_retrieve_retry_interval": "5s"}


class FailoverCluster(SynchronousCluster):
    """The same as SynchronousCluster; a crashed primary is not recovered where it was."""

    title = "ANY 1, migration-threshold=1"

    def __init__(self, name, nodes, **more):
        super().__init__(name, nodes, meta={"migration-threshold": "1"}, **more)

    def make_whole(self):
        """Clean up: the crashed instance is out until then."""
        self.cleanup()
        super().make_whole()
