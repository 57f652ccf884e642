"""The election of a candidate: what its pre-promote notification and its promotion share."""

from collections import namedtuple

from paf import holders, ocf
from paf.cluster import base, notes
from paf.decide import election, scores, transition
from paf.decide.knowledge import is_known

#: When a node that has not voted is asked through its database port, and how often, in seconds.
_MUTE = 2.0
#: What is left of an action's time, in seconds, for the votes after a wait for absent nodes; two
#: thirds where that is less.
_VOTES_TIME = 20.0
#: Only its score says that a node was the last primary, as commits wait for no standby. Scores are
#: written some time after a promotion: then a timeline of a later number counts more.
_BY_SCORE = "score"
#: What is known after a cold start: the last primary (str, None where it is not known), the
#: histories (dict of node to timelines.Line), whether more than a score says so (bool), the
#: vote (str) that this primary has if its data directory was not set back, "" where none is known,
#: and the nodes (of str) that did not follow it by the scores that it left.
Cold = namedtuple("Cold", "primary lines certain needed behind")
_WARM = Cold(None, {}, True, "", ())


def second_primary(lists):
    """Return why the promotion announced would make two primaries, or None.

    Pacemaker means to have two where promoted-max was raised while the cluster ran.
    """
    others = [node for node in transition.lasting_primaries(lists)
              if node != transition.candidate(lists)]
    if others:
        return "{0} is the primary; the clone must have promoted-max=1".format(", ".join(others))
    return None


def count(context, deadline, maintenance=(), mute=_MUTE, cold=None):
    """Wait until all voters have voted, and return the election.Decision.

    maintenance: nodes that Pacemaker does not notify; they, and those that stay silent for `mute`
    seconds, are asked through their database port. One that has left the cluster is not waited
    for: Pacemaker computes again, but not before this action has ended. Half of the action's time
    is left for the steps of a refusal. cold: of `cold_facts`.
    """
    from paf.cluster.departure import Departure
    voters = transition.voters(context.notification)
    deadline = deadline.within(context.deadline.remaining / 2)
    seen, doubts, since = [], {}, []
    asked = context.cluster.asked = {}
    departure = Departure(context.cluster, deadline)

    def over():
        votes = context.cluster.positions(voters, context.deadline)
        for node in votes:    # late: its server's answer is out of date
            asked.pop(node, None)
        context.cluster.counted = positions = dict(asked, **votes)
        known = _with_histories(context, voters, cold or _WARM, positions)
        seen[:] = [decide(context.node, voters, positions, known)]
        if context.node in positions and not since:    # before that no node can vote
            since.append(deadline.elapsed)
        silent = [node for node in seen[0].missing if since and node != context.node and (
            node in maintenance or deadline.elapsed - since[0] > mute)]
        if silent and _ask_ports(context, silent, asked, doubts, deadline):
            return over()
        return not seen[0].missing or departure.is_noticed(seen[0].missing)
    deadline.wait_for(over)
    why = [doubts[node] for node in seen[0].missing if node in doubts]
    return seen[0]._replace(reason="; ".join([seen[0].reason] + why))


def all_positions(context):
    """Return the Facts (dict of node to it) of all that voted, or were asked. Raises OcfError."""
    voters = transition.voters(context.notification)
    return dict(context.cluster.asked, **context.cluster.positions(voters, context.deadline))


def _with_histories(context, voters, cold, positions):
    """Return a Cold with what came with the votes: who votes publishes its history first.

    positions: those of the votes so far. An attribute manager that was started again since has no
    history of a node that votes.
    """
    if cold is not _WARM and (None in cold.lines.values() or set(positions) - set(cold.lines)):
        return cold._replace(lines=_histories(context, voters))
    return cold


def _histories(context, voters):
    """Return the timelines.Line of each node that says one, None for one of `voters` that does not.

    Raises OcfError.
    """
    from paf.decide import timelines
    found = context.cluster.lines(context.deadline, voters)
    return dict((node, timelines.line_from_wire(found[node])) for node in found)


