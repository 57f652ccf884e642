"""paf restart: restart instances through Pacemaker, one at a time."""

import time

from paf.cli import configuration, finding, interruptions, servers
from paf.cli.common import (
    ERROR, INTERRUPTED, NOT_DONE, OK, Misuse, Pacemaker, Problem, complain, confirmed,
    require_nodes, say, seconds)
from paf.cli.status import service, status
from paf.cli.switchover import Switchover, destination, doubts, impossible
from paf.cli.view import MAINTENANCE
from paf.deadline import monotonic

HELP = "restart a standby, or all instances one after the other"
TEXT = """With NODE: restarts the standby there, through Pacemaker, and waits until it streams
again. Not the primary: that would be an outage that a switchover makes shorter. With --rolling:
each standby in turn, then a switchover to the one that is first in line, then what was the primary;
clients notice the switchover only. With --pending: only instances with settings that wait for a
restart. Refused where failover would not be possible before (see paf status), and where commits
would wait for a synchronous standby that is being restarted. Stops at the first instance that does
not come back, or that Pacemaker has not restarted."""
EXAMPLES = ("paf restart srv2", "paf restart --rolling", "paf restart --rolling --pending --yes")
EXIT_CODES = ((OK, "done, or nothing to do"), (NOT_DONE, "not confirmed: nothing was changed"),
              (ERROR, "refused, or an instance did not come back"))

_PATIENCE = 600.0       # seconds, by default, for each instance
_STEP = 0.5             # seconds between two looks
_SETTLING = 60.0        # seconds in which what a restart has disturbed is whole again
_MORE = 60.0            # seconds that crm_resource may take longer than it is given
_PENDING = "SELECT count(*) FROM pg_settings WHERE pending_restart"


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="the node of a standby")
    parser.add_argument("--rolling", action="store_true", help="all instances, the primary last")
    parser.add_argument("--pending", action="store_true",
                        help="only instances with settings that wait for a restart")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=_PATIENCE,
                        help="for each instance ({0:.0f})".format(_PATIENCE))


def run(options):
    """Restart what the options name; return the exit code."""
    if bool(options.node) == options.rolling:
        raise Misuse("name a NODE, or say --rolling, and not both")
    pacemaker = Pacemaker()
    sight = status.sight(options.resource, pacemaker)
    command(pacemaker.release(), options.timeout)
    wanted = chosen(sight.report, options.node)
    if options.pending:
        waiting = pending(pacemaker, sight, wanted)
        wanted = [node for node in wanted if waiting[node]]
    if not wanted:
        say("nothing waits for a restart")
        return OK
    for obstacle in problems(sight.report, wanted):
        raise Problem(obstacle)
    primary = sight.report["primary"]
    for node in wanted:
        say("{0} will be restarted{1}".format(
            node, "" if node != primary else ", after a switchover to {0}".format(
                successor(pacemaker, sight.report))))
    if not options.yes and not confirmed("Now? [y/N]"):
        complain("not confirmed, nothing was changed")
        return NOT_DONE
    for node in wanted:
        restart(pacemaker, sight, node, options.timeout)
    return OK


def command(release, patience):
    """Return how crm_resource is to restart a resource (list of str); pure. Raises Problem.

    release: its version (tuple), () for not known. patience: for how long it waits, in seconds. By
    its usage it has --restart since 1.1.13, and --timeout since 1.1.16 at the latest.
    """
    if () < release < finding.RESTARTS:
        raise Problem("crm_resource of Pacemaker {0} cannot restart a resource: paf pause, restart "
                      "the server by hand, paf resume".format(".".join(map(str, release))))
    words = ["crm_resource", "--restart"]
    if () < release < (1, 1, 16):
        return words
    return words + ["--timeout", "{0:.0f}s".format(patience)]


def chosen(report, node):
    """Return the nodes (list) whose instances are restarted, in that order; pure. Raises Problem.

    node: one node, None for all.
    """
    standbys = [row["node"] for row in report["nodes"] if row["role"] == "standby"]
    if node is None:
        # the one that will take over is restarted too, and last of the standbys
        best = report["failover"]["to"]
        order = sorted(standbys, key=lambda name: (name == best, name))
        return order + ([report["primary"]] if report["primary"] else [])
    if node == report["primary"]:
        raise Problem("{0} has the primary: paf restart --rolling moves it first; or paf "
                      "switchover, then paf restart {0}".format(node))
    require_nodes([node], [row["node"] for row in report["nodes"]])
    if node not in standbys:
        raise Problem("{0} runs no standby".format(node))
    return [node]


def problems(report, wanted):
    """Yield why the instances on the nodes `wanted` cannot be restarted without a risk; pure."""
    if report["primary"] is None:
        yield "there is no primary: see paf status"
    for item in report["todo"]:
        if item["about"] in ("up", "failover"):
            yield "not now: {0}".format(item["what"])
    for row in report["nodes"]:
        if row["node"] in wanted and not is_managed(row):
            yield "Pacemaker restarts nothing on {0}: {1}".format(
                row["node"], "it is in maintenance" if row["managed"] else
                "it does not manage the instance there")
    standbys = [row for row in report["nodes"] if row["role"] == "standby"]
    bad = [row["node"] for row in standbys if row["state"] != "streaming"]
    if bad and len(wanted) > 1:
        yield "not now: {0} does not stream".format(" and ".join(bad))
    synchronous = report["synchronous"]
    if synchronous is None:
        yield "not now: whether commits wait for a standby is not known"
        return
    needed = service.needed(synchronous["names"], synchronous["commit"])
    there = [row["node"] for row in standbys
             if service.is_connected(row["state"], synchronous["commit"])
             and row["sync_state"] in service.SYNCHRONOUS]
    # whether a standby that is no node finds another primary is not known
    others = 0 if report["primary"] in wanted else len(synchronous.get("others", []))
    for node in wanted:
        # what is the primary now is restarted as a standby, and another one is the primary then
        if needed and node in there + [report["primary"]] and len(there) - 1 + others < needed:
            yield ("commits would wait while {0} is restarted: synchronous_standby_names asks for "
                   "{1}, and {2} can acknowledge".format(node, needed, len(there) + others))


