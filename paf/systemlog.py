"""syslog, without waiting for it.

syslog(3) waits for as long as nothing reads: a journald or rsyslog that hangs or was stopped holds
each process up that logs, once the few lines are there that the kernel keeps for it. A line of the
log is no reason to fail an action. Source: unix(7), net.unix.max_dgram_qlen; RFC 3164.
"""

import errno
import time

try:
    from _socket import AF_UNIX, SOCK_DGRAM, SOCK_STREAM, socket    # novm
except ImportError:
    from socket import AF_UNIX, SOCK_DGRAM, SOCK_STREAM, socket  # type: ignore

#: The numbers of facilities and levels. Source: syslog(3); Python's module lacks some.
_FACILITIES = dict((name, number) for number, name in enumerate((
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp")))
_FACILITIES.update(("local{0}".format(number), 16 + number) for number in range(8))
_LEVELS = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3}

_PLACE = "/dev/log"
_PATIENCE = 0.2    # seconds for who reads to make room
#: Its kinds of sockets, and what ends a line there.
_KINDS = ((SOCK_DGRAM, b""), (SOCK_STREAM, b"\0"))


def send(facility, level, text, is_heard=True):
    """Send a line (bytes) to syslog; return whether it was taken. Raises nothing.

    facility: its name, daemon for one that is none; level: one of log's; is_heard: whether the line
    before was taken. Where it was not, none is waited for.
    """
    number = _FACILITIES.get(facility.lower(), _FACILITIES["daemon"])
    head = "<{0}>{1} ".format(number * 8 + _LEVELS[level], time.strftime("%b %e %H:%M:%S"))
    line = head.encode("ascii") + text.replace(b"\0", b"?")
    for kind, end in _KINDS:
        error = _sent(kind, line + end, _PATIENCE if is_heard else 0.0)
        if error != errno.EPROTOTYPE:
            return error == 0
    return False


def _sent(kind, line, patience):
    """Send bytes; return 0, or the number of the error: -1 where no room was made in time."""
    door = None
    try:
        door = socket(AF_UNIX, kind)
        door.settimeout(patience)
        door.connect(_PLACE)
        door.send(line)
        return 0
    except (IOError, OSError) as error:
        return error.errno or -1
    finally:
        if door is not None:
            door.close()
