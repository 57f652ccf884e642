"""paf promote: the way out on the day when no node may be promoted."""

import time

from paf.cli import interruptions, view
from paf.cli.common import (
    ERROR, NOT_DONE, OK, Pacemaker, Problem, coloured, complain, confirmed, for_resource, no_node,
    require_nodes, say, seconds, without_quorum)
from paf.cli.status import status
from paf.cli.status.concern import NO_ACTION, NODE_NO_ACTION
from paf.cli.status.report import REASON
from paf.cli.status.report_text import size
from paf.cli.status.service import is_lost
from paf.deadline import monotonic
from paf.decide import wal

HELP = "have a standby promoted that the agent would not promote, and accept what is lost"
TEXT = """For a cluster without a primary, in which the agent refuses to promote any standby because
another node may hold commits that it does not have. Shows what each node has, as far as it can be
known, and what is lost. The better way is always to bring the missing node back. With
--accept-loss, and your confirmation, the agent promotes NODE anyway, once: the attribute
accept_loss-RESOURCE says so to it, and is gone afterwards. Nodes that are not known to be off have
to be fenced first: --confirm-off NODE confirms it to Pacemaker, so use it only after you have
seen that the node is off. Without quorum Pacemaker promotes nothing, and neither does this."""
EXAMPLES = ("paf promote srv3", "paf promote srv3 --accept-loss",
            "paf promote srv3 --accept-loss --confirm-off srv1 --yes")
EXIT_CODES = ((OK, "promoted; without --accept-loss: it would be tried"),
              (NOT_DONE, "not confirmed: nothing was changed"),
              (ERROR, "refused, or not promoted in time"))

_STEP = 0.5             # seconds between two looks
_PATIENCE = 180.0       # seconds, by default
_SCORE, _OTHERS = "1000", "1"


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", help="the node to become the primary")
    parser.add_argument("--accept-loss", action="store_true",
                        help="promote it, whatever the others may have")
    parser.add_argument("--confirm-off", metavar="NODE", action="append", default=[],
                        help="confirm to Pacemaker that this node is off; as often as you like")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=_PATIENCE,
                        help="how long to follow it ({0:.0f})".format(_PATIENCE))


def run(options):
    """Promote the node; return the exit code."""
    pacemaker = Pacemaker()
    report = status.look(options.resource, pacemaker)
    require_nodes([options.node] + options.confirm_off, [row["node"] for row in report["nodes"]])
    obstacles = list(problems(report, options.node, options.confirm_off))
    if not report["primaries"]:    # else nothing is to be lost
        for line in loss(report, options.node):
            say(line)
    for obstacle in obstacles:
        complain(obstacle)
    if obstacles:
        return ERROR
    if not options.accept_loss:
        say("")
        say("To promote {0} anyway: paf promote {0} --accept-loss{1}{2}".format(
            options.node, "".join(" --confirm-off " + node for node in options.confirm_off),
            for_resource(options)))
        return OK
    if not options.yes:
        if not confirmed("What is lost cannot be brought back. To go on, type the name of the "
                         "node:", (options.node.lower(),)):
            complain("not confirmed, nothing was changed")
            return NOT_DONE
        report = status.look(options.resource, pacemaker)    # the answer may have taken long
        for obstacle in problems(report, options.node, options.confirm_off):
            raise Problem("{0}; nothing was changed".format(obstacle))
    return _confirm_and_promote(pacemaker, report, options)


def _confirm_and_promote(pacemaker, report, options):
    """Confirm which nodes are off, promote; return the exit code. Says what stays of a failure."""
    code, asked, done = ERROR, [], []    # type: int, list[str], list[str]
    try:
        for node in options.confirm_off:
            asked.append(node)
            pacemaker.ask("stonith_admin", "--confirm", node)
            done.append(node)
        code = promote(pacemaker, report, options.node, options.timeout)
    finally:
        if code != OK and done:
            complain("Pacemaker takes {0} for off now, and may promote a node by itself: this "
                     "cannot be taken back; look at paf status".format(" and ".join(done)))
        for node in asked[len(done):]:
            complain("whether Pacemaker takes {0} for off now is not known: if it does, it may "
                     "promote a node by itself; look at paf status".format(node))
    return code


