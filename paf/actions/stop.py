"""stop: end every process of the instance. Validates nothing, and never asks why."""

from paf import ocf, watcher
from paf.instance import server


def run(context):
    """Stop the instance and return SUCCESS; a dead one is stopped. Raises OcfError (soft)."""
    watcher.end(context)
    server.stop(context.instance, context.deadline, context.log)
    return ocf.SUCCESS
