"""An event as a message: a subject, lines for people, fields for programs. Pure."""

from collections import namedtuple

from paf.cli.common import clock
from paf.cli.timeline import events
from paf.cli.timeline.action_times import is_good
from paf.cli.timeline.event_text import outage, shown, title
from paf.log import without_secrets

#: subject (str), lines (list of str), fields (dict, for JSON).
Message = namedtuple("Message", "subject lines fields")

_LONGEST = 400      # characters of a reason
#: Events in which no commit can be lost: the primary ended cleanly, or came back.
_SAFE = (events.SWITCHOVER, events.PRIMARY_RECOVERY, events.RESTART)


def of(event, resource, reasons, is_open, only=True):
    """Return the Message about an Event.

    resource: its name; reasons: dict of node to why it failed or was not promoted (str); is_open:
    whether clients still have no primary; only: whether the cluster has no other resource of PAF.
    """
    what = "no primary after a {0}".format(title(event)) if is_open else title(event)
    lines = ["{0} since {1}".format(what, clock(event.begin)) if is_open else
             "{0}, {1}".format(what, clock(event.begin))]
    if not is_open and outage(event) is not None:
        lines.append("clients had no primary for {0}".format(shown(event)))
    why = [item.reason for item in event.actions if item.reason][:1]
    if why:
        lines.append("reason: {0}".format(_short(why[0])))
    lines += list(_kept(event, resource, is_open))
    lines += ["{0}: {1}".format(node, _short(text)) for node, text in sorted(reasons.items())]
    lines.append(_look(resource, only, "status", "timeline"))
    fields = {"resource": resource, "kind": event.kind, "nodes": event.nodes, "old": event.old,
              "new": event.new, "begin": event.begin, "outage_seconds": outage(event),
              "reason": _short(why[0]) if why else None, "open": is_open,
              "positions": event.votes, "node_reasons": dict(
                  (node, _short(text)) for node, text in reasons.items())}
    return Message("PAF {0}: {1}".format(resource, what), lines, fields)


def _kept(event, resource, is_open):
    """Yield what is known of a loss; nothing where the end of the demotion is not in the logs."""
    if is_open or not event.new or event.new == event.old:
        return
    if event.kind in _SAFE and any(
            item.operation == "demote" and item.resource == resource and item.node == event.old
            and is_good(item.result) for item in event.actions):
        yield "nothing is lost: the old primary was stopped cleanly"
    elif event.votes.get(event.new):
        yield "{0} was promoted at {1}: what the old primary had beyond that is not there".format(
            event.new, event.votes[event.new])


def _short(text):
    text = without_secrets(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _look(resource, only, *verbs):
    """Return where to look: with several resources, the verbs have to know which one it is."""
    return "look: " + "; ".join("paf {0}{1}".format(
        verb, "" if only else " --resource " + resource) for verb in verbs)


def held_back(resource, only=True):
    """Return the Message that says that no more are sent for a while; only: as above."""
    text = "many events: further messages are held back for an hour"
    return Message("PAF {0}: {1}".format(resource, text), [text, _look(resource, only, "history")],
                   {"resource": resource, "kind": "held back"})
