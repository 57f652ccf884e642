"""paf switchover: move the primary to another node, and leave nothing behind."""

import time

from paf.cli import backlog, configuration, interruptions, view
from paf.cli.common import (
    ERROR, INTERRUPTED, NOT_DONE, OK, Pacemaker, Problem, coloured, complain, confirmed,
    no_node, require_nodes, say, seconds, without_quorum)
from paf.cli.status import report_text, simulate, status
from paf.cli.status.concern import NO_ACTION, NODE_NO_ACTION
from paf.cli.status.report import REASON
from paf.deadline import monotonic

HELP = "move the primary to another node"
TEXT = """Moves the primary to NODE, or to the standby that is first in line. Looks first whether
that can work (Pacemaker's scheduler is asked on a copy of the configuration), shows what will
happen and asks. Then it follows the transition, checks its outcome,
and takes away the constraint that it made, whatever happens: also when the switchover is refused,
or on Ctrl-C. Where that is impossible (kill -9, a power cut), the constraint ends by itself after
ten minutes."""
EXAMPLES = ("paf switchover", "paf switchover srv2 --yes", "paf switchover srv2 --dry-run")
EXIT_CODES = ((OK, "done; with --dry-run: it can be done"),
              (NOT_DONE, "refused, or not confirmed: the primary is where it was; with --dry-run: "
                         "it is not known whether it can be done"),
              (ERROR, "it cannot be done, or the outcome is not the one wanted"))

_LIFETIME = "PT10M"
_NO_QUORUM = "this partition has no quorum, so Pacemaker promotes nothing"
#: Codes of what paf status finds and what keeps Pacemaker from moving the primary.
_IN_THE_WAY = NO_ACTION + NODE_NO_ACTION + ("left-over-constraint",)
_MEMBERSHIP = {view.MAINTENANCE: "in maintenance", view.STANDBY: "a standby node",
               view.PENDING: "joining the cluster"}
_STEP = 0.25        # seconds between two looks
#: Seconds, by default: longer than all actions of a switchover may take, by their advised timeouts.
_PATIENCE = 300.0
_SETTLED = 3        # looks in a row that show an idle cluster


def arguments(parser):
    """Declare the verb's arguments."""
    parser.add_argument("node", metavar="NODE", nargs="?", help="the node to become the primary")
    parser.add_argument("--resource", metavar="NAME", default="",
                        help="the resource, where the cluster has several")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=_PATIENCE,
                        help="how long to follow it ({0:.0f})".format(_PATIENCE))


def run(options):
    """Move the primary; return the exit code."""
    pacemaker = Pacemaker()
    report = status.look(options.resource, pacemaker)
    require_nodes([options.node], [node["node"] for node in report["nodes"]])
    target, outcome = destination(pacemaker, report, options.node)
    obstacles = list(problems(report, target)) or list(impossible(report, outcome, target))
    for line in report_text.lines(report):
        say(line)
    if obstacles:
        for obstacle in obstacles:
            complain(obstacle)
        return ERROR
    say("")
    for line in plan(report, target):
        say(line)
    backlog.warn(pacemaker, report, target)
    said = list(doubts(report, outcome, target))
    for doubt in said:
        complain(doubt)
    if options.dry_run:
        return NOT_DONE if said else OK
    if not options.yes:
        if not confirmed("Move the primary to {0} now? [y/N]".format(target)):
            complain("not confirmed, nothing was changed")
            return NOT_DONE
        report = again(pacemaker, report, target)
    return Switchover(pacemaker, report, target, options.timeout).run()


def again(pacemaker, report, target):
    """Return a new report: the answer may have taken long. Raises Problem if there is an obstacle.
    """
    found = status.look(report["resource"], pacemaker)
    for obstacle in problems(found, target):
        raise Problem("{0}; nothing was changed".format(obstacle))
    if found["primary"] != report["primary"]:
        raise Problem("{0} is the primary by now, not {1}; nothing was changed".format(
            found["primary"], report["primary"]))
    return found


