"""The nodes of the cluster, also those that are away, and those that leave it.

Source: Pacemaker Explained, "Nodes": an entry stays until the node is removed from the cluster.
"""

from paf.cluster import cib
from paf.ocf import OcfError

_BETWEEN_LOOKS = 1.0    # seconds


def nodes(xml):
    """Return the names (a sorted list) of the CIB's nodes. Raises OcfError when the XML is none.

    Also where a node has no name yet: its slot would be that of a stranger. xml: the CIB's (str).
    """
    found = []

    def start(tag, attributes):
        if tag == "node":
            if not attributes.get("uname"):
                raise OcfError("cannot understand the CIB: a node has no name")
            found.append(attributes["uname"])
    parser = cib.xml_parser()
    parser.StartElementHandler = start
    cib.feed(parser, xml)
    return sorted(found)


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
