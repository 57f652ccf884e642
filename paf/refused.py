"""bindir and start_opts that are there and understood, and with which no server starts.

Programs of another version, a setting that does not exist: only PostgreSQL's own program says so,
and it is asked: at a reload, and before what needs them. The last good ones are used then: a
mistake that was made while the server ran keeps no service down. What could not be found out is no
refusal.
"""

from paf import instance as local
from paf import lastgood, parameters, proven, remarks
from paf.instance import settings
from paf.ocf import BadParameter, NotUsable, OcfError

_PATIENCE = 8.0         # seconds, of the 20 of a reload
_LOOK_PATIENCE = 3.0    # seconds: clients may be waiting


def keep_others(context, patience=_PATIENCE):
    """Keep the parameters of a server that was started with others, perhaps. Raises nothing.

    Those that the next start would be refused with are noted, for remarks.of_parameters. Where it
    would be refused with the last good ones as well, the mistake is in the configuration. Where it
    is not known whether it would be, what is kept and noted stays. patience: seconds.
    """
    deadline = context.deadline.within(patience)
    try:
        node = context.node if context.in_cluster else None
        reason = _refusal(context.instance, deadline, node)
        other = earlier(context) if reason else None
        if not reason:
            proven.keep(context)
        elif other is None:
            _note(context, "" if lastgood.load(context.environment) else reason)
        elif not _refusal(other, deadline, node):
            _note(context, _instead(context, other, reason))
    except OcfError as error:
        context.log.warning("whether a server starts with this bindir and start_opts is not known, "
                            "the last good ones stay: {0}".format(error))


def earlier(context):
    """Return the Instance with the last good bindir and start_opts, None without others.

    Where they are the same, as a rule, this costs a look at a file.
    """
    before = lastgood.load(context.environment)
    good = parameters.earlier(before)
    values = dict((name, getattr(good, name)) for name in proven.NAMES if name in before)
    wanted = context.parameters._replace(**values)
    if proven.are_the_same(wanted, context.parameters):
        return None
    other = local.with_earlier(local.Instance(wanted, context.instance.owner),
                               {"bindir": context.parameters.bindir})
    if proven.are_the_same(other.parameters, context.parameters) or parameters.unusable(
            other.parameters):
        return None
    return other


def check_programs(context):
    """Use the last good bindir where the other one's programs do not fit the data directory.

    Raises nothing: where they fit in neither, what needs them fails.
    """
    other = earlier(context)
    if other is None:
        return
    deadline = context.deadline.within(_LOOK_PATIENCE)
    reason = _misfit(context.instance, deadline)
    if reason and not _misfit(other, deadline):
        use(context, other, reason)


def check_data_directory(context):
    """Do what settings.check_data_directory does; use the last good parameters where these fail.

    Raises OcfError: BadParameter where the server takes neither.
    """
    try:
        settings.check_data_directory(context.instance, context.deadline)
    except BadParameter as error:
        other = earlier(context)
        if other is None or _is_refused(other, context.deadline):
            raise
        use(context, other, str(error))


def _is_refused(instance, deadline):
    """Return whether no server starts with an Instance's parameters; False if not known."""
    try:
        return bool(_refusal(instance, deadline))
    except OcfError:
        return False


def use(context, other, reason):
    """Use an Instance with other parameters from now on, and say why (str). Raises nothing."""
    text = _instead(context, other, reason)
    context.parameters, context.instance = other.parameters, other
    context.log.warning(text)
    _note(context, text)


def _instead(context, other, reason):
    """Return a reason (str) with what is used instead: that of another Instance."""
    names = [name for name in proven.NAMES
             if getattr(other.parameters, name) != getattr(context.parameters, name)]
    return "{0}; {1}".format(reason, remarks.instead(other.parameters, names))


def _refusal(instance, deadline, node=None):
    """Return why no server starts with an Instance's bindir and start_opts (str); "": one does.

    node: its name, for the settings of a standby; None without. Raises OcfError where that is not
    known.
    """
    reason = _misfit(instance, deadline)
    try:
        if not reason:
            settings.check_data_directory(instance, deadline)
            if node:
                settings.check_standby(instance, node, deadline)
    except (BadParameter, NotUsable) as error:
        reason = str(error)
    return reason


def _misfit(instance, deadline):
    """Return why an Instance's programs do not fit its data directory (str).

    "" where they do, and where that is not known.
    """
    try:
        settings.check_programs(instance, deadline)
    except NotUsable as error:
        return str(error)
    except OcfError:
        pass
    return ""


def _note(context, text):
    """Note what is refused (str) until other parameters are accepted, "" for nothing."""
    name = lastgood.path(context.environment, remarks.REFUSED)
    try:
        if text:
            lastgood.write(name, text)
        else:
            lastgood.remove(name)
    except EnvironmentError as error:
        context.log.warning("cannot remember what was said: {0}".format(error))
