"""paf health: clients that go away or send too much, and what cannot be read, written or kept."""

import contextlib
import errno
import os
import select
import socket
import types

import pytest

from paf.cli.health import glance, health, kept, looks, request
from paf.deadline import Deadline
from tests.unit.test_cli_kept import clock, folder, PRIMARY, server

__all__ = ["clock", "server"]

GET = b"GET /primary HTTP/1.0\r\n\r\n"


@contextlib.contextmanager
def serving(connection):
    """Have standard input and output be a connection, as systemd has them."""
    saved = os.dup(0), os.dup(1)
    try:
        for number in (0, 1):
            os.dup2(connection.fileno(), number)
        yield
    finally:
        for number, old in enumerate(saved):
            os.dup2(old, number)
            os.close(old)
        connection.close()


@pytest.fixture
def client(monkeypatch):
    """Two ends of a connection: the client's, and that of a node that knows nothing."""
    monkeypatch.setattr(looks, "look", lambda resource: looks.nothing("looked"))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    ours, theirs = socket.socketpair()
    with ours:
        yield ours, theirs


def test_a_client_that_sends_too_much_still_gets_its_answer(client):
    """A close with data unread resets the connection, and takes the answer with it."""
    ours, theirs = client
    ours.sendall(b"GET /" + b"a" * (request.LONGEST + 1000))
    with serving(theirs):
        assert health.main() == health.NOT_DONE
    answer = b"".join(iter(lambda: ours.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 400 ")


def test_a_client_that_went_away_is_no_traceback(client):
    ours, theirs = client
    ours.sendall(GET)
    ours.close()
    with serving(theirs):
        assert health.main() == health.NOT_DONE


# What is read of a request

@pytest.mark.parametrize("number, expected", [(errno.EINTR, GET), (errno.EBADF, b"GET ")])
def test_a_signal_ends_no_request_and_an_error_does(monkeypatch, number, expected):
    """What a child sends may interrupt the wait, up to Python 3.4."""
    errors = [OSError(number, "x")]

    def wait(*given):
        if errors:
            raise errors.pop()
        return select.select(*given)
    begin, end = os.pipe()
    os.write(end, GET[4:])
    os.close(end)
    monkeypatch.setattr(request, "select", types.SimpleNamespace(select=wait, error=select.error))
    assert request.read(Deadline(5.0), begin, GET[:4]) == expected
    os.close(begin)


def test_a_connection_that_was_reset_has_sent_what_was_read():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"x")
    ours.sendall(b"")
    ours.close()    # with data unread
    assert request.read(Deadline(5.0), theirs.fileno(), b"GET ") == b"GET "
    theirs.close()


# What is kept

def test_without_a_clock_nothing_that_was_kept_is_given(server, clock):
    assert server.keep(PRIMARY)
    clock.append(None)
    assert kept.read("") is None


def test_a_time_since_the_boot_that_cannot_be_read_is_not_known(monkeypatch):
    """In some containers there is no such file."""
    def refuse(path, *_, **__):
        raise OSError(errno.ENOENT, "No such file or directory", path)
    with monkeypatch.context() as broken:
        broken.setattr(kept.os, "open", refuse)
        assert kept.now() is None and kept.began() is None


def test_a_reason_of_two_lines_is_not_kept(server):
    """Each line of the file means something of its own."""
    two = PRIMARY.said | {"/sync": (False, "no\n1 yes")}
    assert server.keep(PRIMARY) and server.keep(kept.Answers("srv1", None, two)) is None
    assert list(folder().iterdir()) == []


def test_a_folder_that_is_gone_keeps_nothing(server):
    assert server.keep(PRIMARY)
    folder().rename(folder().with_name("gone"))
    assert server.keep(PRIMARY) is None and not folder().exists()


def test_a_file_that_was_not_written_whole_takes_no_place(server, monkeypatch):
    assert server.keep(PRIMARY)
    before = (folder() / "answers-").read_bytes()
    real = os.write
    with monkeypatch.context() as full:
        full.setattr(kept.os, "write", lambda descriptor, data: real(descriptor, data[:-5]))
        server.keep(PRIMARY, server.clock[-1] + 0.5)
    assert (folder() / "answers-").read_bytes() == before
    assert [path.name for path in folder().iterdir()] == ["answers-"]


def test_a_file_that_cannot_be_written_is_no_error(server):
    (folder() / f"answers-.{os.getpid()}").mkdir()
    assert server.keep(PRIMARY) is None


# What is read at a glance

@pytest.mark.parametrize("old, new", [
    ("<resources>", '<resources><bundle id="b"/>'),
    ("<resources>", '<resources><template id="t" class="ocf" type="x"/>')])
def test_a_cib_with_a_bundle_or_a_template_is_read_in_full(data, old, new):
    xml = (data / "cli" / "cib.xml").read_text()
    assert glance.of(xml) is not None and glance.of(xml.replace(old, new)) is None
