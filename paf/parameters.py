"""The parameters, declared once: the meta-data, the checks and the documentation read them here."""

from collections import namedtuple

from paf import variant
from paf.ocf import BadParameter, is_number

#: One parameter. default: str, a text about another parameter when it starts with "@";
#: group: the unique-group of OCF 1.1, "" for none; reloadable: whether Pacemaker may change
#: it without a restart of PostgreSQL; brief, text: for people.
Parameter = namedtuple("Parameter", "name kind default group reloadable brief text")

DECLARED = (
    Parameter(
        "system_user", "string", "postgres", "", True,
        "Owner of the PostgreSQL instance",
        "System account that owns the instance's files and processes. PostgreSQL's programs run "
        "under it, and it is the name of the SQL role that the agent connects with."),
    Parameter(
        "bindir", "string", "/usr/bin", "", True,
        "Path to the PostgreSQL binaries",
        "Folder of postgres, pg_ctl, psql, pg_isready, pg_controldata and pg_waldump "
        "(pg_xlogdump before PostgreSQL 10)."),
    Parameter(
        "pgdata", "string", "/var/lib/pgsql/data", "pgdata", False,
        "Path to the data directory",
        "Data directory of the instance, as given to pg_ctl. Where the configuration files live "
        "in a folder of their own, that folder, and datadir names the data directory."),
    Parameter(
        "datadir", "string", "@pgdata", "datadir", False,
        "Path to the data directory, if pgdata is not it",
        "The instance's data_directory setting, when it differs from pgdata. The value of pgdata "
        "by default."),
    Parameter(
        "pghost", "string", variant.PGHOST, "", True,
        "Socket directory or address of the instance",
        "Folder of the instance's unix socket, or the address it listens on. The system user "
        "must be let in without a password there."),
    Parameter(
        "pgport", "integer", "5432", "", True,
        "Port of the instance",
        "Port that the instance listens on."),
    Parameter(
        "maxlag", "integer", "0", "", True,
        "Largest lag of a standby that may be promoted, in bytes",
        "A standby that lags behind the primary by more than this number of bytes gets a negative "
        "promotion score, and an election refuses it. 0 sets no limit."),
    Parameter(
        "recovery_template", "string", "@pgdata/recovery.conf.pcmk", "recovery_template", False,
        "Template of recovery.conf, up to PostgreSQL 11",
        "File that is copied to recovery.conf in the data directory at each start. It has to set "
        "standby_mode = on, recovery_target_timeline = 'latest', and a primary_conninfo whose "
        "application_name is the name of the node. Since PostgreSQL 12 these are ordinary "
        "settings and the file must not exist. By default recovery.conf.pcmk in pgdata."),
    Parameter(
        "start_opts", "string", "", "", True,
        "Options for the postgres command",
        "Additional options given to the server when it starts, for example "
        "-c config_file=/etc/postgresql/15/main/postgresql.conf where the configuration is kept "
        "out of the data directory."),
    Parameter(
        "rejoin", "string", "safe", "", True,
        "What to do with an old primary that has diverged: manual, safe or rewind",
        "What happens to an instance that holds WAL which the acting primary never had. safe: if "
        "that WAL can be read to its end and holds no commit, and nothing else that a client may "
        "rely on, pg_rewind gives it up and the instance starts as a standby; else the instance "
        "stays stopped, and the reason says what only it has. manual: it stays stopped in any "
        "case. rewind: pg_rewind gives up what exists only there, commits too. A rewind needs "
        "PostgreSQL 9.5, wal_log_hints or data checksums, and a role in primary_conninfo that may "
        "run pg_rewind; where one of these is missing, an instance that has diverged stays "
        "stopped. For rewind, validate-all says it with OCF_CHECK_LEVEL=10. The WAL that a rewind "
        "gives up is kept beside the data directory."),
    Parameter(
        "crash_watch", "boolean", "true" if variant.NAME == "corosync2" else "false", "", True,
        "Whether Pacemaker learns of a crash at once",
        "true: a small process sleeps until the postmaster dies, and reports a crash to Pacemaker "
        "at once. false: the next monitor finds it. The corosync1 build has no such "
        "process."),
    Parameter(
        "slots", "boolean", "false", "", True,
        "Whether each server keeps the WAL that the other nodes still need, in replication slots",
        "true: each server has a physical replication slot for each other node that has streamed, "
        "so that a standby that was away finds its WAL, also after a failover. Needs PostgreSQL 13 "
        "and max_slot_wal_keep_size, which limits what a slot can take. The slots are made, "
        "advanced and dropped by the monitors; primary_slot_name need not be set."),
)

