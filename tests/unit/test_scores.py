"""Promotion scores: the contract's values, and nothing written without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import election, scores
from paf.decide.scores import Replica

SEGMENT = 16 * 1024 * 1024
SETTLED = {"srv1": 1001, "srv2": 1000, "srv3": 990}
ALL = ["srv1", "srv2", "srv3"]


def replica(name, lsn, state="streaming", lag=0):
    return Replica(name, state, lsn, lag, lsn)


def wanted(replicas, current=None, online=ALL, maxlag=0):
    return scores.wanted("srv1", online, replicas, current or {}, maxlag, SEGMENT)


# The contract

def test_the_first_scores_are_the_contracts():
    found = wanted([replica("srv2", 50 * SEGMENT), replica("srv3", 90 * SEGMENT)])
    assert found == {"srv1": 1001, "srv3": 1000, "srv2": 990}


@pytest.mark.parametrize("state", ["startup", "backup"])
def test_a_standby_that_is_not_ready_gets_minus_one(state):
    assert wanted([replica("srv2", 5, state)])["srv2"] == -1


def test_a_standby_that_is_not_connected_gets_minus_1000():
    assert wanted([])["srv2"] == -1000


def test_a_standby_that_has_not_reported_is_not_the_best():
    found = wanted([replica("srv2", None), replica("srv3", 5)])
    assert (found["srv2"], found["srv3"]) == (-1, 1000)


def test_catching_up_counts_as_connected():
    assert wanted([replica("srv2", 5, "catchup")])["srv2"] == 1000


# maxlag

def test_a_standby_that_is_too_late_keeps_its_rank_negated():
    found = wanted([replica("srv2", 90 * SEGMENT), replica("srv3", 5, lag=101)], maxlag=100)
    assert (found["srv2"], found["srv3"]) == (1000, -990)


def test_maxlag_itself_is_not_too_late():
    assert wanted([replica("srv2", 5, lag=100)], maxlag=100)["srv2"] == 1000


def test_an_unknown_lag_is_too_late_only_under_a_limit():
    assert wanted([replica("srv2", 5, lag=None)], maxlag=1)["srv2"] == -1000
    assert wanted([replica("srv2", 5, lag=None)])["srv2"] == 1000


# Promise: a cluster that is busy, but well, writes nothing

def test_nothing_is_written_when_nothing_changed():
    assert wanted([replica("srv2", 500), replica("srv3", 400)], SETTLED) == {}


@given(st.integers(0, SEGMENT), st.integers(0, SEGMENT))
def test_standbys_within_a_segment_keep_their_order(one, other):
    found = wanted([replica("srv2", SEGMENT * 9 + one), replica("srv3", SEGMENT * 9 + other)],
                   SETTLED)
    assert found == {}


def test_a_standby_far_ahead_takes_the_lead():
    found = wanted([replica("srv2", SEGMENT), replica("srv3", 3 * SEGMENT)], SETTLED)
    assert found == {"srv3": 1000, "srv2": 990}


def test_the_second_look_writes_nothing():
    @given(st.lists(st.tuples(st.sampled_from(ALL + ["srv4", "pg_receivewal"]),
                              st.sampled_from(["streaming", "startup", "catchup", "backup"]),
                              st.one_of(st.none(), st.integers(0, 9 * SEGMENT)),
                              st.one_of(st.none(), st.integers(0, 9 * SEGMENT)))),
           st.dictionaries(st.sampled_from(ALL + ["srv4"]),
                           st.sampled_from([1001, 1000, 990, 1, -1, -1000, election.BARRED])),
           st.integers(0, SEGMENT))
    def check(rows, current, maxlag):
        replicas = [Replica(name, state, lsn, lag, None) for name, state, lsn, lag in rows]
        first = wanted(replicas, current, maxlag=maxlag)
        assert wanted(replicas, {**current, **first}, maxlag=maxlag) == {}
    check()


# Promise: the best standby leads, and no two are equal

@given(st.dictionaries(st.sampled_from(["srv2", "srv3", "srv4", "srv5"]),
                       st.integers(0, 20 * SEGMENT)),
       st.dictionaries(st.sampled_from(["srv2", "srv3", "srv4", "srv5"]),
                       st.sampled_from([1000, 990, 980, 970, -1000])))
def test_a_leader_is_at_most_a_segment_behind_the_best(lsns, current):
    online = ["srv1", *lsns]
    found = {**current, **wanted([replica(*pair) for pair in lsns.items()], current, online)}
    if lsns:
        leader = max(lsns, key=lambda node: found[node])
        assert lsns[leader] >= max(lsns.values()) - SEGMENT
        assert len({found[node] for node in lsns}) == len(lsns)


def test_a_chain_of_small_steps_does_not_hide_a_large_one():
    lsns = {"srv2": 0, "srv3": SEGMENT * 9 // 10, "srv4": SEGMENT * 18 // 10}
    found = wanted([replica(*pair) for pair in lsns.items()],
                   {"srv1": 1001, "srv2": 1000, "srv3": 990, "srv4": 980}, [*ALL, "srv4"])
    assert found["srv3"] == 1000


def test_the_primary_is_above_all():
    found = wanted([replica("srv2", 99 * SEGMENT), replica("srv3", 98 * SEGMENT)])
    assert found["srv1"] > max(found["srv2"], found["srv3"])


# Names

def test_a_name_that_stands_twice_is_its_better_connection():
    found = wanted([replica("srv2", 10, "startup"), replica("srv2", 20)])
    assert found["srv2"] == 1000
    assert wanted([replica("srv2", 20), replica("srv2", 10, "startup")])["srv2"] == 1000


@pytest.mark.parametrize("name", ["pg_receivewal", "", "a(b", "srv", "srv22", "x' OR 1=1", "srv.",
                                  "\udce9", "srv2\n"])
def test_hostile_and_foreign_names_get_no_score(name):
    assert wanted([replica(name, 99 * SEGMENT), replica("srv2", 5)])["srv2"] == 1000
    assert name not in wanted([replica(name, 5)])


def test_the_primarys_own_name_among_the_standbys_does_not_lower_it():
    assert wanted([replica("srv1", 5)])["srv1"] == 1001


# Nodes that are away, and nodes that were refused

def test_a_lost_node_is_brought_down_by_the_primary():
    found = wanted([replica("srv2", 5)], {"srv1": 1001, "srv2": 1000, "srv3": 1001},
                   online=["srv1", "srv2"])
    assert found == {"srv3": -1000}


def test_a_node_that_is_away_and_never_had_a_score_is_left_alone():
    assert "srv9" not in wanted([], {}, online=["srv1"])


def test_a_returning_node_cannot_outrank_the_primary():
    current = {"srv1": 1, "srv2": 1001}
    found = {**current, **wanted([], current, online=["srv1"])}
    assert found["srv1"] > found["srv2"]


def test_a_refused_node_stays_barred_until_it_has_caught_up():
    current = {**SETTLED, "srv2": election.BARRED}
    found = wanted([replica("srv2", 5, lag=SEGMENT + 1), replica("srv3", 400)], current)
    assert "srv2" not in found


def test_a_refused_node_is_let_in_again_once_it_has_caught_up():
    current = {**SETTLED, "srv2": election.BARRED}
    found = wanted([replica("srv2", 400, lag=10), replica("srv3", 400)], current)
    assert found["srv2"] > 0


def test_a_refused_node_that_has_caught_up_does_not_go_before_the_best():
    current = {"srv1": 1001, "srv2": 1000, "srv3": election.BARRED}
    found = wanted([replica("srv2", 400), replica("srv3", 400)], current)
    assert found == {"srv3": 990}


def test_a_refused_node_that_is_still_asked_for_is_let_in_after_some_monitors():
    current, monitors = {**SETTLED, "srv2": election.BARRED}, 0
    while current["srv2"] <= election.BARRED:
        current.update(scores.wanted(
            "srv1", ALL, [replica("srv2", 400), replica("srv3", 400)], current, 0, SEGMENT,
            wished={"srv2"}))
        monitors += 1
    assert 15 < monitors < 30


def test_a_refused_node_that_falls_behind_again_starts_anew():
    current = {**SETTLED, "srv2": election.BARRED - 7}
    found = scores.wanted("srv1", ALL, [replica("srv2", 5, lag=SEGMENT + 1), replica("srv3", 400)],
                          current, 0, SEGMENT, wished={"srv2"})
    assert found["srv2"] == election.BARRED


def test_a_refused_node_takes_no_rank_from_another():
    found = wanted([replica("srv2", 0, lag=None), replica("srv3", 0, lag=None)],
                   {"srv2": election.BARRED})
    assert found["srv3"] == 1000


def test_a_refused_node_that_went_away_stays_barred():
    current = {**SETTLED, "srv2": election.BARRED}
    assert "srv2" not in wanted([replica("srv3", 400)], current, online=["srv1", "srv3"])


def test_a_barred_node_that_becomes_the_primary_is_no_longer_barred():
    assert wanted([], {"srv1": election.BARRED})["srv1"] == 1001


# The very first score

@pytest.mark.parametrize("clean_primary, current, expected", [
    (True, {}, True), (False, {}, False), (True, {"srv2": -1000}, False),
    (True, {"srv2": 0}, False), (True, {"srv2": 990}, False), (True, {"srv9": 1001}, False)])
def test_only_a_clean_primary_gives_itself_a_score_where_none_is_left(
        clean_primary, current, expected):
    assert scores.bootstrap(clean_primary, current) is expected


@pytest.mark.parametrize("score, replica, expected", [
    (1001, None, ""),
    (990, replica("srv2", 5), ""),
    (-1, replica("srv2", None, "startup"), None),
    (election.BARRED, None, None),    # it has a reason of its own
    (-1000, None, "does not stream from the primary"),
    (-1000, replica("srv2", 5, lag=20), "lags by 20 bytes, maxlag is 10"),
    (-990, replica("srv2", 5, lag=None), "its lag is not known, maxlag is 10"),
    (0, None, None),
])
def test_a_score_that_keeps_a_standby_from_promotion_says_why(score, replica, expected):
    found = scores.reason(score, replica, 10)
    assert found == expected if not expected else found.startswith(expected)


@pytest.mark.parametrize("score, able, words", [
    (-1000, ["srv2", "srv1"], "it had not received all WAL then; start srv1 or srv2, or accept"),
    (-1000, [], "it had not received all WAL then; start the node that had, or accept"),
    (election.BARRED, ["srv1"], "its promotion was refused, and whether it has caught up since is "
     "not known; start srv1, or accept"),
    (None, ["srv2"], "has given this node a promotion score; start srv2, or accept"),
    (None, [], "has given this node a promotion score; start the node that was the primary, or")])
def test_who_was_left_out_names_the_nodes_that_were_not(score, able, words):
    assert words in scores.left_out(score, able)


@pytest.mark.parametrize("score, held", [
    (election.BARRED - 1, True), (election.BARRED - 20, True), (election.BARRED, False),
    (-1000, False), (1000, False), (None, False)])
def test_a_node_is_held_back_once_it_was_seen_to_catch_up(score, held):
    assert scores.is_held_back(score) == held


@pytest.mark.parametrize("score, barred", [(1000, True), (1, True), (0, False), (-1000, False)])
def test_who_could_be_promoted_is_held_back_only_as_long_as_the_primary_runs(score, barred):
    assert scores.is_held_back(scores.held_back(score)) == barred
    assert scores.held_back(score) <= election.BARRED
