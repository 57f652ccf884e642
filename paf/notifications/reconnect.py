"""reconnect: a standby finds the new primary as soon as its address is there. Not an OCF action.

Clients of a synchronous cluster wait for that. A WAL receiver that connects before the address has
moved has sent a packet that nothing answers, and TCP repeats it a second later. Ended as soon as
there would be an answer, the next one starts after wal_retrieve_retry_interval, counted from the
attempt before. Started by post_promote, as a daemon. Source: PostgreSQL's xlogrecovery.c,
WaitForWALToBecomeAvailable.
"""

from paf import instance as local
from paf import ocf, signals
from paf.instance import connecting, postmaster, queries, receiver, sql, standby_mode

#: Seconds for which a standby may look for the primary, between looks, for a probe, for an answer.
_PATIENCE, _STEP, _PROBE, _ANSWER = 10.0, 0.1, 0.1, 2.0
#: Seconds in which a WAL receiver that post_promote has ended may still have its title.
_OLD_TITLE = 0.5
#: With a longer interval (ms) TCP's second attempt comes before the server's next one, or with it.
_SHORT = 800


def run(context):
    """End a WAL receiver that waits in vain, once; return SUCCESS. Raises nothing.

    What cannot be seen or asked ends the help: the standby connects all the same, a second later.
    """
    try:
        # before, SQL does not show restore_command
        if local.version(context.instance) >= standby_mode.FIRST_WITH_SIGNAL:
            search = _Search(context)
            search.deadline.wait_for(search.is_over, longest=_STEP)
    except (ocf.OcfError, EnvironmentError) as error:
        context.log.info("this standby's next connection is not helped: {0}".format(error))
    return ocf.SUCCESS


class _Search(object):
    """A WAL receiver that has a connection without an answer."""

    def __init__(self, context):
        self._context = context
        self.deadline = context.deadline.within(_PATIENCE)
        self._settled = self.deadline.within(_OLD_TITLE)
        self._is_asked = False

    def is_over(self):
        """Look; return whether there is nothing more to do. Raises OcfError, EnvironmentError."""
        found = receiver.activities(self._context.instance)
        if self._settled.passed and receiver.are_streaming(found):
            return True
        if self._settled.passed and not self._is_asked:
            self._is_asked = True
            if not self._is_of_use():
                return True
        # one that connects has no activity in its title, in any version; a client's backend has
        waits = [(pid, peer) for pid in sorted(found) if not found[pid]
                 for peer in connecting.unanswered(pid)]
        return any(self._is_helped(pid, peer) for pid, peer in waits)

    def _is_helped(self, pid, peer):
        """End a WAL receiver that would get an answer now; return whether the search is over."""
        if not connecting.answers(peer, _PROBE) or peer not in connecting.unanswered(pid):
            return False
        if not self._is_of_use():
            return True
        # its own packet left before the probe: it may have its answer as well by now
        if self.deadline.passed or peer not in connecting.unanswered(pid):
            return False
        postmaster.send(pid, signals.SIGTERM)
        self._context.log.info("{0} answers now: the WAL receiver that waited for it is ended, "
                               "and connects again".format(peer.address))
        return True

    def _is_of_use(self):
        """Return whether the server would start another one soon; False if not known."""
        answer = sql.query(self._context.instance, queries.retry_interval(),
                           self.deadline.within(_ANSWER))
        if answer.kind != sql.ROWS or len(answer.rows) != 1:
            return False
        word = answer.rows[0][0]
        return ocf.is_number(word) and int(word) <= _SHORT
