"""syslog that hangs, is away, or is of another kind: a line of the log holds no action up."""

import errno
import os
import socket
import time

import pytest

from paf import log, ocf, systemlog


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(systemlog, "_PLACE", str(tmp_path / "log"))
    monkeypatch.setattr(os, "isatty", lambda _: False)
    return systemlog._PLACE


@pytest.fixture
def agents_log():
    return log.Log(ocf.Environment({
        "HA_LOGFACILITY": "daemon", "OCF_RESOURCE_INSTANCE": "pgsqld"}))


def test_a_journal_that_hangs_holds_no_action_up(place, agents_log):
    """syslog(3) waited without end: a stop did not end, and its node was fenced."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hung:
        hung.bind(place)
        begin = time.monotonic()
        for number in range(1000):
            agents_log.warning(f"line {number}")
        assert time.monotonic() - begin < 20
        assert hung.recv(999).endswith(b": WARNING: line 0")


def test_a_journal_that_comes_back_gets_the_next_line(place, agents_log):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(place)
        while agents_log._is_heard:
            agents_log.info("lost at last")
        reader.setblocking(False)
        with pytest.raises(BlockingIOError):
            while reader.recv(999):
                pass
        agents_log.info("heard")
        assert agents_log._is_heard and reader.recv(999).endswith(b"INFO: heard")


def test_a_log_of_the_other_kind_gets_lines_with_an_end(place, agents_log):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(place)
        server.listen()
        agents_log.error("x")
        with server.accept()[0] as line:
            assert line.recv(999).endswith(b": ERROR: x\0")


def test_without_a_log_nothing_fails(place, agents_log, monkeypatch):
    agents_log.error("x")

    def refuse(*_):
        raise OSError(errno.EMFILE, "Too many open files")
    monkeypatch.setattr(systemlog, "socket", refuse)
    agents_log.error("x")
    assert not os.path.exists(place)
