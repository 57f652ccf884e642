"""Questions to the local server, through psql run as the instance's owner.

The client's surroundings are hermetic: no psqlrc, no PG* variables of the caller, no locale.
Source: PostgreSQL manual, psql (exit status), libpq (environment variables).
"""

from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.decide import state
from paf.instance import identity, psql

#: kind: one of the kinds below; rows: a list of lists of str; message: what psql said, str.
Answer = namedtuple("Answer", "kind rows message")

ROWS = "rows"
REFUSED = "SQL error"
NO_CONNECTION = "no connection"
TIMED_OUT = "timed out"

_PSQL_NO_CONNECTION = 2
#: What log_line_prefix puts before a message, up to its severity.
_PREFIX = r"^.*?\b(?:FATAL|ERROR|PANIC|LOG|HINT|DETAIL):\s+"
_LEAST_CONNECT_TIMEOUT = 2    # seconds; libpq takes 1 for 2

#: The agent's sessions are read-only, so no monitor writes or waits for a synchronous standby. They
#: have the rights of their role, whatever ALTER ROLE ... SET role says.
_SESSION = "-c default_transaction_read_only=on -c role=none -c statement_timeout={0}"
_NO_WAIT = " -c synchronous_commit=local"

#: pg_isready's exit status -> the answer. A server that accepts connections may
#: still refuse ours: no slot left, a role that may not log in.
_READINESS = {0: state.NO_LOGIN, 1: state.REJECTS, 2: state.NO_LISTENER}


def query(instance, text, deadline, where=None, no_wait=True):
    """Run one SQL statement and return the Answer. Raises OcfError if psql cannot be started.

    where: identity.Address of the server, found out when not given; no_wait: whether the session
    has a synchronous_commit of its own. Without it, current_setting() has the server's.
    """
    client = _client(instance, deadline, where)
    if no_wait:
        client["PGOPTIONS"] += _NO_WAIT
    return _answer(psql.here(instance, text, deadline, client))


def _answer(result):
    if result.timed_out:
        return Answer(TIMED_OUT, [], "psql did not end in time")
    if result.status == 0:
        return Answer(ROWS, psql.rows(result.out), "")
    kind = NO_CONNECTION if result.status == _PSQL_NO_CONNECTION else REFUSED
    return Answer(kind, [], last_words(result.err))


# Lines that give no cause; where the log is ("Future log output...") does
_SMALL_TALK = ("redirecting log output", "could not start server", "Examine the log output",
               "another server might be running", "skipping missing configuration file")


def last_words(text):
    """Return what a PostgreSQL program complained of, on one line: FATAL and ERROR before all.

    Of errors in the configuration, the first line before FATAL names the setting.
    """
    import re
    lines = [line.strip() for line in text.splitlines()
             if line.strip() and not any(word in line for word in _SMALL_TALK)]
    serious = [line for line in lines if "FATAL:" in line or "ERROR:" in line or "PANIC:" in line]
    if serious and serious[-1].endswith("contains errors"):
        serious = lines[:1]
    return "; ".join(re.sub(_PREFIX, "", line) for line in (serious or lines)[-2:])


def session(deadline):
    """Return the options (str) of a session that only reads, and ends with the deadline."""
    return _SESSION.format(max(1, int(deadline.remaining * 1000)))


def _client(instance, deadline, where):
    where = where or identity.address(instance)
    return {
        "PGHOST": where.host,
        "PGPORT": str(where.port),
        "PGDATABASE": "postgres",
        "PGAPPNAME": "pgsqlms",
        # later than the deadline: no answer must be distinguished from a refusal
        "PGCONNECT_TIMEOUT": str(_LEAST_CONNECT_TIMEOUT + int(deadline.remaining)),
        "PGOPTIONS": session(deadline),
    }


def readiness(instance, deadline, where=None):
    """Return what pg_isready finds, one of state.ANSWERS: SQL did not bring an answer.

    Its exit status needs no understanding of messages in the server's language.
    """
    result = runner.run(
        [local.program(instance, "pg_isready"), "-q", "-d", "postgres",
         "-t", str(max(1, int(deadline.remaining)))],
        deadline, user=local.owner(instance), env=_client(instance, deadline, where))
    if result.timed_out:
        return state.SILENT
    return _READINESS.get(result.status, state.NOT_ASKED)
