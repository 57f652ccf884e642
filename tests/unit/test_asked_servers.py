"""What servers answer, or do not: a position that is not known is none of the other facts."""

import errno
import os
import socket
import types

import pytest

from paf.deadline import Deadline
from paf.decide import wal
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.state import IN_ARCHIVE_RECOVERY, IN_PRODUCTION
from paf.decide.wal import Position
from paf.instance import (
    controldata, divergence, identity, listening, peer, position, postmaster, psql, settings, sql,
    upstream, walend, walfiles)
from paf.runner import Result
from tests.unit.support import instance_at
from tests.unit.test_instance_unread import CONTROL
from tests.unit.unread import answer

HERE = Position(2, 0x500148)


# another node's server

def asked(monkeypatch, lsn="0/500148", role="on", streamed=True):
    """Return the Fact of a node whose server says so of itself."""
    said = {"IDENTIFY_SYSTEM": ["7", "2", lsn], "SHOW in_hot_standby": [role],
            "SHOW recovery_min_apply_delay": ["0"]}
    answer(monkeypatch, peer.local, "version", 150000)
    answer(monkeypatch, peer, "_addresses", Known(["192.0.2.1", "2001:db8::1"]))
    answer(monkeypatch, controldata, "read", Known(CONTROL))
    answer(monkeypatch, settings, "conninfo", "host=srv1")
    answer(monkeypatch, postmaster, "find", Known(None))
    monkeypatch.setattr(psql, "there", lambda _, where, kind, text, deadline: Result(
        0, psql.FIELD.join(said.get(text, ["it received", lsn])), "", False))
    instance = types.SimpleNamespace(parameters=types.SimpleNamespace(pgport=5432))
    return peer.position(instance, "srv3", streamed, Deadline(5))


def test_a_server_that_does_not_answer_is_asked_once(monkeypatch):
    """Each question takes until its timeout, and the votes are not counted meanwhile."""
    asked(monkeypatch)
    calls = []
    monkeypatch.setattr(psql, "there", lambda *given: calls.append(given) or Result(
        2, "", "no route to host", False))
    fact = peer.position(types.SimpleNamespace(parameters=types.SimpleNamespace(pgport=5432)),
                         "srv3", True, Deadline(5))
    assert isinstance(fact, Unknown) and "does not answer" in fact.reason and len(calls) == 1


@pytest.mark.parametrize("lsn, streamed, expected", [
    ("0/5000000", True, Known), ("0/5000000", False, AtLeast), ("0/5000148", False, Known)])
def test_a_standby_may_have_received_all_up_to_the_end_of_a_segment(
        monkeypatch, lsn, streamed, expected):
    """An idle primary rests there, with archive_timeout; and a receiver that never came does."""
    fact = asked(monkeypatch, lsn, streamed=streamed)
    assert type(fact) is expected and wal.format_lsn(fact.value.lsn) == lsn


class Socket:
    """A socket whose connection the system refuses, or that has an address of its own."""

    def __init__(self, number, own):
        self.number, self.own, self.closed = number, own, False

    def connect(self, where):
        """Refuse."""
        if self.number:
            raise OSError(self.number, os.strerror(self.number), where)

    def getsockname(self):
        """Return its own address."""
        return self.own, 0

    def close(self):
        """Note it."""
        self.closed = True


@pytest.mark.parametrize("lsn, role, found", [
    ("0/500148", "on", Known(HERE)), ("0/500148", "off", Known(Position(3, HERE.lsn))),
    ("", "on", Unknown("its server does not say where it is")),
    ("0/50014G", "off", Unknown("its server does not say where it is"))])
def test_a_server_that_does_not_say_where_it_is_has_no_position(monkeypatch, lsn, role, found):
    answer(monkeypatch, socket, "socket", Socket(0, "192.0.2.9"))
    assert asked(monkeypatch, lsn, role) == found


@pytest.mark.parametrize("number, own, reason", [
    (errno.ENETUNREACH, "", None), (errno.EHOSTUNREACH, "", None), (errno.EACCES, "", None),
    (0, "192.0.2.9", None), (0, "192.0.2.1", "leads to this node itself"),
    (errno.EINVAL, "", "is not known"),         # fe80::1, without its interface
    (errno.ENOBUFS, "", "is not known")])
def test_only_an_address_that_is_surely_anothers_is_asked(monkeypatch, number, own, reason):
    """This server's own answer would count as that of a node that is silent."""
    probe = Socket(number, own)
    answer(monkeypatch, socket, "socket", probe)
    found = asked(monkeypatch)
    assert found == Known(HERE) if reason is None else reason in found.reason
    assert probe.closed


def test_without_a_socket_it_is_not_known_whose_an_address_is(monkeypatch):
    answer(monkeypatch, socket, "socket", OSError(errno.EMFILE, "Too many open files"))
    assert "is not known" in asked(monkeypatch).reason


# this node's server

NO_CONTROL = Unknown("pg_controldata was killed")
NOWHERE = "neither the server nor its files say which timeline it is on"


