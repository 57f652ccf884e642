"""Timeline histories: who left whose history, and where."""

import itertools

import pytest

from paf.decide import timelines
from paf.decide.wal import Position
from paf.decide.timelines import (
    Line, ORIGIN, PARTED, Reign, Switch, TOGETHER, UNSURE, compare, differing, identifiers, left,
    line_from_wire, line_to_wire)

TEXT = """1\t0/3000060\tno recovery target specified

# a comment that was added by hand
2\t0/5000148\tbefore 2026-01-01 00:00:00+00
not a line
3 x/y reason
"""


def test_each_line_is_a_switch_and_others_are_skipped():
    assert timelines.parse(TEXT) == [Switch(1, 0x3000060), Switch(2, 0x5000148)]


def test_an_empty_history_has_no_switch():
    assert timelines.parse("") == []


@pytest.mark.parametrize("text, timeline, whole", [
    ("1\t0/3000060\tx\n", 2, True), ("# x\n\n 1\t0/3000060\tx\n2\t0/3000060\tx\n", 5, True),
    ("", 2, False), ("\n", 2, False), ("\0" * 40, 2, False), (TEXT, 4, False),
    ("1\t0/3000060\tx\n", 1, False), ("2\t0/3000060\tx\n1\t0/3000060\tx\n", 3, False),
    ("1\t0/5000060\tx\n2\t0/3000060\tx\n", 3, False), ("ERROR\n", 2, False),
    ("1\t0/30", 2, False), ("1\t0/30\n", 2, True), ("1\t0/3000060\tno reason", 2, True)])
def test_what_is_no_whole_history_proves_nothing(text, timeline, whole):
    assert timelines.is_whole(text, timeline) is whole


def test_the_same_timeline_is_no_fork():
    assert timelines.relation(3, 3, []) == timelines.Relation(timelines.SAME, None)


def test_an_ancestor_tells_where_it_was_left():
    found = timelines.relation(2, 3, timelines.parse(TEXT))
    assert found == timelines.Relation(timelines.ANCESTOR, 0x5000148)


@pytest.mark.parametrize("timeline, following", [(1, 2), (2, 5)])
def test_the_fork_is_where_the_next_timeline_of_the_history_began(timeline, following):
    """Promotions since then have other numbers, and began elsewhere; numbers may be skipped."""
    assert timelines.successor(timeline, 5, timelines.parse(TEXT)) == following


def test_a_timeline_that_the_primary_never_had_is_a_stranger():
    assert timelines.relation(4, 3, timelines.parse(TEXT)).kind == timelines.UNRELATED


def test_a_later_timeline_than_the_primarys_is_a_stranger():
    assert timelines.relation(7, 3, timelines.parse(TEXT)).kind == timelines.UNRELATED


def line(*reigns, own=False):
    """Return a Line of (timeline, begin, mark)."""
    return Line(tuple(Reign(*reign) for reign in reigns), own)


FIRST = (1, 0, "initdb")
FOLLOWED = line(FIRST, (2, 50, "a"))


@pytest.mark.parametrize("other, found", [
    (line(FIRST), TOGETHER),
    (line(FIRST, (2, 50, "a"), (3, 90, "b"), own=True), TOGETHER),
    (line(FIRST, (2, 50, "c")), PARTED),
    (line(FIRST, (2, 60, "a")), PARTED),
    (line(FIRST, (2, 60, None), (3, 90, None)), PARTED),
    (line(FIRST, (3, 50, "a")), PARTED),
    (line(FIRST, (2, 50, None)), TOGETHER),
    (line(FIRST, (2, 50, None), own=True), UNSURE),
    (line(FIRST, (2, 50, None), own=None), UNSURE),
    (line(FIRST, (2, 50, None), (3, 90, "b"), own=True), UNSURE),
    (line(FIRST, (2, 50, None), (3, 90, "b"), own=None), UNSURE),
    (line(FIRST, (2, 50, None), (3, 90, "b")), TOGETHER),
    (line(FIRST, own=True), TOGETHER),
    (line(FIRST, (2, 50, "a"), own=None), TOGETHER),
    (line((2, 50, "a"), (3, 90, "b"), own=True), TOGETHER),
    (None, UNSURE),
])
def test_how_two_histories_compare(other, found):
    assert compare(FOLLOWED, other) == compare(other, FOLLOWED) == found


@pytest.mark.parametrize("place, together", [
    (Position(2, 90), True), (Position(2, 91), False), (Position(1, 91), False),
    (Position(3, 91), True), (None, True)])
def test_wal_behind_the_place_where_a_later_timeline_began_is_of_another_history(place, together):
    """One ends where the other goes on; then its timeline alone would have that one win."""
    later = line(FIRST, (2, 50, "a"), (3, 90, "b"))
    for own in (FOLLOWED, later):
        found = timelines.are_together(own, place, later, Position(3, 99))
        assert found is together
        assert timelines.are_together(later, Position(3, 99), own, place) is found
    assert not timelines.are_together(None, place, later, None)


