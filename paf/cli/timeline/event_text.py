"""An event in words, for people."""

from paf.cli.common import clock, coloured, table
from paf.cli.timeline import action_times, events


def outage(event):
    """Return how long there was no primary, in seconds; None where there was no outage."""
    return None if event.up is None or event.down is None else event.up - event.down


def title(event):
    """Return the Event in a line."""
    return "{0} {1}".format(event.kind, where(event)).strip()


def where(event):
    """Return the nodes of the Event: "srv1 -> srv2" for a move of the primary."""
    if event.old and event.new and event.old != event.new:
        return "{0} -> {1}".format(event.old, event.new)
    return ", ".join(event.nodes)


def lines(event, paint=coloured):
    """Yield the Event as lines for people; paint: what colours a text."""
    yield paint("{0}, {1}".format(title(event), clock(event.begin)), "bold")
    rows = [["seconds", "node", "what", "took", "result"]]
    moments = [(item.start, _row(item, event.begin)) for item in event.actions]
    moments += [(moment, ["{0:7.2f}".format(moment - event.begin), node, "last heard of", "", ""])
                for node, moment in event.lost.items()]
    rows += [row for _, row in sorted(moments, key=lambda pair: pair[0])]
    for row, line in zip(rows, table(rows)):
        bad = row is not rows[0] and row[4] and not action_times.is_good(row[4].split(":")[0])
        yield paint(line, "red") if bad else line
    for line in why(event):
        yield line
    length = outage(event)
    if length is not None:
        yield ""
        yield paint("without a primary for clients: {0}".format(shown(event)), "bold")
    elif event.down is None and event.kind in events.OUTAGES:
        yield ""
        yield paint("without a primary for clients: not known from these logs", "bold")
    elif event.down is not None:
        yield ""
        yield paint("without a primary for clients since {0}: there is none by the end of these "
                    "logs".format(clock(event.down)), "bold")


def why(event):
    """Yield on which positions the election was decided."""
    if event.votes:
        yield ""
        yield "positions in the election: {0}".format("; ".join(
            "{0} {1}".format(node, position) for node, position in sorted(event.votes.items())))
        absent = sorted(set(event.lost) - set(event.votes))
        if absent:
            yield "absent: {0}".format(", ".join(absent))


def shown(event):
    """Return an Event's outage for people, and how sure it is."""
    length = outage(event)
    if length is None:
        return "-" if event.down is None else "since {0}".format(clock(event.down))
    text = "{0:.2f} s".format(length)
    if event.at_least:
        return "at least {0} (when {1} was last heard of is not in these logs)".format(
            text, event.old)
    return text + (" (start estimated from corosync's token timeout)" if event.estimated else "")


def _row(item, begin):
    what = "{0} {1}".format(item.operation, item.resource).strip()
    took = "" if item.end in (None, item.start) else "{0:.2f} s".format(item.end - item.start)
    result = item.result or "not in these logs"
    return ["{0:7.2f}".format(item.start - begin), item.node, what, took,
            "{0}: {1}".format(result, item.reason) if item.reason else result]
