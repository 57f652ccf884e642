"""What administrators have ordered, and may have forgotten: modes, meta attributes, constraints.

Pure. Each rule takes (report, view.View, Configuration, Managed, report.Facts).
"""

from paf.cli import configuration, finding, view
from paf.cli.configuration import is_true
from paf.cli.operate import pauses
from paf.cli.status.concern import FAILOVER, NO_ACTION, OTHER, UP, concern


def cluster(found, seen, configured, managed, facts):
    """No property keeps Pacemaker from acting."""
    if seen.maintenance or is_true(configured.properties.get("maintenance-mode", "false")):
        yield concern(
            "maintenance-mode", FAILOVER, "maintenance-mode is on",
            "Pacemaker watches and does nothing: a crash or a lost node stays as it is",
            finding.property_is("maintenance-mode", "false"))
    if is_true(configured.properties.get("stop-all-resources", "false")):
        yield concern(
            "stop-all", UP, "stop-all-resources is on", "Pacemaker stops everything and starts "
            "nothing", finding.property_is("stop-all-resources", "false"))
    if configured.properties.get("no-quorum-policy", "stop").lower() == "ignore":
        yield concern(
            "no-quorum-policy", OTHER, "no-quorum-policy is ignore",
            "each half of a cluster whose network is cut promotes a primary of its own",
            finding.property_is("no-quorum-policy", "stop"))
    outside = configuration.not_let_in(configured, configuration.names_of(managed))
    if outside and outside == configured.nodes:
        yield concern("opt-in", UP, *finding.let_in(managed.clone or managed.name, outside))


def resource(found, seen, configured, managed, facts):
    """No meta attribute keeps Pacemaker from running, promoting and recovering the resource."""
    name = managed.clone or managed.name
    target = configuration.meta(managed, "target-role")
    if target.lower() == "stopped":
        yield concern(
            "disabled", UP, "{0} is disabled (target-role=Stopped)".format(name),
            "Pacemaker keeps it stopped", _by_shell(managed, "target-role", "enable", "start"))
    elif target.lower() in ("unpromoted", "slave"):
        yield concern("target-role", FAILOVER, "{0} has target-role={1}".format(name, target),
                      "Pacemaker promotes no node and demotes the primary",
                      finding.without_meta(managed, "target-role"))
    if is_true(configuration.meta(managed, "maintenance") or "false"):
        yield _maintenance(configured, managed, name)
    managing = configuration.meta(managed, "is-managed")
    default = configured.properties.get("is-managed-default", "true")
    if not is_true(managing or default):
        yield concern("unmanaged", FAILOVER, "{0} is not managed".format(name),
                      "Pacemaker watches it and does nothing",
                      _by_shell(managed, "is-managed", "manage", "manage"))


def _by_shell(managed, option, pcs, crm):
    """Return the cure by the shells' own verbs, where they change the option that holds."""
    if managed.origins.get(option) not in configuration.names_of(managed):
        return finding.without_meta(managed, option)
    name = managed.clone or managed.name
    return (["pcs resource {0} {1}".format(pcs, name)], ["crm resource {0} {1}".format(crm, name)])


def unmanaged(found, seen, configured, managed, facts):
    """Pacemaker itself says of no instance that it does not manage it, for whatever reason.

    A rule with a recurring date may decide that, which Pacemaker alone judges.
    """
    if seen.maintenance or any(item.code in NO_ACTION for rule in (cluster, resource)
                               for item in rule(found, seen, configured, managed, facts)):
        return
    out_of_hand = [node for node in found["nodes"] if not node["managed"]
                   and view.MAINTENANCE not in [node["membership"]] + node["flags"]]
    for name in [node["node"] for node in out_of_hand if node["blocked"]]:
        yield concern(
            "blocked", FAILOVER if found["primary"] == name else OTHER,
            "{0} is blocked on {1}".format(managed.name, name),
            "Pacemaker does nothing with the instance until its failure is cleaned up: the "
            "operation has on-fail=block, or its stop has failed where fencing is off. End first "
            "what kept it from stopping", finding.both(
                "crm_resource --cleanup --resource {0} --node {1}".format(managed.name, name)),
            name)
    names = [node["node"] for node in out_of_hand if not node["blocked"]]
    if names:
        yield concern(
            "unmanaged", FAILOVER if found["primary"] in names else OTHER,
            "Pacemaker does not manage {0} on {1}".format(managed.name, " and ".join(names)),
            "it watches the instance and does nothing; no option here says why: look for rules "
            "with dates", finding.both("cibadmin --query --scope resources"))


def _maintenance(configured, managed, name):
    """Return the Concern about a resource in maintenance, by any option."""
    end = pauses.end_of(configured.root, managed.name)
    if end is None:
        return concern("resource-maintenance", FAILOVER, "{0} is in maintenance".format(name),
                       "Pacemaker watches it and does nothing",
                       finding.without_meta(managed, "maintenance"))
    return concern(
        "paused", FAILOVER, "{0} is paused by paf pause{1}".format(
            name, ", until {0}".format(end) if end else ""),
        "Pacemaker watches it and does nothing until then",
        finding.both("paf resume --resource {0}".format(managed.name)))


def constraints(found, seen, configured, managed, facts):
    """No constraint is left of a move or a ban."""
    places = [name for vip in configuration.vips_of(configured, managed)
              for name in (vip.group, vip.name) if name]
    for name in configuration.names_of(managed) + tuple(places):
        left = configuration.left_over(configured, name)
        if left:
            yield concern(
                "left-over-constraint", FAILOVER,
                "left over from a move or a ban: {0}".format(", ".join(left)),
                "it ties {0} to a node, or keeps it off one: the next failover may go wrong, or "
                "the primary move back. Unless a switchover or restart is under way: that takes it "
                "away itself".format(name),
                finding.both("crm_resource --clear --resource {0}".format(name)))


def tickets(found, seen, configured, managed, facts):
    """Every ticket that the resource needs is granted. Source: Pacemaker Explained, "Tickets"."""
    granted = set(item.get("id") for item in configured.root.findall("status/tickets/ticket_state")
                  if is_true(item.get("granted")) and not is_true(item.get("standby")))
    wanted = set(item.values.get("ticket", "") for item in
                 configuration.constraints_on(configured, managed, "ticket"))
    for name in sorted(wanted - granted):
        yield concern(
            "ticket", FAILOVER, "the ticket {0} is not granted to this cluster".format(name),
            "a constraint binds {0} to it: without it Pacemaker promotes, or starts, no "
            "instance".format(managed.clone or managed.name),
            finding.both("crm_ticket --details --ticket {0}".format(name)))


def scores(found, seen, configured, managed, facts):
    """No transient promotion score covers the one that the agent keeps."""
    attribute = "master-{0}".format(managed.name)
    for node, state in configuration.node_states(configured.root):
        for pair in state.findall("transient_attributes/instance_attributes/nvpair"):
            if pair.get("name") == attribute:
                yield concern(
                    "transient-score", FAILOVER, "{0} has a transient promotion score, {1}".format(
                        node, pair.get("value", "")),
                    "it hides the permanent one, by which the agent chooses who is promoted, until "
                    "the next monitor of the primary; an administrator or another agent has set "
                    "it", finding.both(
                        "crm_attribute --type status --node {0} --name {1} --delete".format(
                            node, attribute)), node)
