"""paf forecast: what would happen if a node, or two, were lost now."""

import itertools
from collections import namedtuple

from paf import variant
from paf.cli import finding, servers
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, coloured, say, say_json)
from paf.cli.status import fencing, failover, votequorum, service, simulate, status, succession
from paf.cli.status.concern import NO_ACTION, NODE_NO_ACTION
from paf.cli.status.report_text import size
from paf.cli.timeline import events, gather, timeline
from paf.cli.view import OFFLINE

HELP = "what would happen if a node, or two, were lost now"
TEXT = """For the loss of each node, and of each pair of nodes with the primary among them: who
would be promoted, what would be lost, whether the lost node can be fenced, whether the others keep
quorum, and about how long clients would be without a primary. Pacemaker's own scheduler answers
(crm_simulate on the present configuration; nothing is changed), the rules by which the agents
elect and refuse, corosync's votes, the fencer's devices, the WAL positions of this moment, and the
outages of past failovers in this node's logs. "Or srv2": that one, if it has received more by then.
Where commits would then wait for a synchronous standby that is not there, it says so; of a new
primary, as if it had the present one's synchronous_standby_names. What is not known is named.
""" + variant.PAGES + "/schemas/forecast.json describes the JSON."
EXAMPLES = ("paf forecast", "paf forecast --output json")
EXIT_CODES = ((OK, "the cluster survives the loss of any one node: with a primary, whose commits "
                   "end"),
              (NOT_DONE, "it does not, or that is not known"),
              (ERROR, "there is no primary, or the cluster cannot be asked"))

#: Number of the JSON's format.
FORMAT = 1

#: The result of a loss. lost: nodes; answer: True (there is a primary afterwards), False, None
#: (not known); to: who is promoted, None if none is or the primary stays; stays: whether it stays;
#: loss_bytes: int or None; fenced_by: names of devices; reasons: why not, or why it is not known;
#: commits_wait: whether commits then wait for a standby that is not there, None not known;
#: loses_acknowledged: whether acknowledged commits are lost, None not known or no primary; instead,
#: unless: of succession.Election.
Away = namedtuple("Away", "lost answer to stays loss_bytes fenced_by reasons commits_wait "
                  "loses_acknowledged instead unless")


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--output", choices=("text", "json"), default="text",
                        help="the form of the answer (text)")


def run(options):
    """Print the forecast; return the exit code."""
    pacemaker = Pacemaker()
    sight = status.sight(options.resource, pacemaker)
    if sight.report["primary"] is None:
        raise Problem("there is no primary: see paf status")
    members = [node["node"] for node in sight.report["nodes"] if node["membership"] != OFFLINE]
    primary = sight.report["primary"]
    wanted = [[node] for node in members]
    wanted += [[primary, node] for node in members if node != primary]
    found = [of(pacemaker, sight, nodes) for nodes in wanted]
    seconds, unknown = past_outages(options)
    silence, device = gather.silence(pacemaker), votequorum.device_wait(
        pacemaker, sight.facts.votes)
    if options.output == "json":
        say_json({"format": FORMAT, "resource": sight.managed.name, "primary": primary,
                  "past_outages": seconds, "noticed_after": silence, "device_wait": device,
                  "losses": [dict(item._asdict()) for item in found]})
    else:
        for line in lines(found, primary, seconds, unknown, silence, device):
            say(line)
    return OK if all(is_good(item) for item in found if len(item.lost) == 1) else NOT_DONE


def is_good(loss):
    """Return whether clients can go on writing after a Away, with no more to be done; pure.

    What a new primary's commits wait for is that server's own setting, which is not known here.
    """
    return loss.answer is True and not loss.reasons and (
        loss.commits_wait is False or loss.commits_wait is None and not loss.stays)


