"""After a start: standbys that have just come get their scores, or are compared with."""

from paf.decide import transition


def run(context):
    """On the primary, bring the scores up to date; and end elections that are over.

    The next monitor may be too late: if the primary fails before it, no standby has a score.
    """
    lists = context.notification
    if not lists.promote:
        context.cluster.end_old_round(bool(transition.lasting_primaries(lists)), context.deadline)
    if transition.starts_without_primary(lists):
        from paf.actions import start
        start.compare(context)
    started = transition.nodes(lists.start)
    # one that was started itself is no primary, whatever it was when the transition began
    if context.node in transition.nodes(lists.promoted) and context.node not in started:
        from paf.actions import monitor
        monitor.look_at_standbys(context, started)
