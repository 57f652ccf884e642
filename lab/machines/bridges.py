"""The network of a lab of machines: two bridges in a namespace, a tap of each to every guest.

Clients and QEMU run in the namespace too; nothing leaves it.
"""

from lab import network
from lab.settings import tag
from lab.tools import run

from . import layout

CLUSTER, MANAGEMENT = "cluster", "manage"


def namespace(name):
    """Return the network namespace of the lab of that name."""
    return f"pafm.{tag()}.{name}"


def tap(node, card):
    """Return the name of a guest's network card 0 (cluster) or 1 (management) in the hub."""
    return f"{node}-{card}"


def create(hub):
    """Make the namespace, the bridges and the taps."""
    run(["ip", "netns", "add", hub])
    lines = ["link set lo up"]
    for bridge, prefix in ((CLUSTER, layout.NETWORK), (MANAGEMENT, layout.MANAGEMENT)):
        lines += [f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
                  f"addr add {prefix}.{layout.HUB}/24 dev {bridge}", f"link set {bridge} up"]
    for node in layout.NAMES:
        for card, bridge in enumerate((CLUSTER, MANAGEMENT)):
            port = tap(node, card)
            lines += [f"tuntap add dev {port} mode tap",
                      f"link set {port} master {bridge} up"]
    network.ip_batch(hub, lines)


def plugged(hub, node, state):
    """Cut a guest off from the others and from clients (False), or plug it in again (True)."""
    network.ip_batch(hub, [f"link set {tap(node, 0)} {'up' if state else 'down'}"])
