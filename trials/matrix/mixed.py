"""Clusters whose nodes differ: one has the Perl agent, or they are on their way to Debian 13."""

import functools

from lab import scenarios
from lab import agents, systems
from lab.tools import wait_until
from trials.matrix.steps import audit, need, watched


def perl_node(lab):
    """Return the name of the node that runs the Perl agent."""
    node, = (name for name, agent in lab.settings.agents.items() if agent == "perl")
    return node


def put_in_place(lab, role):
    """Move the primary until the Perl agent's node has the role it is to play.

    Failures of an earlier step are cleaned up: after a loss of the DC Pacemaker 2.1.5 may recover
    an instance for one of them, and a Perl standby that has the most rows is not promoted after
    that (docs/coming-from-2.x.md).
    """
    lab.cleanup()
    perl = perl_node(lab)
    scenarios.wait_for_ranks(lab)
    if (lab.primary() == perl) != (role == "primary"):
        target = perl if role == "primary" else next(
            name for name in lab.nodes if name != perl)
        move(lab, target)
        scenarios.wait_for_ranks(lab)


def move(lab, target):
    """Move the primary, by Pacemaker's own command."""
    scenarios.request_switchover(lab, target)
    lab.wait_settled(120, primary=target)
    scenarios.withdraw_request(lab)


def recovery(lab, role):
    """kill -9 of the postmaster of the Perl node; where that is the third, of the primary's."""
    put_in_place(lab, role)
    victim = lab.primary() if role == "third" else perl_node(lab)
    with watched(lab, primary=lab.primary()):
        scenarios.strike(lab, victim)


def switchover(lab, role):
    """A switchover from the Perl node, to it, or between the two others."""
    put_in_place(lab, role)
    perl, old = perl_node(lab), lab.primary()
    others = [name for name in lab.nodes if name not in (perl, old)]
    target = perl if role == "candidate" else others[0]
    with watched(lab, primary=target) as play:
        scenarios.request_switchover(lab, target)
        lab.wait_settled(120, primary=target)
        scenarios.withdraw_request(lab)
    need(play.actions("promote") == [("promote", target)], f"promotions: {play.actions()}")


def failover(lab, role):
    """A power cut of the primary while a standby lacks rows: never that one is promoted.

    The Perl node is the one that is cut, the one that has the rows, or the one that lacks them.
    What was cut stays off: a crashed primary's node is fenced again and again by the Perl agent.
    """
    put_in_place(lab, role)
    perl, old = perl_node(lab), lab.primary()
    others = [name for name in lab.nodes if name not in (perl, old)]
    stale = perl if role == "third" else others[0]
    with scenarios.watched(lab, settled=False) as play:
        scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run), stale)
        lab.wait_settled(150, online=[name for name in lab.nodes if name != old])
        lab.client(play.run).wait_rows(100)
    audit(play, [old])
    need(lab.primary() not in (old, stale), f"{lab.primary()} was promoted, with less WAL")


def restart(lab, role):
    """Such a power cut, and the Perl standby that has all rows is restarted: none is promoted.

    Then it publishes less than it has. The old primary has all rows, too, and is the next one.
    """
    put_in_place(lab, role)
    perl, old = perl_node(lab), lab.primary()
    stale, = (name for name in lab.nodes if name not in (perl, old))
    with scenarios.watched(lab, settled=False) as play:
        scenarios.power_cut_with_a_stale_favourite(lab, lab.client(play.run), stale)
        since = lab.now()
        lab.nodes[perl].signal("kill", "postmaster")
        _wait_for(lab, since, "start", "", perl)
        _wait_for(lab, lab.now(), "notify", "pre-promote", stale)
        wait_until(lambda: perl in scenarios.reason_of_refusal(lab, stale), 120,
                   f"{stale} to refuse, for {perl}", seen=lab.describe)
        lab.power_on(old)
        lab.wait_settled(180)
        lab.client(play.run).wait_rows(100)
    audit(play, [old])
    need(lab.primary() != stale, f"{stale} was promoted, with less WAL")


def _wait_for(lab, since, operation, notify, node):
    """Wait for one of Pacemaker's actions that began after `since` (see Lab.now)."""
    wait_until(lambda: any(
        (action.operation, action.notify, action.node) == (operation, notify, node)
        for transition in lab.transitions(since) for action in transition.actions),
        180, f"{notify or operation} on {node}", seen=lab.describe)


def steps(role):
    """Return the steps (name to function) with the Perl agent in a role."""
    more = [restart] if role == "candidate" else []
    return {function.__name__: functools.partial(function, role=role)
            for function in [recovery, switchover, *more, failover]}


def to_debian13(lab, name):
    """Move a node to Debian 13 while a client writes: clean shutdown, another system, back again.

    The server's programs and data stay as they are. A primary is moved away before.
    """
    if lab.primary() == name:
        scenarios.wait_for_ranks(lab)
        with watched(lab):
            move(lab, scenarios.ranked_standbys(lab)[0])
    node, root = lab.nodes[name], systems.prepare("debian13")
    with watched(lab, primary=lab.primary()) as play:
        shut_down(lab, node)
        node.disk.change_system(root)
        node.disk.install_agent(agents.stage(lab.settings, "ours", root))
        lab.power_on(name)
        node.wait_booted(60)
        lab.any_node().run(["crm_attribute", "--node", name, "--name", "standby", "--delete"])
        lab.wait_settled(120)
    others = [action for action in play.actions() if action[1] != name]
    need(not others, f"other nodes were touched: {others}")
    runs = node.run(["pacemakerd", "--version"]).output.split()[1]
    need(runs.startswith("3.0"), f"{name} runs Pacemaker {runs}")


def shut_down(lab, node):
    """Take a node out of the cluster as an administrator does, and switch it off."""
    lab.any_node().run(["crm_attribute", "--node", node.name, "--name", "standby",
                        "--update", "on"])
    wait_until(lambda: not node.pids("postmaster"), 60, f"the server of {node.name} to stop")
    for program in ("pacemakerd", "corosync"):
        node.signal("term", program)
        wait_until(lambda program=program: not node.pids(program), 60,
                   f"{program} of {node.name} to end")
    node.power_off()


def to_and_fro(lab):
    """Switchovers from a node of one release to one of the other, and back; a crash."""
    new = [name for name in lab.nodes if name in lab.settings.roots]
    for target in (new[0], next(name for name in lab.nodes if name not in new)):
        scenarios.wait_for_ranks(lab)
        if lab.primary() == target:
            continue
        with watched(lab, primary=target):
            move(lab, target)
    with watched(lab, primary=lab.primary()):
        scenarios.kill_primary(lab)


ROLLING = {
    "srv3 to Debian 13": functools.partial(to_debian13, name="srv3"),
    "roles change, one node new": to_and_fro,
    "srv2 to Debian 13": functools.partial(to_debian13, name="srv2"),
    "roles change, two nodes new": to_and_fro,
    "srv1 to Debian 13": functools.partial(to_debian13, name="srv1"),
}
