"""WAL positions: order, spelling, and what travels between nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import wal

LSNS = st.integers(0, 2**64 - 1)
POSITIONS = st.builds(wal.Position, st.integers(0, 2**32 - 1), LSNS)


@given(LSNS)
def test_an_lsn_survives_being_written_and_read(lsn):
    assert wal.parse_lsn(wal.format_lsn(lsn)) == lsn


@given(POSITIONS)
def test_a_position_survives_the_wire(position):
    assert wal.from_wire(wal.to_wire(position)) == position


@given(POSITIONS)
def test_the_wire_format_holds_digits_only(position):
    timeline, lsn = wal.to_wire(position).split("#")
    assert timeline.isdigit() and lsn.isdigit()


@given(POSITIONS, POSITIONS)
def test_the_timeline_counts_before_the_lsn(one, other):
    assert (one > other) == ((one.timeline, one.lsn) > (other.timeline, other.lsn))


def test_positions_are_compared_as_numbers():
    assert wal.from_wire("10#5") > wal.from_wire("9#5")
    assert wal.from_wire("1#100") > wal.from_wire("1#99")


def test_an_lsn_is_written_as_postgresql_does():
    assert wal.format_lsn(0x1_0000_0028) == "1/28"
    assert wal.describe(wal.Position(3, 0x5000148)) == "TL 3, 0/5000148"


@pytest.mark.parametrize("text", ["0/5000148", "0/05000148"])
def test_an_lsn_of_19_is_padded_and_the_same(text):
    """PostgreSQL 19 writes eight digits behind the slash."""
    assert wal.parse_lsn(text) == 0x5000148


@pytest.mark.parametrize("value", [
    "", "1", "1#", "#1", "1#2#3", "0/5000148", "1#0/5", "1#-5", "1#+5", "1# 5", "a#1", "1#5.0",
    "-1#5", "1#0x5"])
def test_anything_else_on_the_wire_is_no_position(value):
    assert wal.from_wire(value) is None


@given(st.text(max_size=30))
def test_no_text_on_the_wire_is_an_error(value):
    assert wal.from_wire(value) is None or isinstance(wal.from_wire(value), wal.Position)


@pytest.mark.parametrize("text", ["", "5", "/", "x/y", "0/", "/0"])
def test_a_misspelt_lsn_is_a_value_error(text):
    with pytest.raises(ValueError):
        wal.parse_lsn(text)


@pytest.mark.parametrize("name, timeline", [
    ("000000010000000000000001", 1), ("0000000A00000000000000FF", 10),
    ("00000002.history", None), ("000000010000000000000001.partial", None),
    ("archive_status", None), ("00000001000000000000000g", None), ("", None)])
def test_the_timeline_of_a_segment_is_in_its_name(name, timeline):
    assert wal.segment_timeline(name) == timeline


def test_nowhere_is_behind_everything_and_never_wins():
    assert wal.NOWHERE < wal.Position(1, 0)
    assert wal.to_wire(wal.NOWHERE) == "0#0"
