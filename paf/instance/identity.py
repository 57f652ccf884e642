"""The instance is what Pacemaker's configuration says: its data directory, port and socket.

Asked of the server and of its own files, once, here. Source: PostgreSQL manual, "File Locations",
"Connections and Authentication", "Database File Layout" (postmaster.pid).
"""

import errno
import os
from collections import namedtuple

from paf.deadline import Deadline
from paf.instance import postmaster
from paf.ocf import OcfError

#: Where to connect: host (str), port (int); remark: how the parameters differ from it (str).
Address = namedtuple("Address", "host port remark")

_PATIENCE = 1.0    # seconds for a name to be looked up
_LOCAL = {"localhost": ["127.0.0.1", "::1"]}
_LOOPBACK = ("127.", "::1")
#: Where an address leads: to this machine; to another one, surely; to none.
_HERE, _ELSEWHERE, _NOWHERE = "here", "elsewhere", "nowhere"

#: What means all addresses of a machine, and one of them that can be connected to.
_ANYWHERE = {"*": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}


def address(instance, server=None):
    """Return the Address where the running server listens.

    server: its postmaster.Postmaster, looked for when not given. Without a server, or before it
    says where it listens, the parameters.
    """
    if server is None:
        server = postmaster.find(instance).value
    host, port = instance.parameters.pghost, instance.parameters.pgport
    if server is None or not server.port:
        return Address(host, port, "")
    found = _host(host, server)
    remarks = []
    if port != server.port:
        remarks.append("pgport is {0}, the server listens on port {1}".format(port, server.port))
    if found != host:
        remarks.append("pghost is {0}, the server has its socket or address at {1}".format(
            host, found))
    return Address(found, server.port, "; ".join(remarks))


def _host(host, server):
    """Return where to reach a server: pghost where it is there, else where it says that it is.

    A socket in the folder pghost may be another server's, and so may an address: each server
    listens on some. Source: PostgreSQL, miscinit.c, CreateSocketLockFile: beside a socket is a file
    with the pid of its server.
    """
    if _has_socket(host, server) if _is_path(host) else _leads_to(host, server):
        return host
    if server.socket:
        return host if _same(host, server.socket) else server.socket
    return _ANYWHERE.get(server.listens, server.listens) or host


def _is_path(host):
    return host.startswith(("/", "@"))


def _leads_to(host, server):
    """Return whether an address or a name leads to a server; True where that is not known.

    A name that cannot be looked up in time leads nowhere.
    """
    from paf.instance import listening
    addresses = [host] if listening.is_address(host) else _LOCAL.get(host) or _looked_up(host)
    places = dict((address, _place(address)) for address in addresses or ())
    if _ELSEWHERE in places.values():
        return False
    found = [listening.is_owner(server.pid, address, server.port)
             for address in sorted(places) if places[address] != _NOWHERE]
    return None in found or True in found


def _looked_up(name):
    from paf.instance import listening
    try:
        return listening.addresses(name, Deadline(_PATIENCE)).value
    except OcfError:    # no program can be started
        return None


def _place(host):
    """Return where an address leads; _HERE too where that cannot be found out.

    A kernel without IPv6 (ipv6.disable=1) has no such family, and one whose interfaces have none
    (disable_ipv6) no ::1: no server listens there.
    """
    import socket
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (socket.error, UnicodeError):
            continue
        probe = None
        try:
            probe = socket.socket(family, socket.SOCK_DGRAM)
            probe.bind((host, 0))
        except socket.error as error:
            number = error.args[0]
            if number == errno.EAFNOSUPPORT or (
                    number == errno.EADDRNOTAVAIL and host.startswith(_LOOPBACK)):
                return _NOWHERE
            return _ELSEWHERE if number == errno.EADDRNOTAVAIL else _HERE
        finally:
            if probe is not None:
                probe.close()
    return _HERE


def _same(one, other):
    return os.path.realpath(one) == os.path.realpath(other)


def _has_socket(folder, server):
    """Return whether a folder has this server's socket, as far as that can be seen."""
    name = os.path.join(folder, ".s.PGSQL.{0}.lock".format(server.port))
    try:
        with open(name, "rb") as stream:
            return stream.read(32).split(b"\n")[0].strip() == str(server.pid).encode("ascii")
    except (IOError, OSError):
        return False
