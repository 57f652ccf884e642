"""What /proc says of processes. What it does not let us see has not ended: that is not known.

A security module (SELinux), hidepid, a container without CAP_SYS_PTRACE, or a system without free
file descriptors keeps a file of a living process from being read. Source: proc(5).
"""

import errno
import os

from paf.decide.knowledge import Known, Unknown, is_known
from paf.ocf import OcfError, is_number

#: What a file of a process that has ended cannot be read for.
ENDED = (errno.ENOENT, errno.ESRCH)
_START_TIME = 19    # its place in /proc/PID/stat after the name
#: The first of the fields of `state_of`, as a list, of a process that has ended.
OVER = ([], [b"Z"], [b"X"])


class Unseen(OcfError):
    """It could not be found out whether a process of the instance runs."""


def content(pid, name):
    """Return a file of /proc/PID (bytes), empty where it cannot be read: for people, and for hints.

    Nothing may be called dead for that; see `known`.
    """
    try:
        return _content(pid, name)
    except (IOError, OSError):
        return b""


def known(pid, name):
    """Return a file of /proc/PID (bytes), empty where the process has ended. Raises Unseen."""
    try:
        return _content(pid, name)
    except (IOError, OSError) as error:
        if error.errno in ENDED:
            return b""
        raise Unseen("cannot see {0} of process {1}: {2}".format(name, pid, error.strerror))


def _content(pid, name):
    with open("/proc/{0}/{1}".format(pid, name), "rb") as stream:
        return stream.read()


def title(pid):
    """Return the process title, as ps shows it; "" when it has ended or cannot be read.

    A native str with "?" for what is no ASCII: in Python 2, no message could have unicode in it.
    """
    text = content(pid, "cmdline").replace(b"\0", b" ").decode("ascii", "replace").strip()
    data = text.encode("ascii", "replace")
    return data if str is bytes else data.decode("ascii")


def does(text, kind):
    """Return whether a title (str) is that of the server's own process of a kind, and no client's.

    The cluster's name is in front of it. A client's has a role, a database, and a host.
    """
    words = text.rpartition(": ")[2].split()
    return words[:1] == [kind] and not _has_host(words)


#: What the server still has while it writes the shutdown checkpoint: all others end before that.
#: As titles have it: "stats collector" up to 14, "wal sender" and "archiver process" up to 9.6, "io
#: worker" since 18. Recovery ends by itself. Source: PostgreSQL's PostmasterStateMachine.
_LASTING = ("checkpointer", "archiver", "walsender", "wal sender", "logger", "syslogger",
            "stats collector", "io worker", "startup")


def is_client(text):
    """Return whether a title (str) is that of a client's session, which is no WAL sender."""
    words = text.rpartition(": ")[2].split()
    return words[:1] != ["walsender"] and words[:2] != ["wal", "sender"] and _has_host(words)


def keeps_checkpoint(text):
    """Return whether the shutdown checkpoint waits for the process of a title (str) to end.

    False for what has no title of the server's.
    """
    words = text.rpartition(": ")[2].split()
    return text.startswith("postgres: ") and (is_client(text) or not (
        " ".join(words).startswith(_LASTING)))


def _has_host(words):
    """Return whether the words (list of str) of a title are a client's: role, database, host."""
    return any(word == "[local]" or word.endswith(")") for word in words[1:])


def state_of(pid):
    """Return the fields of /proc/PID/stat after the name, [] for no such process. Raises Unseen."""
    return known(pid, "stat").rpartition(b")")[2].split()


def arguments(pid):
    """Return the command line of a process (a list of str, as os.environ has such), in any locale.

    Raises Unseen.
    """
    content = known(pid, "cmdline")
    return (content if str is bytes else os.fsdecode(content)).split("\0")  # novm


def start_time(pid):
    """Return when a process was started, in the kernel's ticks (str); None if dead or a zombie.

    Raises Unseen.
    """
    return start_in(state_of(pid))


def start_in(fields):
    """Return what `start_time` does, by the fields of `state_of`."""
    return None if fields[:1] in OVER else fields[_START_TIME].decode("ascii")


def births():
    """Return the `birth` of each process (a dict of pid to Fact). Raises Unseen.

    To be noted before a look that takes its time, see postmaster.send_to.
    """
    return dict((pid, birth(pid)) for pid in all_pids())


def birth(pid):
    """Return the Fact of what `start_time` returns."""
    try:
        return Known(start_time(pid))
    except Unseen as error:
        return Unknown(str(error))


def has_ended(pid, before):
    """Return whether a process has ended for sure; its number may be another one's by now.

    before: the Fact of its `birth`, from when it ran.
    """
    now = birth(pid)
    return is_known(now) and (now.value is None
                              or is_known(before) and now.value != before.value)


def parent_of(pid):
    """Return the pid (int) of a process's parent, 0 where it has ended. Raises Unseen."""
    fields = state_of(pid)
    return int(fields[1]) if fields else 0


def has_our_root(pid):
    """Return whether a process has the agent's root folder. Raises EnvironmentError.

    With another one, as in a container, it means other folders by the same names.
    """
    theirs, ours = os.stat("/proc/{0}/root".format(pid)), os.stat("/")
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def all_pids():
    """Return the pids of all processes (a list). Raises Unseen."""
    try:
        found = [int(name) for name in os.listdir("/proc") if is_number(name)]
        own = os.readlink("/proc/self") if os.getpid() in found else ""
    except OSError as error:
        raise Unseen("cannot look for processes in /proc: {0}".format(error.strerror))
    if not own:
        raise Unseen("cannot look for processes: /proc is not mounted")
    if own != str(os.getpid()):    # signals would go to others
        raise Unseen("cannot look for processes: /proc is that of another PID namespace")
    return found


def descendants(pid):
    """Return the pids (a list) of a process's children, and theirs. Raises Unseen."""
    parents = dict((each, parent_of(each)) for each in all_pids())
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent and child not in found]
    return found[1:]
