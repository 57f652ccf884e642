"""Broken builds of what is known of processes: what cannot be seen has ended, by one line."""

from tests.broken.builds import _UNIT, Broken

BUILDS = (
    Broken(5, "a process whose start cannot be read has ended",
           "paf/instance/proc.py", "    return is_known(now) and (now.value is None",
           "    return not is_known(now) or (now.value is None", (_UNIT + "test_processes.py",)),
    Broken(5, "a process whose name cannot be read is no server",
           "paf/instance/proc.py", "        if error.errno in ENDED:", "        if True:",
           (_UNIT + "test_processes.py",)),
    Broken(5, "a server whose postmaster.pid is empty does not run",
           "paf/instance/postmaster.py",
           "        return _by_processes(instance, Known(None)) if lines.value else Known(None)",
           "        return Known(None)", (_UNIT + "test_processes.py",)),
    Broken(5, "an empty postmaster.pid keeps an instance stopped",
           "paf/instance/pidfile.py", "        _remove_empty(instance)", "        pass",
           (_UNIT + "test_processes.py",)),
)
