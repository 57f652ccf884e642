"""What is wrong without being a failure: logged once, and shown in crm_mon as long as it holds.

A node attribute shows it, for Pacemaker keeps no reason of an action that succeeds. The file beside
the watcher's remembers what was said, so that a monitor writes nothing while nothing changes.
"""

from paf import lastgood, parameters
from paf.ocf import OcfError

#: The attribute, for each resource, that says what is wrong on a node.
ATTRIBUTE = "degraded_because"

_PATIENCE = 5.0    # seconds
_LONGEST = 1000    # characters


def of_parameters(context):
    """Return what is wrong with the parameters (a list of str), and what is used instead."""
    names = parameters.unusable(context.given)
    found = parameters.problems(context.given)
    if names:
        found.append("used instead: {0}".format(", ".join("{0}={1}".format(
            name, getattr(context.parameters, name)) for name in names)))
    return found


def say(context, remarks):
    """Log and show what is wrong on this node: a list of str, empty for nothing. Raises nothing.

    Only what has changed since the last time.
    """
    text = " ".join("; ".join(remarks).split())[:_LONGEST]
    name = lastgood.path(context.environment, "remarks")
    before = lastgood.read(name)
    if text == before:
        return
    try:
        if text:
            context.log.warning(text)
        else:
            context.log.info("no longer so: {0}".format(before))
        if context.in_cluster:
            context.cluster.remark(ATTRIBUTE, context.node, text,
                                   context.deadline.within(_PATIENCE))
        if text:
            lastgood.write(name, text)
        else:
            lastgood.remove(name)
    except OcfError as error:
        context.log.warning("the cluster does not show this: {0}".format(error))
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))


def forget(context):
    """Have everything said again: a start of the cluster has removed the attributes."""
    try:
        lastgood.remove(lastgood.path(context.environment, "remarks"))
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))
