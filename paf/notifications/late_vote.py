"""vote: a vote for an election that is not open yet. Not an OCF action.

Where one of the nodes is busy, Pacemaker runs one operation at a time in the whole cluster, also of
notifications that it announces to all. So a node may be notified before the candidate, whose
notification opens the election, and does not run before this node's has returned. Started by
pre_promote, as a daemon. Source: Pacemaker's load-threshold; throttle_get_total_job_limit in
controld_throttle.c (1.1.13 and later).
"""

from paf import hindrances, ocf, refused, stranger
from paf.actions import start
from paf.decide import transition
from paf.instance import position

#: Seconds until the candidate's notification runs, at most.
_PATIENCE = 30.0


def run(context):
    """Vote once the candidate has opened an election; return SUCCESS. Raises OcfError.

    The position is read then: it may be another transition's election by now.
    """
    refused.check_programs(context)
    chosen = transition.candidate(context.notification)

    def compare(fact):
        start.compare(context)
        stranger.note(context, chosen, fact)

    def vote():
        where = position.place(context.instance, context.deadline)
        return where.position, hindrances.heard(context, where)
    context.cluster.vote_late(chosen, vote, context.deadline, compare,
                              context.deadline.within(_PATIENCE))
    return ocf.SUCCESS
