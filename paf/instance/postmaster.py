"""The instance's processes: the postmaster, and backends that outlive it.

Source: PostgreSQL manual, "Database File Layout" (postmaster.pid); proc(5). Every process of an
instance has the data directory as its working directory, which is how it is known. What /proc does
not let us see is not dead: it is unknown.
"""

import errno
import os
from collections import namedtuple

from paf import instance as local
from paf import runner, signals
from paf.decide.knowledge import Known, Unknown
from paf.instance.proc import (
    ENDED, Unseen, all_pids, arguments, births, descendants, has_ended, has_our_root, known,
    parent_of, state_of, title)
from paf.instance.serverprogram import has_servers_name, is_other_program, is_server
from paf.ocf import is_number

#: A living postmaster: pid; port (int), socket (its first folder of sockets, str), listens (its
#: first address, str): where it listens, None and "" while the file does not say so yet, or where
#: there is none; word: its own status since PostgreSQL 10, "ready" for one; started: when it
#: started (seconds of the epoch, int; None unknown).
Postmaster = namedtuple("Postmaster", "pid port socket listens word started")

_PID_LINE, _START_LINE, _PORT_LINE, _SOCKET_LINE, _ADDRESS_LINE, _STATUS_LINE = 0, 2, 3, 4, 5, 7
_LARGEST_PID = 1 << 22
_REAP_PATIENCE = 5.0    # seconds that the parent of a dead postmaster has to reap it
_LAST_WORDS = 1.0   # seconds for what the logging collector still has to write
#: How the title of the logging collector ends; that of a backend, with a client's address at least.
_LOGGER = (": logger", ": logger process", ": syslogger")    # the second up to 9.6; since 19
#: How the title of the WAL writer ends; the second in older servers.
_WAL_WRITERS = (": walwriter", ": wal writer process")
_REFUSED = (errno.EACCES, errno.EPERM)


def find(instance):
    """Return what is known of this data directory's postmaster.

    Known(Postmaster); Known(None): none is alive; Unknown. postmaster.pid may be left over, and
    its number may belong to another process by now; so the working directory of that process
    decides, whatever its program is called: an upgrade of the package renames or removes it.
    """
    try:
        return _find(instance)
    except Unseen as error:
        return Unknown(str(error))


def _find(instance):
    """Return what `find` does. Raises Unseen."""
    lines = _read(instance)
    if isinstance(lines, Unknown):
        return _by_processes(instance, lines)
    pid = _pid(lines.value)
    if not pid:
        # a living one whose file was emptied takes writes until it looks there, once a minute
        return _by_processes(instance, Known(None)) if lines.value else Known(None)
    here = works_here(instance, pid)
    if isinstance(here, Unknown):
        return here
    if not here.value or not (is_server(pid) or _has_children(instance, pid)):
        return Known(None)
    return Known(_described(pid, lines.value))


def _described(pid, lines):
    def line(index):
        return lines[index].strip() if len(lines) > index else ""
    return Postmaster(pid, _number(lines, _PORT_LINE), line(_SOCKET_LINE), line(_ADDRESS_LINE),
                      line(_STATUS_LINE), _number(lines, _START_LINE))


def _by_processes(instance, otherwise):
    """Return what the processes alone say, where postmaster.pid cannot be read or has no number.

    otherwise: the Fact where some run, and none of them is their postmaster. Raises Unseen.
    """
    found = processes(instance)
    if not found:
        return Known(None)
    pid = parent(found)
    return Known(_described(pid, [])) if pid else otherwise


def status(instance):
    """Return (pid, word) of postmaster.pid: who wrote it, and whether it accepts connections yet.

    (None, "") without one, or before it says so. Source: pg_ctl, "Wait for the server to start".
    """
    lines = _read(instance).value or []
    word = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
    return _pid(lines), word


def is_single_user(instance):
    """Return whether postmaster.pid is that of a server in single-user mode: a negative number.

    It knows no fast shutdown, and ends for a signal only between two statements.
    """
    return (_read(instance).value or [""])[_PID_LINE].strip().startswith("-")


def is_zombie(instance):
    """Return whether the postmaster is dead, but its parent has not asked for it yet: a zombie.

    A server takes it for a running postmaster, and refuses to start.
    """
    pid = _pid(_read(instance).value or [])
    try:
        return bool(pid) and state_of(pid)[:1] == [b"Z"]
    except Unseen:
        return False    # whatever it is, the server looks for itself