def problems(report, node, off=()):
    """Yield why `node` cannot be promoted even then; pure.

    off: nodes (list of str) that the administrator says are off.
    """
    rows = dict((row["node"], row) for row in report["nodes"])
    lost = [name for name in report["primaries"] if is_lost(rows[name])]
    if lost:
        yield ("Pacemaker has {0} as the primary, whose node is {1}: another is promoted once that "
               "node is fenced".format(lost[0], rows[lost[0]]["membership"]))
    elif report["primaries"]:
        yield "{0} is the primary: paf switchover moves it".format(
            " and ".join(report["primaries"]))
    if node not in rows:
        yield no_node(node, rows)
        return
    obstacle = without_quorum(report, (
        "this partition has no quorum, so Pacemaker promotes nothing: bring back enough "
        "nodes, or lower the expected votes (corosync-quorumtool -e) if they are gone"))
    if obstacle:
        yield obstacle
    if rows[node]["membership"] != view.ONLINE or rows[node]["role"] != "standby":
        yield "{0} runs no standby: {1}".format(node, rows[node]["state"])
    for obstacle in _not_off(report, rows, off):
        yield obstacle
    for item in report["todo"]:
        if item["code"] in NO_ACTION or (
                item["code"] in NODE_NO_ACTION and item["node"] == node):
            yield "{0}: {1}".format(item["what"], item["why"])


def _not_off(report, rows, off):
    """Yield which node may still be writing, or was confirmed to be off and is not."""
    for row in report["nodes"]:
        if row["membership"] == view.UNCLEAN and row["node"] not in off:
            yield ("{0} is not known to be off: it may still be writing. See that it is off, then "
                   "add --confirm-off {0}".format(row["node"]))
    for other in off:
        if other not in rows or rows[other]["heard"] or not is_lost(rows[other]):
            yield "{0} is a member of this cluster: it is not off".format(other)


def loss(report, node):
    """Yield what promoting `node` loses, as far as it can be known, for people; pure."""
    mine = [row for row in report["nodes"] if row["node"] == node]
    here = _position(mine[0]) if mine else None
    for row in report["nodes"]:
        if row["node"] == node:
            words = "is to be promoted, at {0}".format(_place(row))
        elif row["received"] is None:
            words = ("what it has is NOT KNOWN ({0}): commits that only it has are lost, and it "
                     "has to be rebuilt or rewound when it is back".format(row["state"]))
            if row["score"] is not None and row["score"] > 1000:
                words = "was the last primary; " + words
        else:
            words = "is at {0}: {1}".format(_place(row), _more(_position(row), here, node))
        yield "{0} {1}".format(row["node"], words)
        if row["not_promoted_because"]:
            yield "    {0}".format(row["not_promoted_because"])


def _more(there, here, node):
    """Return what `node`, which is to be promoted, lacks of another; pure.

    there: the other's wal.Position; here: its own; None where it is not known.
    """
    if there is None or here is None:
        return "whether {0} has all of it is NOT KNOWN: what it lacks is lost".format(node)
    if there.timeline > here.timeline:
        return "what it has more is lost"
    if there.timeline < here.timeline:    # a primary that was lost may have gone on after the fork
        return ("on an older timeline; what it wrote there after TL {0} began, if anything, {1} "
                "lacks".format(here.timeline, node))
    return "{0} are lost".format(size(there.lsn - here.lsn)) if there > here else (
        "has nothing that {0} lacks".format(node))


def _place(row):
    """Return where a node (its row in the report) is in the WAL, for people; pure."""
    if row["received"] is None:
        return "a position that is not known"
    position = _position(row)
    return wal.describe(position) if position else (
        "{0} of a timeline that is not known".format(row["received"]))


