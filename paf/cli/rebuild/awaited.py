"""What administrators have ordered, and keeps Pacemaker from starting what was rebuilt."""

import time

from paf.cli import configuration, view
from paf.cli.common import Problem
from paf.cli.status import orders
from paf.cli.status.concern import NO_ACTION


def waits_for(pacemaker, resource, node):
    """Yield what the start of an instance waits for; nothing where that is not known.

    pacemaker: common.Pacemaker; resource, node: names.
    """
    try:
        seen = view.look(pacemaker)
        configured = configuration.parse(pacemaker.cib(), time.time())
        managed = configuration.find(configured, resource)
    except Problem:
        return
    states = [seen.nodes.get(node)] + seen.flags.get(node, [])
    if view.STANDBY in states:
        yield _until("{0} is a standby node".format(node), [
            "pcs node unstandby {0}".format(node), "crm node online {0}".format(node)])
    if view.MAINTENANCE in states and not seen.maintenance:
        yield _until("{0} is in maintenance".format(node), ["paf resume {0}".format(node)])
    for rule in (orders.cluster, orders.resource):
        for item in rule({}, seen, configured, managed, None):
            if item.code in NO_ACTION:
                yield _until(item.what, item.pcs + [
                    command for command in item.crm if command not in item.pcs])


def _until(what, commands):
    return "{0}. Waits for the end of that: {1}".format(what, ", or ".join(commands))
