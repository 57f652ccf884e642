"""Is a process one of PostgreSQL's, of whatever instance, by what /proc says of its program?

No file system but /proc is looked at: a process that works on dead storage delays no action.
Source: proc(5), exe, comm and cmdline.
"""

import os

from paf import runner
from paf.instance.proc import ENDED, Unseen, known, title

_PROGRAMS = ("postgres", "postmaster", "edb-postgres")
_EXE = "/proc/{0}/exe"
_TITLE = "postgres: "    # how those of a postmaster's children begin


def is_server(pid):
    """Return whether a process is one of PostgreSQL's, by its program, its name, or its title.

    The program's file may have been renamed or replaced since it was started; the name that the
    kernel keeps is that of the start. Raises Unseen.
    """
    return (_program(pid) in _PROGRAMS or title(pid).startswith(_TITLE) or has_servers_name(pid)
            or runner.text(known(pid, "cmdline")).startswith(_TITLE))


def is_other_program(pid):
    """Return whether a process is surely none of PostgreSQL's: all that says so can be seen."""
    try:
        os.readlink(_EXE.format(pid))
    except OSError as error:
        if error.errno not in ENDED:
            return False
    try:
        return not is_server(pid)
    except Unseen:
        return False


def has_servers_name(pid):
    """Return whether a process has the program or the name of a postmaster. Raises Unseen.

    Its arguments are not looked at: the kernel shows none as long as the memory is locked.
    """
    return _program(pid) in _PROGRAMS or runner.text(known(pid, "comm")).strip() in _PROGRAMS


def _program(pid):
    try:
        return os.path.basename(os.readlink(_EXE.format(pid)).replace(" (deleted)", ""))
    except OSError:
        return ""    # the name says as much
