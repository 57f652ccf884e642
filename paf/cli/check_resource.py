"""paf check: the resource's operations and parameters, and the address that follows it. Pure."""

from paf import metadata, ocf, parameters
from paf.cli import finding
from paf.cli.configuration import is_optional, names_of, vips_of

_NEEDED = ("start", "stop", "promote", "demote", "notify")
_TRACING = ["trace_ra", "trace_file"]    # Pacemaker's tools know these for any agent
_MONITORS = ((15.0, "Promoted"), (16.0, "Unpromoted"))


def _default_timeout(configured):
    from paf.cli.configuration import seconds
    return seconds(configured.operation_defaults.get("timeout", "20s")) or 20.0


def operations(configured, managed):
    """The operations have the timeouts that work."""
    for name in _NEEDED:
        least = float(metadata.timeout(name))
        found = [item for item in managed.operations if item.name == name]
        if not found and _default_timeout(configured) < least:
            yield finding.error(
                "{0} has no timeout of its own".format(name),
                "Pacemaker's default of {0:.0f} s is too short: it takes a slow {1} for a failed "
                "one".format(_default_timeout(configured), name),
                finding.operation_is_there(managed.name, name, 0, least))
        for item in found:
            timeout = _default_timeout(configured) if item.timeout is None else item.timeout
            if timeout < least:
                yield finding.warning(
                    "the timeout of {0} is {1:.0f} s".format(name, timeout),
                    "PostgreSQL may need longer, {0:.0f} s are advised; a demote or stop that "
                    "is too late has the node fenced".format(least),
                    finding.operation_has(item.id, "timeout", "{0:.0f}s".format(least)))
    for item in managed.operations:
        if item.values.get("on-fail") in ("ignore", "block") and item.name in (
                "stop", "demote", "promote", "monitor"):
            yield finding.error(
                "{0} has on-fail={1}".format(item.id, item.values["on-fail"]),
                "a failure of {0} would leave the cluster without a primary, or with two".format(
                    item.name),
                finding.operation_has(item.id, "on-fail", "fence" if item.name == "stop"
                                      else "restart"))


def monitors(configured, managed):
    """There is a monitor for each role, with intervals that differ."""
    found = [item for item in managed.operations if item.name == "monitor"]
    intervals = {}
    for usual, role in _MONITORS:
        if not [item for item in found if item.role == role and item.interval]:
            interval = _free(usual - 1, found)
            yield finding.error(
                "no recurring monitor for the role {0}".format(role),
                "nobody would notice that {0}".format(
                    "the primary is dead" if role == "Promoted" else "a standby is dead"),
                finding.operation_is_there(managed.name, "monitor", interval, 10, role))
    for item in found:
        if item.interval in intervals:
            yield finding.error(
                "{0} and {1} have the same interval".format(intervals[item.interval], item.id),
                "Pacemaker tells operations apart by name and interval: one of them is not run",
                finding.operation_has(item.id, "interval",
                                      "{0:.0f}s".format(_free(item.interval, found))))
        elif item.interval and item.interval > 60:
            yield finding.warning(
                "{0} has an interval of {1:.0f} s".format(item.id, item.interval),
                "a crash of PostgreSQL is noticed that late",
                finding.operation_has(item.id, "interval", "{0:.0f}s".format(
                    _free(14, found))))
        intervals[item.interval] = item.id


def _free(interval, found):
    taken = [item.interval for item in found]
    interval += 1
    while interval in taken:
        interval += 1
    return interval


def values(configured, managed):
    """The parameters are known to the agent and make sense."""
    known = [parameter.name for parameter in parameters.DECLARED] + _TRACING
    for name in sorted(managed.parameters):
        if name not in known:
            yield finding.error(
                "the agent has no parameter {0}{1}".format(name, _meant(name, known)),
                "it has no effect, whatever was meant by it",
                finding.both("crm_resource --resource {0} --delete-parameter {1}".format(
                    managed.name, name)))
    variables = dict(("OCF_RESKEY_" + name, value) for name, value in managed.parameters.items())
    read = parameters.read(ocf.Environment(variables))
    declared = dict((parameter.name, parameter) for parameter in parameters.DECLARED)
    for problem in parameters.problems(read):
        name = problem.split()[0]
        default = declared[name].default if name in declared else ""
        cure = ((), ())
        if default and not default.startswith("@"):
            cure = finding.parameter_is(managed.name, name, default)
        yield finding.error(problem, "the agent refuses to start with it", cure)


def _meant(name, known):
    plain = name.replace("_", "").lower()
    near = [other for other in known if other.replace("_", "") == plain]
    return ", {0} is meant?".format(near[0]) if near else ""


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
