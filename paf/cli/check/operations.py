"""paf check: the resource's operations and parameters. Pure."""

from paf import metadata, ocf, parameters
from paf.cli import finding
from paf.cli.configuration import AGENT, default_timeout
from paf.instance.server import quoted

_NEEDED = ("start", "stop", "promote", "demote", "notify")
#: Operations whose failure has to be recovered, and values of on-fail that do not.
_RECOVERED = ("stop", "demote", "promote", "monitor")
_NO_RECOVERY = ("ignore", "block", "stop")
_TRACING = ["trace_ra", "trace_file"]    # Pacemaker's tools know these for any agent
#: Parameters whose default is safe, whatever was meant. That of maxlag removes a limit, that of
#: pgdata is another directory.
_DEFAULT_WILL_DO = ("rejoin", "crash_watch", "slots")
_EXAMPLES = {"maxlag": ", e.g. maxlag=1000000",
             "pgport": ", that of the server (SHOW port), e.g. pgport=5433"}
_MONITORS = ((15.0, "Promoted"), (16.0, "Unpromoted"))


def operations(configured, managed):
    """The operations have the timeouts that work."""
    for name in _NEEDED:
        least = float(metadata.timeout(name))
        found = [item for item in managed.operations if item.name == name]
        usual = default_timeout(configured, managed, name)
        if not found and usual < least:
            yield finding.error(
                "{0} has no timeout of its own".format(name),
                "Pacemaker's default of {0:.0f} s is too short: it counts a slow {1} as a failed "
                "one".format(usual, name),
                finding.operation_is_there(managed.name, name, 0, least))
        for item in found:
            if item.timeout < least:
                yield finding.warning(
                    "the timeout of {0} is {1:.0f} s".format(name, item.timeout),
                    "PostgreSQL may need longer, {0:.0f} s are advised; a demote or stop that "
                    "is too late has the node fenced".format(least),
                    finding.operation_has(item.id, "timeout", "{0:.0f}s".format(least)))
    for found in _failures(configured, managed):
        yield found


def _failures(configured, managed):
    """Yield a Finding for each operation with a wrong on-fail, its own or from op_defaults."""
    why = "a failure of {0} would leave the cluster without a primary, or with two"
    for item in managed.operations:
        if item.values.get("on-fail", "").lower() in _NO_RECOVERY and item.name in _RECOVERED:
            yield finding.error(
                "{0} has on-fail={1}".format(item.id, item.values["on-fail"]),
                why.format(item.name), finding.operation_has(
                    item.id, "on-fail", "fence" if item.name == "stop" else "restart"))
    there = [item.name for item in managed.operations]
    names = [name for name in _RECOVERED if name not in there and configured.of_operations(
        AGENT, name).get("on-fail", "").lower() in _NO_RECOVERY]
    if names:
        yield finding.error(
            "op_defaults have on-fail={0}".format(
                configured.of_operations(AGENT, names[0])["on-fail"]),
            why.format(" or ".join(names)),
            finding.both("cibadmin --delete --force --xpath \"//op_defaults/meta_attributes/"
                         "nvpair[@name='on-fail']\"") if _is_plain(configured) else ((), ()))


def _is_plain(configured):
    """Return whether op_defaults are one set without rules, which the tools can change."""
    sets = configured.root.findall("configuration/op_defaults/meta_attributes")
    return len(sets) == 1 and sets[0].find("rule") is None and not sets[0].get("id-ref") and (
        not any(pair.get("id-ref") for pair in sets[0].findall("nvpair")))


def monitors(configured, managed):
    """There is a monitor for each role, with intervals that differ."""
    found = [item for item in managed.operations if item.name == "monitor" and item.interval]
    used = [item for item in found if item.enabled]
    taken = [item.interval for item in found]
    for usual, role in _MONITORS:
        if [item for item in used if _role(item) == role]:
            continue
        off = [item for item in found if _role(item) == role and item.id]
        if off:
            cure = finding.operation_has(off[0].id, "enabled", "true")
        else:
            interval = _free(usual - 1, taken)
            taken.append(interval)
            cure = finding.operation_is_there(managed.name, "monitor", interval, 10, role)
        yield finding.error(
            "no recurring monitor for the role {0}".format(role),
            "the cluster would not notice that {0}".format(
                "the primary is dead" if role == "Promoted" else "a standby is dead"), cure)
    intervals = {}
    for item in used:
        if item.interval in intervals:
            interval = _free(item.interval, taken)
            taken.append(interval)
            yield finding.error(
                "{0} and {1} have the same interval".format(intervals[item.interval], item.id),
                "Pacemaker knows operations by name and interval: one of them is not run",
                finding.operation_has(item.id, "interval", "{0:.0f}s".format(interval)))
        elif item.interval > 60:
            interval = _free(14, taken)
            taken.append(interval)
            yield finding.warning(
                "{0} has an interval of {1:.0f} s".format(item.id, item.interval),
                "a crash of PostgreSQL is noticed that late",
                finding.operation_has(item.id, "interval", "{0:.0f}s".format(interval)))
        intervals[item.interval] = item.id


def _role(item):
    """Return the role that a monitor is for: without one, a standby's (Pacemaker Explained,
    "Monitoring Promotable Clone Resources").
    """
    return item.role or "Unpromoted"


def _free(interval, taken):
    """Return the first whole number of seconds above `interval` that no operation has."""
    interval = int(interval) + 1
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
                "it has no effect",
                _without_parameter(managed, name))
    variables = dict(("OCF_RESKEY_" + name, value) for name, value in managed.parameters.items())
    read = parameters.read(ocf.Environment(variables))
    declared = dict((parameter.name, parameter) for parameter in parameters.DECLARED)
    for problem in parameters.problems(read):
        name = problem.split()[0]
        why, cure = "the agent refuses to start with it", ((), ())
        if name in _DEFAULT_WILL_DO:
            if managed.origins.get(name) != "":    # by a reference, a rule, of several sets: no
                cure = finding.parameter_is(managed.name, name, declared[name].default)
        else:
            why += "; write the value that is meant{0}".format(_EXAMPLES.get(name, ""))
        yield finding.error(problem, why, cure)


def _without_parameter(managed, name):
    """Return the cure that removes a parameter where it is set, in a template also."""
    if managed.origins.get(name) == managed.name:
        return finding.both("crm_resource --resource {0} --delete-parameter {1}".format(
            managed.name, quoted([name])))
    if managed.origins.get(name) == managed.of_template != "":
        return finding.both(
            "cibadmin --delete --force --xpath \"//template[@id='{0}']/instance_attributes/"
            "nvpair[@name='{1}']\"".format(managed.of_template, name))
    return (), ()


def _meant(name, known):
    plain = name.replace("_", "").lower()
    near = [other for other in known if other.replace("_", "") == plain]
    return ", {0} is meant?".format(near[0]) if near else ""
