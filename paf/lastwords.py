"""Last words: where the WAL of an instance ends that was stopped cleanly.

They outlive the node's absence and count as its vote, until the instance is started again. So a
node that is stopped for maintenance does not keep the others from a failover, unless it has what
they lack. An instance may be run by hand while the cluster is down: a probe compares.
"""

from paf import ocf, refused
from paf.cluster import notes
from paf.decide import election, state
from paf.decide.knowledge import AtLeast, Known, Unknown, is_known
from paf.instance import controldata, position

_PATIENCE = 10.0    # seconds


def leave(context):
    """Publish the last words of an instance that was just shut down; a stop never fails for it.

    A primary's in each cluster: they say what a node must have to take over from it. A standby's
    only where commits wait for standbys. Where the end cannot be found out, they say so. None where
    the control file is damaged or shows no clean shutdown, or the cluster gives no answer: an
    instance without last words counts as one that crashed.
    """
    if not context.in_cluster:
        return
    _note(context, "yes")    # first: this action may be killed
    try:
        _leave(context)
    except ocf.OcfError as error:
        context.log.warning("no last words, so this instance counts as one that crashed: "
                            "{0}".format(error))
        return
    _note(context, "")


def leave_before(context, place):
    """Publish as last words where an instance left the primary's history. Raises OcfError.

    place: that wal.Position. What it has of a later timeline was never the primary's, and nobody
    waits for it: no node could be promoted while this one is down. It has not acknowledged more.
    """
    vote, view = election.to_vote(Known(place)), context.cluster.view(context.deadline)
    if view.rules or view.copies:
        context.cluster.publish_acknowledged(context.node, vote, context.deadline)
    context.cluster.leave_last_words(vote, context.deadline)


def postpone(context):
    """Leave the last words to the stop that follows, where this action cannot. Raises nothing.

    Each action that shuts a server down says so first. A server that runs again takes it back
    (`resume`): it may crash, and one that crashed has none.
    """
    if context.in_cluster:
        _note(context, "yes")


def resume(context):
    """Take back what was postponed: the server runs again. Raises nothing."""
    if context.in_cluster:
        _note(context, "")


def _note(context, text):
    try:
        context.cluster.notes.write(notes.UNSAID, text)
    except ocf.OcfError as error:
        context.log.info("last words that fail are not repeated: {0}".format(error))


def _leave(context):
    """Find out where the WAL ends, and publish it. Raises OcfError."""
    deadline = context.deadline.within(min(_PATIENCE, context.deadline.remaining / 2))
    refused.check_programs(context)
    control = controldata.read(context.instance, deadline)
    if isinstance(control, controldata.Damaged):
        return    # its disk has failed, most likely while it ran
    ended = control.value.state if is_known(control) else None
    if ended not in (None, state.SHUT_DOWN, state.SHUT_DOWN_IN_RECOVERY):
        return
    view = context.cluster.view(deadline)
    if ended == state.SHUT_DOWN_IN_RECOVERY and not (view.rules or view.copies):
        return
    fact = position.at_rest(context.instance, deadline) if ended else Unknown(control.reason)
    if not is_known(fact):
        context.log.warning("where the WAL ends is not known: {0}".format(fact.reason))
    if view.last_words.get(context.node) != election.to_vote(fact):
        context.cluster.leave_last_words(election.to_vote(fact), deadline)


def withdraw(context, view):
    """Take this node's last words back, before it is started, or as it runs. Raises OcfError.

    view: cib.Scan. An instance that runs can have more than they say.
    """
    context.cluster.notes.remove(notes.UNSAID)
    if context.node in view.last_words:
        context.cluster.leave_last_words("", context.deadline)


def compare_at_probe(context, was):
    """Replace the last words of an instance that ran since it left them, by hand for one.

    was: the state of an instance that does not run. What crashed since has none, but needs what it
    had. One that has less now was set back, and its words still say how much it had. Raises
    nothing.
    """
    try:
        view = context.cluster.view(context.deadline)
        words = view.last_words.get(context.node)
        if words is None:
            return
        if was in (state.CRASHED_PRIMARY, state.CRASHED_STANDBY, state.IN_BACKUP):
            from paf import acknowledged
            acknowledged.enter(context, view, was)
            withdraw(context, view)
        elif was in (state.STOPPED_PRIMARY, state.STOPPED_STANDBY, state.UNEXAMINED):
            _compare(context, election.from_vote(words))
    except ocf.OcfError as error:
        context.log.warning("last words of this node count, and may be old: {0}".format(error))


def _compare(context, words):
    """Leave other last words where the instance has more than the Fact in `words`, or may have.

    It may have been run by hand: what cannot be read is at least what it had.
    """
    fact = position.at_rest(context.instance, context.deadline.within(_PATIENCE))
    said = words is not None and is_known(words)
    had = None if words is None else words.value
    if not is_known(fact) and had is not None and (fact.value is None or fact.value <= had):
        if not said:
            return    # they are a lower bound already
        fact = AtLeast(had, fact.reason)
        context.log.warning("whether this instance ran since it was stopped by the cluster is not "
                            "known: {0}".format(fact.reason))
    elif fact.value is None or said and fact.value <= words.value:
        return
    elif said:
        context.log.warning("this instance ran since it was stopped by the cluster: its last words "
                            "were {0}".format(words.value))
    else:
        context.log.warning("last words of this instance are left again: its position was not "
                            "known")
    context.cluster.leave_last_words(election.to_vote(fact), context.deadline)


def withdraw_at_probe(context):
    """Do so for an instance that a probe finds running, in maintenance mode for one."""
    try:
        withdraw(context, context.cluster.view(context.deadline))
    except ocf.OcfError as error:
        context.log.warning("last words of this node may count, although it runs: {0}".format(
            error))
