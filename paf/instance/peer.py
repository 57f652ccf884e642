"""Where another node's instance is in the WAL, asked through its database port.

For a node that Pacemaker does not notify (maintenance), or whose agent gives no answer: it votes
with its server's word. The address is the node's name, the role and the password are those of
primary_conninfo. Source: PostgreSQL manual, "Streaming Replication Protocol": IDENTIFY_SYSTEM
(its xlogpos is what a standby has flushed, and after a restart what it has replayed), SHOW (10 and
later); recovery_min_apply_delay; in_hot_standby (14 and later);
getent(1); ip(7): connecting a socket for datagrams sends none, and gives it its own address.
"""

import errno

from paf import instance as local
from paf.decide import wal
from paf.decide.knowledge import AtLeast, Known, Unknown, is_known
from paf.instance import controldata, postmaster, psql, settings
from paf.instance.conninfo import Malformed
from paf.instance.listening import addresses as _addresses
from paf.ocf import OcfError, is_number

_FIRST_WITH_SHOW = 100000
#: The setting that says whether a server is in recovery, and its value on a primary.
_FIRST_WITH_ROLE = 140000
_ROLE, _READ_ONLY = "in_hot_standby", "transaction_read_only"
_DELAY = "recovery_min_apply_delay"
_RECEIVED = "SELECT 'it received', pg_catalog.pg_last_wal_receive_lsn()"
_REPLICATION = (("replication", "true"), ("dbname", "replication"))
_SILENT = "its server at {0} does not answer a replication connection"
_PATIENCE = 3.0    # seconds
_DISCARD = 9       # a port; nothing is sent to it
#: No way leads to an address, as one does to each of this machine's. No other error shows that.
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EADDRNOTAVAIL,
           errno.EAFNOSUPPORT)


def position(instance, node, streamed, deadline):
    """Return the Fact of the wal.Position of the instance on `node`.

    streamed: whether it is known that it streamed from the last primary to the end. A primary
    counts with the timeline after its own, as in position.place. What answers must be another
    machine's server, and of this cluster: a name may lead to this node, or anywhere. A standby that
    was restarted may have WAL that it has not read, for a while or for good (a delay, a slow disk,
    a query, a damaged record): what it says is a lower bound then. It has read all where a primary
    has sent it as much, which a query says where pg_hba.conf lets the role run one.
    """
    version = local.version(instance)
    if version < _FIRST_WITH_SHOW:
        return Unknown("its server cannot be asked for its role before PostgreSQL 10")
    addresses = _addresses(node, deadline)
    if not is_known(addresses):
        return addresses
    own = [_is_local(address) for address in addresses.value]
    if True in own:
        return Unknown("the name {0} leads to this node itself, so its server cannot be "
                       "asked".format(node))
    if None in own:    # this server's answer would count as the other's
        return Unknown("whether the name {0} leads to this node itself is not known, so its server "
                       "cannot be asked".format(node))
    control = controldata.read(instance, deadline)
    if not is_known(control):
        return Unknown(control.reason)
    setting, port = _ROLE if version >= _FIRST_WITH_ROLE else _READ_ONLY, _port(instance)
    questions = ("IDENTIFY_SYSTEM", "SHOW " + setting, "SHOW " + _DELAY, _RECEIVED,
                 "IDENTIFY_SYSTEM")
    try:
        conninfo = settings.conninfo(instance, deadline)
        if not conninfo:
            return Unknown("primary_conninfo is empty, so its server cannot be asked")
        answers = _answers(instance, conninfo, _place(node, addresses.value, port), questions,
                           deadline)
    except (OcfError, Malformed) as error:
        return Unknown(str(error))
    return _understood(answers, control.value, "{0}:{1}".format(node, port), streamed)


def _answers(instance, conninfo, place, questions, deadline):
    """Return the answers (lists of str): none to all where the first question has none.

    Each of the others would wait as long, for nothing. Raises OcfError, Malformed.
    """
    found = [_ask(instance, conninfo, place, questions[0], deadline)]
    for question in questions[1:]:
        found.append(_ask(instance, conninfo, place, question, deadline) if found[0] else [])
    return found


def _understood(answers, control, where, streamed):
    """Return the Fact in the answers (lists of str) to the questions of `position`.

    control: this node's controldata.Control.
    """
    earlier, role, delay, received, system = answers
    if len(system) < 3 or not is_number(system[1]) or role[:1] not in (["on"], ["off"]):
        return Unknown(_SILENT.format(where))
    if system[0] != control.system_identifier:
        return Unknown("the server at {0} is of another cluster: its system identifier is "
                       "{1}".format(where, system[0]))
    try:
        lsn = wal.parse_lsn(system[2])
    except ValueError:
        return Unknown("its server does not say where it is")
    if role == ["off"]:
        return Known(wal.Position(int(system[1]) + 1, lsn))
    found = wal.Position(int(system[1]), lsn)
    if delay != ["0"]:
        return AtLeast(found, "its server at {0} may have WAL that it has not read: {1} is "
                       "{2}".format(where, _DELAY, delay[0] if delay else "not known"))
    if earlier != system:
        return AtLeast(found, "its server at {0} still replays".format(where))
    if not (_is_all(received[1], lsn, streamed, control.segment_size)
            if len(received) == 2 else streamed):
        return AtLeast(found, "its server at {0} may have WAL that it has not read: it is not "
                       "known to have streamed to the end".format(where))
    return Known(found)


def _is_all(received, lsn, streamed, size):
    """Return whether a standby at an LSN (int) has received all up to there since its start.

    received: pg_last_wal_receive_lsn (str), "" where it has not asked for any since it was started;
    streamed: whether it is known that it streamed from the last primary to the end; size: bytes of
    a segment. Without that, the LSN at which one asked for WAL does not say that it got any.
    """
    try:
        found = wal.parse_lsn(received)
    except ValueError:
        return False
    if streamed:    # the beginning of its segment: what it has is sent again, and does not count
        return found in (lsn, lsn - lsn % size)
    return found == lsn and not wal.may_be_a_request(found)


def _is_local(address):
    """Return whether an IP address (str) is one of this machine's; None where it is not known."""
    import socket
    address = address.partition("%")[0]
    if address == "::1" or address.startswith("127."):
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        probe = socket.socket(family, socket.SOCK_DGRAM)
    except socket.error as error:
        return False if error.errno in _NO_WAY else None
    try:
        probe.connect((address, _DISCARD))
        return probe.getsockname()[0] == address
    except socket.error as error:
        return False if error.errno in _NO_WAY else None
    finally:
        probe.close()


def _port(instance):
    """Return the port (int) of this node's server, as the others have the same.

    Where it runs, what it says counts: the parameter may be wrong, and keeps nothing from running.
    """
    server = postmaster.find(instance).value
    return server.port if server and server.port else instance.parameters.pgport


def _place(node, addresses, port):
    """Return the (keyword, value) pairs that lead to a node, at these addresses and the port."""
    return (("host", ",".join([node] * len(addresses))), ("hostaddr", ",".join(addresses)),
            ("port", str(port)), ("target_session_attrs", "any"))


def _ask(instance, conninfo, place, command, deadline):
    """Return the only row of an answer (list of str), [] without one. Raises OcfError, Malformed.

    A primary is asked as well: it says that it is no standby.
    """
    kind = (("dbname", "postgres"),) if command == _RECEIVED else _REPLICATION
    result = psql.there(instance, conninfo, kind + place, command, deadline.within(_PATIENCE))
    rows = psql.rows(result.out)
    return rows[0] if not result.timed_out and result.status == 0 and rows else []
