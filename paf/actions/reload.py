"""reload and reload-agent: take note of changed parameters.

Each run of the agent reads them anyway; PostgreSQL's own configuration is the
administrator's. bindir and start_opts take effect at the next start.
"""

from paf import ocf
from paf.crash import watcher
from paf.instance import postmaster


def run(context):
    """Return SUCCESS."""
    watcher.end(context)    # it was started with the old ones
    if postmaster.find(context.instance):
        watcher.keep(context)
    context.log.info("reloaded: changed parameters take effect from now on")
    return ocf.SUCCESS
