"""paf timeline: what happened in the last failover or switchover, as a list and as a picture."""

import re
import time

from paf.cli import configuration
from paf.cli.common import NOT_DONE, OK, Pacemaker, Problem, coloured, say, say_json, table
from paf.cli.timeline import events, logs, picture

HELP = "show what happened in the last failover or switchover"
TEXT = """Reads Pacemaker's and corosync's logs: this node's, or those named with --log (files, also
packed ones, the archive that crm_report makes, or a folder with any of these). The log of the DC of
that time tells of all nodes; other nodes' logs add why an action failed there. Lists each action
with its duration and result, and tells how long clients had no primary: from the demotion, the
failed monitor, or the moment a lost node was last heard of, to the promotion and the start of the
address. A crash that a monitor finds came before: that time is in no log, and comes on top.
--picture writes the same as one SVG or HTML file that needs no other."""
EXAMPLES = ("paf timeline", "paf timeline --number 3", "paf timeline --picture failover.html",
            "paf timeline --log pcmk-report.tar.bz2 --resource pgsqld --vip pgsql-ip")
EXIT_CODES = ((OK, "an event was found"), (NOT_DONE, "the logs tell of none"))


def arguments(parser):
    """Declare the verb's arguments."""
    sources(parser)
    parser.add_argument("--number", metavar="N", type=int, default=0,
                        help="the event with this number in paf history (the last one)")
    parser.add_argument("--picture", metavar="FILE", help="write an .svg or .html file as well")


def sources(parser):
    """Declare where the events come from, and the form of the answer."""
    parser.add_argument("--log", metavar="PATH", action="append", default=[],
                        help="log file or folder, as often as you like (this node's logs)")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource; needed where no cluster runs")
    parser.add_argument("--vip", metavar="NAME", action="append", default=[],
                        help="the address's resource; needed where no cluster runs")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")


def run(options):
    """Print the event; return the exit code."""
    found = gather(options)
    if not found:
        say("the logs tell of no change of {0}".format(options.resource or "the resource"))
        return NOT_DONE
    event = found[_index(options.number, found)]
    if options.picture:
        _write(options.picture, picture.html(event) if options.picture.endswith(".html")
               else picture.svg(event))
    if options.output == "json":
        say_json(as_values(event))
    else:
        for line in lines(event):
            say(line)
    return OK


def _index(number, found):
    if number == 0:
        changes = [index for index, event in enumerate(found) if event.up is not None]
        return changes[-1] if changes else -1
    if not 1 <= number <= len(found):
        raise Problem("there are events 1 to {0}".format(len(found)))
    return number - 1


def _write(name, text):
    if not name.endswith((".svg", ".html")):
        raise Problem("{0}: a picture is an .svg or an .html file".format(name))
    try:
        with open(name, "w") as stream:
            stream.write(text)
    except (IOError, OSError) as error:
        raise Problem("cannot write {0}: {1}".format(name, error.strerror))


def gather(options):
    """Return the Events in the logs that the options name. Raises Problem."""
    resource, vips, pacemaker = options.resource, tuple(options.vip), Pacemaker()
    if not resource or not (vips or options.log):
        configured = configuration.parse(pacemaker.cib())
        managed = configuration.find(configured, resource)
        resource = managed.name
        vips = vips or tuple(vip.name for vip in configuration.vips_of(configured, managed))
    names = logs.find(options.log) if options.log else logs.mine()
    if not names:
        raise Problem("found no logs: name them with --log")
    return events.events(logs.read(names), resource, vips,
                         0.0 if options.log else _silence(pacemaker))


def _silence(pacemaker):
    """Return how long corosync waits for a silent node before it goes on without (seconds)."""
    try:
        text = pacemaker.run("corosync-cmapctl", "runtime.config.totem.").out
    except Problem:
        return 0.0
    found = re.findall(r"totem\.(?:token|consensus) \(u32\) = (\d+)", text)
    return sum(int(number) for number in found) / 1000.0


def outage(event):
    """Return how long there was no primary, in seconds; None where there was no outage."""
    return None if event.up is None or event.down is None else event.up - event.down


def as_values(event):
    """Return the Event as JSON has it (dict)."""
    values = dict(event._asdict())
    values["actions"] = [dict(item._asdict()) for item in event.actions]
    values["outage"] = outage(event)
    return values


def clock(moment):
    """Return a moment as people write it, to the millisecond."""
    return "{0}.{1:03d}".format(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)),
                                int(moment * 1000) % 1000)


def title(event):
    """Return the Event in a line."""
    if event.old and event.new and event.old != event.new:
        where = "{0} -> {1}".format(event.old, event.new)
    else:
        where = event.new or event.old or ""
    return "{0} {1}".format(event.kind, where).strip()


def lines(event):
    """Yield the Event as lines for people."""
    yield coloured("{0}, {1}".format(title(event), clock(event.begin)), "bold")
    rows = [["seconds", "node", "what", "took", "result"]]
    moments = [(item.start, _row(item, event.begin)) for item in event.actions]
    moments += [(moment, ["{0:7.2f}".format(moment - event.begin), node, "last heard of", "", ""])
                for node, moment in event.lost.items()]
    rows += [row for _, row in sorted(moments, key=lambda pair: pair[0])]
    for row, line in zip(rows, table(rows)):
        failed = row is not rows[0] and row[4] and not events.is_good(row[4].split(":")[0])
        yield coloured(line, "red") if failed else line
    length = outage(event)
    if length is not None:
        yield ""
        yield coloured("without a primary for clients: {0:.2f} s{1}".format(
            length, " (its begin is reckoned from corosync's timeout)" if event.estimated else ""),
            "bold")


def _row(item, begin):
    what = "{0} {1}".format(item.operation, item.resource).strip()
    took = "" if item.end in (None, item.start) else "{0:.2f} s".format(item.end - item.start)
    result = item.result or "not told in these logs"
    return ["{0:7.2f}".format(item.start - begin), item.node, what, took,
            "{0}: {1}".format(result, item.reason) if item.reason else result]
