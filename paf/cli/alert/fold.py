"""Which of Pacemaker's alerts belong to PAF, to which event, and which node reports it. Pure.

Pacemaker runs alert agents where something happens: each node's agent gets the operations on its
own node, and the membership changes and fencings of all. The alerts of a failover are spread over
several nodes. The logs of each of them have all of it (see paf/cli/timeline), so all find the same
event, and the same rule chooses the one node that reports it.

Source: Pacemaker Administration, "Alert Agents", environment variables.
"""

from paf.cli.timeline import action_times, events

_TASKS = ("start", "stop", "promote", "demote", "monitor", "asyncmon")
_NO_PROBE = ("0", "7", "8", "190", "191")
_DEGRADED = {"190": "0", "191": "8"}
#: Events after which the cluster may have no primary, or still has the same one.
_ENDS = (events.STOP, events.REFUSED, events.GIVEN_UP)
#: Who reports an event where the DC is not known, or is gone.
NO_NODE = ""
_SOON = 120.0       # seconds within which the end of an outage belongs to it


def is_worth(variables):
    """Return whether an alert can be a part of an event; variables: dict of str, CRM_alert_....

    Resources are not looked at by name: which ones are PAF's, the CIB says.
    """
    kind = variables.get("CRM_alert_kind", "")
    if kind == "node":
        return variables.get("CRM_alert_desc") == "lost"
    if kind == "fencing":
        return True
    if kind != "resource" or variables.get("CRM_alert_task") not in _TASKS:
        return False
    if variables.get("CRM_alert_task") == "monitor":
        is_probe = variables.get("CRM_alert_interval", "0") == "0"
        code = variables.get("CRM_alert_rc")
        return (code not in _NO_PROBE if is_probe else
                _DEGRADED.get(code, code) != variables.get("CRM_alert_target_rc"))
    return True


def speaker(event, resource, dc):
    """Return the node that reports an Event: where it was decided, and where its alert ran.

    resource: the resource's name; dc: the node of the DC, for what happened to a lost node alone.
    NO_NODE where that is the lost one itself: the others have not elected a new one yet.
    """
    mine = [item for item in event.actions if item.resource == resource and item.node
            and item.operation in _TASKS]
    promoted = [item.node for item in mine
                if item.operation == "promote" and action_times.is_good(item.result)]
    fenced = [item.node for item in event.actions if item.operation == "fence"]
    alive = [item.node for item in mine if item.node not in event.lost
             and item.node not in fenced]
    if dc in event.lost or dc in fenced:
        dc = NO_NODE
    return (promoted or alive or [dc])[-1]


def is_open(event, promoted):
    """Return whether clients are still without a primary.

    promoted: nodes (list) that Pacemaker has promoted now. An Event whose beginning is not in the
    logs does not say who the primary is: that is no proof that there is none.
    """
    return not promoted and event.new is None and event.kind not in _ENDS


def of_now(found, since):
    """Return the Events (list) that ended after `since` (epoch seconds), oldest first."""
    return [event for event in found if event.end >= since]


def merged(found):
    """Return the Events (list) in which one that left no primary goes on until there is one.

    Where the logs do not go back to the last promotion, they do not show which node was the
    primary: its fencing, its boot and the next promotion are three events there.
    """
    kept = []
    for event in found:
        before = kept[-1] if kept else None
        if (before is None or before.new is not None or before.kind in _ENDS
                or event.begin - before.end > _SOON):
            kept.append(event)
        else:
            kept[-1] = _joined(before, event)
    return kept


def _joined(first, then):
    """Return two Events, of which the first left no primary, as one."""
    kind = first.kind
    if then.new is not None and kind == events.FAILOVER and first.old == then.new:
        kind = events.PRIMARY_RECOVERY
    up = then.up if then.new is None or then.up is not None else then.end
    return first._replace(
        kind=kind, new=then.new, end=then.end, up=up if then.new else None,
        nodes=first.nodes + [node for node in then.nodes if node not in first.nodes],
        actions=first.actions + then.actions, lost=dict(first.lost, **then.lost),
        votes=then.votes or first.votes)


def key(event):
    """Return what a message is remembered by: [whole second, primary after it]."""
    return [int(event.begin), event.new or ""]


def is_said(event, said):
    """Return whether a message about the Event went out already.

    said: list of keys. Logs of two moments can differ by some seconds about when it began.
    """
    begin, new = key(event)
    return any(abs(other[0] - begin) <= 5 and other[1] == new for other in said)
