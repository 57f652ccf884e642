"""paf check: the resource's operations and parameters. Pure."""

from paf import metadata, ocf, parameters
from paf.cli import finding
from paf.cli.configuration import seconds

_NEEDED = ("start", "stop", "promote", "demote", "notify")
_TRACING = ["trace_ra", "trace_file"]    # Pacemaker's tools know these for any agent
_MONITORS = ((15.0, "Promoted"), (16.0, "Unpromoted"))


def _default_timeout(configured):
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
