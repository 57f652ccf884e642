"""The acting primary, asked about its timeline over a replication connection.

Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM, TIMELINE_HISTORY.
primary_conninfo is what leads there, and all that a standby may be given.
"""

import re
from collections import namedtuple

from paf.decide import timelines
from paf import instance as local
from paf import runner
from paf.instance import sql
from paf.ocf import is_number

#: The acting primary: timeline (int), switches (list of timelines.Switch), system_identifier.
Upstream = namedtuple("Upstream", "timeline switches system_identifier")

_REPLICATION = (("replication", "true"), ("dbname", "replication"))
_PATIENCE = 3.0    # seconds for each question
_WORD = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']*))")
_URI_PASSWORD = re.compile(r"(://[^:/@\s]*):([^@]*)@")
_URI_QUERY_PASSWORD = re.compile(r"([?&])password=([^&]*)(&?)")


def ask(instance, conninfo, deadline):
    """Return the Upstream that conninfo (str) leads to; None when it cannot be asked.

    Raises OcfError only when psql itself cannot be started.
    """
    if not conninfo:
        return None
    system = _question(instance, conninfo, "IDENTIFY_SYSTEM", deadline)
    if not system or len(system[0]) < 2 or not is_number(system[0][1]):
        return None
    timeline = int(system[0][1])
    switches = []
    if timeline > 1:
        file_of = _question(instance, conninfo, "TIMELINE_HISTORY {0}".format(timeline), deadline)
        if not file_of:
            return None
        switches = timelines.parse(file_of[0][-1])
    return Upstream(timeline, switches, system[0][0])


def _question(instance, conninfo, command, deadline):
    """Return the rows of a replication command; [] when there was no answer."""
    deadline = deadline.within(_PATIENCE)
    target, environment = connection(conninfo, _REPLICATION)
    result = runner.run(
        [local.program(instance, "psql"), "-X", "-A", "-t", "-q", "-w", "-F", sql.FIELD,
         "-R", sql.RECORD, "-d", target, "-c", command],
        deadline, user=local.owner(instance), env=environment)
    if result.timed_out or result.status != 0:
        return []
    return sql.split(result.out)


def connection(conninfo, settings=()):
    """Return conninfo (str) with other settings, and the environment that goes with it (dict).

    settings: (name, value) pairs that take the place of replication and dbname. For use as an
    argument of a program, which is no place for a password.
    """
    target, password = without_password(conninfo, settings)
    environment = {"PGCONNECT_TIMEOUT": "2"}
    if password:
        environment["PGPASSWORD"] = password
    return target, environment


def without_password(conninfo, settings=_REPLICATION):
    """Return conninfo with other settings (see `connection`), and its password apart.

    The password must not stand in a process title, so it goes through the environment.
    """
    if "://" in conninfo.split("=", 1)[0]:
        return _uri_without_password(conninfo, settings)
    words, password = [], ""
    for name, in_quotes, bare in _WORD.findall(conninfo):
        if name == "password":
            password = re.sub(r"\\(.)", r"\1", in_quotes or bare)
        elif name not in ("replication", "dbname"):
            words.append("{0}='{1}'".format(name, in_quotes or bare.replace("'", "\\'")))
    return " ".join(words + ["{0}={1}".format(*pair) for pair in settings]), password


def _uri_without_password(uri, settings):
    password = ""
    for pattern, keep in ((_URI_PASSWORD, r"\1@"), (_URI_QUERY_PASSWORD, r"\1")):
        found = pattern.search(uri)
        if found:
            password = _unquoted(found.group(2))
            uri = pattern.sub(keep, uri)
    uri = uri.rstrip("?&")
    added = "&".join("{0}={1}".format(*pair) for pair in settings)
    return uri + ("&" if "?" in uri else "?") + added, password


def _unquoted(text):
    """Undo percent-encoding; urllib has it too, at the price of importing half the library."""
    parts = text.split("%")
    decoded = [parts[0].encode("utf-8")]
    for part in parts[1:]:
        code = part[:2]
        if len(code) == 2 and not code.strip("0123456789abcdefABCDEF"):
            decoded.append(bytes(bytearray([int(code, 16)])) + part[2:].encode("utf-8"))
        else:
            decoded.append(b"%" + part.encode("utf-8"))
    return runner.text(b"".join(decoded))
