"""When parameters are kept as the last good ones; see lastgood."""

from paf import instance as local
from paf import lastgood, remarks

#: What takes effect at the next start, and has to be known good until then.
NAMES = ("bindir", "start_opts")


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


def are_the_same(one, other):
    """Return whether two Parameters have the same NAMES."""
    return all(getattr(one, name) == getattr(other, name) for name in NAMES)
