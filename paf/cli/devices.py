"""Which nodes the fencing devices are for, as far as the cluster's configuration says. Pure.

Source: pacemaker-fenced(7), pcmk_host_*; fenced_commands.c and fenced_scheduler.c of Pacemaker
3.0.2, for what it does with a device that is disabled, banned, or of SBD without a disk.
"""

from paf.cli import finding
from paf.cli.configuration import (
    barred, boolean, guests, is_true, options, place_of, plain_seconds)

#: By what Pacemaker knows the nodes of a device: lists in its parameters; none, it takes any node;
#: the device's own answer; nothing, it is used for no node.
LISTED, ANY, ASKED, UNUSED = "listed", "any", "asked", "unused"
_CHECKS = {"static-list": LISTED, "none": ANY, "dynamic-list": ASKED, "status": ASKED}

#: What Pacemaker calls SBD without a disk, where it is a device: the resource and its agent.
WATCHDOG = "watchdog"
_WATCHDOG_AGENT = "fence_watchdog"

#: Agents of a board that has no other machine than its own: without a list of nodes Pacemaker asks
#: for the status, and takes any answer to mean that the board is the one of the node in question.
_BOARDS = ("fence_ipmilan", "fence_idrac", "fence_imm", "fence_ilo3", "fence_ilo4", "fence_ilo5",
           "fence_ilo6")

#: Agents that write a message for SBD, which has to run on the node that is to end itself.
_OF_SBD = ("fence_sbd", "external/sbd")

#: Agents that cut a node off from disks that nodes share.
_OF_DISKS = ("fence_scsi", "fence_mpath")


def known_by(device):
    """Return by what Pacemaker knows the nodes of a device (Primitive)."""
    check = device.parameters.get("pcmk_host_check")
    if check is not None:
        return _CHECKS.get(check.lower(), UNUSED)
    return LISTED if "pcmk_host_list" in device.parameters or (
        "pcmk_host_map" in device.parameters) else ASKED


def listed(device):
    """Return the nodes (set, in small letters: their case does not count) that a device lists."""
    names = device.parameters.get("pcmk_host_list", "").lower()
    found = set(names.replace(",", " ").replace(";", " ").split())
    # a comma is between the ports of one node
    for word in device.parameters.get("pcmk_host_map", "").lower().replace(";", " ").split():
        name, _, port = word.replace("=", ":").partition(":")
        if port and port[-1] != ",":
            found.add(name)
    return found


def serves(configured, device, node):
    """Return whether a device can fence a node: True, False, or None where it has to be asked."""
    if flaw(configured, device, node):
        return False
    if is_watchdog(device):
        return not listed(device) or node.lower() in listed(device)
    by = known_by(device)
    if by == LISTED:
        return node.lower() in listed(device)
    return {ANY: True, ASKED: None}.get(by, False)


def flaw(configured, device, node):
    """Return why Pacemaker does not use a device for a node (str), whatever it lists; or ""."""
    if is_disabled(device):
        return "is disabled"
    if is_watchdog(device):
        return _misused(configured, device)
    if len(configured.nodes) > 1 and not _users(configured, device, node):
        return "may run on no other node"
    return ""


def is_disabled(device):
    """Return whether a device is not used, since it is to be stopped."""
    return device.meta.get("target-role", "").lower() == "stopped"


def is_watchdog(device):
    """Return whether a device is made for SBD without a disk."""
    return device.kind[-1] == _WATCHDOG_AGENT or device.name == WATCHDOG


def _misused(configured, device):
    """Return why Pacemaker ignores a device of SBD without a disk; "" where it does not."""
    if device.kind[-1] != _WATCHDOG_AGENT:
        return "is not used: only {0} may be called so".format(_WATCHDOG_AGENT)
    if device.name != WATCHDOG:
        return "is not used: it has to be called {0}".format(WATCHDOG)
    name = options.fencing(configured, "watchdog-timeout")
    found = watchdog(configured)
    return "" if found else "is not used: {0}".format(
        "{0} is not set".format(name) if found is None else "no SBD with a watchdog runs")


