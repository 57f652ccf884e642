"""What the server complained of in its own log, where pg_ctl does not see it.

Source: PostgreSQL manual, "Error Reporting and Logging": logging_collector, log_directory,
current_logfiles (since 10).
"""

import os

from paf import instance as local
from paf import runner
from paf.ocf import OcfError

_TAIL = 64 * 1024    # bytes
#: How each format shows a fatal message. Source: elog.c, csvlog.c, jsonlog.c.
_FATAL = {
    "stderr": r"(?:FATAL|PANIC):\s+(.*)",
    "csvlog": r',(?:FATAL|PANIC),[0-9A-Z]{5},"((?:[^"]|"")*)"',
    "jsonlog": r'"error_severity":"(?:FATAL|PANIC)".*?"message":"((?:[^"\\]|\\.)*)"',
}


class Mark(object):
    """Where the logs ended before something was tried."""

    def __init__(self, instance):
        self._instance = instance
        self._sizes = dict((path, _size(path)) for _, path in _files(instance))

    def complaint(self, deadline):
        """Return the last fatal message (str) since then; "" where there is none, or no log."""
        import re
        for kind, path in _files(self._instance) or _newest(self._instance, deadline):
            lines = self._since(path).splitlines()
            found = [match.group(1) for match in (
                re.search(_FATAL[kind], line) for line in lines) if match]
            if found:
                return found[-1].strip()
        return ""

    def _since(self, path):
        before = self._sizes.get(path, 0)
        try:
            with runner.Acting(local.owner(self._instance)):
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    size = os.fstat(descriptor).st_size
                    start = before if before <= size else 0    # it was truncated
                    os.lseek(descriptor, max(start, size - _TAIL), os.SEEK_SET)
                    return runner.text(os.read(descriptor, _TAIL))
                finally:
                    os.close(descriptor)
        except (IOError, OSError):
            return ""


def _files(instance):
    """Return the (format, path) pairs of the logs that the server writes to, as it says."""
    try:
        with open(local.path(instance, "current_logfiles"), "rb") as stream:
            lines = runner.text(stream.read(4096)).splitlines()
    except (IOError, OSError):
        return []
    pairs = [line.partition(" ") for line in lines]
    return [(kind, local.path(instance, path)) for kind, _, path in pairs if kind in _FATAL]


def _newest(instance, deadline):
    """Return the same for PostgreSQL up to 9.6, which does not say: the newest file."""
    from paf.instance import settings
    try:
        folder = local.path(instance, settings.read(instance, "log_directory", deadline))
        names = [os.path.join(folder, name) for name in os.listdir(folder)]
    except (OcfError, OSError):
        return []
    names = [name for name in names if name.endswith(".log")]
    return [("stderr", max(names, key=_changed))] if names else []


def _changed(path):
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
