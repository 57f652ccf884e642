"""From facts in logs to events: a failover, a switchover, a recovery. Pure."""

from collections import namedtuple

from paf.cli.timeline import logs

#: One action: times in epoch seconds; end is None when the logs do not tell; result "ok"...
Action = namedtuple("Action", "resource operation node start end result reason")

#: kind, for people; old, new: the primary's node before and after, None unknown; down, up: epoch
#: seconds between which clients had no primary, None when there was no outage; estimated: whether
#: `down` was reckoned back from corosync's timeout; lost: dict of node to when it was last heard.
Event = namedtuple("Event", "kind old new begin end down up estimated lost actions")

SWITCHOVER = "switchover"
REFUSED = "switchover refused"
FAILOVER = "failover"
PRIMARY_RECOVERY = "recovery of the primary"
STANDBY_RECOVERY = "recovery of a standby"
START = "start"
OTHER = "change"

CHANGES = ("start", "stop", "promote", "demote")
#: A crash that crash_watch has told Pacemaker of, with crm_resource --fail.
CRASH, _TOLD = "crash", "asyncmon"
_GAP = 3.0          # seconds of rest that still belong to one event, until a primary is promoted
_LATE = 2.0         # a node and the DC tell of the end of an action at about the same time
_HEARD = 15.0       # a token that was lost longer ago has nothing to do with a lost node
_GOOD = ("ok", "not running", "promoted", "master", "done")


def is_good(result):
    """Tell whether a result stands for success."""
    return result.strip().lower() in _GOOD


def _failed(result):
    return bool(result) and not is_good(result) and result.lower() != "cancelled"


def is_failure(item):
    """Tell whether an Action is how Pacemaker noticed that an instance had failed."""
    return item.operation in ("monitor", CRASH) and _failed(item.result)


def actions(facts):
    """Return the Actions that the facts tell of, in the order of their start."""
    found, open_by, requested = [], {}, {}
    for fact in facts:
        if fact.kind == "started":
            found.append(_begun(fact, fact.moment))
            open_by[(fact.host, fact.values["action"])] = len(found) - 1
        elif fact.kind == "requested":
            requested[_place(fact)] = fact.moment
        elif fact.kind == "ended":
            index, moment = (open_by.pop((fact.host, fact.values["action"]), None),
                             requested.pop(_place(fact), None))
            if index is None and moment is not None:
                index = len(found)
                found.append(_begun(fact, moment))
            _end(found, index, fact)
        elif fact.kind == "result":
            _reason(found, fact)
        elif fact.kind == "fencing":
            found.append(Action("", "fence", fact.values["node"], fact.moment, None, "", ""))
        elif fact.kind == "fenced":
            index = _last(found, _open_fencing(fact.values["node"]))
            if index is not None:
                failed = fact.values["result"] == "failed"
                found[index] = found[index]._replace(
                    end=fact.moment, result="failed" if failed else "ok",
                    reason=fact.values["reason"])
    return sorted(found, key=lambda item: item.start)


def _begun(fact, moment):
    """Return the Action that the fact's key names, begun at that moment."""
    resource, operation, interval = logs.operation_of(fact.values["key"])
    if operation == "monitor" and interval == 0:
        operation = "probe"
    return Action(resource, operation, fact.values["node"], moment, None, "", "")


def _place(fact):
    return (fact.host, fact.values["node"], fact.values["graph"], fact.values["action"])


def _open_fencing(node):
    return lambda item: item.operation == "fence" and item.end is None and item.node == node


def _last(found, matches):
    for index in range(len(found) - 1, -1, -1):
        if matches(found[index]):
            return index
    return None


def _end(found, index, fact):
    if index is not None:
        found[index] = found[index]._replace(end=fact.moment, result=fact.values["result"].strip())
        return
    # a recurring monitor that failed, or a crash: nobody had started it just then
    resource, operation, interval = logs.operation_of(fact.values["key"])
    if operation == _TOLD:
        operation = CRASH
    if (interval or operation == CRASH) and not is_good(fact.values["result"]):
        item = Action(resource, operation, fact.values["node"], fact.moment, fact.moment,
                      fact.values["result"], "")
        # Pacemaker says of a crash twice that it was told
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


