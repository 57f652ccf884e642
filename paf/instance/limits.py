"""Settings of which a standby needs at least as much as its primary had when it wrote the WAL.

PostgreSQL starts no standby with less, and PAF starts every instance as one; up to 13 a standby
that runs ends as it replays the change, since 14 replay pauses, and a promotion ends it. Source:
PostgreSQL manual, "Hot Standby", "Administrator's Overview".
"""

from paf import instance as local
from paf import ocf, runner
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import queries

#: How pg_controldata calls the primary's value, where it has another name than the setting.
_CALLED = {"max_prepared_transactions": "max_prepared_xacts",
           "max_locks_per_transaction": "max_locks_per_xact"}


def look(instance, deadline):
    """Return {setting: (at the next start, in the control file)}, both int.

    While a server is a standby, its control file has the primary's values. None where they cannot
    be found out.
    """
    from paf.instance import settings
    try:
        needed = _needed(instance, deadline)
        return dict((name, (int(settings.read(instance, name, deadline)), needed[name]))
                    for name in needed)
    except (ocf.OcfError, ValueError):
        return None


def _needed(instance, deadline):
    """Return the primary's values in the control file (dict of setting to int). Raises OcfError."""
    result = runner.run([local.program(instance, "pg_controldata"),
                         instance.parameters.datadir], deadline, user=instance.owner)
    found = named_in(result.out) if not result.timed_out and result.status == 0 else {}
    if not found:
        raise ocf.OcfError("pg_controldata does not say what the primary had")
    return found


def running_below(instance, said, deadline):
    """Return the Fact of why a standby does not replay: a list of (setting, here, primary's value).

    [] where no setting keeps it from that, so where an administrator has paused it. said: the
    running server's values, as queries.replay has them (str); "" where replay is not paused.
    """
    if not said:
        return Known([])
    here = said.split(" ")
    if len(here) != len(queries.LIMITS) or not all(ocf.is_number(word) for word in here):
        return Unknown("the server does not say its settings")
    try:
        needed = _needed(instance, deadline)
    except ocf.OcfError as error:
        return Unknown(str(error))
    return Known([(name, int(mine), needed[name]) for name, mine in zip(queries.LIMITS, here)
                  if int(mine) < needed.get(name, 0)])


def why_paused(instance, said, deadline):
    """Return why PostgreSQL has paused replay (str), "" where it did not; said: as above."""
    fact = running_below(instance, said, deadline)
    if not is_known(fact):
        return "replay is paused, and cannot find out why: {0}".format(fact.reason)
    if not fact.value:
        return ""
    return "replay is paused: {0}; restart this standby".format(" and ".join(
        "{0} is {1} here, and was {2} on the primary".format(*row) for row in fact.value))


def named_in(text):
    """Return the limits (dict of setting to int) in pg_controldata's output; pure.

    Each came with some version of PostgreSQL, max_wal_senders last, in 12.
    """
    fields = {}
    for line in text.splitlines():
        name, _, value = line.replace("Current ", "", 1).partition(" setting:")
        if ocf.is_number(value.strip()):
            fields[name] = int(value)
    called = [(name, _CALLED.get(name, name)) for name in queries.LIMITS]
    return dict((name, fields[there]) for name, there in called if there in fields)


def too_low(instance, deadline):
    """Return "NAME=VALUE" (a sorted list) of the primary's values that the configuration lacks.

    None of them where that cannot be found out: then the server says what is wrong.
    """
    found = look(instance, deadline) or {}
    return ["{0}={1}".format(name, needed) for name, (coming, needed) in sorted(found.items())
            if coming < needed]
