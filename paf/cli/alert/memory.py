"""What an alert agent remembers between two alerts, for each recipient: bounded, and only its own.

Alert agents run as hacluster, which may write in few places.
"""

import errno
import fcntl
import json
import os
import stat
import time
import zlib

from paf.cli.common import Problem

#: Pacemaker's own folders, which hacluster may write to and a reboot empties.
FOLDERS = ("/run/crm", "/var/run/crm", "/run/pacemaker")
_KEPT = 20          # keys of messages that went out
_PER_HOUR = 10      # messages
_LONGEST = 1 << 16  # bytes
_FRESH = 45.0       # seconds: the event whose first alert is the first of all ended later than that


class Memory(object):
    """Remembers for one recipient; folder: where, found out when not given. Raises Problem."""

    def __init__(self, recipient, folder=None):
        name = "paf-alert-{0:08x}".format(zlib.crc32(recipient.encode("utf-8", "replace"))
                                          & 0xffffffff)
        self._stem = os.path.join(folder or _folder(), name)
        self._lock = None

    def note(self):
        """Note that an alert came now."""
        descriptor = self._open(".seen")
        os.write(descriptor, b".")
        os.ftruncate(descriptor, 0)
        os.utime(self._stem + ".seen", None)
        os.close(descriptor)

    def since(self):
        """Return the moment (epoch seconds) before which nothing is news.

        What this remembers goes with a reboot: what happened before was said, or is old. A moment
        that is still to come is of a clock that was set back since: what is said twice is better
        than what is not said.
        """
        descriptor = self._open(".since")
        try:
            text = os.read(descriptor, 32).decode("ascii", "replace")
            now = time.time()
            if not text.isdigit() or float(text) > now:
                text = str(int(now - _FRESH))
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, text.encode("ascii"))
            return float(text)
        finally:
            os.close(descriptor)

    def last(self):
        """Return when the last alert came (float, epoch seconds)."""
        return os.stat(self._stem + ".seen").st_mtime

    def silence(self):
        """Return how long ago the last alert came, in seconds; 0.0 if the clock was set back."""
        return max(0.0, time.time() - self.last())

    def is_mine(self):
        """Return whether this process is the one that waits and reports; locked until it ends."""
        self._lock = self._open(".lock")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError) as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                return False
            raise
        return True

    def _open(self, ending):
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            return os.open(self._stem + ending, flags, 0o600)
        except (IOError, OSError) as error:
            raise Problem("cannot remember alerts in {0}: {1}".format(
                self._stem + ending, error.strerror))

    def read(self):
        """Return (keys of messages that went out, their times); empty ones for the first time."""
        descriptor = self._open(".json")
        try:
            text = os.read(descriptor, _LONGEST).decode("utf-8", "replace")
            found = json.loads(text) if text else {}
            said = [[int(begin), str(new)] for begin, new in found.get("said", [])]
            return said, [float(moment) for moment in found.get("times", [])]
        except (ValueError, TypeError, AttributeError):
            return [], []
        finally:
            os.close(descriptor)

    def remember(self, said, times):
        """Keep the last of them."""
        descriptor = self._open(".json")
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(
                {"said": said[-_KEPT:], "times": times[-_PER_HOUR - 1:]}).encode("ascii"))
        finally:
            os.close(descriptor)


def allowance(times, now):
    """Return how many messages may still go out in this hour; pure.

    times: of those that went out (list of epoch seconds); now: epoch seconds.
    """
    return _PER_HOUR - len([moment for moment in times if now - 3600.0 < moment <= now])


def _folder():
    """Return the folder to remember in. Raises Problem."""
    for folder in FOLDERS:
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return own_folder("/tmp/paf-alert-{0}".format(os.geteuid()))


def own_folder(name):
    """Return a folder that is ours alone, made if it is not there. Raises Problem."""
    try:
        os.mkdir(name, 0o700)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise Problem("cannot make {0}: {1}".format(name, error.strerror))
    found = os.lstat(name)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Problem("{0} is not a folder of this user alone".format(name))
    return name
