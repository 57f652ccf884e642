"""paf check: the cluster as it is configured, and the clone of the resource. Pure."""

from paf.cli import finding
from paf.cli.configuration import is_true, names_of, vips_of

_DEVICE_WHY = "without fencing a lost primary may still be writing: no cluster is safe, and " \
              "Pacemaker waits for ever for a node that it cannot be sure of"


def fencing(configured, managed):
    """Fencing is enabled and every node can be fenced."""
    enabled = configured.properties.get(
        "stonith-enabled", configured.properties.get("fencing-enabled", "true"))
    if not is_true(enabled):
        yield finding.error("fencing is off (stonith-enabled={0})".format(enabled), _DEVICE_WHY,
                            finding.property_is("stonith-enabled", "true"))
    hosts, all_hosts = set(), False
    for device in configured.devices:
        listed = device.parameters.get("pcmk_host_list", "")
        mapped = device.parameters.get("pcmk_host_map", "")
        hosts.update(listed.replace(",", " ").split())
        hosts.update(word.split(":")[0] for word in mapped.replace(";", " ").split())
        # a device that lists nothing is asked, or takes any node
        all_hosts = all_hosts or not (listed or mapped)
    missing = [node for node in configured.nodes if node not in hosts and not all_hosts]
    if not configured.devices:
        missing = configured.nodes
    if missing:
        yield finding.error(
            "no fencing device for {0}".format(", ".join(missing)), _DEVICE_WHY,
            (["pcs stonith create fence-{0} AGENT pcmk_host_list={0} ...".format(node)
              for node in missing],
             ["crm configure primitive fence-{0} stonith:AGENT params pcmk_host_list={0} ..."
              .format(node) for node in missing]))


def properties(configured, managed):
    """The cluster's properties let it work."""
    policy = configured.properties.get("no-quorum-policy", "stop")
    if policy in ("ignore", "freeze"):
        yield finding.error(
            "no-quorum-policy={0}".format(policy),
            "the part of a torn cluster that has no quorum must stop its primary: else there "
            "are two. With two nodes, corosync's two_node=1 takes care of quorum",
            finding.property_is("no-quorum-policy", "stop"))
    if is_true(configured.properties.get("maintenance-mode", "false")):
        yield finding.warning(
            "maintenance-mode is on", "Pacemaker watches and does nothing: no failover",
            finding.property_is("maintenance-mode", "false"))
    if is_true(configured.properties.get("stop-all-resources", "false")):
        yield finding.error("stop-all-resources is on", "nothing is started at all",
                            finding.property_is("stop-all-resources", "false"))


def _meta(configured, managed, name, default):
    return managed.meta.get(name, configured.rsc_defaults.get(name, default))


def defaults(configured, managed):
    """Stickiness and migration-threshold suit a database."""
    stickiness = _meta(configured, managed, "resource-stickiness", "")
    # a clone has 1 by default
    if stickiness in ("", "0", "1"):
        yield finding.warning(
            "resource-stickiness is {0}".format(stickiness or "not set"),
            "the smallest preference may move the address, or the primary, without need",
            _set_meta(managed, "resource-stickiness", "10"))
    threshold = _meta(configured, managed, "migration-threshold", "INFINITY")
    if threshold.upper() in ("INFINITY", "0", "1000000"):
        yield finding.warning(
            "migration-threshold is not set",
            "an instance that fails again and again is recovered on the same node for ever",
            _set_meta(managed, "migration-threshold", "5"))
    elif threshold == "1":
        yield finding.warning(
            "migration-threshold is 1",
            "the first failure takes a node out, until somebody cleans up: the second one "
            "leaves nobody",
            _set_meta(managed, "migration-threshold", "5"))


def _set_meta(managed, name, value):
    """Return the cure: where the resource has a value of its own, there; else as a default."""
    if name in managed.meta:
        return finding.meta_is(managed.clone or managed.name, name, value)
    return finding.default_is(name, value)


def clone(configured, managed):
    """The resource is a promotable clone with notifications and one primary."""
    if not managed.clone:
        yield finding.error(
            "{0} is not cloned".format(managed.name), "it would run on one node only",
            (["pcs resource promotable {0} notify=true interleave=true".format(managed.name)],
             ["crm configure clone {0}-clone {0} meta promotable=true notify=true "
              "interleave=true".format(managed.name)]))
        return
    for name, wanted, why in _CLONE:
        value = managed.meta.get(name, "1" if wanted == "1" else "false")
        if (value != wanted) if wanted == "1" else not is_true(value):
            cure = finding.meta_is(managed.clone, name, wanted)
            if name == "interleave":
                yield finding.warning("{0} has not interleave=true".format(managed.clone), why,
                                      cure)
            else:
                yield finding.error("{0} has {1}={2}, not {3}".format(
                    managed.clone, name, value, wanted), why, cure)


_CLONE = (
    ("promotable", "true", "nobody would be promoted"),
    ("notify", "true", "without notifications there is no election: no instance starts"),
    ("promoted-max", "1", "PostgreSQL has one primary"),
    ("promoted-node-max", "1", "PostgreSQL has one primary"),
    ("clone-node-max", "1", "a node has one instance of it"),
    ("interleave", "true", "what is ordered after one instance waits for all instances"),
)


def running(configured, managed):
    """Pacemaker is allowed to run the resource."""
    target = managed.meta.get("target-role", "Started")
    if target not in ("Started", "Promoted", "Master"):
        yield finding.error(
            "target-role={0}".format(target), "somebody has disabled the resource",
            finding.both("crm_resource --resource {0} --meta --delete-parameter target-role".format(
                managed.clone or managed.name)))
    if not is_true(managed.meta.get("is-managed", "true")):
        yield finding.warning(
            "{0} is not managed".format(managed.name),
            "Pacemaker watches it and does nothing: no failover",
            finding.both("crm_resource --resource {0} --meta --delete-parameter is-managed".format(
                managed.clone or managed.name)))


def leftovers(configured, managed):
    """No constraint is left of a move or a ban."""
    names = names_of(managed) + tuple(vip.name for vip in vips_of(configured, managed))
    for name in names:
        found = [item.id for item in configured.constraints
                 if item.id.startswith("cli-") and item.values.get("rsc") == name]
        if found:
            yield finding.error(
                "left over from a move or a ban: {0}".format(", ".join(found)),
                "it ties {0} to a node, or keeps it off one, for ever: the next failover goes "
                "wrong".format(name),
                finding.both("crm_resource --clear --resource {0}".format(name)))
