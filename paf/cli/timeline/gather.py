"""The history as this node knows it: events, and what is missing here and known elsewhere."""

import os
import re
from collections import namedtuple

from paf.cli import configuration, interruptions
from paf.cli.common import Pacemaker, Problem, clock, whole
from paf.cli.timeline import action_times, changes, events, files, logs

#: events: list of events.Event, oldest first; missing: sentences (list of str) on what this node
#: cannot know, and where it is known; [] where the story is complete; since: when the logs begin
#: (epoch seconds), None where there is nothing in them.
History = namedtuple("History", "events missing since")

_MOMENT = 2.0       # seconds without Pacemaker in which nothing can have happened


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


def history(options):
    """Return the History that the options name. Raises Problem.

    On a terminal it says so where that takes long.
    """
    with interruptions.Patience("still reading the logs"):
        return _history(options)


def _history(options):
    resource, vips, pacemaker = options.resource, tuple(options.vip), Pacemaker()
    live, others, node, gone = [], [], "", None
    if not options.log or not resource:
        configured = configuration.parse(_cib(pacemaker, options.log))
        try:
            managed = configuration.find(configured, resource)
            resource = managed.name
            vips = vips or tuple(vip.name for vip in configuration.vips_of(configured, managed))
        except Problem as error:
            if not resource:
                raise
            gone = error    # it may have been there, or have had another name
        if not options.log:
            live, node = list(changes.of_cib(configured.root)), pacemaker.node()
            others = [name for name in configured.nodes if name != node]
    facts, unread = read(options.log)
    if gone is not None:
        unread += _of_earlier(facts, resource, vips, gone)
    found = events.events(facts, resource, vips, 0.0 if options.log else silence(pacemaker) or 0.0,
                          live)
    hosts = (node, os.uname()[1])    # logs have the latter
    if not any(item.resource == resource for event in found for item in event.actions):
        unread += _others(facts, resource)
    if node:
        unread += missing(facts, found, hosts, others)
    elif not facts:
        unread.append("there is nothing that Pacemaker wrote in {0}".format(
            ", ".join(options.log)))
    else:
        unread += uncovered(facts)
    return History(found, unread, facts[0].moment if facts else None)


def _cib(pacemaker, paths):
    """Return the CIB (XML, str). Raises Problem, at once where logs are named (their paths)."""
    if not paths:
        return pacemaker.cib()
    try:
        return pacemaker.cib(is_patient=False)
    except Problem as error:
        raise Problem("which resource and addresses the logs are of is not known: no cluster can "
                      "be asked here: name them with --resource and --vip ({0})".format(error))


def _of_earlier(facts, resource, vips, gone):
    """Return what is missing of a resource that the cluster no longer has (a list of sentences).

    vips: the addresses that are named; gone: the Problem, raised where the logs do not have it.
    """
    if not any(item.resource == resource for item in action_times.actions(facts)[0]):
        raise gone
    return [] if vips else ["{0} is in the logs only: which addresses it had is not known, so that "
                            "an outage ends with the promotion; name them with --vip".format(
                                resource)]


def _others(facts, resource):
    """Return a sentence (in a list) on which resources the logs have; [] where this one is there.
    """
    found = action_times.actions(facts)[0]
    names = sorted(set(item.resource for item in found if item.resource))
    if not names or resource in names:
        return []
    said = "the logs have nothing of {0}, but of {1}".format(resource, ", ".join(names))
    earlier = sorted(set(item.resource for item in found if item.operation == "promote"))
    return [said + "".join("; to see what was {0}: --resource {0}".format(name)
                           for name in earlier)]


def read(paths):
    """Return (Facts, sentences on what could not be read), of this node's logs without paths.

    Raises Problem where nothing can be read.
    """
    names, old = (files.find(paths), []) if paths else files.mine()
    unread = ["cannot look into {0}: run it as root".format(folder)
              for folder in ([] if paths else files.forbidden())]
    if not paths and files.is_silenced():
        unread.append("Pacemaker is configured to write no log here (PCMK_logfile)")
    if not names:
        raise Problem("; ".join(unread) or "found no logs: name them with --log")
    facts = logs.read(names, broken=unread)
    if unread and not facts:
        raise Problem("; ".join(unread))
    if old:
        unread.append("older logs were not read ({0}{1}): name them with --log".format(
            old[-1], " and {0} more".format(len(old) - 1) if old[1:] else ""))
    return facts, unread


def silence(pacemaker):
    """Return how long corosync waits for a silent node before it declares it lost (seconds, float).

    None where that is not known. The token's time at run time has what each node beyond two adds.
    Source: corosync.conf(5), token, token_coefficient, consensus.
    """
    try:
        text = whole(pacemaker.run("corosync-cmapctl", "runtime.config.totem.")) or ""
    except Problem:
        return None
    found = re.findall(r"totem\.(token|consensus) \(u32\) = (\d+)", text)
    if set(name for name, _ in found) != set(["token", "consensus"]):
        return None
    return sum(int(number) for _, number in found) / 1000.0


def uncovered(facts):
    """Yield of what time none of the logs that are named can know anything; pure.

    facts: logs.LogFacts. Nodes whose logs reach into the time without Pacemaker of another know it,
    or had none themselves.
    """
    for host in sorted(set(fact.host for fact in facts)):
        others = [fact.moment for fact in facts if not _is_same(fact.host, host)]
        for begin, end in events.gaps(facts, (host,)):
            if (begin is not None and end - begin > _MOMENT
                    and not (others and min(others) <= end and max(others) >= begin)):
                yield ("{0} ran no Pacemaker from {1} to {2}, and no other node's log of that time "
                       "is named: give it with --log".format(host, clock(begin), clock(end)))


def _is_same(one, other):
    """Return whether two names may be of one host: syslog cuts a name at its first dot."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def missing(facts, found, hosts, others):
    """Yield what a node cannot know, and who does; pure.

    facts: logs.LogFacts of its own logs; found: the Events; hosts: its name in the cluster, and
    other names that it has in logs; others: the other nodes.
    """
    node = hosts[0]
    where = "the logs of {0} have it".format(" and ".join(others) or "no other node")
    for begin, end in events.gaps(facts, hosts):
        if begin is not None and end - begin > _MOMENT:
            yield ("{0} ran no Pacemaker from {1} to {2}: of that time it has only the last "
                   "operation on each node; {3}".format(node, clock(begin), clock(end), where))
    for event in found:
        if event.only_live:
            yield ("the {0} of {1} is not in the logs of {2}, only in the cluster's present state, "
                   "in whole seconds; {3}".format(event.kind, clock(event.begin), node, where))
    if not found:
        yield "the logs of {0} {1}".format(
            node, "begin at {0}; there is no event in them".format(clock(facts[0].moment)) if facts
            else "have nothing that Pacemaker wrote")
