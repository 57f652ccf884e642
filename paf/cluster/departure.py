"""A wait for nodes ends as one of them leaves the cluster. Imported where nodes are waited for."""

from paf.ocf import OcfError

_BETWEEN_LOOKS = 1.0    # seconds


class Departure(object):
    """Notices that nodes which are waited for have left the cluster.

    Pacemaker then computes a new transition, but only after the running actions have ended.
    cluster: Cluster; deadline: that of the wait.
    """

    def __init__(self, cluster, deadline):
        self._cluster, self._deadline = cluster, deadline
        self._looked = 0.0

    def is_noticed(self, nodes):
        """Return whether one of `nodes` (of str) is no longer a member; False if that is unknown.

        Asks at intervals only: most waits end before the first one.
        """
        if self._deadline.elapsed - self._looked < _BETWEEN_LOOKS:
            return False
        self._looked = self._deadline.elapsed
        try:
            return not set(nodes) <= set(self._cluster.view(self._deadline).online)
        except OcfError:
            return False
