"""From actions to events: a failover, a switchover, a recovery. Pure.

Only the actions decide what belongs to one event, never lines that only the log of the DC has. So
all nodes whose logs cover the time find the same events.
"""

from collections import namedtuple

from paf.cli.timeline.action_times import (
    CHANGES, CRASH, REFUSE, actions, failed, is_good)
from paf.decide import wal

#: kind, for people; nodes: those it concerns (list of str); old, new: the primary's node before and
#: after, None unknown; down, up: epoch seconds between which clients had no primary, None when
#: there was no outage; estimated: whether `down` comes from corosync's timeout; at_least: whether
#: the outage began earlier than these logs begin; lost: dict of node to when it was last heard;
#: votes: dict of node to its position in the election (str); only_live: whether some of it is known
#: from the present CIB only, in whole seconds.
Event = namedtuple("Event", "kind nodes old new begin end down up estimated at_least lost votes "
                            "only_live actions")

SWITCHOVER = "switchover"
REFUSED = "switchover refused"
GIVEN_UP = "switchover given up"
FAILOVER = "failover"
PRIMARY_RECOVERY = "recovery of the primary"
STANDBY_RECOVERY = "recovery of a standby"
RESTART = "restart"
START = "start"
FAILED_START = "failed start"
FAILED_STOP = "failed stop"
FAILED_DEMOTION = "failed demotion"
STOP = "stop"
FENCING = "fencing"
ADDRESS = "address"    # nothing but the address has stopped, moved or started
OTHER = "change"
#: Events in which clients have no primary for a while, whether these logs show it or not.
OUTAGES = (SWITCHOVER, FAILOVER, PRIMARY_RECOVERY, FAILED_DEMOTION)

_NOTIFICATIONS = ("pre-promote", "pre-demote", "post-promote")
_GAP = 3.0          # seconds of rest that still belong to one event
_LONG = 60.0        # seconds after which nothing belongs to it any more
_HEARD = 15.0       # a token that was lost longer ago has nothing to do with a lost node
_VOTES = 120.0      # seconds before a promotion in which its election is


def is_failure(item):
    """Return whether an Action is how Pacemaker noticed that an instance had failed."""
    return item.operation in ("monitor", CRASH) and failed(item.result)


def events(facts, resource, vips=(), silence=0.0, live=()):
    """Return the Events of a resource, oldest first.

    facts: logs.LogFacts; vips: names of the addresses it has; silence: seconds that corosync
    takes to give a node up, used where its log does not say, 0.0 if that is not known either; live:
    what changes.of_cib yields of the present CIB.
    """
    every, only_live = actions(facts, live)
    mine = [item for item in every if item.resource in (resource, "") + tuple(vips)
            and (item.operation in CHANGES + _NOTIFICATIONS + ("fence", REFUSE)
                 or is_failure(item))]
    found, primary, before = [], None, 0.0
    for group in _groups(mine, resource, vips):
        if not any(item.operation in CHANGES + ("fence", REFUSE) for item in group):
            continue
        event = _event(group, _lost(facts, group, silence, before), resource, vips, primary,
                       silence)
        event = event._replace(votes=_votes(facts, group, resource),
                               only_live=any(item in only_live for item in group))
        primary, before = event.new, event.end
        found.append(event)
    return found


def _groups(mine, resource, vips):
    """Return lists of Actions, each of which is one event."""
    groups, primaries = [], [None]
    for item in mine:
        # an address may follow when the next event, a lost node that comes back, has started
        behind = [index for index in (len(groups) - 1, len(groups) - 2)
                  if index >= 0 and item.resource in vips and item.operation == "start"
                  and _lacks_address(groups[index], resource, vips, primaries[index])
                  and item.start - _end(groups[index]) <= _LONG]
        if behind:
            groups[behind[0]].append(item)
            continue
        if not groups or _begins_another(item, groups[-1], resource, vips, primaries[-1]):
            if groups:
                primaries.append(_primary_after(groups[-1], resource, primaries[-1]))
            groups.append([])
        groups[-1].append(item)
    return groups


