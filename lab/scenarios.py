"""What is played in a lab, and what is seen while it is: for the demo and the cluster tests."""

import contextlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from lab.cib import CLONE, RESOURCE
from lab.outcome import outcome_of
from lab.questions import ABSENT
from lab.report import not_by_hand, two_primaries
from lab.tools import LabError, wait_until

_numbers = itertools.count(1)

#: At least one standby has each acknowledged row, with any node as primary.
SYNCHRONOUS = {"synchronous_standby_names": "ANY 1 (srv1, srv2, srv3)"}

REFUSED = "-1000000"


@dataclass
class Play:
    """What was seen from outside while something happened in a cluster."""

    run: str
    before: str
    after: str = ""
    client: Any = None          # report.ClientReport
    history: Any = None         # checker.Verdict, None where no history was taken
    spans: list = field(default_factory=list)
    transitions: list = field(default_factory=list)
    fencings: list = field(default_factory=list)
    by_hand: dict = field(default_factory=dict)     # node -> monotonic time, see not_by_hand

    @property
    def two_primaries(self):
        """The instants at which two nodes took writes: pairs of the sampler's spans.

        A server that was promoted by hand (`by_hand`) is none of the two.
        """
        return two_primaries(not_by_hand(self.spans, self.by_hand))

    def actions(self, *operations):
        """Return (operation, node) of the resource's actions, in order; these operations only."""
        wanted = operations or ("start", "stop", "promote", "demote")
        return [(action.operation, action.node) for transition in self.transitions
                for action in transition.actions
                if action.resource == RESOURCE and action.operation in wanted]


@contextlib.contextmanager
def watched(lab, settled=True, impatient=False, durable=None, **expected):
    """Write through the VIP and sample all nodes while the block runs; yield the Play.

    impatient: for outages that are compared with others; not for slow networks. durable: take a
    history as well, and whether acknowledged commits must last (see checker.check); None: none is
    taken. Afterwards waits until the cluster has settled as `expected` (see Settle), and rows are
    acknowledged again.
    """
    run = f"run{next(_numbers)}"
    play = Play(run, lab.crm_mon())
    since, fenced = lab.now(), len(lab.fencings())
    client = lab.client(run)
    if impatient:
        client.patience = client.IMPATIENT
    history = contextlib.nullcontext() if durable is None else lab.history(run)
    with lab.sampler(run) as sampler, history, client:
        client.wait_rows(100)
        yield play
        if settled:
            lab.wait_settled(180, **expected)
            client.wait_rows(100)
    play.client, play.spans = client.report(), sampler.report()
    play.history = None if durable is None else history.report(durable=durable)
    play.transitions = lab.transitions(since)
    play.fencings = lab.fencings()[fenced:]
    play.after = lab.crm_mon()


def kill_standby(lab):
    """Kill the postmaster of a standby, of that with the best score; return its name."""
    victim = ranked_standbys(lab)[0]
    strike(lab, victim)
    return victim


def kill_primary(lab):
    """Kill the primary's postmaster; return its name, once Pacemaker has noticed."""
    victim = lab.primary()
    strike(lab, victim)
    return victim


def promote_by_hand(lab, node):
    """Promote a standby as no administrator should, beside the primary; see Play.by_hand."""
    lab.nodes[node].run([f"{lab.settings.bindir}/pg_ctl", "-D", lab.settings.pgdata, "-s", "-w",
                         "-t", "20", "promote"], user="postgres")


def strike(lab, node, how="kill", target="postmaster"):
    """Send a signal to a role's processes on `node`; wait until Pacemaker acts on the failure.

    That takes a watcher's look, or a monitor's interval. The reaction may be over before the next
    line here runs: what counts is all that began after the signal was sent.
    """
    since = lab.now()
    lab.nodes[node].signal(how, target)
    wait_until_noticed(lab, node, since)


def wait_until_noticed(lab, node, since):
    """Wait until Pacemaker acts on a failure on `node` that came after `since` (see Lab.now)."""
    wait_until(lambda: any(
        action.node == node and action.operation in ("stop", "demote")
        for transition in lab.transitions(since) for action in transition.actions),
        180, f"Pacemaker to act on the failure on {node}", step=0.2)


def wait_until_fenced(lab, before, count=1):
    """Wait for `count` fencings more than the `before` (int) that there were; fencings last."""
    wait_until(lambda: len(lab.fencings()) >= before + count, 120,
               f"{count} fencings after the first {before}", step=0.2, seen=lab.describe)


def paf(node, words, wanted=lambda result, value: True, seconds=90):
    """Run a verb of paf in a node until its answer, as JSON, is as wanted; return that answer.

    wanted(result, value) is given the program's Result as well. A single look at a running cluster
    may find a monitor, a notification or a question that came too late: LabError says what was
    seen last.
    """
    seen = []

    def asked():
        result = node.run(["paf", *words, "--output", "json"], check=False)
        try:
            seen[:] = [str(result), json.loads(result.output)]
        except ValueError as error:
            raise LabError(f"{node.name}: {result}") from error
        return wanted(result, seen[1])
    wait_until(asked, seconds, f"the answer of paf {' '.join(words)} on {node.name}", step=0.5,
               seen=lambda: str(seen)[-4000:])
    return seen[1]


