"""One question to the server on this node, in PostgreSQL's own protocol: no program is started.

For requests of load balancers: psql takes longer to start than all else that an answer needs. Only
through a Unix socket, for a process of the instance's owner whom the server lets in without a
password; for all others, psql. Source: PostgreSQL manual, "Frontend/Backend Protocol", "Message
Formats" (version 3.0).
"""

import _socket    # the import of socket takes as long as a question
import errno
import os
import struct

from paf.cli.common import native
from paf.instance import sql

_VERSION = 196608       # 3.0
_LONGEST = 1 << 20      # bytes of a message; no answer here has as many
_LET_IN, _READY, _ROW, _ERROR = b"R", b"Z", b"D", b"E"


class NotSuited(Exception):
    """The server cannot be asked in this way: with psql perhaps."""


class _Closed(Exception):
    """The server has closed the connection."""


def query(where, account, settings, text, deadline):
    """Run one SQL statement; return the sql.Answer, None where psql has to be asked.

    where: identity.Address; account: runner.Account of the instance; settings: (name, value) pairs
    of the session; text: SQL (ASCII).
    """
    if not where.host.startswith("/") or os.geteuid() != account.uid:
        return None
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        return _Talk(connection, deadline).ask(
            "{0}/.s.PGSQL.{1}".format(where.host, where.port),
            (("user", account.name), ("database", "postgres")) + tuple(settings), text)
    except NotSuited:
        return None
    except _socket.timeout:
        return sql.Answer(sql.TIMED_OUT, [], "no answer in time")
    except _Closed:
        return sql.Answer(sql.NO_CONNECTION, [], "the server closed the connection")
    except (IOError, OSError) as error:    # _socket.error, in all versions
        if error.args[0] not in (errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE):
            return None
        return sql.Answer(sql.NO_CONNECTION, [], os.strerror(error.args[0]))
    finally:
        connection.close()


class _Talk(object):
    """A connection (a _socket.socket) with one question, and its end: a Deadline."""

    def __init__(self, connection, deadline):
        self._connection, self._deadline = connection, deadline
        self._waits()

    def _waits(self):
        self._connection.settimeout(max(0.001, self._deadline.remaining))

    def ask(self, path, settings, text):
        """Return the sql.Answer of the server whose socket has a path (str)."""
        self._connection.connect(path)
        words = [word for pair in settings for word in pair] + ["", ""]
        self._send(b"", struct.pack("!i", _VERSION) + "\0".join(words).encode("utf-8"))
        error = self._until_ready()
        if error is not None:
            return sql.Answer(sql.NO_CONNECTION, [], error)
        self._send(b"Q", text.encode("utf-8") + b"\0")
        rows = []
        error = self._until_ready(rows)
        if error is not None:
            return sql.Answer(sql.REFUSED, [], error)
        self._send(b"X", b"")
        return sql.Answer(sql.ROWS, rows, "")

    def _until_ready(self, rows=None):
        """Read until the server waits for a question; return what it complains of, or None.

        rows: a list that rows are added to; None while the connection begins.
        """
        while True:
            kind, body = self._message()
            if kind == _ERROR:
                return _complaint(body)
            if kind == _READY:
                return None
            if kind == _LET_IN and struct.unpack("!i", body[:4])[0] != 0:
                raise NotSuited("a password")
            if kind == _ROW:
                if rows is None:
                    raise NotSuited("no PostgreSQL")
                rows.append(_fields(body))

    def _send(self, kind, body):
        self._waits()
        self._connection.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _message(self):
        head = self._read(5)
        length = struct.unpack("!i", head[1:])[0] - 4
        if not 0 <= length <= _LONGEST:
            raise NotSuited("no PostgreSQL")
        return head[:1], self._read(length)

    def _read(self, length):
        found = b""
        while len(found) < length:
            self._waits()
            part = self._connection.recv(length - len(found))
            if not part:
                raise _Closed()
            found += part
        return found


def _fields(body):
    """Return the fields (list of str) of a row; a null is "", as psql prints it."""
    found, at = [], 2
    try:
        for _ in range(struct.unpack("!h", body[:2])[0]):
            length = struct.unpack("!i", body[at:at + 4])[0]
            at += 4
            found.append(native(body[at:at + max(0, length)].decode("utf-8", "replace")))
            at += max(0, length)
    except struct.error:
        raise NotSuited("no PostgreSQL")
    return found


def _complaint(body):
    """Return the message in an error (str)."""
    for field in body.split(b"\0"):
        if field[:1] == b"M":
            return native(field[1:].decode("utf-8", "replace"))
    return ""
