"""What the instance is doing right now: the process first, then SQL, then the files.

Each look is taken only if the one before did not settle the matter: a healthy monitor reads
postmaster.pid and asks one query.
"""

import os
from collections import namedtuple

from paf import instance as local
from paf.decide import state
from paf.instance import controldata, postmaster, queries, sql
from paf.ocf import OcfError

#: verdict: state.Verdict; control: controldata.ControlData, None when it was not read or
#: cannot be; rows: what the query brought besides the role, a list of lists of str;
#: message: what the server or psql said when there was no answer.
Sight = namedtuple("Sight", "verdict control rows message")

_SIGNALS = ("standby.signal", "recovery.signal", "recovery.conf")
_TRUE = ("t", "true")


def observe(instance, deadline, query=None):
    """Return the Sight of the instance now. query: SQL whose first row is ('me', role, ...)."""
    server = postmaster.find(instance)
    if server is None:
        return _without_postmaster(instance, deadline)
    answer, rows, message = _ask(instance, server, deadline, query or queries.role())
    control = None
    if answer == state.NO_LOGIN:
        control = controldata.read(instance, deadline)
    found = files(instance) if answer == state.NOT_ASKED else None
    observation = state.Observation(state.ALIVE, answer, _control_state(control), found)
    return Sight(state.decide(observation), control, rows, message)


def settle(instance, deadline, query=None):
    """Observe until the server is neither starting up nor shutting down, or until the deadline."""
    seen = []

    def settled():
        seen[:] = [observe(instance, deadline, query)]
        return seen[0].verdict.state != state.BUSY
    deadline.wait_for(settled)
    return seen[0]


def _control_state(control):
    return state.UNREADABLE if control is None else control.state


def _without_postmaster(instance, deadline):
    process = state.ORPHANS if postmaster.orphans(instance) else state.DEAD
    control = controldata.read(instance, deadline)
    observation = state.Observation(process, state.NOT_ASKED, _control_state(control),
                                    files(instance))
    return Sight(state.decide(observation), control, [], "")


def files(instance):
    """Return which of the relevant files are in the data directory, one of state.FILES."""
    if os.path.exists(local.path(instance, "backup_label")):
        return state.LABEL
    if any(os.path.exists(local.path(instance, name)) for name in _SIGNALS):
        return state.SIGNAL
    return state.NEITHER


def _ask(instance, server, deadline, query):
    """Return what the server answers (state.ANSWERS), further rows, and a message."""
    if server.port not in (None, 0, instance.parameters.pgport):
        return state.NO_LISTENER, [], "the instance listens on port {0}, but pgport is {1}".format(
            server.port, instance.parameters.pgport)
    try:
        answer = sql.query(instance, query, deadline)
        if answer.kind == sql.ROWS and answer.rows and answer.rows[0][0] == "me":
            in_recovery = answer.rows[0][1] in _TRUE
            return (state.SAYS_STANDBY if in_recovery else state.SAYS_PRIMARY), answer.rows, ""
        if answer.kind == sql.TIMED_OUT or deadline.passed:
            return state.SILENT, [], answer.message
        return sql.readiness(instance, deadline), [], answer.message
    except OcfError as error:    # no psql, no such user: the process is alive anyway
        return state.NOT_ASKED, [], str(error)
