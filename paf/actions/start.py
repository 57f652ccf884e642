"""start: always as a standby; it is the election that makes a primary."""

from paf import candidacy, lastwords, ocf, proven, refused, remarks
from paf.crash import watcher
from paf.decide import scores, state, transition
from paf.cluster import base, notes
from paf.decide.knowledge import Known, is_known
from paf.instance import journal, observe, postmaster, server, standby_mode, tablespaces

#: What of a start's time is left for reporting it, in seconds.
_MARGIN = 2.0


def run(context, elected=False):
    """Start the instance as a standby and return SUCCESS. Raises OcfError.

    elected: for a promotion whose election was held while the instance was down, or before it
    ended: its round goes on. What the node voted with is on this disk, and nothing is rewound.
    """
    refused.check_programs(context)    # before they are asked for what this instance is
    sight = observe.settle(context.instance, context.deadline)
    if sight.verdict.state == state.STANDBY and not journal.exists(context.instance):
        _take_over(context, sight)
        return ocf.SUCCESS
    if sight.verdict.state in (state.ORPHANED_PRIMARY, state.ORPHANED_STANDBY):
        postmaster.end_orphans(context.instance, context.deadline.within(
            context.deadline.remaining / 2))
        sight = observe.observe(context.instance, context.deadline)
    if journal.exists(context.instance):
        elected = False    # what is completed may end elsewhere than what the node voted with
        from paf.actions import rejoin
        if postmaster.orphans(context.instance):
            raise ocf.OcfError("a server runs on a data directory that a rewind or rebuild has not "
                               "completed: stop it")
        rejoin.finish(context)
        sight = observe.observe(context.instance, context.deadline)
    if sight.verdict.state not in state.DOWN:
        raise ocf.OcfError("cannot start as a standby, the instance is a {0}: {1}{2}".format(
            sight.verdict.state, sight.verdict.why,
            " ({0})".format(sight.message) if sight.message else ""))
    if _is_recovered_here(context, sight.verdict.state):
        end_backup(context)
        as_standby(context)
    else:
        sight = _start_checked(context, sight, elected)
    if not elected:
        enter_cluster(context, sight.verdict.state)
    return ocf.SUCCESS


def _take_over(context, sight):
    """Do what a start does beside starting, for a standby that runs: started by hand, for one.

    Raises OcfError. It may have acknowledged commits since it left its last words.
    """
    if not observe.is_certain(sight):
        raise ocf.OcfError("cannot find out whether this is a standby: {0}".format(
            sight.verdict.why))
    _withdraw_last_words(context, sight.verdict.state)
    remarks.forget(context)
    refused.keep_others(context)
    watcher.keep(context)
    enter_cluster(context, sight.verdict.state)


def _start_checked(context, sight, elected=False):
    """Start an instance as a standby that can follow; return the Sight before. Raises OcfError.

    elected: it is to be promoted, and no primary is there to follow.
    """
    _check_host(context)
    _withdraw_last_words(context, sight.verdict.state)
    try:
        # also where Pacemaker's lists name no primary: it forgets one right after a reload
        from paf.actions import rejoin
        if context.in_cluster and not elected and rejoin.check(context):
            sight = observe.observe(context.instance, context.deadline)
        _check_history(context, sight)
        as_standby(context)
    except ocf.OcfError as error:
        _repeat_last_words(context, getattr(error, "place", None))
        from paf.instance import backuplabel
        advice = backuplabel.advice(context.instance)
        if advice:
            error.args = ("{0}; {1}".format(error, advice),)
        raise
    return sight


def _check_host(context):
    """Check all that a start needs, else with the last good bindir and start_opts. OcfError.

    Where these do not fit either, it is for what is wrong with those that are given.
    """
    from paf.actions import validate
    try:
        validate.host(context)
    except (ocf.BadParameter, ocf.NotUsable) as error:
        other, mine = refused.earlier(context), (context.parameters, context.instance)
        if other is None:
            raise
        context.parameters, context.instance = other.parameters, other
        try:
            validate.host(context)
        except (ocf.BadParameter, ocf.NotUsable):
            context.parameters, context.instance = mine
            raise error
        context.parameters, context.instance = mine
        refused.use(context, other, str(error))


def end_backup(context):
    """Set aside the label of an exclusive backup that a primary crashed in. Raises OcfError.

    For one that Pacemaker had promoted until now. With the label it would wait for the end of that
    backup. One that was not written here is a restored backup's, whatever Pacemaker says.
    """
    if observe.files(context.instance) != state.EXCLUSIVE:
        return
    from paf.instance import backuplabel
    if observe.observe(context.instance, context.deadline).verdict.state == state.IN_BACKUP:
        backuplabel.set_aside(context.instance)
        context.log.warning("the primary died in an exclusive backup, which is not complete: "
                            "backup_label was renamed to backup_label.old")