def _end(group):
    return max(item.end or item.start for item in group)


def _primary_after(group, resource, primary):
    for item in group:
        if item.resource == resource and item.operation == "promote" and is_good(item.result):
            primary = item.node
        elif item.node == primary and (item.operation == "fence" or item.resource == resource
                                       and item.operation in ("demote", "stop")):
            primary = None
    return primary


def _begins_another(item, group, resource, vips, primary):
    """Return whether an Action does not belong to the event that the group is.

    Until there is a primary again, what took the last one away goes on, however long: a fencing,
    the boot of its node, an election in which an absent node is waited for. What ends the time of
    a primary is an event of its own, however soon it comes after something else; unless clients
    never got to it, since the address had not moved.
    """
    # only the log of the DC has notifications
    rest = item.start - _end([other for other in group if other.operation not in _NOTIFICATIONS]
                             or group)
    if _is_gone(group, resource, primary):
        return _is_of_another(item, group, resource, primary)
    if rest > _LONG or _follows_a_failed_start(item, group, resource):
        return True
    if _is_open(group, resource, primary):
        planned = not any(other.operation == "fence" or is_failure(other) for other in group)
        return (planned and rest > _GAP and item.operation == "start" and item.resource == resource
                and bool(_done(group, "stop", resource)))
    if _is_back(item, group, resource, primary):
        return True
    if _ends_a_failed_start(item, group, resource):
        return False
    if _lacks_address(group, resource, vips, primary) and rest <= _GAP:
        return False
    return rest > _GAP or (_ends_a_reign(item, primary, resource)
                           and not all(other.operation in _NOTIFICATIONS + (REFUSE,)
                                       for other in group))


def _is_gone(group, resource, primary):
    """Return whether trouble has taken the primary away, and there is none yet."""
    return (primary is not None and _primary_after(group, resource, primary) is None
            and any(item.operation == "fence" or is_failure(item) for item in group))


def _is_of_another(item, group, resource, primary):
    """Return whether an Action shows that meanwhile there was a primary which the logs lack."""
    return (item.operation == "demote" and item.resource == resource and item.node != primary
            and not any(other.operation == "promote" and other.resource == resource
                        and other.node == item.node for other in group))


def _ends_a_failed_start(item, group, resource):
    """Return whether an Action is the stop with which Pacemaker follows a start that failed."""
    own = [other for other in group if other.node == item.node and other.resource == resource
           and other.operation in ("start", "stop")]
    return (item.operation == "stop" and item.resource == resource and bool(own)
            and own[-1].operation == "start" and failed(own[-1].result))


def _follows_a_failed_start(item, group, resource):
    """Return whether an Action is a start behind one that had failed there: it was repaired."""
    return (item.operation == "start" and item.resource == resource and any(
        other.operation == "start" and other.resource == resource and other.node == item.node
        and failed(other.result) for other in group))


def _is_back(item, group, resource, primary):
    """Return whether an old primary's instance is started, now that there is another primary."""
    left = [primary] + [other.node for other in group if other.operation == "fence"]
    return (item.operation == "start" and item.resource == resource and item.node in left
            and any(other.node != item.node for other in _done(group, "promote", resource)))


def _lacks_address(group, resource, vips, primary):
    """Return whether the primary has moved in the event, and an address not yet."""
    moved = False
    if primary is None:
        primary = next((item.node for item in group if item.operation in ("demote", "fence")), None)
    for item in group:
        if item.operation == "promote" and item.resource == resource and is_good(item.result):
            moved = primary != item.node
        elif item.resource in vips and item.operation == "start":
            moved = False
    return moved and bool(vips)


def _ends_a_reign(item, primary, resource):
    if item.operation in ("pre-demote", "demote"):
        return item.resource == resource
    return (item.operation == "fence" or is_failure(item)) and primary in (None, item.node)


