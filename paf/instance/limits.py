"""Settings of which a standby needs at least as much as its primary had when it wrote the WAL.

PostgreSQL starts no standby with less, and PAF starts every instance as one; up to 13 a standby
that runs ends as it replays the change, since 14 replay pauses, and a promotion ends it. Source:
PostgreSQL manual, "Hot Standby", "Administrator's Overview".
"""

from paf import instance as local
from paf import ocf, runner
from paf.instance import settings

#: The setting, and how pg_controldata calls the primary's.
LIMITS = (("max_connections", "max_connections"), ("max_worker_processes", "max_worker_processes"),
          ("max_wal_senders", "max_wal_senders"),
          ("max_prepared_transactions", "max_prepared_xacts"),
          ("max_locks_per_transaction", "max_locks_per_xact"))


def look(instance, deadline):
    """Return {setting: (at the next start, in the control file)}, both int.

    While a server is a standby, its control file has the primary's values. None where they cannot
    be found out.
    """
    try:
        result = runner.run([local.program(instance, "pg_controldata"),
                             instance.parameters.datadir], deadline, user=instance.owner)
        needed = named_in(result.out) if result.status == 0 else {}
        return dict((name, (int(settings.read(instance, name, deadline)), needed[name]))
                    for name in needed) or None
    except (ocf.OcfError, ValueError):
        return None


def named_in(text):
    """Return the limits (dict of setting to int) in pg_controldata's output; pure.

    Each came with some version of PostgreSQL, max_wal_senders last, in 12.
    """
    fields = {}
    for line in text.splitlines():
        name, _, value = line.replace("Current ", "", 1).partition(" setting:")
        if ocf.is_number(value.strip()):
            fields[name] = int(value)
    return dict((name, fields[there]) for name, there in LIMITS if there in fields)


def too_low(instance, deadline):
    """Return "NAME=VALUE" (a sorted list) of the primary's values that the configuration lacks.

    None of them where that cannot be found out: then the server says what is wrong.
    """
    found = look(instance, deadline) or {}
    return ["{0}={1}".format(name, needed) for name, (coming, needed) in sorted(found.items())
            if coming < needed]
