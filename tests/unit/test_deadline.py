"""Time is a value: waits end, conditions are asked, and no clock is read behind one's back."""

import os
import time

import pytest

from paf import deadline
from paf.deadline import LONGEST_STEP, MARGIN, Deadline
from tests.unit.support import Clock


@pytest.fixture
def clock():
    return Clock()


def test_a_deadline_passes(clock):
    deadline = Deadline(10, clock)
    assert (deadline.elapsed, deadline.remaining, deadline.passed) == (0, 10, False)
    clock.now += 11
    assert (deadline.elapsed, deadline.remaining, deadline.passed) == (11, 0, True)


def test_a_part_of_it_never_outlives_it(clock):
    deadline = Deadline(10, clock)
    assert deadline.within(3).remaining == 3
    assert deadline.within(30).remaining == 10


@pytest.mark.parametrize("timeout, expected", [(60, 60 - MARGIN), (10, 8.5), (120, 118)])
def test_an_action_keeps_time_for_its_last_words(timeout, expected):
    assert Deadline.of_action(timeout).remaining == pytest.approx(expected, abs=0.2)


def test_a_true_condition_ends_the_wait_at_once(clock):
    assert Deadline(10, clock).wait_for(lambda: "yes", clock.sleep) == "yes"
    assert clock.pauses == []


def test_a_false_condition_ends_with_the_deadline(clock):
    deadline = Deadline(1, clock)
    assert deadline.wait_for(lambda: 0, clock.sleep) == 0
    assert deadline.passed and sum(clock.pauses) == pytest.approx(1)


def test_a_condition_is_asked_even_when_no_time_is_left(clock):
    asked = []
    Deadline(0, clock).wait_for(lambda: asked.append(1), clock.sleep)
    assert asked == [1]


def test_a_condition_is_asked_once_more_at_the_end(clock):
    deadline = Deadline(1, clock)
    assert deadline.wait_for(lambda: deadline.passed, clock.sleep) is True


def test_no_step_is_longer_than_50_ms(clock):
    Deadline(2, clock).wait_for(lambda: False, clock.sleep)
    assert max(clock.pauses) <= LONGEST_STEP <= 0.05
    assert clock.pauses[0] <= 0.005


def test_a_wait_never_oversleeps(clock):
    deadline = Deadline(0.012, clock)
    deadline.wait_for(lambda: False, clock.sleep)
    assert clock.now == pytest.approx(1000.012)


def test_without_a_monotonic_clock_the_time_is_that_of_times(monkeypatch):
    """Before Python 3.3. It is the wall time since some moment, and not that of a processor."""
    monkeypatch.delattr(time, "monotonic")
    before = deadline.monotonic()
    assert abs(before - os.times().elapsed) < 5
    assert Deadline(10).remaining == pytest.approx(10, abs=5)