def _check_history(context, sight):
    """Raise NotUsable where a pg_rewind that was run by hand has left a mixture of two servers.

    A base backup starts from its label, and not from what the control file says.
    """
    from paf.instance import historyfiles
    if sight.verdict.state in (state.RESTORED, state.IN_BACKUP) or sight.control is None or (
            not is_known(sight.control)):
        return
    reason = historyfiles.off_history(context.instance, sight.control.value)
    if reason:
        raise ocf.NotUsable(reason)


def as_standby(context):
    """Start the server in standby mode and see that it is one. Raises OcfError.

    A crashed primary starts so too: with the signal file there, PostgreSQL recovers from its
    own WAL first and then stays a standby, so that no client writes before it is promoted.
    """
    refused.check_data_directory(context)
    tablespaces.check(context.instance)
    standby_mode.enable(context.instance)
    _check_still_whole(context)
    _start_server(context)
    sight = observe.settle(context.instance, context.deadline)
    if sight.verdict.state != state.STANDBY:
        if sight.verdict.state == state.PRIMARY:    # perhaps beside another one: stopped at once
            server.stop(context.instance, context.deadline, context.log)
        raise ocf.OcfError("started, but the instance is not a standby but {0}: {1}".format(
            sight.verdict.state, sight.verdict.why))
    context.log.info("PostgreSQL started as a standby")
    lastwords.resume(context)    # else a crash much later could leave some, which refuse a failover
    forget_order(context)
    remarks.forget(context)
    proven.keep(context)
    watcher.keep(context)


def forget_order(context):
    """Forget that a promotion was ordered: it was the server's that ran before. Raises nothing."""
    try:
        if context.in_cluster:
            context.cluster.notes.remove(notes.ORDERED)
    except ocf.OcfError as error:
        context.log.warning("the next demotion starts the standby again: {0}".format(error))


def _start_server(context):
    """Start the server; with the primary's values where its configuration has less. OcfError.

    Asked after it did not start: PostgreSQL refuses to run a standby with less, and the service
    must not stay down for that.
    """
    try:
        server.start(context.instance, context.deadline)
    except ocf.OcfError as error:
        if postmaster.find(context.instance) != Known(None):
            raise    # it still starts, and no time is left
        from paf.instance import limits
        more = limits.too_low(context.instance, context.deadline)
        if not more or postmaster.find(context.instance) != Known(None):
            raise
        context.log.warning("{0}; it is started with {1}, as the primary had, since the "
                            "configuration has less".format(error, ", ".join(more)))
        server.start(context.instance, context.deadline, more)


def _check_still_whole(context):
    """Raise OcfError where paf rebuild was started after the first look, minutes ago perhaps."""
    if not journal.exists(context.instance):
        return
    raise ocf.OcfError("a rewind or rebuild of this instance was started in the meantime")


def _withdraw_last_words(context, was):
    """Take back what counts while it does not run; what it has to have is published first."""
    if context.in_cluster:
        from paf import acknowledged
        view = context.cluster.view(context.deadline)
        if view.rules or view.copies:
            acknowledged.enter(context, view, was)
        lastwords.withdraw(context, view)


def _repeat_last_words(context, place):
    """After a start that failed, as with a wrong setting: what does not run has no further WAL.

    But not in the middle of a rewind: then what is on disk is no position. place: the wal.Position
    at which this instance left the primary's history; None where it has not, or that is not known.
    """
    try:
        if context.in_cluster and not (journal.exists(context.instance)
                                       or postmaster.processes(context.instance)):
            if place is None:
                lastwords.leave(context)
            else:
                lastwords.leave_before(context, place)
    except ocf.OcfError as error:
        context.log.info("no last words: {0}".format(error))


def enter_cluster(context, was):
    """Take part in elections; give the very first score if it is this instance's to give.

    was: the state it was started from. A standby that runs but could not report it has not
    failed to start: the next monitor does what was not done in time (see `finish`).
    """
    if not context.in_cluster:
        return
    mark = _mark(context, was)
    deadline = context.deadline.within(max(_MARGIN, context.deadline.remaining - _MARGIN))
    _note_pending(context, mark, was)
    try:
        context.cluster.enter(mark, deadline)
        lists = context.notification
        if not lists.promoted or not (transition.lasting_primaries(lists)
                                      or transition.candidate(lists)):
            _enter_without_primary(context, was, deadline)
        else:
            context.cluster.notes.remove(notes.ORIGIN)
            if transition.starts_without_primary(lists, context.node):
                say_line(context, was, context.cluster.view(deadline), deadline)
        context.cluster.notes.remove(notes.PENDING)
    except ocf.OcfError as error:
        context.log.warning("started, but the cluster does not know it yet; the next monitor "
                            "tries again: {0}".format(error))


def _note_pending(context, mark, was):
    """Note the tasks of the next monitor if this start is cut off; without a note it continues."""
    try:
        context.cluster.notes.write(notes.PENDING, "{0}\n{1}".format(mark, was))
    except ocf.OcfError as error:
        context.log.warning("what this start cannot do in time is not done later: {0}".format(
            error))


