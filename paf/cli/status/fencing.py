"""Can a node be fenced? Asked of Pacemaker's fencer, which knows what its devices can reach.

A node's fencer knows the devices that may run on that node. Of the others, such as the one that
fences this node itself, the configuration lists which hosts they are for.
"""

import itertools
from collections import namedtuple

from paf.cli import devices, topology
from paf.cli.common import Problem
from paf.cli.configuration import boolean, options


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


def of(pacemaker, configured, seen, node):
    """Return the Fencing of a node (str); seen: view.View."""
    found = _by_devices(pacemaker, configured, seen, node)
    if found.devices and topology.groups(configured, node):    # a level may need one elsewhere
        more = elsewhere(configured, seen, node, found.watchdog).devices
        found = found._replace(devices=sorted(set(found.devices) | set(more)))
    return by_topology(configured, node, found)


def by_topology(configured, node, found):
    """Return the Fencing of a node that has its Fencing `found` without a topology; pure.

    The fencer lists a device for each node that it can reach, also where a level of the node's
    topology needs another one besides.
    """
    groups = topology.groups(configured, node) if found.enabled else []
    if not all(any(level.devices == [devices.WATCHDOG] for level in group) for group in groups):
        found = found._replace(watchdog=False)
    usable = [group for group in groups if topology.is_usable(configured, group, node)]
    if len(usable) == len(groups):
        return _by_levels(groups, node, found)
    words = "; ".join(words for words, _, _ in topology.wrong(configured, node))
    if usable:
        return found._replace(devices=[], unknown=words)
    return found._replace(devices=[], unknown="", unusable=words)


def _by_levels(groups, node, found):
    """Return the Fencing by those levels whose devices were all found to reach the node; pure."""
    if not groups or not found.devices:
        return found
    known = set(found.devices) | set([devices.WATCHDOG] if found.watchdog else [])
    whole = [[level for level in group if set(level.devices) <= known] for group in groups]
    if all(whole):
        names = set(name for group in whole for level in group for name in level.devices)
        return found._replace(devices=sorted(names & set(found.devices)))
    missing = sorted(set(name for group in groups for level in group
                         for name in level.devices) - known)
    return found._replace(devices=[], unknown="its fencing topology needs {0}, and that it reaches "
                          "{1} was not found out".format(" and ".join(missing), node))


def _by_devices(pacemaker, configured, seen, node):
    option, watchdog = options.fencing(configured, "enabled"), devices.ends_itself(configured, node)
    if option in configured.uncertain:
        return Fencing(True, [], False,
                       "a rule that only Pacemaker can judge decides on {0}".format(option))
    if not is_enabled(configured):
        return Fencing(False, [], watchdog, "")
    try:
        result = pacemaker.run("stonith_admin", "--list", node)
    except Problem as error:
        return Fencing(True, [], watchdog, str(error))
    if result.timed_out:
        return Fencing(True, [], watchdog, "stonith_admin gave no answer in time")
    found = listed(result.out)
    if not found and found is not None:
        return elsewhere(configured, seen, node, watchdog)
    if found is None:
        return Fencing(True, [], watchdog, "stonith_admin failed: {0}".format(
            " ".join((result.err or result.out).split()) or "status {0}".format(result.status)))
    return Fencing(True, found, watchdog, "")


def elsewhere(configured, seen, node, watchdog):
    """Return the Fencing by devices that run on other nodes, as they are configured; pure."""
    running = set(item.resource for item in seen.instances if item.role == "Started")
    answers = dict((device.name, devices.serves(configured, device, node))
                   for device in configured.devices if device.name in running)
    known = sorted(name for name in answers if answers[name])
    asking = sorted(name for name in answers if answers[name] is None)
    if not known and asking:
        return Fencing(True, [], watchdog, "{0} cannot be asked from this node".format(
            " and ".join(asking)))
    return Fencing(True, known, watchdog, "" if known or not devices.is_watchdog_unknown(
        configured) else "a rule that only Pacemaker can judge decides on SBD without a disk")


def flaws(configured, fencing):
    """Yield a Finding for each device of a Fencing that the fencer lists, and that may not fence
    the node; pure.
    """
    for name, item in itertools.chain(topology.aimless(configured), devices.unread(configured)):
        if fencing.enabled and name in fencing.devices:
            yield item


def is_possible(fencing):
    """Return whether the node can be fenced: True, False, or None where it is not known."""
    if not fencing.enabled:
        return False
    if fencing.devices or fencing.watchdog:
        return True
    return None if fencing.unknown else False


def is_enabled(configured):
    """Return whether fencing is on, as Pacemaker reads the cluster's properties."""
    return boolean(configured.properties.get(options.fencing(configured, "enabled")), True)


def listed(text):
    """Return the devices in what stonith_admin --list prints; None if it is no such list; pure.

    One name a line, then "N fence device(s) found" or "No devices found" (1.1: "N devices found").
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or "found" not in lines[-1].lower():
        return None
    return lines[:-1]