def decide(candidate, voters, positions, cold):
    """Return the election.Decision on a node; cold: a Cold.

    A last primary that was set back does not have all there is, and counts like any other node.
    """
    primary, needed = cold.primary, election.from_vote(cold.needed)
    if primary in positions and needed is not None and election.set_back(
            {primary: needed}, positions):
        primary = None
    return election.decide(candidate, voters, positions, primary, cold.lines, cold.certain,
                           cold.behind)


def _ask_ports(context, nodes, asked, doubts, deadline):
    """Ask nodes through their database port; return True if one that was silent has answered.

    asked, doubts: dicts of node to its Fact, and to why there is none (str), which it adds to.
    """
    from paf.instance import peer
    streamed = _streamed(context, deadline)
    for node in nodes:
        if deadline.passed:    # each would take a moment more
            doubts.setdefault(node, "its server cannot be asked: no time is left")
            continue
        fact = peer.position(context.instance, node, node in streamed, deadline)
        if is_known(fact):
            context.log.warning("{0} does not vote; its server says where it is".format(node))
            asked[node] = fact
        else:
            doubts[node] = fact.reason
            context.log.info("{0} does not vote, and {1}".format(node, fact.reason))
    return any(node in asked for node in nodes)


def _streamed(context, deadline):
    """Return the nodes (a list) that have a connected standby's score from the last primary.

    None of them where that cannot be found out.
    """
    try:
        found = context.cluster.view(deadline).scores
    except ocf.OcfError as error:
        context.log.info("the promotion scores are not known: {0}".format(error))
        return []
    return [node for node, score in found.items()
            if election.LOSER_SCORE < score < scores.PRIMARY or scores.is_held_back(score)]


def await_the_absent(context, where):
    """After a cold start, wait for nodes that may hold more; True if one came, to start again.

    where: position.Place of the candidate. Raises OcfError. One that comes has Pacemaker compute
    again; else those here decide, also if announced again: the reason shown has changed the CIB.
    """
    def look():
        view = context.cluster.view(context.deadline)
        behind = [node for node, fact in holders.last_words(view).items()
                  if is_known(fact) and is_known(where.position)
                  and fact.value <= where.position.value]
        return election.awaited(voters, _left(context, where, view), scores.PRIMARY,
                                behind + waited), view.online

    def came():
        missing, online = look()
        found[:] = sorted(set(absent) - set(missing) | set(online) & away)
        return found

    voters, found = transition.voters(context.notification), []
    waited = context.cluster.notes.read(notes.WAITED).splitlines()    # in full, and in vain
    absent, online = look()
    # one that is a member, and was not started, may be in standby mode: it need not come
    away = set(absent) - set(online)
    if not absent:
        return False
    context.log.warning("cold start: waiting for {0}, which may hold more WAL".format(
        ", ".join(absent)))
    context.cluster.explain(context.node, "waiting for {0}, which may hold more WAL".format(
        ", ".join(absent)), context.deadline)
    left = context.deadline.remaining
    patience = context.deadline.within(max(left / 3, left - _VOTES_TIME))
    if patience.wait_for(came):
        refuse(context, "{0} came back while it was waited for".format(
            ", ".join(found)))
        return True
    context.log.warning("{0} did not come: electing without".format(", ".join(absent)))
    context.cluster.notes.write(notes.WAITED, "\n".join(waited + absent))
    return False


def _left(context, where, view):
    """Return the scores that were left; without this node's where it was set back since."""
    mark = holders.marks(view).get(context.node)
    if mark is not None and election.set_back({context.node: mark}, {context.node: where.position}):
        return dict((node, view.scores[node]) for node in view.scores if node != context.node)
    return view.scores


def judge(context, where, view, verdict):
    """Return the final election.Decision: also about nodes that do not vote.

    where: position.Place of this node; view: cib.Scan; verdict: of `count`.
    """
    if verdict.promote:
        others = holders.judge(context, where, view, context.node, where.position.value)
        verdict = verdict if others.promote else others
    if not verdict.promote and context.node in view.accepted:
        reason = "the administrator accepts the loss ({0})".format(verdict.reason)
        context.log.warning(reason)
        return election.Decision(True, reason, None, (), ())
    return verdict


