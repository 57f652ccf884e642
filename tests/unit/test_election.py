"""The election: nobody who is behind is ever promoted, and ties keep the candidate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import election
from paf.decide.wal import Position

NODES = ("srv1", "srv2", "srv3", "srv4")
POSITIONS = st.builds(Position, st.integers(1, 3), st.integers(0, 4))
ALL_TOLD = st.dictionaries(st.sampled_from(NODES), POSITIONS, min_size=1)


@given(ALL_TOLD, st.data())
def test_a_worse_node_is_never_promoted(positions, data):
    candidate = data.draw(st.sampled_from(sorted(positions)))
    verdict = election.decide(candidate, list(positions), positions)
    assert verdict.promote == (positions[candidate] == max(positions.values()))


@given(ALL_TOLD)
def test_of_all_candidates_only_the_most_advanced_would_win(positions):
    winners = [node for node in positions
               if election.decide(node, list(positions), positions).promote]
    assert winners
    assert {positions[node] for node in winners} == {max(positions.values())}


@given(ALL_TOLD, st.data())
def test_the_node_that_is_better_would_win_itself(positions, data):
    candidate = data.draw(st.sampled_from(sorted(positions)))
    verdict = election.decide(candidate, list(positions), positions)
    if verdict.better:
        assert election.decide(verdict.better, list(positions), positions).promote


@given(ALL_TOLD, st.sets(st.sampled_from(NODES)), st.sampled_from(NODES))
def test_nothing_is_decided_before_all_have_spoken(positions, voters, candidate):
    verdict = election.decide(candidate, sorted(voters), positions)
    silent = (voters | {candidate}) - set(positions)
    assert set(verdict.missing) == silent
    if silent:
        assert not verdict.promote and verdict.better is None
        assert all(node in verdict.reason for node in silent)


@given(st.lists(st.sampled_from(NODES), min_size=1, unique=True), POSITIONS, st.data())
def test_on_a_tie_the_candidate_keeps_the_lead(nodes, position, data):
    candidate = data.draw(st.sampled_from(nodes))
    verdict = election.decide(candidate, nodes, dict.fromkeys(nodes, position))
    assert verdict.promote and verdict.better is None


def test_positions_of_nodes_that_do_not_vote_do_not_count():
    verdict = election.decide("srv1", ["srv1"], {"srv1": Position(1, 1), "srv2": Position(9, 9)})
    assert verdict.promote


def test_the_timeline_counts_before_the_lsn():
    positions = {"srv1": Position(2, 900), "srv2": Position(3, 100)}
    assert election.decide("srv1", list(positions), positions).better == "srv2"


def test_a_dead_peer_never_wins():
    positions = {"srv1": Position(1, 1), "srv2": Position(0, 0)}
    assert election.decide("srv1", list(positions), positions).promote


def test_the_reason_names_the_node_and_both_positions():
    positions = {"srv1": Position(3, 0x5000060), "srv2": Position(3, 0x5000148)}
    verdict = election.decide("srv1", list(positions), positions)
    assert verdict.reason == "srv2 is ahead: TL 3, 0/5000148 > TL 3, 0/5000060"


def test_the_reason_names_the_silent_node():
    verdict = election.decide("srv1", ["srv1", "srv2"], {"srv1": Position(1, 1)})
    assert verdict.reason == "srv2 did not tell its WAL position"


# Promise: a refused candidate is not chosen again

SCORES = st.dictionaries(st.sampled_from(NODES), st.sampled_from(
    [1001, 1000, 990, 980, 1, -1, -1000, election.BARRED]))


@given(SCORES)
def test_a_concession_puts_the_better_node_above_the_candidate(scores):
    wanted = election.concession("srv1", "srv2", scores)
    assert wanted["srv2"] > wanted["srv1"]


@given(SCORES)
def test_a_concession_always_changes_a_score(scores):
    """Pacemaker computes again only when something changed."""
    wanted = election.concession("srv1", "srv2", scores)
    assert any(scores.get(node) != score for node, score in wanted.items())


@given(SCORES)
def test_a_concession_leaves_third_nodes_alone(scores):
    assert set(election.concession("srv1", "srv2", scores)) == {"srv1", "srv2"}


def test_the_first_concession_is_the_contracts():
    assert election.concession("srv1", "srv2", {}) == {"srv2": 1000, "srv1": 1}


def test_a_concession_that_was_not_heard_bars_the_candidate():
    wanted = election.concession("srv1", "srv2", {"srv1": 1, "srv2": 1000})
    assert wanted == {"srv2": 1000, "srv1": election.BARRED}


@pytest.mark.parametrize("name", ["a b", "a'b", "a\nb", "é", "$(x)"])
def test_odd_names_are_only_names(name):
    positions = {name: Position(1, 5), "srv1": Position(1, 1)}
    assert election.decide("srv1", [name, "srv1"], positions).better == name
