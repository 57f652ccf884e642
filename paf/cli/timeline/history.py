"""paf history: the failovers, switchovers and recoveries that the logs have."""

from paf import variant
from paf.cli.common import ERROR, NOT_DONE, OK, clock, complain, say, say_json, table
from paf.cli.timeline import events, timeline
from paf.cli.timeline.gather import history, sources

HELP = "list past failovers, switchovers and recoveries"
TEXT = """Lists what the logs (see paf timeline) have: when, what, which nodes it concerns, how long
clients had no primary, and the first reason that was given. The number is for paf timeline
--number. The same on every node that was there; what this node cannot know it says, and which nodes
know it.
""" + variant.PAGES + "/schemas/history.json describes the JSON."
EXAMPLES = ("paf history", "paf history --output json", "paf history --log /tmp/report")
EXIT_CODES = ((OK, "there are events, and nothing is missing"),
              (NOT_DONE, "there are none, or something is missing here: it says what, and where it "
                         "is known"),
              (ERROR, "the logs cannot be read, or the cluster cannot be asked"))


def arguments(parser):
    """Declare the verb's arguments."""
    sources(parser)


def run(options):
    """Print the events; return the exit code."""
    found = history(options)
    if options.output == "json":
        say_json({"format": timeline.FORMAT, "missing": found.missing, "since": found.since,
                  "events": [timeline.as_values(event) for event in found.events]})
    else:
        for line in lines(found.events) if found.events else [
                "the logs have no change of {0}".format(options.resource or "the resource")]:
            say(line)
        if found.since is not None:
            say("the logs begin at {0}".format(clock(found.since)))
        for sentence in found.missing:
            complain(sentence)
    return OK if found.events and not found.missing else NOT_DONE


def lines(found):
    """Yield the Events (list) as lines of a table."""
    rows = [["", "when", "what", "node", "took", "no primary", "why"]]
    for number, event in enumerate(found):
        length = timeline.outage(event)
        rows.append([str(number + 1), clock(event.begin), event.kind, timeline.where(event) or "-",
                     "{0:.1f} s".format(event.end - event.begin),
                     _outage(event, length), reason(event)])
    for line in table(rows):
        yield line


def _outage(event, length):
    if length is None:
        by_hand = (event.kind == events.STOP and event.old and not event.new
                   or events.stops_only_address(event))
        return "until a start" if by_hand else "goes on" if event.down is not None else (
            "not known" if event.kind in events.OUTAGES else "-")
    return "{0}{1:.2f} s".format("at least " if event.at_least else "", length)


def reason(event):
    """Return the first reason that an action of the Event has; "" where none has one."""
    given = [item.reason for item in event.actions if item.reason]
    return given[0] if given else ""