def _is_open(group, resource, primary):
    """Return whether the event has taken the primary away, or starts all, and has none yet."""
    found = primary is None and any(item.operation == "start" and item.resource == resource
                                    for item in group)
    refused = any(item.operation == REFUSE for item in group)
    for item in group:
        if item.operation == "pre-demote" and refused:
            continue    # in the log of the DC alone; no demotion has followed
        if _ends_a_reign(item, primary, resource):
            found = True
        elif item.operation == "promote" and item.resource == resource and is_good(item.result):
            found, primary = False, item.node
    return found


def _done(group, operation, resource):
    return [item for item in group if item.operation == operation and item.resource == resource
            and is_good(item.result)]


def _event(group, lost, resource, vips, primary, silence):
    real = [item for item in group if item.operation not in _NOTIFICATIONS] or group
    begin = min(item.start for item in real)
    end = max(item.end or item.start for item in group)
    promoted = _done(group, "promote", resource)
    demoted = [item for item in group if item.operation == "demote" and item.resource == resource]
    fenced = [item.node for item in group if item.operation == "fence"]
    # without earlier events, whose instance is demoted or fenced first was the primary
    leaving = [item.node for item in group if item.operation in ("demote", "fence") and promoted]
    old = primary or next(iter(leaving), None)
    new = promoted[-1].node if promoted else None if demoted or old in fenced else old
    failures = [item for item in group if is_failure(item)]
    kind = _kind(group, old, new, promoted, demoted, fenced, failures, resource)
    down, up, estimated = _outage(group, old, promoted, demoted, lost, failures, vips)
    longer = estimated and not silence and not lost[old][1]
    if kind == PRIMARY_RECOVERY and down is None:
        down, up, longer = begin, promoted[-1].end, True
    if kind == OTHER and all(item.resource in vips for item in group):
        kind, (down, up) = ADDRESS, _without_address(group)
    return Event(kind, _nodes(kind, group, old, new, resource), old, new,
                 min([begin] + [down] * (down is not None)), end, down, up, estimated,
                 longer, _moments(lost), {}, False, group)


def _nodes(kind, group, old, new, resource):
    """Return the nodes of an event: the primaries of a move, else whose instance it is about."""
    if kind in (SWITCHOVER, FAILOVER):
        return [node for node in (old, new) if node]
    if kind in (PRIMARY_RECOVERY, GIVEN_UP):
        return [new]
    wanted = {REFUSED: (REFUSE, "promote"), FENCING: ("fence",)}.get(kind, CHANGES)
    own = [item.node for item in group if item.operation in wanted
           and item.resource in (resource, "") and not (kind == REFUSED and item.node == old)]
    return sorted(set(own)) or sorted(set(item.node for item in group))


def _kind(group, old, new, promoted, demoted, fenced, failures, resource):
    trouble = bool(fenced or failures or any(failed(item.result) for item in demoted))
    stopped, started = _done(group, "stop", resource), _done(group, "start", resource)
    if promoted and new != old:
        return START if old is None else FAILOVER if trouble or not demoted else SWITCHOVER
    if promoted:
        if trouble or stopped:
            return PRIMARY_RECOVERY if trouble else RESTART
        if started and not demoted:    # its node was away, and this node's logs do not show it
            return PRIMARY_RECOVERY
        return REFUSED if _is_refused(group, new, resource) else GIVEN_UP if demoted else OTHER
    if old in fenced:
        return FAILOVER
    if any(item.operation == REFUSE for item in group):
        return REFUSED
    if stopped and started and not demoted:
        return STANDBY_RECOVERY if trouble else RESTART
    return _kind_of_the_rest(group, old, stopped, started, demoted, fenced, failures, resource)


def _kind_of_the_rest(group, old, stopped, started, demoted, fenced, failures, resource):
    if fenced:
        return FENCING
    if any(item.operation == "start" and item.resource == resource and failed(item.result)
           for item in group):
        return FAILED_START
    if started and not demoted:
        return START
    if demoted and any(item.node == old for item in failures):
        return FAILOVER
    if any(failed(item.result) for item in demoted):
        return FAILED_DEMOTION    # no action shows when Pacemaker takes it for the primary again
    if any(item.operation == "stop" and item.resource == resource and failed(item.result)
           for item in group):
        return FAILED_STOP
    return STOP if stopped else OTHER


