"""paf timeline: what happened in the last failover or switchover, as a list and as a picture."""

from paf import variant
from paf.cli.common import ERROR, NOT_DONE, OK, Problem, complain, say, say_json
from paf.cli.timeline import picture
from paf.cli.timeline.gather import history, sources
from paf.cli.timeline.event_text import lines, outage, shown, title, where

__all__ = ["FORMAT", "arguments", "as_values", "lines", "outage", "run", "shown", "title", "where"]

#: Number of the JSON's format, here and in paf history.
FORMAT = 2

HELP = "show what happened in the last failover or switchover"
TEXT = """Reads Pacemaker's and corosync's logs: this node's, or those named with --log (files, also
packed ones, the archive that crm_report makes, or a folder with any of these). Every member logs
the changes of the cluster's state, so all members show the same. A node that was away has the last
operation of each instance, from the cluster's current state; what it cannot know it says, and which
nodes know it. The log of the DC of that time adds the notifications. Lists each action with its
duration and result, the positions on which the election was decided, and how long clients had no
primary: from the demotion, the failed monitor, or the moment a lost node was last heard of, to the
promotion and the start of the address. A crash that a monitor finds came before: that time is in no
log, and comes on top. --picture writes the same as one SVG or HTML file that needs no other.
""" + variant.PAGES + "/schemas/timeline.json describes the JSON."
EXAMPLES = ("paf timeline", "paf timeline --number 3", "paf timeline --picture failover.html",
            "paf timeline --log pcmk-report.tar.bz2 --resource pgsqld --vip pgsql-ip")
EXIT_CODES = ((OK, "an event was found, and nothing is missing"),
              (NOT_DONE, "no event was found, or something is missing here: it says what, and "
                         "where it is known"),
              (ERROR, "the logs cannot be read, or the cluster cannot be asked; there is no event "
                      "with this number, or the picture cannot be written"))


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
        return _nothing(found, options)
    event = found.events[_index(options.number, found.events)]
    if options.picture:
        _write(options.picture, picture.html(event) if options.picture.endswith(".html")
               else picture.svg(event))
    if options.output == "json":
        say_json(dict(as_values(event), format=FORMAT, missing=found.missing, since=found.since))
    else:
        for line in lines(event):
            say(line)
    return _report_missing(found, options)


def _nothing(found, options):
    """Say that there is no event; return the exit code."""
    if options.output == "json":
        say_json(dict(dict.fromkeys(("kind", "old", "new", "begin", "end", "down", "up", "outage")),
                      format=FORMAT, missing=found.missing, since=found.since, nodes=[],
                      estimated=False, at_least=False, lost={}, votes={}, only_live=False,
                      actions=[]))
    else:
        say("the logs have no change of {0}".format(options.resource or "the resource"))
    return _report_missing(found, options)


def _report_missing(found, options):
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


def as_values(event):
    """Return the Event for JSON (dict)."""
    values = dict(event._asdict())
    values["actions"] = [dict(item._asdict()) for item in event.actions]
    values["outage"] = outage(event)
    return values
