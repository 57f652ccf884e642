"""Has the instance written WAL that the acting primary never had?"""

from collections import namedtuple

from paf import history, wal
from paf.instance import controldata, settings, upstream, waldump

#: The instance is off the primary's history: reason (str) for people; fork (int LSN or None)
#: and excess (int bytes or None): what exists only here.
Divergence = namedtuple("Divergence", "reason fork excess")

_ADVICE = "rebuild it or run pg_rewind"


def find(instance, deadline):
    """Return the Divergence from the primary that primary_conninfo leads to; None without one.

    None too where nobody can be asked: a standby on its own is no divergence. Raises OcfError
    when this node itself has no means to find out.
    """
    conninfo = settings.conninfo(instance, deadline)
    primary = upstream.ask(instance, conninfo, deadline)
    control = controldata.read(instance, deadline)
    if primary is None or control is None:
        return None
    if primary.system_identifier != control.system_identifier:
        return Divergence("another cluster's data: system identifier {0}, the primary has "
                          "{1}; rebuild it from the primary".format(
                              control.system_identifier, primary.system_identifier), None, None)
    position = controldata.lower_bound(control)
    relation = history.relation(position.timeline, primary.timeline, primary.switches)
    if relation.kind == history.SAME:
        return None
    if relation.kind == history.STRANGER:
        return Divergence("diverged: timeline {0} is not in the history of the primary's "
                          "timeline {1}; {2}".format(
                              position.timeline, primary.timeline, _ADVICE), None, None)
    return _past_the_fork(instance, control, relation.fork, primary.timeline, deadline)


def _past_the_fork(instance, control, fork, timeline, deadline):
    """Compare the end of the local WAL with the LSN at which the primary left its timeline."""
    position = controldata.lower_bound(control)
    fork_here = wal.Position(position.timeline, fork)
    size = control.segment_size
    if position.lsn <= fork and not waldump.has_record_at(instance, fork_here, size, deadline):
        return None
    end = max(position.lsn, waldump.end(instance, fork_here, size, deadline))
    return Divergence(
        "diverged: {0} bytes of WAL after {1} (start of timeline {2}) exist only here; "
        "{3}".format(end - fork, wal.format_lsn(fork), timeline, _ADVICE), fork, end - fork)
