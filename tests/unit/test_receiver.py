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

    Its last timeline began long ago.
    """
    def put(*titles):
        sent = []
        monkeypatch.setattr(postmaster, "processes", lambda _: list(range(len(titles))))
        monkeypatch.setattr(postmaster, "title", lambda pid: titles[pid])
        monkeypatch.setattr(postmaster, "send", lambda pid, number: sent.append((pid, number)))
        monkeypatch.setattr(walfiles, "look", lambda _: walfiles.Folder(1, 1 << 24, 1e9))
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


def after(lists, node="srv3"):
    """Say on a node that a promotion is over; return what it has logged."""
    said = []
    post_promote.run(SimpleNamespace(
        node=node, instance=None, deadline=None, environment=environment(),
        notification=transition.read(environment(**notify_variables(**lists))),
        cluster=SimpleNamespace(forget=lambda _: None,
                                notes=SimpleNamespace(
                                    read=lambda name: "yes" * (name == "entered"))),
        log=SimpleNamespace(info=said.append, warning=said.append)))
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


def test_one_that_has_the_new_history_streams_from_the_new_primary(server, monkeypatch):
    sent = server(STREAMING)
    monkeypatch.setattr(walfiles, "look", lambda _: walfiles.Folder(1, 1 << 24, 2.0))
    assert after(LOST) == [] == sent


@pytest.mark.parametrize("lists, ago, helped", [
    (LOST, 1e9, True), (LOST, 2.0, True), (dict(LOST, promote="srv3"), 1e9, False)])
def test_its_next_connection_is_helped(server, monkeypatch, lists, ago, helped):
    """Also after another promotion a moment ago: that one's history says nothing of this."""
    server()
    started = []
    monkeypatch.setattr(walfiles, "look", lambda _: walfiles.Folder(1, 1 << 24, ago))
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
