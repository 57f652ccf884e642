"""The table of faults, the page that is made of it, and what a soak draws."""

import json
from types import SimpleNamespace

import pytest

from tests.conftest import REPOSITORY
from trials.faults import foreseen, report, store
from trials.faults.model import Fault
from trials.result import Played
from trials.faults.stage import STAGES
from trials.faults.table import FAULTS
from trials.soak import steps

FAULT = Fault(4, "a | hangs", "SIGSTOP", "continued", play=lambda scene: None)


def test_every_fault_has_one_row():
    assert [fault.number for fault in FAULTS] == list(range(1, 61))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_every_fault_is_played_or_tested(fault):
    assert bool(fault.play) != bool(fault.tests)
    assert fault.stage in STAGES and fault.how and fault.expected
    for name in fault.tests:
        path, _, function = name.partition("::")
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        assert not function or f"def {function}(" in text, name


def test_a_fault_that_was_not_played_says_so():
    assert "not played" in report.line(FAULT, None)
    assert "| not played | - | - | - |" in report.page([FAULT], {}, {})


def test_the_page_tells_what_was_measured_and_of_which_agent():
    result = Played(4, [], 1200, 0, 1, remarks=["srv1 stays stopped"], agent="abc1234",
                    date="2026-01-02")
    page = report.page([FAULT], {4: result}, {})
    assert ("| 4 | a \\| hangs | SIGSTOP | continued | holds; srv1 stays stopped | 1200 ms | 0 | "
            "1 | 2026-01-02, abc1234 |") in page


def test_the_page_tells_what_holds_without_the_watcher():
    results = {4: Played(4, [], agent="abc1234", date="2026-01-02")}
    assert "`make faults WATCH=no`" not in report.page([FAULT], {}, {})
    assert "1 of 1 faults hold (2026-01-02, abc1234)." in report.page([FAULT], {}, results)
    results[4].problems.append("two rows lost")
    assert "0 of 1 faults hold (2026-01-02, abc1234); not: 4." in report.page([FAULT], {}, results)


def test_what_was_played_is_remembered_with_and_without_the_watcher(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PATH", tmp_path / "played.json")
    store.save(Played(4, [], 1200))
    store.save(Played(5, []))
    store.save(Played(4, ["two rows lost"]), watch=False)
    assert {number: result.outage_ms for number, result in store.load().items()} == {
        4: 1200, 5: None}
    assert {number: result.holds for number, result in store.load(watch=False).items()} == {
        4: False}


def test_a_problem_is_a_failure():
    result = Played(4, ["two rows lost"])
    assert not result.holds and "FAILS: two rows lost" in report.line(FAULT, result)


def test_a_seed_draws_the_same_steps_again():
    drawn = [str(steps.draw(7, number)) for number in range(50)]
    assert drawn == [str(steps.draw(7, number)) for number in range(50)]
    assert drawn != [str(steps.draw(8, number)) for number in range(50)]


def test_a_soak_draws_every_injection_and_two_at_a_time():
    drawn = [steps.draw(1, number) for number in range(300)]
    assert {strike.injection for step in drawn for strike in step.strikes} == set(
        steps.injections.ALL)
    assert any(len(step.strikes) == 2 for step in drawn)


LOSS = {"lost": ["srv1"], "answer": True, "to": "srv2", "stays": False, "loss_bytes": 0,
        "fenced_by": ["f"], "reasons": [], "commits_wait": None, "loses_acknowledged": False,
        "instead": ["srv3"], "unless": []}
STAYS = {"to": None, "stays": True, "instead": []}
REFUSED = {"answer": False, "reasons": ["srv3 may hold commits"], "loses_acknowledged": None}


@pytest.mark.parametrize("more, promoted, lost, words", [
    ({}, ["srv2"], 0, ""), ({}, ["srv3"], 0, ""), ({}, ["srv2", "srv3"], 0, ""),
    ({}, [], 0, "no node was promoted"), ({}, ["srv2"], 3, "would not be lost, and 3 were"),
    ({"instead": []}, ["srv3"], 0, "srv3 was promoted"),
    ({"loses_acknowledged": None}, ["srv2"], 0, "may be lost"),
    ({"loses_acknowledged": True}, ["srv2"], 2, ""),
    (STAYS, [], 0, ""), (STAYS, ["srv1"], 0, ""), (STAYS, ["srv2"], 0, "srv2 was promoted"),
    (REFUSED, [], 0, ""), (REFUSED, ["srv2"], 0, "\"no primary; srv3 may hold commits\", and srv2"),
    ({"answer": None, "reasons": ["votes"]}, ["srv2"], 0, "knew no answer: votes")])
def test_a_forecast_is_compared_with_what_then_happened(more, promoted, lost, words):
    made = foreseen.Foreseen("srv1", "srv2", {**LOSS, **more}, 0.0, promoted)
    found = foreseen.wrong(made, "srv1", lost)
    assert words in "; ".join(found) and bool(found) is bool(words)


def test_a_forecast_is_asked_on_a_node_that_survives_until_it_is_known(monkeypatch):
    monkeypatch.setattr("lab.tools.time.sleep", lambda _: None)
    answers = [{**LOSS, "answer": None}, {**LOSS, "loses_acknowledged": None}, LOSS]

    def answering(name):
        assert name != "srv1", "asked on the node that is lost"
        return SimpleNamespace(name=name, run=lambda *_, **__: SimpleNamespace(
            output=json.dumps({"losses": [{**LOSS, "lost": ["srv2"]}, answers.pop(0)]})))
    nodes = {name: name == "srv1" or answering(name) for name in ("srv1", "srv2")}
    made = foreseen.ask(SimpleNamespace(nodes=nodes), "srv1", 5.0)
    assert made.loss == LOSS and made.asked == "srv2" and str(made) == "srv2 is promoted"


def test_the_page_has_which_forecast_came_true():
    assert report.outcome(FAULT, Played(4, [], forecast="srv2 is promoted")) == (
        "holds, forecast right")
    assert report.outcome(FAULT, Played(4, [])) == "holds"
