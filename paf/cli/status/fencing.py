"""Can a node be fenced? Asked of Pacemaker's fencer, which knows what its devices can reach.

A node's fencer knows the devices that may run on that node. Of the others, such as the one that
fences this node itself, the configuration lists which hosts they are for.
"""

from collections import namedtuple

from paf.cli import finding, topology
from paf.cli.common import Problem
from paf.cli.configuration import is_true, seconds


class Fencing(namedtuple("Fencing", "enabled devices watchdog unknown unusable")):
    """By what a node is fenced.

    enabled: bool; devices: names (list of str) of what can fence the node, [] for none; watchdog:
    whether the node ends itself (SBD without a disk); unknown: why the devices are not known, "";
    unusable: what is wrong with its fencing topology (str), where that has no level that works.
    """

    __slots__ = ()

    def __new__(cls, enabled, devices, watchdog, unknown, unusable=""):
        """Make one; by default of a node whose fencing topology, if any, has a level that works."""
        return super(Fencing, cls).__new__(cls, enabled, devices, watchdog, unknown, unusable)


_ENABLED = ("stonith-enabled", "fencing-enabled")
_WATCHDOG = ("stonith-watchdog-timeout", "fencing-watchdog-timeout")


def of(pacemaker, configured, seen, node):
    """Return the Fencing of a node (str); seen: view.View."""
    return by_topology(configured, node, _by_devices(pacemaker, configured, seen, node))


def by_topology(configured, node, found):
    """Return the Fencing of a node that has its Fencing `found` without a topology; pure.

    The fencer lists a device for each node that it can reach, also where a level of the node's
    topology needs another one besides.
    """
    groups = topology.groups(configured, node) if found.enabled else []
    usable = [group for group in groups if topology.is_usable(configured, group, node)]
    if len(usable) == len(groups):
        return found
    words = "; ".join(words for words, _, _ in topology.wrong(configured, node))
    if usable:
        return found._replace(devices=[], unknown=words)
    return found._replace(devices=[], unknown="", unusable=words)


def _by_devices(pacemaker, configured, seen, node):
    enabled, watchdog = is_enabled(configured), has_watchdog(configured)
    if not enabled:
        return Fencing(False, [], watchdog, "")
    try:
        result = pacemaker.run("stonith_admin", "--list", node)
    except Problem as error:
        return Fencing(True, [], watchdog, str(error))
    if result.timed_out:
        return Fencing(True, [], watchdog, "stonith_admin gave no answer in time")
    devices = listed(result.out)
    if not devices and devices is not None:
        return elsewhere(configured, seen, node, watchdog)
    if devices is None:
        return Fencing(True, [], watchdog, "stonith_admin failed: {0}".format(
            " ".join((result.err or result.out).split()) or "status {0}".format(result.status)))
    return Fencing(True, devices, watchdog, "")


def elsewhere(configured, seen, node, watchdog):
    """Return the Fencing by devices that run on other nodes, as they are configured; pure."""
    running = set(item.resource for item in seen.instances if item.role == "Started")
    devices = [device for device in configured.devices if device.name in running]
    hosts = dict((device.name, hosts_of(device)) for device in devices)
    known = sorted(name for name in hosts if hosts[name] and node.lower() in hosts[name])
    asking = sorted(name for name in hosts if hosts[name] is None)
    if not known and asking:
        return Fencing(True, [], watchdog, "{0} cannot be asked from this node".format(
            " and ".join(asking)))
    return Fencing(True, known, watchdog, "")


def hosts_of(device):
    """Return the nodes (set) that a fencing device (Primitive) is configured for; pure.

    In small letters: Pacemaker compares names without regard to case. None where it has to be
    asked, or takes any node. Source: pacemaker-fenced(7), pcmk_host_check.
    """
    found = finding.hosts_of(device)
    check = device.parameters.get("pcmk_host_check", "")
    return None if not found or check in ("dynamic-list", "status", "none") else found


def is_possible(fencing):
    """Return whether the node can be fenced: True, False, or None where it is not known."""
    if not fencing.enabled:
        return False
    if fencing.devices or fencing.watchdog:
        return True
    return None if fencing.unknown else False


def is_enabled(configured):
    """Return whether fencing is on, as Pacemaker reads the cluster's properties."""
    return is_true(_property(configured, _ENABLED, "true"))


def has_watchdog(configured):
    """Return whether lost nodes end themselves: SBD with a watchdog and no disk.

    A negative timeout means twice SBD's own (Pacemaker Explained, stonith-watchdog-timeout).
    """
    timeout = _property(configured, _WATCHDOG, "0").strip()
    active = is_true(configured.properties.get("have-watchdog", "false"))
    return active and (timeout.startswith("-") or bool(seconds(timeout)))


def _property(configured, names, default):
    for name in names:
        if name in configured.properties:
            return configured.properties[name]
    return default


def listed(text):
    """Return the devices in what stonith_admin --list prints; None if it is no such list; pure.

    One name a line, then "N fence device(s) found" or "No devices found" (1.1: "N devices found").
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or "found" not in lines[-1].lower():
        return None
    return lines[:-1]
