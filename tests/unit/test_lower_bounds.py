"""Lower bounds beside the last primary: it has sent what they stand for, and need not wait."""

import itertools

import pytest

from paf import promotion
from paf.decide import election
from paf.decide.knowledge import AtLeast, Known, Unknown, is_known
from paf.decide.timelines import line_from_wire
from paf.decide.wal import Position

MINE = Known(Position(3, 900))
OWN, FOLLOWED = "own 1:0:initdb 3:20:b", "not 1:0:initdb 3:20:b"
UNMARKED, UNMARKED_STANDBY = "own 1:0:initdb 3:20:", "not 1:0:initdb 3:20:"
OTHER_THREE, OLDER, BY_HAND = (
    "own 1:0:initdb 3:20:a", "own 1:0:initdb 2:10:c", "own 1:0:initdb 3:20:b 4:500:d")


def bound(timeline, lsn):
    return AtLeast(Position(timeline, lsn), "damaged")


def decide(srv2, lines=(OWN, FOLLOWED), certain=True, candidate="srv1", **more):
    """Return whether a candidate beside the last primary, srv1, is promoted."""
    votes = {"srv1": MINE, "srv2": srv2, "srv3": MINE}
    known = {node: line_from_wire(line) for node, line in zip(("srv1", "srv2"), lines)}
    known["srv3"] = line_from_wire(FOLLOWED)
    return election.decide(candidate, list(votes), votes, "srv1", known, certain, **more).promote


@pytest.mark.parametrize("vote, promoted", [
    (bound(3, 600), True), (bound(3, 900), True), (bound(2, 950), True),
    (bound(3, 901), False),    # then the last primary has lost some
    (bound(4, 100), False),    # of a primary that is silent, or was promoted by hand
    (Unknown("x"), False)])
def test_the_last_primary_needs_no_more_than_a_lower_bound_of_what_it_has_sent(vote, promoted):
    assert decide(vote) is promoted
    assert decide(vote, ("", "")) is promoted    # agents of 2.x publish no histories
    assert not decide(vote, candidate="srv3")


@pytest.mark.parametrize("lines, behind, promoted", [
    ((OWN, FOLLOWED), (), True), ((UNMARKED, UNMARKED_STANDBY), (), True),
    ((UNMARKED, UNMARKED_STANDBY), ("srv2",), False),
    ((FOLLOWED, FOLLOWED), (), False),       # its score may be of an earlier time
    ((OWN.replace("own", "maybe"), FOLLOWED), (), False),
    ((OWN, OWN.replace("own", "maybe")), (), False), ((OWN, OTHER_THREE), (), False),
    ((OWN, ""), (), False), (("", FOLLOWED), (), False), ((OWN, BY_HAND), (), False)])
def test_a_score_alone_does_not_show_who_has_sent_it(lines, behind, promoted):
    assert decide(bound(3, 600), lines, False, behind=behind) is promoted


@pytest.mark.parametrize("needed, promoted", [
    ("", True), ("3#900", True), ("3#901", False), ("unknown", False)])
def test_a_last_primary_that_was_set_back_waits_for_lower_bounds(needed, promoted):
    votes = {"srv1": MINE, "srv2": bound(3, 600)}
    cold = promotion.Cold("srv1", {}, True, needed, ())
    assert promotion.decide("srv1", list(votes), votes, cold).promote is promoted


def test_a_last_primary_that_a_third_node_has_outrun_waits_for_lower_bounds():
    votes = {"srv1": MINE, "srv2": bound(3, 600), "srv3": Known(Position(3, 950))}
    lines = {node: line_from_wire(OWN if node == "srv1" else FOLLOWED) for node in votes}
    assert not any(election.decide(node, list(votes), votes, "srv1", lines).promote
                   for node in votes)


PLACES = [Position(2, 500), Position(3, 400), Position(3, 900), Position(3, 950), Position(4, 100)]
VOTES = [Known(place) for place in PLACES] + [AtLeast(place, "x") for place in PLACES] + [
    Unknown("x")]
LINES = [line_from_wire(line) for line in (FOLLOWED, OTHER_THREE, OLDER, BY_HAND)] + [None]


@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("own", [OWN, FOLLOWED])
def test_all_that_a_lower_bound_can_stand_for_gives_the_same_promotion(certain, own):
    """Whatever the node has, of what the last primary has sent; and no other node profits."""
    nodes = ("srv1", "srv2", "srv3")
    for srv2, srv3, *lines in itertools.product(VOTES, VOTES, LINES, LINES):
        votes = {"srv1": MINE, "srv2": srv2, "srv3": srv3}
        known = dict(zip(nodes, [line_from_wire(own), *lines]))
        doubtful = [node for node in nodes if not is_known(votes[node])]
        for candidate in nodes if doubtful else ():
            if not election.decide(candidate, nodes, votes, "srv1", known, certain).promote:
                continue
            assert candidate == "srv1" and all(
                votes[node].value is not None and votes[node].value <= MINE.value
                for node in doubtful)
            for node in doubtful:
                for place in PLACES:
                    if votes[node].value <= place <= MINE.value:
                        full = dict(votes, **{node: Known(place)})
                        assert election.decide(
                            candidate, nodes, full, "srv1", known, certain).promote
