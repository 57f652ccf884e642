"""What the lab computes from the client's and the sampler's logs."""

import json

import pytest

from lab import report


def acks(*moments):
    """The client's log of rows acknowledged at these moments (seconds)."""
    return "".join(
        f"{number} {int((moment - 0.001) * 1e9)} {int(moment * 1e9)}\n"
        for number, moment in enumerate(moments, 1)
    )


def spans(*rows):
    """The sampler's log of (node, state, begin, end)."""
    return "".join(
        json.dumps(
            {
                "node": node,
                "state": state,
                "first_asked": begin - 0.002,
                "first_answered": begin,
                "last_asked": end,
                "last_answered": end + 0.002,
                "samples": 9,
            }
        )
        + "\n"
        for node, state, begin, end in rows
    )


def test_the_outage_is_the_longest_gap():
    seen = report.client_report(acks(10.0, 10.01, 12.51, 12.52, 12.92))
    assert seen.rows == 5
    assert seen.outage_ms == 2500
    assert [round(gap.seconds, 3) for gap in seen.longest()] == [2.5, 0.4]
    assert round(seen.longest()[0].offset, 3) == 0.01


def test_a_client_that_ends_in_an_outage_reports_it():
    assert report.client_report(acks(10.0, 10.01), end=15.01).outage_ms == 5000


def test_a_gap_is_found_by_the_moment_of_the_fault():
    seen = report.client_report(acks(10.0, 13.0, 13.01, 14.01))
    assert seen.gap_after(13.005).seconds < 1.01
    assert seen.gap_after(12.0).seconds == 3.0
    assert seen.gap_after(20.0) is None


def test_rows_that_were_acknowledged_and_are_absent_are_lost():
    seen = report.client_report(acks(1.0, 1.1, 1.2), present=[1, 3, 4])
    assert seen.lost == [2]
    assert "lost: 1" in str(seen)


def test_loss_is_unknown_until_the_rows_are_looked_for():
    assert report.client_report(acks(1.0)).lost is None


def test_a_half_written_line_is_no_row():
    assert len(report.parse_acks(acks(1.0, 1.1)[:-3])) == 1


def test_no_row_at_all_is_no_outage():
    seen = report.client_report("", end=5.0)
    assert (seen.rows, seen.outage_ms, seen.gaps) == (0, 0, [])


def test_errors_keep_their_moment():
    assert report.parse_errors("2000000000 Connection refused\n") == [(2.0, "Connection refused")]


def test_one_primary_after_the_other_is_no_split_brain():
    seen = report.parse_spans(
        spans(("srv1", "primary", 1, 5), ("srv2", "standby", 1, 6), ("srv2", "primary", 6.1, 9))
    )
    assert report.two_primaries(seen) == []
    assert round(report.longest_without_primary(seen), 3) == 1.1


def test_two_writable_nodes_at_one_instant_are_found():
    seen = report.parse_spans(spans(("srv1", "primary", 1, 5), ("srv2", "primary", 4.9, 9)))
    [(one, other)] = report.two_primaries(seen)
    assert {one.node, other.node} == {"srv1", "srv2"}


@pytest.mark.parametrize("later, both", [
    ((), 0), ((("srv2", None, 5.1, 6), ("srv2", "primary", 6.1, 8)), 0),
    ((("srv2", "standby", 5.1, 6), ("srv2", "primary", 6.1, 8)), 1)])
def test_who_was_promoted_by_hand_is_no_second_primary_until_it_is_a_standby_again(later, both):
    seen = report.parse_spans(spans(
        ("srv1", "primary", 1, 9), ("srv2", "standby", 1, 3), ("srv2", "primary", 3.1, 5), *later))
    assert len(report.two_primaries(report.not_by_hand(seen, {"srv2": 2.5}))) == both
    assert len(report.two_primaries(report.not_by_hand(seen, {"srv3": 2.5}))) >= 1


def test_who_took_writes_before_it_was_promoted_by_hand_is_a_second_primary():
    seen = report.parse_spans(spans(("srv1", "primary", 1, 9), ("srv2", "primary", 1, 2)))
    assert len(report.two_primaries(report.not_by_hand(seen, {"srv2": 2.5}))) == 1


def test_a_node_that_comes_back_as_primary_is_no_second_one():
    seen = report.parse_spans(
        spans(("srv1", "primary", 1, 5), ("srv1", None, 5.1, 6), ("srv1", "primary", 5.5, 9))
    )
    assert report.two_primaries(seen) == []


def test_a_span_lasts_from_the_first_answer_to_the_last_question():
    [span] = report.parse_spans(spans(("srv1", "primary", 1, 5)))
    assert span.seconds == 4
