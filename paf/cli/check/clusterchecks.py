"""paf check: the cluster as it is configured, and the clone of the resource. Pure."""

import itertools

from paf.cli import delays, devices, finding, nodelist, topology
from paf.cli.configuration import (
    boolean, has_plain_defaults, is_certain, is_true, left_over, meta, names_of, not_let_in,
    place_of, points, seconds, strange, unfenced, vips_of)
from paf.cli.configuration import options
from paf.cli.operate import pauses

_DEVICE_WHY = "without fencing a lost primary may still be writing: no cluster is safe, and " \
              "Pacemaker waits without end for a node that it cannot be sure of"


def fencing(configured, managed):
    """Fencing is enabled and every node can be fenced."""
    option = options.fencing(configured, "enabled")
    enabled = configured.properties.get(option, "true")
    if option in configured.uncertain:
        yield _unjudged(option)
    elif not boolean(enabled, True):
        yield finding.error("fencing is off ({0}={1})".format(option, enabled), _DEVICE_WHY,
                            finding.property_is(option, "true"))
    for node in configured.nodes:
        for words, cure, is_spare in topology.wrong(configured, node):
            yield (finding.warning if is_spare else finding.error)(
                words, "where a node has a fencing topology, Pacemaker uses no other device for "
                "it, and a level fails with any of its devices", cure)
    for found in itertools.chain([item for _, item in topology.aimless(configured)],
                                 [item for _, item in devices.unread(configured)],
                                 devices.misnamed(configured), devices.of_disks(configured),
                                 _uncovered(configured), _unfenced(managed)):
        yield found


def _unfenced(managed):
    """Yield a Finding where a promotion does not wait for the fencing of the lost primary."""
    value = unfenced(managed)
    if not is_certain(managed, "requires"):
        yield _unjudged("requires")
    elif value:
        yield finding.error(*finding.requires_fencing(managed, value))


def _uncovered(configured):
    """Yield a Finding for the nodes that no device fences, and for SBD that does not do it."""
    missing = _without_device(configured)
    if devices.watchdog(configured) is False:
        yield finding.error(
            "SBD is configured to fence without a device ({0}), but Pacemaker sees no SBD with a "
            "watchdog".format(options.fencing(configured, "watchdog-timeout")),
            _DEVICE_WHY if missing else "where it sees no SBD, Pacemaker does not start with that",
            finding.both("systemctl enable sbd"))
    elif missing:
        found = [devices.lacking(configured, node) for node in missing]
        yield finding.error(
            "; ".join(["no fencing device for {0}".format(", ".join(missing))]
                      + [wrong for wrong, _ in found if wrong]), _DEVICE_WHY,
            finding.join(*[cure for _, cure in found]))
    if devices.is_watchdog_unknown(configured):
        yield _unjudged(options.fencing(configured, "watchdog-timeout"))
    unseen = {}
    for node in configured.nodes:
        if devices.covering(configured, node) is None and devices.asking(configured, node):
            unseen.setdefault(" or ".join(devices.asking(configured, node)), []).append(node)
    for names in sorted(unseen):
        yield finding.unseen(
            "whether {0} can fence {1} was not looked at".format(names, ", ".join(unseen[names])),
            "no list in the configuration says it: the device has to be asked, as "
            "stonith_admin --list {0} does".format(unseen[names][0]))


def _unjudged(name):
    """Return the Finding for an option that is not known, nor whether it is what it should be."""
    return finding.unseen("whether {0} is set is not known".format(name),
                          "a rule decides on it that only Pacemaker can judge")


def watchdogs(configured, votes):
    """Of two nodes that SBD fences without a device, one goes on by a quorum device.

    votes: votequorum.Votes, None where the cluster itself is not looked at.
    """
    if len(devices.members(configured)) != 2 or not is_left_to_watchdogs(configured):
        return
    if votes is None or votes.unknown:
        yield finding.unseen(
            "SBD without a device fences two nodes, and whether there is a quorum device was not "
            "looked at", "when the link between them breaks, both restart unless one decides")
    elif "Qdevice" not in votes.flags:
        yield finding.warning(
            "SBD without a device fences two nodes",
            "when the link between them breaks, both restart unless a quorum device decides",
            (["pcs quorum device add model net host=HOST algorithm=ffsplit"],
             ["crm cluster init qdevice --qnetd-hostname=HOST"]))


