"""Steps that cannot be noted, read or reverted: the action goes on, on the safe side."""

import types

import pytest

from paf import lastwords, ocf, stuckwal
from paf.actions import demote, monitor, promote, start
from paf.cluster import base, manager, notes, ophistory
from paf.crash import watcher
from paf.decide import state
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.wal import Position
from paf.instance import (
    journal, limits, observe, postmaster, server, standby_mode, waiting_commits)
from paf.notifications import post_promote
from tests.unit.test_actions_unread import block, make  # noqa: F401
from tests.unit.unread import answer

PROMOTION = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
SWITCHOVER = dict(active="srv1 srv2", promoted="srv2", unpromoted="srv1", demote="srv2",
                  promote="srv1")


def sight_of(found, message="", rows=()):
    return types.SimpleNamespace(message=message, rows=rows, verdict=types.SimpleNamespace(
        state=found, why="of a test"))


# an order of promotion

def test_an_order_of_promotion_that_cannot_be_noted_is_given_and_said(make, tmp_path):  # noqa: F811
    block(tmp_path, notes.ORDERED)
    context = make()
    promote._note_order(context)
    assert "if this promotion fails, a demotion does not know of it: " in context.said[0]


def test_a_standby_of_which_it_is_not_known_whether_it_was_ordered_is_started_again(
        make, tmp_path, monkeypatch):  # noqa: F811
    """It would promote itself once what held it up is over. By hand no promotion is ordered."""
    context = make()
    assert demote._may_be_promoted(context) is False
    block(tmp_path, notes.ORDERED)
    assert demote._may_be_promoted(make(in_cluster=False)) is False
    stopped = ocf.OcfError("stopped")
    answer(monkeypatch, demote.waiting_commits, "end", None)
    answer(monkeypatch, demote.observe, "observe", sight_of(state.STANDBY))
    answer(monkeypatch, demote.observe, "is_certain", True)
    answer(monkeypatch, watcher, "end", None)
    answer(monkeypatch, server, "stop", stopped)
    with pytest.raises(ocf.OcfError, match="stopped"):
        demote.run(context)
    assert "whether a promotion was ordered is not known: " in context.said[0]


def test_an_order_that_cannot_be_forgotten_costs_a_start_alone(make, tmp_path):  # noqa: F811
    block(tmp_path, notes.ORDERED)
    context = make()
    start.forget_order(context)
    assert "the next demotion starts the standby again: " in context.said[0]


# promote

def test_a_recovery_signal_that_stays_fails_no_promotion(make, monkeypatch):  # noqa: F811
    """The server takes writes already."""
    for name in ("order_promotion", "await_promotion"):
        answer(monkeypatch, server, name, None)
    answer(monkeypatch, standby_mode, "forget_recovery", ocf.OcfError("cannot remove it"))
    context = make(in_cluster=False)
    promote._promote(context)
    assert context.said[0] == "PostgreSQL was promoted"
    assert "cannot remove it: after a crash of one of its processes" in context.said[1]


@pytest.mark.parametrize("said, why, done", [
    ("", None, []), ("100,64", "", []),
    ("100,64", "replay is paused", ["end", "stop", "as_standby"])])
def test_only_a_standby_whose_replay_is_paused_is_started_again_before_it_is_promoted(
        make, monkeypatch, said, why, done):  # noqa: F811
    found = []
    answer(monkeypatch, limits, "why_paused", why)
    for module, name in ((watcher, "end"), (server, "stop"), (start, "as_standby")):
        monkeypatch.setattr(module, name, lambda *_, name=name: found.append(name))
    promote._let_replay(make(), sight_of(state.STANDBY, rows=[["t", "", said]]))
    assert found == done


# start

@pytest.mark.parametrize("message, end", [("", "of a test"), ("silent", r"of a test \(silent\)")])
def test_what_may_run_is_not_started(make, monkeypatch, message, end):  # noqa: F811
    answer(monkeypatch, start.observe, "settle", sight_of(state.UNKNOWN, message))
    answer(monkeypatch, journal, "exists", False)
    answer(monkeypatch, start, "as_standby", AssertionError("started"))
    with pytest.raises(ocf.OcfError, match=f"the instance is a {state.UNKNOWN}: {end}"):
        start.run(make())


