"""Before a demotion: the checkpoints that make the shutdown of the primary short."""

import types

import pytest

from paf.deadline import Deadline
from paf.instance import sql
from paf.notifications import pre_demote
from tests.unit.support import Clock


def checkpoints(monkeypatch, seconds, kind=sql.ROWS):
    """Return how long each CHECKPOINT may take (s), where they take so many seconds."""
    clock, allowed, left = Clock(), [], list(seconds)

    def query(_instance, text, deadline):
        assert text == "CHECKPOINT"
        allowed.append(round(deadline.remaining))
        clock.sleep(left.pop(0))
        return sql.Answer(kind, [], "permission denied")
    monkeypatch.setattr(sql, "query", query)
    pre_demote._checkpoint(types.SimpleNamespace(
        instance=None, deadline=Deadline(60, clock), log=types.SimpleNamespace(info=str)))
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
