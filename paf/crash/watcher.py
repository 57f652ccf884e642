"""The process that waits for the end of the postmaster: how actions start, find and end it.

The watcher locks a file in HA_RSCTMP as long as it runs, and writes its pid there; so a killed one
is noticed, and a second one ends at once, unless the file was removed under the first. What the
watcher does is in paf/crash/watch.py.
"""

import errno
import fcntl
import os
import stat
import time

from paf import lastgood, signals, variant
from paf.instance import postmaster, proc
from paf.ocf import is_number

#: How long the end of a watcher may take, in seconds: it may be reporting to Pacemaker.
_END_PATIENCE = 3.0
#: What a watcher writes into its file after it has reported a crash to Pacemaker.
REPORTED = "reported"
#: For how long after that Pacemaker may not have acted on it yet, in seconds.
_BELIEVED = 5.0


def keep(context):
    """Start the running instance's watcher if it has none, or end it if the parameter disables it.

    Costs a few system calls if there is nothing to do. Errors of the system are only logged:
    without a watcher the monitor finds the crash.
    """
    if not context.in_cluster or variant.NAME == "corosync1":
        return
    if context.parameters.crash_watch is not True:
        end(context)
        return
    try:
        lock = LockFile(context.environment)
        if lock.take():
            lock.remove()
            _start(context)
    except EnvironmentError as error:
        context.log.warning("no watcher: {0}".format(error))


def end(context):
    """End the watcher, if there is one, and remove its file. Errors of the system are only logged.

    From now on this action itself stops the server, which is not to be reported as a crash. A
    watcher that does not end in time may still report: that is logged, and the action goes on.
    """
    try:
        lock = LockFile(context.environment)
        if not lock.exists():
            return
        if lock.take_over(context.deadline.within(_END_PATIENCE)):
            lock.remove()
        else:
            context.log.warning("the watcher did not end in time, and may report a crash")
    except EnvironmentError as error:
        context.log.warning("the watcher was not ended: {0}".format(error))


def has_reported(context):
    """Return whether a watcher has just reported a crash to Pacemaker; if not, end it.

    For the monitor that finds the crash at the same time: it would count twice. A watcher that does
    not end in time, and a file that cannot be read, count as no report.
    """
    try:
        lock = LockFile(context.environment)
        if not lock.exists() or not lock.take_over(context.deadline.within(_END_PATIENCE)):
            return False
        if lock.words()[1:2] == [REPORTED] and lock.age() < _BELIEVED:
            lock.release()
            context.log.info("the instance has crashed; that has just been reported, and Pacemaker "
                             "would count it twice")
            return True
        lock.remove()
    except EnvironmentError as error:
        context.log.warning("the watcher was not ended: {0}".format(error))
    return False


class LockFile(object):
    """The watcher's lock file. Its methods raise EnvironmentError.

    environment: ocf.Environment. Only root writes to HA_RSCTMP; a link there is not followed
    anyway.
    """

    def __init__(self, environment):
        self._name = lastgood.path(environment, "watcher")
        self._held = None  # type: int  # type: ignore

    def exists(self):
        """Return whether the file exists: locked by a watcher, or left over."""
        return os.path.lexists(self._name)

    def take(self):
        """Lock the file and return True; False while a watcher holds it."""
        lastgood.make_folder(os.path.dirname(self._name))
        descriptor = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._is_named(descriptor):    # removed by its holder just now
                raise IOError(errno.EWOULDBLOCK, "removed")
        except (IOError, OSError) as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        self._held = descriptor
        return True

    def is_in_place(self):
        """Return whether the file that is held is the one that actions look for."""
        return self._is_named(self._held)

    def _is_named(self, descriptor):
        mine = os.fstat(descriptor)
        try:
            named = os.lstat(self._name)
        except OSError:
            return False
        return stat.S_ISREG(named.st_mode) and (mine.st_dev, mine.st_ino) == (
            named.st_dev, named.st_ino)

    def note(self, *words):
        """Write this process's pid and further words into the file that is held."""
        text = "\n".join([_identity(os.getpid())] + list(words)) + "\n"
        os.lseek(self._held, 0, os.SEEK_SET)
        os.ftruncate(self._held, 0)
        os.write(self._held, text.encode("ascii"))

    def words(self):
        """Return what a watcher has noted: its pid and more (a list of str), [] for no file."""
        try:
            descriptor = os.open(self._name, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return []
            raise
        try:
            return os.read(descriptor, 64).decode("ascii", "replace").split()
        finally:
            os.close(descriptor)

    def age(self):
        """Return how many seconds ago the held file was written."""
        return abs(time.time() - os.fstat(self._held).st_mtime)

    def take_over(self, deadline):
        """End the watcher that holds the lock, and take it; return False if it does not end."""
        return deadline.wait_for(lambda: self.take() or self._end_holder())

    def _end_holder(self):
        """Ask the watcher that holds the file to end. Returns False: it has not done so yet."""
        noted = self.words()[:1]
        pid = noted[0].partition("/")[0] if noted else ""
        if is_number(pid) and int(pid) and _is_holder(int(pid), noted[0]):
            postmaster.send(int(pid), signals.SIGTERM)
        return False

    def release(self):
        """Unlock the file, and leave it where it is."""
        os.close(self._held)
        self._held = None  # type: ignore[assignment]

    def remove(self):
        """Remove the held file, if it is still in its place, and unlock it."""
        if self.is_in_place():
            os.unlink(self._name)
        self.release()


def _is_holder(pid, noted):
    """Return whether a process is the one that noted itself; its number may be used again by now.

    Watchers of earlier versions have noted their number alone.
    """
    return noted == _identity(pid) and not noted.endswith("/") or (
        noted == str(pid) and postmaster.title(pid).endswith(" watch"))


def _identity(pid):
    """Return what identifies a process even when its number is used again: pid and start."""
    return "{0}/{1}".format(pid, proc.birth(pid).value or "")


def _start(context):
    """Start the watcher: this agent with the action `watch`."""
    from paf import background    # one more file to load, where no watcher runs yet
    background.start("watch", context.environment.variables)
