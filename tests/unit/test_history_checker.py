"""The checker of histories: it passes what a correct server gives, and rejects each other kind."""

import random

import pytest

from lab import lists
from lab.checker import FAILED, OK, UNKNOWN, Transaction, check


def append(begin, end, name, value, seen=None, outcome=OK):
    """One transaction with one append, and what it has read of the list."""
    reads = () if seen is None else ((name, tuple(seen)),)
    return Transaction(begin, end, outcome, ((name, value),), reads)


def read(begin, end, name, seen):
    return Transaction(begin, end, OK, (), ((name, tuple(seen)),))


GOOD = [append(0, 1, 1, 10, [10]), append(1, 2, 1, 11, [10, 11]),
        append(1.5, 2.5, 1, 12, [10, 11, 12]), read(3, 4, 1, [10, 11, 12]),
        append(4, 5, 1, 13, outcome=UNKNOWN), append(4, 5, 1, 14, outcome=FAILED)]


@pytest.mark.parametrize("final", [[10, 11, 12], [10, 11, 12, 13]])
def test_a_good_history_passes_whatever_became_of_an_unknown_commit(final):
    verdict = check(GOOD, {1: final})
    assert verdict.problems == [] and verdict.acknowledged == 4 and verdict.unknown == 1


#: kind of problem -> (history, final lists)
BROKEN = {
    "lost": (GOOD, {1: [10, 11]}),
    "lost: 10 of list 1": (GOOD, {}),
    "vanished": ([append(0, 1, 1, 10, [9, 10]), append(0, 1, 1, 9, outcome=UNKNOWN)], {1: [10]}),
    "duplicate": (GOOD, {1: [10, 11, 12, 11]}),
    "duplicate: 10": ([*GOOD, read(6, 7, 1, [10, 10, 11])], {1: [10, 11, 12]}),
    "invented": (GOOD, {1: [10, 11, 12, 99]}),
    "invented: 10 of list 2": (GOOD, {1: [10, 11, 12], 2: [10]}),
    "aborted": (GOOD, {1: [10, 11, 12, 14]}),
    "partial": ([Transaction(0, 1, UNKNOWN, ((1, 10), (2, 11)))], {1: [10]}),
    "order": ([append(0, 1, 1, 10), append(2, 3, 1, 11)], {1: [11, 10]}),
    "order: 11 of list 1 precedes 10": (
        [append(0, 1, 1, 10), append(2, 3, 1, 11, outcome=UNKNOWN)], {1: [11, 10]}),
    "prefix": ([append(0, 3, 1, 10, [10]), append(0, 3, 1, 11)], {1: [11, 10]}),
    "stale": ([append(0, 1, 1, 10), read(2, 3, 1, [])], {1: [10]}),
    "stale: a read of list 1 lacks 11": (
        [append(0, 1, 1, 10), append(1, 2, 1, 11), read(3, 4, 1, [10])], {1: [10, 11]}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_history_is_rejected(kind):
    transactions, final = BROKEN[kind]
    assert any(problem.startswith(kind) for problem in check(transactions, final).problems)


def test_concurrent_appends_may_stand_in_any_order():
    both = [append(0, 3, 1, 10), append(1, 2, 1, 11)]
    assert check(both, {1: [10, 11]}).problems == check(both, {1: [11, 10]}).problems == []


def test_a_read_may_or_may_not_see_what_is_acknowledged_while_it_runs():
    for seen in ([], [10]):
        assert check([append(0, 2, 1, 10), read(1, 3, 1, seen)], {1: [10]}).problems == []


def test_a_server_in_recovery_shows_the_beginning_of_the_list():
    wrong = Transaction(2, 3, OK, (), ((1, (11,)),), True)
    problems = check([append(0, 1, 1, 10), append(1, 2, 1, 11), wrong], {1: [10, 11]}).problems
    assert [problem.split(":")[0] for problem in problems] == ["prefix"]


@pytest.mark.parametrize("in_recovery", [False, True])
def test_a_server_in_recovery_may_lack_what_was_acknowledged(in_recovery):
    """A primary that is recovered where it crashed answers reads before it has replayed it all."""
    late = Transaction(2, 3, OK, (), ((1, ()),), in_recovery)
    problems = check([append(0, 1, 1, 10), late], {1: [10]}).problems
    assert [problem.split(":")[0] for problem in problems] == ([] if in_recovery else ["stale"])


def test_a_read_only_transaction_may_see_what_no_standby_has_confirmed():
    """After a crash PostgreSQL shows rows whose commit was still waiting for a standby."""
    seen = [append(0, 1, 1, 10, outcome=UNKNOWN), read(2, 3, 1, [10])]
    assert check(seen, {}).problems == []


def test_without_a_synchronous_standby_a_loss_is_counted_and_the_rest_still_holds():
    later = [*GOOD, append(8, 9, 1, 20, [10, 11, 20])]
    verdict = check(later, {1: [10, 11, 20]}, durable=False)
    assert verdict.problems == []
    assert verdict.lost == [(1, 12)] and verdict.vanished == [(1, 12)]
    assert check(later, {1: [11, 10, 20]}, durable=False).problems


def test_one_kind_gives_one_sentence_however_often_it_was_seen():
    many = [append(number, number + 0.5, 1, number) for number in range(9)]
    assert check(many, {}).problems == [
        "lost: 0 of list 1; 1 of list 1; 2 of list 1 and 6 more"]


class Server:
    """Lists as a server with serialised transactions keeps them."""

    def __init__(self, seed, drop=0.0):
        self.dice, self.now, self.lists, self.drop = random.Random(seed), 0.0, {}, drop
        self.value = 0

    def transaction(self):
        """Do a transaction at a moment between its begin and its end."""
        begin = self.now
        self.now += self.dice.random()
        outcome = self.dice.choice((OK, OK, OK, UNKNOWN, FAILED))
        appends, reads = [], []
        for name in sorted(self.dice.sample((1, 2, 3), 2)):
            self.value += 1
            appends.append((name, self.value))
        applied = outcome == OK or outcome == UNKNOWN and self.dice.random() < 0.5
        if applied and self.dice.random() >= self.drop:
            for name, value in appends:
                self.lists.setdefault(name, []).append(value)
                reads.append((name, tuple(self.lists[name])))
        return Transaction(begin - self.dice.random(), self.now + self.dice.random(), outcome,
                           tuple(appends), tuple(reads) if outcome == OK else ())


@pytest.mark.parametrize("seed", range(20))
def test_generated_histories_pass_and_fail_once_the_server_drops_a_commit(seed):
    good, bad = Server(seed), Server(seed, drop=0.2)
    assert check([good.transaction() for _ in range(60)], good.lists).problems == []
    dropped = [bad.transaction() for _ in range(60)]
    assert any(problem.startswith("lost") for problem in check(dropped, bad.lists).problems)


def test_the_log_of_the_client_is_read_and_a_half_line_left_out():
    text = '[1.0,2.0,"ok",[[1,5]],[[1,[4,5]]],false]\n[2.0,3.0,"unkn'
    assert lists.parse(text) == [Transaction(1.0, 2.0, OK, ((1, 5),), ((1, (4, 5)),))]


def test_lists_are_replaced_when_they_are_long_and_values_never_repeat():
    used, dice, values, names = lists.Lists(), random.Random(1), [], set()
    for _ in range(1000):
        for name in used.draw(dice, 2):
            values.append(used.value(name))
            names.add(name)
    assert len(set(values)) == len(values) and len(names) > 1000 // lists.LENGTH
