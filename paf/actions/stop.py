"""stop: end every process of the instance. Validates nothing, and never asks why."""

from paf import ocf
from paf.crash import watcher
from paf.decide import transition
from paf.decide.knowledge import Known
from paf.instance import postmaster, server, waiting


def run(context):
    """Stop the instance and return SUCCESS; a dead one is stopped. Raises OcfError (soft)."""
    watcher.end(context)
    if context.in_cluster and transition.is_recovery_of_standby(context.notification, context.node):
        context.log.info("recovery of this standby")
    ran = postmaster.find(context.instance) != Known(None)
    if ran:
        waiting.end(context.instance, context.log)
    server.stop(context.instance, context.deadline, context.log)
    if ran:
        from paf import lastwords
        lastwords.leave(context)
    return ocf.SUCCESS
