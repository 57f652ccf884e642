"""stop: end every process of the instance. Validates nothing, and never asks why."""

from paf import ocf
from paf.crash import watcher
from paf.decide import transition
from paf.decide.knowledge import Known
from paf.instance import postmaster, server, waiting_commits


def run(context):
    """Stop the instance and return SUCCESS; a dead one is stopped. Raises OcfError (soft)."""
    watcher.end(context)
    # where Pacemaker does not say which node this is, no program is asked: it may hang
    if context.in_cluster and transition.is_recovery_of_standby(
            context.notification, context.environment.meta("on_node")):
        context.log.info("recovery of this standby")
    ran = postmaster.find(context.instance) != Known(None)
    # loaded now: an upgrade may replace the files, or a removal take them, while the server stops
    from paf import lastwords, remarks
    if ran:
        waiting_commits.end(context.instance, context.log)
        lastwords.postpone(context)    # first: this action may be killed, and run again
    server.stop(context.instance, context.deadline, context.log, last=True)
    if ran or context.in_cluster and _is_unsaid(context):
        lastwords.leave(context)
    remarks.forget(context)
    return ocf.SUCCESS


def _is_unsaid(context):
    """Return whether a demotion before this stop could not publish the instance's last words."""
    from paf.cluster import notes
    try:
        return bool(notes.Notes(context.environment).read(notes.UNSAID))
    except ocf.OcfError:
        return False