def scores(lab):
    """Return the promotion scores: dictionary of node to text."""
    answers = {name: lab.ask(
        ["crm_attribute", "--type", "nodes", "--node", name, "--name", f"master-{RESOURCE}",
         "--query", "--quiet"], absent=ABSENT) for name in lab.nodes}
    return {name: answer.strip() for name, answer in answers.items() if answer is not None}


def ranked_standbys(lab):
    """Return the standbys' names, the one that Pacemaker would promote first."""
    standing = scores(lab)
    return sorted(lab.standbys(), key=lambda name: -int(standing.get(name) or -1000))


def wait_for_ranks(lab):
    """Wait until the primary's monitor has given every standby the score of a connected one."""
    def ranked():
        standing = scores(lab)
        return all(0 < int(standing.get(name) or 0) <= 1000 for name in lab.standbys())
    wait_until(ranked, 120, "the scores of all standbys", step=0.5,
               seen=lambda: f"the scores are {scores(lab)}")


@contextlib.contextmanager
def deaf(lab, node):
    """Keep a standby from receiving WAL while the block runs, without its noticing."""
    receivers = wait_until(lambda: lab.nodes[node].freeze_waiting("walreceiver"), 60,
                           f"the WAL receiver of {node} to wait for data", step=0.2)
    try:
        yield receivers
    finally:
        with contextlib.suppress(LabError):    # it may have ended
            lab.nodes[node].thaw("walreceiver")


def power_cut_with_a_stale_favourite(lab, client, stale=None):
    """Cut the primary's power while the best-scored standby lacks rows; return (old, stale).

    stale: the standby that lacks rows, where it is not to be the favourite.

    Its WAL receiver gets SIGTERM before SIGCONT: what the kernel holds for it is lost. The
    old primary stays off: otherwise it would have the most WAL of all, and win.
    """
    wait_for_ranks(lab)
    old, stale = lab.primary(), stale or ranked_standbys(lab)[0]
    lab.nodes[old].fence_policy("off")
    with deaf(lab, stale):
        client.wait_rows(200)
        lab.power_off(old)
        lab.nodes[stale].signal("term", "walreceiver")
    return old, stale


_COMMIT = ("create table if not exists only_here (n int); "
           "insert into only_here select generate_series(1, 1000)")


def diverge(lab, sql=_COMMIT, write=lambda: None):
    """Cut the primary's power while it holds WAL of this SQL that no other has; return it.

    write: called while no standby receives anything.
    """
    wait_for_ranks(lab)
    old = lab.primary()
    others = [name for name in lab.nodes if name != old]
    lab.nodes[old].fence_policy("off")
    with deaf(lab, others[0]), deaf(lab, others[1]):
        # local: with synchronous standbys nothing would acknowledge it
        lab.nodes[old].sql("set synchronous_commit = local; " + sql, timeout=120)
        write()
        lab.power_off(old)
        for name in others:
            lab.nodes[name].signal("term", "walreceiver")
    lab.wait_settled(240, online=others)
    lab.nodes[old].fence_policy("reboot")
    return old


def request_switchover(lab, target):
    """Ask Pacemaker to move the primary, as an administrator does, and come back at once."""
    lab.ask(["crm_resource", "--move", "--resource", CLONE, lab.promoted_option, "--node", target])


def withdraw_request(lab):
    """Take back the constraint that a move leaves."""
    lab.clear()


def reason_of_refusal(lab, node):
    """Return why `node` was not promoted, as crm_mon -A shows it; "" without a reason."""
    answer = lab.ask(["crm_attribute", "--type", "status", "--node", node, "--name",
                      f"not_promoted_because-{RESOURCE}", "--query", "--quiet"], absent=ABSENT)
    return (answer or "").strip()


def rebuild(lab, node):
    """Clone the primary onto `node`, whose instance is stopped, as an administrator does."""
    local, data = lab.nodes[node], lab.settings.pgdata
    local.run(["find", data, "-mindepth", "1", "-delete"])
    local.run([f"{lab.settings.bindir}/pg_basebackup", "-h", lab.nodes[lab.primary()].address,
               "-D", data, "-X", "stream", "-c", "fast", "-U", "postgres"],
              user="postgres", timeout=120)
    lab.cleanup(RESOURCE, node)


def bring_back(lab, old, seconds=180):
    """Switch an old primary on, wait until the cluster is complete again; return its outcome.

    A node that is refused, since it has diverged for one, is cloned from the primary.
    """
    lab.nodes[old].fence_policy("reboot")
    lab.power_on(old)
    outcome = outcome_of(lab, old, seconds)
    make_whole(lab, outcome)
    return outcome


def make_whole(lab, *found):
    """Clone the primary onto the nodes whose Outcome is a refusal; wait until all take part."""
    for outcome in found:
        if outcome.is_refused:
            rebuild(lab, outcome.node)
    lab.wait_settled(180)


def be_refused(lab, target, old):
    """Ask for a switchover to `target`, which receives nothing; return the reason of the refusal.

    The old primary is promoted again by then, and the request withdrawn.
    """
    request_switchover(lab, target)
    wait_until(lambda: reason_of_refusal(lab, target), 180, f"{target} to refuse", step=0.2)
    wait_until(lambda: lab.primary_now() == old, 180, f"{old} to be promoted again", step=0.2,
               seen=lab.describe)
    reason = reason_of_refusal(lab, target)
    withdraw_request(lab)
    return reason
