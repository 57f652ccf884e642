"""Where another node's instance is in the WAL, asked through its database port.

For a node that Pacemaker does not notify (maintenance), or whose agent gives no answer: it votes
with its server's word. The address is the node's name, the role and the password are those of
primary_conninfo. Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM
(its xlogpos is what a standby has flushed), SHOW (10 and later).
"""

from paf import instance as local
from paf.decide import wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import psql, settings
from paf.instance.conninfo import Malformed
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
        conninfo = settings.conninfo(instance, deadline)
        if not conninfo:
            return Unknown("primary_conninfo is empty, so its server cannot be asked")
        system = _ask(instance, conninfo, node, "IDENTIFY_SYSTEM", deadline)
        role = _ask(instance, conninfo, node, "SHOW transaction_read_only", deadline)
        lsn = wal.parse_lsn(system[2]) if len(system) > 2 else None
    except (OcfError, Malformed) as error:
        return Unknown(str(error))
    except ValueError:
        return Unknown("its server does not say where it is")
    if lsn is None or not is_number(system[1]) or role[:1] not in (["on"], ["off"]):
        return Unknown("its server at {0}:{1} does not answer a replication connection".format(
            node, instance.parameters.pgport))
    return Known(wal.Position(int(system[1]) + (1 if role == ["off"] else 0), lsn))


def _ask(instance, conninfo, node, command, deadline):
    """Return the only row of an answer (list of str), [] without one. Raises OcfError, Malformed.

    A primary is asked as well: it says that it is no standby.
    """
    result = psql.there(instance, conninfo, (
        ("replication", "true"), ("dbname", "replication"), ("host", node), ("hostaddr", ""),
        ("port", str(instance.parameters.pgport)), ("target_session_attrs", "any")),
        command, deadline.within(_PATIENCE))
    rows = psql.rows(result.out)
    return rows[0] if not result.timed_out and result.status == 0 and rows else []
