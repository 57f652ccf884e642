"""paf pause: keep Pacemaker's hands off, for a while."""

import re
import time
from xml.sax.saxutils import quoteattr

from paf.cli import configuration
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Misuse, Pacemaker, Problem, clock, complain, confirmed, for_resource,
    no_node, say, without_quorum)
from paf.cli.operate import pauses
from paf.cli.status import status
from paf.cli.view import MAINTENANCE, ONLINE

HELP = "keep Pacemaker's hands off the instances, for a while"
TEXT = """Without NODE: puts the resource into maintenance until the time is over. Pacemaker watches
and does nothing: there is no failover and no recovery meanwhile, PostgreSQL can be restarted by
hand. It ends by itself (a rule with a date, which Pacemaker judges at least every
cluster-recheck-interval), or with paf resume. paf status reminds of it and ends with 1. With NODE:
only that node is in maintenance, until paf resume NODE. The others fail over as before, but without
that node. Refused for the primary's node, and for a standby that the others would need.
PostgreSQL's role must be the same again before the end: see paf resume."""
EXAMPLES = ("paf pause", "paf pause --for 30min", "paf pause srv2")
EXIT_CODES = ((OK, "done"), (NOT_DONE, "not confirmed: nothing was changed"),
              (ERROR, "refused, or the cluster cannot be asked"))

_PART = r"(\d+) *(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z]) *"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 2 ** 31    # seconds; what configuration.seconds gives at most


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="only this node")
    parser.add_argument("--for", dest="duration", metavar="TIME",
                        help="how long, such as 30min, 2h or 1d (1h); without NODE only")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options):
    """Pause the resource or a node; return the exit code."""
    if options.node and options.duration is not None:
        raise Misuse("--for is for the whole resource: {0} would be in maintenance until paf "
                     "resume {0}".format(options.node))
    length = _length(options.duration)
    pacemaker = Pacemaker()
    sight = status.sight(options.resource, pacemaker)
    obstacle = _unfit(pacemaker, sight.report, options.node)
    if obstacle:
        raise Problem(obstacle)
    end = time.time() + length
    for words in earlier(sight.report, options.node):
        say(words)
    say("{0} until {1}.".format(
        "Pacemaker leaves {0} alone".format(options.node) if options.node else
        "Pacemaker does nothing for {0}: no failover, no recovery".format(sight.report["clone"]),
        "paf resume {0}".format(options.node) if options.node else clock(end)))
    if not options.yes:
        if not confirmed("Now? [y/N]"):
            complain("not confirmed, nothing was changed")
            return NOT_DONE
        # the answer may have taken long
        obstacle = _unfit(pacemaker, status.look(options.resource, pacemaker), options.node)
        if obstacle:
            raise Problem("{0}; nothing was changed".format(obstacle))
    back = "paf resume{0}{1}".format(
        " " + options.node if options.node else "", for_resource(options))
    try:
        _pause(pacemaker, sight.managed.name, options.node, end)
    except (Problem, KeyboardInterrupt):
        complain("it was not seen whether {0} is paused now: look at paf status; back with: "
                 "{1}".format(options.node or sight.managed.name, back))
        raise
    say("done; back with: {0}".format(back))
    return OK


def _length(duration):
    """Return how many seconds a pause lasts: an hour for None. Raises Misuse."""
    length = length_of("1h" if duration is None else duration)
    if length is None:
        raise Misuse("{0} is no time that can be understood: 30min, 2h, 1h30min, 1d".format(
            duration))
    if length < 60:
        raise Misuse("{0} is too short: at least a minute, such as 30min or 2h".format(duration))
    return length


def _unfit(pacemaker, report, node):
    """Return why it cannot be paused; a node also for the other resources of PAF's that it holds.
    """
    obstacle = unfit(report, node)
    if obstacle or node is None:
        return obstacle
    for name in configuration.beside(configuration.parse(pacemaker.cib()), report["resource"]):
        obstacle = unfit(status.look(name, pacemaker), node)
        if obstacle:
            return "{0}: {1}".format(name, obstacle)
    return ""


