"""The process that waits for the postmaster's death: begun, found and ended by the actions.

A file in HA_RSCTMP is locked as long as a watcher lives, and holds its pid; so one that was killed
is noticed, and there are never two. What the watcher does stands in paf/crash/watch.py.
"""

import errno
import fcntl
import os
import stat
import sys
import time

from paf import runner, signals, variant
from paf.ocf import is_number

_FOLDER = "/var/run/resource-agents"
#: How long a watcher that is ended may take: it may be telling Pacemaker right now, in seconds.
_FAREWELL = 3.0
#: What a watcher notes in its file once it has told Pacemaker of a crash.
TOLD = "told"
#: For how long Pacemaker is believed to be about to act on that, in seconds.
_BELIEVED = 5.0


def keep(context):
    """See that the running instance has its watcher, or none where the parameter says so.

    Costs a few system calls where all is as it should be. Never fails: without a watcher the
    monitor finds the crash.
    """
    if not context.in_cluster or variant.NAME == "corosync1":
        return
    if context.parameters.crash_watch is not True:
        end(context)
        return
    try:
        place = Place(context.environment)
        if place.take():
            place.leave()
            _begin(context)
    except EnvironmentError as error:
        context.log.warning("no watcher: {0}".format(error))


def end(context):
    """End the watcher, if there is one, and remove its file. Never fails.

    Returns once no watcher can tell Pacemaker of anything any more: what happens to the server
    from now on is our own doing.
    """
    try:
        place = Place(context.environment)
        if place.exists() and place.win(context.deadline.within(_FAREWELL)):
            place.leave()
    except EnvironmentError as error:
        context.log.warning("the watcher was not ended: {0}".format(error))


def has_told(context):
    """Tell whether a watcher has told Pacemaker of a crash just now; if not, it never will.

    For the monitor that finds the crash in the same moment: it would count twice.
    """
    try:
        place = Place(context.environment)
        if not place.exists() or not place.win(context.deadline.within(_FAREWELL)):
            return False
        if place.words()[1:2] == [TOLD] and place.age() < _BELIEVED:
            place.release()
            return True
        place.leave()
    except EnvironmentError as error:
        context.log.warning("the watcher was not ended: {0}".format(error))
    return False


class Place(object):
    """The watcher's file. Its methods raise EnvironmentError.

    environment: ocf.Environment. Nobody but root writes to HA_RSCTMP; all the same a link that
    stands there is not followed.
    """

    def __init__(self, environment):
        folder = environment.variables.get("HA_RSCTMP") or _FOLDER
        self._name = os.path.join(folder, "pgsqlms-{0}.watcher".format(
            environment.resource.replace("/", "_")))
        self._held = None

    def exists(self):
        """Tell whether the file is there: one that is locked, or was left."""
        return os.path.lexists(self._name)

    def take(self):
        """Lock the file and return True; False while a watcher holds it."""
        descriptor = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._is_in_place(descriptor):    # removed by its holder just now
                raise IOError(errno.EWOULDBLOCK, "removed")
        except (IOError, OSError) as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        self._held = descriptor
        return True

    def _is_in_place(self, descriptor):
        mine = os.fstat(descriptor)
        try:
            named = os.lstat(self._name)
        except OSError:
            return False
        return stat.S_ISREG(named.st_mode) and (mine.st_dev, mine.st_ino) == (
            named.st_dev, named.st_ino)

    def note(self, *words):
        """Write this process's pid and further words into the file that is held."""
        text = "\n".join([str(os.getpid())] + list(words)) + "\n"
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
        """Return for how many seconds the file that is held has stood as it is."""
        return abs(time.time() - os.fstat(self._held).st_mtime)

    def win(self, deadline):
        """End the watcher that holds the file, and lock it; return False if it does not end."""
        return deadline.wait_for(lambda: self.take() or self._end_holder())

    def _end_holder(self):
        """Ask the watcher that holds the file to end. Returns False: it has not done so yet."""
        pid = self.words()[:1]
        if pid and is_number(pid[0]):
            try:
                os.kill(int(pid[0]), signals.SIGTERM)
            except OSError as error:
                if error.errno != errno.ESRCH:
                    raise
        return False

    def release(self):
        """Unlock the file, and leave it where it is."""
        os.close(self._held)
        self._held = None

    def leave(self):
        """Remove the file that is held, and unlock it."""
        os.unlink(self._name)
        self.release()


def _begin(context):
    """Start the watcher: this agent once more, with the action `watch`."""
    with open("/proc/self/cmdline", "rb") as stream:
        words = stream.read().rstrip(b"\0").split(b"\0")
    # what really runs: how it was called may be a name for a shell, or a link
    words = [os.readlink("/proc/self/exe")] + words[1:len(words) - len(sys.argv) + 1] + ["watch"]
    runner.leave_behind(words, context.environment.variables)
