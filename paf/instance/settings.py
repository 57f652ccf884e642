"""What the configuration files say, read by the server's own program: postgres -C."""

from paf import instance as local
from paf import parameters, runner
from paf.instance import conninfo as connections
from paf.instance import standby_mode
from paf.ocf import BadParameter, NotUsable

_PROGRAMS = ("postgres", "pg_ctl", "psql", "pg_isready", "pg_controldata")


def read(instance, name, deadline):
    """Return the value (str) that the setting `name` has at the next start. Raises BadParameter."""
    argv = [local.program(instance, "postgres"), "-C", name, "-D", instance.parameters.pgdata]
    argv += parameters.words(instance.parameters.start_opts)
    result = runner.run(argv, deadline, user=local.owner(instance))
    if result.timed_out or result.status != 0:
        from paf.instance import sql
        raise BadParameter("PostgreSQL does not accept its configuration: {0}".format(
            sql.last_words(result.err) or "postgres -C {0} failed".format(name)))
    return result.out.strip()


def check_programs(instance):
    """Raise NotUsable if one of PostgreSQL's programs is not there for the agent."""
    import os
    names = _PROGRAMS + (wal_dump(instance),)
    missing = [name for name in names if not os.access(local.program(instance, name), os.X_OK)]
    if missing:
        raise NotUsable("bindir {0} lacks {1}".format(
            instance.parameters.bindir, ", ".join(missing)))


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


def conninfo(instance, deadline):
    """Return primary_conninfo as the next start will have it. Raises BadParameter."""
    if local.version(instance) >= standby_mode.FIRST_WITH_SIGNAL:
        return read(instance, "primary_conninfo", deadline)
    return standby_mode.template_conninfo(standby_mode.template(instance)) or ""


def check_standby(instance, node, deadline):
    """Raise BadParameter unless the settings make a standby that PAF can run on `node`."""
    name = instance.parameters.recovery_template
    if local.version(instance) >= standby_mode.FIRST_WITH_SIGNAL:
        import os
        if os.path.exists(name):
            raise BadParameter("{0} must not exist: since PostgreSQL 12 standby settings stand "
                               "in postgresql.conf".format(name))
        target = read(instance, "recovery_target_timeline", deadline)
        if target != "latest":
            raise BadParameter("recovery_target_timeline must be latest, it is \"{0}\"".format(
                target))
    else:
        read(instance, "config_file", deadline)    # what postgresql.conf has wrong is said here
        problems = standby_mode.template_problems(standby_mode.template(instance))
        if problems:
            raise BadParameter("{0} ({1})".format(problems[0], name))
    found = application_name(conninfo(instance, deadline))
    if found != node:
        # never the whole conninfo: it may hold a password
        raise BadParameter(
            "primary_conninfo must contain application_name={0}, the name of this node; "
            "it has {1}".format(node, "none" if found is None else "\"{0}\"".format(found)))
