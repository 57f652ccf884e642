"""monitor: what the instance is; on the primary, the standbys' promotion scores as well."""

from paf import instance as local
from paf import keeping, ocf, remarks
from paf.decide import scores, state
from paf.instance import observe, queries, walfiles

#: What a monitor says of a crash that Pacemaker knows of: nothing new. None: what it is for.
_KNOWN = {
    state.CRASHED_PRIMARY: ocf.RUNNING_PROMOTED, state.ORPHANED_PRIMARY: ocf.RUNNING_PROMOTED,
    state.IN_BACKUP: ocf.RUNNING_PROMOTED, state.DAMAGED: None, state.UNEXAMINED: None,
    state.CRASHED_STANDBY: ocf.SUCCESS, state.ORPHANED_STANDBY: ocf.SUCCESS,
}

_MAYBE_PRIMARY = (state.PRIMARY, state.HUNG)
_SCORES_PATIENCE, _UPSTREAM_PATIENCE = 4.0, 5.0    # seconds
_FOLLOWING_PATIENCE = 10.0
_LOOK_PATIENCE = 3.0
_FIRST_PATIENCE, _STARTED_PATIENCE = 6.0, 3.0

#: Standbys need up to wal_retrieve_retry_interval (5 s by default) to find a new primary, and
#: must not be without a score until the monitor after that.
_RECONNECTION = 30.0


def run(context):
    """Return the exit status of the instance's state. Raises OcfError when it is a failure."""
    sight = _ask(context, observe.settle, context.deadline)
    probe = context.environment.is_probe
    code = state.MONITOR_CODES[sight.verdict.state][0 if probe else 1]
    if code not in (ocf.SUCCESS, ocf.RUNNING_PROMOTED):
        if not probe and sight.verdict.state in _KNOWN:
            from paf.crash import watcher
            if watcher.has_reported(context):
                known = _KNOWN[sight.verdict.state]
                return context.environment.well if known is None else known
        if probe and code == ocf.NOT_RUNNING and context.in_cluster:
            from paf import lastwords
            lastwords.compare_at_probe(context, sight.verdict.state)
        return _not_well(context, sight, code, probe)
    try:
        if not probe:
            _look_after(context, sight)
        elif context.in_cluster:
            from paf import lastwords
            lastwords.withdraw_at_probe(context)
    except EnvironmentError as error:
        context.log.error("{0}: {1}".format(error.filename or "system", error.strerror or error))
    except ocf.MISTAKES as error:
        context.log.error(ocf.mistake(error))
    return code


def _look_after(context, sight):
    """Do what a monitor does beside its answer, which does not change if this fails.

    Raises OcfError where the server must not go on: it has diverged, is a second primary, has lost
    its shared memory, or cannot flush its WAL.
    """
    remarks.check_memory(context, sight)
    from paf.crash import watcher
    watcher.keep(context)
    keeping.look_again(context, sight)
    is_primary, worries = sight.verdict.state == state.PRIMARY, []
    _publish_again(context, is_primary)
    try:
        if is_primary:
            from paf import stuckwal
            worries = _unacknowledged(context, sight) + stuckwal.check(context, sight)
        else:
            _try_again(context, sight)
            worries = _check_stream(context, sight)
    finally:
        if worries or sight.rows:    # without an answer it is not known that a worry has passed
            worries = remarks.lasting(context, worries)
        worries = remarks.paused(context, sight) + worries
        remarks.say(context, _remarks(context, sight) + worries)
    if not is_primary and worries:
        from paf.actions import start
        start.without_primary(context)
    elif is_primary and not _is_unasked(context):
        update_scores(context, sight)


def _publish_again(context, is_primary):
    """Publish again what the attribute manager has forgotten where it is another process now.

    A standby says again what a primary that is gone had said of it. Else it looks for two files.
    """
    if not context.in_cluster:
        return
    from paf.cluster import manager, notes
    try:
        known = notes.Notes(context.environment).read(notes.MANAGER)
        if manager.is_same(known) or not context.cluster.publish_again(context.deadline):
            return
        remarks.repeat(context)
        if not is_primary:
            from paf import candidacy
            view = context.cluster.view(context.deadline)
            candidacy.explain_score(context, view, context.deadline)
    except ocf.OcfError as error:
        context.log.warning("what this node has published may be gone: {0}".format(error))