def _enter_without_primary(context, was, deadline):
    """Give the first score, or say why this instance cannot be promoted. Raises OcfError.

    Candidates that waited for a node that was missing are tried again: this one has come.
    """
    if was in (state.STOPPED_PRIMARY, state.CRASHED_PRIMARY):
        context.cluster.notes.write(notes.ORIGIN, was)
    view = context.cluster.view(deadline)
    say_line(context, was, view, deadline)
    context.cluster.reveal([context.node], deadline)
    candidacy.try_again(context, view)
    if _is_first(context, was, view, deadline):
        return
    if context.node not in view.scores:    # the monitor looks whether it is given one
        context.cluster.notes.write(notes.AWAITED, notes.NO_NODE)
    if view.scores:    # else another instance, which starts just now, may give itself the first
        candidacy.explain_score(context, view, deadline)


def say_line(context, was, view, deadline):
    """Publish this instance's timelines: no primary has compared them with its own. OcfError.

    was: the state it was started from; view: cib.Scan.
    """
    from paf import holders
    from paf.decide import timelines
    from paf.instance import line
    found = line.read(context.instance, None)
    if found is not None:
        found = found._replace(own=timelines.ownership(
            was in (state.STOPPED_PRIMARY, state.CRASHED_PRIMARY),
            holders.has_own_rule(context, view, found.reigns[-1].timeline)
            or not context.cluster.notes.read(notes.ENTERED)))
    context.cluster.say_line(timelines.line_to_wire(found), deadline)


def without_primary(context):
    """Do what a standby's monitor has to where it has had no primary for a while. Raises nothing.

    Its history counts now, and so does the score that the last primary gave it.
    """
    if context.deadline.passed:    # each step would take a moment more
        return
    compare(context, asked=False)
    try:
        if context.in_cluster:
            candidacy.let_in(context, context.cluster.view(context.deadline), context.deadline)
            context.cluster.reveal([context.node], context.deadline)
    except ocf.OcfError as error:
        context.log.warning("whether a transient promotion score hides this node's is not known: "
                            "{0}".format(error))


def compare(context, asked=True):
    """Publish the timelines of a standby that followed the last primary, once. Raises nothing.

    For what comes without one to compare with. asked: False for its monitor where it has no primary
    for a while: the notification of such a start may not have reached it.
    """
    try:
        if context.in_cluster and not context.cluster.says_line() and (
                asked or _is_compared(context)):
            say_line(context, state.STANDBY, context.cluster.view(context.deadline),
                     context.deadline)
    except ocf.OcfError as error:
        context.log.warning("elections cannot compare this instance's history yet: {0}".format(
            error))


def _is_compared(context):
    """Return whether a node that is no primary publishes its timelines. Raises OcfError.

    With those of this node alone, an election would wait for those of all others.
    """
    from paf.cluster import ophistory
    found = set(context.cluster.lines(context.deadline)) - set([context.node])
    return bool(found) and bool(found - set(ophistory.promoted(
        context.cluster.cib(context.deadline), context.cluster.resource)))


def _is_first(context, was, view, deadline):
    """Give the very first score if it is this instance's to give, and return whether it was."""
    if was == state.STOPPED_PRIMARY and scores.bootstrap(True, view.scores):
        context.log.info("no node has a promotion score, and this instance was shut down as "
                         "a primary: it gets the first")
        context.cluster.set_score(context.node, scores.FIRST, deadline)
        return True
    return False


def finish(context):
    """Do what the start could not do in time; for the monitor of a standby. Raises OcfError."""
    words = context.cluster.notes.read(notes.PENDING).split("\n")
    if len(words) == 2:
        context.cluster.enter(words[0], context.deadline)
        _enter_without_primary(context, words[1], context.deadline)
    context.cluster.notes.remove(notes.PENDING)


def _is_recovered_here(context, was):
    """Return whether this is the primary that crashed here, and is started where it was.

    Clients are waiting: as with a demotion, what ran can be started without a look at its settings.
    """
    lists = context.notification
    return (was in (state.CRASHED_PRIMARY, state.ORPHANED_PRIMARY, state.IN_BACKUP)
            and transition.is_recovery_of_primary(lists) and context.in_cluster
            and transition.candidate(lists) == context.node)


def _mark(context, was):
    """Return what an election has to know of this start, one of base's MARK_...

    A standby that crashed, and is recovered in the transition after the primary was lost, has seen
    that one go, if it had it beside it before.
    """
    lists = context.notification
    if _is_recovered_here(context, was):
        return base.MARK_RECOVERED
    if lists.promoted:    # whatever this node's name is, which may not be known
        return base.MARK_NONE
    had_primary = transition.is_recovery_of_standby(lists, context.node) and (
        context.cluster.mark() == base.MARK_NONE)
    return base.MARK_NONE if had_primary else base.MARK_COLD
