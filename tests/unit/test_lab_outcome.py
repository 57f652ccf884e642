"""The outcome of a node is reported when Pacemaker has finished with it, and not before."""

import dataclasses
from types import SimpleNamespace

import pytest

from lab import outcome, questions, status
from lab.outcome import DIVERGED, FAILED, OFF, PRIMARY, STOPPED, STREAMS, Outcome
from lab.tools import LabError, wait_until


class Node:
    """A node that answers what it is given."""

    def __init__(self, name, is_on=True):
        self.name, self.is_on = name, is_on

    def in_recovery(self):
        return self.name != "srv2"


class Lab:
    """A lab whose crm_mon shows one recording after the other; the last one stays."""

    name = "fake"
    describe = "crm_mon gives no answer".format

    def __init__(self, *answers, idle=(True,), streaming=("srv1", "srv3"), off=()):
        self.answers, self.idle, self.streams = list(answers), list(idle), set(streaming)
        self.nodes = {name: Node(name, name not in off) for name in ("srv1", "srv2", "srv3")}

    def _next(self, answers):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def look(self):
        return self._next(self.answers)

    def is_idle(self, _state):
        answer = self._next(self.idle)
        if answer is None:
            raise LabError("crmadmin: no answer")
        return answer

    def streaming_now(self, _primary):
        return self.streams


@pytest.fixture
def shown(data):
    """What crm_mon showed while an old primary came back that has diverged: shown(name)."""
    def read(name):
        return status.parse((data / "crm_mon" / f"{name}.xml").read_text(encoding="utf-8"))
    return read


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(outcome.time, "sleep", lambda _: None)


def test_a_failed_start_is_no_outcome_until_the_stop_that_follows_it(shown):
    lab = Lab(shown("off"), shown("starting"), shown("failed"), shown("failed"), shown("failed"),
              shown("diverged"))
    found = outcome.outcome_of(lab, "srv1", 5)
    assert found.what == DIVERGED and "165408 bytes" in found.reason
    assert found.is_refused and not found.takes_part
    assert "has diverged: diverged: 165408 bytes" in str(found)


def test_a_look_without_an_answer_decides_nothing(shown):
    lab = Lab(None, shown("diverged"), None, shown("diverged"), idle=(None, False, True))
    assert outcome.outcome_of(lab, "srv1", 5).what == DIVERGED


def test_the_error_says_what_was_seen_last(shown):
    with pytest.raises(LabError, match="srv1 has failed as Unpromoted, and is not stopped yet"):
        outcome.outcome_of(Lab(shown("failed")), "srv1", 0)
    with pytest.raises(LabError, match="crm_mon gives no answer"):
        outcome.outcome_of(Lab(None), "srv1", 0)
    with pytest.raises(LabError, match="no answer"):
        outcome.outcome_of(Lab(shown("diverged"), idle=(None,)), "srv1", 0)


def test_a_primary_and_a_standby_that_streams_take_part(shown):
    found = outcome.outcomes(Lab(shown("diverged")), 5, ["srv2", "srv3"])
    assert {name: item.what for name, item in found.items()} == {"srv2": PRIMARY, "srv3": STREAMS}
    assert all(item.takes_part for item in found.values())


def test_a_standby_that_runs_and_does_not_stream_is_not_finished(shown):
    with pytest.raises(LabError, match="srv3 runs and does not stream"):
        outcome.outcome_of(Lab(shown("diverged"), streaming=()), "srv3", 0)


def test_a_node_without_power_is_off_once_the_cluster_has_seen_it(shown):
    lab = Lab(shown("diverged"), shown("diverged"), shown("off"), off=("srv1",))
    assert outcome.outcome_of(lab, "srv1", 5) == Outcome("srv1", OFF)


def test_a_stopped_instance_without_a_failure_is_not_refused(shown):
    seen = dataclasses.replace(shown("diverged"), failures=[])
    assert outcome.outcome_of(Lab(seen), "srv1", 5) == Outcome("srv1", STOPPED)


def test_a_failure_that_pacemaker_leaves_alone_is_an_outcome(shown):
    seen = shown("failed")
    blocked = [dataclasses.replace(item, blocked=item.failed) for item in seen.instances]
    other = [dataclasses.replace(item, reason="a reason", operation="pgsqld_stop_0")
             for item in seen.failures]
    found = outcome.outcome_of(
        Lab(dataclasses.replace(seen, instances=blocked, failures=other)), "srv1", 5)
    assert (found.what, found.reason) == (FAILED, "a reason")


def test_what_is_not_wanted_is_only_on_the_way(shown):
    seen = dataclasses.replace(shown("diverged"), failures=[])
    lab = Lab(seen, seen, seen, shown("diverged"))
    found = outcome.outcomes(lab, 5, ["srv1"], wanted=lambda one: one.is_refused)
    assert found["srv1"].what == DIVERGED


class Asked(questions.Questions):
    """Questions to one node, which runs what is given."""

    name = "fake"

    def __init__(self, *answers):
        self.answers, self.nodes = list(answers), {}

    def _with_quorum(self):
        return self

    def run(self, _argv, check, timeout):
        assert not check and timeout
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclasses.dataclass
class Answer:
    """A program's end."""

    status: int
    output: str = ""

    @property
    def ok(self):
        return self.status == 0

    def __str__(self):
        return f"exited {self.status}"


def test_a_program_without_an_answer_is_run_again():
    assert Asked(Answer(124), Answer(102), Answer(0, "1001")).ask(["crm_attribute"]) == "1001"


def test_an_attribute_that_is_absent_is_an_answer():
    lab = Asked(Answer(124), Answer(105), Answer(0, "never asked"))
    assert lab.ask(["crm_attribute"], absent=questions.ABSENT) is None


def test_a_program_that_never_answers_is_an_error_with_its_last_words():
    with pytest.raises(LabError, match="last seen: exited 102"):
        Asked(Answer(124), Answer(102)).ask(["crm_attribute"], seconds=0.2)


def test_a_wait_survives_an_error_and_says_the_last_one():
    answers = iter([LabError("one"), None, LabError("two"), 7])

    def condition():
        answer = next(answers)
        if isinstance(answer, LabError):
            raise answer
        return answer
    assert wait_until(condition, 5, "a number", step=0.001) == 7
    with pytest.raises(LabError, match="a number; last seen: what was seen"):
        wait_until(lambda: None, 0, "a number", seen=lambda: "what was seen")


def test_the_dc_is_asked_as_the_copy_of_a_node_that_joins_may_lack_the_others():
    """Pacemaker 2.1.5: it gets the whole within 15 s, and says until then that nothing runs."""
    def node(name, instances):
        return SimpleNamespace(name=name, cluster_status=lambda: SimpleNamespace(
            dc="srv2", quorum=True, instances=instances))
    asked = questions.Questions()
    asked.nodes = {"srv1": node("srv1", []), "srv2": node("srv2", ["srv3"])}
    assert asked.look().instances == ["srv3"]
    asked.nodes["srv2"].cluster_status = lambda: None    # the DC died: another node's view is all
    assert asked.look().instances == []
