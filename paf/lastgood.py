"""Files in HA_RSCTMP, by which one action knows of another; and the last good parameters in one.

Each action is a process. Only root writes to that folder, and a reboot empties it; a link there is
not followed anyway. Notes, remarks and the watcher's lock are files of the same kind, see `path`.
"""

import errno
import os

from paf import runner

FOLDER = "/var/run/resource-agents"
#: What is kept: parameters that may change while the server runs, and may be wrong.
_NAMES = ("pgport", "maxlag", "rejoin", "crash_watch", "start_opts", "slots", "bindir",
          "system_user")
#: Whose they are: those of another data directory are no values for this one.
_PLACES = ("pgdata", "datadir")
_MOST = 4096    # bytes


def path(environment, kind):
    """Return the path of one of the resource's files (str). environment: ocf.Environment."""
    return os.path.join(environment.variables.get("HA_RSCTMP") or FOLDER, "pgsqlms-{0}.{1}".format(
        environment.resource.replace("/", "_"), kind))


def save(environment, values=None):
    """Keep the parameters that the Environment has. Raises EnvironmentError.

    values: the Parameters that are worked with, to keep these instead.
    """
    lines = ["{0}={1}\n".format(name, environment.variables.get("OCF_RESKEY_" + name, "")
                                if values is None or name in _PLACES else getattr(values, name))
             for name in _NAMES + _PLACES]
    write(path(environment, "parameters"), "".join(lines))


def load(environment):
    """Return the values (dict of name to str) that were kept, {} where there are none."""
    pairs = [line.partition("=") for line in read(path(environment, "parameters")).splitlines()]
    found = dict((name, value) for name, _, value in pairs)
    for name in _PLACES:    # an earlier version has kept none
        mine = environment.variables.get("OCF_RESKEY_" + name, "")
        if found.get(name, mine) != mine:
            return {}
    return dict((name, found[name]) for name in _NAMES if name in found)


def write(name, content):
    """Put `content` (str) into a file, never seen half written. Raises EnvironmentError."""
    fresh = name + ".new"
    make_folder(os.path.dirname(name))
    remove(fresh)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        runner.write_all(descriptor, runner.data(content))
    finally:
        os.close(descriptor)
    os.rename(fresh, name)


def make_folder(folder):
    """Make HA_RSCTMP where the system has not done so, or something has removed it.

    A container has no tmpfiles.d, and resource-agents may not be installed. Raises
    EnvironmentError.
    """
    try:
        os.mkdir(folder, 0o755)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def read(name):
    """Return the start of a file (str), "" where it cannot be read."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (IOError, OSError):
        return ""
    try:
        return runner.text(os.read(descriptor, _MOST))
    except (IOError, OSError):    # a folder
        return ""
    finally:
        os.close(descriptor)


def remove(name):
    """Remove a file, if it is there. Raises EnvironmentError."""
    try:
        os.unlink(name)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
