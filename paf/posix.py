"""System calls on children and bytes, as they are in all versions of Python."""

import errno
import os
import select

from paf import signals
from paf.deadline import Deadline

_REAP = 0.2    # seconds


def retry(function, *arguments):
    """Call a system function again when a signal interrupted it (before Python 3.5)."""
    while True:
        try:
            return function(*arguments)
        except (IOError, OSError, select.error) as error:
            if error.args[0] != errno.EINTR:
                raise


def ended(pid):
    """Return the exit status of the child, negative for a signal, None while it runs."""
    done, status = retry(os.waitpid, pid, os.WNOHANG)
    if not done:
        return None
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def kill(pid):
    """End a child and all that it started in its own session, at once; return its exit status.

    A process that hangs in the kernel (dead storage) does not die of SIGKILL: it is not waited for.
    """
    status = None
    try:
        os.killpg(pid, signals.SIGKILL)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise
        status = ended(pid)
        if status is None:    # it has no session of its own yet
            os.kill(pid, signals.SIGKILL)
    if status is None:
        seen = []

        def reaped():
            seen[:] = [ended(pid)]
            return seen[0] is not None    # 0 is a status
        Deadline(_REAP).wait_for(reaped)
        status = seen[0]
    return -signals.SIGKILL if status is None else status


def data(content):
    """Return native str as bytes: the way back of `text`."""
    return content if str is bytes else content.encode("utf-8", "surrogateescape")  # novm


def text(data):
    """Return bytes as native str; what is not UTF-8 survives a way there and back."""
    if str is bytes:
        return data
    return data.decode("utf-8", "surrogateescape")  # novm
