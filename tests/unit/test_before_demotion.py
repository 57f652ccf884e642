"""Before a demotion: the checkpoints that make the shutdown of the primary short."""

import types

import pytest

from paf import metadata
from paf.cli import switchover
from paf.deadline import Deadline
from paf.decide import transition
from paf.decide.knowledge import Known
from paf.instance import archiving, observe, sql
from paf.notifications import pre_demote
from tests.unit.support import Clock, environment, notify_variables

MOVE = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1", promote="srv2")
ALONE = dict(MOVE, promote="")


def checkpoints(monkeypatch, seconds, kind=sql.ROWS, lists=None, answers=True):
    """Return how long each CHECKPOINT may take (s), where they take so many seconds."""
    clock, allowed, left = Clock(), [], list(seconds)

    def query(_instance, text, deadline):
        assert text == "CHECKPOINT"
        allowed.append(round(deadline.remaining))
        clock.sleep(left.pop(0))
        return sql.Answer(kind, [], "permission denied")
    monkeypatch.setattr(sql, "query", query)
    monkeypatch.setattr(observe, "is_primary", lambda *_: answers)
    monkeypatch.setattr(archiving, "catch_up", lambda *_: Known(0))
    monkeypatch.setattr(pre_demote, "_without_successor", lambda _: None)
    pre_demote.run(types.SimpleNamespace(
        instance=None, deadline=Deadline(60, clock), log=types.SimpleNamespace(info=str),
        in_cluster=False, node="srv1", cluster=types.SimpleNamespace(guards_switchover=False),
        notification=transition.read(environment(**notify_variables(**lists or ALONE)))))
    return allowed


@pytest.mark.parametrize("seconds, allowed", [
    ([0.1], [20]),              # an idle server
    ([8, 0.4], [20, 12]),       # what was changed meanwhile is little
    ([8, 4, 2], [20, 12, 8]),   # it never is
    ([19, 0.9], [20, 1])])      # no time is left
def test_a_long_checkpoint_is_followed_by_a_shorter_one(monkeypatch, seconds, allowed):
    assert checkpoints(monkeypatch, seconds) == allowed


def test_a_checkpoint_that_fails_is_not_tried_again(monkeypatch):
    assert checkpoints(monkeypatch, [8], sql.REFUSED) == [20]
    assert checkpoints(monkeypatch, [20], sql.TIMED_OUT) == [20]


@pytest.mark.parametrize("seconds, allowed", [([0.1], [55]), ([40, 12, 3], [55, 15, 3])])
def test_before_a_switchover_a_long_one_may_end_while_clients_write(monkeypatch, seconds, allowed):
    """The shutdown has to wait for one that is under way, and then has its own to write."""
    assert checkpoints(monkeypatch, seconds, lists=MOVE) == allowed


def test_a_primary_that_hangs_is_not_waited_for_that_long(monkeypatch):
    """It is demoted for that, perhaps (on-fail=demote): the lists look the same."""
    assert checkpoints(monkeypatch, [20], sql.TIMED_OUT, MOVE, answers=False) == [20]


def test_a_switchover_is_followed_for_as_long_as_its_actions_may_take():
    """Its end takes the constraint away: in the middle, the old primary would be promoted again."""
    steps = ("notify", "demote", "notify", "promote")
    longest = sum(int(metadata.timeout(name)) for name in steps)
    assert longest < switchover._PATIENCE < 600    # the constraint's own lifetime