REJOIN = ("manual", "safe", "rewind")

#: What Pacemaker accepts as a boolean.
_BOOLEANS = {"true": True, "on": True, "yes": True, "y": True, "1": True,
             "false": False, "off": False, "no": False, "n": False, "0": False}

#: The values in force, one field for each parameter, all str but pgport and maxlag (int), and
#: crash_watch and slots (bool).
Parameters = namedtuple("Parameters", [  # type: ignore[misc]
    parameter.name for parameter in DECLARED])


def read(environment):
    """Return the Parameters that the Environment asks for, defaults filled in; checks nothing.

    What should be a number or a boolean and is not stays a str, for `problems` to find; `usable`
    gives what can be worked with.
    """
    values = {}
    for parameter in DECLARED:
        default = parameter.default
        if default.startswith("@pgdata"):
            default = default.replace("@pgdata", values["pgdata"], 1)
        value = environment.parameter(parameter.name) or default
        if parameter.kind == "integer":
            value = _number(value)
        elif parameter.kind == "boolean":    # here "0" is a value
            given = environment.variables.get("OCF_RESKEY_" + parameter.name) or default
            value = _BOOLEANS.get(given.lower(), given)
        values[parameter.name] = value
    return Parameters(**values)


def _number(text):
    return int(text) if is_number(text) else text


def _is_port(value):
    return isinstance(value, int) and 0 < value < 65536


#: Values that the agent could not work with, and what they have to be.
_USABLE = (
    ("pgport", _is_port), ("maxlag", lambda value: isinstance(value, int)),
    ("rejoin", lambda value: value in REJOIN),
    ("crash_watch", lambda value: isinstance(value, bool)),
    ("slots", lambda value: isinstance(value, bool)),
    ("start_opts", lambda value: not _mistake(value)))


def _mistake(start_opts):
    if not any(sign in start_opts for sign in "'\"\\"):
        return ""    # without a quote nothing can be wrong, and no module is loaded for it
    try:
        words(start_opts)
    except BadParameter as error:
        return str(error)
    return ""


def unusable(parameters):
    """Return the names (a list of str) of the Parameters whose value cannot be worked with."""
    return [name for name, is_usable in _USABLE if not is_usable(getattr(parameters, name))]


def earlier(last_good):
    """Return the Parameters that there were; last_good: their values (dict of name to str)."""
    from paf.ocf import Environment
    return read(Environment(dict(
        ("OCF_RESKEY_" + name, value) for name, value in last_good.items())))


def usable(parameters, last_good):
    """Return Parameters that can be worked with: what cannot is replaced.

    last_good: the values that it had before (dict of name to str); the default where they have
    none. A mistake in a parameter stops no service that runs.
    """
    names = unusable(parameters)
    before, default = earlier(last_good), earlier({})
    wrong = unusable(before)
    return parameters._replace(**dict(
        (name, getattr(default if name in wrong else before, name)) for name in names))


def problems(parameters):
    """Return what is wrong with the Parameters in themselves, on any host: a list of sentences."""
    found = []
    for name in ("pgdata", "datadir", "bindir", "recovery_template"):
        value = getattr(parameters, name)
        if not value.startswith("/"):
            found.append("{0} must be an absolute path, not \"{1}\"".format(name, value))
    wrong = unusable(parameters)
    if "pgport" in wrong:
        found.append("pgport must be a number from 1 to 65535, not \"{0}\"".format(
            parameters.pgport))
    if "maxlag" in wrong:
        found.append("maxlag must be a number of bytes, digits only, not \"{0}\"".format(
            parameters.maxlag))
    if "rejoin" in wrong:
        found.append("rejoin must be manual, safe or rewind, not \"{0}\"".format(parameters.rejoin))
    if "crash_watch" in wrong:
        found.append("crash_watch must be true or false, not \"{0}\"".format(
            parameters.crash_watch))
    if "slots" in wrong:
        found.append("slots must be true or false, not \"{0}\"".format(parameters.slots))
    if "start_opts" in wrong:
        found.append(_mistake(parameters.start_opts))
    return found


def words(start_opts):
    """Return the words of start_opts (a list of str), quotes honoured, nothing expanded.

    Raises BadParameter when a quote is left open: never fatal, which would stop the service on the
    other nodes as well.
    """
    if not start_opts:
        return []
    import shlex
    try:
        return shlex.split(start_opts)
    except ValueError as error:
        raise BadParameter("start_opts cannot be understood: {0}".format(error))
