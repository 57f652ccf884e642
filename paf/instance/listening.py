"""Which process listens on an address of this machine.

Another server may listen on the same port, at another address. Source: proc(5), /proc/PID/net/tcp:
addresses are written as numbers of 32 bits in the machine's own order, and 0A is a socket that
listens; /proc/PID/fd; getent(1).
"""

import errno
import os
import socket
import struct

from paf import runner
from paf.decide.knowledge import Known, Unknown

_FILES = ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6"))
_LISTENS = "0A"
_PATIENCE = 3.0    # seconds for a name to be looked up


def is_address(host):
    """Return whether a text is an IP address, and no name."""
    return any(_packed(family, host) is not None for family, _ in _FILES)


def addresses(node, deadline):
    """Return the Fact of the addresses (list of str) that a node's name leads to, one at least.

    A program looks them up, which has a deadline.
    """
    program = [os.path.join(folder, "getent") for folder in runner.PATH.split(":")
               if os.access(os.path.join(folder, "getent"), os.X_OK)]
    if not program:
        return Unknown("the address of {0} cannot be looked up: there is no getent".format(node))
    result = runner.run([program[0], "ahosts", node], deadline.within(_PATIENCE))
    if result.timed_out:
        return Unknown("the address of {0} could not be looked up in time".format(node))
    found = []
    for words in [line.split() for line in result.out.splitlines()]:
        if words and words[0] not in found:    # getent has a line for each kind of socket
            found.append(words[0])
    if result.status != 0 or not found:
        return Unknown("the name {0} leads to no address (getent: status {1}), so its server "
                       "cannot be asked".format(node, result.status))
    return Known(found)


def _packed(family, address):
    try:
        return socket.inet_pton(family, address)
    except (socket.error, UnicodeError, ValueError):
        return None


def is_owner(pid, address, port):
    """Return whether a process listens on an address (str) and port (int); None if not known."""
    for family, name in _FILES:
        packed = _packed(family, address)
        if packed is None:
            continue
        sockets = _sockets("/proc/{0}/net/{1}".format(pid, name), packed, port)
        owned = _owned(pid)
        return None if sockets is None or owned is None else bool(sockets & owned)
    return None


def _sockets(path, packed, port):
    """Return the inodes (set of str) of sockets that listen there, None where that is not seen."""
    numbers = struct.unpack("={0}I".format(len(packed) // 4), packed)
    wanted = ["".join("{0:08X}".format(number) for number in each) + ":{0:04X}".format(port)
              for each in (numbers, (0,) * len(numbers))]
    try:
        with open(path) as stream:
            lines = [line.split() for line in stream.readlines()[1:]]
    except (IOError, OSError, UnicodeError):
        return None
    return set(words[9] for words in lines
               if len(words) > 9 and words[1] in wanted and words[3] == _LISTENS)


def _owned(pid):
    """Return the inodes (set of str) of a process's sockets, None where they cannot be seen."""
    folder, found = "/proc/{0}/fd".format(pid), set()
    try:
        for name in os.listdir(folder):
            kind, _, inode = _link(os.path.join(folder, name)).partition(":")
            if kind == "socket":
                found.add(inode.strip("[]"))
    except OSError:
        return None
    return found


def _link(path):
    """Return where a link leads, "" for one that has gone. Raises OSError."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return ""
        raise
