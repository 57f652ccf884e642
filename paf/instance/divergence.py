"""Has the instance written WAL that the acting primary never had?"""

import errno
import os
from collections import namedtuple

from paf import runner
from paf.decide import timelines, wal
from paf.decide.knowledge import Known, Unknown, is_known
from paf import instance as local
from paf.instance import controldata, settings, upstream, waldump, walfiles
from paf.ocf import OcfError

#: The instance is off the primary's history: what (str) says how, for people; common: whether both
#: once were one, and pg_rewind leads back; upstream: upstream.Upstream. Where the fork is known,
#: else None: fork and end (wal.Position) of what exists only here; fork alone, on the primary's
#: timeline, of one that is on a later one. size: bytes of a segment.
Divergence = namedtuple("Divergence", "what common upstream fork end size")

_ADVICE = "rebuild it or run pg_rewind"


def reason(found, more=""):
    """Return the Divergence as people read it; more: what else is known of it (str)."""
    return "{0}{1}; {2}".format(found.what, ", " + more if more else "",
                                _ADVICE if found.common else "rebuild it from the primary")


def fact(instance, deadline, acting=None):
    """Return the Fact of the Divergence from the primary that primary_conninfo leads to.

    Known(None): there is none. Unknown where no primary can be asked: a standby on its own is no
    divergence, and one whose upstream may be behind proves nothing. acting: as in `look`. Raises
    OcfError when this node itself has no means to find out.
    """
    return look(instance, settings.conninfo(instance, deadline), deadline, acting)


def look(instance, conninfo, deadline, acting=None):
    """Return the Fact of the Divergence from the primary that conninfo (str) leads to.

    acting: function that returns the timeline (int) which Pacemaker's primary says it is on, None
    where that is not known. Who answers on an earlier timeline than this instance's may be any
    server; if it is that primary, this instance was promoted by something else, or followed such
    a one. Known(None): there is no Divergence. Raises OcfError, see `fact`.
    """
    primary = upstream.ask(instance, conninfo, deadline)
    control = controldata.read(instance, deadline)
    for fact in (primary, control):
        if not is_known(fact):
            return Unknown(fact.reason)
    timeline = newest(instance, control.value)
    if primary.value.system_identifier == control.value.system_identifier:
        if primary.value.timeline < timeline and (
                acting is None or acting() != primary.value.timeline):
            return Unknown("who answers is on timeline {0}, and this instance on {1}".format(
                primary.value.timeline, timeline))
        missing = walfiles.missing(instance, control.value)
        if missing:
            return Unknown(missing)
    return Known(_compare(instance, primary.value, control.value, timeline, deadline))


def newest(instance, control):
    """Return the newest timeline (int) of an instance; control: controldata.ControlData."""
    # a primary that crashed before its first checkpoint: only its WAL shows its timeline
    return max(controldata.lower_bound(control).timeline,
               walfiles.look(instance).newest_timeline)


def _compare(instance, primary, control, timeline, deadline):
    """Return the Divergence of an instance on a timeline (int), None without one."""
    if primary.system_identifier != control.system_identifier:
        return Divergence(
            "another cluster's data: system identifier {0}, the primary has {1}".format(
                control.system_identifier, primary.system_identifier),
            False, primary, None, None, None)
    if primary.timeline < timeline:    # pg_rewind would leave a segment of the later timeline there
        return Divergence(
            "diverged: timeline {0} is later than the primary's timeline {1}".format(
                timeline, primary.timeline),
            False, primary, _left_at(instance, timeline, primary), None, control.segment_size)
    relation = timelines.relation(timeline, primary.timeline, primary.switches)
    if relation.kind == timelines.UNRELATED or not _same_history(instance, timeline, primary):
        # pg_rewind has nothing to do where both are on a timeline of the same number
        return Divergence("diverged: timeline {0} is not in the history of the primary's "
                          "timeline {1}".format(timeline, primary.timeline),
                          timeline != primary.timeline, primary, None, None, control.segment_size)
    if relation.kind == timelines.SAME:
        return _before_a_promotion(instance, primary, control, timeline, deadline)
    position = wal.Position(timeline, controldata.lower_bound(control).lsn)
    began = timelines.successor(timeline, primary.timeline, primary.switches)
    return _past_the_fork(instance, control.segment_size, position, relation.fork, began, primary,
                          deadline)


