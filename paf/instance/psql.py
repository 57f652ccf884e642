"""The command lines of psql: the one place where they are made.

No psqlrc, no password prompt, unaligned rows. Nothing that is secret is an argument. Source:
PostgreSQL manual, psql.
"""

from paf import instance as local
from paf import runner
from paf.instance import conninfo

FIELD, RECORD = "\x1f", "\x1e"


def here(instance, text, deadline, environment):
    """Run one SQL statement at the server that the environment (dict) names.

    Returns the runner.Result. Raises OcfError when psql cannot be started.
    """
    return _run(instance, [], text, deadline, environment, "")


def there(instance, where, settings, text, deadline):
    """Run one command at the server that a connection string leads to.

    where: the connection string (str); settings: (keyword, value) pairs that replace some of its
    own; text: SQL, or a command of the replication protocol, or a list of these. Returns the
    runner.Result. Raises conninfo.Malformed, and OcfError when psql cannot be started.
    """
    found = conninfo.connection(where, settings)
    return _run(instance, ["-d", found.target], text, deadline, found.environment, found.stdin)


def _run(instance, more, text, deadline, environment, stdin):
    commands = text if isinstance(text, list) else [text]
    return runner.run([local.program(instance, "psql"), "-X", "-A", "-t", "-q", "-w",
                       "-v", "ON_ERROR_STOP=1", "-F", FIELD, "-R", RECORD] + more
                      + [word for command in commands for word in ("-c", command)],
                      deadline, user=local.owner(instance), env=environment, stdin=stdin)


def rows(output):
    """Return psql's unaligned output as a list of lists of str."""
    output = output.rstrip("\n")
    return [row.split(FIELD) for row in output.split(RECORD)] if output else []