def is_managed(row):
    """Return whether Pacemaker acts on the instance of a node (its row in the report); pure."""
    return row["managed"] and MAINTENANCE not in [row["membership"]] + row["flags"]


def pending(pacemaker, sight, nodes):
    """Return whether settings wait for a restart (dict of node to bool). Raises Problem."""
    places, found = servers.addresses(pacemaker), {}
    asked = servers.Servers(sight.managed, pacemaker.node())
    for node in nodes:
        count = asked.count(node, places.get(node, node), _PENDING)
        if count is None:
            raise Problem("whether settings of {0} wait for a restart is not known: its server "
                          "could not be asked from here. Name the nodes one by one, without "
                          "--pending".format(node))
        found[node] = count > 0
    return found


def restart(pacemaker, sight, node, patience):
    """Restart the instance on a node, which is a standby's or becomes one. Raises Problem."""
    report = await_order(pacemaker, sight.managed.name, node)
    if node == report["primary"]:
        if node != sight.report["primary"]:    # no switchover of it was announced
            raise Problem("{0} is the primary by now, not {1}: it was not restarted; see paf "
                          "status, then paf restart again".format(node, sight.report["primary"]))
        target = successor(pacemaker, report)
        code = Switchover(pacemaker, report, target, patience).run()
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code != OK:
            raise Problem("{0} was not restarted: the switchover before it has not "
                          "succeeded".format(node))
    say("restarting {0}".format(node))
    before = starts(pacemaker, sight.managed.name, node)
    try:
        pacemaker.wait(patience + _MORE, *(command(pacemaker.release(), patience) + [
            "--resource", report["clone"], "--node", node]))
    except (Problem, KeyboardInterrupt):
        with interruptions.Noted():
            _lift_ban(pacemaker, report["clone"], node)
        raise
    if starts(pacemaker, sight.managed.name, node) == before:
        raise Problem("Pacemaker has not restarted {0}, though crm_resource --restart reports no "
                      "error: see paf status".format(node))
    await_streaming(pacemaker, sight.managed.name, node, patience)
    say("{0} streams again".format(node))


def _lift_ban(pacemaker, clone, node):
    """Take away the ban by which crm_resource --restart stops an instance, and which would stay."""
    argv = ["crm_resource", "--clear", "--resource", clone, "--node", node]
    try:
        result = pacemaker.run(*argv)
        done = not result.timed_out and result.status == 0
    except Problem:    # it could not be started; the caller says why the restart failed
        done = False
    complain("the restart of {0} was cut off; {1}".format(
        node, "see paf status" if done else "a ban may have been left: " + " ".join(argv)))


def successor(pacemaker, report):
    """Return the node to which the primary moves before it is restarted; say what is not known.

    Raises Problem.
    """
    target, outcome = destination(pacemaker, report)
    for obstacle in impossible(report, outcome, target):
        raise Problem("the primary was not restarted: {0}".format(obstacle))
    for doubt in doubts(report, outcome, target):
        complain(doubt)
    return target


def starts(pacemaker, resource, node):
    """Return what identifies the last start of an instance in Pacemaker's history (list of str).

    [] where it has none: the history was cleaned up. Each start has a transition of its own.
    Raises Problem.
    """
    root = configuration.parse(pacemaker.cib()).root
    return sorted(
        operation.get("transition-key", "") + " " + operation.get("call-id", "")
        for name, state in configuration.node_states(root) if name == node
        for history in state.findall("lrm/lrm_resources/lrm_resource")
        if history.get("id", "").partition(":")[0] == resource
        for operation in history.findall("lrm_rsc_op") if operation.get("operation") == "start")


def await_order(pacemaker, resource, node):
    """Return the report (dict) once nothing is in the way of a restart. Raises Problem.

    It may have been long since the first look; right after a restart not all is settled.
    """
    end = monotonic() + _SETTLING
    while True:
        report = status.look(resource, pacemaker)
        obstacles = list(problems(report, [node]))
        if not obstacles:
            return report
        if monotonic() > end:
            raise Problem("{0} was not restarted: {1}".format(node, obstacles[0]))
        time.sleep(_STEP)


def await_streaming(pacemaker, resource, node, patience):
    """Wait until the standby on a node streams and may be promoted. Raises Problem."""
    end = monotonic() + patience
    while True:
        report = status.look(resource, pacemaker)
        row = dict((row["node"], row) for row in report["nodes"]).get(node)
        if row is None:
            raise Problem("{0} is no node of the cluster any more; see paf status".format(node))
        if row["state"] == "streaming" and (row["score"] or 0) > 0:
            return
        if row["failures"] or monotonic() > end:
            last = row["failures"][-1] if row["failures"] else {"reason": ""}
            raise Problem("{0} did not come back as a standby that can take over: {1}, score {2}; "
                          "{3}see paf status".format(
                              node, row["state"], row["score"],
                              last["reason"] and "{0}; ".format(last["reason"])))
        time.sleep(_STEP)
