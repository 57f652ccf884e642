"""The lab's reading of Pacemaker's logs.

The recorded ones are the Perl agent's under Pacemaker 2.1.5: a standby hangs, then the power of
the primary is cut.
"""

import datetime

import pytest

from lab import pacemaker_log

HEAD = "Nov 23 14:59:{} srv2 pacemaker-controld  [52] (function) \tnotice: "
NOW = datetime.datetime(2026, 11, 23, 16, 0).timestamp()


@pytest.fixture(scope="module")
def logs(data):
    folder = data / "pacemaker_log" / "2.1.5"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.log")}


@pytest.fixture(scope="module")
def found(logs):
    return pacemaker_log.transitions(logs, NOW)


def test_transitions_come_in_order_with_their_dc(found):
    assert [item.number for item in found] == [4, 5, 6, 7]
    assert {item.dc for item in found} == {"srv3"}
    assert [item.start for item in found] == sorted(item.start for item in found)


def test_steps_are_what_changes_the_resource_and_fencings(found):
    assert pacemaker_log.steps(found) == [
        "stop srv2",
        "fence srv1",
        "start srv2",
        "demote srv1",
        "stop srv1",
        "start srv1",
        "promote srv1",
    ]


def test_an_action_has_its_times_and_its_result_from_another_node(found):
    stop = pacemaker_log.actions(found)[0]
    assert (stop.node, stop.result, stop.reason) == ("srv2", "ok", "")
    assert stop.seconds == pytest.approx(0.41, abs=0.02)


def test_a_fencing_ends_with_the_fencers_answer(found):
    fence = pacemaker_log.actions(found)[1]
    assert (fence.operation, fence.node, fence.result) == ("fence", "srv1", "ok")
    assert 0 < fence.seconds < 1


def test_a_failed_probe_keeps_the_reason_of_the_agent(found):
    probes = [
        action
        for action in pacemaker_log.actions(found, monitor=True)
        if action.operation == "monitor" and action.node == "srv1"
    ]
    assert probes[0].result == "promoted (failed)"
    assert probes[0].reason.startswith('Instance "pgsqld" controldata indicates a running primary')


def test_notifications_say_which_and_when(found):
    labels = [action.label for action in pacemaker_log.actions(found[:1], notify=True)]
    assert labels == [
        "notify pre-stop",
        "notify pre-stop",
        "notify pre-stop",
        "stop",
        "notify post-stop",
    ]


def test_an_action_without_a_result_has_no_end(found):
    last = pacemaker_log.actions(found, notify=True)[-1]
    assert last.label == "promote"
    assert last.seconds is None and "no result" in str(last)


def only_action(initiating, result):
    """Return the one action in a log of these two lines, a second apart."""
    log = HEAD.format("41.500") + initiating + "\n" + HEAD.format("42.500") + result + "\n"
    [transition] = pacemaker_log.transitions({"srv2": log}, NOW)
    [action] = transition.actions
    return action


def test_a_reason_with_parentheses_is_read_whole():
    action = only_action(
        "Initiating start operation pgsqld:0_start_0 on srv1 | action 7",
        "Result of start operation for pgsqld on srv1: error (it failed (rc: 1)) | CIB update 32",
    )
    assert (action.result, action.reason) == ("error", "it failed (rc: 1)")
    assert action.seconds == 1


def test_a_timed_out_operation_says_so():
    action = only_action(
        "Initiating stop operation pgsqld_stop_0 locally on srv2 | action 7",
        "Result of stop operation for pgsqld on srv2: Timed Out after 60s (no answer) | CIB",
    )
    assert (action.result, action.reason) == ("Timed Out after 60s", "no answer")


def test_a_log_of_december_read_in_january_is_of_last_year():
    new_year = datetime.datetime(2027, 1, 1, 0, 5).timestamp()
    moment = pacemaker_log.parse_time("Dec 31 23:59:59.500", new_year)
    assert new_year - moment == pytest.approx(300.5)


def test_the_words_and_times_of_other_releases_are_understood():
    new = only_action(
        "Initiating monitor operation pgsqld_monitor_5000 locally on srv2 | action 7",
        "Result of monitor operation for pgsqld on srv2: Promoted | CIB update 3")
    old = only_action(
        "Initiating monitor operation pgsqld_monitor_5000 locally on srv2 | action 7",
        "Result of monitor operation for pgsqld on srv2: master | rc=8 call=33")
    assert new.result == old.result == "promoted"
    now = datetime.datetime(2026, 12, 1).timestamp()
    assert pacemaker_log.parse_time("Nov 23 17:37:13", now) == pacemaker_log.parse_time(
        "Nov 23 17:37:13.000", now)


def test_pacemaker_3_0_1_has_each_node_tell_what_it_starts():
    head = "Nov 23 18:35:0{} srv{} pacemaker-controld  [4{}] (x) \tnotice: "
    logs = {
        "srv1": head.format("1.0", 1, 1) + "Processing graph 3 (ref=x) derived from y\n"
        + head.format("1.1", 1, 1) + "Asking srv2 to execute pgsqld:1_stop_0 on srv2 | transition "
        "18:2:0:19-83 action 18\n"
        + head.format("1.2", 1, 1) + "Requesting local execution of promote operation for pgsqld "
        "on srv1 | transition 18:3:0:19-83\n"
        + head.format("2.0", 1, 1) + "Result of promote operation for pgsqld on srv1: OK | graph\n",
        "srv2": head.format("1.3", 2, 2) + "Requesting local execution of stop operation for "
        "pgsqld on srv2 | transition 18:2:0:19-83\n"}
    now = datetime.datetime(2026, 12, 1).timestamp()
    transition, = pacemaker_log.transitions(logs, now)
    assert [(action.operation, action.node, action.result) for action in transition.actions] == [
        ("promote", "srv1", "ok"), ("stop", "srv2", "")]
