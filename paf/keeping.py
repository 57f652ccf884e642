"""What each monitor does for the last good parameters, see lastgood: a look at two files."""

from paf import lastgood, proven, remarks
from paf.instance import observe

_PATIENCE = 3.0    # seconds, of a monitor's


def look_again(context, sight):
    """Keep the parameters of a server that answers where none are kept. Raises nothing.

    As after an upgrade of the agent beside a running server. Where some were refused, ask again: a
    file or a package may be right by now. Costs a look at two files. sight: observe.Sight.
    """
    if lastgood.read(lastgood.path(context.environment, remarks.REFUSED)):
        from paf import refused
        refused.keep_others(context, min(_PATIENCE, context.deadline.remaining / 4))
    elif observe.says_role(sight) and not lastgood.load(context.environment):
        proven.keep(context, True)
