"""Accounts that programs run under, and their groups: from files, or from what may hang.

A directory service (LDAP, sssd) is asked by a child: nothing else ends a call that waits for it.
One that did not answer is not asked again by this process.
"""

import os
import select
from collections import namedtuple

from paf.ocf import is_number
from paf.posix import data, kill, retry, text

#: An account that programs run under: name (str), uid, gid (int), home (str).
Account = namedtuple("Account", "name uid gid home")

_PASSWD, _GROUP = "/etc/passwd", "/etc/group"
_PATIENCE = 3.0    # seconds
_CHUNK = 65536     # bytes
_HUNG = []    # type: list    # what the system was asked for, and did not say in time
_GROUPS = {}    # type: dict    # the numbers of the groups of each Account that was asked for


def account(name):
    """Return the Account called `name`; None when the system knows none.

    None too where what it asks does not answer: that cannot be distinguished, as sssd says the same
    while it is down. See instance.owner.
    """
    found = [line for line in _lines(_PASSWD) if line[0] == name and len(line) == 7]
    if not found or not all(is_number(word) for word in found[0][2:4]):
        found = _asked("getpwnam", name)
    return Account(name, int(found[0][2]), int(found[0][3]), found[0][5]) if found else None


def is_account(uid):
    """Return whether the system knows an account with this number (int); False if not known."""
    return bool(_asked("getpwuid", uid))


def groups(user):
    """Return the numbers (a list of int) of an Account's groups; /etc/group's without an answer.

    The system asks all that knows groups, also for an account of /etc/passwd. Source:
    nsswitch.conf(5), initgroups.
    """
    if user not in _GROUPS:
        words = _heard(user.name, lambda: _of_system(user))
        if not words or not all(is_number(word) for word in words):
            return _of_file(user)    # not kept: the next program may get an answer
        _GROUPS[user] = [int(word) for word in words]
    return _GROUPS[user]


def _of_system(user):
    """In a child: return the numbers of an Account's groups."""
    if hasattr(os, "initgroups"):
        os.initgroups(user.name, user.gid)  # novm
        return os.getgroups()
    import grp    # Python 2.6
    return [user.gid] + [entry.gr_gid for entry in grp.getgrall() if user.name in entry.gr_mem]


def _of_file(user):
    return [user.gid] + [int(line[2]) for line in _lines(_GROUP) if len(line) == 4 and is_number(
        line[2]) and user.name in line[3].split(",")]


def _lines(path):
    """Return the lines of a file, each a list of words (of str); none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return [text(line).split(":") for line in stream.read().splitlines()]
    except (IOError, OSError):
        return []


def _asked(function, key):
    """Return what a function of pwd finds: a list with the words of the line (of str), [] if none.
    """
    import pwd
    words = _heard(key, lambda: getattr(pwd, function)(key))
    return [words] if len(words) == 7 else []


def _heard(key, ask):
    """Return the words (a list of str) of what a function returns, in a child; [] if not known.

    key: what it asks for.
    """
    if _HUNG:
        return []
    try:
        answer, end = os.pipe()
    except (IOError, OSError):
        return []
    try:
        pid = os.fork()
    except (IOError, OSError):
        os.close(answer)
        os.close(end)
        return []
    if pid == 0:
        try:
            os.setsid()
            os.write(end, data("\n".join(str(word) for word in ask())))
        except (EnvironmentError, KeyError, OverflowError, TypeError, ValueError):
            pass    # none; a NUL in the name
        finally:
            os._exit(0)
    os.close(end)
    poll = select.poll()
    poll.register(answer, select.POLLIN)
    try:
        if not retry(poll.poll, int(_PATIENCE * 1000)):
            _HUNG.append(key)
            return []
        return text(retry(os.read, answer, _CHUNK)).split("\n")
    finally:
        os.close(answer)
        kill(pid)