def _try_again(context, sight):
    """Do what a start had no time for; and be a candidate again once what was missing has come.

    A standby that streams has a primary: what its start without one left no longer counts, where
    no notification has ended that. Costs six looks for a file where there is nothing to do.
    """
    if not context.in_cluster:
        return
    from paf.cluster import notes
    own = notes.Notes(context.environment)
    try:
        if own.read(notes.PENDING):
            from paf.actions import start
            start.finish(context)
        if sight.rows and notes.are_without_primary(own) and observe.is_streaming(
                context.instance, sight.rows[0][2], surely=True):
            context.cluster.follow(context.deadline)
        awaited = own.read(notes.AWAITED).splitlines()
        if awaited:
            from paf import candidacy
            candidacy.look_again(context, awaited)
    except ocf.OcfError as error:
        context.log.warning("this standby cannot take part in elections yet: {0}".format(error))


def _remarks(context, sight):
    """Return what is wrong on this node, and yet no failure: a list of str."""
    found = remarks.of_parameters(context) + remarks.no_room(context)
    if sight.remark:
        found.append(sight.remark)
    if sight.message:
        found.append("the agent cannot ask PostgreSQL as {0}: {1}; its role is known, and "
                     "promotion scores stay as they are".format(
                         context.parameters.system_user, sight.message))
    if context.parameters.slots:
        from paf import slotkeeping
        found += slotkeeping.keep(context, sight, _replicas(sight.rows))
    return found


def _is_unasked(context):
    """Return whether this may be a primary beside the one that Pacemaker has promoted.

    Raises OcfError where it surely is: it is stopped then. True where that cannot be found out: it
    writes no scores. A primary that an administrator made in maintenance mode is accepted, as long
    as it is the only one. A recurring monitor without a role is one of standbys, too: Pacemaker
    cancels it where it promotes.
    """
    if not context.in_cluster or (
            context.environment.meta("role").lower() in ("promoted", "master")):
        return False
    from paf.cluster import ophistory
    try:
        found = ophistory.promoted(context.cluster.cib(context.deadline), context.cluster.resource)
        others = [node for node in found if node != context.node]
    except ocf.OcfError as error:
        context.log.warning("this instance is a primary, Pacemaker has it as a standby, and its "
                            "history cannot be read: {0}".format(error))
        return True
    if others:
        raise ocf.OcfError("a second primary: Pacemaker promoted {0}, this one was promoted by "
                           "something else; see PostgreSQL's log".format(", ".join(others)))
    return False


def _ask(context, look, deadline):
    """Return the Sight of a look of observe: its rows are those of queries.monitor, or none."""
    return observe.ask(look, context.instance, deadline,
                       lambda version: queries.monitor(version, context.parameters.slots))


def _not_well(context, sight, code, probe):
    """Say why, unless it is a probe that found nothing running, which is no failure."""
    if not (probe and code == ocf.NOT_RUNNING):
        from paf.codes import with_code
        reason = with_code(describe(context, sight))
        context.log.exit_reason(reason)
        context.log.error(reason)
    return code


def describe(context, sight):
    """Return the sentence that says what is wrong with the instance."""
    verdict = sight.verdict
    if verdict.state == state.DAMAGED:
        return "{0} is damaged or missing: {1}".format(
            local.path(context.instance, "global/pg_control"), sight.message)
    text = "PostgreSQL: {0}: {1}".format(verdict.state, verdict.why)
    return "{0} ({1})".format(text, sight.message) if sight.message else text