def _is_refused(group, new, resource):
    """Return whether the agent itself refused, not an administrator who withdrew a request."""
    return any(item.operation == REFUSE or (
        item.operation == "promote" and item.resource == resource and item.node != new
        and failed(item.result)) for item in group)


def _lost(facts, group, silence, before):
    """Return (when it was last heard of, whether corosync says so) of each node lost in an event.

    before: when the event before it ended, epoch seconds: a node lost till then belongs to that.
    """
    found, begin = {}, group[0].start
    end = max(item.end or item.start for item in group)
    for fact in facts:
        if fact.kind != "lost" or not max(before, begin - _HEARD) <= fact.moment <= end:
            continue
        heard = [other.moment - int(other.values["ms"]) / 1000.0 for other in facts
                 if other.kind == "token" and fact.moment - _HEARD <= other.moment <= fact.moment]
        # only the node that waited for the token says so
        found.setdefault(fact.values["node"], (min(heard), True) if heard else
                         (fact.moment - silence, False))
    return found


def _moments(lost):
    return dict((node, heard) for node, (heard, _) in lost.items())


def _votes(facts, group, resource):
    """Return the positions (dict of node to str) that the nodes published for a promotion."""
    promotions = [item for item in group if item.operation == "promote"
                  and item.resource == resource]
    if not promotions:
        return {}
    begin, end = promotions[-1].start - _VOTES, promotions[-1].start
    found = {}
    for fact in facts:
        if (fact.kind == "attribute" and fact.values["name"] == "lsn_location-" + resource
                and begin <= fact.moment <= end):
            position = wal.from_wire(fact.values["value"])
            if position is None and _is_same_second(fact.moment, end):
                continue    # an election withdraws its positions once the promotion is over
            found.pop(fact.values["node"], None)
            if position is not None:
                found[fact.values["node"]] = wal.describe(position)
    return found


def _is_same_second(moment, end):
    """Return whether a moment (epoch seconds) known to the second only may be after `end`."""
    return moment == int(moment) == int(end)


def _outage(group, old, promoted, demoted, lost, failures, vips):
    """Return (down, up, estimated): from the primary's end to the next one behind its address.

    up is None where a failure ended the primary and the logs show no later one.
    """
    if not promoted and (old is None or not any(
            item.operation == "fence" and item.node == old for item in group) and not any(
                item.node == old for item in failures if demoted)):
        return None, None, False
    starts = [item.start for item in demoted[:1]]
    starts += [item.start for item in failures if item.node == old]
    estimated = old in lost
    if estimated:
        starts.append(lost[old][0])
    if not starts:
        starts = [item.start for item in group if item.operation == "fence" and item.node == old]
    if not starts or not promoted:
        return (min(starts) if starts else None), None, bool(starts) and estimated
    up = promoted[-1].end
    behind = [item.end for item in group if item.resource in vips and item.operation == "start"
              and is_good(item.result) and item.end and item.end > up]
    return min(starts), max(behind) if behind else up, estimated


def _without_address(group):
    """Return (down, up): from the end of an address to its next start; (None, None) without both.
    """
    gone = [item.start for item in group if item.operation == "stop" or is_failure(item)]
    back = [item.end or item.start for item in group
            if item.operation == "start" and is_good(item.result)]
    return (min(gone), max(back)) if gone and back and max(back) > min(gone) else (None, None)


def stops_only_address(event):
    """Return whether an Event leaves the primary without its address."""
    return event.kind == ADDRESS and event.up is None and any(
        item.operation == "stop" or is_failure(item) for item in event.actions)


def gaps(facts, hosts):
    """Return the times (list of (from, to), epoch seconds) in which a node had no Pacemaker.

    hosts: the node's names; from is None where the log does not go back that far.
    """
    found = []
    for fact in facts:
        if fact.kind == "began" and fact.host in hosts:
            after = fact.values.get("after")
            found.append((float(after) if after else None, fact.moment))
    return found
