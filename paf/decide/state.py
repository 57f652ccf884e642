"""From what was observed to the state of the instance: one table. Pure.

A dead process overrides everything, an answer to SQL overrides the control file, and the control
file shows what a dead instance was. What could not be found out is a value of its own: it is never
"no process", and never "damaged". Control states: PostgreSQL's DBState, in the words of
pg_controldata.
"""

from collections import namedtuple

from paf import ocf

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Any  # novm # noqa: F401

# The instance's processes
ALIVE = "postmaster alive"
ORPHANS = "backends without postmaster"
DEAD = "no process"
UNSEEN = "could not be found out"
PROCESSES = (ALIVE, ORPHANS, DEAD, UNSEEN)

# What it answers to SQL
SAYS_PRIMARY = "not in recovery"
SAYS_STANDBY = "in recovery"
REJECTS = "starts up or shuts down"
NO_LOGIN = "accepts connections, but not ours"
SILENT = "no answer in time"
NO_LISTENER = "nothing listens"
NOT_ASKED = "not asked"
ANSWERS = (SAYS_PRIMARY, SAYS_STANDBY, REJECTS, NO_LOGIN, SILENT, NO_LISTENER, NOT_ASKED)

# What the control file says
STARTING_UP = "starting up"
SHUT_DOWN = "shut down"
SHUT_DOWN_IN_RECOVERY = "shut down in recovery"
SHUTTING_DOWN = "shutting down"
IN_CRASH_RECOVERY = "in crash recovery"
IN_ARCHIVE_RECOVERY = "in archive recovery"
IN_PRODUCTION = "in production"
UNREADABLE = "damaged or missing"
UNANSWERED = "pg_controldata gave no answer"
NO_CONTROL_STATES = (UNREADABLE, UNANSWERED)
CONTROL_STATES = (STARTING_UP, SHUT_DOWN, SHUT_DOWN_IN_RECOVERY, SHUTTING_DOWN, IN_CRASH_RECOVERY,
                  IN_ARCHIVE_RECOVERY, IN_PRODUCTION) + NO_CONTROL_STATES

# Which files are in the data directory
LABEL = "backup_label"
EXCLUSIVE = "backup_label of an exclusive backup"    # up to PostgreSQL 14
SIGNAL = "standby.signal or recovery.conf"
NEITHER = "neither"
HIDDEN = "could not be looked for"
FILES = (LABEL, EXCLUSIVE, SIGNAL, NEITHER, HIDDEN)

# The states
PRIMARY = "primary"
STANDBY = "standby"
BUSY = "starting up or shutting down"
HUNG = "not answering"
UNKNOWN = "unknown"
ORPHANED_PRIMARY = "crashed primary with backends left"
ORPHANED_STANDBY = "crashed standby with backends left"
CRASHED_PRIMARY = "crashed primary"
CRASHED_STANDBY = "crashed standby"
STOPPED_PRIMARY = "stopped primary"
STOPPED_STANDBY = "stopped standby"
RESTORED = "restored base backup"
IN_BACKUP = "crashed primary or restored base backup"
DAMAGED = "damaged data directory"
UNEXAMINED = "stopped, its last state is unknown"

#: What is observed: one of PROCESSES, ANSWERS, CONTROL_STATES and FILES each. What was not
#: looked at, because something stronger had settled the matter, is None and fits any row.
Observation = namedtuple("Observation", "process answer control files")

#: A state and the reason for it, both str.
Verdict = namedtuple("Verdict", "state why")

_ANY = None
_TRANSITIONAL = (STARTING_UP, SHUTTING_DOWN, IN_CRASH_RECOVERY)
_NOT_IN_SERVICE = (SHUT_DOWN, SHUT_DOWN_IN_RECOVERY) + _TRANSITIONAL
_NOT_DECISIVE = _NOT_IN_SERVICE + NO_CONTROL_STATES
_RECOVERY = (IN_ARCHIVE_RECOVERY, SHUT_DOWN_IN_RECOVERY)
_WAS_PRIMARY = (IN_PRODUCTION, SHUT_DOWN)
_LABELS = (LABEL, EXCLUSIVE)
_UNSIGNALLED = _LABELS + (NEITHER,)
_LOOKED = (SIGNAL, NEITHER)