def update_scores(context, sight):
    """Write the promotion scores that have to change; what fails here is no fault of the primary.

    sight: observe.Sight whose rows are those of queries.monitor. A step that fails does not
    stop the others. The rule of synchronous standbys comes first: elections rely on it.
    """
    if not context.in_cluster or not sight.rows:
        return
    deadline, failed = context.deadline.within(_SCORES_PATIENCE + _FIRST_PATIENCE), []
    try:
        for step in _steps(context, sight, deadline):
            if deadline.passed:    # each step would take a moment more
                failed.append("no time is left")
                break
            try:
                step()
            except ocf.OcfError as error:
                failed.append(str(error))
    except ocf.OcfError as error:
        failed.append(str(error))
    if failed:
        context.log.warning("the promotion scores could not be brought up to date: {0}".format(
            "; ".join(sorted(set(failed)))))


def _steps(context, sight, deadline):
    """Yield what a primary writes, each a function without arguments. Raises OcfError."""
    view = context.cluster.view(deadline)
    if context.node not in view.online:
        # by another name than its own, this node itself would be one that is away
        context.log.warning("{0} is no member of the cluster: no promotion score is written".format(
            context.node))
        return
    if context.cluster.is_powerless:
        return    # what a cut-off node writes could replace the CIB of those that went on
    folder = walfiles.look(context.instance)
    just_promoted = folder.promoted_ago < _RECONNECTION
    replicas = _replicas(sight.rows)
    if sight.rows[0][3].strip() or (view.rules or view.copies or view.last_words
                                    or view.acknowledged):
        from paf import synchronous
        for step in synchronous.steps(context, view, sight.rows[0], replicas,
                                      folder.newest_timeline, deadline):
            yield step
    if just_promoted and scores.nobody_else(context.node, view.online, view.scores):
        replicas = _first_replicas(context, replicas, len(view.online) - 1)
    changes = scores.wanted(
        context.node, view.online, replicas, view.scores,
        context.parameters.maxlag, folder.segment_size, just_promoted, view.wished)
    for node in sorted(changes):
        yield lambda node=node: _give(context, view, node, changes[node], deadline)
    yield lambda: _explain(context, view, changes, scores.by_name(replicas), deadline)
    for node in view.cleaned_up:
        yield lambda node=node: context.cluster.forget_failure(node, deadline)
    yield lambda: context.cluster.tidy(view, deadline)
    yield lambda: _say_line(context, folder.newest_timeline, deadline)


def _give(context, view, node, score, deadline):
    context.log.info("promotion score of {0}: {1}, was {2}".format(
        node, score, view.scores.get(node, "none")))
    context.cluster.set_score(node, score, deadline)


def _say_line(context, timeline, deadline):
    """Publish a primary's timelines, once for each (int): others compare theirs with them."""
    if context.cluster.says_line(timeline):
        return
    from paf.decide import timelines
    from paf.instance import line
    context.cluster.say_line(timelines.line_to_wire(line.read(context.instance, True)), deadline)


def _explain(context, view, changes, replicas, deadline):
    """Say beside the scores why a standby cannot be promoted, for as long as that holds.

    Only when a score changes, or no reason is shown yet: a lag is another number each time.
    """
    for node in sorted(set(view.online) | set(view.reasons)):
        said = view.reasons.get(node, "")
        score = changes.get(node, view.scores.get(node, 0))
        if node not in changes and said and score <= 0:
            continue
        replica = replicas.get(node)
        reason = scores.reason(score, replica, context.parameters.maxlag)
        if reason and replica is None and node not in view.running:
            continue    # stopped on purpose, or not configured to run there
        if reason is not None and reason != _bare(said):
            context.cluster.explain(node, reason, deadline)


def _bare(said):
    from paf.codes import without_code
    return without_code(said) if said else ""


def _first_replicas(context, replicas, expected):
    """Wait for standbys to find a new primary, while no other node could be promoted.

    expected: how many other nodes there are. Without this wait a cluster that has just started
    could lose its primary, or have it moved, and be left without one, until the next monitor.
    """
    def ready():
        if sum(scores.is_ready(replica) for replica in found) < expected:
            sight = _ask(context, observe.observe, deadline)
            if sight.rows:    # the last look has hardly any time: its silence is no "none"
                found[:] = _replicas(sight.rows)
        return sum(scores.is_ready(replica) for replica in found) >= expected

    deadline = context.deadline.within(_FIRST_PATIENCE)
    found = list(replicas)
    deadline.wait_for(ready)
    return found