def await_reaping(instance, deadline):
    """Wait, for a few seconds at most, until a dead postmaster is no longer a zombie.

    For each start of a server program on a data directory: it would refuse to run.
    """
    deadline.within(_REAP_PATIENCE).wait_for(lambda: not is_zombie(instance))


def _read(instance):
    """Return the lines of postmaster.pid: Known(list of str), [] without the file, or Unknown."""
    name = local.path(instance, "postmaster.pid")
    try:
        # bytes: it holds names of folders, in whatever character set they are
        with open(name, "rb") as stream:
            return Known(runner.text(stream.read(4096)).split("\n"))
    except (IOError, OSError) as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Known([])
        return Unknown("cannot read {0}: {1}".format(name, error.strerror))


def processes(instance):
    """Return the pids (a sorted list) of all living processes of this data directory.

    Raises Unseen where a process may be one of them.
    """
    found = []
    for pid in all_pids():
        if is_other_program(pid):
            continue    # its folder may be on dead storage, where a look at it does not return
        here = works_here(instance, pid)
        if isinstance(here, Unknown):
            raise Unseen(here.reason)
        if here.value and is_server(pid):
            found.append(pid)
    moved = strayed(instance)
    return sorted(set(found + moved + [child for pid in moved for child in descendants(pid)
                                       if is_server(child)]))


def strayed(instance):
    """Return the pids (a list) of postmasters that were started for this data directory, and now
    work in another folder: theirs was renamed, removed or replaced while they ran.

    They take writes as before. A process of another root folder (a container) is none of them: it
    means another folder by the same name. One without children, like `postgres -C`, is none either.
    """
    folders = set(folder.rstrip("/") for folder in (
        instance.parameters.datadir, instance.parameters.pgdata))
    folders |= set(os.path.realpath(folder) for folder in folders)
    # the name first: a process whose memory is locked does not show its arguments
    return [pid for pid in all_pids() if has_servers_name(pid) and _is_started_for(pid, folders)
            and works_here(instance, pid) == Known(False) and _has_our_root(instance, pid)
            and any(is_server(child) for child in descendants(pid))]


def _is_started_for(pid, folders):
    """Return whether a process has `-D FOLDER` in its command line, with one of the folders (set).

    Children of a postmaster have a title instead. Source: postgres(1), -D.
    """
    words = arguments(pid)
    return any(word == "-D" and following.rstrip("/") in folders
               or word.startswith("-D") and word[2:].rstrip("/") in folders
               for word, following in zip(words, words[1:] + [""]))


def _has_our_root(instance, pid):
    """Return whether a process has the agent's root folder. Raises Unseen."""
    try:
        return _tries_root(instance, pid)
    except (IOError, OSError) as error:
        if error.errno in ENDED:
            return False
        raise Unseen("cannot see the root folder of process {0}: {1}".format(pid, error.strerror))


def _tries_root(instance, pid):
    """Return what `_has_our_root` does. Raises EnvironmentError."""
    try:
        return has_our_root(pid)
    except OSError as error:
        if error.errno not in _REFUSED or instance.owner is None or os.geteuid() != 0:
            raise
    with runner.Acting(instance.owner):    # as in `works_here`
        return has_our_root(pid)


def orphans(instance):
    """Return the pids (a sorted list) of what may still touch the data of a dead postmaster.

    Raises Unseen.

    The logging collector only writes its log. It ends last, and after a clean shutdown as well:
    often at this moment, and then it no longer has a title.
    """
    titles = [(pid, title(pid)) for pid in processes(instance)]
    return [pid for pid, text in titles if text and not text.endswith(_LOGGER)]


def has_wal_writer(instance):
    """Return whether a WAL writer runs: a postmaster starts one when recovery is over, not before.

    So it shows a primary. False also where no title can be read. Raises Unseen. Source:
    PostgreSQL's postmaster.c, which wants PM_RUN for it.
    """
    return any(title(pid).endswith(_WAL_WRITERS) for pid in processes(instance))


def parent(pids):
    """Return the one of `pids` that has none of them as its parent: the postmaster, or None.

    For a postmaster whose postmaster.pid is gone; children of a dead one have other parents.
    """
    children = set(pid for pid in pids if parent_of(pid) in pids)
    parents = [pid for pid in pids if pid not in children]
    return parents[0] if len(parents) == 1 and children else None


def _pid(lines):
    """Return the pid (int) in the lines of postmaster.pid; None without one that can be."""
    pid = _number(lines, _PID_LINE)
    return pid if pid and pid <= _LARGEST_PID else None


