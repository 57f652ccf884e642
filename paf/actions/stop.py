"""stop: end every process of the instance. Validates nothing, and never asks why."""

from paf import ocf
from paf.crash import watcher
from paf.decide import transition
from paf.instance import server


def run(context):
    """Stop the instance and return SUCCESS; a dead one is stopped. Raises OcfError (soft)."""
    watcher.end(context)
    if context.in_cluster and transition.is_recovery_of_standby(context.notification, context.node):
        context.log.info("recovery of this standby")
    server.stop(context.instance, context.deadline, context.log)
    return ocf.SUCCESS
