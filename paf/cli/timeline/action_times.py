"""From facts to actions: what ran where, from when to when, with what result. Pure.

The CIB's changes, which every node logs, cover all nodes. What only the log of the DC has is added:
notifications, and when a fencing began.
"""

from collections import namedtuple

from paf import codes
from paf.cli.timeline import changes, logs

#: One action. Times: seconds since the epoch; end: None if the logs do not have it; result: "ok"...
Action = namedtuple("Action", "resource operation node start end result reason")

#: A crash that crash_watch has reported to Pacemaker, with crm_resource --fail.
CRASH, _REPORTED = "crash", "asyncmon"
#: The agent refused to promote; this is not a Pacemaker operation.
REFUSE = "refuse"
#: What a recurring monitor found that expected something else: for it this is a failure.
GONE = "not running any more"
CHANGES = ("start", "stop", "promote", "demote")

_GOOD = ("ok", "not running", "promoted", "master", "done", "degraded", "ocf_degraded",
         "promoted (degraded)", "ocf_degraded_master")
_RESULTS = {0: "ok", 1: "error", 2: "invalid parameter", 3: "unimplemented feature",
            4: "insufficient privileges", 5: "not installed", 6: "not configured",
            7: "not running", 8: "promoted", 9: "promoted (failed)", 189: "not connected",
            190: "degraded", 191: "promoted (degraded)", 198: "timed out"}
_NOT_RUNNING = _RESULTS[7]
_LATE = 2.0         # a node and the DC log the end of an action at about the same time
_REJOINED = 30.0    # seconds in which a node that has come gets attributes that were set before
_LOST = 600.0       # a fencing that ends later has nothing to do with that loss of the node
_CLAIMED = "switchover refused"
_CRASHED = "failed_because-"


def is_good(result):
    """Return whether a result is a success."""
    return result.strip().lower() in _GOOD


def failed(result):
    """Return whether a result is a failure."""
    return bool(result) and not is_good(result) and result.lower() != "cancelled"


def actions(facts, live=()):
    """Return (Actions in the order of their start, those that only the present CIB has).

    facts: logs.LogFacts; live: what changes.of_cib yields of the present CIB.
    """
    runs, own = _runs(facts, live)
    found = _of_the_dc(facts)
    reasons = _explanations(facts)
    merged, only_live = [], []
    for run in runs:
        item = _action(run, reasons)
        if item is None:
            continue
        for other in [other for other in found if _is_same(item, other)]:
            found.remove(other)
            item = item._replace(reason=item.reason or other.reason)
        merged.append(item)
        if run not in own:
            only_live.append(item)
    return sorted(found + merged + _refusals(facts), key=lambda item: item.start), only_live


def _runs(facts, live):
    names = dict((fact.values["id"], fact.values["name"]) for fact in facts if fact.kind == "name")
    runs = changes.Runs(names)
    for fact in facts:
        if fact.kind == "op":
            runs.add(dict(fact.values), fact.moment)
    own = set(runs.found())
    for values in live:
        runs.add(values, 0.0, live=True)
    return runs.found(), own


def _action(run, reasons):
    """Return the Action of a changes.Run; None for what changed nothing and failed nothing."""
    operation = CRASH if run.operation == _REPORTED else run.operation
    result = "" if run.rc is None else (
        "ok" if run.rc == run.expected else _RESULTS.get(run.rc, "status {0}".format(run.rc)))
    if operation == "monitor" and result == _NOT_RUNNING and run.interval:
        result = GONE
    if operation == "monitor" and (run.interval == 0 or not failed(result)):
        return None
    reason = run.reason
    if operation == CRASH:
        near = [text for node, moment, resource, text in reasons if node == run.node
                and resource == run.resource and abs(moment - run.start) < _LATE]
        reason = near[-1] if near else reason
    start = run.start
    if operation in ("monitor", CRASH):
        # of these only the moment is known
        start = run.end if run.end is not None and not run.coarse else run.start
    return Action(run.resource, operation, run.node, start, run.end, result, reason)


def _explanations(facts):
    """Return (node, moment, resource, why) of each crash that an agent has reported."""
    return [(fact.values["node"], fact.moment, fact.values["name"][len(_CRASHED):],
             fact.values["value"]) for fact in facts
            if fact.kind == "attribute" and fact.values["name"].startswith(_CRASHED)]


def _is_same(item, other):
    """Return whether two Actions, from the CIB and from the DC's log, are one."""
    return (item[:3] == other[:3] and item.start - _LATE <= (other.end or other.start)
            and other.start <= (item.end or item.start) + _LATE)