def _left_at(instance, timeline, primary):
    """Return the wal.Position at which an instance on a later timeline left the primary's history.

    None where that is not known. It has all that this history has up to there.
    """
    switches = walfiles.switches(instance, timeline)
    relation = timelines.relation(primary.timeline, timeline, switches)
    if relation.kind != timelines.ANCESTOR or primary.switches != [
            switch for switch in switches if switch.timeline < primary.timeline]:
        return None
    return wal.Position(primary.timeline, relation.fork)


def _before_a_promotion(instance, primary, control, timeline, deadline):
    """Return the Divergence of an instance whose WAL files alone have the primary's timeline.

    Its own promotion to a timeline of that number may have been cut off: PostgreSQL makes the first
    segment, and then the history and the checkpoint. What followed the primary has nothing past the
    fork on the timeline before. None without a Divergence, and for a mixture of two servers, which
    a start refuses for that. Source: StartupXLOG in xlog.c.
    """
    from paf.instance import historyfiles
    bound = controldata.lower_bound(control)
    relation = timelines.relation(bound.timeline, primary.timeline, primary.switches)
    if (bound.timeline >= timeline or relation.kind != timelines.ANCESTOR
            or historyfiles.off_history(instance, control)):
        return None
    began = timelines.successor(bound.timeline, primary.timeline, primary.switches)
    return _past_the_fork(instance, control.segment_size, bound, relation.fork, began, primary,
                          deadline)


def _same_history(instance, timeline, primary):
    """Return whether this instance's timeline began where the primary's of that number did.

    Two instances that were both promoted have both counted up by one. Raises OcfError.
    """
    name = os.path.join(local.wal_folder(instance), "{0:08X}.history".format(timeline))
    try:
        with open(name, "rb") as stream:
            text = runner.text(stream.read())
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise OcfError("cannot read {0}: {1}".format(name, error.strerror))
        return True    # the first timeline has none, and a standby may not have fetched it
    if not timelines.is_whole(text, timeline):
        return True    # damaged: it proves nothing, and the server refuses it by itself
    return timelines.parse(text) == [
        switch for switch in primary.switches if switch.timeline < timeline]


def _past_the_fork(instance, size, position, fork, began, primary, deadline):
    """Compare the end of the local WAL with the LSN at which the primary left its timeline.

    began: the timeline (int) that began there; the primary may have been promoted again since.
    """
    fork_here = wal.Position(position.timeline, fork)
    if position.lsn <= fork and not waldump.has_record_at(instance, fork_here, size, deadline):
        return None
    end = max(position.lsn, waldump.end(instance, fork_here, size, deadline))
    return Divergence(
        "diverged: {0} bytes of WAL after {1} (start of timeline {2}) exist only here".format(
            end - fork, wal.format_lsn(fork), began),
        True, primary, fork_here, wal.Position(position.timeline, end), size)


def parts(instance, found, deadline):
    """Return what exists only here: (timeline, begin, end) of each part (a list), LSNs as int.

    found: the Divergence. None where it is not known at which LSN the histories part. Raises
    OcfError.
    """
    if found.end is not None:
        return timelines.parts(
            found.end.timeline, walfiles.switches(instance, found.end.timeline)
            if found.end.timeline != found.fork.timeline else [], found.fork.lsn, found.end.lsn)
    control = controldata.read(instance, deadline)
    if not is_known(control):
        raise OcfError(control.reason)
    timeline = newest(instance, control.value)
    switches = walfiles.switches(instance, timeline)
    begin = timelines.parting(
        timeline, switches, found.upstream.timeline, found.upstream.switches)
    if found.upstream.system_identifier != control.value.system_identifier or begin is None:
        return None
    start = wal.Position(timeline, max([begin] + [switch.lsn for switch in switches]))
    end = max(controldata.lower_bound(control.value).lsn,
              waldump.end(instance, start, found.size, deadline))
    return timelines.parts(timeline, switches, begin, end) or None
