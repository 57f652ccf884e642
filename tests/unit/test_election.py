"""The election: no node that is behind is ever promoted, and ties keep the candidate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import election
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.quorum import Rule
from paf.decide.timelines import line_from_wire
from paf.decide.wal import Position

NODES = ("srv1", "srv2", "srv3", "srv4")
POSITIONS = st.builds(Position, st.integers(1, 3), st.integers(0, 4))
ALL_TOLD = st.dictionaries(st.sampled_from(NODES), POSITIONS, min_size=1)
FACTS = st.one_of(st.builds(Known, POSITIONS), st.builds(AtLeast, POSITIONS, st.just("killed")),
                  st.just(Unknown("no answer")))


def decide(candidate, voters, positions):
    """Decide with positions that are all known."""
    return election.decide(candidate, voters, {node: Known(where) for node, where
                                               in positions.items()})


@given(ALL_TOLD, st.data())
def test_a_worse_node_is_never_promoted(positions, data):
    candidate = data.draw(st.sampled_from(sorted(positions)))
    verdict = decide(candidate, list(positions), positions)
    assert verdict.promote == (positions[candidate] == max(positions.values()))


@given(ALL_TOLD)
def test_of_all_candidates_only_the_most_advanced_would_win(positions):
    winners = [node for node in positions
               if decide(node, list(positions), positions).promote]
    assert winners
    assert {positions[node] for node in winners} == {max(positions.values())}


@given(ALL_TOLD, st.data())
def test_the_node_that_is_better_would_win_itself(positions, data):
    candidate = data.draw(st.sampled_from(sorted(positions)))
    verdict = decide(candidate, list(positions), positions)
    if verdict.better:
        assert decide(verdict.better, list(positions), positions).promote


@given(ALL_TOLD, st.sets(st.sampled_from(NODES)), st.sampled_from(NODES))
def test_nothing_is_decided_before_all_have_spoken(positions, voters, candidate):
    verdict = decide(candidate, sorted(voters), positions)
    silent = (voters | {candidate}) - set(positions)
    assert set(verdict.missing) == silent
    if silent:
        assert not verdict.promote and verdict.better is None
        assert all(node in verdict.reason for node in silent)


@given(st.lists(st.sampled_from(NODES), min_size=1, unique=True), POSITIONS, st.data())
def test_on_a_tie_the_candidate_keeps_the_lead(nodes, position, data):
    candidate = data.draw(st.sampled_from(nodes))
    verdict = decide(candidate, nodes, dict.fromkeys(nodes, position))
    assert verdict.promote and verdict.better is None


def test_positions_of_nodes_that_do_not_vote_do_not_count():
    verdict = decide("srv1", ["srv1"], {"srv1": Position(1, 1), "srv2": Position(9, 9)})
    assert verdict.promote


def test_the_timeline_counts_before_the_lsn():
    positions = {"srv1": Position(2, 900), "srv2": Position(3, 100)}
    assert decide("srv1", list(positions), positions).better == "srv2"


def test_a_dead_peer_never_wins():
    positions = {"srv1": Position(1, 1), "srv2": Position(0, 0)}
    assert decide("srv1", list(positions), positions).promote


def test_the_reason_names_the_node_and_both_positions():
    positions = {"srv1": Position(3, 0x5000060), "srv2": Position(3, 0x5000148)}
    verdict = decide("srv1", list(positions), positions)
    assert verdict.reason == "srv2 is ahead: TL 3, 0/5000148 > TL 3, 0/5000060"


def test_the_reason_names_the_silent_node():
    verdict = decide("srv1", ["srv1", "srv2"], {"srv1": Position(1, 1)})
    assert verdict.reason == "srv2 did not report its WAL position"


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
    assert decide("srv1", [name, "srv1"], positions).better == name


# What is not known

@given(st.dictionaries(st.sampled_from(NODES), FACTS, min_size=1), st.data())
def test_only_a_known_position_wins_and_only_against_known_ones(facts, data):
    candidate = data.draw(st.sampled_from(sorted(facts)))
    verdict = election.decide(candidate, list(facts), facts)
    if verdict.promote:
        assert all(isinstance(fact, Known) for fact in facts.values())
        assert facts[candidate].value == max(fact.value for fact in facts.values())
    elif not verdict.better:
        assert verdict.awaited and verdict.awaited[0] in verdict.reason


@given(st.dictionaries(st.sampled_from(NODES), FACTS, min_size=2))
def test_a_bound_that_is_ahead_is_ahead(facts):
    for candidate, fact in facts.items():
        verdict = election.decide(candidate, list(facts), facts)
        if verdict.better:
            assert facts[verdict.better].value > fact.value


@pytest.mark.parametrize("fact, words", [
    (AtLeast(Position(3, 0x60), "pg_waldump was killed"),
     "srv2 may be ahead of TL 3, 0/148: it has at least TL 3, 0/60, and the end of its WAL is not "
     "known (pg_waldump was killed)"),
    (Unknown("no control file"),
     "srv2 may be ahead of TL 3, 0/148: its WAL position is not known (no control file)")])
def test_the_reason_names_the_fact_that_is_missing(fact, words):
    facts = {"srv1": Known(Position(3, 0x148)), "srv2": fact}
    assert election.decide("srv1", list(facts), facts).reason == words


@given(FACTS)
def test_a_vote_travels_as_what_it_is(fact):
    found = election.from_vote(election.to_vote(fact))
    assert type(found) is type(fact) and found.value == fact.value


@pytest.mark.parametrize("text", ["", "1", "x#1", "atleast/", "atleast/x", "1#2:3"])
def test_what_is_no_vote_is_none(text):
    assert election.from_vote(text) is None


def test_older_agents_take_a_bound_for_no_vote():
    from paf.decide import wal
    assert wal.from_wire(election.to_vote(AtLeast(Position(1, 5), "x"))) is None
    assert wal.from_wire(election.to_vote(Unknown("x"))) is None
    assert wal.from_wire(election.to_vote(Known(Position(1, 5)))) == Position(1, 5)


# Nodes that do not vote

ANY_1 = (Rule(1, ("srv1", "srv2", "srv3")), "synchronous_standby_names")
MINE = Position(1, 100)


def absent(heard, last_words=None, rules=(ANY_1,), primary="srv1"):
    return election.check_absent(
        "srv3", MINE, rules, primary, {"srv3", *heard},
        {node: Known(Position(1, lsn)) for node, lsn in (last_words or {}).items()},
        ["srv1", "srv2", "srv3"])


def test_a_standby_that_is_away_may_hold_an_acknowledged_commit():
    verdict = absent([])
    assert not verdict.promote and verdict.awaited == ("srv2",)
    assert "srv2 may hold commits that were acknowledged, and is away" in verdict.reason


def test_last_words_count_as_a_vote():
    assert absent([], {"srv2": 100}).promote and absent([], {"srv2": 99}).promote
    verdict = absent([], {"srv2": 101})
    assert not verdict.promote
    assert "srv2 was stopped at TL 1, 0/65, ahead of TL 1, 0/64" in verdict.reason


def test_all_that_were_heard_are_enough():
    assert absent(["srv2"]).promote


def test_the_last_words_of_the_primary_are_enough():
    assert absent([], {"srv1": 100}).promote and not absent([], {"srv1": 101}).promote


def test_without_synchronous_standbys_no_absent_node_counts():
    assert absent([], {"srv2": 500}, rules=()).promote


def test_last_words_that_are_not_understood_say_nothing():
    verdict = election.check_absent("srv3", MINE, [ANY_1], "srv1", {"srv3"},
                                    {"srv2": Unknown("?")}, ["srv1", "srv2", "srv3"])
    assert not verdict.promote


@pytest.mark.parametrize("seen, maxlag, late", [
    (None, 10, False), (110, 10, False), (111, 10, True), (10**9, 0, False), (50, 10, False)])
def test_maxlag_is_compared_with_what_was_heard_of_the_primary(seen, maxlag, late):
    reason = election.check_lag(MINE, seen, maxlag)
    assert (reason is not None) == late
    if late:
        assert "11 bytes" in reason and "10" in reason


def test_a_primary_that_was_moved_while_it_lived_is_not_stranded():
    assert election.check_move("srv1", MINE, {}) is None    # it crashed, or was fenced
    assert election.check_move("srv1", MINE, {"srv1": Known(Position(1, 100))}) is None
    assert "stranded" in election.check_move("srv1", MINE, {"srv1": Known(Position(1, 101))})
    assert "srv1" in election.check_move("srv1", MINE, {"srv1": Unknown("garbled")})


def test_the_last_primary_counts_more_than_another_timeline_of_the_same_number():
    """Two nodes were promoted from timeline 2, one after the other: both call the next one 3."""
    votes = {"srv1": Known(Position(3, 900)), "srv2": Known(Position(3, 500)),
             "srv3": Known(Position(3, 400))}
    verdict = election.decide("srv1", list(votes), votes, "srv2")
    assert verdict.better == "srv2" and "was the last primary" in verdict.reason
    assert election.decide("srv2", list(votes), votes, "srv2").promote
    assert election.decide("srv3", list(votes), votes, "srv2").better == "srv2"


def test_the_last_primary_counts_less_than_a_newer_timeline():
    votes = {"srv1": Known(Position(4, 900)), "srv2": Known(Position(3, 950))}
    assert election.decide("srv1", list(votes), votes, "srv2").promote


FOLLOWED = "not 1:0:initdb 3:20:b"
WAS_PRIMARY = "own 1:0:initdb 3:20:b"
ANOTHER_THREE = "own 1:0:initdb 3:20:a"
NO_MARKS = "own 1:0:initdb 3:20:"


@pytest.mark.parametrize("old,new,winner", [
    (FOLLOWED, WAS_PRIMARY, "srv2"),          # one history: who has more of it
    (FOLLOWED, NO_MARKS, "srv2"),             # the other one only followed
    (WAS_PRIMARY, ANOTHER_THREE, "srv1"),     # two of one number: the score decides
    (NO_MARKS.replace("own", "maybe"), WAS_PRIMARY, "srv1"),    # perhaps two
    (WAS_PRIMARY, "", "srv1")])               # an agent of 2.x publishes none
def test_a_score_that_is_too_old_to_name_the_last_primary(old, new, winner):
    """After a move, all nodes lost power before the first monitor of srv2 could write scores."""
    votes = {"srv1": Known(Position(3, 500)), "srv2": Known(Position(3, 900))}
    lines = {"srv1": line_from_wire(old)}
    if new:
        lines["srv2"] = line_from_wire(new)
    loser, = set(votes) - {winner}
    assert election.decide(winner, list(votes), votes, "srv1", lines, False).promote
    assert election.decide(loser, list(votes), votes, "srv1", lines, False).better == winner


BRANCH = "own 1:0:initdb 3:10:c 4:30:d"
GREW = "not 1:0:initdb 3:20:b 4:500:d"


@pytest.mark.parametrize("line,behind,winner", [
    (BRANCH, ["srv2"], "srv1"),    # left behind, and then of another history
    (BRANCH, [], "srv2"),          # the score of srv1 may be too old
    (GREW, ["srv2"], "srv2"),      # of the same history: it has more
    ("", ["srv2"], "srv2")])       # not known
def test_a_node_that_the_last_primary_left_behind_does_not_win_with_another_history(
        line, behind, winner):
    votes = {"srv1": Known(Position(3, 500)), "srv2": Known(Position(4, 900)),
             "srv3": Known(Position(3, 450))}
    lines = {"srv1": line_from_wire(WAS_PRIMARY), "srv2": line_from_wire(line) if line else None,
             "srv3": line_from_wire(FOLLOWED)}
    loser = "srv2" if winner == "srv1" else "srv1"
    assert election.decide(winner, list(votes), votes, "srv1", lines, False, behind).promote
    assert election.decide(loser, list(votes), votes, "srv1", lines, False, behind).better == winner
    # without the last primary its standby counts the same
    del votes["srv1"]
    verdict = election.decide("srv3", list(votes), votes, "srv1", lines, False, behind)
    assert verdict.better == (None if winner == "srv1" else "srv2")


def test_the_node_that_has_to_come_back_is_named_as_the_cluster_calls_it():
    rule = (Rule(1, ("srv1", "srv2", "srv3")), "synchronous_standby_names")
    verdict = election.check_absent("SRV3", MINE, [rule], "SRV1", {"SRV3"}, {},
                                    ["SRV1", "SRV2", "SRV3"])
    assert verdict.awaited == ("SRV2",) and "start SRV2" in verdict.reason


@pytest.mark.parametrize("unknown", ["srv1", "srv2"])
def test_a_later_timeline_whose_history_is_unknown_counts_less_than_the_last_primary(unknown):
    """What followed the last primary has no later timeline than that."""
    votes = {"srv1": Known(Position(4, 900)), "srv2": Known(Position(3, 950))}
    lines = {"srv1": line_from_wire("not 1:0:initdb 4:10:a"),
             "srv2": line_from_wire("own 1:0:initdb 3:20:b")}
    lines[unknown] = None
    verdict = election.decide("srv1", list(votes), votes, "srv2", lines)
    assert verdict.better == "srv2" and "was the last primary" in verdict.reason
    assert election.decide("srv2", list(votes), votes, "srv2", lines).promote


def test_one_that_waited_itself_is_waited_for_after_a_cold_start():
    """It was a candidate before the power cut, and nothing says that others had more."""
    scores = {"srv2": 1000, "srv3": election.WAITING, "srv4": -1000}
    assert election.awaited(["srv2"], scores, 1001) == ["srv3"]
    assert election.awaited(["srv2"], scores, 1001, ["srv3"]) == []


UNMARKED, UNMARKED_STANDBY = "own 1:0:initdb 3:20:", "not 1:0:initdb 3:20:"


def test_a_history_that_is_not_known_is_asked_for_again():
    votes = {"srv1": Known(Position(3, 900)), "srv2": Known(Position(3, 500))}
    lines = {"srv1": line_from_wire(WAS_PRIMARY), "srv2": line_from_wire(ANOTHER_THREE)}
    assert election.decide("srv1", list(votes), votes, "srv3", lines).awaited == ("srv3",)
    lines["srv2"] = None
    assert election.decide("srv1", list(votes), votes, "srv3", lines).awaited == ("srv3", "srv1")
    assert election.decide("srv1", list(votes), votes, "srv3", {"srv1": lines["srv1"]}).promote


@pytest.mark.parametrize("own, promoted", [("own", False), ("maybe", False), ("not", True)])
def test_without_the_last_primary_one_that_may_have_been_a_primary_is_of_no_known_history(
        own, promoted):
    """Two timelines of one number, without their first records: positions say nothing."""
    votes = {"srv1": Known(Position(3, 900)), "srv2": Known(Position(3, 500))}
    lines = {"srv1": line_from_wire(UNMARKED.replace("own", own)),
             "srv2": line_from_wire(UNMARKED_STANDBY)}
    verdict = election.decide("srv1", list(votes), votes, "srv3", lines)
    assert verdict.promote is promoted
    assert promoted or "the last primary, srv3, does not vote" in verdict.reason


@pytest.mark.parametrize("primary,standby,behind,winner", [
    (WAS_PRIMARY, FOLLOWED, [], "srv2"),                  # one history, and it has more
    (UNMARKED, UNMARKED_STANDBY, [], None),               # most likely so
    (UNMARKED, UNMARKED_STANDBY, ["srv2"], "srv1"),       # it did not follow
    (UNMARKED, UNMARKED.replace("own", "maybe"), [], "srv1"),    # no monitor saw it follow
    (WAS_PRIMARY, WAS_PRIMARY.replace("own", "maybe"), [], "srv2"),
    (WAS_PRIMARY, "not 1:0:initdb 3:20:a", [], "srv1"),   # of another history
    (WAS_PRIMARY, ANOTHER_THREE, [], "srv1"),
    (WAS_PRIMARY, "", [], "srv1")])                       # an agent of 2.x publishes none
def test_a_last_primary_with_less_than_its_standby_was_set_back(primary, standby, behind, winner):
    """A primary sends what is on its disk, so a standby never has more, unless that lost some."""
    votes = {"srv1": Known(Position(3, 500)), "srv2": Known(Position(3, 900))}
    lines = {"srv1": line_from_wire(primary)}
    if standby:
        lines["srv2"] = line_from_wire(standby)
    for candidate in votes:
        verdict = election.decide(candidate, list(votes), votes, "srv1", lines, True, behind)
        assert verdict.promote == (candidate == winner)
        assert verdict.better == (winner if candidate != winner else None)
        if winner is None:
            assert "srv1, has less than srv2" in verdict.reason
            assert verdict.awaited == (candidate,), "it looks again"


def test_a_last_primary_whose_end_is_not_known_was_not_set_back_for_sure():
    votes = {"srv1": AtLeast(Position(3, 500), "x"), "srv2": Known(Position(3, 900))}
    lines = {"srv1": line_from_wire(WAS_PRIMARY), "srv2": line_from_wire(FOLLOWED)}
    assert not election.decide("srv2", list(votes), votes, "srv1", lines).promote


@pytest.mark.parametrize("lsn, line, promoted", [
    (100, "not 1:0:initdb 3:20:aaa", True),
    (99, "not 1:0:initdb 3:20:aaa", False),
    (100, "not 1:0:initdb 3:20:bbb", False),    # a timeline of the same number
    (100, "not 1:0:initdb 3:20:", True),        # at the same place it can be no other
])
def test_a_standby_that_has_all_of_the_last_primary_is_as_good(lsn, line, promoted):
    """The last primary may have been promoted in vain: what promotes it fails."""
    positions = {"srv1": Known(Position(3, 100)), "srv2": Known(Position(3, lsn))}
    lines = {"srv1": line_from_wire("maybe 1:0:initdb 3:20:aaa"), "srv2": line_from_wire(line)}
    found = election.decide("srv2", ["srv1", "srv2"], positions, "srv1", lines)
    assert found.promote is promoted
