"""reload and reload-agent: take note of changed parameters.

Each run of the agent reads them anyway; PostgreSQL's own configuration is the
administrator's. bindir and start_opts take effect at the next start. A failure here would have
Pacemaker restart the server; so a value that cannot be worked with, or that the server would not
start with, is shown in crm_mon, and the last good one goes on.
"""

from paf import ocf, refused, remarks
from paf.crash import watcher
from paf.instance import postmaster


def run(context):
    """Return SUCCESS."""
    watcher.end(context)    # it was started with the old ones
    if postmaster.find(context.instance).value:
        watcher.keep(context)
    context.log.info("reloaded: changed parameters take effect from now on")
    before = remarks.has_parameters(context)
    refused.keep_others(context)
    found = remarks.of_parameters(context)
    if found or before:    # that others are over only a monitor can find
        remarks.say(context, found)
    return ocf.SUCCESS
