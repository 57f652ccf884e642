"""The cluster, as Pacemaker's programs show it: attributes, promotion scores, members."""

from paf import variant


def connect(environment):
    """Return the Cluster of the variant that this package was built for."""
    if variant.NAME == "corosync1":
        from paf.cluster.corosync1 import Corosync1
        return Corosync1(environment)
    from paf.cluster.corosync2 import Corosync2
    return Corosync2(environment)
