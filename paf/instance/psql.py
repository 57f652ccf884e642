"""The command lines of psql: the one place where they are made.

No psqlrc, no password prompt, unaligned rows. Nothing that is secret is an argument. Source:
PostgreSQL manual, psql.
"""

from paf import instance as local
from paf import runner
from paf.ocf import OcfError

FIELD, RECORD = "\x1f", "\x1e"

_AT_ONCE = "-c default_transaction_deferrable=off -c search_path=pg_catalog"
_EVERYWHERE = " -c default_transaction_isolation=read\\ committed"
_FIRST_WITH_BLANKS = 90500    # in options, behind a backslash
_NO_TRIGGERS, _FIRST_WITH_LOGIN_TRIGGERS = "event_triggers", 170000
# each session has a limit of its own: statement_timeout, or the time that psql gets
_NO_LIMIT, _FIRST_WITH_LIMIT = " -c transaction_timeout=0", 170000


def options(instance):
    """Return the options (str) of sessions whose queries are answered, whatever the server's
    defaults for transactions are.

    No schema but PostgreSQL's own is looked into: a function of that name there would be called,
    with the agent's rights, by an operator or a function that fits better. A hot standby
    refuses serializable ones. A deferrable one that only reads waits for those of others to end.
    Source: PostgreSQL manual, "Hot Standby", SET TRANSACTION.
    """
    version = _version(instance)
    return _AT_ONCE + (_EVERYWHERE if version >= _FIRST_WITH_BLANKS else "") + (
        _NO_LIMIT if version >= _FIRST_WITH_LIMIT else "")


def here(instance, text, deadline, environment):
    """Run one SQL statement at the server that the environment (dict) names.

    Returns the runner.Result. Raises OcfError when psql cannot be started.
    """
    return without_triggers(instance, environment, lambda variables: _run(
        instance, [], text, deadline, variables, ""))


def without_triggers(instance, environment, run):
    """Return what a function returns for an environment (dict): a client's runner.Result.

    A login trigger may want to write, which these sessions do not, or refuse each login. A role
    that is no superuser cannot do without it. Source: PostgreSQL manual, "Event Trigger on Login".
    """
    if _version(instance) >= _FIRST_WITH_LOGIN_TRIGGERS:
        options = "{0} -c {1}=off".format(environment.get("PGOPTIONS", ""), _NO_TRIGGERS).lstrip()
        result = run(dict(environment, PGOPTIONS=options))
        if result.status == 0 or _NO_TRIGGERS not in result.err:
            return result
    return run(environment)


def _version(instance):
    """Return the server's version, 0 where the data directory cannot be read: it may answer."""
    try:
        return local.version(instance)
    except OcfError:
        return 0


def there(instance, where, settings, text, deadline):
    """Run one command at the server that a connection string leads to.

    where: the connection string (str); settings: (keyword, value) pairs that replace some of its
    own; text: SQL, or a command of the replication protocol, or a list of these. Returns the
    runner.Result. Raises conninfo.Malformed, and OcfError when psql cannot be started.
    """
    from paf.instance import libpqfiles    # monitors ask their own server alone
    found = libpqfiles.connection(instance, where, settings)
    return _run(instance, ["-d", found.target], text, deadline, found.environment, found.stdin)


def _run(instance, more, text, deadline, environment, stdin):
    commands = text if isinstance(text, list) else [text]
    environment = dict(environment, PGOPTIONS=" ".join(
        [environment.get("PGOPTIONS", ""), options(instance)]).lstrip())
    return runner.run([local.program(instance, "psql"), "-X", "-A", "-t", "-q", "-w",
                       "-v", "ON_ERROR_STOP=1", "-F", FIELD, "-R", RECORD] + more
                      + [word for command in commands for word in ("-c", command)],
                      deadline, user=local.owner(instance), env=environment, stdin=stdin)


def rows(output):
    """Return psql's unaligned output as a list of lists of str."""
    output = output.rstrip("\n")
    return [row.split(FIELD) for row in output.split(RECORD)] if output else []