def cold_facts(context, view):
    """Return what is known after a cold start, a Cold; that of a warm one names no primary.

    view: cib.Scan; None in promote, which finds the last primary in a note. An instance that left
    the history of the primary is not started while that one runs: it can vote only where no
    primary ran when it was started. Such a start has all that vote publish their histories, also
    those that followed the primary until it was lost.
    """
    if context.cluster.mark() != base.MARK_COLD and not context.cluster.counts_line():
        context.cluster.notes.remove(notes.PRIMARY)
        return _WARM
    if view is not None:
        primary, entry = holders.last_primary(
            context, view, holders.entries_of(view)[0])
        behind = [node for node in sorted(view.scores)
                  if election.BARRED <= view.scores[node] <= scores.NOT_CONNECTED]
        context.cluster.notes.write(notes.PRIMARY, "\n".join([
            primary or "", "" if entry else _BY_SCORE, view.acknowledged.get(primary, ""),
            " ".join(behind)]))
    primary, doubt, needed, behind = (
        context.cluster.notes.read(notes.PRIMARY).split("\n") + [""] * 3)[:4]
    lines = _histories(context, transition.voters(context.notification))
    return Cold(primary or None, lines, doubt != _BY_SCORE, needed,
                behind.split())


def concede(context, where, verdict):
    """Give the promotion to the node that is ahead, and say so. Raises OcfError.

    where: position.Place of this node. One that could only refuse again is not asked to: both would
    be chosen by turns, without end.
    """
    if not verdict.better:
        refuse(context, verdict.reason)
        return
    reason, view = verdict.reason, context.cluster.view(context.deadline)
    current = view.scores
    if current.get(verdict.better) == election.WAITING and verdict.better not in view.accepted and (
            _would_refuse(context, where, view, verdict.better)):
        wait_for(context, verdict._replace(
            reason="{0}; {1} cannot be promoted yet: see its reason".format(reason, verdict.better),
            awaited=(notes.AFTER + verdict.better,)))
        return
    wanted = election.concession(context.node, verdict.better, current)
    if wanted[context.node] == election.BARRED:
        # as with a standby for disasters, which has the newest data and may not be promoted; or
        # with an instance that is blocked, since its stop has failed
        reason += "; a constraint or a failure keeps Pacemaker from promoting {0}".format(
            verdict.better)
    refuse(context, reason)
    context.cluster.reveal(wanted, context.deadline)
    for node in (verdict.better, context.node):
        if current.get(node) != wanted[node]:
            context.cluster.set_score(node, wanted[node], context.deadline)


def _would_refuse(context, where, view, better):
    """Return whether the node that is ahead, and waits, would have to refuse a promotion again."""
    positions = all_positions(context)
    verdict = decide(better, transition.voters(context.notification), positions,
                     cold_facts(context, None))
    if verdict.missing:    # a vote has been withdrawn since
        return False
    return not verdict.promote or not holders.judge(
        context, where, view, better, positions[better].value).promote


def wait_for(context, verdict):
    """Refuse until the nodes or facts that are missing have come. Raises OcfError.

    No node is banned: the start of an instance, or this node's next monitor, tries again. Where no
    node can end the wait, the administrator can, which a monitor looks for as well.
    """
    # a voter that leaves for good is none in the next election: others decide without it
    awaited = list(verdict.awaited) + [notes.AFTER + node for node in verdict.awaited if (
        node != context.node and node in transition.voters(context.notification))]
    context.cluster.notes.write(notes.AWAITED, "\n".join(awaited or [notes.NO_NODE]))
    refuse(context, verdict.reason, election.WAITING)


def refuse(context, reason, score=None):
    """Close the round and show the reason where administrators look. Raises OcfError.

    score: the promotion score (int) that this node gets, None to keep it. It comes last: whatever
    ends this action early, a node that may not be promoted says why.
    """
    context.log.warning("{0} is not promoted: {1}".format(context.node, reason))
    context.cluster.notes.remove(notes.WAITED)
    context.cluster.close_round(context.deadline)
    context.cluster.explain(context.node, reason, context.deadline)
    if score is not None:
        context.cluster.set_score(context.node, score, context.deadline)
