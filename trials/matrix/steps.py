"""What every cell plays, in this order. A step raises AssertionError if something is not right.

A step may return a remark for the table.
"""

import contextlib
import re

from lab import scenarios
from lab import cib
from lab.outcome import DIVERGED, outcome_of
from lab.tools import wait_until
from trials.matrix import packages, programs, words

VIP = "10.77.0.100/24"


def need(holds, text):
    """Raise AssertionError with the text unless it holds."""
    if not holds:
        raise AssertionError(text)


@contextlib.contextmanager
def watched(lab, fenced=(), **expected):
    """Play with a writing client, as scenarios.watched, and audit what was seen."""
    with scenarios.watched(lab, **expected) as play:
        yield play
    audit(play, fenced)


def audit(play, fenced=()):
    """Hold a play to what is promised in each; fenced: the nodes that had to be."""
    need(play.client.lost == [], f"{len(play.client.lost or ())} rows were lost")
    need(play.two_primaries == [], f"two primaries: {play.two_primaries}")
    seen = sorted(fencing["node"] for fencing in play.fencings)
    need(seen == sorted(fenced), f"fenced: {seen}, expected: {sorted(fenced)}")


def did(play, *expected, only=()):
    """Check that Pacemaker's actions on the instances were those expected."""
    seen = play.actions(*only)
    need(seen == list(expected), f"Pacemaker's actions were {seen}, expected {list(expected)}")


def first_start(lab):
    """Install the package with apt, create the resource as `paf create` says, and start."""
    packages.install(lab, "ours")
    create(lab)
    lab.wait_settled(120, primary="srv1")
    scenarios.wait_for_ranks(lab)
    promoted = [(action.operation, action.node) for transition in lab.transitions()
                for action in transition.actions if action.operation == "promote"]
    need(promoted == [("promote", "srv1")], f"promotions of the first start: {promoted}")


def create(lab):
    """Run what `paf create` prints, in quick monitors."""
    for node in lab.nodes.values():
        # this machine may have servers of its own, which systemd starts: paf check is right there
        node.run(["sh", "-c", "sed -i s/^auto/manual/ /etc/postgresql/*/*/start.conf"], check=False)
    node = lab.nodes["srv1"]
    printed = programs.paf(node, "create", "--bindir", lab.settings.bindir, "--pgdata",
                           lab.settings.pgdata, "--vip", VIP, "--nic", "eth0", timeout=240).output
    commands = printed.partition("\n\n")[0]
    for slow, quick in (("interval=15s", "interval=5s"), ("interval=16s", "interval=6s")):
        need(slow in commands, f"paf create prints no monitor with {slow}")
        commands = commands.replace(slow, quick)
    result = node.run(["sh", "-ec", f"cd /root\n{commands}"], timeout=240)
    need("deprecat" not in (result.output + result.error).lower(),
         f"pcs on what paf create prints: {result.output}{result.error}")
    lab.settings.resource = True
    lab.settings.save()


def standby_recovery(lab):
    """kill -9 of a standby's postmaster: stop and start there, nothing else."""
    with watched(lab, primary=lab.primary()) as play:
        victim = scenarios.kill_standby(lab)
    did(play, ("stop", victim), ("start", victim))


def primary_recovery(lab):
    """kill -9 of the primary's: recovered as a standby, promoted where it was."""
    with watched(lab, primary=lab.primary()) as play:
        victim = scenarios.kill_primary(lab)
    did(play, *[(operation, victim) for operation in ("demote", "stop", "start", "promote")])


def failover(lab):
    """The primary's power is cut while the favourite lacks rows: the other one is promoted."""
    with scenarios.watched(lab, settled=False) as play:
        old, stale = scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run))
        lab.wait_settled(120, online=[name for name in lab.nodes if name != old])
        lab.client(play.run).wait_rows(100)
    audit(play, [old])
    need(lab.primary() not in (old, stale), f"{lab.primary()} was promoted, with less WAL")
    scenarios.bring_back(lab, old)


def switchover(lab):
    """`paf switchover` moves the primary to the best standby; the old one follows."""
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with watched(lab, primary=target) as play:
        programs.paf(lab.nodes[old], "switchover", target, "--yes", timeout=180)
    did(play, ("demote", old), ("promote", target), only=("demote", "promote"))
    constraints = lab.any_node().run(["cibadmin", "--query", "--scope", "constraints"]).output
    need("cli-" not in constraints, "paf switchover has left a constraint")


def refused_switchover(lab):
    """A switchover to a standby that receives nothing: refused, with the reason; no node moves."""
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[-1]
    with watched(lab, primary=old) as play, scenarios.deaf(lab, target):
        reason = scenarios.be_refused(lab, target, old)
    need(("promote", target) not in play.actions(), f"{target} was promoted")
    need("shutdown checkpoint" in reason or "does not" in reason, f"the reason was: {reason}")


