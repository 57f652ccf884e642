"""Connections of a process that have no answer yet, and whether they would get one now.

A first packet that went nowhere is repeated after a second, whatever has come meanwhile: an address
that has moved, for one. Source: proc(5), /proc/PID/net/tcp; RFC 6298, the first timeout.
"""

import errno
import os
import select
import socket
import struct
from collections import namedtuple

from paf import runner
from paf.instance import proc

#: Which connection it is, and to whom: inode (str), family (int), address (str), port (int).
Unanswered = namedtuple("Unanswered", "inode family address port")

_TABLES = (("net/tcp", socket.AF_INET), ("net/tcp6", socket.AF_INET6))
_SYN_SENT = "02"
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_WORD = 8    # hexadecimal digits of 32 bits, in the machine's order of bytes


def unanswered(pid):
    """Return the connections (a set of Unanswered) of a process that wait for their first answer.

    None for one that has ended, or has another network than the agent. Raises proc.Unseen.
    """
    own, found = _sockets(pid), set()
    for name, family in _TABLES if own else ():
        for line in runner.text(proc.known(pid, name)).splitlines()[1:]:
            words = line.split() if " " + _SYN_SENT + " " in line else []
            if len(words) > 9 and words[3] == _SYN_SENT and words[9] in own:
                address, _, port = words[2].partition(":")
                found.add(Unanswered(words[9], family, _address(family, address), int(port, 16)))
    return found


def _sockets(pid):
    """Return the inodes (a set of str) of a process's sockets; of none in another network."""
    folder, found = "/proc/{0}/".format(pid), set()
    if _link(folder + "ns/net") != _link("/proc/self/ns/net"):
        return found
    for number in _seen(os.listdir, folder + "fd", []):
        target = _link(folder + "fd/" + number)
        if target.startswith("socket:["):
            found.add(target[len("socket:["):-1])
    return found


def _link(path):
    return _seen(os.readlink, path, "")


def _seen(call, path, nothing):
    """Return what a call finds at a path in /proc, `nothing` where it is gone. Raises Unseen."""
    try:
        return call(path)
    except OSError as error:
        if error.errno in proc.ENDED:
            return nothing
        raise proc.Unseen("cannot see {0}: {1}".format(path, error.strerror))


def _address(family, digits):
    words = [digits[place:place + _WORD] for place in range(0, len(digits), _WORD)]
    return socket.inet_ntop(family, b"".join(struct.pack("=I", int(word, 16)) for word in words))


def answers(peer, seconds):
    """Return whether the peer of an Unanswered accepts a connection within so many seconds.

    Raises EnvironmentError where a rule forbids the agent to connect (SELinux, a packet filter), or
    there is no socket: then there is no use in asking again.
    """
    probe = socket.socket(peer.family, socket.SOCK_STREAM)
    try:
        probe.setblocking(False)
        code = probe.connect_ex((peer.address, peer.port))
        if code == errno.EINPROGRESS:
            poll = select.poll()
            poll.register(probe.fileno(), select.POLLOUT)
            if not runner.retry(poll.poll, int(seconds * 1000)):
                return False
            code = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    finally:
        probe.close()
    if code in _FORBIDDEN:
        raise EnvironmentError(code, os.strerror(code), peer.address)
    return code == 0
