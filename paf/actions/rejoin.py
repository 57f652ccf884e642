"""The way back of an instance whose cluster has moved on; a part of start."""

from paf import ocf, runner
from paf.decide import loss, state, timelines, transition, wal
from paf.decide.knowledge import Unknown, is_known
from paf.instance import (
    controldata, divergence, line, replacement, rewind, rewindrole, settings, waiting_commits,
    waldump)

_MANUAL, _SAFE = "manual", "safe"
_NO_COMMIT = "no commit among them"


class Stray(ocf.NotUsable):
    """An instance that is off the primary's history, and stays stopped.

    place: the wal.Position at which one on a later timeline left that history, if it is known: one
    that was promoted by something else, or followed such a one. None for others.
    """

    def __init__(self, reason, place):
        ocf.NotUsable.__init__(self, reason)
        self.place = place


def finish(context):
    """Complete or revert the work that the journal says was started. Raises OcfError.

    Before that the data directory may be a mixture of two servers' files.
    """
    from paf.instance import unfinished
    if unfinished.read(context.instance).get("what") == replacement.WHAT:
        replacement.finish(context.instance, context.log)
    else:
        rewind.finish(context.instance, context.deadline, context.log)


def check(context):
    """See that the instance can follow the acting primary, or make it able to if it may.

    Returns whether it was rewound. Raises NotUsable: hard, so that Pacemaker leaves the node alone
    until an administrator has looked at it. Where the primary cannot be asked, the monitor asks
    again.
    """
    found = _find(context)
    if found is None or found.common:
        _check_line(context, found)
    if found is None:
        _check_stranger(context)
        return False
    conninfo = settings.conninfo(context.instance, context.deadline)
    mode = context.parameters.rejoin
    try:
        known, safe = _lost(context.instance, found, context.deadline)
    except (waldump.NoAnswer, runner.NotStarted) as error:
        if mode == _SAFE:    # perhaps nothing is lost: the next start asks again
            raise ocf.OcfError("{0} (cannot rewind: {1})".format(divergence.reason(found), error))
        known, safe = str(error), False
    except ocf.OcfError as error:
        known, safe = str(error), False
    reason = divergence.reason(found, known)
    if not found.common or mode == _MANUAL or (mode == _SAFE and not safe):
        raise Stray(reason, None if found.end else found.fork)
    control = controldata.read(context.instance, context.deadline)
    if not is_known(control):
        raise ocf.OcfError("{0} (cannot rewind: {1})".format(reason, control.reason))
    problem = rewind.problem_now(context.instance, control.value)
    if rewind.is_fresh_copy(context.instance):
        problem = "a rewind needs an instance that has run since it was copied"
    if problem:
        raise ocf.NotUsable("{0} ({1})".format(reason, problem))
    _rewind(context, conninfo, found, reason, safe)
    return True


def _check_stranger(context):
    """Raise NotUsable for an instance that ran as another was promoted, and left the service.

    What differs may be gone: what it received since has replaced it. Raises OcfError.
    """
    from paf import stranger
    if rewind.is_fresh_copy(context.instance):    # rewound or copied since: it is another one now
        stranger.forget(context)
    for primary in transition.lasting_primaries(context.notification):
        stranger.check(context, primary)


def _check_line(context, found):
    """Raise NotUsable if the primary has another timeline of the same number.

    Where both were promoted at the same LSN, only the first records of the timelines differ:
    pg_rewind would see one timeline, and leave what differs. found: the Divergence, None without.
    Raises OcfError where that cannot be found out, and a rewind would rely on it.
    """
    primaries = transition.lasting_primaries(context.notification)
    if not primaries:
        return
    try:
        text = context.cluster.lines(context.deadline).get(primaries[0])
    except ocf.OcfError as error:
        if found and context.parameters.rejoin != _MANUAL:
            raise ocf.OcfError("a rewind needs to compare the timelines here with those of "
                               "{0}: {1}".format(primaries[0], error))
        # no reason to ban a node: that it has diverged is not known
        context.log.warning("cannot compare the timelines here with those of {0}: {1}".format(
            primaries[0], error))
        return
    if text is None:
        return
    theirs, mine = timelines.line_from_wire(text), line.read(context.instance, False)
    foreign = timelines.identifiers(mine, theirs) if mine and theirs else None
    if foreign:
        raise ocf.NotUsable("another cluster's data: system identifier {0}, {1} has {2}; rebuild "
                            "it from the primary".format(foreign[0], primaries[0], foreign[1]))
    reign = timelines.differing(mine, theirs) if mine and theirs else None
    if reign or not found and timelines.compare(mine, theirs) == timelines.PARTED:
        raise ocf.NotUsable("diverged: timeline {0} here and the one of the same number on {1} "
                            "began with different promotions; rebuild it from the primary".format(
                                (reign or mine.reigns[-1]).timeline, primaries[0]))


def _find(context):
    """Return the Divergence of this instance, None where none is known of."""
    fact = find(context, context.deadline.within(context.deadline.remaining / 2))
    if fact.reason:
        context.log.info("not compared with the primary: {0}".format(fact.reason))
    return fact.value


