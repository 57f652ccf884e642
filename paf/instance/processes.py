"""Programs of PostgreSQL that may have outlived the agent that ran them. Source: proc(5)."""

import os

from paf import signals
from paf.deadline import Deadline
from paf.instance import postmaster
from paf.ocf import OcfError

_MOMENT = 5.0   # seconds for what was killed to end


def running(program, argument):
    """Return the pids (a list) of processes of a program's name that have this argument (str)."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit()
            and _name(pid) == program and argument in _arguments(pid)]


def end(program, argument):
    """Kill all processes of a program that have this argument (str), by whatever they were started.

    Raises OcfError where one does not end.
    """
    for pid in running(program, argument):
        postmaster.send(int(pid), signals.SIGKILL)
    if not Deadline(_MOMENT).wait_for(lambda: not running(program, argument)):
        raise OcfError("a {0} of this instance still runs and does not end".format(program))


def _name(pid):
    try:
        return os.path.basename(os.readlink("/proc/{0}/exe".format(pid)).replace(" (deleted)", ""))
    except OSError:
        return ""


def _arguments(pid):
    from paf import runner
    try:
        with open("/proc/{0}/cmdline".format(pid), "rb") as stream:
            return runner.text(stream.read()).split("\0")
    except (IOError, OSError):
        return []
