"""Programs of PostgreSQL that may have outlived the agent that ran them. Source: proc(5)."""

import os


def running(program, argument):
    """Return the pids (a list) of processes of a program's name that have this argument (str)."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit()
            and _name(pid) == program and argument in _arguments(pid)]


def begun(pid):
    """Return what distinguishes a process from later ones of its pid; None once it is dead."""
    try:
        with open("/proc/{0}/stat".format(pid), "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except (IOError, OSError):
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


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