def of(pacemaker, sight, nodes):
    """Return the Away of nodes (list of str), all at once. Changes nothing."""
    outcome = succession.foreseen(
        sight.report, simulate.loss(pacemaker, sight.managed, nodes), nodes)
    devices = dict((node, fencing.of(pacemaker, sight.configured, sight.seen, node))
                   for node in nodes)
    kept = votequorum.is_kept_without(
        sight.facts.votes, [sight.seen.ids.get(node) for node in nodes
                            if node not in sight.seen.remote])    # it has no vote
    if sight.configured.properties.get("no-quorum-policy", "").lower() == "ignore":
        kept = True
    stays = sight.report["primary"] not in nodes
    elected = succession.of(sight.report, sight.facts.ballot, nodes,
                            None if stays else outcome.promoted)
    flaws = [item for node in nodes for item in fencing.flaws(sight.configured, devices[node])]
    return judge(sight.report, nodes, outcome, devices, kept, elected, flaws)


def judge(report, nodes, outcome, devices, kept, elected=None, flaws=()):
    """Return the Away; pure.

    report: of paf status; outcome: simulate.Outcome; devices: dict of node to fencing.Fencing;
    kept: whether the others have quorum, None where it is not known; elected: succession.Election,
    None where the agents' own rules are left out; flaws: finding.Findings on these devices.
    """
    stays = report["primary"] not in nodes
    elected = elected or succession.of(report, None, nodes, None if stays else outcome.promoted)
    no, unknown, remarks = [], [], []
    if kept is not True:
        (unknown if kept is None else no).append("{0} quorum".format(
            "it is not known whether the others keep" if kept is None else "the others have no"))
    for found, where in itertools.chain(_of_flaws(flaws, report, stays), *[
            _of_fencing(node, devices[node], report["primary"], stays) for node in nodes]):
        {False: no, None: unknown, True: remarks}[where].append(found)
    if outcome.unknown:
        unknown.append(outcome.unknown)
    elif not stays and outcome.promoted is None:
        no.append("Pacemaker would promote no other node")
    no += [elected.refused] if elected.refused else []
    unknown += [elected.unknown] if elected.unknown else []
    if not stays:
        no += [item["what"] for item in report["todo"] if item["about"] == "failover"
               and item["code"] in NO_ACTION + NODE_NO_ACTION]
        names = [vip["name"] for vip in report["vips"]]
        remarks += list(simulate.left_behind(outcome, names)) + list(
            simulate.unplaced(outcome, names))
    to = elected.to
    lost = failover.loss_to(to, report, _commits(report["synchronous"]))
    if to and lost["loss_bytes"] is None:
        unknown.append("what {0} has received is not known".format(to))
    answer = False if no else None if unknown else True
    return Away(nodes, answer, to, stays, 0 if stays else lost["loss_bytes"],
                sorted(set(name for node in nodes for name in devices[node].devices)),
                no + unknown + remarks, commits_wait(report, nodes, to),
                False if stays else lost["loses_acknowledged"] if answer else None,
                elected.instead, elected.unless)


def _of_fencing(node, device, primary, stays):
    """Yield (what is to be said of a lost node's fencing, what that means for the answer).

    False: no primary; None: not known; True: there is one, but.
    """
    possible = fencing.is_possible(device)
    if not device.enabled:    # then Pacemaker takes a lost node to be off
        if node == primary:
            yield "fencing is off, and {0} may still take writes".format(node), True
    elif possible is not True:
        why = device.unusable or device.unknown
        yield "{0} {1} be fenced{2}{3}".format(
            node, "may or may not" if possible is None else "cannot",
            " ({0})".format(why) if why else "",
            ": Pacemaker recovers nothing before it is back" if stays else ""), (
                True if stays else possible)


def _of_flaws(flaws, report, stays):
    """Yield the same of devices that may not do what they report, and of what waits for none."""
    for words, level in sorted(set((item.what, item.level) for item in flaws)):
        yield words, True if stays else False if level == finding.ERROR else None
    for item in report["todo"]:
        if item["code"] == "requires" and not stays:
            yield item["what"] + (", and {0} may still take writes".format(
                report["primary"]) if item["known"] else ""), True


