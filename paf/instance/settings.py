"""What the configuration files say, read by the server's own program: postgres -C."""

import os

from paf import instance as local
from paf import parameters, runner
from paf.instance import conninfo as connections
from paf.instance import programversion, sql, standby_mode
from paf.ocf import BadParameter, failure, lasts, NotUsable, OcfError, passes

_LONGEST_NAME = 63    # bytes

#: Exit status of postgres when it refuses its configuration. Others: killed, or not run at all.
_REFUSALS = (1, 2)
_PROGRAMS = ("postgres", "pg_ctl", "psql", "pg_isready", "pg_controldata")


def read(instance, name, deadline):
    """Return the value (str) that the setting `name` has at the next start.

    Raises BadParameter: postgres refuses its configuration; OcfError: it gave no answer, or
    could not read it.
    """
    argv = [local.program(instance, "postgres"), "-C", name, "-D", instance.parameters.pgdata]
    argv += parameters.words(instance.parameters.start_opts)
    result = runner.run(argv, deadline, user=local.owner(instance))
    if result.timed_out:
        raise OcfError("postgres -C {0} did not answer in time".format(name))
    if result.status not in (0,) + _REFUSALS or result.status and passes(result.err):
        raise OcfError("postgres -C {0} failed with status {1}: {2}".format(
            name, result.status, sql.last_words(result.err)))
    if result.status != 0:
        raise BadParameter("PostgreSQL does not accept its configuration: {0}".format(
            sql.last_words(result.err) or "postgres -C {0} failed".format(name)))
    return result.out.rstrip("\n")


def check_programs(instance, deadline):
    """Raise NotUsable if one of PostgreSQL's programs is not there for the agent, or the server's
    is of another version than the data directory.

    OcfError where that cannot be found out.
    """
    names = _PROGRAMS + (wal_dump(instance),)
    missing = [name for name in names if not _is_program(local.program(instance, name))]
    if missing:
        raise NotUsable("bindir {0} lacks {1}".format(
            instance.parameters.bindir, ", ".join(missing)))
    other = programversion.problem(instance, "postgres", deadline)
    if other:
        raise NotUsable(other)


def _is_program(path):
    try:
        os.stat(path)
    except OSError as error:
        if not lasts(error):
            raise OcfError("cannot read {0}: {1}".format(path, error.strerror))
        return False
    return os.access(path, os.X_OK)


def wal_dump(instance):
    """Return the name of the program that reads WAL files."""
    return "pg_waldump" if local.version(instance) >= 100000 else "pg_xlogdump"


def application_name(text):
    """Return the application_name in a primary_conninfo (str); None without one.

    Raises BadParameter where libpq does not understand the text.
    """
    try:
        return connections.values(text).get("application_name")
    except connections.Malformed as error:
        raise BadParameter("primary_conninfo cannot be used: {0}".format(error))


def conninfo(instance, deadline, version=None):
    """Return primary_conninfo as the next start will have it. Raises BadParameter.

    version: int, where there is no data directory that shows it.
    """
    if (version or local.version(instance)) >= standby_mode.FIRST_WITH_SIGNAL:
        return read(instance, "primary_conninfo", deadline)
    return standby_mode.template_conninfo(standby_mode.template(instance)) or ""


def check_standby(instance, node, deadline):
    """Raise BadParameter unless the settings make a standby that PAF can run on `node`."""
    _check_name(node)
    name = instance.parameters.recovery_template
    if local.version(instance) >= standby_mode.FIRST_WITH_SIGNAL:
        if os.path.exists(name):
            raise BadParameter("{0} must not exist: since PostgreSQL 12 standby settings are "
                               "in postgresql.conf".format(name))
        target = read(instance, "recovery_target_timeline", deadline)
        if target != "latest":
            raise BadParameter("recovery_target_timeline must be latest, it is \"{0}\"".format(
                target))
    else:
        read(instance, "config_file", deadline)    # raises what is wrong in postgresql.conf
        problems = standby_mode.template_problems(standby_mode.template(instance))
        if problems:
            raise BadParameter("{0} ({1})".format(problems[0], name))
    found = application_name(conninfo(instance, deadline))
    if found != node:
        # never the whole conninfo: it may hold a password
        raise BadParameter(
            "primary_conninfo must contain application_name={0}, the name of this node; "
            "it has {1}".format(node, "none" if found is None else "\"{0}\"".format(found)))
    _check_recovery(instance, deadline)


def _check_name(node):
    """Raise BadParameter where the server would show the node under another name.

    It cuts application_name to NAMEDATALEN - 1 bytes and replaces what is no printable ASCII.
    """
    if len(runner.data(node)) > _LONGEST_NAME or any(not " " <= each <= "~" for each in node):
        raise BadParameter("PostgreSQL cannot show the node name \"{0}\" as application_name: it "
                           "takes {1} bytes of printable ASCII".format(node, _LONGEST_NAME))


def _check_recovery(instance, deadline):
    """Raise BadParameter for what ends recovery, holds it, or keeps a standby from answering.

    Source: PostgreSQL manual, "Recovery Target", "Hot Standby", promote_trigger_file.
    """
    if read(instance, "hot_standby", deadline) != "on":
        raise BadParameter("hot_standby must be on: PAF asks a standby for its state by SQL")
    version = local.version(instance)
    if version < standby_mode.FIRST_WITH_SIGNAL:
        found = []    # template_problems finds them
        trigger = standby_mode.template_value(standby_mode.template(instance), "trigger_file")
    else:
        found = [name for name in standby_mode.TARGETS if read(instance, name, deadline)]
        trigger = (read(instance, "promote_trigger_file", deadline)
                   if version < standby_mode.FIRST_WITHOUT_TRIGGER else "")
    if found:
        raise BadParameter("{0} is set: recovery would end or pause there by itself, and only "
                           "Pacemaker may promote; remove it".format(found[0]))
    standby_mode.check_trigger(instance, trigger)


def check_data_directory(instance, deadline):
    """Raise BadParameter unless the next start of the server works in datadir.

    The configuration may name another data directory: then the signal file that keeps the server
    from being a primary would go into a directory that it does not look into.
    """
    found = read(instance, "data_directory", deadline)
    try:
        mine = os.stat(instance.parameters.datadir)
        # programs are started there; in bytes, whatever the locale
        theirs = os.stat(runner.data(os.path.join("/", found)))
    except OSError as error:
        raise failure(error, BadParameter, "data_directory of the server is \"{0}\": {1}".format(
            found, error.strerror))
    if (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino):
        raise BadParameter("datadir is {0}, but data_directory of the server is {1}".format(
            instance.parameters.datadir, found))
