"""paf health asks the server in its own protocol; what is no answer is none, or left to psql."""

import contextlib
import os
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from paf.cli.health import wire
from paf.deadline import Deadline
from paf.instance import sql
from paf.instance.identity import Address

ME = SimpleNamespace(name="postgres", uid=os.geteuid())


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def row(*fields):
    return message(b"D", struct.pack("!h", len(fields)) + b"".join(
        struct.pack("!i", -1) if field is None else struct.pack("!i", len(field)) + field
        for field in fields))


LET_IN = message(b"R", b"\0\0\0\0") + message(b"S", b"a\0b\0") + message(b"Z", b"I")
PASSWORD = message(b"R", b"\0\0\0\x0a")
ERROR = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")
DONE = message(b"C", b"SELECT 1\0") + message(b"Z", b"I")


def served(tmp_path, *answers, end=True):
    """Serve one connection: each message that comes gets the next answer; return the Address."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / ".s.PGSQL.5432"))
    listener.listen(1)
    heard = []

    def serve():
        with listener, listener.accept()[0] as one, contextlib.suppress(OSError):
            for answer in answers:
                heard.append(one.recv(65536))
                one.sendall(answer)
            while not end and one.recv(65536):
                pass
    threading.Thread(target=serve, daemon=True).start()
    return Address(str(tmp_path), 5432, ""), heard


def ask(where, seconds=20.0, account=ME):
    return wire.query(where, account, (("options", "-c a=b"),), "SELECT 1", Deadline(seconds))


def test_rows_are_those_that_psql_would_print(tmp_path):
    where, heard = served(tmp_path, LET_IN, row(b"me", None, b"") + row(b"5", b"x", b"y") + DONE,
                          b"")
    assert ask(where) == sql.Answer(sql.ROWS, [["me", "", ""], ["5", "x", "y"]], "")
    assert heard[0][4:] == (b"\0\3\0\0user\0postgres\0database\0postgres\0options\0-c a=b\0\0")
    assert len(heard[0]) == struct.unpack("!i", heard[0][:4])[0]
    assert heard[1] == b"Q\0\0\0\x0dSELECT 1\0"


@pytest.mark.parametrize("answers, kind", [
    ((ERROR,), sql.NO_CONNECTION), ((LET_IN, ERROR), sql.REFUSED),
    ((b"",), sql.NO_CONNECTION), ((LET_IN, row(b"x")), sql.NO_CONNECTION),
    ((LET_IN[:7],), sql.NO_CONNECTION)])
def test_no_answer_says_what_psql_would_say(tmp_path, answers, kind):
    where, _ = served(tmp_path, *answers)
    assert ask(where).kind == kind


@pytest.mark.parametrize("answers", [
    (PASSWORD,), (b"HTTP/1.0 400 Bad Request\r\n\r\n",), (row(b"x"),), (b"\xff" * 100,),
    (LET_IN, message(b"D", b"\0\5abc"))])
def test_what_is_not_understood_is_left_to_psql(tmp_path, answers):
    where, _ = served(tmp_path, *answers, end=False)
    assert ask(where) is None


def test_another_account_an_address_and_a_socket_without_rights_are_left_to_psql(tmp_path):
    where, _ = served(tmp_path, LET_IN)
    assert ask(where, account=SimpleNamespace(name="x", uid=os.geteuid() + 1)) is None
    assert ask(Address("localhost", 5432, "")) is None
    assert ask(Address("/" + "x" * 200, 5432, "")) is None


@pytest.mark.parametrize("answers", [(b"",), (LET_IN, b""), (LET_IN[:3],), (LET_IN, b"D\0")])
def test_a_server_that_hangs_has_its_time(tmp_path, answers):
    where, _ = served(tmp_path, *answers, end=False)
    assert ask(where, 0.2).kind == sql.TIMED_OUT


def test_no_server_takes_no_connection(tmp_path):
    assert ask(Address(str(tmp_path), 5432, "")).kind == sql.NO_CONNECTION


def test_an_error_without_a_message_is_an_error(tmp_path):
    where, _ = served(tmp_path, message(b"E", b"SFATAL\0C57P03\0\0"))
    assert ask(where) == sql.Answer(sql.NO_CONNECTION, [], "")
