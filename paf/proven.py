"""When parameters are kept as the last good ones; see lastgood."""

from paf import instance as local
from paf import lastgood, remarks
from paf.instance import observe

#: What takes effect at the next start, and has to be known good until then.
NAMES = ("bindir", "start_opts")
_PATIENCE = 3.0    # seconds, of a monitor's


def keep(context, first=False):
    """Keep the parameters as the last good ones, if they are. Raises nothing.

    For a server that was started with them, or that answers where they lead. first: such a server
    was started by another agent, which may have understood what this one does not: then what is
    used instead is kept.
    """
    try:
        if are_the_same(context.given, context.parameters):
            lastgood.remove(lastgood.path(context.environment, remarks.REFUSED))
        if (first or context.given == context.parameters) and (
                not local.misplaced(context.instance)):
            lastgood.save(context.environment, context.parameters if first else None)
    except EnvironmentError as error:
        context.log.warning("cannot keep the parameters: {0}".format(error))


def look_again(context, sight):
    """Keep the parameters of a server that answers where none are kept. Raises nothing.

    As after an upgrade of the agent beside a running server. Where some were refused, ask again: a
    file or a package may be right by now. Costs a look at two files. sight: observe.Sight.
    """
    if lastgood.read(lastgood.path(context.environment, remarks.REFUSED)):
        from paf import refused
        refused.keep_others(context, min(_PATIENCE, context.deadline.remaining / 4))
    elif observe.says_role(sight) and not lastgood.load(context.environment):
        keep(context, True)


def are_the_same(one, other):
    """Return whether two Parameters have the same NAMES."""
    return all(getattr(one, name) == getattr(other, name) for name in NAMES)
