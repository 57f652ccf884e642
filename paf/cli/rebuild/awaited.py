"""What is waited for once an instance is rebuilt: administrators' orders, and that it streams."""

import time

from paf import instance as local
from paf import ocf
from paf.cli import configuration, view
from paf.cli.common import NOT_DONE, OK, Problem, complain, say
from paf.cli.status import orders
from paf.cli.status.concern import NO_ACTION
from paf.deadline import Deadline
from paf.decide import state
from paf.instance import journal, observe, queries, receiver

_LOOK = 0.5    # seconds between two looks whether it streams


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


def kept(work):
    """Return that the old directory is kept, as the end of a sentence; "" where it is not."""
    return "; the old directory is kept: {0}".format(", ".join(work.old())) if work.old() else ""


def follow(instance, work, seconds):
    """Wait until the instance streams, then remove the old directory; return the exit code."""
    if not Deadline(seconds).wait_for(lambda: streams(instance), longest=_LOOK):
        complain("the instance does not stream yet, see paf status{0}".format(kept(work)))
        return NOT_DONE
    if not work.is_kept() and work.old():
        complain("what only the old directory has is not kept elsewhere, so it stays: "
                 "{0}".format(", ".join(work.old())))
    for path in work.old() if work.is_kept() else []:
        journal.remove_folder(instance, path)
    say("it streams from the primary")
    return OK


def streams(instance):
    """Return whether the instance is seen to be a standby that streams."""
    try:
        query = queries.monitor(local.version(instance))
        sight = observe.observe(instance, Deadline(10.0), query)
    except ocf.OcfError:
        return False
    if sight.verdict.state != state.STANDBY or not sight.rows:
        return False
    said = sight.rows[0][2]    # up to PostgreSQL 9.5 nothing
    return receiver.is_receiving(instance) if said == "" else said != "0"
