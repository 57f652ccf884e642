"""Programs of PostgreSQL that may have outlived the agent that ran them. Source: proc(5)."""

import os

from paf import runner, signals
from paf.deadline import Deadline
from paf.instance import postmaster, proc
from paf.ocf import OcfError

_MOMENT = 5.0   # seconds for what was killed to end, or to show its arguments
_LONGEST_NAME = 15    # bytes of /proc/PID/comm


def running(program, argument):
    """Return the pids (a list) of processes of a program's name that have this argument (str).

    Raises proc.Unseen where one may be among them: two that write to one directory ruin it.
    """
    return [pid for pid in proc.all_pids() if _is_one(pid, program, argument)]


def _is_one(pid, program, argument):
    """Return whether a process is one of `running`. Raises proc.Unseen.

    One in a container, with a root folder of its own, works on another directory of that name.
    """
    return (argument in _arguments(pid, program) and _name(pid) == program
            and _has_our_root(pid))


def _arguments(pid, program):
    """Return the arguments (a list of str) of a process, with its name. Raises proc.Unseen.

    While one executes another program it has the name of that, and no arguments for a moment:
    it may be the one (fs/exec.c, begin_new_exec; fs/binfmt_elf.c, create_elf_tables).
    """
    def read():
        found[:] = [word for word in proc.arguments(pid) if word]
        return found or not _executes(pid, program)
    found = []
    if not Deadline(_MOMENT).wait_for(read):
        raise proc.Unseen("cannot see the arguments of process {0}: none of a {1}".format(
            pid, program))
    return found


def _executes(pid, program):
    """Return whether a process has a program's name, and has not ended. Raises proc.Unseen."""
    name = runner.text(proc.known(pid, "comm")).rstrip("\n")
    return name == program[:_LONGEST_NAME] and _name(pid) == program


def end(program, argument):
    """Kill all processes of a program that have this argument (str), by whatever they were started.

    Raises OcfError where one does not end.
    """
    for pid in running(program, argument):
        if _is_one(pid, program, argument):    # the look at all of them may have taken seconds
            postmaster.send(pid, signals.SIGKILL)
    if not Deadline(_MOMENT).wait_for(lambda: not running(program, argument)):
        raise OcfError("a {0} of this instance still runs and does not end".format(program))


def _name(pid):
    """Return the name of a process's program, "" where it has ended. Raises proc.Unseen."""
    try:
        path = os.readlink("/proc/{0}/exe".format(pid))
    except OSError as error:
        if error.errno in proc.ENDED:
            return ""
        raise proc.Unseen("cannot see the program of process {0}: {1}".format(
            pid, error.strerror))
    return os.path.basename(path.replace(" (deleted)", ""))


def _has_our_root(pid):
    """Return whether a process has the agent's root folder, False for none. Raises proc.Unseen."""
    try:
        return proc.has_our_root(pid)
    except OSError as error:
        if error.errno in proc.ENDED:
            return False
        raise proc.Unseen("cannot see the root folder of process {0}: {1}".format(
            pid, error.strerror))