def _position(row):
    """Return the wal.Position; None where it, or its timeline, is not known: LSNs are of one."""
    if row["received"] is None or row["timeline"] is None:
        return None
    return wal.Position(row["timeline"], wal.parse_lsn(row["received"]))


def promote(pacemaker, report, node, patience):
    """Say to agent and Pacemaker that `node` is to be promoted, and follow it.

    Returns the exit code. If no promotion followed, the scores are again what they were (that of
    the last primary is what elections know it by), and the attribute that accepts the loss goes.
    """
    resource = report["resource"]
    done = False
    try:
        pacemaker.ask(*_acceptance(resource, node, "--update", "true"))
        for row in report["nodes"]:
            if row["node"] != node and (row["score"] or 0) > 1:
                pacemaker.ask(*_score_of(resource, row["node"], _OTHERS))
        pacemaker.ask(*_score_of(resource, node, _SCORE))
        done = _follow(pacemaker, resource, node, patience)
    finally:
        if not done:
            with interruptions.Noted():
                done = _take_back(pacemaker, report, node)
    return OK if done else ERROR


def _take_back(pacemaker, report, node):
    """Undo what `promote` has set; return whether the node is promoted after all.

    Then its score stays, and where that is not known too: Pacemaker demotes a primary whose score
    is below zero. Says what cannot be undone. Nothing interrupts it.
    """
    promoted = _is_promoted(pacemaker, report["resource"], node)
    undo = [] if promoted else [
        _score_of(report["resource"], row["node"], row["score"]) for row in report["nodes"]
        if row["node"] == node or (row["score"] or 0) > 1]
    left = [argv for argv in undo if promoted is None and argv[4] == node]
    undo = [argv for argv in undo if argv not in left]
    undo.append(_acceptance(report["resource"], node, "--delete"))
    for argv in undo:
        try:
            result = pacemaker.run(*argv)
            undone = not result.timed_out and result.status == 0
        except Problem:    # it could not be started: the next one may be
            undone = False
        if not undone:
            left.append(argv)
    complain("{0} is promoted{1}".format(node, "; run by hand:" if left else "") if promoted else
             "no promotion of {0} was seen; {1}".format(
                 node, "this could not be taken back, run it by hand{0}:".format(
                     " unless {0} is the primary by now".format(node) * (promoted is None))
                 if left else "scores and attributes are as they were before"))
    for argv in left:
        complain("  " + " ".join(argv))
    return bool(promoted)


def _is_promoted(pacemaker, resource, node):
    """Return whether Pacemaker has promoted a node; None where it cannot be asked."""
    try:
        return node in view.promoted(view.look(pacemaker), resource)
    except Problem:
        return None


def _acceptance(resource, node, *change):
    """Return the command (list) that has the agent on a node accept a loss, or no longer.

    Up to Pacemaker 1.1.12 attrd_updater knows no node but its own.
    """
    return ["crm_attribute", "--type", "status", "--node", node, "--name",
            "accept_loss-{0}".format(resource)] + list(change)


def _score_of(resource, node, score):
    """Return the command (list) that gives a node a promotion score, or takes it away for None."""
    return ["crm_attribute", "--type", "nodes", "--node", node, "--name",
            "master-{0}".format(resource)] + (
                ["--delete"] if score is None else ["--update", "{0}".format(score)])


def _follow(pacemaker, resource, node, patience):
    end, shown = monotonic() + patience, ""
    while monotonic() < end:
        try:
            seen = view.look(pacemaker)
        except Problem as error:    # a promotion goes on meanwhile
            if str(error) != shown:
                complain("{0}: looking again".format(error))
            shown = str(error)
            time.sleep(_STEP)
            continue
        if view.promoted(seen, resource) == [node]:
            say(coloured("{0} is the primary".format(node), "green"))
            return True
        reason = seen.attributes.get(node, {}).get(REASON + resource, "")
        if reason and reason != shown:
            say("the agent says: {0}".format(reason))
            shown = reason
        time.sleep(_STEP)
    complain("no promotion in {0:.0f} s; see paf status".format(patience))
    return False