def _commits(known):
    """Return the servers.Commits in a report of paf status, None where they are not known."""
    return None if known is None else servers.Commits(
        known["names"], known.get("waiting"), known.get("longest_wait"), known["commit"],
        known.get("exempt", []))


def commits_wait(report, nodes, to):
    """Return whether commits wait for a standby after the loss of nodes (list of str); pure.

    to: the new primary, None if it stays. A new one is taken to have the same setting; which
    standbys it uses as synchronous is not known, unless there are too few in any case.
    """
    known = report["synchronous"]
    if known is None:
        return None
    needed = service.needed(known["names"], known["commit"])
    rows = [row for row in report["nodes"] if row["node"] not in nodes + [to]
            and (to is not None or row["sync_state"] in service.SYNCHRONOUS)]
    answers = [service.is_connected(row["state"], known["commit"]) for row in rows]
    left = answers.count(True)
    others = len(known.get("others", []))    # whether they find a new primary is not known
    if left + answers.count(None) + others < needed:
        return True
    if to is None and left + others < needed:
        return None
    return False if to is None or not needed else None


def past_outages(options):
    """Return (the outages of the failovers in this node's logs, why they are not known).

    A list of float, seconds, and ""; or None and why. Those whose begin is not in the logs are left
    out.
    """
    class Mine(object):
        log, resource, vip = [], options.resource, []
    try:
        found = gather.history(Mine).events
    except Problem as error:
        return None, str(error)
    return [timeline.outage(event) for event in found if event.kind == events.FAILOVER
            and timeline.outage(event) is not None and not event.at_least], ""


def lines(found, primary, seconds, unknown="", silence=None, device=0.0):
    """Yield the Losses as lines for people.

    seconds, unknown: of past_outages; silence: of gather.silence; device: of
    votequorum.device_wait.
    """
    for item in found:
        lost = " and ".join(item.lost)
        words = {True: ("", "green"), False: ("NO PRIMARY: ", "red"),
                 None: ("NOT KNOWN: ", "yellow")}[item.answer]
        if item.answer:
            words = ("{0} stays the primary".format(primary) if item.stays else promoted(item),
                     "green")
            words = (words[0] + _waiting(item), words[1] if is_good(item) else "yellow")
        said = item.reasons if not item.answer else [""] + item.reasons
        yield "{0} lost: {1}".format(lost, coloured(words[0] + "; ".join(said), words[1]))
        if item.fenced_by:
            yield "    fenced by {0}".format(", ".join(item.fenced_by))
    yield ""
    if silence is None:
        yield "how long corosync waits for a silent node is not known (corosync-cmapctl)"
    else:
        yield ("corosync declares a silent node lost after {0:.1f} s (token and consensus){1}; "
               "fencing and the promotion come after that".format(silence, _later(device)))
    if seconds is None:
        yield "how long past failovers took is not known: {0}".format(unknown)
    elif seconds:
        ordered = sorted(seconds)
        yield "past failovers left clients without a primary for {0:.1f} s (median of {1})".format(
            ordered[len(ordered) // 2], len(ordered))
    else:
        yield "no past failover in this node's logs: how long one takes is not known"


def _later(device):
    """Return by how much the vote of a quorum device may delay that; device: as in `lines`."""
    if device is None:
        return "; how much later where the quorum device does not vote is not known"
    return device and ", up to {0:.1f} s later while the quorum device does not vote".format(
        device) or ""


def _waiting(item):
    if item.commits_wait:
        return "; COMMITS WAIT: too few standbys are left for synchronous_standby_names"
    return "; whether commits would wait for a standby is not known" if (
        item.commits_wait is None and item.stays) else ""


def promoted(item):
    """Return who would be promoted, and with what loss, in words."""
    return "{0} is promoted, {1}{2}{3}".format(
        item.to, "it has all WAL at this moment" if not item.loss_bytes else
        "{0} of WAL that it has not received would be lost".format(size(item.loss_bytes)),
        "".join("; or {0}".format(name) for name in item.instead),
        "".join("; none if {0}, which Pacemaker would not promote, has received more by "
                "then".format(name) for name in item.unless))
