"""What the instance is doing right now: the process first, then SQL, then the files.

Each look is taken only if the one before did not settle the matter: a healthy monitor reads
postmaster.pid and asks one query.
"""

import errno
import os
from collections import namedtuple

from paf import instance as local
from paf.decide import state
from paf.decide.knowledge import Unknown, is_known
from paf.instance import controldata, identity, postmaster, queries, sql
from paf.ocf import OcfError

#: verdict: state.Verdict; control: what is known of the control file (a Fact of
#: controldata.ControlData), None when it was not read; rows: what the query brought besides the
#: role, a list of lists of str; message: why there was no answer, or what could not be found out
#: (str); remark: how the running server differs from the parameters (str).
Sight = namedtuple("Sight", "verdict control rows message remark")

_SIGNALS = ("standby.signal", "recovery.signal", "recovery.conf")
_TRUE, _FALSE = ("t", "true"), ("f", "false")
_HIDDEN = "its role may not see pg_stat_replication, it has to be a member of pg_monitor"
_UP_WORDS = ("ready", "standby")    # of postmaster.pid
_FIRST_WITH_WORD = 100000


def observe(instance, deadline, query=None):
    """Return the Sight of the instance now. query: SQL whose first row is ('me', role, ...)."""
    server = postmaster.find(instance)
    if isinstance(server, Unknown):
        return _unseen(server.reason)
    if server.value is None:
        return _without_postmaster(instance, deadline)
    where = identity.address(instance, server.value)
    answer, rows, message = _ask(instance, server.value, where, deadline, query or queries.role())
    control = found = None
    if answer in (state.NO_LOGIN, state.NOT_ASKED):
        control = controldata.read(instance, deadline)
        found = files(instance)
    observation = state.Observation(state.ALIVE, answer, _control_state(control), found)
    return Sight(state.decide(observation), control, rows, message, where.remark)


def _unseen(reason):
    observation = state.Observation(state.UNSEEN, None, None, None)
    return Sight(state.decide(observation), None, [], reason, "")


def settle(instance, deadline, query=None):
    """Observe until the server is neither starting up nor shutting down, or until the deadline."""
    seen = []

    def settled():
        seen[:] = [observe(instance, deadline, query)]
        return seen[0].verdict.state != state.BUSY
    deadline.wait_for(settled)
    return seen[0]


def ask(look, instance, deadline, query):
    """Return the Sight of a look, `observe` or `settle`, that asks for more than the role.

    query: a function that returns the SQL for a version (int). Where the version cannot be read the
    server is asked for its role alone, and there are no rows: one without standbys would say that
    there are none. Message (str) has the reason then.
    """
    try:
        text = query(local.version(instance))
    except OcfError as error:    # what is no data directory, the look itself reports
        sight = look(instance, deadline)
        message = "for no more than its role: {0}".format(error)
        return sight._replace(rows=[], message=message) if sight.rows else sight
    return look(instance, deadline, text)


def says_role(sight):
    """Return whether the server of a Sight said its role itself: the control file was not read."""
    return sight.control is None and sight.verdict.state in state.UP


def is_certain(sight):
    """Return whether the server or its control file says the role of a Sight that is up.

    Else it is concluded from the files of the data directory, so that a monitor brings no server
    down: not enough to act on.
    """
    return says_role(sight) or is_known(sight.control) and sight.control.value.state in (
        state.IN_PRODUCTION, state.IN_ARCHIVE_RECOVERY)


def shows_primary(instance, sight):
    """Return whether a Sight is surely that of a primary.

    The processes show it where neither the server nor its control file can be asked: bindir may be
    wrong.
    """
    if sight.verdict.state != state.PRIMARY:
        return False
    try:
        return is_certain(sight) or postmaster.has_wal_writer(instance)
    except postmaster.Unseen:
        return False


def is_primary(instance, deadline):
    """Return whether the instance runs as a primary for sure. Asks nothing of a common standby."""
    return files(instance) != state.SIGNAL and shows_primary(instance, observe(instance, deadline))


def _control_state(control):
    if control is None:
        return None
    if isinstance(control, controldata.Damaged):
        return state.UNREADABLE
    return state.UNANSWERED if isinstance(control, Unknown) else control.value.state


def _without_postmaster(instance, deadline):
    try:
        process = state.ORPHANS if postmaster.orphans(instance) else state.DEAD
    except postmaster.Unseen as error:
        return _unseen(str(error))
    control = controldata.read(instance, deadline)
    observation = state.Observation(process, state.NOT_ASKED, _control_state(control),
                                    files(instance))
    return Sight(state.decide(observation), control, [],
                 _strayed(instance, process) or control.reason, "")


def _strayed(instance, process):
    """Return a remark (str) on a server that runs on while its data directory is elsewhere."""
    found = postmaster.strayed(instance) if process == state.ORPHANS else []
    return found and "postmaster {0} runs on in a folder that was {1} when it started".format(
        found[0], instance.parameters.datadir) or ""


def files(instance):
    """Return which of the files that matter the data directory has, one of state.FILES."""
    try:
        if _exists(instance, "backup_label"):
            from paf.instance import backuplabel
            return state.EXCLUSIVE if backuplabel.is_own(instance) else state.LABEL
        if any(_exists(instance, name) for name in _SIGNALS):
            return state.SIGNAL
    except (IOError, OSError):
        return state.HIDDEN
    return state.NEITHER


def _exists(instance, name):
    """Return whether a file exists. Raises OSError where that cannot be found out."""
    try:
        os.stat(local.path(instance, name))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    return True


def _role(answer):
    """Return the role in an sql.Answer, one of state.ANSWERS; None where it has none."""
    words = answer.rows[0] if answer.kind == sql.ROWS and answer.rows else []
    if len(words) < 2 or words[0] != "me":
        return None
    return (state.SAYS_STANDBY if words[1] in _TRUE
            else state.SAYS_PRIMARY if words[1] in _FALSE else None)


def _ask(instance, server, where, deadline, query):
    """Return what the server answers (state.ANSWERS), further rows, and a message."""
    try:
        answer = sql.query(instance, query, deadline, where)
        role = _role(answer)
        if role and queries.hides_standbys(answer.rows):
            return role, [], _HIDDEN
        if role:
            return role, answer.rows, ""
        if answer.kind == sql.TIMED_OUT or deadline.passed:
            return state.SILENT, [], answer.message
        ready = sql.readiness(instance, deadline, where)
        if ready == state.NO_LISTENER and _has_listened(instance, server):
            ready = state.NO_LOGIN    # as where a cleaner of /tmp has removed the socket
    except OcfError as error:    # no psql, no such user: the process is alive anyway
        return state.NOT_ASKED, [], str(error)
    return ready, [], answer.message


def _has_listened(instance, server):
    """Return whether a server, to which nothing leads, says that it is up. Raises OcfError.

    Up to PostgreSQL 9.6 it says where it listens, once it does; whether it is still starting, or
    shutting down, is for its control file to say. Source: PostgreSQL, postmaster.c, PostmasterMain.
    """
    if server.word:
        return server.word in _UP_WORDS
    return bool(server.socket or server.listens) and local.version(instance) < _FIRST_WITH_WORD


def is_streaming(instance, receivers, surely=False):
    """Return whether WAL arrives, surely or perhaps. receivers: their number (str), since 9.6."""
    if receivers == "":
        from paf.instance import receiver
        try:
            return receiver.is_receiving(instance, surely)
        except postmaster.Unseen:
            return not surely
    return receivers != "0"
