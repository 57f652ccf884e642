"""What a rewind needs of the primary: a role that may read its files, and its first checkpoint.

And here, folders for its tablespaces. Source: PostgreSQL manual, pg_rewind, "Notes" and "How It
Works"; CHECKPOINT.
"""

from paf import instance as local
from paf.instance import psql, sql, tablespaces, upstream
from paf.ocf import NotUsable, OcfError

_DATABASE = (("dbname", "postgres"),)
_FIRST_WITH_GRANTS, _FIRST_WITH_CONTROL = 110000, 90600

_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
#: pg_rewind reads the primary's files through these; 11 and later let a role have them.
FUNCTIONS = ("pg_ls_dir(text,boolean,boolean)", "pg_stat_file(text,boolean)",
             "pg_read_binary_file(text)", "pg_read_binary_file(text,bigint,bigint,boolean)")
MAY_NOT = "a rewind needs a role in primary_conninfo that may run pg_rewind"
_GRANTED = "SELECT " + " AND ".join(
    "pg_catalog.has_function_privilege('pg_catalog.{0}', 'execute')".format(function)
    for function in FUNCTIONS)
_SPACES = """SELECT oid::text, pg_catalog.pg_tablespace_location(oid)
  FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) LIKE '/%'"""
_TIMELINE = "SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()"
_ANSWER = 5.0       # seconds for a question
#: How a server, or libpq, says that it does not let the role in.
_REFUSED = ("pg_hba.conf", "authentication", "no password supplied", "does not exist",
            "permission denied")
_SHARE = 0.6        # of the time that is left, for the primary's checkpoint
_LOOK = 1.0         # seconds between two looks at it


def database(instance):
    """Return the (keyword, value) pairs that lead a connection string to SQL at the primary."""
    return _DATABASE + upstream.primary_only(instance)


def _ask(instance, conninfo, text, deadline):
    """Return the runner.Result of a statement at the primary."""
    return psql.there(instance, conninfo, database(instance), text, deadline)


def problem(instance, conninfo, deadline):
    """Return why the role in primary_conninfo cannot run pg_rewind, None if it can.

    None too where the primary cannot be asked: see `check`.
    """
    return _rights(instance, conninfo, deadline)[0]


def check(instance, conninfo, deadline):
    """Raise OcfError unless pg_rewind surely can work with the role in primary_conninfo.

    NotUsable where that may not, or a tablespace has no folder here, which a dry run of pg_rewind
    does not see; a primary that does not answer just now may do so later.
    """
    reason, answered, message = _rights(instance, conninfo, deadline)
    if reason:
        raise NotUsable(reason)
    if not answered:
        kind = NotUsable if any(words in message for words in _REFUSED) else OcfError
        raise kind("a rewind needs SQL at the primary, in the database postgres; the role in "
                   "primary_conninfo got no answer: {0}".format(message or "timeout"))
    result = _ask(instance, conninfo, _SPACES, deadline.within(_ANSWER))
    if result.timed_out or result.status != 0:
        raise OcfError("a rewind needs to know the primary's tablespaces: {0}".format(
            sql.last_words(result.err) or "timeout"))
    reason = tablespaces.problem_of_new(instance, psql.rows(result.out))
    if reason:
        raise NotUsable(reason)


def _rights(instance, conninfo, deadline):
    """Return why the role may not (or None), whether there was an answer, and psql's complaint."""
    granted = local.version(instance) >= _FIRST_WITH_GRANTS
    result = _ask(instance, conninfo, _GRANTED if granted else _SUPERUSER,
                  deadline.within(_ANSWER))
    answer = result.out.strip()
    if answer == "f":
        return (MAY_NOT, True, "")
    return None, answer == "t", sql.last_words(result.err)


def await_checkpoint(instance, conninfo, timeline, deadline):
    """Wait until the primary's control file has the timeline (int) that it is on. Raises OcfError.

    pg_rewind reads it there, and a primary writes it with its first checkpoint, which takes minutes
    by itself. A role that may order one makes it short.
    """
    limit = deadline.within(deadline.remaining * _SHARE)
    modern = local.version(instance) >= _FIRST_WITH_CONTROL

    def written():
        result = _ask(instance, conninfo, _TIMELINE, limit.within(_ANSWER))
        seen[:] = [result.out.strip() or sql.last_words(result.err)]
        return seen[0] == str(timeline)
    seen = []
    if modern and written():
        return
    ordered = _ask(instance, conninfo, "CHECKPOINT", limit)
    if ordered.status == 0 and not ordered.timed_out:
        return
    if not modern:
        raise OcfError("the primary's checkpoint before a rewind failed: {0}".format(
            sql.last_words(ordered.err)))
    if not limit.wait_for(written, longest=_LOOK):
        raise OcfError("a rewind waits for the primary's first checkpoint on timeline {0}, its "
                       "control file has: {1}; run CHECKPOINT there".format(timeline, seen[0]))