def look_at_standbys(context, started):
    """Bring the scores up to date outside of a monitor; does nothing unless this is the primary.

    started: nodes (list of str) whose standbys have just started; they get some time to connect.
    """
    def connected():
        sight = _ask(context, observe.observe, deadline)
        if sight.rows or not sights or sight.verdict.state not in _MAYBE_PRIMARY:
            sights[:] = [sight]    # silence does not undo what was seen
        ready = [replica.name for replica in _replicas(sights[0].rows) if scores.is_ready(replica)]
        return sights[0].verdict.state not in _MAYBE_PRIMARY or not set(started) - set(ready)

    deadline = context.deadline.within(_STARTED_PATIENCE)
    sights = []
    deadline.wait_for(connected)
    if sights[0].verdict.state == state.PRIMARY:
        update_scores(context, sights[0])


def not_following(context, target):
    """Return why `target` is too far from this primary to take over, or None.

    What it still lacks has to arrive during the shutdown, while clients wait; so it gets a while
    to come near.
    """
    def near():
        sight = _ask(context, observe.observe, deadline.within(_LOOK_PATIENCE))
        if sight.verdict.state in state.DOWN + (state.STANDBY,):
            return True    # nothing to compare with: the candidate checks for itself
        if sight.verdict.state != state.PRIMARY or not sight.rows:
            return False    # without an answer the target is not known
        looked.append(True)
        found[:] = [replica for replica in _replicas(sight.rows)
                    if replica.name == target and replica.lag is not None]
        return any(replica.lag <= size for replica in found)

    deadline = context.deadline.within(_FOLLOWING_PATIENCE)
    size = walfiles.look(context.instance).segment_size
    found, looked = [], []
    if deadline.wait_for(near) or not looked:
        return None
    if not found:
        return "switchover refused: {0} does not stream from the primary".format(target)
    return "switchover refused: {0} lags by {1} bytes".format(
        target, min(replica.lag for replica in found))


def _replicas(rows):
    """Return the scores.Replica of each row about a standby."""
    return [scores.Replica(row[1], row[2], *[int(text) if text else None for text in row[3:]])
            for row in rows[1:] if len(row) == 6 and row[0] == "standby"]


def _unacknowledged(context, sight):
    """Return what is to be said of commits that no standby acknowledges: a list of str."""
    if not context.in_cluster or not sight.rows or not sight.rows[0][3].strip():
        return []
    from paf.decide import quorum
    names = [replica.name for replica in _replicas(sight.rows)    # a backup says of no flushed WAL
             if replica.state == "streaming" and replica.flushed is not None]
    return quorum.worries(quorum.parse(sight.rows[0][3].strip()), names)


def _check_stream(context, sight):
    """Report a standby that cannot follow the primary because it has left its history.

    Asked where no WAL receiver streams, or where one may begin an ended timeline again and again.
    Returns what is to be said of one that does not stream (a list of str).
    """
    if not context.in_cluster or not sight.rows:
        return []
    from paf import stranger
    stranger.check_running(context)
    streams = observe.is_streaming(context.instance, sight.rows[0][2])
    try:
        if streams and not walfiles.knows_later(context.instance):
            return []
        from paf.actions import rejoin
        from paf.instance import divergence
        fact = rejoin.find(context, context.deadline.within(_UPSTREAM_PATIENCE))
    except ocf.OcfError as error:
        why = ("whether this standby has left the primary's history is not known" if streams else
               "this standby does not stream, and cannot find out why")
        return ["{0}: {1}".format(why, error)]
    if fact.value:
        raise ocf.OcfError(divergence.reason(fact.value))
    return [] if streams else ["this standby does not stream from a primary{0}".format(
        ": " + fact.reason if fact.reason else "")]