def _users(configured, device, node):
    """Return the nodes (list) other than `node` that constraints let use a device."""
    away = barred(configured, place_of(device))
    return [name for name in members(configured) if name not in away and name != node]


def members(configured):
    """Return the nodes (list) that are in corosync's cluster, not reached by a resource."""
    remote = [item.get("uname") for item in configured.root.findall("configuration/nodes/node")
              if item.get("type") == "remote"]
    return [name for name in configured.nodes if name not in remote]


def watchdog(configured):
    """Return whether SBD fences without a device; None where that is not configured.

    Pacemaker itself sets have-watchdog, where it finds a running SBD.
    """
    if is_watchdog_unknown(configured) or watchdog_timeout(configured) == 0:
        return None
    return is_true(configured.properties.get("have-watchdog", "false"))


def watchdog_timeout(configured):
    """Return after which time (seconds) a lost node counts as off by SBD without a disk; 0: never.

    None for twice SBD's own timeout: so Pacemaker takes a negative time, and what is none.
    """
    return plain_seconds(configured.properties.get(
        options.fencing(configured, "watchdog-timeout"), "0"))


def ends_itself(configured, node):
    """Return whether a lost node counts as off because SBD without a disk has ended it."""
    limits = limited_to(configured)
    return watchdog(configured) is True and (not limits or node.lower() in limits)


def limited_to(configured):
    """Return the only nodes (set, in small letters) that SBD without a disk is for; empty: all."""
    return set(name for device in configured.devices if is_watchdog(device)
               and not is_disabled(device) and not _misused(configured, device)
               for name in listed(device))


def covering(configured, node):
    """Return whether a node can be fenced by a device or by itself; None where one has to be asked.

    A guest node is fenced by a stop of what it runs in.
    """
    if node.lower() in [name.lower() for name in guests(configured)]:
        return True
    found = [serves(configured, device, node) for device in configured.devices]
    if True in found or ends_itself(configured, node):
        return True
    return None if None in found or is_watchdog_unknown(configured) else False


def is_watchdog_unknown(configured):
    """Return whether a rule decides on SBD without a disk that cannot be judged here."""
    return options.fencing(configured, "watchdog-timeout") in configured.uncertain


def asking(configured, node):
    """Return the names (list) of the devices that have to be asked whether they fence a node."""
    return [device.name for device in configured.devices
            if serves(configured, device, node) is None]


def aimless(configured):
    """Yield (name, Finding) of each device that fences its one machine, for any node that is lost.
    """
    for device in configured.devices:
        if (device.kind[-1] in _BOARDS and known_by(device) in (ANY, ASKED)
                and not is_disabled(device) and len(configured.nodes) > 1):
            yield device.name, finding.error(
                "{0} names no node".format(device.name),
                "{0} has one machine only, and Pacemaker would use it for any node: it would power "
                "that machine off, take the lost node for off, and promote beside it".format(
                    device.kind[-1]),
                (["pcs stonith update {0} pcmk_host_list=NODE pcmk_host_check=static-list".format(
                    device.name)],
                 ["crm resource param {0} set pcmk_host_list NODE".format(device.name),
                  "crm resource param {0} set pcmk_host_check static-list".format(device.name)]))


def misnamed(configured):
    """Yield a Finding for each device of SBD without a disk that Pacemaker ignores."""
    for device in configured.devices:
        wrong = is_watchdog(device) and not is_disabled(device) and _misused(configured, device)
        is_well_named = (device.kind[-1], device.name) == (_WATCHDOG_AGENT, WATCHDOG)
        if wrong and not (is_well_named and watchdog(configured) is False):
            yield finding.error(
                "{0} {1}".format(device.name, wrong), "fence_watchdog limits SBD without a disk to "
                "the nodes that it lists. It is no fencing device by itself")


