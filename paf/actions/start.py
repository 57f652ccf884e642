"""start: always as a standby; it is the election that makes a primary."""

from paf import ocf
from paf.crash import watcher
from paf.decide import scores, state, transition
from paf.cluster import base
from paf.instance import journal, observe, postmaster, server, standby_mode

_CLUSTER_PATIENCE = 5.0     # seconds


def run(context):
    """Start the instance as a standby and return SUCCESS. Raises OcfError."""
    sight = observe.settle(context.instance, context.deadline)
    if sight.verdict.state == state.STANDBY:
        return ocf.SUCCESS
    if sight.verdict.state in (state.ORPHANED_PRIMARY, state.ORPHANED_STANDBY):
        postmaster.end_orphans(context.instance, context.deadline.within(
            context.deadline.remaining / 2))
        sight = observe.observe(context.instance, context.deadline)
    if journal.exists(context.instance):
        from paf.actions import rejoin
        rejoin.finish(context)
        sight = observe.observe(context.instance, context.deadline)
    if sight.verdict.state not in state.DOWN:
        raise ocf.OcfError("cannot start as a standby, the instance is a {0}: {1}".format(
            sight.verdict.state, sight.verdict.why))
    if not _is_recovered_here(context, sight.verdict.state):
        from paf.actions import validate
        validate.host(context)
    if context.in_cluster and _has_another_primary(context):
        from paf.actions import rejoin
        if rejoin.check(context):
            sight = observe.observe(context.instance, context.deadline)
    as_standby(context)
    enter_cluster(context, sight.verdict.state)
    return ocf.SUCCESS


def as_standby(context):
    """Start the server in standby mode and see that it is one. Raises OcfError.

    A crashed primary starts so too: with the signal file there, PostgreSQL recovers from its
    own WAL first and then stays a standby, so that nobody writes before it is promoted.
    """
    standby_mode.enable(context.instance)
    server.start(context.instance, context.deadline)
    sight = observe.settle(context.instance, context.deadline)
    if sight.verdict.state != state.STANDBY:
        raise ocf.OcfError("started, but the instance is not a standby but {0}: {1}".format(
            sight.verdict.state, sight.verdict.why))
    context.log.info("PostgreSQL started as a standby")
    watcher.keep(context)


def _has_another_primary(context):
    """Return whether there is a primary that this instance is to follow."""
    return any(node != context.node
               for node in transition.lasting_primaries(context.notification))


def enter_cluster(context, was):
    """Take part in elections; give the very first score if it is this instance's to give.

    was: the state it was started from. A standby that runs but could not say so is no failed start.
    """
    if not context.in_cluster:
        return
    deadline = context.deadline.within(_CLUSTER_PATIENCE)
    try:
        context.cluster.enter(_mark(context, was), deadline)
        if was != state.STOPPED_PRIMARY:
            return
        view = context.cluster.view(deadline)
        if scores.bootstrap(True, view.online, view.scores):
            context.log.info("no node has a promotion score, and this instance was shut down as "
                             "a primary: it gets the first")
            context.cluster.set_score(context.node, scores.FIRST, deadline)
    except ocf.OcfError as error:
        context.log.warning("started, but the cluster could not be told: {0}".format(error))


def _is_recovered_here(context, was):
    """Return whether this is the primary that crashed here, and is started where it was.

    Clients are waiting: as with a demotion, what ran can be started without a look at its settings.
    """
    lists = context.notification
    return (was in (state.CRASHED_PRIMARY, state.ORPHANED_PRIMARY)
            and transition.is_recovery_of_primary(lists) and context.in_cluster
            and transition.candidate(lists) == context.node)


def _mark(context, was):
    """Return what an election has to know of this start, one of base's MARK_..."""
    lists = context.notification
    if _is_recovered_here(context, was):
        return base.MARK_RECOVERED
    return base.MARK_NONE if lists.promoted else base.MARK_COLD