# process, SQL answer, control state, files -> state, why
TABLE = (
    (ALIVE, SAYS_PRIMARY, _ANY, _ANY, PRIMARY, "the server says that it is not in recovery"),
    (ALIVE, SAYS_STANDBY, _ANY, _ANY, STANDBY, "the server says that it is in recovery"),
    (ALIVE, REJECTS, _ANY, _ANY, BUSY, "the server is starting up or shutting down"),
    (ALIVE, NO_LISTENER, _ANY, _ANY, BUSY, "the postmaster runs but does not listen (yet)"),
    (ALIVE, SILENT, _ANY, _ANY, HUNG, "the server runs but does not answer in time"),
    # a wrong bindir or user must not bring a running server down
    (ALIVE, (NOT_ASKED, NO_LOGIN), IN_PRODUCTION, _ANY, PRIMARY, "the server runs and could not be "
     "asked, and its control file says \"in production\""),
    (ALIVE, (NOT_ASKED, NO_LOGIN), IN_ARCHIVE_RECOVERY, _ANY, STANDBY, "the server runs and could "
     "not be asked, and its control file says \"in archive recovery\""),
    (ALIVE, NO_LOGIN, _NOT_IN_SERVICE, _ANY, BUSY, "the server takes connections, and its control "
     "file says that it is starting up or shutting down"),
    (ALIVE, NOT_ASKED, _NOT_DECISIVE, SIGNAL, STANDBY, "the server runs, neither it nor its "
     "control file could be asked, and its data directory is a standby's"),
    (ALIVE, NOT_ASKED, _NOT_DECISIVE, _UNSIGNALLED, PRIMARY, "the server runs, neither it nor its "
     "control file could be asked, and its data directory is no standby's"),
    (ALIVE, NO_LOGIN, NO_CONTROL_STATES, SIGNAL, STANDBY, "the server takes connections, neither "
     "it nor its control file could be asked, and its data directory is a standby's"),
    (ALIVE, NO_LOGIN, NO_CONTROL_STATES, _UNSIGNALLED, PRIMARY, "the server takes connections, "
     "neither it nor its control file could be asked, and its data directory is no standby's"),
    (ALIVE, NOT_ASKED, _NOT_DECISIVE, HIDDEN, UNKNOWN, "the server runs, and neither it, its "
     "control file nor its data directory could be asked for its role"),
    (ALIVE, NO_LOGIN, NO_CONTROL_STATES, HIDDEN, UNKNOWN, "the server takes connections, and "
     "neither it, its control file nor its data directory could be asked for its role"),
    (UNSEEN, _ANY, _ANY, _ANY, UNKNOWN, "it could not be found out whether PostgreSQL runs"),

    (ORPHANS, _ANY, _WAS_PRIMARY, _ANY, ORPHANED_PRIMARY, "the postmaster of a primary is gone, "
     "but some of its processes are not"),
    (ORPHANS, _ANY, _RECOVERY, _ANY, ORPHANED_STANDBY, "the postmaster of a standby is gone, but "
     "some of its processes are not"),
    (ORPHANS, _ANY, _TRANSITIONAL, SIGNAL, ORPHANED_STANDBY, "the postmaster of a standby is "
     "gone, but some of its processes are not"),
    (ORPHANS, _ANY, _TRANSITIONAL, _UNSIGNALLED + (HIDDEN,), ORPHANED_PRIMARY, "the postmaster of "
     "a primary is gone, but some of its processes are not"),
    (ORPHANS, _ANY, NO_CONTROL_STATES, _ANY, ORPHANED_PRIMARY, "the postmaster is gone, some of "
     "its processes are not, and the control file cannot be read: nothing says that it is no "
     "primary"),

    (DEAD, _ANY, UNREADABLE, _ANY, DAMAGED, "the control file is damaged or missing"),
    (DEAD, _ANY, UNANSWERED, _ANY, UNEXAMINED, "no process is left, and pg_controldata gave no "
     "answer"),
    (DEAD, _ANY, SHUT_DOWN, _LOOKED, STOPPED_PRIMARY, "it was shut down cleanly as a "
     "primary"),
    (DEAD, _ANY, SHUT_DOWN_IN_RECOVERY, _LOOKED, STOPPED_STANDBY, "it was shut down "
     "cleanly as a standby"),
    (DEAD, _ANY, IN_PRODUCTION, _LOOKED, CRASHED_PRIMARY, "no process is left, and the "
     "control file says \"in production\""),
    (DEAD, _ANY, IN_ARCHIVE_RECOVERY, _LOOKED, CRASHED_STANDBY, "no process is left, "
     "and the control file says \"in archive recovery\""),
    (DEAD, _ANY, _TRANSITIONAL, SIGNAL, CRASHED_STANDBY, "no process is left of a standby that "
     "was starting up or shutting down"),
    (DEAD, _ANY, _TRANSITIONAL, NEITHER, CRASHED_PRIMARY, "no process is left of a primary that "
     "was starting up or shutting down"),
    # a base backup's control file is a copy of its primary's
    (DEAD, _ANY, (IN_PRODUCTION, SHUTTING_DOWN), LABEL, RESTORED, "a backup_label is there: a base "
     "backup that has not been started yet"),
    # a primary has one as well, while such a backup is made of it
    (DEAD, _ANY, (IN_PRODUCTION, SHUTTING_DOWN), EXCLUSIVE, IN_BACKUP, "no process is left, and "
     "the backup_label of an exclusive backup is there"),
    (DEAD, _ANY, (SHUT_DOWN, SHUT_DOWN_IN_RECOVERY, IN_ARCHIVE_RECOVERY, STARTING_UP,
                  IN_CRASH_RECOVERY), _LABELS, RESTORED, "a backup_label is there: a base backup "
     "that has not been started yet"),
    (DEAD, _ANY, (SHUT_DOWN, SHUT_DOWN_IN_RECOVERY, IN_PRODUCTION, IN_ARCHIVE_RECOVERY)
     + _TRANSITIONAL, HIDDEN, UNEXAMINED, "no process is left, and its data directory could not be "
     "looked into"),
)

