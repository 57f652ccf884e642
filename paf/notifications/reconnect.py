"""reconnect: a standby finds the new primary as soon as its address is there. Not an OCF action.

Clients of a synchronous cluster wait for that. A WAL receiver that connects before the address has
moved has sent a packet that nothing answers, and TCP repeats it a second later. Ended as soon as
there would be an answer, the next one starts after wal_retrieve_retry_interval, counted from the
attempt before. Started by post_promote, as a daemon. Source: PostgreSQL's xlogrecovery.c,
WaitForWALToBecomeAvailable.
"""

from paf import ocf, signals
from paf.instance import connecting, postmaster, queries, receiver, sql

#: Seconds for which a standby may look for the primary, between looks, and for one probe.
_PATIENCE, _STEP, _PROBE = 10.0, 0.1, 0.1
#: Seconds in which a WAL receiver that post_promote has ended may still have its title.
_OLD_TITLE = 0.5
#: With a longer interval (ms) TCP's second attempt comes before the server's next one.
_SHORT = 800


def run(context):
    """End a WAL receiver that waits in vain, once; return SUCCESS. Raises nothing.

    What cannot be seen or asked ends the help: the standby connects all the same, a second later.
    """
    search = _Search(context)
    try:
        context.deadline.within(_PATIENCE).wait_for(search.is_over, longest=_STEP)
    except (ocf.OcfError, EnvironmentError) as error:
        context.log.info("this standby's next connection is not helped: {0}".format(error))
    return ocf.SUCCESS


class _Search(object):
    """What this standby's WAL receivers wait for, from look to look."""

    def __init__(self, context):
        self._context = context
        self._settled = context.deadline.within(_OLD_TITLE)
        self._seen = {}
        self._has_a_use = None

    def is_over(self):
        """Look; return whether there is nothing more to do. Raises OcfError, EnvironmentError."""
        found = receiver.activities(self._context.instance)
        if self._settled.passed and receiver.are_streaming(found):
            return True
        before, self._seen = self._seen, dict((pid, connecting.unanswered(pid)) for pid in found)
        # two looks: its own packet left before the probe
        waits = [(pid, peer) for pid in sorted(found)
                 for peer in self._seen[pid] & before.get(pid, set())]
        if waits and self._has_a_use is None:
            self._has_a_use = self._retries_soon()
        if self._has_a_use is False:
            return True
        return any(self._end(pid, peer) for pid, peer in waits)

    def _end(self, pid, peer):
        """End a WAL receiver that would get an answer now; return whether it was ended."""
        if not connecting.answers(peer, _PROBE) or peer not in connecting.unanswered(pid):
            return False
        postmaster.send(pid, signals.SIGTERM)
        self._context.log.info("{0} answers now: the WAL receiver that waited for it is ended, "
                               "and connects again".format(peer.address))
        return True

    def _retries_soon(self):
        """Return whether the server tries again soon, with nothing before; False if not known."""
        answer = sql.query(self._context.instance, queries.retry_interval(),
                           self._context.deadline.within(_PATIENCE))
        if answer.kind != sql.ROWS or len(answer.rows) != 1:
            return False
        word = answer.rows[0][0]
        return ocf.is_number(word) and int(word) <= _SHORT
