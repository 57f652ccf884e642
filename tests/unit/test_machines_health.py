"""The trial that floods the port for load balancers, without a node: what it reads and sends."""

import socket
import threading

import pytest

from trials.machines import flood, health


@pytest.fixture
def port(monkeypatch):
    """A server on the loopback that gives each connection to `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(flood, "PORT", listener.getsockname()[1])
    monkeypatch.setattr(flood, "LONGEST", 5)
    served, kept = [], []

    def serve(answer, close=True):
        def accept():
            connection, _ = listener.accept()
            kept.append(connection)
            served.append(connection.recv(65536))
            connection.sendall(answer)
            if close:
                connection.close()
        threading.Thread(target=accept, daemon=True).start()
        return served
    yield serve
    listener.close()
    for connection in kept:
        connection.close()


@pytest.mark.parametrize("answer, expected", [
    (b"HTTP/1.0 200 OK\r\n\r\nyes\n", "good 200"), (b"HTTP/1.0 503 No\r\n\r\nno\n", "good 503"),
    (b"", "good closed")])
def test_the_flood_counts_what_a_good_request_comes_to(port, answer, expected):
    served, seen = port(answer), flood.Seen()
    flood.once("127.0.0.1", "127.0.0.1", flood.good, seen, threading.Event())
    assert dict(seen.outcomes) == {expected: 1} and served == [flood.REQUEST]


def test_a_connection_that_nobody_ends_is_given_up(port, monkeypatch):
    monkeypatch.setattr(flood, "LONGEST", 0.2)
    port(b"", close=False)
    seen = flood.Seen()
    flood.once("127.0.0.1", "127.0.0.1", flood.binary, seen, threading.Event())
    assert dict(seen.outcomes) == {"binary silent": 1} and seen.longest["binary"] >= 0.2


def test_nobody_who_listens_is_an_outcome(port, monkeypatch):
    monkeypatch.setattr(flood, "STEP", 0)
    monkeypatch.setattr(flood, "PORT", 1)
    seen = flood.Seen()
    flood.once("127.0.0.1", "127.0.0.1", flood.good, seen, threading.Event())
    assert dict(seen.outcomes) == {"good refused": 1}


def test_a_number_that_systemd_does_not_know_is_none():
    assert [health.number(text) for text in ("12", "[not set]", "infinity", str(2 ** 64 - 1))] == [
        12, None, None, None]


_LINE = "Nov 27 {0} srv1 pacemaker-execd [793] (log_finished) \tdebug: {1} monitor (call {2}, " \
    "PID 21) exited with status {3} (promoted) (execution time 11.822s)\n"
LOG = "".join(_LINE.format(*words) for words in (
    ("15:50:00.100", "pgsqld", 30, 8), ("15:50:10.000", "pgsql-ip", 31, 0),
    ("15:50:15.350", "pgsqld", 30, 8), ("15:50:33.350", "pgsqld", 30, 1),
    ("15:51:00.000", "pgsqld", 44, 8), ("15:51:15.000", "pgsqld", 44, 8)))


def test_a_monitor_took_what_its_end_comes_later_than_its_interval():
    assert [(status, took if took is None else round(took, 3))
            for status, took in health.monitors(LOG)] == [
        (8, None), (8, 0.25), (1, 3.0), (8, None), (8, 0)]


def test_the_growth_of_a_counter_is_percent_of_a_processor():
    looks = health.Looks([{"C": "1000000000", "Now": "10.0", "T": "[not set]"},
                          {"C": "3000000000", "Now": "14.0", "T": "7"}], [])
    assert looks.percent("C", 1e-9) == 50
    assert looks.percent("T", 1) is None
    assert looks.most("T") == 7
