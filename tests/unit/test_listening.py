"""The server that is asked is the one of the data directory: who listens on an address."""

import errno
import os
import socket
import subprocess
import sys

import pytest

from paf import runner
from paf.instance import identity, listening, postmaster
from tests.unit.support import instance_at

OTHER = """
import socket, sys
server = socket.socket()
server.bind((sys.argv[1], 0))
server.listen()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port():
    """A port on which another process listens at 127.0.0.2, and this one at 127.0.0.1."""
    with subprocess.Popen([sys.executable, "-c", OTHER, "127.0.0.2"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as other:
        number = int(other.stdout.readline())
        with socket.socket() as mine:
            mine.bind(("127.0.0.1", number))
            mine.listen()
            yield number
        other.stdin.close()


@pytest.mark.parametrize("address, owner", [
    ("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.3", False), ("::1", False),
    ("srv2", None)])
def test_each_address_has_its_own_server(port, address, owner):
    assert listening.is_owner(os.getpid(), address, port) is owner


def test_who_cannot_be_looked_at_is_not_known(port):
    assert listening.is_owner(1 << 22, "127.0.0.1", port) is None


@pytest.mark.parametrize("host, asked", [
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "/run/pg"), ("localhost", "localhost"),
    ("0.0.0.0", "/run/pg"), ("192.0.2.1", "/run/pg"), ("nowhere.invalid", "/run/pg")])
def test_another_servers_address_is_not_asked(port, tmp_path, host, asked):
    """As where pghost is another node's name: its answer would be treated as this node's."""
    server = postmaster.Postmaster(os.getpid(), port, "/run/pg", "127.0.0.1", "ready", None)
    found = identity.address(instance_at(tmp_path, pghost=host, pgport=str(port)), server)
    assert found.host == asked and bool(found.remark) == (asked != host)


@pytest.mark.parametrize("out, asked", [
    ("127.0.0.1 STREAM db\n127.0.0.1 DGRAM\n", "db"), ("192.0.2.7 STREAM db\n", "/run/pg"),
    ("127.0.0.2 STREAM db\n", "/run/pg"), ("", "/run/pg")])
def test_a_name_is_asked_where_it_leads_to_this_server(port, tmp_path, monkeypatch, out, asked):
    monkeypatch.setattr(runner, "run", lambda *_: runner.Result(0, out, "", False))
    server = postmaster.Postmaster(os.getpid(), port, "/run/pg", "127.0.0.1", "ready", None)
    assert identity.address(instance_at(
        tmp_path, pghost="db", pgport=str(port)), server).host == asked


def without_ipv6(monkeypatch, number):
    """Have the kernel as with ipv6.disable=1 (no such family), or with disable_ipv6 (no ::1)."""
    class Socket(socket.socket):
        def __init__(self, family=socket.AF_INET, *more):
            if family == socket.AF_INET6 and number != errno.EADDRNOTAVAIL:
                raise OSError(number, os.strerror(number))
            super().__init__(family, *more)

        def bind(self, address):
            if self.family == socket.AF_INET6:
                raise OSError(number, os.strerror(number))
            super().bind(address)
    monkeypatch.setattr(socket, "socket", Socket)
    seen = listening._sockets
    monkeypatch.setattr(listening, "_sockets", lambda path, *rest: (
        None if path.endswith("tcp6") else seen(path, *rest)))


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_localhost_is_this_machine_also_without_ipv6(port, tmp_path, monkeypatch, number):
    """Each monitor failed where the kernel has no IPv6; where it has no ::1, pghost was named."""
    without_ipv6(monkeypatch, number)
    server = postmaster.Postmaster(os.getpid(), port, "/run/pg", "127.0.0.1", "ready", None)
    found = identity.address(instance_at(
        tmp_path, pghost="localhost", pgport=str(port)), server)
    assert found == ("localhost", port, "")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOBUFS])
def test_an_address_that_cannot_be_tried_is_not_known_to_be_elsewhere(
        port, tmp_path, monkeypatch, number):
    """A living server's monitor failed for want of a descriptor."""
    def refuse(*_):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(socket, "socket", refuse)
    server = postmaster.Postmaster(os.getpid(), port, "/run/pg", "127.0.0.1", "ready", None)
    found = identity.address(instance_at(
        tmp_path, pghost="127.0.0.1", pgport=str(port)), server)
    assert found.host == "127.0.0.1"


def test_where_nothing_of_localhost_is_this_servers_another_one_is_not_asked(
        port, tmp_path, monkeypatch):
    """Without IPv6 no server listens at ::1: that is known."""
    without_ipv6(monkeypatch, errno.EAFNOSUPPORT)
    monkeypatch.setattr(listening, "_owned", lambda _: set())
    server = postmaster.Postmaster(os.getpid(), port, "/run/pg", "10.0.0.1", "ready", None)
    assert identity.address(instance_at(
        tmp_path, pghost="localhost", pgport=str(port)), server).host == "/run/pg"
