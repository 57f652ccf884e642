"""What explore draws, replays and makes smaller; which of what it sees is a problem."""

import types

import pytest

from trials.explore import events, explorer, steps
from trials.explore.__main__ import Exploration
from trials.explore.events import EVENTS
from trials.explore.states import STATES
from trials.explore.steps import Strike


def test_a_seed_draws_the_same_steps_again_and_another_one_others():
    drawn = [str(steps.draw(3, number)) for number in range(60)]
    assert drawn == [str(steps.draw(3, number)) for number in range(60)]
    assert drawn != [str(steps.draw(4, number)) for number in range(60)]


@pytest.mark.parametrize("nodes", [3, 4])
def test_a_step_is_replayed_from_its_text(nodes):
    for number in range(200):
        step = steps.draw(1, number, nodes)
        assert steps.parse(str(step)) == step


def test_every_state_meets_every_event_in_turn():
    count = len(steps.pairs(1))
    drawn = [steps.draw(1, number) for number in range(count)]
    met = {(state.word, event.word) for step in drawn for state in step.states
           for event in step.events}
    assert met >= {(state, event) for state in STATES for event in EVENTS if state != "running"}
    assert {step.names for step in drawn} == set(steps.names_of(3))


def test_what_makes_another_primary_comes_first():
    for number in range(400):
        words = [strike.word for strike in steps.draw(2, number).states]
        assert "diverged" not in words[words.count("diverged"):]


@pytest.mark.parametrize("text", ["*; lagging@1; crash@0; 1 s", "*; unwell@1; crash@0; 1 s; 2 s",
                                  "*; lagging; crash@0; 1 s; 2 s"])
def test_a_text_that_is_no_step_is_refused(text):
    with pytest.raises(ValueError):
        steps.parse(text)


def test_a_step_gets_smaller_by_one_thing_at_a_time():
    step = steps.parse("*; lagging@1 full@0; crash@0 move@2; 1 s; 5 s")
    assert [str(one) for one in step.smaller()] == [
        "*; full@0; crash@0 move@2; 1 s; 5 s", "*; lagging@1; crash@0 move@2; 1 s; 5 s",
        "*; lagging@1 full@0; move@2; 1 s; 5 s", "*; lagging@1 full@0; crash@0; 1 s; 5 s"]


def test_what_fails_is_made_as_small_as_it_can_be(monkeypatch):
    """It fails whenever a lagging standby meets a power cut, whatever else there is."""
    played = Exploration("none", 3)
    monkeypatch.setattr(played, "play", lambda step, logs=None: [
        "rows lost"] if Strike("lagging", 1) in step.states and Strike(
            "power-cut", 0) in step.events else [])
    step = steps.parse("*; full@0 lagging@1 slow@2; move@2 power-cut@0; 1 s; 5 s")
    assert str(played.minimise(step)) == "*; lagging@1; power-cut@0; 1 s; 5 s"


@pytest.mark.parametrize("text, names_a_fact", [
    ("srv2 did not report its WAL position", True), ("lags by 99 bytes", True),
    ("srv3 is ahead: TL 2, 0/3000", True), ("not promoted", False), ("refused before", False)])
def test_a_reason_names_a_node_or_a_fact(text, names_a_fact):
    assert bool(explorer._NAMES_A_FACT.search(text)) is names_a_fact


@pytest.mark.parametrize("events, documented", [
    ("typo@0 cold-start@0", True), ("typo@0 power-cycle@1", True), ("typo@0 move@1", False),
    ("cold-start@0", False)])
def test_a_wrong_parameter_may_keep_a_node_stopped_after_a_boot_only(events, documented):
    step = steps.parse(f"*; ; {events}; 1 s; 5 s")
    assert explorer._may_stay_stopped(step, "PAF-E218 maxlag must be a number") == documented
    assert not explorer._may_stay_stopped(step, "PAF-E210 PostgreSQL does not start")
    assert explorer._may_stay_stopped(step, "PAF-E201 diverged: 8 bytes")


@pytest.mark.parametrize("pid, stopping, reboots", [
    (7, [[1], [1], []], 1),    # a slow cluster: Pacemaker still ends
    (7, [[]], 1), (None, [[]], 1),
    (9, [[1]], 0)])            # a cold start has booted it
def test_a_node_whose_pacemaker_was_stopped_boots_when_that_has_ended(pid, stopping, reboots):
    seen, left = [], iter(stopping)
    node = types.SimpleNamespace(pid=pid, pids=lambda role: next(left),
                                 reboot=lambda: seen.append(pid))
    events._boot_again(node, booted=7)
    assert len(seen) == reboots and (not reboots or next(left, None) is None)
