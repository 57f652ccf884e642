"""Timeline histories: who left whose history, and where."""

from paf.decide import timelines
from paf.decide.timelines import Switch

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


def test_the_same_timeline_is_no_fork():
    assert timelines.relation(3, 3, []) == timelines.Relation(timelines.SAME, None)


def test_an_ancestor_tells_where_it_was_left():
    found = timelines.relation(2, 3, timelines.parse(TEXT))
    assert found == timelines.Relation(timelines.ANCESTOR, 0x5000148)


def test_a_timeline_that_the_primary_never_had_is_a_stranger():
    assert timelines.relation(4, 3, timelines.parse(TEXT)).kind == timelines.UNRELATED


def test_a_later_timeline_than_the_primarys_is_a_stranger():
    assert timelines.relation(7, 3, timelines.parse(TEXT)).kind == timelines.UNRELATED
