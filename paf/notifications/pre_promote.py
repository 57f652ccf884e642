"""Before a promotion: all nodes vote with their position, and the candidate decides."""

from paf import hindrances, holders, ocf, promotion, voted
from paf.cluster import base, notes
from paf.decide import election, scores, transition
from paf.decide.knowledge import is_known
from paf.instance import position

#: Seconds in which the candidate opens the election, if it is notified at the same time.
_ROUND_PATIENCE = 3.0
_LOOK_PATIENCE = 5.0


def run(context):
    """Vote with this node's position; on the candidate, hold the election."""
    lists = context.notification
    deadline = context.deadline
    chosen = transition.candidate(lists)
    if chosen is None:    # another member of a cloned group is
        context.log.info("no instance of this resource is to be promoted: no election")
        return
    if chosen != context.node:
        _note_history(context)    # first: what follows may fail, and an old note must not stay
    where = position.place(context.instance, deadline)
    seen = hindrances.heard(context, where)
    if not is_known(where.position):
        context.log.warning("the WAL position of this node is not known: {0}".format(
            where.position.reason))
    if chosen != context.node:
        _vote(context, chosen, where, seen)
        return
    try:
        mark, recovered = _open(context, where, seen)
    except ocf.OcfError as error:
        _give_way(context, error)
        return
    if not lists.promoted and _is_forgotten(context):
        return
    context.log.info("{0}: {1} is to be promoted".format(_name(context, mark), chosen))
    if mark == base.MARK_COLD and not _is_behind(context) and (
            promotion.await_the_absent(context, where)):
        return
    if recovered:
        _prepare_recovered(context, where)
    else:
        _elect(context, where)


def _open(context, where, seen):
    """Open this candidate's round; return its mark, and whether it was recovered. OcfError."""
    lists, mark = context.notification, base.MARK_NONE
    if transition.is_recovery_of_primary(lists) or not lists.promoted:
        mark = context.cluster.mark()
    recovered = mark == base.MARK_RECOVERED and transition.is_recovery_of_primary(lists)
    context.cluster.notes.remove(notes.RULE)    # of an election that ended before its promotion
    compares = context.cluster.mark() == base.MARK_COLD or context.cluster.counts_line()
    if compares:    # of an instance whose start could not note it
        _compare(context)
    context.cluster.open_round(where.position, recovered, context.deadline, seen, compares)
    return mark, recovered


def _give_way(context, error):
    """Say why this candidate can open no round, and have another one tried. Raises OcfError.

    Now: a promotion that fails would have its instance restarted first. Not where no other node
    has as much, or where this one is the primary already.
    """
    reason = "no election was held: {0}".format(error)
    context.log.error(reason)
    context.cluster.explain(context.node, reason, context.deadline)
    if not transition.is_recovery_of_primary(context.notification) and not _is_forgotten(context):
        context.cluster.set_score(context.node, election.LOSER_SCORE, context.deadline)


def _is_forgotten(context):
    """Return whether this candidate is a primary, of which Pacemaker has forgotten that it is one.

    It does each time a reload's transition is aborted before the primary's next monitor: by any
    change of the CIB. Source: Pacemaker records a reload as a start
    (pcmk__create_history_xml, up to 3.0 at least). `promote` then changes nothing. A refusal would
    end with a primary that is demoted, and no position is needed for what has been decided: none
    may be known, on whatever node, as what was reloaded can be a wrong bindir.
    """
    from paf.instance import observe
    found = observe.is_primary(context.instance, context.deadline.within(_LOOK_PATIENCE))
    if found:
        context.log.info("{0} is the primary already, and stays it: there is no "
                         "election".format(context.node))
    return found


def _name(context, mark):
    """Return the name of the transition, by the mark of this instance where the lists say nothing.

    An instance without a mark has had a primary beside it, or an election.
    """
    name = transition.transition(context.notification)
    if name != transition.PROMOTION or context.cluster.is_announced_again:
        return name
    return {base.MARK_COLD: transition.FIRST_START,
            base.MARK_RECOVERED: transition.RECOVERY_OF_PRIMARY}.get(mark, transition.FAILOVER)


