"""paf status: the verb. Looks at the cluster, prints a report, says whether all is well."""

import os
import time
from collections import namedtuple

from paf import ocf, variant
from paf.cli import configuration, interruptions, nodelist, servers, view
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, clear_screen, complain, is_heard, say, say_json)
from paf.cli.status import fencing, report, report_text, simulate, votequorum
from paf.cluster import base, cib

HELP = "is it up, would it fail over now, what has to be done"
TEXT = """Answers three questions, with one table for the whole cluster, on whatever node it is run:
is there a primary that clients reach and that takes writes; if its node were lost now, would
another be promoted, which one, and what would be lost; what is there to do, with the commands.

What is known, and from where:
  roles, scores, reasons, failures and constraints come from Pacemaker: the same on all nodes;
  who would be promoted comes from Pacemaker's own scheduler (crm_simulate, which changes
  nothing), whether a node can be fenced from its fencer, votes from corosync;
  this node's timeline, LSNs and lag come from its own server, by SQL;
  the other nodes' from the primary: by SQL here if this is the primary's node, else with the
  primary_conninfo of this node, at the address of the primary's node, otherwise where it leads, if
  its role may connect to the database "postgres" and is a member of pg_monitor;
  where it may not, timeline and received LSN are asked of each node over a replication
  connection. Replayed LSN, lag and sync state of other nodes are then shown as "?".
Lag in bytes is the primary's position less what is replayed; in seconds, as the server counts.
Needs root; in the group haclient only, the servers cannot be asked, and it says so. What is not
known is never reported as good.
""" + variant.PAGES + "/schemas/status.json describes the JSON."
EXAMPLES = ("paf status", "paf status --watch", "paf status --output json")
EXIT_CODES = ((OK, "it is up, it would fail over now, and nothing is to be done"),
              (NOT_DONE, "there is a primary, but one of the three is not so, or not known"),
              (ERROR, "there is no primary, or the cluster cannot be asked"))

_PAUSE = 2.0    # seconds

#: What is said of a look that takes long.
SLOW = "still looking: a program of Pacemaker, or a server, is slow or hangs; each is given up " \
       "after some seconds"


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")
    parser.add_argument("--watch", action="store_true",
                        help="show it again every two seconds, until Ctrl-C; goes on when a look "
                             "fails")


def run(options):
    """Print the status; return the exit code."""
    if not options.watch:
        found = look(options.resource, Pacemaker())
        _print(options, found)
        return report.verdict(found)
    while is_heard():
        if options.output == "text":
            say(clear_screen() + time.strftime("%H:%M:%S %Z"))
        try:
            _print(options, look(options.resource, Pacemaker()))
        except (Problem, ocf.OcfError) as error:
            complain(str(error))
        time.sleep(_PAUSE)
    return OK


def _print(options, found):
    if options.output == "json":
        say_json(found)
    else:
        for line in report_text.lines(found):
            say(line)


#: What was seen: view.View, Configuration, Managed, report.Facts, and the report (dict) of it.
Look = namedtuple("Look", "seen configured managed facts report")


def look(resource, pacemaker):
    """Return the report (dict, as --output json prints it) of the cluster as it is now.

    resource: its name, "" where there is one only; pacemaker: common.Pacemaker. Raises Problem.
    """
    return sight(resource, pacemaker).report


def names_of(resource):
    """Return how the agent calls the attributes of a resource: cluster.cib.Names."""
    return base.Cluster(ocf.Environment({"OCF_RESOURCE_INSTANCE": resource})).names()


def sight(resource, pacemaker):
    """Return the Look of the cluster as it is now. Raises Problem.

    On a terminal it says so where that takes long.
    """
    with interruptions.Patience(SLOW):
        return _sight(resource, pacemaker)


def _sight(resource, pacemaker):
    seen = view.look(pacemaker)
    text_of_cib, now = pacemaker.cib(), time.time()
    configured = configuration.parse(text_of_cib, now)
    managed = configuration.find(configured, resource, pacemaker.node)
    primaries = view.promoted(seen, managed.name)
    primary = primaries[0] if len(primaries) == 1 else None
    online = [node for node, role in view.roles(seen, managed.name).items() if role != "Stopped"]
    here = pacemaker.node()
    asked = servers.Servers(managed, here)
    known = asked.known(online, primaries[0] if primaries else None,
                        lambda: servers.addresses(pacemaker))
    # others are not let in, which says nothing of the server
    silence = {here: asked.silence} if asked.silence and os.geteuid() == 0 else {}
    facts = report.Facts(
        known=known, commits=asked.commits,
        outcome=simulate.loss(pacemaker, managed, [primary] if primary else []),
        fencing=fencing.of(pacemaker, configured, seen, primary) if primary else None,
        votes=votequorum.of(pacemaker), silence=silence,
        # one that was removed is never online
        listed=nodelist.names(pacemaker, seen.heard - seen.remote) if set(
            seen.nodes.values()) & set((view.OFFLINE, view.UNCLEAN)) else None,
        ballot=cib.parse(text_of_cib, names_of(managed.name), managed.name, now))
    return Look(seen, configured, managed, facts,
                report.report(seen, configured, managed, facts))
