"""Before a stop: a dead standby needs no help to be stopped."""

from paf import notify


def run(context):
    """Say what is going on."""
    if notify.is_recovery_of_standby(context.notification, context.node):
        context.log.info("recovery of this standby")
