"""The instance's processes: the postmaster, and backends that outlive it.

Source: PostgreSQL manual, "Database File Layout" (postmaster.pid); proc(5). Every process of an
instance has the data directory as its working directory, which is how it is known.
"""

import errno
import os
import select
import time
from collections import namedtuple

from paf import instance as local
from paf import runner, signals
from paf.ocf import is_number

#: A running postmaster: pid, port (int, None while the file does not have it yet).
Postmaster = namedtuple("Postmaster", "pid port")

_PROGRAMS = ("postgres", "postmaster", "edb-postgres")
_PID_LINE, _PORT_LINE, _STATUS_LINE = 0, 3, 7
_BEGUN = 19         # its place in /proc/PID/stat after the name
_WATCH_STEP = 0.25  # seconds
_LAST_WORDS = 1.0   # seconds for what the logging collector still has to write
#: How the title of the logging collector ends; that of a backend, with a client's address at least.
_LOGGER = (": logger", ": logger process", ": syslogger")    # the second up to 9.6; since 19
#: The title of a WAL receiver, followed by what it does; the former up to 9.6.
_RECEIVERS = (": wal receiver process", ": walreceiver")
_AT_REST = ("idle", "restarting", "waiting")


def find(instance):
    """Return the Postmaster of this data directory; None when none is alive.

    postmaster.pid may be left over, and its number may belong to another process by now.
    """
    lines = _file(instance)
    pid = _number(lines, _PID_LINE)
    if pid and is_alive(instance, pid):
        return Postmaster(pid, _number(lines, _PORT_LINE))
    return None


def status(instance):
    """Return (pid, word) of postmaster.pid: who wrote it, and whether it accepts connections yet.

    (None, "") without one, or before it says so. Source: pg_ctl, "Wait for the server to start".
    """
    lines = _file(instance)
    word = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
    return _number(lines, _PID_LINE), word


def is_zombie(instance):
    """Return whether the postmaster is dead, but its parent has not asked for it yet: a zombie.

    A server takes it for a running postmaster, and refuses to start.
    """
    pid = _number(_file(instance), _PID_LINE)
    return bool(pid) and _stat(pid)[:1] == [b"Z"]


def await_end(instance, pid, pause=time.sleep):
    """Wait, however long that is, until the postmaster `pid` (int) has ended.

    With a pidfd if the kernel and Python (3.9) support it; otherwise by polling. The start time
    distinguishes the process from a later one with the same pid.
    """
    descriptor = _pidfd(pid)
    if descriptor is None:
        started = _start_time(pid)
        while started and _start_time(pid) == started:
            pause(_WATCH_STEP)
        return
    try:
        if is_alive(instance, pid):    # else the number was given away before it was opened
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            runner.retry(poll.poll)
    finally:
        os.close(descriptor)


def _pidfd(pid):
    """Return a descriptor that can be read once the process has ended; None without such."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None  # novm
    except OSError:
        return None


def _start_time(pid):
    """Return a process's start time in the kernel's ticks; None if it is dead or a zombie."""
    fields = _stat(pid)
    return None if fields[:1] in ([], [b"Z"], [b"X"]) else fields[_BEGUN]


def _file(instance):
    """Return the lines of postmaster.pid, [] without one."""
    try:
        # bytes: it holds the data directory's name, in whatever character set that is
        with open(local.path(instance, "postmaster.pid"), "rb") as stream:
            return stream.read(4096).decode("ascii", "replace").split("\n")
    except (IOError, OSError):
        return []


def processes(instance):
    """Return the pids (a sorted list) of all living processes of this data directory."""
    return sorted(pid for pid in _all_pids() if is_alive(instance, pid))


def orphans(instance):
    """Return the pids (a sorted list) of what may still touch the data of a dead postmaster.

    The logging collector only writes its log. It ends last, and after a clean shutdown as well:
    often at this moment, and then it no longer has a title.
    """
    titles = [(pid, title(pid)) for pid in processes(instance)]
    return [pid for pid, text in titles if text and not text.endswith(_LOGGER)]


def is_receiving(instance):
    """Return whether a WAL receiver streams, by the titles of processes: for PostgreSQL up to 9.5.

    With update_process_title=off they do not say what it does: then it counts.
    """
    titles = [title(pid) for pid in processes(instance)]
    found = [text.partition(name)[2].split()[:1] for text in titles for name in _RECEIVERS
             if name in text]
    return any(activity not in [[word] for word in _AT_REST] for activity in found)


def parent(pids):
    """Return the one of `pids` that has none of them as its parent: the postmaster, or None.

    For a postmaster whose postmaster.pid is gone; children of a dead one have other parents.
    """
    children = set(pid for pid in pids if _parent_of(pid) in pids)
    parents = [pid for pid in pids if pid not in children]
    return parents[0] if len(parents) == 1 and children else None


def _parent_of(pid):
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid):
    """Return the fields of /proc/PID/stat after the name, [] for no such process."""
    try:
        with open("/proc/{0}/stat".format(pid), "rb") as stream:
            return stream.read().rpartition(b")")[2].split()
    except (IOError, OSError):
        return []


def _all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _number(lines, index):
    text = lines[index].strip().lstrip("-") if len(lines) > index else ""
    return int(text) if is_number(text) else None    # negative: single-user mode


def is_alive(instance, pid):
    """Return whether the process is a server process of the data directory, and no zombie.

    A shell whose working directory it is does not count; nor does a zombie, which has none.
    """
    try:
        folder = os.readlink("/proc/{0}/cwd".format(pid))
        program = os.readlink("/proc/{0}/exe".format(pid))
    except OSError:
        return False
    name = os.path.basename(program.replace(" (deleted)", ""))
    return name in _PROGRAMS and _same_folder(instance, pid, folder)


def _same_folder(instance, pid, folder):
    try:
        mine = os.stat(instance.parameters.datadir)
        theirs = os.stat("/proc/{0}/cwd".format(pid))
    except OSError:    # the data directory is gone: what is left to compare is its name
        return folder.replace(" (deleted)", "") == instance.parameters.datadir
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def title(pid):
    """Return the process title, as ps shows it; "" when it has ended."""
    try:
        with open("/proc/{0}/cmdline".format(pid), "rb") as stream:
            data = stream.read()
    except (IOError, OSError):
        return ""
    return data.replace(b"\0", b" ").decode("ascii", "replace").strip()


def send(pid, number):
    """Send a signal; a process that has ended in the meantime is no error."""
    try:
        os.kill(pid, number)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


def end_orphans(instance, deadline):
    """End the processes that outlived their postmaster; return the pids still there.

    SIGQUIT first, which makes a backend leave without touching anything more; SIGKILL for
    those that do not listen. Without a postmaster the next start replays the WAL either way.
    The logging collector ignores SIGQUIT, and keeps running while a background program that a
    backend has started holds its pipe.
    """
    for pid in orphans(instance):
        send(pid, signals.SIGQUIT)
    deadline.within(deadline.remaining / 3).wait_for(lambda: not orphans(instance))
    deadline.within(_LAST_WORDS).wait_for(lambda: not processes(instance))
    for pid in processes(instance):
        send(pid, signals.SIGKILL)
    deadline.wait_for(lambda: not processes(instance))
    return processes(instance)