@pytest.mark.parametrize("mine, theirs, found", [
    ("17", "17", TOGETHER), ("17", "18", PARTED), (None, "17", TOGETHER)])
@pytest.mark.parametrize("later", [(), ((2, 50, "a"),), ((2, 50, None),)])
def test_what_was_initialized_twice_has_two_histories(mine, theirs, found, later):
    """Both are on the first timeline, or one of them: no promotion tells them apart."""
    one, other = [line(*([(ORIGIN, 0, mark)] if mark else []), FIRST, *more)
                  for mark, more in ((mine, ()), (theirs, later))]
    assert compare(one, other) == compare(other, one) == found
    assert identifiers(one, other) == ((mine, theirs) if found == PARTED else None)
    assert differing(one, other) is None
    assert line_from_wire(line_to_wire(other)) == other


def test_a_promotion_that_both_have_proves_that_what_was_before_is_the_same():
    old = line(FIRST, (2, 50, None), (3, 90, "b"), own=True)
    assert compare(old, line(FIRST, (2, 50, "a"), (3, 90, "b"), own=True)) == TOGETHER
    assert compare(old, line(FIRST, (2, 50, "a"), (3, 90, "c"), own=True)) == PARTED
    assert compare(old, line(FIRST, (2, 50, "a"), (3, 90, None), own=True)) == UNSURE


@pytest.mark.parametrize("other, timeline", [
    (line(FIRST), None), (FOLLOWED, None), (line(FIRST, (2, 50, None)), None),
    (line(FIRST, (2, 60, "c")), None), (line(FIRST, (2, 50, "c"), (3, 90, "b")), 2)])
def test_which_promotion_was_another_one_at_the_same_place(other, timeline):
    found = differing(FOLLOWED, other)
    assert (found.timeline if found else None) == timeline


@pytest.mark.parametrize("one, gone", [
    (line(FIRST), False), (FOLLOWED, False), (None, False),
    (line(FIRST, (2, 50, None), own=True), True),
    (line(FIRST, (2, 50, None), own=None), False),
    (line(FIRST, (2, 50, "a"), (3, 90, None)), True),
    (line(FIRST, (2, 60, "a")), True),
])
def test_what_left_the_last_primarys_history(one, gone):
    assert left(one, FOLLOWED._replace(own=True)) is gone
    assert left(one, None) is False


def test_who_was_a_primary_and_has_followed_none_since_may_be_the_primary_of_its_timeline():
    """The control file says so until the first start as a standby, and the rule until it streams"""
    assert timelines.ownership(True, True) is timelines.ownership(True, False) is True
    assert timelines.ownership(False, True) is None
    assert timelines.ownership(False, False) is False


def test_a_line_travels_between_nodes():
    for own, mark in itertools.product((True, False, None), ("1f", None)):
        one = line((1, 0, "initdb"), (7, 2**40, mark), own=own)
        assert line_from_wire(line_to_wire(one)) == one
    assert line_from_wire(line_to_wire(None)) is None


@pytest.mark.parametrize("text", [
    "", "own", "own 1", "own 1:2", "own x:2:", "perhaps 1:2:3", "1:2:3"])
def test_what_is_no_line_is_not_known(text):
    assert line_from_wire(text) is None


def test_timelines_with_very_high_numbers_are_compared_at_once():
    """pg_resetwal takes any number; only those that are there are looked at."""
    high = 0xFFFFFFF0
    assert compare(line(FIRST, (high, 50, "a")), line(FIRST, (high, 50, "a"))) == TOGETHER
    assert compare(line(FIRST, (high, 50, "a")), line(FIRST, (high, 50, "b"))) == PARTED
    assert compare(line(FIRST, (high, 50, "a")), line(FIRST, (high - 1, 40, "a"), (high, 50, "a"))
                   ) == PARTED


@pytest.mark.parametrize("mine, other, place, parts", [
    # both were promoted from timeline 1: this one earlier, later, at the same LSN
    ((2, [(1, 50)]), (2, [(1, 70)]), 50, [(2, 50, 99)]),
    ((2, [(1, 70)]), (2, [(1, 50)]), 50, [(1, 50, 70), (2, 70, 99)]),
    ((2, [(1, 50)]), (3, [(1, 50)]), 50, [(2, 50, 99)]),
    # the primary left timeline 2 before this one did
    ((3, [(1, 50), (2, 80)]), (4, [(1, 50), (2, 60)]), 60, [(2, 60, 80), (3, 80, 99)]),
    # this one is on a timeline that the primary has left
    ((1, []), (2, [(1, 60)]), 60, [(1, 60, 99)]),
    ((2, [(1, 50)]), (2, [(1, 50)]), None, None),
    ((4, [(3, 50)]), (4, [(2, 50)]), None, None)])
def test_where_two_histories_part_and_what_only_one_of_them_has(mine, other, place, parts):
    switches = [[Switch(*switch) for switch in line[1]] for line in (mine, other)]
    found = timelines.parting(mine[0], switches[0], other[0], switches[1])
    assert found == place
    if place is not None:
        assert timelines.parts(mine[0], switches[0], place, 99) == parts