def _without_device(configured):
    """Return the names of the nodes (list of str) that nothing fences."""
    return [node for node in configured.nodes if devices.covering(configured, node) is False]


def is_left_to_watchdogs(configured):
    """Return whether SBD without a device is what fences a node."""
    return any(devices.ends_itself(configured, node) and not any(
        devices.serves(configured, device, node) for device in configured.devices
        if not devices.is_watchdog(device)) for node in configured.nodes)


#: Properties that keep the cluster from working where they are wrong.
_DECISIVE = ("no-quorum-policy", "startup-fencing", "maintenance-mode", "stop-all-resources",
             "symmetric-cluster")


def properties(configured, managed):
    """The cluster's properties let it work."""
    for name in _DECISIVE:
        if name in configured.uncertain:
            yield _unjudged(name)
    values = dict(pair for pair in configured.properties.items()
                  if pair[0] not in configured.uncertain)
    policy = values.get("no-quorum-policy", "stop").lower()
    if policy in ("ignore", "freeze"):
        yield finding.error(
            "no-quorum-policy={0}".format(policy),
            "the partition without quorum must stop its primary: else there "
            "are two. With two nodes, corosync's two_node=1 takes care of quorum",
            finding.property_is("no-quorum-policy", "stop"))
    if not boolean(values.get("startup-fencing"), True):
        yield finding.error(
            "startup-fencing is off",
            "when the cluster starts, a node that was not seen yet is taken to be off: a primary "
            "may still run there", finding.property_is("startup-fencing", "true"))
    outside = not_let_in(configured, names_of(managed))
    if outside and outside == configured.nodes:
        yield finding.error(*finding.let_in(managed.clone or managed.name, outside))
    if is_true(values.get("maintenance-mode", "false")):
        yield finding.warning(
            "maintenance-mode is on", "Pacemaker watches and does nothing: no failover",
            finding.property_is("maintenance-mode", "false"))
    if is_true(values.get("stop-all-resources", "false")):
        yield finding.error("stop-all-resources is on", "nothing is started at all",
                            finding.property_is("stop-all-resources", "false"))


def defaults(configured, managed):
    """Stickiness and migration-threshold suit a database."""
    stickiness = meta(managed, "resource-stickiness", "")
    # a clone has 1 by default
    if is_certain(managed, "resource-stickiness") and points(stickiness) in (0, 1):
        yield finding.warning(
            "resource-stickiness is {0}".format(stickiness or "not set"),
            "the smallest preference may move the address, or the primary, without need",
            _set_meta(configured, managed, "resource-stickiness", "10"))
    if not is_certain(managed, "migration-threshold"):
        return
    threshold = points(meta(managed, "migration-threshold", "INFINITY"), 1000000)
    if threshold <= 0 or threshold == 1000000:
        yield finding.warning(
            "migration-threshold is not set",
            "an instance that fails again and again is recovered on the same node without end",
            _set_meta(configured, managed, "migration-threshold", "5"))
    elif threshold == 1:
        yield finding.warning(
            "migration-threshold is 1",
            "the first failure takes a node out, until an administrator cleans up: after the "
            "second one no node is left",
            _set_meta(configured, managed, "migration-threshold", "5"))


def _set_meta(configured, managed, name, value):
    """Return the cure: where the resource has a value of its own, there; else as a default."""
    if name not in managed.meta:
        return finding.default_is(name, value) if has_plain_defaults(configured) else (
            finding.meta_is(managed.clone or managed.name, name, value))
    return finding.meta_is(_holder(managed, name), name, value)


def _holder(managed, name):
    """Return the id of the resource that has a meta attribute, of the primitive if it is unclear.

    What the primitive says itself wins over its template, its group and its clone.
    """
    origin = managed.origins.get(name)
    return origin if origin in names_of(managed) else managed.name


