"""WAL that the target of a switchover has still to replay, which its promotion waits for."""

from paf.cli.common import complain
from paf.cli.status import report_text, status
from paf.deadline import monotonic
from paf.decide import wal

#: Of WAL that the target has still to replay, less than this (bytes) is not worth a word: seconds.
_BACKLOG = 64 << 20


def _backlog(report, target):
    """Return how many bytes `target` has not replayed; 0 if not known, which `plan` shows."""
    return _row(report, target).get("lag_bytes") or 0


def _row(report, target):
    """Return what a report has of a node, {} if nothing."""
    return dict((node["node"], node) for node in report["nodes"]).get(target, {})


def warn(pacemaker, report, target):
    """Warn of a target that has much to replay, after a second look. Raises Problem."""
    if _backlog(report, target) >= _BACKLOG:
        begin = monotonic()
        later = status.look(report["resource"], pacemaker)
        for line in words(report, later, target, monotonic() - begin):
            complain(line)


def _replayed(report, target):
    """Return up to where `target` has replayed (int, bytes from 0/0), None if not known."""
    found = _row(report, target).get("replayed")
    return None if found is None else wal.parse_lsn(found)


def words(report, later, target, elapsed):
    """Yield how long a promotion has to wait until `target` has replayed what it lacks; pure.

    report, later: two looks of paf status, `elapsed` seconds apart; they show how fast it replays.
    Source: PostgreSQL manual, pg_promote: a standby first replays all that it has received.
    """
    left = _row(later, target).get("lag_bytes")
    if left is None:    # not known now: it was much just before
        left = _backlog(report, target)
    if left < _BACKLOG:
        return
    before, after = (_replayed(seen, target) for seen in (report, later))
    begin = "{0} has {1} of WAL still to replay, and no client can write until it has: ".format(
        target, report_text.size(left))
    if before is None or after is None or elapsed <= 0:
        yield begin + "how fast it replays is not known"
    elif after <= before:
        yield begin + "in {0:.1f} s it has replayed nothing".format(elapsed)
    else:
        speed = (after - before) / float(elapsed)
        yield begin + "about {0:.0f} s, at {1} a second as now; wait until it is less".format(
            max(1.0, left / speed), report_text.size(int(speed)))
