"""The way back of an instance whose cluster has moved on; a part of start."""

from paf import ocf
from paf.instance import divergence, rewind, settings

_REWIND = "rewind"


def check(context):
    """See that the instance can follow the acting primary, or make it able to if it may.

    Raises NotUsable: hard, so that the node is left alone until somebody has looked at it. Where
    the primary cannot be asked, the monitor asks again.
    """
    found = _find(context)
    if found is None:
        return
    if context.parameters.rejoin != _REWIND or not found.common:
        raise ocf.NotUsable(found.reason)
    _rewind(context, found)


def _find(context):
    return divergence.find(context.instance, context.deadline.within(
        context.deadline.remaining / 2))


def _rewind(context, found):
    """Give up what exists only here, and see that it was enough. Raises OcfError."""
    context.log.warning("rejoin=rewind: {0}; rewinding, which gives {1} up".format(
        found.reason, "these" if found.excess is None else "{0} bytes".format(found.excess)))
    try:
        rewind.run(context.instance, settings.conninfo(context.instance, context.deadline),
                   context.deadline, context.log)
    except ocf.OcfError as error:
        raise ocf.NotUsable("{0} ({1})".format(error, found.reason))
    again = _find(context)
    if again:
        raise ocf.NotUsable("after pg_rewind: {0}".format(again.reason))
    context.log.warning("rewound to the primary's history")