def unread(configured):
    """Yield (name, Finding) of each device whose messages no SBD reads.

    have-watchdog is of the DC's node, and there wherever Pacemaker has run.
    """
    seen = configured.properties.get("have-watchdog")
    for device in configured.devices:
        if device.kind[-1] not in _OF_SBD or is_disabled(device) or is_true(seen):
            continue
        if seen is None:
            yield device.name, finding.unseen(
                "whether SBD runs, which {0} needs, was not looked at".format(device.name),
                "Pacemaker notes it in the configuration once it runs (have-watchdog)")
        else:
            yield device.name, finding.error(
                "{0} writes to SBD's disk, but Pacemaker sees no SBD".format(device.name),
                "nothing reads the message: the node runs on, and counts as off",
                finding.both("systemctl enable sbd"))


def of_disks(configured):
    """Yield a Finding for what a device does not do that cuts a node off its disks.

    Pacemaker looks for provides=unfencing in the CIB, not in the agent's meta-data.
    """
    for device in configured.devices:
        if device.kind[-1] not in _OF_DISKS or is_disabled(device):
            continue
        if device.meta.get("provides", "").lower() != "unfencing":
            yield finding.error(
                "{0} has not provides=unfencing".format(device.name),
                "Pacemaker does not let a node back to the disks, neither at the start of the "
                "cluster nor after it was fenced",
                finding.meta_is(device.name, "provides", "unfencing"))
        yield finding.warning(
            "{0} cuts a node off its disks, and leaves it on".format(device.name),
            "an old primary keeps its address and answers queries, and takes writes unless its "
            "data directory and its WAL are on these disks. Add a device that powers it off, or a "
            "watchdog that resets a node whose key is gone (the agent's page has it)")


def lacking(configured, node):
    """Return (what is wrong with the fencing devices that a node has, "" for none; the cure).

    A device that is configured for the node is not made a second time.
    """
    there = [device for device in configured.devices if node.lower() in listed(device)
             and not is_watchdog(device) and known_by(device) == LISTED]
    flaws = [(device, flaw(configured, device, node)) for device in there]
    wrong = [(device, words) for device, words in flaws if words]
    if wrong:
        return _joined(wrong), finding.join(*[
            enabled(device) if is_disabled(device) else _let(configured, device, node)
            for device, words in wrong])
    if there:
        return "{0} does not run".format(" and ".join(item.name for item in there)), finding.both(
            *["crm_resource --cleanup --resource {0}".format(item.name) for item in there])
    limits = limited_to(configured)
    if watchdog(configured) and limits:
        return "the device {0} limits SBD to {1}".format(
            WATCHDOG, ", ".join(sorted(limits))), finding.new_device("fence-" + node, node)
    return "", finding.new_device("fence-" + node, node)


def _joined(wrong):
    """Return what is wrong with devices: pairs of a device and words."""
    all_words = sorted(set(words for _, words in wrong))
    return ", ".join("{0} {1}".format(" and ".join(
        device.name for device, its in wrong if its == words), words) for words in all_words)


def enabled(device):
    """Return the cure that enables a device: where it is disabled itself, and where by another."""
    if device.origins.get("target-role") == device.name:
        return finding.enabled(device.name)
    return finding.meta_is(device.name, "target-role", "Started")


def _let(configured, device, node):
    """Return the cure that lets other nodes than the one it fences use a device."""
    if not boolean(configured.properties.get("symmetric-cluster"), True):
        return finding.let_in(device.name, [
            name for name in configured.nodes if name != node])[2]
    bans = [item for item in configured.constraints
            if item.kind == "location" and item.values.get("rsc") == device.name and item.whole
            and not item.rules and item.score <= -1000000 and item.node != node]
    return finding.join(*[finding.without_constraint(item.id) for item in bans])


def has_usable(configured, node):
    """Return whether a device is for a node, and all that are can be used: by other nodes."""
    there = [serves(configured, device, node) for device in configured.devices
             if node.lower() in listed(device)]
    return bool(there) and False not in there
