"""Waiting for a postmaster to end, for as long as that takes."""

import os
import select
import time

from paf import runner
from paf.instance import postmaster, proc

_WATCH_STEP = 0.25  # seconds


def await_end(instance, pid, pause=time.sleep, look=None):
    """Wait, however long that is, until the postmaster `pid` (int) has ended.

    look: what is called in short steps meanwhile; without it a pidfd needs no steps.

    With a pidfd if the kernel and Python (3.9) support it; otherwise by polling. The start time
    distinguishes the process from a later one with the same pid.
    """
    descriptor = _pidfd(pid)
    if descriptor is None:
        born = proc.birth(pid)
        if not postmaster.is_alive(instance, pid):    # as below
            return
        while not proc.has_ended(pid, born):
            if look:
                look()
            pause(_WATCH_STEP)
        return
    try:
        # else the number was given away before it was opened
        if postmaster.is_alive(instance, pid):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while look and not runner.retry(poll.poll, _WATCH_STEP * 1000):
                look()
            if not look:
                runner.retry(poll.poll)
    finally:
        os.close(descriptor)


def _pidfd(pid):
    """Return a descriptor that can be read once the process has ended; None without such."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None  # novm
    except OSError:
        return None
