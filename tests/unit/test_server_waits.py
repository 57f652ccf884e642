"""While a server starts or is promoted: what cannot be seen of it is neither a yes nor a no."""

import types

import pytest

from paf import instance as local
from paf import ocf, runner
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, holdups, observe, postmaster, proc, server, sql
from tests.unit.support import Clock
from tests.unit.unread import answer


@pytest.mark.parametrize("programs, more", [
    ([4712], ", and restore_command runs"), ([], ""), (proc.Unseen("/proc is not mounted"), "")])
def test_a_start_that_takes_too_long_says_what_it_is_at_as_far_as_that_is_seen(monkeypatch,
                                                                               programs, more):
    answer(monkeypatch, postmaster, "processes", [4711])
    answer(monkeypatch, postmaster, "title", "postgres: startup recovering 00000002")
    answer(monkeypatch, proc, "descendants", programs)
    assert server._at_work(None) == 'it is at "startup recovering 00000002"' + more


@pytest.mark.parametrize("found, rows, promoted", [
    (state.PRIMARY, [["t"]], True),
    (state.PRIMARY, [], False),    # by its files: it may not take writes yet
    (state.STANDBY, [["t"]], False), (state.UNKNOWN, [], False)])
def test_without_a_control_file_a_server_that_says_so_itself_is_promoted(monkeypatch, found, rows,
                                                                         promoted):
    answer(monkeypatch, postmaster, "find", Known(types.SimpleNamespace(pid=1)))
    answer(monkeypatch, controldata, "read", Unknown("pg_controldata was killed"))
    answer(monkeypatch, observe, "observe", types.SimpleNamespace(
        verdict=types.SimpleNamespace(state=found), rows=rows))
    if promoted:
        server.await_promotion(None, Deadline(0), None)
    else:
        with pytest.raises(ocf.OcfError, match="as far as it is known: pg_controldata was killed"):
            server.await_promotion(None, Deadline(0), None)


@pytest.mark.parametrize("error", [
    proc.Unseen("/proc is not mounted"), PermissionError(1, "Operation not permitted")])
def test_a_promotion_is_waited_for_also_where_it_cannot_be_helped_on(monkeypatch, error):
    said, clock = [], Clock()
    answer(monkeypatch, postmaster, "processes", error)
    helper = holdups.HoldUps(None, Deadline(30, clock), types.SimpleNamespace(info=said.append))
    helper.end()
    assert said == []    # a usual one is over by then
    clock.sleep(2.5)
    helper.end()
    assert said == [f"the promotion is not helped on: {error}"]


STARTUP = "postgres: 15/main: startup"


def sessions_ended(monkeypatch, title, seconds, left=2):
    """Return when (s) sessions were ended, looked for ten times a second; `left` times some are."""
    clock, ended = Clock(), []
    answer(monkeypatch, postmaster, "processes", [4711])
    answer(monkeypatch, postmaster, "title", title)
    answer(monkeypatch, holdups.shutdown, "wake", None)
    monkeypatch.setattr(sql, "query", lambda *_: ended.append(round(clock.now - 1000, 1)) or (
        sql.Answer(sql.ROWS, [["t"]] if len(ended) <= left else [], "")))
    helper = holdups.HoldUps(None, Deadline(30, clock), types.SimpleNamespace(
        info=pytest.fail, warning=str))
    for _ in range(10 * seconds):
        clock.sleep(0.1)
        helper.end()
    return ended


def test_sessions_that_come_after_hold_a_promotion_up_for_less(monkeypatch):
    """Replay can wait for new ones at each record. Each time cost clients two seconds more."""
    ended = sessions_ended(monkeypatch, f"{STARTUP} recovering 00000002 waiting", 6)
    assert ended[:4] == [2.0, 2.3, 2.6, 4.6]    # and none where nobody was in the way


@pytest.mark.parametrize("title, first", [
    (STARTUP, 16.0), ("postgres: startup process", 16.0),
    (f"{STARTUP} recovering 00000002", None), ("postgres: walreceiver", None),
    ("postgres: app shop 192.0.2.1(4711) startup", None)])
def test_where_titles_do_not_say_that_replay_waits_the_time_decides(monkeypatch, title, first):
    """With update_process_title=off the promotion failed, whatever held it up."""
    ended = sessions_ended(monkeypatch, title, 29)
    assert ended[:1] == [first] * (first is not None)


@pytest.mark.parametrize("version, rows, words, said", [
    (90600, [[""]], "xlog", "replay was paused: it is resumed"),
    (120000, [[""]], "wal", "replay was paused: it is resumed"), (120000, [], "wal", ""),
    (120000, None, "wal", "whether replay is paused is not known: it ends"),
    (130000, [[""]], None, "")])
def test_a_paused_replay_is_resumed_before_a_promotion_that_waits_for_it(
        monkeypatch, version, rows, words, said):
    """Up to PostgreSQL 12 a promotion does not start before."""
    done = []
    log = types.SimpleNamespace(info=done.append, warning=done.append)
    answer(monkeypatch, local, "version", version)
    answer(monkeypatch, local, "owner", None)
    answer(monkeypatch, local, "program", "pg_ctl")
    monkeypatch.setattr(sql, "query", lambda _, text, *__: done.append(text) or (
        sql.Answer(sql.ROWS, rows, "") if rows is not None
        else sql.Answer(sql.REFUSED, [], "it ends")))
    monkeypatch.setattr(runner, "run", lambda *_, **__: done.append("order") or runner.Result(
        0, "", "", False))
    instance = types.SimpleNamespace(parameters=types.SimpleNamespace(datadir="/data"))
    server.order_promotion(instance, Deadline(30), log)
    asked = f"SELECT pg_catalog.pg_{words}_replay_resume() WHERE " \
        f"pg_catalog.pg_is_{words}_replay_paused()"
    assert [*done[:1], *done[-1:]] == [asked if words else "order", "order"]
    assert "".join(done[1:-1]).startswith(said)
