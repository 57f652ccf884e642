"""reload and reload-agent: take note of changed parameters.

Each run of the agent reads them anyway; PostgreSQL's own configuration is the
administrator's. bindir and start_opts take effect at the next start. A failure here would have
Pacemaker restart the server; so a value that cannot be worked with is shown in crm_mon, and the
last good one goes on.
"""

from paf import lastgood, ocf, remarks
from paf.crash import watcher
from paf.instance import postmaster


def run(context):
    """Return SUCCESS."""
    watcher.end(context)    # it was started with the old ones
    if postmaster.find(context.instance).value:
        watcher.keep(context)
    context.log.info("reloaded: changed parameters take effect from now on")
    found = remarks.of_parameters(context)
    if found or remarks.has_parameters(context):    # that others are over only a monitor can find
        remarks.say(context, found)
    keep(context)
    return ocf.SUCCESS


def keep(context):
    """Keep the parameters as the last good ones, if they are."""
    if context.given != context.parameters:
        return
    try:
        lastgood.save(context.environment)
    except EnvironmentError as error:
        context.log.warning("cannot keep the parameters: {0}".format(error))