def _compare(context):
    """Publish this node's history for an election that compares them. Raises nothing."""
    from paf.actions import start
    start.compare(context)


def _compare_with(context, chosen, fact):
    """Publish this node's history, and compare it with that of the candidate. Raises nothing."""
    from paf import stranger
    _compare(context)
    stranger.note(context, chosen, fact)


def _note_history(context):
    """Note what is known before this promotion, for post_promote. Raises nothing."""
    from paf.cluster import notes
    from paf.instance import walfiles
    try:
        context.cluster.notes.remove(notes.HISTORY)    # an earlier one's is worse than none
        context.cluster.notes.write(
            notes.HISTORY, "{0}".format(walfiles.newest_history(context.instance)))
    except (ocf.OcfError, EnvironmentError) as error:
        context.log.info("the histories that this standby has are not noted: {0}".format(error))


def _vote(context, chosen, where, seen):
    from paf import stranger
    stranger.forget(context)
    answered = False
    try:
        answered = context.cluster.vote(chosen, where.position, context.deadline, seen,
                                        lambda fact: _compare_with(context, chosen, fact),
                                        context.deadline.within(_ROUND_PATIENCE))
    except ocf.OcfError as error:
        context.log.warning("this node has not voted{0}: {1}".format(
            ", and tries again" if context.cluster.votes_later else "", error))
    else:
        if answered is False:
            context.log.info("{0} has not opened an election yet: this node votes once it "
                             "does".format(chosen))
    if answered is False:
        context.cluster.vote_in_background()
    if answered is None and is_known(where.position):    # the candidate knows no rounds
        context.cluster.publish(where.position.value, context.deadline)
        fact = position.by_checkpoint(context.instance, where.position, context.deadline)
        if fact != where.position:
            context.cluster.publish(fact.value, context.deadline)


def _is_behind(context):
    """True where another node is ahead already: that one waits for absent nodes."""
    view = context.cluster.view(context.deadline)
    verdict = promotion.count(context, context.deadline.within(context.cluster.votes_patience),
                              view.maintenance, cold=promotion.cold_facts(context, view))
    return verdict.better is not None


def _prepare_recovered(context, where):
    """What a primary that crashed and was recovered here has to publish: its own setting."""
    if not (is_known(where.synchronous) and not where.synchronous.value.strip()):
        holders.prepare_rule(context, where, context.cluster.view(context.deadline))


def _elect(context, where):
    """Decide before any promote runs: Pacemaker sees new scores and chooses again."""
    lists = context.notification
    view = context.cluster.view(context.deadline)    # while the others vote
    second = promotion.second_primary(lists)
    accepted = context.node in view.accepted
    reason = not accepted and hindrances.stranded(context, where, view)
    # a refusal, too, comes after the votes: the others wait for a round to answer
    verdict = promotion.count(context, context.deadline.within(context.cluster.votes_patience),
                              view.maintenance, cold=promotion.cold_facts(context, view))
    verdict = promotion.judge(context, where, view, verdict)
    late = not (accepted or verdict.better in view.accepted) and (
        hindrances.lag(context, where, verdict.better))
    if second:    # no fault of this node: once that one is gone, it is a candidate as before
        promotion.refuse(context, second, scores.held_back(view.scores.get(context.node, 0)))
    elif reason:
        promotion.refuse(context, reason, election.BARRED)
    elif late:
        promotion.refuse(context, late, scores.NOT_CONNECTED)
    elif verdict.better:
        promotion.concede(context, where, verdict)
    elif verdict.promote:
        holders.prepare_rule(context, where, view)
        voted.pass_round(context)
    elif context.cluster.guards_switchover or not verdict.missing:
        promotion.wait_for(context, verdict)
    else:
        # with an old Pacemaker the votes abort the transition: promote looks again
        context.log.warning(verdict.reason)
