"""paf timeline: what happened in the last failover or switchover, as a list and as a picture."""

from paf.cli.common import NOT_DONE, OK, Problem, clock, coloured, complain, say, say_json, table
from paf.cli.timeline import actions, picture
from paf.cli.timeline.gather import history, sources

#: Number of the JSON's format, here and in paf history.
FORMAT = 2

HELP = "show what happened in the last failover or switchover"
TEXT = """Reads Pacemaker's and corosync's logs: this node's, or those named with --log (files, also
packed ones, the archive that crm_report makes, or a folder with any of these). Every node logs the
changes of the cluster's state, so each node that was there tells the same. A node that was away has
the last operation of each instance, from the cluster's present state; what it cannot know it says,
and which nodes know it. The log of the DC of that time adds the notifications. Lists each action
with its duration and result, the positions on which the election was decided, and how long clients
had no primary: from the demotion, the failed monitor, or the moment a lost node was last heard of,
to the promotion and the start of the address. A crash that a monitor finds came before: that time
is in no log, and comes on top. --picture writes the same as one SVG or HTML file that needs no
other. docs/schemas/timeline.json describes the JSON."""
EXAMPLES = ("paf timeline", "paf timeline --number 3", "paf timeline --picture failover.html",
            "paf timeline --log pcmk-report.tar.bz2 --resource pgsqld --vip pgsql-ip")
EXIT_CODES = ((OK, "an event was found, and nothing is missing"),
              (NOT_DONE, "no event was found, or something is missing here: it says what, and "
                         "where it is known"))


def arguments(parser):
    """Declare the verb's arguments."""
    sources(parser)
    parser.add_argument("--number", metavar="N", type=int, default=0,
                        help="the event with this number in paf history (the last one)")
    parser.add_argument("--picture", metavar="FILE", help="write an .svg or .html file as well")


def run(options):
    """Print the event; return the exit code."""
    found = history(options)
    if not found.events:
        say("the logs have no change of {0}".format(options.resource or "the resource"))
        return _told(found, options)
    event = found.events[_index(options.number, found.events)]
    if options.picture:
        _write(options.picture, picture.html(event) if options.picture.endswith(".html")
               else picture.svg(event))
    if options.output == "json":
        say_json(dict(as_values(event), format=FORMAT, missing=found.missing))
    else:
        for line in lines(event):
            say(line)
    return _told(found, options)


def _told(found, options):
    """Say what is missing; return the exit code."""
    if options.output == "text":
        for sentence in found.missing:
            complain(sentence)
    return NOT_DONE if found.missing or not found.events else OK


def _index(number, found):
    if number == 0:
        changes = [index for index, event in enumerate(found) if event.old != event.new
                   or event.up is not None]
        return changes[-1] if changes else -1
    if not 1 <= number <= len(found):
        raise Problem("there are events 1 to {0}".format(len(found)))
    return number - 1


def _write(name, text):
    if not name.endswith((".svg", ".html")):
        raise Problem("{0}: a picture is an .svg or an .html file".format(name))
    try:
        with open(name, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode("utf-8"))
    except (IOError, OSError) as error:
        raise Problem("cannot write {0}: {1}".format(name, error.strerror))


def outage(event):
    """Return how long there was no primary, in seconds; None where there was no outage."""
    return None if event.up is None or event.down is None else event.up - event.down


def as_values(event):
    """Return the Event as JSON has it (dict)."""
    values = dict(event._asdict())
    values["actions"] = [dict(item._asdict()) for item in event.actions]
    values["outage"] = outage(event)
    return values


def title(event):
    """Return the Event in a line."""
    return "{0} {1}".format(event.kind, where(event)).strip()


def where(event):
    """Return whom the Event concerns: "srv1 -> srv2" for a move of the primary."""
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
        bad = row is not rows[0] and row[4] and not actions.is_good(row[4].split(":")[0])
        yield paint(line, "red") if bad else line
    for line in why(event):
        yield line
    length = outage(event)
    if length is not None:
        yield ""
        yield paint("without a primary for clients: {0}".format(shown(event)), "bold")


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
        return "-"
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
