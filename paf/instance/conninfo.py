"""Connection strings, with libpq's rules. Pure: nothing is connected, no file is read.

Source: PostgreSQL manual, "Connection Strings", "The Connection Service File"; libpq's
conninfo_parse and conninfo_uri_parse. What libpq finds in other places (the password file, the
service file, the environment) stays for libpq to find.
"""

from collections import namedtuple

from paf import runner
from paf.ocf import OcfError

#: The keywords whose values are secrets, in all of libpq's versions up to 19. No program gets
#: them as an argument, and no message has them.
SECRETS = ("password", "sslpassword", "scram_client_key", "scram_server_key",
           "oauth_client_secret")

#: What a program of PostgreSQL needs to connect: target (its argument, str: no secret in it),
#: environment (dict of str), stdin (str: a service file with secrets, which PGSERVICEFILE in the
#: environment has libpq read there).
Connection = namedtuple("Connection", "target environment stdin")

_URI_PREFIXES = ("postgresql://", "postgres://")
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:/@_%"
_BLANKS = " \t\n\v\f\r"
_SERVICE = "pgsqlms"
_LONGEST_LINE = 250    # bytes in a service file; up to PostgreSQL 12 libpq reads no longer one


class Malformed(OcfError):
    """The text is no connection string. The message holds no part of a value."""


def parse(text):
    """Return the (keyword, value) pairs of a connection string (str), in order. Raises Malformed.

    A keyword may come twice; for libpq the last one counts.
    """
    for prefix in _URI_PREFIXES:
        if text.startswith(prefix):
            return _Uri(text[len(prefix):]).pairs()
    return list(_pairs(text))


def values(text):
    """Return a connection string's settings (dict of str to str). Raises Malformed."""
    return dict(parse(text))


def build(pairs):
    """Return the connection string (str) of (keyword, value) pairs."""
    return " ".join("{0}={1}".format(keyword, _written(value)) for keyword, value in pairs)


def _written(value):
    if value and not value.strip(_PLAIN):
        return value
    return "'{0}'".format(value.replace("\\", "\\\\").replace("'", "\\'"))


def connection(text, settings=()):
    """Return the Connection for a connection string (str). Raises Malformed.

    settings: (keyword, value) pairs that replace what the string has of replication, dbname and
    of themselves. The password goes through the environment. libpq has no variable for the other
    secrets; it finds them in a service file, unless the string names a service itself (a service
    file cannot refer to another): then they are left out, and the server may refuse.
    """
    replaced = ("replication", "dbname") + tuple(keyword for keyword, _ in settings)
    given = dict((keyword, value) for keyword, value in parse(text) if keyword not in replaced)
    secrets = dict((keyword, given.pop(keyword)) for keyword in SECRETS if keyword in given)
    # in the string they would have libpq ignore PGOPTIONS, and what the agent asks for there; a
    # server may make all sessions read-only, which does not show its role
    options = "{0} -c default_transaction_read_only=off".format(given.pop("options", "")).lstrip()
    pairs = sorted(given.items()) + list(settings)
    environment, stdin = {"PGCONNECT_TIMEOUT": "2", "PGOPTIONS": options}, ""
    if secrets.pop("password", ""):
        environment["PGPASSWORD"] = values(text)["password"]
    if secrets and "service" not in given:
        stdin = _service_file(secrets)
        environment["PGSERVICEFILE"] = "/dev/stdin"
        pairs.append(("service", _SERVICE))
    return Connection(build(pairs), environment, stdin)


def _service_file(secrets):
    """Return a service file (str) with secrets (dict); without those that it cannot hold."""
    lines = ["[{0}]".format(_SERVICE)]
    for keyword, value in sorted(secrets.items()):
        line = "{0}={1}".format(keyword, value)
        if "\n" not in value and line == line.rstrip() and len(
                runner.data(line)) <= _LONGEST_LINE:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _pairs(text):
    """Yield the pairs of a string of keyword=value words."""
    place = _after_blanks(text, 0)
    while place < len(text):
        keyword, place = _keyword(text, place)
        place = _after_blanks(text, place)
        if text[place:place + 1] == "'":
            value, place = _quoted(text, place + 1)
        else:
            value, place = _bare(text, place)
        yield keyword, value
        place = _after_blanks(text, place)