def events(facts, resource, vips=(), silence=0.0):
    """Return the Events of a resource, oldest first.

    vips: names of the addresses it has. silence: seconds that corosync takes to give a node up;
    used where its log does not tell.
    """
    mine = [item for item in actions(facts) if item.resource in (resource, "") + tuple(vips)
            and (item.operation in CHANGES + ("fence", "pre-promote", "pre-demote", "post-promote")
                 or is_failure(item))]
    found, primary = [], None
    idle = [fact.moment for fact in facts if fact.kind == "idle"]
    before = 0.0
    for group in _groups(mine, idle, resource):
        event = _event(group, _lost(facts, group, silence, before), resource, vips, primary)
        primary, before = event.new or primary, event.end
        if any(item.operation in CHANGES + ("fence",) for item in group):
            found.append(event)
    return found


def _groups(mine, idle, resource):
    groups = []
    for item in mine:
        if not groups or _begins_another(item, groups[-1], idle, resource):
            groups.append([])
        groups[-1].append(item)
    return groups


def _begins_another(item, group, idle, resource):
    """Tell whether an Action does not belong to the event that the group is.

    Pacemaker rests for a moment within an event as well: after a fencing, before it promotes
    another. Once a primary is promoted, what ends its reign is an event of its own, and so is a
    failure elsewhere.
    """
    end = max(other.end or other.start for other in group)
    rested = any(end <= moment <= item.start for moment in idle)
    if item.start > end + _GAP:
        return rested or item.start > end + 60
    ends_a_reign = item.operation in ("fence", "pre-demote", "demote") or is_failure(item)
    return rested and ends_a_reign and bool(_done(group, "promote", resource))


def _done(group, operation, resource):
    return [item for item in group if item.operation == operation and item.resource == resource
            and is_good(item.result)]


def _event(group, lost, resource, vips, primary):
    begin = group[0].start
    end = max(item.end or item.start for item in group)
    promoted = _done(group, "promote", resource)
    demoted = [item for item in group if item.operation == "demote" and item.resource == resource]
    fenced = [item.node for item in group if item.operation == "fence"]
    # without earlier events, who is demoted or fenced first was the primary, if one follows
    leaving = [item.node for item in group if item.operation in ("demote", "fence") and promoted]
    old = primary or next(iter(leaving), None)
    new = promoted[-1].node if promoted else None if demoted or old in fenced else old
    failures = [item for item in group if is_failure(item)]
    kind = _kind(group, old, new, promoted, demoted, fenced, failures, resource)
    down, up, estimated = _outage(group, old, promoted, demoted, lost, failures, vips)
    return Event(kind, old, new, min([begin] + [down] * (down is not None)), end, down, up,
                 estimated, lost, group)


def _kind(group, old, new, promoted, demoted, fenced, failures, resource):
    failed = bool(fenced or failures)
    if promoted and new != old:
        return START if old is None else FAILOVER if failed or not demoted else SWITCHOVER
    if promoted:
        return PRIMARY_RECOVERY if failed or _done(group, "stop", resource) else REFUSED
    if _done(group, "stop", resource) and _done(group, "start", resource):
        return STANDBY_RECOVERY
    if not demoted and _done(group, "start", resource):
        return START
    return FAILOVER if old in fenced else OTHER


def _lost(facts, group, silence, before):
    """Return when the nodes lost in this event were last heard of (dict of node to seconds).

    before: when the event before it ended, epoch seconds: who was lost till then belongs to that.
    """
    found, begin = {}, group[0].start
    end = max(item.end or item.start for item in group)
    for fact in facts:
        if fact.kind != "lost" or not max(before, begin - _HEARD) <= fact.moment <= end:
            continue
        heard = [other.moment - int(other.values["ms"]) / 1000.0 for other in facts
                 if other.kind == "token" and fact.moment - _HEARD <= other.moment <= fact.moment]
        # only the node that waited for the token says so
        found.setdefault(fact.values["node"], min(heard) if heard else fact.moment - silence)
    return found


def _outage(group, old, promoted, demoted, lost, failures, vips):
    """Return (down, up, estimated): from the primary's end to the next one behind its address."""
    if not promoted:
        return None, None, False
    starts = [item.start for item in demoted[:1]]
    starts += [item.start for item in failures if item.node == old]
    estimated = old in lost
    if estimated:
        starts.append(lost[old])
    if not starts:
        starts = [item.start for item in group if item.operation == "fence" and item.node == old]
    if not starts:
        return None, None, False
    up = promoted[-1].end
    behind = [item.end for item in group if item.resource in vips and item.operation == "start"
              and is_good(item.result) and item.end and item.end > up]
    return min(starts), max(behind) if behind else up, estimated