def clone(configured, managed):
    """The resource is a promotable clone with notifications and one primary."""
    for name in strange(names_of(managed)):
        yield finding.error(
            "the name {0!r} has other characters than those of ASCII".format(name),
            "Pacemaker's programs since 2.1 do not take it: {0}. Make it again under another "
            "name".format("no instance could be promoted" if name == managed.name else
                          "paf switchover could move nothing"))
    if not managed.clone:
        yield finding.error(
            "{0} is not cloned".format(managed.name), "it would run on one node only",
            (["pcs resource promotable {0} notify=true interleave=true".format(
                managed.group or managed.name)],
             ["crm configure clone {0}-clone {0} meta promotable=true notify=true "
              "interleave=true".format(managed.group or managed.name)]))
        return
    for name, wanted, why in _CLONE:
        value = meta(managed, name, "1" if wanted == "1" else "false")
        if not is_certain(managed, name) or _is(value, wanted):
            continue
        cure = finding.meta_is(managed.clone, name, wanted)
        if name == "interleave":
            yield finding.warning("{0} has not interleave=true".format(managed.clone), why, cure)
        else:
            yield finding.error("{0} has {1}={2}, not {3}".format(
                managed.clone, name, value, wanted), why, cure)
    if points(meta(managed, "clone-max"), 2) < 2:
        yield finding.error(
            "{0} has clone-max={1}".format(managed.clone, meta(managed, "clone-max")),
            "there is no standby: no node can take over",
            finding.both("crm_resource --force --resource {0} --meta --delete-parameter "
                         "clone-max".format(managed.clone))
            if managed.origins.get("clone-max") == managed.clone else ((), ()))
    if managed.group:
        yield finding.warning(
            "{0} is a member of the group {1}".format(managed.name, managed.group),
            "what else is in the group stops and starts with each instance. A switchover stops the "
            "old primary before the other is promoted (seen with 2.1.5): it takes longer, and is "
            "decided as a start of the cluster is; PAF was not tried so otherwise")


def _is(value, wanted):
    return points(value, None) == 1 if wanted == "1" else is_true(value) is (wanted == "true")


_CLONE = (
    ("promotable", "true", "no node would be promoted"),
    ("notify", "true", "without notifications there is no election: no instance starts"),
    ("globally-unique", "false", "each instance would have an election of its own: none starts"),
    ("promoted-max", "1", "PostgreSQL has one primary"),
    ("promoted-node-max", "1", "PostgreSQL has one primary"),
    ("clone-node-max", "1", "a node has one instance of it"),
    ("interleave", "true", "what is ordered after one instance waits for all instances"),
)

#: What keeps Pacemaker from running the resource: the meta attribute, its default.
_WATCHED = (("is-managed", True, "is not managed"), ("maintenance", False, "is in maintenance"))


def running(configured, managed):
    """Pacemaker is allowed to run the resource."""
    target = meta(managed, "target-role", "Started")
    if is_certain(managed, "target-role") and (
            target.lower() not in ("started", "promoted", "master")):
        yield finding.error(
            "target-role={0}".format(target), "the resource is disabled",
            finding.without_meta(managed, "target-role"))
    managing = boolean(configured.properties.get("is-managed-default"), True)
    for name, usual, words in _WATCHED:
        text = meta(managed, name, str(managing) if name == "is-managed" else "")
        if is_certain(managed, name) and boolean(text, usual) is not usual:
            paused = name == "maintenance" and pauses.end_of(configured.root, managed.name)
            yield finding.warning(
                "{0} {1}".format(managed.name, words if not paused else
                                 "is paused by paf pause, until {0}".format(paused)),
                "Pacemaker watches it and does nothing: no failover",
                # it looks first whether each server has the role that Pacemaker knows
                finding.without_meta(managed, name) if not paused else
                finding.both("paf resume --resource {0}".format(managed.name)))