#: state -> exit status of a probe, exit status of a recurring monitor. A dead instance is
#: stopped to a probe; to a monitor, a dead primary is a failed one, so that Pacemaker
#: recovers it (OCF has no "failed standby").
MONITOR_CODES = {
    PRIMARY: (ocf.RUNNING_PROMOTED, ocf.RUNNING_PROMOTED),
    STANDBY: (ocf.SUCCESS, ocf.SUCCESS),
    BUSY: (ocf.ERR_GENERIC, ocf.ERR_GENERIC),
    HUNG: (ocf.ERR_GENERIC, ocf.ERR_GENERIC),
    UNKNOWN: (ocf.ERR_GENERIC, ocf.ERR_GENERIC),
    ORPHANED_PRIMARY: (ocf.FAILED_PROMOTED, ocf.FAILED_PROMOTED),
    ORPHANED_STANDBY: (ocf.ERR_GENERIC, ocf.ERR_GENERIC),
    CRASHED_PRIMARY: (ocf.NOT_RUNNING, ocf.FAILED_PROMOTED),
    CRASHED_STANDBY: (ocf.NOT_RUNNING, ocf.ERR_GENERIC),
    STOPPED_PRIMARY: (ocf.NOT_RUNNING, ocf.NOT_RUNNING),
    STOPPED_STANDBY: (ocf.NOT_RUNNING, ocf.NOT_RUNNING),
    RESTORED: (ocf.NOT_RUNNING, ocf.NOT_RUNNING),
    IN_BACKUP: (ocf.NOT_RUNNING, ocf.FAILED_PROMOTED),
    DAMAGED: (ocf.NOT_RUNNING, ocf.ERR_GENERIC),
    UNEXAMINED: (ocf.NOT_RUNNING, ocf.ERR_GENERIC),
}

#: No process at all: stop has nothing to do.
DOWN = (CRASHED_PRIMARY, CRASHED_STANDBY, STOPPED_PRIMARY, STOPPED_STANDBY, RESTORED,
        IN_BACKUP, DAMAGED, UNEXAMINED)

#: Accepts connections in a known role.
UP = (PRIMARY, STANDBY)


def decide(observation):
    # type: (Observation) -> Verdict
    """Return the Verdict on an Observation. Raises LookupError for what the table lacks."""
    for row in matching(observation):
        return Verdict(row[4], row[5])
    raise LookupError("no state for {0!r}".format(observation))


def matching(observation):
    # type: (Observation) -> list[tuple[Any, ...]]
    """Return the rows of TABLE that an Observation fits, in order; one, if it is complete."""
    return [row for row in TABLE if all(_fits(cell, seen) for cell, seen in
                                        zip(row[:4], observation))]


def _fits(cell, seen):
    # type: (object, str | None) -> bool
    if cell is _ANY or seen is None:
        return True
    return seen in cell if isinstance(cell, tuple) else seen == cell