def _refusals(facts):
    """Return an Action for each switchover that the agent refused before anything was done.

    The attribute that shows it is set for other reasons too, and when a node gets the current ones.
    """
    began = [(fact.host, fact.moment) for fact in facts if fact.kind == "began"]
    found = []
    for fact in facts:
        if not _is_refusal(fact) or any(
                host == fact.host and 0 <= fact.moment - moment < _REJOINED
                for host, moment in began):
            continue
        resource = fact.values["name"].partition("-")[2]
        item = Action(resource, REFUSE, fact.values["node"], fact.moment, fact.moment, "refused",
                      fact.values["value"])
        if not any(other[:3] == item[:3] and other.reason == item.reason
                   and abs(other.start - item.start) < _LATE for other in found):
            found.append(item)
    return found


def _is_refusal(fact):
    """Return whether a logs.LogFact is the reason of a refusal, with or without its code."""
    return (fact.kind == "attribute"
            and codes.without_code(fact.values["value"]).startswith(_CLAIMED))


def _of_the_dc(facts):
    """Return the Actions in the DC's log: it says what it starts, and how it ended."""
    found, open_by, requested = [], {}, {}
    for fact in facts:
        if fact.kind == "started":
            found.append(_started(fact, fact.moment))
            open_by[(fact.host, fact.values["action"])] = len(found) - 1
        elif fact.kind == "requested":
            requested[_place(fact)] = fact.moment
        elif fact.kind == "ended":
            index, moment = (open_by.pop((fact.host, fact.values["action"]), None),
                             requested.pop(_place(fact), None))
            if index is None and moment is not None:
                index = len(found)
                found.append(_started(fact, moment))
            _end(found, index, fact)
        elif fact.kind == "result":
            _reason(found, fact)
        elif fact.kind == "fencing":
            found.append(Action("", "fence", fact.values["node"], fact.moment, None, "", ""))
        elif fact.kind == "fenced":
            _fenced(found, fact, facts)
    return found


def _fenced(found, fact, facts):
    """Note the end of a fencing: of the one that began, or of one whose begin only the DC logs."""
    node, failure = fact.values["node"], fact.values["result"].lower() not in (
        "ok", "succeeded", "passed")
    index = _last(found, lambda item: item.operation == "fence" and item.node == node
                  and (item.end is None or fact.moment - item.end < _LATE))
    if index is None:
        lost = [other.moment for other in facts if other.kind == "lost"
                and other.values["node"] == node and 0 <= fact.moment - other.moment < _LOST]
        found.append(Action("", "fence", node, max(lost) if lost else fact.moment, None, "", ""))
        index = len(found) - 1
    if found[index].end is None:
        found[index] = found[index]._replace(
            end=fact.moment, result="failed" if failure else "ok", reason=fact.values["reason"])


def _started(fact, moment):
    """Return the Action that the fact's key names, started at that moment."""
    resource, operation, interval = logs.operation_of(fact.values["key"])
    if operation == "monitor" and interval == 0:
        operation = "probe"
    return Action(resource, operation, fact.values["node"], moment, None, "", "")


def _place(fact):
    return (fact.host, fact.values["node"], fact.values["graph"], fact.values["action"])


def _last(found, matches):
    for index in range(len(found) - 1, -1, -1):
        if matches(found[index]):
            return index
    return None


def _end(found, index, fact):
    if index is not None:
        found[index] = found[index]._replace(end=fact.moment, result=fact.values["result"].strip())
        return
    # a recurring monitor that failed, or a crash: nothing had started it just then
    resource, operation, interval = logs.operation_of(fact.values["key"])
    if operation == _REPORTED:
        operation = CRASH
    result = fact.values["result"].strip()
    if interval and result.lower() == _NOT_RUNNING:
        result = GONE
    if (interval or operation == CRASH) and not is_good(result):
        item = Action(resource, operation, fact.values["node"], fact.moment, fact.moment,
                      result, "")
        # Pacemaker logs a reported crash twice
        if operation != CRASH or _last(found, lambda other: other[:3] == item[:3]
                                       and item.start - other.start <= 1) is None:
            found.append(item)


def _reason(found, fact):
    """Add what the node itself says of an action: why it failed, or how at all it ended."""
    resource = logs.base_name(fact.values["resource"])
    operation = fact.values["operation"]
    index = _last(found, lambda item: item.resource == resource
                  and item.node == fact.values["node"]
                  and (item.operation == operation or operation == "notify"
                       and "-" in item.operation)
                  and not item.reason and item.start <= fact.moment + 1
                  and (item.end is None or fact.moment <= item.end + _LATE))
    if index is None:
        return
    item = found[index]
    if item.end is None and operation != "notify" and fact.values["result"]:
        item = item._replace(end=fact.moment, result=fact.values["result"].strip())
    found[index] = item._replace(reason=fact.values["reason"])