def _pause(pacemaker, resource, node, end):
    """Pause a node (str), or the resource where that is None; look whether it is. Raises Problem.

    end: when the resource's pause ends by itself (a time in seconds).
    """
    if node:
        pacemaker.ask("crm_attribute", "--type", "nodes", "--node", node,
                      "--name", "maintenance", "--update", "on")
    else:
        pause(pacemaker, resource, end)
    if not pauses.is_paused(configuration.parse(pacemaker.cib()).root, resource, node):
        raise Problem("Pacemaker has taken the pause without an error, and does not show it: {0} "
                      "is not paused; see paf status".format(node or resource))


def earlier(report, node):
    """Yield what another pause, perhaps of another administrator, has set already; pure.

    node: its name, None for the resource.
    """
    for item in report["todo"]:
        if item["code"] == ("node-maintenance" if node else "paused") and item["node"] == node:
            yield "{0}: this takes its place".format(item["what"])


def length_of(text):
    """Return a time (str) in seconds; None where it is none; pure.

    As people write it, 1h30min or 2 hours: Pacemaker, of whose spelling the rest is, would read the
    first word only.
    """
    text = text.strip()
    if re.match(r"(?:{0})+$".format(_PART), text, re.IGNORECASE):
        parts = re.findall(_PART, text, re.IGNORECASE)
        return float(min(_LONGEST, sum(int(number) * _SECONDS[unit[0].lower()]
                                       for number, unit in parts)))
    plain = re.match(r"(?:\d+|P[0-9YMWDTHS]+)$", text, re.IGNORECASE)
    return configuration.seconds(text) if plain else None


def unfit(report, node):
    """Return why a node (None: the resource) cannot be paused; "" if it can; pure."""
    names = [row["node"] for row in report["nodes"]]
    obstacle = without_quorum(
        report, "this partition has no quorum: the other nodes would not see the pause")
    if obstacle:
        return obstacle
    if node is None:
        return ""
    if node not in names:
        return no_node(node, names)
    if node in report["primaries"]:
        return ("{0} has the primary: in maintenance it would not be replaced if it failed. Pause "
                "the resource (paf pause), or move the primary first (paf switchover)".format(node))
    others = [row["node"] for row in report["nodes"] if row["node"] != node and _may_take_over(row)]
    mine = [row["role"] for row in report["nodes"] if row["node"] == node]
    if mine == ["standby"] and not others and report["failover"]["to"] is None and (
            report["failover"]["answer"] is None):
        return ("it is not known which node could take over, and no standby but {0} may: while it "
                "is in maintenance there could be no failover. If that is intended: "
                "paf pause".format(node))
    if report["failover"]["to"] == node and not others:
        return ("no standby but {0} could take over: while it is in maintenance there would be no "
                "failover. If that is intended: paf pause".format(node))
    return ""


def _may_take_over(row):
    """Return whether Pacemaker may promote a node (its row in the report); pure."""
    return (row["role"] == "standby" and row["membership"] == ONLINE and row["managed"]
            and MAINTENANCE not in row["flags"] and not row["kept_off"]
            and (row["score"] or 0) > 0)


def pause(pacemaker, resource, end):
    """Put a resource (its primitive's name) into maintenance until `end` (epoch seconds).

    A pause that is there gets the new end in one change: if it were taken away first, Pacemaker
    could act in between. Raises Problem.
    """
    ident = pauses.name_of(resource)
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    xml = ("<primitive id={2}><meta_attributes id=\"{0}\" score=\"1000000\">"
           "<rule id=\"{0}-rule\" score=\"0\">"
           "<date_expression id=\"{0}-date\" operation=\"lt\" end=\"{1}\"/></rule>"
           "<nvpair id=\"{0}-maintenance\" name=\"maintenance\" value=\"true\"/>"
           "</meta_attributes></primitive>").format(ident, date, quoteattr(resource))
    pacemaker.ask("cibadmin", "--modify", "--allow-create", "--scope", "resources",
                  "--xml-text", xml)


def end_of(pacemaker, resource):
    """Remove what `pause` has made, if it is there. Raises Problem."""
    ident = pauses.name_of(resource)
    root = configuration.parse(pacemaker.cib()).root
    if any(item.get("id") == ident for item in root.findall(".//meta_attributes")):
        pacemaker.ask("cibadmin", "--delete", "--force", "--xpath",
                      "//meta_attributes[@id='{0}']".format(ident))
