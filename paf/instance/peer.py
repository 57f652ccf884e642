"""Where another node's instance is in the WAL, asked through its database port.

For a node that Pacemaker does not notify (maintenance), or whose agent gives no answer: it votes
with its server's word. The address is the node's name, the role and the password are those of
primary_conninfo. Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM
(its xlogpos is what a standby has flushed), SHOW (10 and later).
"""

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import settings, sql, upstream
from paf.ocf import OcfError, is_number

_FIRST_WITH_SHOW = 100000
_PATIENCE = 3.0    # seconds


def position(instance, node, deadline):
    """Return the Fact of the wal.Position of the instance on `node`.

    A primary counts with the timeline after its own, as in position.place.
    """
    if local.version(instance) < _FIRST_WITH_SHOW:
        return Unknown("its server cannot be asked for its role before PostgreSQL 10")
    try:
        rows = _ask(instance, node, deadline.within(_PATIENCE))
    except OcfError as error:
        return Unknown(str(error))
    if len(rows) != 2 or len(rows[0]) < 3 or not is_number(rows[0][1]):
        return Unknown("its server at {0}:{1} does not answer a replication connection".format(
            node, instance.parameters.pgport))
    try:
        lsn = wal.parse_lsn(rows[0][2])
    except ValueError:
        return Unknown("its server does not say where it is")
    primary = rows[1][0] == "off"    # transaction_read_only
    return Known(wal.Position(int(rows[0][1]) + (1 if primary else 0), lsn))


def _ask(instance, node, deadline):
    """Return the rows of both answers, [] without them. Raises OcfError."""
    conninfo = settings.conninfo(instance, deadline)
    if not conninfo:
        return []
    target, environment = upstream.connection(conninfo, (
        ("replication", "true"), ("dbname", "replication"), ("host", node), ("hostaddr", ""),
        ("port", instance.parameters.pgport), ("target_session_attrs", "any")))
    result = runner.run(
        [local.program(instance, "psql"), "-X", "-A", "-t", "-q", "-w", "-F", sql.FIELD,
         "-R", "\n", "-d", target, "-c", "IDENTIFY_SYSTEM", "-c", "SHOW transaction_read_only"],
        deadline, user=local.owner(instance), env=environment)
    if result.timed_out or result.status != 0:
        return []
    return [line.split(sql.FIELD) for line in result.out.splitlines() if line]
