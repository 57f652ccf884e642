"""reconnect: a standby finds the new primary as soon as its address is there. Not an OCF action.

Clients of a synchronous cluster wait for that. A WAL receiver that connects before the address has
moved has sent a packet that nothing answers, and TCP repeats it a second later. Ended as soon as
there would be an answer, the next one starts after wal_retrieve_retry_interval, counted from the
attempt before. Started by post_promote, as a daemon. Source: PostgreSQL's xlogrecovery.c,
WaitForWALToBecomeAvailable.
"""

from paf import ocf, signals
from paf.instance import connecting, postmaster, queries, receiver, sql

#: Seconds for which a standby may look for the primary, and that one connection is waited for.
_PATIENCE, _PROBE = 10.0, 0.1
#: With a longer interval (ms) TCP's second attempt comes before the server's next one.
_SHORT = 800


def run(context):
    """End a WAL receiver that waits in vain, once; return SUCCESS. Raises OcfError, OSError."""
    patience = context.deadline.within(_PATIENCE)
    if not _retries_soon(context, patience):
        return ocf.SUCCESS
    seen = {}

    def is_done():
        if receiver.is_receiving(context.instance, surely=True):
            return True
        before = dict(seen)
        seen.clear()
        seen.update(receiver.unanswered(context.instance))
        for pid in sorted(seen):
            for peer in seen[pid] & before.get(pid, set()):
                # its own packet left before: it may have its answer as well by now
                if connecting.answers(peer, _PROBE) and peer in connecting.unanswered(pid):
                    postmaster.send(pid, signals.SIGTERM)
                    context.log.info("{0} answers now: the WAL receiver that waited for it is "
                                     "ended, and connects again".format(peer.address))
                    return True
        return False
    patience.wait_for(is_done)
    return ocf.SUCCESS


def _retries_soon(context, deadline):
    """Return whether the server tries again soon; False if not known."""
    answer = sql.query(context.instance, queries.retry_interval(), deadline)
    if answer.kind != sql.ROWS or len(answer.rows) != 1:    # none up to 9.4: it takes 5 s there
        return False
    word = answer.rows[0][0]
    return ocf.is_number(word) and int(word) <= _SHORT