def nodes(configured, managed):
    """No node is in maintenance."""
    for node in configured.nodes:
        if pauses.is_in_maintenance(configured.root, node):
            yield finding.warning(
                "{0} is in maintenance".format(node),
                "Pacemaker watches what runs there and does nothing: no recovery, no failover",
                finding.both("paf resume {0} --resource {1}".format(node, managed.name)))


def leftovers(configured, managed):
    """No constraint is left of a move or a ban."""
    names = set(names_of(managed))
    for vip in vips_of(configured, managed):
        names.update(place_of(vip))
    for name in sorted(names):
        found = left_over(configured, name)
        if found:
            yield finding.error(
                "left over from a move or a ban: {0}".format(", ".join(found)),
                "it ties {0} to a node, or keeps it off one: the next failover goes "
                "wrong".format(name),
                finding.both("crm_resource --clear --resource {0}".format(name)))


def removed(gone, listed):
    """No node is left of those that were removed: gone (list of str), listed as in nodelist."""
    if listed is None:
        yield finding.unseen("corosync's list of nodes is not known",
                             "a node that was removed may still be in Pacemaker's configuration")
    for name in gone:
        yield finding.error(nodelist.WORDS.format(name), nodelist.WHY, nodelist.cure(name))


def quorum(votes):
    """Where one of two nodes has quorum, it has seen the other since its start.

    votes: votequorum.Votes. Source: votequorum(5), two_node and wait_for_all.
    """
    if votes.unknown:
        yield finding.unseen("corosync's votes are not known: {0}".format(votes.unknown),
                             "without wait_for_all a cluster of two is not safe")
    elif "2Node" in votes.flags and "WaitForAll" not in votes.flags:
        yield finding.error(
            "two_node without wait_for_all",
            "a node that starts alone has quorum, fences the other, and is promoted with data that "
            "may be old: what the other one has taken since is lost. two_node: 1 implies "
            "wait_for_all, unless corosync.conf has wait_for_all: 0. pcs changes that only while "
            "the cluster is stopped on all nodes: clients have no server meanwhile",
            (["pcs cluster stop --all", "pcs quorum update wait_for_all=1",
              "pcs cluster start --all"], []))


#: Pacemaker gives the node with the primary a head start from here on.
_PRIORITY = (2, 0, 4)


def head_start(configured, managed, votes):
    """Of two nodes that do not hear each other one fences first.

    votes: votequorum.Votes; with a quorum device only one of them has quorum. Source: Pacemaker
    Explained, priority-fencing-delay, pcmk_delay_base, pcmk_delay_max.
    """
    if votes.unknown:
        yield finding.unseen("corosync's votes are not known: {0}".format(votes.unknown),
                             "of two nodes that fence each other one has to have a head start")
        return
    enabled = configured.properties.get(options.fencing(configured, "enabled"), "true")
    used = [device for device in configured.devices if not devices.is_disabled(device)]
    if "2Node" not in votes.flags or not boolean(enabled, True) or not used:
        return
    known = options.release(configured)
    has_priority = not () < known < _PRIORITY
    waits = delays.are_equal(configured)
    if waits is None or has_priority and seconds(
            configured.properties.get("priority-fencing-delay")) and any(
                _has_priority(configured, managed)):
        return
    cure = finding.join(finding.property_is("priority-fencing-delay", "10s"), finding.meta_is(
        managed.clone or managed.name, "priority", "1"))
    if not has_priority:
        cure = finding.both("crm_resource --resource {0} --set-parameter {1} "
                            "--parameter-value {2}s".format(
                                used[0].name, *delays.parameter(configured, used[0])))
    yield finding.warning(
        "both nodes wait {0:.0f} s before they fence each other".format(waits) if waits else
        "no node has a head start when two fence each other",
        "when the link between them breaks, each fences the other: both may go off at once, and "
        "after that wait for each other. A head start costs its time at the loss of the node "
        "that has it", cure)


def _has_priority(configured, managed):
    """Yield whether the resource has a priority, and each address that follows the primary."""
    yield points(meta(managed, "priority", "0")) > 0
    for vip in vips_of(configured, managed):
        yield points(vip.meta.get("priority", "0")) > 0
