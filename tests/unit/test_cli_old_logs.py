"""paf timeline and history on logs of Pacemaker 1.1, as 1.1.10 to 1.1.24 wrote them."""

import pytest

from paf.cli.timeline import action_times, events, logs, old_logs, timeline

NOW = 1795658400.0
VIPS = ("pgsqld-ip",)
#: corosync waited so long for a silent node in these clusters, seconds
SILENCE = 3.63

EVENTS = {
    "1.1.10": [(events.START, None, "srv1"), (events.STANDBY_RECOVERY, "srv1", "srv1"),
               (events.FAILOVER, "srv1", "srv3"), (events.START, "srv3", "srv3")],
    "1.1.12": [(events.START, None, "srv1"), (events.FAILOVER, "srv1", "srv2"),
               (events.START, "srv2", "srv2"), (events.PRIMARY_RECOVERY, "srv2", "srv2"),
               (events.SWITCHOVER, "srv2", "srv3"), (events.STANDBY_RECOVERY, "srv3", "srv3")],
    "1.1.16": [(events.START, None, "srv1"), (events.STANDBY_RECOVERY, "srv1", "srv1"),
               (events.PRIMARY_RECOVERY, "srv1", "srv1"), (events.FAILOVER, "srv1", "srv3"),
               (events.START, "srv3", "srv3"), (events.SWITCHOVER, "srv3", "srv1")],
    "1.1.24": [(events.START, None, "srv1"), (events.STANDBY_RECOVERY, "srv1", "srv1"),
               (events.PRIMARY_RECOVERY, "srv1", "srv1"), (events.FAILOVER, "srv1", "srv3"),
               (events.START, "srv3", "srv3"), (events.SWITCHOVER, "srv3", "srv1")],
}
LINE = "Nov 26 01:05:24 [60] srv2       crmd:   notice: "


@pytest.fixture
def found(data):
    def read(version):
        facts = logs.read([str(data / "pacemaker" / version / "pacemaker.log")], NOW)
        return events.events(facts, "pgsqld", VIPS, SILENCE)
    return read


@pytest.mark.parametrize("version", sorted(EVENTS))
def test_the_events_of_each_version_are_understood(found, version):
    assert [(event.kind, event.old, event.new) for event in found(version)] == EVENTS[version]


@pytest.mark.parametrize("version", sorted(EVENTS))
def test_all_actions_but_notifications_have_an_end_and_a_result(found, version):
    for event in found(version):
        for item in event.actions:
            if item.operation in action_times.CHANGES:
                assert item.end is not None and item.result == "ok", item


@pytest.mark.parametrize("version, seconds", [
    ("1.1.10", 4.63), ("1.1.12", 4.63), ("1.1.16", 9.63), ("1.1.24", 8.63)])
def test_a_lost_node_was_heard_of_before_corosync_gave_it_up(found, version, seconds):
    event = next(item for item in found(version) if item.kind == events.FAILOVER)
    assert event.estimated and list(event.lost) == ["srv1"]
    assert timeline.outage(event) == pytest.approx(seconds)


@pytest.mark.parametrize("version, votes", [
    ("1.1.10", {"srv2": "TL 2, 0/31616E0", "srv3": "TL 2, 0/316C620"}),
    ("1.1.12", {"srv2": "TL 2, 0/304A0B0", "srv3": "TL 2, 0/303F098"}),
    ("1.1.16", {"srv2": "TL 3, 0/318F468", "srv3": "TL 3, 0/31991E8"}),
    ("1.1.24", {"srv2": "TL 3, 0/32B2B58", "srv3": "TL 3, 0/32C7048"})])
def test_the_positions_that_decided_an_election_are_found(found, version, votes):
    event = next(item for item in found(version) if item.kind == events.FAILOVER)
    assert event.votes == votes


@pytest.mark.parametrize("version, node, ends", [
    ("1.1.16", "srv2", "the control file says \"in archive recovery\""),
    ("1.1.16", "srv1", "some of its processes are not"),
    ("1.1.24", "srv1", "the control file says \"in production\"")])
def test_a_reason_is_what_the_agent_said_and_no_more(data, version, node, ends):
    """Their attribute manager adds which node has set it."""
    path = data / "pacemaker" / version / "pacemaker.log"
    reasons = [fact.values["value"] for fact in logs.read([str(path)], NOW)
               if fact.kind == "attribute" and fact.values["node"] == node
               and fact.values["name"] == "failed_because-pgsqld"]
    assert reasons[0].startswith("PostgreSQL: crashed ") and reasons[0].endswith(ends)


def test_a_node_that_was_fenced_is_shown(found):
    for version in ("1.1.16", "1.1.24"):
        event = next(item for item in found(version) if item.kind == events.FAILOVER)
        fence = next(item for item in event.actions if item.operation == "fence")
        assert (fence.node, fence.result) == ("srv1", "ok")


def test_the_reason_of_a_failed_monitor_stands_in_the_nodes_own_log(found):
    event = next(item for item in found("1.1.12") if item.kind == events.PRIMARY_RECOVERY)
    assert event.actions[0].operation == "monitor"
    assert event.actions[0].result == "promoted (failed)"
    assert 'the control file says "in production"' in event.actions[0].reason


def test_a_crash_that_was_reported_is_one(found):
    event = next(item for item in found("1.1.24") if item.kind == events.PRIMARY_RECOVERY)
    assert [item.operation for item in event.actions].count(action_times.CRASH) == 1


@pytest.mark.parametrize("text, kind, values", [
    # the words of 1.1.10 to 1.1.15 for what the recordings do not have
    ("te_fence_node: \tExecuting reboot fencing operation (49) on srv1 (timeout=20000)", "fencing",
     {"how": "reboot", "node": "srv1"}),
    ("status_from_rc: \tAction 8 (pgsqld_start_0) on srv2 failed (target: 0 vs. rc: 5): Error",
     "ended", {"node": "srv2", "result": "not installed", "action": "8"}),
    ("tengine_stonith_notify: \tPeer srv1 was not terminated (reboot) by <anyone> for srv2: "
     "No route to host (ref=x) by client crmd.60", "fenced",
     {"node": "srv1", "result": "failed", "reason": "No route to host"}),
    ("process_lrm_event: \tsrv2-a-b_start_0:12 [ some text\\nocf-exit-reason:is damaged\\n ]",
     "result", {"resource": "a-b", "operation": "start", "node": "srv2", "reason": "is damaged"}),
])
def test_what_the_versions_say_less_often(text, kind, values):
    fact, = logs.facts_of(LINE + text + "\n", NOW)
    assert fact.kind == kind and values == {name: fact.values[name] for name in values}


def test_unfencing_is_no_fencing():
    assert logs.facts_of(
        LINE + "te_fence_node: Executing on fencing operation (4) on srv1 (timeout=2)", NOW) == []


def test_any_other_line_says_nothing():
    assert old_logs.understand("do_lrm_rsc_op: Performing key=1 op=pgsqld_start_0", "x") is None


def test_what_came_in_one_second_is_in_order_over_several_logs():
    """A node's own log may be read before the DC's, and says why what the DC began has failed."""
    own = logs.LogFact("result", 5.0, "srv1", {"node": "srv1"})
    earlier = logs.LogFact("started", 5.0, "srv2", {"node": "srv1"})
    assert sorted([own, earlier], key=logs.order) == [earlier, own]
