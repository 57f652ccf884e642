"""`paf history` on each node of a real cluster: the same story, rightly named, with its outages."""

import pytest

from lab import scenarios
from lab.cib import CLONE
from tests.cluster import stories

#: Longest time of a switchover, in seconds; paf itself follows it for 180 s.
PATIENCE = 300
#: Without statistics that are collected at any moment: an old primary has no commit of its own.
LAB = {"postgres": {"autovacuum": "off"}}


def test_a_switchover(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    since = lab.now()
    with scenarios.watched(lab, impatient=True, primary=target) as play:
        lab.nodes[old].run(["paf", "switchover", target, "--yes"], timeout=PATIENCE)
    event, = stories.of_all(lab, since, [("switchover", [old, target])])
    stories.assert_clients_outage(play, event)


def test_a_crash_of_the_primary_and_its_cleanup(lab):
    scenarios.wait_for_ranks(lab)
    since = lab.now()
    with scenarios.watched(lab, impatient=True) as play:
        old = scenarios.kill_primary(lab)
    event, = stories.of_all(lab, since, [("recovery of the primary", [old])])
    stories.assert_clients_outage(play, event)
    assert "crashed primary" in " ".join(item["reason"] for item in event["actions"])
    lab.cleanup()
    lab.wait_settled(180, primary=old)
    stories.of_all(lab, since, [("recovery of the primary", [old])])


def test_a_crash_of_a_standby(lab):
    scenarios.wait_for_ranks(lab)
    since = lab.now()
    victim = scenarios.kill_standby(lab)
    lab.wait_settled(180)
    lab.cleanup()
    lab.wait_settled(180)
    event, = stories.of_all(lab, since, [("recovery of a standby", [victim])])
    assert event["outage"] is None


def test_a_switchover_that_is_refused(lab):
    scenarios.wait_for_ranks(lab)
    since, old, target = lab.now(), lab.primary(), scenarios.ranked_standbys(lab)[0]
    tool = f"{lab.settings.bindir}/pg_waldump"
    lab.nodes[target].run(["chmod", "a-x", tool])
    try:
        result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False,
                                    timeout=PATIENCE)
    finally:
        lab.nodes[target].run(["chmod", "a+x", tool])
    assert result.status == 1, result
    lab.wait_settled(180, primary=old)
    stories.of_all(lab, since, [("switchover refused", [target])])


@pytest.mark.long
def test_disable_and_enable(lab):
    scenarios.wait_for_ranks(lab)
    since, primary, everywhere = lab.now(), lab.primary(), sorted(lab.nodes)
    role = ["crm_resource", "--resource", CLONE, "--meta"]
    lab.ask([*role, "--set-parameter", "target-role", "--parameter-value", "Stopped"])
    lab.wait_settled(180, primary=False, stopped=everywhere)
    stories.of_all(lab, since, [("stop", everywhere)])
    lab.ask([*role, "--delete-parameter", "target-role"])
    lab.wait_settled(180, primary=primary)
    stories.of_all(lab, since, [("stop", everywhere), ("start", everywhere)])


def test_a_failover_and_the_node_that_comes_back(lab):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    lab.nodes[old].fence_policy("off")
    others = [name for name in lab.nodes if name != old]
    since = lab.now()
    with scenarios.watched(lab, impatient=True, online=others) as play:
        lab.power_off(old)
    failover = ("failover", [old, lab.primary()])
    event, = stories.of_all(lab, since, [failover])
    stories.assert_clients_outage(play, event)
    came = scenarios.bring_back(lab, old)    # it may have diverged: then it was cloned
    after = [("failed start", [old])] if came.is_refused else []
    stories.of_all(lab, since, [failover, *after, ("start", [old])], absent=[old])
