"""The first start of a cluster, and its full stop and start."""

from lab import scenarios
from lab.tools import wait_until


def test_first_start_promotes_the_clean_primary_and_nobody_else(lab):
    promoted = [(action.node, action.result) for transition in lab.transitions()
                for action in transition.actions if action.operation == "promote"]
    assert promoted == [("srv1", "ok")]
    wait_until(lambda: scenarios.scores(lab).get("srv1") == "1001", 90, "the primary's own score",
               step=0.5)
    # its timeline and the standbys' are as they were: only a promotion happened
    assert lab.nodes["srv1"].value("select pg_walfile_name(pg_current_wal_lsn())")[:8] == "00000002"


def test_standbys_get_the_scores_of_connected_ones(lab):
    wait_until(lambda: sorted(scenarios.scores(lab).values()) == ["1000", "1001", "990"], 120,
               "the scores", step=0.5, seen=lambda: f"the scores are {scenarios.scores(lab)}")


def test_stop_and_start_of_the_resource_promotes_the_same_primary(lab):
    primary = lab.primary()
    node = lab.any_node()
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta",
              "--set-parameter", "target-role", "--parameter-value", "Stopped"])
    wait_until(lambda: not any(node.pids("postmaster") for node in lab.nodes.values()), 180,
               "all instances to be stopped", step=0.2)
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta",
              "--delete-parameter", "target-role"])
    lab.wait_settled(180, primary=primary)


def test_stop_and_start_of_all_nodes_promotes_the_same_primary(lab):
    primary, fenced = lab.primary(), len(lab.fencings())
    with lab.client("before") as client:
        client.wait_rows(200)
    # the primary last: one that leaves alone is moved to a node that stays
    for name in sorted(lab.nodes, key=lambda name: name == primary):
        lab.nodes[name].signal("term", "pacemakerd")
    wait_until(lambda: not any(node.pids("pacemakerd") for node in lab.nodes.values()), 180,
               "Pacemaker to leave on all nodes", step=0.2)
    lab.power_off()
    lab.power_on()
    lab.wait_settled(180, primary=primary)
    assert client.report().lost == []
    assert len(lab.fencings()) == fenced


def test_a_monitor_by_hand_says_what_pacemaker_sees(lab):
    primary = lab.primary()
    result = lab.nodes[primary].run(
        ["crm_resource", "--force-check", "--resource", "pgsqld"], check=False)
    assert result.status == 8 or "promoted" in result.output.lower(), result
