"""The watcher on a real cluster: crashes are seen long before a monitor, and count once."""

import re

from lab import scenarios
from trials.faults import audits
from lab.cib import RESOURCE
from lab.tools import wait_until

#: No monitor comes while the tests run; one failure more than one would move the primary.
LAB = {"operations": {"monitor:Promoted": {"interval": "3600s"},
                      "monitor:Unpromoted": {"interval": "3601s"}},
       "meta": {"migration-threshold": "2"}, "postgres": scenarios.SYNCHRONOUS}
RECOVERY = ("demote", "stop", "start", "promote")


def counted(lab, node):
    """Return how many failures Pacemaker counts on a node."""
    output = lab.ask(["crm_failcount", "--query", "--resource", RESOURCE, "--node", node])
    return int(re.search(r"value=(\d+)", output)[1])


def recoveries(lab, since):
    """Return Pacemaker's actions on instances since then, except monitors and notifications."""
    return [action for transition in lab.transitions(since) for action in transition.actions
            if action.resource == RESOURCE and action.operation in RECOVERY]


def watchers(lab):
    """Return the number of watchers of each node."""
    return [len(node.pids("watcher")) for node in lab.nodes.values()]


def forget(lab):
    """Forget failures; Pacemaker then looks at all instances again."""
    lab.cleanup()
    lab.wait_settled(180)
    wait_watched(lab)


def wait_watched(lab):
    """Wait until each running instance has its watcher."""
    wait_until(lambda: watchers(lab) == [1, 1, 1], 90, "a watcher on each node", step=0.1)


def test_a_crash_of_the_primary_is_recovered_where_it_was_and_counts_once(lab):
    wait_watched(lab)
    old = lab.primary()
    with scenarios.watched(lab, primary=old) as play:
        scenarios.strike(lab, old)
    assert play.actions() == [(step, old) for step in RECOVERY]
    assert play.client.lost == [] and play.two_primaries == []
    assert counted(lab, old) == 1
    assert "crashed primary" in play.after
    wait_watched(lab)
    assert audits.processes(lab) == [] and audits.files(lab) == []


def test_a_crash_of_a_standby_counts_once(lab):
    forget(lab)
    primary, victim = lab.primary(), lab.standbys()[0]
    with scenarios.watched(lab, primary=primary) as play:
        scenarios.strike(lab, victim)
    assert play.actions() == [("stop", victim), ("start", victim)]
    assert counted(lab, victim) == 1 and "crashed standby" in play.after


def test_the_second_crash_moves_the_primary_as_migration_threshold_says(lab):
    forget(lab)
    old = lab.primary()
    scenarios.strike(lab, old)
    lab.wait_settled(180, primary=old)
    wait_watched(lab)
    assert counted(lab, old) == 1
    lab.nodes[old].kill("postmaster")
    lab.wait_settled(180, not_primary=old, stopped=[old])
    assert counted(lab, old) == 2
    wait_until(lambda: sorted(watchers(lab)) == [0, 1, 1], 90, "the watcher to end", step=0.1)
    lab.cleanup()
    lab.wait_settled(180)


def test_a_server_that_is_shut_down_by_hand_is_left_to_the_monitor(lab):
    wait_watched(lab)
    since, victim = lab.now(), lab.standbys()[0]
    node = lab.nodes[victim]
    node.run([f"{lab.settings.bindir}/pg_ctl", "stop", "-w", "-m", "fast", "-D",
              lab.settings.pgdata], user="postgres")
    wait_until(lambda: not node.pids("watcher"), 90, "its watcher to end", step=0.1)
    assert recoveries(lab, since) == [] and counted(lab, victim) == 0
    node.run(["crm_resource", "--refresh", "--resource", RESOURCE, "--node", victim])
    lab.wait_settled(180)
    wait_watched(lab)


def test_in_maintenance_mode_nothing_is_reported(lab):
    wait_watched(lab)
    since, victim = lab.now(), lab.standbys()[0]
    node = lab.nodes[victim]
    node.run(["crm_attribute", "--name", "maintenance-mode", "--update", "true"])
    try:
        node.kill("postmaster")
        wait_until(lambda: not node.pids("watcher"), 90, "its watcher to end", step=0.1)
        assert recoveries(lab, since) == []
        assert counted(lab, victim) == 0
        wait_until(lambda: "maintenance mode" in node.log(), 30, "why, in the log")
    finally:
        node.run(["crm_attribute", "--name", "maintenance-mode", "--delete"])
    node.run(["crm_resource", "--refresh", "--resource", RESOURCE, "--node", victim])
    lab.wait_settled(180)
    wait_watched(lab)


def test_a_watcher_that_was_killed_is_brought_back_by_the_monitor(lab):
    wait_watched(lab)
    name = lab.standbys()[0]
    node = lab.nodes[name]
    before = node.kill("watcher")
    # a monitor sooner than in an hour: its interval changes
    node.run(["cibadmin", "--modify", "--xml-text",
              f'<op id="{_operation(node)}" interval="3s"/>'])
    wait_until(lambda: node.pids("watcher") and node.pids("watcher") != before, 90,
               "the monitor to begin another", step=0.1)


def _operation(node):
    """Return the id of the monitor of standbys."""
    text = node.run(["cibadmin", "--query", "--xpath",
                     "//op[@name='monitor'][@interval='3601s']"]).output
    return re.search(r'<op [^>]*?id="([^"]*)"', text)[1]


def test_no_watcher_outlives_the_resource(lab):
    wait_watched(lab)
    node = lab.any_node()
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta",
              "--set-parameter", "target-role", "--parameter-value", "Stopped"])
    wait_until(lambda: not any(node.pids("postmaster") for node in lab.nodes.values()), 90,
               "all instances to be stopped", step=0.2)
    wait_until(lambda: watchers(lab) == [0, 0, 0], 90, "the last stop to end", step=0.1)
    assert audits.files(lab) == []
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta",
              "--delete-parameter", "target-role"])
    lab.wait_settled(180)
    wait_watched(lab)


def test_the_parameter_turns_it_off_and_on_without_a_restart(lab):
    wait_watched(lab)
    since, node, primary = lab.now(), lab.any_node(), lab.primary()
    node.run(["crm_resource", "--resource", RESOURCE, "--set-parameter", "crash_watch",
              "--parameter-value", "false"])
    wait_until(lambda: watchers(lab) == [0, 0, 0], 90, "the watchers to end", step=0.1)
    node.run(["crm_resource", "--resource", RESOURCE, "--delete-parameter", "crash_watch"])
    wait_watched(lab)
    # after a reload Pacemaker 2.1.5 may forget who the primary is, and promotes it again
    assert {action.operation for action in recoveries(lab, since)} <= {"promote"}
    lab.wait_settled(180, primary=primary)
