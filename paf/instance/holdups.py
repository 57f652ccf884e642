"""What holds a promotion up, and how that is ended.

A server that is promoted replays first what it has received. Where a session of this standby is in
the way, the startup process waits for as long as max_standby_streaming_delay says: with -1 until
that session ends, which may be never. The session would be ended by a shorter delay as well. A
process that was stopped (SIGSTOP) replays nothing, and up to PostgreSQL 12 neither does a server
whose replay an administrator has paused. Source: PostgreSQL manual, "Handling Query Conflicts",
"Recovery Control Functions"; its WaitOnLock and ResolveRecoveryConflictWithVirtualXIDs, which show
it in the title.
"""

from paf import instance as local
from paf.instance import postmaster, proc, queries, shutdown, sql
from paf.ocf import OcfError

_STEP = 2.0        # seconds between two looks, and before the first
_SOON = 0.25       # seconds until the next look where sessions were ended: others may come
#: The share of the time after which replay is taken to wait where titles do not say so.
_LATE = 0.5
_PATIENCE = 5.0    # seconds for the server to end sessions
_STARTUP, _WAITS = "startup", " waiting"
#: How its title ends with update_process_title=off, and no client's does; the second up to 10.
_SILENT = (": startup", ": startup process")


def resume(instance, deadline, log):
    """Resume a replay that was paused, where no promotion would come about. Raises nothing."""
    try:
        command = queries.resume(local.version(instance))
        answer = command and sql.query(instance, command, deadline.within(_PATIENCE))
    except OcfError as error:
        log.info("whether replay is paused is not known: {0}".format(error))
        return
    if answer and answer.kind != sql.ROWS:
        log.info("whether replay is paused is not known: {0}".format(answer.message))
    elif answer and answer.rows:
        log.warning("replay was paused: it is resumed, as the promotion waits for it")


class HoldUps(object):
    """One promotion that is waited for. deadline: the action's; log: log.Log."""

    def __init__(self, instance, deadline, log):
        self._instance, self._deadline, self._log = instance, deadline, log
        self._next, self._late = deadline.within(_STEP), deadline.within(deadline.remaining * _LATE)

    def end(self):
        """Look once in a while, and end what is in the way. Raises nothing: it may end by itself.

        Called for each look at the server.
        """
        if not self._next.passed or self._deadline.passed:
            return
        self._next = self._deadline.within(_STEP)
        try:
            pids = postmaster.processes(self._instance)
            shutdown.wake(pids)
            titles = [postmaster.title(pid) for pid in pids]
            if any(_waits(text) or self._late.passed and text.endswith(_SILENT)
                   for text in titles) and self._end_sessions():
                self._next = self._deadline.within(_SOON)
        except (OcfError, EnvironmentError) as error:
            self._log.info("the promotion is not helped on: {0}".format(error))

    def _end_sessions(self):
        """End sessions with an open transaction; return whether there were any."""
        answer = sql.query(self._instance, queries.end_transactions(),
                           self._deadline.within(_PATIENCE))
        if answer.kind != sql.ROWS:
            self._log.warning("sessions hold the replay up that the promotion waits for, and "
                              "cannot be ended: {0}".format(answer.message))
        elif answer.rows:
            self._log.warning("the promotion waited for replay, which sessions held up: {0} with "
                              "an open transaction ended".format(len(answer.rows)))
        return answer.kind == sql.ROWS and bool(answer.rows)


def _waits(title):
    """Return whether a process is the startup process, and waits for others, by its title."""
    return proc.does(title, _STARTUP) and title.endswith(_WAITS)
