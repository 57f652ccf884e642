"""A standby's WAL receiver: which process it is, and when it is ended."""

import signal
from types import SimpleNamespace

import pytest

from paf import background
from paf.decide import transition
from paf.instance import postmaster, receiver, walfiles
from paf.notifications import post_promote
from tests.unit.support import environment, notify_variables

LOST = dict(active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1",
            stop="srv1", promote="srv2")
STREAMING = "postgres: 15/main: walreceiver streaming 0/3000060"


@pytest.fixture
def server(monkeypatch):
    """Give the instance processes with these titles; return the numbers of those that were ended.

    It has the history of timeline 2, and had it before.
    """
    def put(*titles):
        sent = []
        monkeypatch.setattr(postmaster, "processes", lambda _: list(range(len(titles))))
        monkeypatch.setattr(postmaster, "title", lambda pid: titles[pid])
        monkeypatch.setattr(postmaster, "send", lambda pid, number: sent.append((pid, number)))
        monkeypatch.setattr(walfiles, "newest_history", lambda _: 2)
        monkeypatch.setattr(background, "start", lambda *_: None)
        return sent
    return put


@pytest.mark.parametrize("title, ended", [
    (STREAMING, True), ("postgres: walreceiver restarting at 0/3000000", True),
    ("postgres: wal receiver process   streaming 0/3000000", True),
    ("postgres: srv2: wal receiver process   streaming 0/3000000", True),
    ("postgres: walreceiver", False),    # it connects, or titles are off
    ("postgres: walreceiver idle", False), ("postgres: srv2: wal receiver process", False),
    ("postgres: 15/main: walreceiver streaming [local] idle", False),    # names of a client
    ("postgres: 15/main: walsender walreceiver 10.0.0.3(5000) streaming 0/3000060", False),
    ("postgres: a: walreceiver streaming 0/1: checkpointer", False),    # cluster_name
    ("postgres: 15/main: startup recovering 000000010000000000000003", False), ("", False)])
def test_one_that_streams_is_ended(server, title, ended):
    sent = server("/usr/lib/postgresql/15/bin/postgres -D /data", title)
    assert receiver.disconnect(None) == ([1] if ended else [])
    assert sent == ([(1, signal.SIGTERM)] if ended else [])


def after(lists, node="srv3", before="2", **noted):
    """Say on a node that a promotion is over; return what it has logged.

    before: the note of the latest history that it had when it was to vote; noted: other notes.
    """
    said, gone = [], []
    post_promote.run(SimpleNamespace(
        node=node, instance=None, deadline=None, environment=environment(),
        notification=transition.read(environment(**notify_variables(**lists))),
        cluster=SimpleNamespace(forget=lambda _: None,
                                end_old_round=lambda *_: None,
                                notes=SimpleNamespace(
                                    remove=gone.append, read=lambda name: dict(
                                        {"entered": "yes", "history": before},
                                        **noted).get(name, ""))),
        log=SimpleNamespace(info=said.append, warning=said.append)))
    assert "history" in gone, "it is of one promotion, whatever became of that"
    return said


@pytest.mark.parametrize("lists, node, ends", [
    (LOST, "srv3", True), (dict(LOST, stop=""), "srv3", True), (LOST, "srv2", False),
    (dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2"), "srv3", True),
    (dict(LOST, promote=""), "srv3", False),
    (dict(LOST, demote="", stop=""), "srv3", False),    # a second primary, which was refused
    (dict(LOST, promote="srv1", start="srv1"), "srv3", False)])
def test_after_a_promotion_no_other_standby_streams_from_the_old_primary(server, lists, node, ends):
    sent = server(STREAMING)
    said = after(lists, node)
    assert bool(sent) is ends and bool(said) is ends


def unseen(_):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("before, now, streams", [
    ("1", lambda _: 2, True), ("2", lambda _: 2, False), ("", lambda _: 2, False),
    ("1", unseen, False)])
def test_one_that_has_got_the_new_history_streams_from_the_new_primary(
        server, monkeypatch, before, now, streams):
    """That of a promotion a moment ago says nothing: it was there before this one."""
    sent = server(STREAMING)
    monkeypatch.setattr(walfiles, "newest_history", now)
    assert bool(after(LOST, before=before)) is not streams and bool(sent) is not streams


def test_where_the_end_of_a_promotion_is_not_known_the_old_primary_is_left(server, monkeypatch):
    sent = server(STREAMING)
    monkeypatch.setattr(post_promote, "_is_promoted", lambda _: False)
    assert after(LOST, line="own 1:0:initdb") and sent


@pytest.mark.parametrize("lists, now, helped", [
    (LOST, 2, True), (LOST, 3, True), (dict(LOST, promote="srv3"), 2, False)])
def test_its_next_connection_is_helped(server, monkeypatch, lists, now, helped):
    """Also after another promotion a moment ago: that one's history says nothing of this."""
    server()
    started = []
    monkeypatch.setattr(walfiles, "newest_history", lambda _: now)
    monkeypatch.setattr(background, "start", lambda action, _: started.append(action))
    after(lists)
    assert started == ["reconnect"] * helped


@pytest.mark.parametrize("name, error", [
    ("processes", postmaster.Unseen("/proc cannot be read")),
    ("send", PermissionError(1, "Operation not permitted"))])
def test_one_that_cannot_be_seen_or_signalled_is_said(server, monkeypatch, name, error):
    def fails(*_):
        raise error
    server(STREAMING)
    monkeypatch.setattr(postmaster, name, fails)
    assert "may still stream from the old primary" in after(LOST)[0]