@pytest.mark.parametrize("place", [None, Position(2, 0x3000060)])
def test_what_may_run_leaves_no_last_words(make, monkeypatch, place):  # noqa: F811
    """A start has failed, and it is not known whether a process of it is left."""
    answer(monkeypatch, journal, "exists", False)
    answer(monkeypatch, postmaster, "processes", postmaster.Unseen("/proc is not mounted"))
    context = make()
    start._repeat_last_words(context, place)
    assert context.cluster.done == []
    assert context.said == ["no last words: /proc is not mounted"]


def test_a_standby_without_a_primary_goes_on_where_its_score_cannot_be_seen(make):  # noqa: F811
    context = make(["view"])
    context.cluster.says_line = lambda: True
    start.without_primary(context)
    assert "whether a transient promotion score hides this node's is not known: " in context.said[0]


# monitor

@pytest.mark.parametrize("is_primary, shown", [(False, True), (True, False)])
def test_a_standby_says_again_why_it_cannot_be_promoted(
        make, monkeypatch, is_primary, shown):  # noqa: F811
    """A primary that is gone had said it, and the attribute manager has forgotten it."""
    answer(monkeypatch, manager, "is_same", False)
    context = make(scores={"srv2": -1000, "srv1": 1001}, reasons={}, running=["srv2"],
                   online=["srv2"])
    context.cluster.publish_again = lambda _: True
    monitor._publish_again(context, is_primary)
    assert [words[:2] for words in context.cluster.done if words[0] == "explain"] == (
        [("explain", "srv2")] if shown else [])


@pytest.mark.parametrize("error", [None, ocf.OcfError("no answer in time")])
def test_a_monitor_completes_the_start_or_says_what_is_left(
        make, monkeypatch, error):  # noqa: F811
    context, done = make(), []
    context.cluster.notes.write(notes.PENDING, f"{base.MARK_COLD}\n{state.STOPPED_STANDBY}")
    answer(monkeypatch, start, "_enter_without_primary", error)
    monkeypatch.setattr(context.cluster, "enter", lambda *words: done.append(words[0]),
                        raising=False)
    monitor._try_again(context, sight_of(state.STANDBY))
    assert done == [base.MARK_COLD]
    assert bool(context.cluster.notes.read(notes.PENDING)) == bool(error)
    assert context.said == ([f"this standby cannot take part in elections yet: {error}"]
                            if error else [])


# after a promotion

@pytest.mark.parametrize("ended", [ocf.OcfError("no answer in time"), False, None])
@pytest.mark.parametrize("mark", [base.MARK_RECOVERED, base.MARK_COLD])
def test_what_was_noted_stays_unless_the_promotion_is_known_to_have_succeeded(
        make, monkeypatch, ended, mark):  # noqa: F811
    """But no old primary may do without votes now: there may have been another one."""
    monkeypatch.setattr(post_promote, "_PATIENCE", 0.0)
    answer(monkeypatch, ophistory, "promotion", ended)
    answer(monkeypatch, post_promote, "_leave_old_primary", None)
    context = make(lists=PROMOTION)
    context.cluster.notes.write(notes.START, mark)
    context.cluster.notes.write(notes.AWAITED, "srv3")
    post_promote.run(context)
    assert ("end_old_round", False) in context.cluster.done
    assert ("forget",) not in context.cluster.done
    assert context.cluster.notes.read(notes.AWAITED) == "srv3"
    assert context.cluster.notes.read(notes.START) == ("" if mark == base.MARK_RECOVERED else mark)
    assert any("is not known: " in line for line in context.said) == (ended is not False)


@pytest.mark.parametrize("candidate, seen, forgotten", [
    ("srv2", True, True), ("srv2", False, False), ("srv2", postmaster.Unseen("hidden"), False),
    ("srv1", True, False)])