def _number(lines, index):
    text = lines[index].strip().lstrip("-") if len(lines) > index else ""
    return int(text) if is_number(text) else None    # negative: single-user mode


def is_alive(instance, pid):
    """Return whether the process is, or may be, a living server process of the data directory.

    A shell whose working directory it is does not count, and neither does a zombie, which has no
    directory.
    """
    here = works_here(instance, pid)
    try:
        return isinstance(here, Unknown) or (here.value and is_server(pid))
    except Unseen:
        return True


def works_here(instance, pid):
    """Return whether a process has the data directory as its working directory: a Fact of bool."""
    try:
        return Known(_same_folder(instance, pid))
    except (IOError, OSError) as error:
        if error.errno in ENDED:
            return _ended(pid)
        if error.errno in _REFUSED and not _is_of(instance, pid):
            return Known(False)
        reason = error.strerror
    # root without CAP_SYS_PTRACE, as in a container, may not see what the owner may
    if instance.owner is not None and os.geteuid() == 0:
        try:
            with runner.Acting(instance.owner):
                return Known(_same_folder(instance, pid))
        except (IOError, OSError) as error:
            if error.errno in ENDED:
                return _ended(pid)
    return Unknown("cannot see where process {0} works: {1}".format(pid, reason))


def _ended(pid):
    """Return Known(False) for a process that has no working directory; Unknown if it is hidden."""
    if os.path.exists("/proc/{0}/stat".format(pid)):
        return Known(False)    # a zombie, or one of the kernel's
    try:
        os.kill(pid, 0)
    except OSError as error:
        if error.errno == errno.ESRCH:
            return Known(False)
    if os.path.exists("/proc/{0}/stat".format(pid)):
        return Known(False)    # another process by now
    return Unknown("process {0} is hidden in /proc".format(pid))


def _is_of(instance, pid):
    """Return whether a process may run under the instance's owner.

    That of the data directory, says PostgreSQL, which never runs as root.
    """
    owners = set([] if instance.owner is None else [instance.owner.uid])
    try:
        owners.add(os.stat(instance.parameters.datadir).st_uid)
    except OSError:
        pass    # then the account is all there is
    owners.discard(0)
    try:
        text = known(pid, "status")
    except Unseen:
        return bool(owners)
    for line in text.split(b"\n"):
        if line.startswith(b"Uid:"):
            return bool(owners & set(int(uid) for uid in line.split()[1:]))
    return bool(owners and text)    # without any, it has ended since


def _same_folder(instance, pid):
    """Return whether a process works in the data directory. Raises EnvironmentError."""
    folder = os.readlink("/proc/{0}/cwd".format(pid))
    datadir = instance.parameters.datadir
    names = (datadir, os.path.realpath(datadir))
    try:
        mine = os.stat(datadir)
        theirs = os.stat("/proc/{0}/cwd".format(pid))
    except (IOError, OSError):    # not there, or dead storage: what is left to compare is its name
        # which in a container is that of another folder
        return folder.replace(" (deleted)", "") in names and has_our_root(pid)
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def _has_children(instance, pid):
    """Return whether a process has children that are servers in the data directory."""
    return any(parent_of(child) == pid and is_alive(instance, child) for child in all_pids())


def send(pid, number):
    """Send a signal; a process that has ended in the meantime is no error."""
    try:
        os.kill(pid, number)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


def send_to(pids, number, born):
    """Send a signal to those of `pids` that have run since `born` (of proc.births) was noted.

    A look at all processes takes its time: a number from it may be another process's by now.
    """
    for pid in pids:
        if pid in born and not has_ended(pid, born[pid]):
            send(pid, number)


def end_orphans(instance, deadline):
    """End the processes that outlived their postmaster; return the pids still there.

    SIGQUIT first, which makes a backend leave without touching anything more; SIGKILL for
    those that do not listen. Without a postmaster the next start replays the WAL either way.
    The logging collector ignores SIGQUIT, and keeps running while a background program that a
    backend has started holds its pipe.
    """
    born = births()
    send_to(orphans(instance), signals.SIGQUIT, born)
    deadline.within(deadline.remaining / 3).wait_for(lambda: not orphans(instance))
    deadline.within(_LAST_WORDS).wait_for(lambda: not processes(instance))
    born = births()
    send_to(processes(instance), signals.SIGKILL, born)
    deadline.wait_for(lambda: not processes(instance))
    return processes(instance)