def destination(pacemaker, report, node=None):
    """Return (the node to become the primary, simulate.Outcome of the move there).

    node: the one wanted; without one, the first in line of those that Pacemaker would promote.
    Raises Problem where no standby may be promoted.
    """
    names = [node] if node else in_line(report)
    asked = []
    for name in names if report["primary"] else []:
        asked.append((name, simulate.move(pacemaker, report["resource"], report["clone"], name)))
        if not list(impossible(report, asked[-1][1], name)):
            return asked[-1]
    return (asked or [(names[0], simulate.Outcome(None, False, ""))])[0]


def impossible(report, outcome, target):
    """Yield why Pacemaker would not make the move, by its own scheduler; pure.

    outcome: simulate.Outcome. Nothing where that is not known.
    """
    if not outcome.unknown and outcome.promoted != target:
        yield ("Pacemaker would not promote {0}, even if asked to: a constraint, a rule or its "
               "failures forbid it (crm_simulate)".format(target))
    elif not outcome.unknown:
        for what in simulate.left_behind(outcome, [vip["name"] for vip in report["vips"]]):
            yield what + ": clients would not reach the primary"


def in_line(report):
    """Return the standbys (list) that may be promoted, the best one first. Raises Problem."""
    standbys = [node for node in report["nodes"] if node["role"] == "standby"
                and node["membership"] == view.ONLINE and (node["score"] or -1) > 0]
    if not standbys:
        raise Problem(without_quorum(report, _NO_QUORUM) or (
            "no standby has a positive promotion score: none may take the primary over now; paf "
            "status says why" if report["primary"] else "there is no primary to move"))
    standbys.sort(key=lambda node: (bool(list(_unfit(report, node["node"]))),
                                    not node["managed"], -node["score"]))
    return [node["node"] for node in standbys]


def problems(report, target):
    """Yield why the primary cannot be moved to `target`; pure."""
    if report["primary"] is None:
        yield "there is no primary to move"
    elif report["primary"] == target:
        yield "{0} is the primary already".format(target)
    else:
        for obstacle in _unfit(report, target):
            yield obstacle
    obstacle = without_quorum(report, _NO_QUORUM)
    if obstacle:
        yield obstacle
    for item in report["todo"]:
        if item["code"] in _IN_THE_WAY and item["node"] in (None, report["primary"], target):
            yield ": ".join([item["what"], item["why"]] + item["pcs"] * (
                item["code"] in ("left-over-constraint", "blocked")))


def _unfit(report, target):
    """Yield why `target` cannot take over."""
    nodes = dict((node["node"], node) for node in report["nodes"])
    node = nodes.get(target)
    if node is None:
        yield no_node(target, nodes)
    elif node["membership"] != view.ONLINE:
        yield "{0} is {1}".format(target, _MEMBERSHIP.get(node["membership"], node["membership"]))
    elif "shutdown" in node["flags"]:
        yield "{0} is leaving the cluster".format(target)
    elif node["role"] != "standby":
        yield "{0} runs no standby, it is {1}".format(target, node["state"])
    elif (node["score"] or -1) <= 0:
        yield "{0} may not be promoted: its score is {1}: {2}".format(
            target, node["score"], node["score_means"])
    elif node["state"] not in ("streaming", "running"):
        yield "{0} does not stream from the primary: {1}".format(target, node["state"])


def unknown(report, target):
    """Yield what is not known of a move to `target`, and decides whether it can be done; pure."""
    node = [item for item in report["nodes"] if item["node"] == target][0]
    if node["state"] != "streaming":
        yield "whether {0} streams is not known here: the agent sees it, and may refuse".format(
            target)
    elif node["not_received_bytes"] is None:
        yield "what {0} has received is not known here: the agent sees it, and may refuse".format(
            target)


