"""The network of a lab of machines: two bridges in a namespace, a cable of each to every node.

A guest's cables are taps, a container's are veth pairs to a namespace of its own, made at each of
its boots. Clients and QEMU run in the bridges' namespace too; nothing leaves it.
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


def node(hub, name):
    """Return the network namespace of a container."""
    return f"{hub}.{name}"


def create(hub, kind=layout.GUESTS):
    """Make the namespace, the bridges, and the taps of guests."""
    run(["ip", "netns", "add", hub])
    lines = ["link set lo up"]
    for bridge, prefix in ((CLUSTER, layout.NETWORK), (MANAGEMENT, layout.MANAGEMENT)):
        lines += [f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
                  f"addr add {prefix}.{layout.HUB}/24 dev {bridge}", f"link set {bridge} up"]
    for name in layout.NAMES if kind == layout.GUESTS else ():
        for card, bridge in enumerate((CLUSTER, MANAGEMENT)):
            port = tap(name, card)
            lines += [f"tuntap add dev {port} mode tap",
                      f"link set {port} master {bridge} up"]
    network.ip_batch(hub, lines)


def plug(hub, name):
    """Make the namespace of a container, with its two cards; systemd-networkd sets them up."""
    own = node(hub, name)
    run(["ip", "netns", "add", own])
    lines = []
    for card, bridge in enumerate((CLUSTER, MANAGEMENT)):
        port = tap(name, card)
        lines += [f"link add {port} type veth peer name eth{card} address "
                  f"{layout.mac(name, card)} netns {own}",
                  f"link set {port} master {bridge} up"]
    network.ip_batch(hub, lines)
    network.ip_batch(own, ["link set lo up"])


def unplug(hub, name):
    """End what runs in a container's namespace, and remove it with its cables."""
    own = node(hub, name)
    if network.exists(own):
        network.ip_batch(hub, [f"link delete {tap(name, card)}" for card in (0, 1)], check=False)
        network.kill_all([own])
        network.delete(own)


def plugged(hub, name, state):
    """Cut a node off from the others and from clients (False), or plug it in again (True).

    A container that boots is plugged in; before it does it has no cable.
    """
    port = tap(name, 0)
    if run(["ip", "-n", hub, "link", "show", port], check=False).ok:
        network.ip_batch(hub, [f"link set {port} {'up' if state else 'down'}"])