def test_this_nodes_own_server_shows_that_it_was_promoted(
        make, monkeypatch, candidate, seen, forgotten):  # noqa: F811
    """Clients wait for the end of this notification; else the CIB shows it."""
    answer(monkeypatch, postmaster, "has_wal_writer", seen)
    answer(monkeypatch, ophistory, "promotion", False)
    answer(monkeypatch, post_promote, "_leave_old_primary", None)
    context = make(lists=dict(PROMOTION, promote=candidate))
    context.cluster.notes.write(notes.START, base.MARK_RECOVERED)
    post_promote.run(context)
    assert (("forget",) in context.cluster.done) == forgotten


def test_after_a_promotion_that_succeeded_nothing_noted_is_left(make, monkeypatch):  # noqa: F811
    answer(monkeypatch, ophistory, "promotion", True)
    answer(monkeypatch, post_promote, "_leave_old_primary", None)
    context = make(lists=PROMOTION)
    context.cluster.notes.write(notes.AWAITED, "srv3")
    post_promote.run(context)
    assert context.cluster.done[-1] == ("forget",)


# last words

@pytest.mark.parametrize("words, now, left", [
    ("2#96", Known(Position(2, 128)), "2#128"), ("2#96", AtLeast(Position(2, 128), "x"), "atleast"),
    ("unknown", Known(Position(2, 128)), "2#128"), ("1#999", Known(Position(2, 1)), "2#1"),
    ("2#96", Known(Position(2, 96)), None), ("2#96", Known(Position(2, 64)), None),
    ("2#96", Unknown("pg_controldata was killed"), "atleast/2#96"),
    ("unknown", Unknown("pg_controldata was killed"), None),
    ("2#96", AtLeast(Position(2, 64), "x"), "atleast/2#96"),
    ("atleast/2#96", AtLeast(Position(2, 64), "x"), None)])
@pytest.mark.parametrize("was", [state.STOPPED_PRIMARY, state.STOPPED_STANDBY, state.UNEXAMINED])
def test_an_instance_that_ran_since_its_last_words_leaves_others(
        make, monkeypatch, words, now, left, was):  # noqa: F811
    """Run by hand while the cluster was down, or perhaps. One that was set back keeps them."""
    answer(monkeypatch, lastwords.position, "at_rest", now)
    context = make(last_words={"srv2": words})
    lastwords.compare_at_probe(context, was)
    assert [done[0] for done in context.cluster.done] == ["leave_last_words"] * bool(left)
    assert (left or "") in str(context.cluster.done)
    assert len(context.said) == bool(left)


@pytest.mark.parametrize("lists, was, withdrawn", [
    (SWITCHOVER, state.PRIMARY, ["withdraw", "stop"]),
    (dict(SWITCHOVER, promote=""), state.PRIMARY, ["stop"]),    # it hurries
    (SWITCHOVER, state.CRASHED_PRIMARY, ["stop"])])
@pytest.mark.parametrize("error", [None, ocf.OcfError("attrd_updater gives no answer")])
def test_a_switchover_withdraws_the_timelines_while_clients_write(
        make, monkeypatch, lists, was, withdrawn, error):  # noqa: F811
    context, done = make(lists=lists), []

    def withdraw(deadline):
        assert deadline.remaining <= 2
        done.append("withdraw")
        if error:
            raise error
    context.cluster.withdraw_line = withdraw
    for module, name in ((watcher, "end"), (waiting_commits, "end"), (start, "end_backup"),
                         (start, "as_standby"), (start, "enter_cluster")):
        answer(monkeypatch, module, name, None)
    answer(monkeypatch, stuckwal, "lasts", "")
    answer(monkeypatch, observe, "observe", sight_of(was))
    monkeypatch.setattr(server, "stop", lambda *_: done.append("stop"))
    assert demote.run(context) == ocf.SUCCESS
    assert done == withdrawn
