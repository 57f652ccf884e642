"""A standby whose connection to the new primary's address began before that had moved."""

import os
import socket
import sys
import types

import pytest

from paf import instance as local
from paf import ocf, signals
from paf.deadline import Deadline
from paf.instance import connecting, postmaster, proc, receiver, sql
from paf.notifications import reconnect
from tests.unit.support import Clock, full

PEER = connecting.Unanswered("77", socket.AF_INET, "10.0.0.9", 5432)
OTHER = PEER._replace(inode="78")


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
    monkeypatch.setattr(proc, "known", lambda pid, name: tables.get(name, b""))
    monkeypatch.setattr(connecting, "_sockets", lambda pid: {"77"})
    assert connecting.unanswered(1) == {
        connecting.Unanswered("77", socket.AF_INET6, "2001:db8::9", 0x1538)}


class Standby:
    """A standby with one WAL receiver, 5, and what looks at its connections show in turn."""

    def __init__(self, monkeypatch, looks, interval="500", answers=True, titles=("",),
                 version=150000):
        self.clock, self.looks, self.titles = Clock(), list(looks), list(titles)
        self.sent, self.said, self.asked = [], [], []
        rows = [] if interval is None else [[interval]]
        monkeypatch.setattr(local, "version", lambda _: version)
        monkeypatch.setattr(sql, "query", lambda *_: self.note(sql.Answer(sql.ROWS, rows, "")))
        monkeypatch.setattr(receiver, "activities", lambda _: {5: self.next(self.titles).split()})
        monkeypatch.setattr(connecting, "unanswered", lambda _: self.next(self.looks))
        monkeypatch.setattr(connecting, "answers", answers if callable(answers) else (
            lambda *_: answers))
        monkeypatch.setattr(postmaster, "send", lambda *words: self.sent.append(words))
        monkeypatch.setattr(Deadline.wait_for, "__defaults__", (self.clock.sleep, 0.05))

    @staticmethod
    def next(values):
        """Take the next of the values; the last one for good."""
        return values.pop(0) if len(values) > 1 else values[0]

    def note(self, answer):
        """Count a question to the server, and answer it."""
        self.asked.append(answer)
        return answer

    def run(self):
        """Help its next connection; return the signals that are sent."""
        context = types.SimpleNamespace(instance=None, deadline=Deadline(60, self.clock),
                                        log=types.SimpleNamespace(info=self.said.append))
        assert reconnect.run(context) == ocf.SUCCESS
        assert self.clock() - 1000 <= 10.1
        return self.sent


@pytest.mark.parametrize("looks, ended", [
    ([{PEER}], True), ([set(), {PEER}], True), ([{PEER}, {OTHER}, {OTHER}], True), ([set()], False),
    ([{PEER}, {PEER}, set()], False)])    # it has its answer, behind the probe
def test_a_receiver_that_waits_in_vain_is_ended_once(monkeypatch, looks, ended):
    standby = Standby(monkeypatch, looks)
    assert standby.run() == [(5, signals.SIGTERM)] * ended
    assert len(standby.said) == ended


@pytest.mark.parametrize("facts", [
    {"interval": "5000"}, {"interval": None}, {"interval": "often"}, {"answers": False}])
def test_one_that_has_nothing_to_gain_is_left(monkeypatch, facts):
    """With PostgreSQL's default the next attempt would come later than TCP's."""
    standby = Standby(monkeypatch, [{PEER}], **facts)
    assert standby.run() == []
    assert len(standby.asked) == 1


def test_a_server_that_cannot_say_whether_it_asks_an_archive_is_left(monkeypatch):
    standby = Standby(monkeypatch, [{PEER}], version=110000)
    assert standby.run() == standby.asked == []


@pytest.mark.parametrize("title", ["streaming 0/3000060", "restarting at 0/3000000",
                                   "postgres 10.0.0.5(41234) idle"])
def test_only_one_that_connects_is_ended(monkeypatch, title):
    """Each of them may have another connection, as a session of a user "walreceiver" can."""
    assert Standby(monkeypatch, [{PEER}], titles=[title]).run() == []


def test_one_that_connects_now_is_left(monkeypatch):
    """Each look shows another connection."""
    peers = [{PEER._replace(inode=str(number))} for number in range(400)]
    assert Standby(monkeypatch, peers).run() == []


@pytest.mark.parametrize("titles, interval, seconds", [
    (["streaming 0/3000060"], "500", 0.6), (["streaming 0/3000060"] * 3 + [""], "500", 10.1),
    ([""] * 30 + ["streaming 0/3000060"], "500", 3), ([""], "5000", 0.6)])
def test_the_help_ends_as_soon_as_it_is_of_no_use(monkeypatch, titles, interval, seconds):
    """The title of one that post_promote has ended says nothing at first."""
    standby = Standby(monkeypatch, [set()], titles=titles, interval=interval)
    assert standby.run() == []
    assert seconds * 0.7 < standby.clock() - 1000 <= seconds
    assert len(standby.asked) == (titles != ["streaming 0/3000060"])


@pytest.mark.parametrize("error", [
    PermissionError(13, "Permission denied", "10.0.0.9"), proc.Unseen("/proc is not mounted")])
def test_what_is_forbidden_is_tried_once_and_said(monkeypatch, error):
    asked = []

    def fails(*_):
        asked.append(1)
        raise error
    standby = Standby(monkeypatch, [{PEER}], answers=fails)
    assert standby.run() == []
    assert len(asked) == len(standby.said) == 1


def test_a_rule_that_forbids_to_connect_is_no_refusal_of_the_peer(monkeypatch):
    class Socket(socket.socket):
        def connect_ex(self, _):
            return 13
    monkeypatch.setattr(socket, "socket", Socket)
    with pytest.raises(PermissionError, match="10.0.0.9"):
        connecting.answers(PEER, 1)


@pytest.mark.parametrize("name", ["listdir", "readlink"])
def test_connections_that_cannot_be_seen_are_not_none(monkeypatch, name):
    def fails(path):
        raise PermissionError(13, "Permission denied", path)
    monkeypatch.setattr(os, name, fails)
    with pytest.raises(proc.Unseen, match="Permission denied"):
        connecting.unanswered(os.getpid())


def test_a_descriptor_that_is_closed_meanwhile_hides_no_other(monkeypatch):
    genuine = os.readlink

    def readlink(path):
        if path.endswith("/fd/0"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return genuine(path)
    with full():
        found = connecting.unanswered(os.getpid())
        monkeypatch.setattr(os, "readlink", readlink)
        assert connecting.unanswered(os.getpid()) == found != set()


def test_a_process_in_another_network_is_left(monkeypatch):
    """The agent would not ask the same peer."""
    genuine = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: genuine(path) + "0" * path.startswith(
        "/proc/self/"))
    with full():
        assert connecting.unanswered(os.getpid()) == set()


def test_a_process_that_has_ended_has_no_connection():
    assert connecting.unanswered(2 ** 22 + 1) == set()