def doubts(report, outcome, target):
    """Yield all that is not known of a move to `target`; pure. outcome: simulate.Outcome of it."""
    for doubt in unknown(report, target):
        yield doubt
    if outcome.unknown:
        yield outcome.unknown
    for doubt in simulate.unplaced(outcome, [vip["name"] for vip in report["vips"]]):
        yield doubt


def plan(report, target):
    """Yield what will happen, for people."""
    old = report["primary"]
    node = [item for item in report["nodes"] if item["node"] == target][0]
    yield "The primary moves from {0} to {1}:".format(old, target)
    yield "  {0} writes a checkpoint, is shut down and starts again as a standby".format(old)
    for vip in report["vips"]:
        yield "  {0} ({1}) goes to {2}; connections through it are cut".format(
            vip["name"], vip["address"], target)
    yield "  {0} is promoted, if it has received all of {1}'s WAL; now it lags by {2}".format(
        target, old, report_text.size(node["lag_bytes"]))
    yield "  otherwise the switchover is refused and {0} stays the primary".format(old)


class Interrupted(Exception):
    """Ctrl-C was pressed, or SIGTERM or SIGHUP came."""


class Switchover(object):
    """One switchover under way."""

    def __init__(self, pacemaker, report, target, patience):
        self._pacemaker = pacemaker
        self._resource, self._clone = report["resource"], report["clone"]
        self._old, self._target = report["primary"], target
        self._vips = [vip["name"] for vip in report["vips"] if vip["node"] == report["primary"]]
        self._patience = patience
        self._begin = monotonic()
        self._shown = self._seen = None
        self._signals = interruptions.Noted()
        #: why the agent refuses, once it has said so; said before, it is about an earlier one
        self._refusal = self._overtaken = ""
        self._before = "".join(node["not_promoted_because"] or "" for node in report["nodes"]
                               if node["node"] == target)

    def run(self):
        """Ask Pacemaker to move, follow it, clean up; return the exit code."""
        # noted, not raised: the move must not be left half asked for, and nothing may keep us from
        # cleaning up, an impatient second Ctrl-C least of all
        with self._signals:
            try:
                code = self._move()
            except Interrupted:
                self._say("interrupted; Pacemaker finishes what it has started, see paf status")
                code = INTERRUPTED
            finally:
                gone = self._clear()
        return code if gone or code != OK else ERROR

    def _move(self):
        self._pacemaker.ask("crm_resource", "--move", "--resource", self._clone, self._role(),
                            "--node", self._target, "--lifetime", _LIFETIME)
        self._say("asked Pacemaker to move the primary to {0}".format(self._target))
        found = self._follow()
        if found == self._target:
            self._say(coloured("{0} is the primary".format(found), "green"))
            wrong = list(self._not_as_planned())
            for what in wrong:
                complain("{0}; see paf status".format(what))
            return ERROR if wrong else OK
        if found == self._old and self._refusal:
            complain("refused: {0}; {1} is the primary, as before".format(self._refusal, found))
            return NOT_DONE
        complain("{0} after {1:.0f} s{2}; see paf status and paf timeline".format(
            "{0} is the primary".format(found) if found else "no primary",
            monotonic() - self._begin, self._overtaken))
        return ERROR

    def _not_as_planned(self):
        """Yield what did not come along with the primary."""
        for name in self._vips:
            places = sorted(view.roles(self._seen, name))
            if places != [self._target]:
                yield "the address {0} is on {1}".format(name, " and ".join(places) or "no node")
        role = view.roles(self._seen, self._resource).get(self._old, "Stopped")
        if role != view.UNPROMOTED:
            yield "{0} is no standby, Pacemaker has it as {1}".format(self._old, role)

    def _role(self):
        """Return the option's name in this Pacemaker: --promoted since 2.1.0.

        Pacemaker 1.1 knows no --help-all, and answers it with its usage on standard error.
        """
        result = self._pacemaker.run("crm_resource", "--help-all")
        text = result.out + result.err
        for option in ("--promoted", "--master"):
            if option in text:
                return option
        release = self._pacemaker.release()
        return "--promoted" if not release or release >= (2, 1, 0) else "--master"

    def _follow(self):
        """Wait until the target is the primary or was refused; return the node promoted."""
        idle = 0
        while True:
            if self._signals.seen:
                raise Interrupted()
            try:
                seen = self._seen = view.look(self._pacemaker)
                quiet = self._quiet(seen)
            except Problem as error:
                self._without_look(error)
                continue
            primaries = view.promoted(seen, self._resource)
            self._progress(seen)
            self._note_refusal(seen)
            done = primaries == [self._target] or (primaries == [self._old] and self._refusal)
            idle = idle + 1 if quiet and (done or self._is_overtaken(primaries)) else 0
            if idle >= _SETTLED or monotonic() - self._begin > self._patience:
                return primaries[0] if len(primaries) == 1 else None
            time.sleep(_STEP)

    def _without_look(self, error):
        """Wait for the next look where this one failed; raise its Problem if it was the last.

        The move goes on meanwhile, and without its constraint Pacemaker might take it back.
        """
        if monotonic() - self._begin > self._patience:
            raise error
        if self._shown != str(error):
            self._say("{0}: looking again".format(error))
        self._shown = str(error)
        time.sleep(_STEP)

    def _is_overtaken(self, primaries):
        """Return whether nothing asks for the target any longer: another switchover, or failover.

        Two administrators make one constraint, and each one's end takes it away.
        """
        if primaries != [self._old]:
            self._overtaken = ": another switchover, or a failover, came between" * (
                len(primaries) == 1)
        else:
            try:
                gone = not self._left()
            except Problem:
                return False
            self._overtaken = ": somebody took the constraint of the move away" * gone
        return bool(self._overtaken)

    def _left(self):
        """Return the ids (list) of what moves have left. Raises Problem."""
        return configuration.left_over(
            configuration.parse(self._pacemaker.cib(), time.time()), self._clone)

    def _quiet(self, seen):
        """Return whether the addresses and the controller have settled."""
        if seen.pending:
            return False
        result = self._pacemaker.run("crmadmin", "--status", seen.dc) if seen.dc else None
        return result is not None and "S_IDLE" in result.out + result.err

    def _progress(self, seen):
        """Say what has changed since the last look."""
        roles = view.roles(seen, self._resource)
        shown = ", ".join("{0} {1}".format(node, {
            view.PROMOTED: "primary", view.UNPROMOTED: "standby"}.get(role, role.lower()))
            for node, role in sorted(roles.items()))
        if seen.pending:
            shown += " ({0})".format(", ".join(sorted(set(seen.pending))))
        if shown != self._shown:
            self._say(shown)
            self._shown = shown

    def _note_refusal(self, seen):
        """Note a refusal, and withdraw the request at once.

        A standby that follows well is let in again soon; with the request still there, Pacemaker
        would ask for the same switchover again and again.
        """
        reason = seen.attributes.get(self._target, {}).get(REASON + self._resource, "")
        if reason and reason != self._before and not self._refusal:
            self._refusal = reason
            self._say("refused: {0}".format(reason))
            self._withdraw()

    def _withdraw(self):
        self._pacemaker.run("crm_resource", "--clear", "--resource", self._clone)

    def _say(self, text):
        say("{0:6.1f} s  {1}".format(monotonic() - self._begin, text))

    def _clear(self):
        """Take the constraint away; return whether it is seen to be gone."""
        for _ in range(3):
            try:
                self._withdraw()
                left = self._left()
            except Problem as error:
                what = "it is not known whether the constraint of the move is gone ({0})".format(
                    error)
                continue
            if not left:
                self._say("the constraint of the move is gone")
                return True
            what = "the constraint {0} is still there".format(", ".join(left))
        complain("{0}; it ends by itself after ten minutes: crm_resource --clear --resource "
                 "{1}".format(what, self._clone))
        return False