def _after_blanks(text, place):
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    return place


def _keyword(text, place):
    """Return the keyword that begins at a place, and the place after its "="."""
    start = place
    while place < len(text) and text[place] != "=" and text[place] not in _BLANKS:
        place += 1
    keyword = text[start:place]
    place = _after_blanks(text, place)
    if text[place:place + 1] != "=":
        raise Malformed("a word of the connection string has no \"=\"")
    return keyword, place + 1


def _bare(text, place):
    """Return the value without quotes that begins at a place, and the place after it."""
    found = []
    while place < len(text) and text[place] not in _BLANKS:
        if text[place] == "\\":
            place += 1
        found.append(text[place:place + 1])
        place += 1
    return "".join(found), place


def _quoted(text, place):
    """Return the value in quotes that begins at a place, and the place after it."""
    found = []
    while place < len(text) and text[place] != "'":
        if text[place] == "\\":
            place += 1
        found.append(text[place:place + 1])
        place += 1
    if place >= len(text):
        raise Malformed("a quote of the connection string is left open")
    return "".join(found), place + 1


class _Uri(object):
    """A connection URI without its prefix: [user[:password]@][hosts][/dbname][?parameters]."""

    def __init__(self, text):
        self._text, self._found = text, []

    def pairs(self):
        """Return the (keyword, value) pairs. Raises Malformed."""
        rest = self._user(self._text)
        rest = self._hosts(rest)
        if rest.startswith("/"):
            name, mark, parameters = rest[1:].partition("?")
            self._add("dbname", name)
            rest = mark + parameters
        self._parameters(rest[1:])
        return self._found

    def _add(self, keyword, value):
        if value:
            self._found.append((keyword, decoded(value)))

    def _user(self, text):
        """Take user and password, and return what comes after."""
        before = text.partition("/")[0]
        if "@" not in before:
            return text
        user, _, rest = text.partition("@")
        name, _, password = user.partition(":")
        self._add("user", name)
        self._add("password", password)
        return rest

    def _hosts(self, text):
        """Take the hosts and ports, and return what comes after."""
        hosts, ports = [], []
        while True:
            host, text = _bracketed(text) if text.startswith("[") else _until(text, ":/?,")
            port = ""
            if text.startswith(":"):
                port, text = _until(text[1:], "/?,")
            hosts.append(host)
            ports.append(port)
            if not text.startswith(","):
                break
            text = text[1:]
        self._add("host", ",".join(hosts))
        self._add("port", ",".join(ports))
        return text

    def _parameters(self, text):
        words = text.split("&")
        if not words[-1]:    # no text, or one "&" at its end
            words.pop()
        for word in words:
            keyword, mark, value = word.partition("=")
            if not mark or "=" in value:
                raise Malformed("a parameter of the connection URI needs one \"=\"")
            pair = decoded(keyword), decoded(value)
            self._found.append(("sslmode", "require") if pair == ("ssl", "true") else pair)


def _until(text, marks):
    """Return the text before the first of the marks, and the rest from there on."""
    place = 0
    while place < len(text) and text[place] not in marks:
        place += 1
    return text[:place], text[place:]


def _bracketed(text):
    """Return an IPv6 address without its brackets, and the rest."""
    host, mark, rest = text[1:].partition("]")
    if not host or not mark or rest[:1] not in ("", ":", "/", "?", ","):
        raise Malformed("the connection URI has an IPv6 address that cannot be understood")
    return host, rest


def decoded(text):
    """Undo percent-encoding; urllib has it too, and takes a while to import. Raises Malformed."""
    parts = text.split("%")
    found = [runner.data(parts[0])]
    for part in parts[1:]:
        code = part[:2]
        if len(code) != 2 or code.strip("0123456789abcdefABCDEF") or code == "00":
            raise Malformed("the connection URI has a wrong percent-encoding")
        found.append(bytes(bytearray([int(code, 16)])) + runner.data(part[2:]))
    return runner.text(b"".join(found))
