"""make partitions: how a round ended, and what its table and its exit status say."""

import pytest

from trials.partitions import __main__ as trial

NAMED = ("diverged: timeline 2 began at 0/5000000, and 4096 bytes exist only here, among them "
         "{0}, the last at 2026-11-27 05:00:01; rebuild it from the primary")


def one(lost=0, **stopped):
    return trial.Round(1, "srv1", stopped=stopped, lost=lost)


@pytest.mark.parametrize("words, number", [
    (NAMED.format("3 commits"), "3 commits"), (NAMED.format("1 commit"), "1 commit"),
    ("diverged: 4096 bytes exist only here, no commit among them", ""), ("", ""),
    ("the primary cannot be asked", "")])
def test_only_a_number_of_commits_names_them(words, number):
    assert trial.named(words) == number


@pytest.mark.parametrize("played, synchronous, problems", [
    (one(), False, []), (one(), True, []),
    (one(srv1=NAMED.format("3 commits")), False, []),
    (one(lost=3, srv1=NAMED.format("3 commits")), False, []),
    (one(lost=3, srv1=NAMED.format("3 commits")), True, ["3 acknowledged rows lost"]),
    (one(lost=3), False, ["3 acknowledged rows lost"]),
    (one(srv1=""), False, ["srv1 stays stopped and names no commit: no reason"])])
def test_a_round_ends_whole_or_stopped_with_its_commits_named(played, synchronous, problems):
    assert trial.judged(played, synchronous) == problems


def test_the_table_has_the_three_facts():
    rounds = [one(), one(lost=3, srv1=NAMED.format("3 commits")), one(srv1="")]
    rounds[2].problems = trial.judged(rounds[2], False)
    lines = [str(each) for each in rounds]
    assert lines[0].endswith("0  whole without a person")
    assert lines[1].endswith("3  stopped: srv1 names 3 commits of its own")
    assert lines[2].endswith("names no commit: no reason")
    assert trial.summary(rounds, 20) == (
        "20 rounds wanted, 3 played: 1 whole without a person; 1 stopped with their commits named; "
        "1 with a problem; 3 acknowledged rows lost, 3 of them kept on a stopped old primary")
