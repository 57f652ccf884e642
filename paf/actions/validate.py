"""validate-all: level 0 looks at the parameters alone, level 10 at this host as well."""

import os
import stat

from paf import instance as local
from paf import ocf, parameters, variant
from paf.decide.knowledge import is_known
from paf.instance import controldata, settings, tablespaces, walfiles

HOST_LEVEL = 10

#: The CRM feature set of Pacemaker 1.1.13, the first with private attributes.
_PRIVATE_ATTRIBUTES = (3, 0, 10)
_WAL_LEVELS = ("hot_standby", "replica", "logical")
_UPSTREAM_PATIENCE = 5.0    # seconds
_TRUE = ("true", "on", "yes", "y", "1")


def run(context):
    """Return SUCCESS when all is well. Raises OcfError with the first thing that is not."""
    syntax(context)
    if context.environment.check_level >= HOST_LEVEL:
        # whatever a start would use in the place of what leads nowhere
        context.parameters, context.instance = context.given, local.of(context.given)
        host(context)
        _variant(context)
        if context.parameters.rejoin == "rewind":
            _rewind(context)
            _rewind_role(context)
        if context.parameters.slots:
            _slots(context)
    return ocf.SUCCESS


def _variant(context):
    """Recommend the other build if it fits this Pacemaker; this one works too."""
    if variant.NAME == "corosync1" and context.environment.feature_set >= _PRIVATE_ATTRIBUTES:
        context.log.warning(
            "this Pacemaker is 1.1.13 or newer: unless it runs on corosync 1 or cman, the "
            "corosync2 build of resource-agents-paf belongs here, which checks switchovers as well")


def _slots(context):
    """Check that a slot cannot fill the disk. Raises BadParameter; a start does not: it can run."""
    from paf.instance import queries
    if local.version(context.instance) < queries.FIRST_WITH_LIMIT:
        raise ocf.BadParameter("slots=true: it needs PostgreSQL 13")
    if settings.read(context.instance, "max_slot_wal_keep_size", context.deadline) == "-1":
        raise ocf.BadParameter("slots=true: max_slot_wal_keep_size is -1: a slot could fill the "
                               "disk")


def _rewind(context):
    """Check what a rewind needs here. Raises BadParameter; a start does not: it may need none.

    One that has diverged says it as well, see rejoin.check.
    """
    from paf.instance import rewind
    reason = rewind.problem(context.instance, _control(context))
    if reason:
        raise ocf.BadParameter("rejoin=rewind: {0}".format(reason))


def _rewind_role(context):
    """Check what only the acting primary knows. Raises BadParameter."""
    from paf.instance import rewindrole
    conninfo = settings.conninfo(context.instance, context.deadline)
    reason = rewindrole.problem(context.instance, conninfo,
                                context.deadline.within(_UPSTREAM_PATIENCE))
    if reason:
        raise ocf.BadParameter("rejoin=rewind: {0}".format(reason))


def syntax(context, error=ocf.BadConfiguration):
    """Check what holds on any host. Raises `error`.

    pcs and crmsh ask for this on a node that may not run the resource at all.
    """
    _refuse(context.given, error)


def _refuse(given, error):
    found = parameters.problems(given)
    if found:
        raise error("; ".join(found))


def _restart_syntax(context):
    """Check the parameters of a start. Raises BadParameter.

    A mistake that was made while the service ran does not keep it down when it has to be started
    again, after a crash for one: the last good values go on, as in all other actions.
    """
    from paf import lastgood
    wrong = parameters.unusable(context.given)
    kept = lastgood.load(context.environment) if wrong else {}
    known = all(name in kept for name in wrong)
    _refuse(context.parameters if known else context.given, ocf.BadParameter)


def host(context):
    """Check all that a start here needs. Raises OcfError: hard, but never fatal.

    A fatal error (BadConfiguration) of one node's start would stop the running primary as well.
    """
    _restart_syntax(context)
    _meta(context)
    _places(context)
    settings.check_programs(context.instance, context.deadline)
    control = _control(context)
    settings.check_data_directory(context.instance, context.deadline)
    tablespaces.check(context.instance)
    missing = walfiles.missing(context.instance, control)
    if missing:    # soft: a file system may be mounted later
        raise ocf.OcfError(missing)
    if control.wal_level not in _WAL_LEVELS:
        raise ocf.BadParameter("wal_level must be replica or logical, it was \"{0}\" when "
                               "PostgreSQL last ran".format(control.wal_level))
    if context.in_cluster:
        settings.check_standby(context.instance, context.node, context.deadline)


def _control(context):
    """Return the controldata.ControlData. Raises NotUsable for a damaged file, else OcfError."""
    found = controldata.read(context.instance, context.deadline)
    name = local.path(context.instance, "global/pg_control")
    if isinstance(found, controldata.Damaged):
        raise ocf.NotUsable("{0} is damaged or missing: {1}".format(name, found.reason))
    if not is_known(found):
        raise ocf.OcfError("cannot find out what {0} says: {1}".format(name, found.reason))
    return found.value


def _meta(context):
    """Check what Pacemaker says of the clone; a run by hand has nothing to check."""
    environment = context.environment
    if not context.in_cluster:
        return
    context.cluster.check_host()
    feature_set = environment.feature_set
    if variant.NAME == "corosync2" and feature_set and feature_set < _PRIVATE_ATTRIBUTES:
        raise ocf.NotUsable("this Pacemaker is older than 1.1.13: install the corosync1 build of "
                            "resource-agents-paf")
    if environment.meta("notify").lower() not in _TRUE + ("",):
        raise ocf.NotUsable("the clone must have the meta attribute notify=true")
    if environment.meta("globally_unique").lower() in _TRUE:
        raise ocf.NotUsable("the clone must have globally-unique=false: each instance would have "
                            "an election, and scores, of its own")
    most = environment.meta("promoted_max") or environment.meta("master_max") or "1"
    if most != "1":
        raise ocf.NotUsable("the clone must have promoted-max=1 (master-max=1 before "
                            "Pacemaker 2), it has {0}".format(most))


def _places(context):
    """Check the folders, their owner, and the server's version."""
    owner = local.owner(context.instance)
    for name in ("pgdata", "datadir"):
        folder = getattr(context.parameters, name)
        try:
            is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
        except OSError as error:
            is_folder = False
            if not ocf.lasts(error):
                raise ocf.OcfError("cannot read {0}: {1}".format(folder, error.strerror))
        if not is_folder:
            raise ocf.BadParameter("{0} is no folder: {1}".format(name, folder))
    if os.stat(context.parameters.datadir).st_uid != owner.uid:
        raise ocf.BadParameter("{0} does not belong to {1}".format(
            context.parameters.datadir, owner.name))
    local.version(context.instance)