@pytest.fixture
def running(monkeypatch):
    """A server that runs; return a function: what its control file, its WAL and itself say."""
    answer(monkeypatch, postmaster, "find", Known(types.SimpleNamespace(pid=1)))
    answer(monkeypatch, position.local, "version", 150000)

    def make(control, on_disk, *rows):
        answer(monkeypatch, controldata, "read", control)
        answer(monkeypatch, walfiles, "look", walfiles.Folder(on_disk, 1 << 24, 1e9))
        answer(monkeypatch, sql, "query", sql.Answer(sql.ROWS, list(rows), ""))
    return make


@pytest.mark.parametrize("on_disk, received, timeline, found", [
    (0, "", "", Unknown(NOWHERE)), (0, "96", "", Unknown(NOWHERE)),
    (0, "96", "2", AtLeast(Position(2, 96), "its WAL files cannot be seen")),
    (2, "96", "", Known(Position(2, 96)))])
def test_without_any_timeline_a_standby_has_no_position(running, on_disk, received, timeline,
                                                        found):
    running(NO_CONTROL, on_disk, [received, "0", timeline, "t", "", ""])
    assert position.place(None, Deadline(5)).position == found


SEGMENT = 1 << 20


@pytest.mark.parametrize("received, replayed, looks", [
    (5 * SEGMENT + 96, 5 * SEGMENT + 96, False), (5 * SEGMENT + 96, 5 * SEGMENT, False),
    (5 * SEGMENT, 5 * SEGMENT + 96, True),           # it was asked for, and may not be connected
    (5 * SEGMENT, 5 * SEGMENT, True), (6 * SEGMENT, 5 * SEGMENT, True),
    (4 * SEGMENT + 96, 5 * SEGMENT + 96, True),      # what follows came from an archive
    ("", 5 * SEGMENT, True)])
def test_only_what_has_streamed_shows_that_the_disk_has_no_more(running, monkeypatch, received,
                                                                replayed, looks):
    """A record may be damaged there, and acknowledged ones follow it. It costs a program."""
    fact, asked = AtLeast(Position(2, 7), "the WAL is damaged"), []
    monkeypatch.setattr(walend, "find", lambda *words: asked.append(words[1]) or fact)
    running(NO_CONTROL, 2, [str(received), str(replayed), "2", "t", "", ""])
    found = position.place(None, Deadline(5)).position
    furthest = Position(2, max(received or 0, replayed))
    assert (found, asked) == ((fact, [furthest]) if looks else (Known(furthest), []))


@pytest.mark.parametrize("said, fact, kind, timeline", [
    (IN_PRODUCTION, Known(HERE), AtLeast, 3), (IN_PRODUCTION, AtLeast(HERE, "x"), AtLeast, 3),
    (IN_PRODUCTION, Unknown("x"), Unknown, None), (IN_ARCHIVE_RECOVERY, Known(HERE), Known, 2)])
def test_a_primary_that_does_not_answer_is_behind_none(running, monkeypatch, said, fact, kind,
                                                       timeline):
    """Also where its WAL says nothing: a vote that is not known is waited for."""
    running(Known(CONTROL._replace(state=said)), 2)
    answer(monkeypatch, walend, "find", fact)
    found = position.place(None, Deadline(5)).position
    assert type(found) is kind and (timeline is None or found.value.timeline == timeline)


@pytest.mark.parametrize("server, found", [
    (("", ""), "127.0.0.1"), (("", "*"), "localhost"), (("", "::"), "::1"),
    (("", "10.0.0.1"), "10.0.0.1"), (("/run/postgresql", "*"), "/run/postgresql")])
def test_a_server_without_a_socket_is_reached_where_it_listens(monkeypatch, server, found):
    """Where another one listens on pghost."""
    answer(monkeypatch, listening, "is_owner", False)
    here = postmaster.Postmaster(1, 5432, server[0], server[1], "ready", None)
    assert identity.address(instance_at("/nonexistent", pghost="127.0.0.1"), here).host == found


# the primary

def test_a_primary_that_goes_silent_between_two_questions_is_not_known(tmp_path, monkeypatch):
    (tmp_path / "PG_VERSION").write_text("15\n")
    left = [Result(0, psql.FIELD.join(["7", "2", "0/60", ""]), "", False),
            Result(-9, "", "", True)]
    monkeypatch.setattr(psql, "there", lambda *_: left.pop(0))
    assert upstream.ask(instance_at(tmp_path), "host=srv1", Deadline(5)) == Unknown(
        "the primary did not answer in time")
    assert left == []


@pytest.mark.parametrize("identifier, missing, reason", [
    ("7", "the segment with its last checkpoint is missing", "its last checkpoint is missing"),
    ("8", "the segment with its last checkpoint is missing", None)])
def test_an_instance_whose_wal_is_not_there_is_not_compared(monkeypatch, identifier, missing,
                                                            reason):
    """Its file system may not be mounted: that is no divergence. Another cluster's data are."""
    answer(monkeypatch, upstream, "ask", Known(upstream.Upstream(2, [], identifier)))
    answer(monkeypatch, controldata, "read", Known(CONTROL))
    answer(monkeypatch, walfiles, "look", walfiles.Folder(2, 1 << 24, 1e9))
    answer(monkeypatch, walfiles, "missing", missing)
    found = divergence.look(None, "host=srv1", Deadline(5))
    if reason:
        assert isinstance(found, Unknown) and reason in found.reason
    else:
        assert "another cluster's data" in found.value.what
