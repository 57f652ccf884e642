"""A standby whose connection to the new primary's address began before that had moved."""

import contextlib
import os
import socket
import sys
import types

import pytest

from paf import ocf, signals
from paf.deadline import Deadline
from paf.instance import connecting, postmaster, proc, receiver, sql
from paf.notifications import reconnect
from tests.unit.support import Clock

PEER = connecting.Unanswered("77", socket.AF_INET, "10.0.0.9", 5432)
OTHER = PEER._replace(inode="78")


@contextlib.contextmanager
def full():
    """A server that takes no further connection: it has not accepted the ones before."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server


def test_a_connection_without_an_answer_is_seen_with_its_peer():
    with full() as server:
        found = connecting.unanswered(os.getpid())
        assert {(peer.family, peer.address, peer.port) for peer in found} == {
            (socket.AF_INET, *server.getsockname())}
        assert not connecting.answers(next(iter(found)), 0.05)
    assert connecting.unanswered(os.getpid()) == set()


def test_who_accepts_a_connection_answers_and_who_refuses_it_does_not():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        peer = connecting.Unanswered("", socket.AF_INET, *server.getsockname())
        assert not connecting.answers(peer, 1)
        server.listen(5)
        assert connecting.answers(peer, 1)


def test_an_address_of_the_newer_protocol_is_read_as_well(monkeypatch):
    head = b"  sl  local_address remote_address st tx_queue rx_queue tr tm->when uid inode\n"
    line = (b"   0: 00000000000000000000000000000000:A0 {0}:1538 {1} 0:0 0:0 0 0 0 77\n")
    words = b"B80D0120000000000000000009000000" if sys.byteorder == "little" else (
        b"20010DB8000000000000000000000009")
    tables = {"net/tcp6": head + line.replace(b"{0}", words).replace(b"{1}", b"02")
              + line.replace(b"{0}", words).replace(b"{1}", b"01")}
    monkeypatch.setattr(proc, "content", lambda pid, name: tables.get(name, b""))
    monkeypatch.setattr(connecting, "_sockets", lambda pid: {"77"})
    assert connecting.unanswered(1) == {
        connecting.Unanswered("77", socket.AF_INET6, "2001:db8::9", 0x1538)}


def helped(monkeypatch, looks, interval="500", answers=True, streams=False,
           still=True):
    """Return the signals that are sent, where the receiver 5 is seen with these Peers in turn."""
    clock, sent, left = Clock(), [], list(looks)
    rows = [] if interval is None else [[interval]]
    monkeypatch.setattr(sql, "query", lambda *_: sql.Answer(sql.ROWS, rows, ""))
    monkeypatch.setattr(receiver, "is_receiving", lambda *_, **__: streams)
    monkeypatch.setattr(receiver, "unanswered",
                        lambda _: {5: left.pop(0) if len(left) > 1 else left[0]})
    monkeypatch.setattr(connecting, "answers", lambda *_: answers)
    monkeypatch.setattr(connecting, "unanswered", lambda _: left[0] if still else set())
    monkeypatch.setattr(postmaster, "send", lambda *words: sent.append(words))
    monkeypatch.setattr(Deadline.wait_for, "__defaults__", (clock.sleep, 0.05))
    context = types.SimpleNamespace(instance=None, deadline=Deadline(60, clock),
                                    log=types.SimpleNamespace(info=str))
    assert reconnect.run(context) == ocf.SUCCESS
    assert clock() - 1000 <= 10.1
    return sent


@pytest.mark.parametrize("looks, ended", [
    ([{PEER}], True), ([set(), {PEER}], True), ([{PEER}, {OTHER}], True), ([set()], False)])
def test_a_receiver_that_waits_in_vain_is_ended_once(monkeypatch, looks, ended):
    assert helped(monkeypatch, looks) == [(5, signals.SIGTERM)] * ended


@pytest.mark.parametrize("facts", [
    {"interval": "5000"}, {"interval": None}, {"interval": "often"}, {"answers": False},
    {"streams": True}, {"still": False}])
def test_one_that_has_nothing_to_gain_is_left(monkeypatch, facts):
    """With PostgreSQL's default the next attempt would come later than TCP's."""
    assert helped(monkeypatch, [{PEER}], **facts) == []


def test_one_that_connects_now_is_left(monkeypatch):
    """Each look shows another connection."""
    peers = [{PEER._replace(inode=str(number))} for number in range(400)]
    assert helped(monkeypatch, peers) == []
