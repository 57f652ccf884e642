"""Whether a standby may be chosen for a promotion, and what it says where it may not."""

from paf import holders
from paf.cluster import notes
from paf.decide import election, scores, transition
from paf.decide.knowledge import is_known

#: In the reason of a primary that refused to give way: with it gone, more has to be said.
_REFUSED = "switchover refused"
#: In the reason of a standby that followed the last primary, and was left out by it.
_LEFT_OUT = (_REFUSED, scores.REFUSED, scores.LATE)


def let_in(context, view, deadline):
    """Make this node a candidate again if it was held back; return whether it was. OcfError.

    view: cib.Scan. It had caught up when a primary last looked, or has since, and that one is gone:
    it cannot refuse the switchover that is still requested, and no other will let this node in. Not
    where this node is cut off: what it writes could replace the CIB of those that went on.
    """
    score = view.scores.get(context.node)
    # without the note nothing is known to be missing: the election finds that out
    is_over = score == election.WAITING and not context.cluster.notes.read(notes.AWAITED)
    if context.cluster.is_powerless or score is None or score >= 0 or (
            score == election.WAITING and not is_over):
        return False
    from paf.cluster import ophistory
    if ophistory.promoted(context.cluster.cib(deadline), context.cluster.resource) or not (
            is_over or scores.is_held_back(score) or _has_all(context, view, deadline)):
        return False
    context.log.info("{0} may be promoted: {1}".format(
        context.node, "it waits for no node any more" if is_over else
        "the primary that kept it from that is gone, and it has caught up"))
    context.cluster.set_score(context.node, election.LOSER_SCORE, deadline)
    return True


def _has_all(context, view, deadline):
    """Return whether this node, left out by the last primary that it followed, has all of its WAL.

    A primary whose node goes into standby mode, or is shut down, cannot stay one. It sends what it
    has while it shuts down, and its last words say where that ends. One that runs as a standby, as
    its node may not have the role, votes: the election compares. The reason shows that this node
    followed it: a score is the same for one that did not.
    """
    old = [node for node, score in view.scores.items() if score >= scores.PRIMARY]
    if len(old) != 1 or not any(
            words in view.reasons.get(context.node, "") for words in _LEFT_OUT):
        return False
    from paf.cluster import ophistory
    if old[0] in ophistory.standbys(context.cluster.cib(deadline), context.cluster.resource):
        return old[0] != context.node
    last = holders.last_words(view).get(old[0])
    if not is_known(last):
        return False
    from paf.instance import position
    fact = position.place(context.instance, deadline).position
    return is_known(fact) and bool(fact.value.timeline == last.value.timeline
                                   and fact.value.lsn >= last.value.lsn)


def explain_score(context, view, deadline):
    """Show why this node cannot be promoted where its score says so, and nothing else does.

    view: cib.Scan. For a cluster without a primary. Without a score, the node says so unless one
    that can be promoted runs, or is being started: that one will be, or says why not. OcfError.
    """
    score, said = view.scores.get(context.node), view.reasons.get(context.node, "")
    if let_in(context, view, deadline) or said and not (
            score is not None and score <= election.BARRED and _REFUSED in said):
        return
    able = set(node for node, other in view.scores.items()
               if other > 0 or other == election.WAITING)
    if score is None:
        here = set(view.running) | set(transition.nodes(context.notification.start))
        if not able & here & set(view.online):
            context.cluster.explain(context.node, scores.left_out(None, able), deadline)
    elif score < 0 and score != election.WAITING:
        context.cluster.explain(context.node, scores.left_out(score, able), deadline)


def try_again(context, view):
    """Make nodes that waited for what was missing candidates again. Raises OcfError.

    view: cib.Scan. For a cluster without a primary, when a node or an answer has come.
    """
    for node, score in sorted(view.scores.items()):
        if score == election.WAITING:
            context.log.info("{0} may be promoted now: electing again".format(node))
            context.cluster.set_score(node, election.LOSER_SCORE, context.deadline)


def look_again(context, awaited):
    """Be a candidate again if one of the nodes that were awaited has come. Raises OcfError.

    awaited: nodes (list of str), as `wait_for` noted them; this node itself, and one that gave no
    position, are asked again each time. Without a score it is none, and says so.
    """
    view = context.cluster.view(context.deadline)
    if context.node not in view.scores:
        explain_score(context, view, context.deadline)
        return
    waits = view.scores[context.node] == election.WAITING
    here, awaited = set(view.online) & set(view.running), set(awaited)
    after = set(name[len(notes.AFTER):] for name in awaited if name.startswith(notes.AFTER))
    # what a cut-off node writes could replace the CIB of those that went on
    if waits and not context.cluster.is_powerless and (
            context.node in view.accepted or here & awaited or set(view.last_words) & awaited
            or after - here or any(view.scores.get(node) != election.WAITING for node in after)):
        context.cluster.set_score(context.node, election.LOSER_SCORE, context.deadline)
    if not waits or context.node in view.accepted:
        context.cluster.notes.remove(notes.AWAITED)
