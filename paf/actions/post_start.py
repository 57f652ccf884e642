"""After a start: standbys that have just come get their scores."""

from paf import notify
from paf.actions import monitor


def run(context):
    """On the primary, bring the scores up to date; and end elections that are over.

    The next monitor may be too late: were the primary to die before, nobody could follow it.
    """
    if not context.notification.promote:
        context.cluster.end_old_round(context.deadline)
    if context.node in notify.nodes(context.notification.promoted):
        monitor.look_at_standbys(context, notify.nodes(context.notification.start))
