"""Which devices fence a node, by the levels of the cluster's fencing topology. Pure.

Source: Pacemaker Explained, "Fencing Topologies". Where a node has levels, Pacemaker uses no other
device for it. A level succeeds only if all its devices do; where it fails, the next one is tried.
"""

import re
from collections import namedtuple

from paf.cli import devices, finding
from paf.cluster import rules

#: number: int, the lowest is tried first; devices: names (list of str), all of which are needed.
Level = namedtuple("Level", "number devices")

_NAME, _PATTERN, _ATTRIBUTE = "target", "target-pattern", "target-attribute"


def groups(configured, node):
    """Return the topologies (a list of lists of Levels in order) that may hold for a node.

    [] where it has none. One for the node's name wins. Of several that match by a pattern or by an
    attribute, Pacemaker takes any one.
    """
    found = {}
    for element in configured.root.findall("configuration/fencing-topology/fencing-level"):
        if _is_for(configured, element, node):
            found.setdefault(_target(element), []).append(Level(
                int(element.get("index") or 0), element.get("devices", "").split(",")))
    named = [key for key in found if key[0] == _NAME]
    return [sorted(found[key]) for key in sorted(named or found)]


def _target(element):
    return tuple((name, element.get(name), element.get("target-value"))
                 for name in (_NAME, _PATTERN, _ATTRIBUTE) if element.get(name) is not None)[0]


def _is_for(configured, element, node):
    """Return whether a level is for a node. A pattern that is none matches nothing."""
    if element.get(_NAME) is not None:
        return element.get(_NAME).lower() == node.lower()
    if element.get(_PATTERN) is not None:
        try:
            return rules.extended(element.get(_PATTERN)).search(node) is not None
        except re.error:
            return False
    return any(
        pair.get("name") == element.get(_ATTRIBUTE) and pair.get("value") == element.get(
            "target-value")
        for one in configured.root.findall("configuration/nodes/node") if one.get("uname") == node
        for pair in one.findall("instance_attributes/nvpair")) and bool(element.get(_ATTRIBUTE))


def aimless(configured):
    """Yield what devices.aimless does, but for what the levels of one node alone name.

    Where each node has levels, Pacemaker does not ask a device which nodes it is for.
    """
    used = [set(name for group in groups(configured, node) for level in group
                for name in level.devices) for node in configured.nodes]
    for name, item in devices.aimless(configured):
        if not all(used) or sum(name in names for names in used) > 1:
            yield name, item


def gaps(configured, level, node):
    """Yield (a device that a Level needs and that cannot fence the node, what is wrong with it)."""
    there = dict((device.name, device) for device in configured.devices)
    for name in level.devices:
        device = there.get(name)
        if device is None:
            # SBD without a disk needs no device
            if name != devices.WATCHDOG or not devices.watchdog(configured):
                yield name, "is no fencing device"
        elif devices.flaw(configured, device, node):
            yield name, devices.flaw(configured, device, node)
        elif devices.serves(configured, device, node) is False:
            yield name, "is not for {0}".format(node)


def is_usable(configured, group, node):
    """Return whether one of the Levels (a list) has all its devices."""
    return any(not list(gaps(configured, level, node)) for level in group)


def wrong(configured, node):
    """Yield (words on a Level that cannot be used, its cure, whether another one of it can)."""
    for group in groups(configured, node):
        for level in group:
            found = list(gaps(configured, level, node))
            if found:
                words = "level {0} of the fencing topology of {1} fails: {2}".format(
                    level.number, node, ", ".join("{0} {1}".format(*gap) for gap in found))
                yield words, _cure(configured, found, node), is_usable(configured, group, node)


def _cure(configured, found, node):
    """Return the cure for gaps of a level. One that is for other nodes is not changed."""
    there = dict((device.name, device) for device in configured.devices)
    cures = []
    for name, _ in found:
        if name in there and devices.is_disabled(there[name]):
            cures.append(devices.enabled(there[name]))
        elif name not in there and name != devices.WATCHDOG:
            cures.append(finding.new_device(name, node))
    return finding.join(*cures)