def find(context, deadline):
    """Return the Fact of the Divergence, None without one, from Pacemaker's primary.

    Unknown where who answers at its address is another server, by what that primary says of itself.
    Raises OcfError.
    """
    fact = divergence.fact(context.instance, deadline, lambda: acting_timeline(context))
    line = acting_line(context) if fact.value else None
    if line is None or _fits(fact.value.upstream, line):
        return fact
    return Unknown("who answers at the primary's address is another server than Pacemaker's "
                   "primary: system identifier {0}, timeline {1}".format(
                       fact.value.upstream.system_identifier, fact.value.upstream.timeline))


def _fits(answered, said):
    """Return whether an upstream.Upstream may be of the server that says a timelines.Line."""
    origin = [reign.mark for reign in said.reigns if reign.timeline == timelines.ORIGIN]
    return answered.timeline == said.reigns[-1].timeline and origin in (
        [], [None], [answered.system_identifier])


def acting_timeline(context):
    """Return the timeline (int) that Pacemaker's primary says it is on, None where it says none.

    Raises OcfError where Pacemaker gives no answer.
    """
    said = acting_line(context)
    return said.reigns[-1].timeline if said else None


def acting_line(context):
    """Return the timelines.Line that Pacemaker's primary says is its own, None without one.

    Raises OcfError where Pacemaker gives no answer.
    """
    if not context.in_cluster:
        return None
    from paf.cluster import ophistory
    primaries = ophistory.promoted(
        context.cluster.cib(context.deadline), context.cluster.resource)
    if len(primaries) != 1 or primaries == [context.node]:
        return None
    found = timelines.line_from_wire(context.cluster.lines(context.deadline).get(primaries[0], ""))
    return found if found and found.own else None


def what_is_lost(instance, found, deadline):
    """Return what only this instance has (a clause for people), and whether no client relies on it.

    found: divergence.Divergence. What cannot be read may hold anything. A commit that still waited
    for a synchronous standby when the primary was shut down has no client that got an answer.
    """
    try:
        return _lost(instance, found, deadline)
    except ocf.OcfError as error:
        return str(error), False


def _lost(instance, found, deadline):
    """Return what `what_is_lost` does. Raises OcfError."""
    if found.end is None:
        return "", False
    content = waldump.content(instance, found.fork, found.end.lsn, found.size,
                              deadline.within(deadline.remaining / 2))
    no_loss, words = _no_loss(instance, found, content, deadline)
    judged = loss.judge(loss.without(content.counts, no_loss))
    if judged.unknown:
        return "with records that PAF does not know: {0}".format(", ".join(judged.unknown)), False
    if not judged.relied_on:
        return _NO_COMMIT + (" but {0}".format(words) if words else ""), True
    last = [text for _, text in content.transactions if text.startswith("COMMIT")]
    when = last[-1].partition(";")[0].split(" ", 1)[1].partition(".")[0] if last else ""
    return "among them {0}{1}{2}".format(judged.relied_on, ", the last at " + when if when else "",
                                         _doubt(instance, deadline)), False


def _no_loss(instance, found, content, deadline):
    """Return the counts (dict) of transactions that no client relies on, and what they are.

    found: divergence.Divergence; content: waldump.Content.
    """
    waited = loss.ended(content.transactions, [
        wal.parse_lsn(text) for text in waiting_commits.noted(instance, found.fork.timeline)])
    rest = [lsn for lsn, text in content.transactions
            if text.startswith("COMMIT ") and lsn not in waited]
    try:
        from paf.instance import housekeeping
        vacuums = housekeeping.commits(
            instance, found.fork, content.end, found.size, rest, deadline)
    except ocf.OcfError:
        vacuums = []    # then they count
    words = [text.format(loss.judge(loss.counted(content.transactions, lsns)).relied_on)
             for text, lsns in (("{0} that waited for a synchronous standby", waited),
                                ("{0} of ANALYZE or VACUUM", set(vacuums))) if lsns]
    return loss.counted(content.transactions, waited | set(vacuums)), " and ".join(words)


def _doubt(instance, deadline):
    """Return the clause of a reason for where it is not known which commits waited, or "".

    A server that was shut down cleanly has noted them; one that died has not.
    """
    control = controldata.read(instance, deadline)
    if is_known(control) and control.value.state in (state.SHUT_DOWN, state.SHUT_DOWN_IN_RECOVERY):
        return ""
    try:
        if not settings.read(instance, "synchronous_standby_names", deadline):
            return ""
    except ocf.OcfError:
        pass    # not known: it may have been set
    return ("; whether they waited for a synchronous standby is not known, the server died before "
            "that was noted")


def _rewind(context, conninfo, found, reason, safe):
    """Give up what exists only here, and see that it was enough. Raises OcfError."""
    context.log.warning("rejoin={0}: {1}; rewinding, which gives these up".format(
        context.parameters.rejoin, reason))
    try:
        rewindrole.check(context.instance, conninfo, context.deadline)
        rewind.run(context.instance, conninfo, found, context.deadline, context.log, safe)
    except ocf.OcfError as error:
        raise error.__class__("{0} ({1})".format(error, reason))
    again = _find(context)
    if again:
        raise ocf.NotUsable("after pg_rewind: {0}".format(divergence.reason(again)))
    from paf import stranger
    stranger.forget(context)    # what was compared is given up
    context.log.warning("rewound to the primary's history")
