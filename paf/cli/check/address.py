"""paf check: the virtual address that follows the primary. Pure."""

from paf.cli import finding
from paf.cli.configuration import is_optional, names_of, vips_of


def address(configured, managed):
    """The virtual address follows the primary and outlives its demotion."""
    if not managed.clone:
        return
    for vip in vips_of(configured, managed):
        name = vip.group or vip.name
        for found in _colocation(configured, managed, name):
            yield found
        for found in _orders(configured, managed, name):
            yield found
    if configured.vips and not vips_of(configured, managed):
        name = configured.vips[0].group or configured.vips[0].name
        yield finding.warning(
            "no constraint ties the address {0} to the primary".format(name),
            "if clients use it, they reach a standby",
            finding.join(finding.colocated(name, managed.clone),
                         finding.ordered(managed.clone, "promote", name, "start"),
                         finding.ordered(managed.clone, "demote", name, "stop")))


def _colocation(configured, managed, vip):
    found = [item for item in configured.constraints
             if item.kind == "colocation" and item.values.get("rsc") == vip
             and item.values.get("with-rsc") in names_of(managed)]
    why = "the address would stay on a node that is not the primary"
    if not found:
        yield finding.error("{0} is not colocated with the primary".format(vip), why,
                            finding.colocated(vip, managed.clone))
    for item in found:
        right = item.values.get("with-rsc-role") in ("Promoted", "Master")
        if not right or item.values.get("score", "INFINITY") not in ("INFINITY", "+INFINITY"):
            yield finding.error(
                "{0} does not tie {1} to the primary: {2}".format(
                    item.id, vip, "its score is below INFINITY" if right else
                    "it names no role Promoted"), why,
                finding.join(finding.without_constraint(item.id),
                             finding.colocated(vip, managed.clone)))


def _orders(configured, managed, vip):
    found = [item for item in configured.constraints
             if item.kind == "order" and item.values.get("first") in names_of(managed)
             and item.values.get("then") == vip]
    for first, then in (("promote", "start"), ("demote", "stop")):
        mine = [item for item in found if item.values.get("first-action") == first]
        wanted = finding.ordered(managed.clone, first, vip, then)
        if not mine:
            yield finding.error(
                "{0} has no order: {1}, then {2}".format(vip, first, then),
                "clients would reach a server that takes no writes yet" if first == "promote" else
                "standbys fetch the primary's last WAL through the address: it has to outlive "
                "the demotion, or the switchover is refused", wanted)
        for item in mine:
            if item.values.get("symmetrical", "true") != "false":
                yield finding.error(
                    "the order {0} is symmetrical".format(item.id),
                    "its reverse stops the address before the demotion, and standbys cannot "
                    "fetch the primary's last WAL",
                    finding.join(finding.without_constraint(item.id), wanted))
            elif then == "stop" and not is_optional(item):
                yield finding.warning(
                    "the order {0} is mandatory".format(item.id),
                    "Pacemaker does not stop the address in a transition without a demotion: the "
                    "shutdown of a node, or a failover, may wait without end",
                    finding.order_has(item.id, kind="Optional"))


def others(configured, managed):
    """No order makes the clone wait for the address."""
    names = [vip.group or vip.name for vip in vips_of(configured, managed)]
    for item in configured.constraints:
        if (item.kind == "order" and item.values.get("then") in names_of(managed)
                and item.values.get("first") in names):
            yield finding.error(
                "the order {0} starts the address before PostgreSQL".format(item.id),
                "clients would reach a standby",
                finding.without_constraint(item.id))