def set_rejoin(lab, value):
    """Change the parameter; it is reloadable, nothing is restarted for it."""
    since = lab.now()
    lab.any_node().run(["crm_resource", "--resource", cib.RESOURCE, "--set-parameter", "rejoin",
                        "--parameter-value", value])
    lab.wait_settled(60)
    moved = [action for transition in lab.transitions(since) for action in transition.actions
             if action.resource == cib.RESOURCE and action.operation in ("stop", "demote")]
    need(not moved, f"a change of rejoin restarted the servers: {moved}")


def manual_rejoin(lab):
    """A diverged old primary stays stopped with the reason; it is rebuilt."""
    old = scenarios.diverge(lab)
    primary, fenced = lab.primary(), len(lab.fencings())
    lab.power_on(old)
    outcome = outcome_of(lab, old)
    need(outcome.what == DIVERGED, f"it did not say that it has diverged: {outcome}")
    lab.wait_settled(60, primary=primary, stopped=[old])
    need("exist only here" in lab.crm_mon(), "the reason does not show how many bytes")
    need(len(lab.fencings()) == fenced, "the node was fenced for it")
    scenarios.rebuild(lab, old)
    lab.wait_settled(120, primary=primary)


def rewind_rejoin(lab):
    """With rejoin=rewind, it comes back by itself."""
    set_rejoin(lab, "rewind")
    old = scenarios.diverge(lab)
    fenced = len(lab.fencings())
    lab.power_on(old)
    lab.wait_settled(120)
    need(old in lab.standbys(), f"{old} is no standby")
    need(len(lab.fencings()) == fenced, "the node was fenced for it")
    need("rewound to the primary's history" in lab.nodes[old].log(), "the log shows no rewind")
    set_rejoin(lab, "manual")


def commands(lab):
    """`paf status`, `check`, `timeline` and `history` work on this release."""
    node, said = lab.nodes[lab.primary()], {}
    for verb in ("status", "check", "timeline", "history"):
        said[verb] = programs.paf(node, verb, check=False)
        need(said[verb].status in (0, 1), f"paf {verb}: {said[verb]}")
    errors = [line for line in said["check"].output.splitlines() if re.match(r"\s*ERROR", line)]
    need(not errors, f"paf check: {errors}")


def deprecations(lab):
    """Logs, meta-data, and the options that the agent uses, have nothing deprecated of ours."""
    found = words.found(lab)
    need(not found, "; ".join(found[:5]))


def removal(lab):
    """Disable the resource and remove the package: the servers are stopped, nothing is left."""
    fenced = len(lab.fencings())
    lab.any_node().run(["crm_resource", "--resource", cib.CLONE, "--meta", "--set-parameter",
                        "target-role", "--parameter-value", "Stopped"])
    wait_until(lambda: not any(node.pids("postmaster") for node in lab.nodes.values()), 120,
               "the servers to be stopped", step=0.5)
    packages.remove(lab)
    found = {name: packages.left(node) for name, node in lab.nodes.items()}
    need(not any(found.values()), f"left behind: {found}")
    need(len(lab.fencings()) == fenced, "a node was fenced for it")


def upgrade(lab):
    """The Perl agent on the same configuration; then each node gets this one while all runs."""
    packages.install(lab, "perl")
    lab.any_node().run(["crm_resource", "--resource", cib.CLONE, "--meta", "--delete-parameter",
                        "target-role"], check=False)
    lab.cleanup()
    lab.wait_settled(150)
    with watched(lab, primary=lab.primary()) as play:
        primary = lab.primary()
        for name in [*lab.standbys(), primary]:
            upgrade_node(lab, name)
    did(play)
    need(all(packages.is_ours(node) for node in lab.nodes.values()), "a node has the Perl agent")
    switchover(lab)


def upgrade_node(lab, name):
    """Upgrade the package on a node as docs/coming-from-2.x.md describes."""
    node, since = lab.nodes[name], lab.now()
    node.run(["pcs", "node", "maintenance", name, "--wait"])
    wait_until(lambda: lab.status().nodes.get(name) == "maintenance", 60,
               f"{name} to be in maintenance", step=0.2)
    packages.install(lab, "ours", name)
    node.run(["pcs", "node", "unmaintenance", name, "--wait"])
    wait_until(lambda: any(
        action.operation == "monitor" and action.node == name and action.interval
        and action.resource == cib.RESOURCE and action.result in ("ok", "promoted")
        for transition in lab.transitions(since) for action in transition.actions),
        60, f"a monitor by the new agent on {name}", step=0.2)


#: The steps by the names that the table gives them; play.COURSES says which cell plays which.
STEPS = {
    "first start": first_start,
    "recovery of a standby": standby_recovery,
    "recovery of the primary": primary_recovery,
    "failover": failover,
    "switchover": switchover,
    "refused switchover": refused_switchover,
    "rejoin=manual": manual_rejoin,
    "rejoin=rewind": rewind_rejoin,
    "command paf": commands,
    "no deprecated word": deprecations,
    "removal": removal,
    "upgrade from 2.3.0": upgrade,
}
