"""Waits of a candidate that are over: for a voter that has left, and for what is not noted."""

import pytest

from paf import candidacy, promotion
from paf.cluster import notes
from paf.decide import election
from tests.unit.test_promotion import ALONE, BOTH, make, monitored, Time

__all__ = ["make"]


@pytest.mark.parametrize("lists, online, score", [
    (BOTH, ["srv2"], election.LOSER_SCORE),                   # it left before it could vote
    (ALONE, ["srv2"], election.WAITING),                      # it was no voter: it is to come
    (BOTH, ["srv2", "srv3"], election.LOSER_SCORE)])          # it is there, and is asked again
def test_a_voter_that_is_gone_for_good_is_not_waited_for(make, monkeypatch, lists, online, score):
    context = make(lists, online=online, running=online, scores={"srv2": 1000, "srv3": 990})
    promotion.wait_for(context, election.Decision(False, "no vote", None, ("srv3",), ("srv3",)))
    assert monitored(context, monkeypatch) == score


def test_a_node_without_quorum_goes_on_waiting(make, monkeypatch):
    """Who is gone may be with those that went on; with quorum it tries again."""
    context = make(BOTH, online=["srv2"], running=["srv2"], scores={"srv2": 1000, "srv3": 990})
    promotion.wait_for(context, election.Decision(False, "no vote", None, ("srv3",), ("srv3",)))
    for powerless, score in ((True, election.WAITING), (False, election.LOSER_SCORE)):
        context.cluster.is_powerless = powerless
        assert monitored(context, monkeypatch) == score


@pytest.mark.parametrize("promoted, awaited, is_in", [
    ([], "", True), ([], "srv3", False), (["srv1"], "", False)])
def test_a_node_whose_wait_is_forgotten_is_a_candidate_again(
        make, monkeypatch, promoted, awaited, is_in):
    """A primary that came and died, or a folder of notes that was cleaned, had it wait without end.
    """
    monkeypatch.setattr("paf.cluster.ophistory.promoted", lambda *_: promoted)
    context = make(ALONE, scores={"srv2": election.WAITING})
    context.cluster.cib = lambda deadline: ""
    if awaited:
        context.cluster.notes.write(notes.AWAITED, awaited)
    assert candidacy.let_in(context, context.cluster.facts, Time(9)) is is_in
    assert (("srv2", election.LOSER_SCORE) in context.cluster.done) is is_in
