"""Has the instance left the primary's history by a promotion that the histories do not show?

Two instances that were promoted at the same LSN have timelines of one number. Only the first
records differ: the acting primary's agent publishes their checksums.
"""

from paf import cluster, ocf
from paf.cli import view
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.decide import timelines, wal
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import controldata, divergence, line, upstream, waldump, walfiles

_PATIENCE = 10.0    # seconds


def of_primary(pacemaker, resource):
    """Return the Fact of the timelines.Line of the node that Pacemaker has promoted.

    pacemaker: common.Pacemaker; resource: its name. Never raises.
    """
    try:
        nodes = view.promoted(view.look(pacemaker), resource)
        if len(nodes) != 1:
            return Unknown("Pacemaker has {0} primaries".format(len(nodes) or "no"))
        environment = ocf.Environment({"OCF_RESOURCE_INSTANCE": resource})
        said = cluster.connect(environment).lines(Deadline(_PATIENCE)).get(nodes[0])
    except (ocf.OcfError, Problem) as error:
        return Unknown(str(error))
    found = timelines.line_from_wire(said or "")
    return Unknown("{0} does not say its timelines".format(nodes[0])) if found is None else Known(
        found)


def examine(instance, conninfo, theirs, deadline):
    """Return the Fact that `divergence.look` does, promotions compared as well.

    theirs: the Fact of the primary's timelines.Line. And why it is not known (str) whether the
    histories part earlier than that; "" where it is. Raises OcfError.
    """
    fact = divergence.look(
        instance, conninfo, deadline,
        lambda: theirs.value.reigns[-1].timeline if is_known(theirs) else None)
    found = fact.value
    if found is not None and not found.common:
        return fact, ""
    try:
        other = _other_promotion(instance, theirs)
    except ocf.OcfError as error:
        other = Unknown(str(error))
    if not is_known(other):
        if found is None:
            return Unknown(fact.reason or other.reason), ""
        only_here = divergence.parts(instance, found, deadline)
        return fact, other.reason if only_here and only_here[0][0] > 1 else ""
    reign = other.value
    if reign is None or found is not None and found.fork and found.fork.lsn <= reign.begin:
        return fact, ""
    return Known(_by_promotion(instance, reign, theirs.value, deadline)), ""


def is_by_promotion(found):
    """Return whether only promotions show a Divergence: pg_rewind would see one timeline."""
    return found.fork is not None and not found.upstream.system_identifier


def _by_promotion(instance, reign, theirs, deadline):
    """Return the Divergence of an instance from a Reign of its own on. Raises OcfError."""
    control = controldata.read(instance, deadline)
    if not is_known(control):
        raise ocf.OcfError(control.reason)
    size, timeline = control.value.segment_size, divergence.newest(instance, control.value)
    start = max([reign.begin] + [
        switch.lsn for switch in walfiles.switches(instance, timeline)])
    last = wal.Position(timeline, start)
    end = max(controldata.lower_bound(control.value).lsn,
              waldump.end(instance, last, size, deadline))
    return divergence.Divergence(
        "diverged: timeline {0} here and the primary's began at {1} with different "
        "promotions".format(reign.timeline, wal.format_lsn(reign.begin)), True,
        upstream.Upstream(theirs.reigns[-1].timeline, [], ""),
        wal.Position(reign.timeline, reign.begin), wal.Position(timeline, end), size)


def _other_promotion(instance, theirs):
    """Return the Fact of the timeline here that began with another promotion than the primary's.

    theirs: the Fact of the primary's timelines.Line. Known(timelines.Reign): both timelines have
    one number and begin at one LSN. Known(None): there is none.
    """
    mine = line.read(instance, True)
    if mine is None:
        return Unknown("the history of its timelines cannot be read")
    newest = mine.reigns[-1].timeline
    if newest == 1:
        return Known(None)    # no node was promoted
    if not is_known(theirs):
        return Unknown("whether its timeline {0} is the primary's cannot be compared: {1}".format(
            newest, theirs.reason))
    reign = timelines.differing(mine, theirs.value)
    if reign is None and timelines.compare(mine, theirs.value) == timelines.UNSURE:
        return Unknown("the first record of timeline {0} is no longer in the WAL, so it cannot be "
                       "compared with the primary's".format(
                           min(newest, theirs.value.reigns[-1].timeline)))
    return Known(reign)
