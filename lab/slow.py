"""Programs that take some times as long: what a busy or a small machine does to deadlines.

Each program of Pacemaker and of PostgreSQL that the agent starts is replaced, on the node's disk,
by one that runs it and then waits, before it ends, for as long as it took, times `slow` - 1. So a
program that fails fast still does, and one that waits for something waits longer by that much.
`postgres` itself is left as it is: it is a daemon.
"""

import os
from pathlib import Path

from .tools import run, write_file

PACEMAKER = ("attrd_updater", "cibadmin", "crm_attribute", "crm_mon", "crm_node", "crm_resource",
             "crm_simulate", "stonith_admin")
POSTGRES = ("pg_basebackup", "pg_controldata", "pg_ctl", "pg_isready", "pg_receivewal", "pg_rewind",
            "pg_waldump", "psql")
#: Where the programs themselves are then.
REAL = "/opt/paf-lab/real"

_WRAPPER = """#!/bin/bash
# Takes {slow} times as long as {path}
begin=${{EPOCHREALTIME/[.,]/}}
(exec -a "$0" {real} "$@")
status=$?
more=$(( (${{EPOCHREALTIME/[.,]/}} - begin) * {tenths} / 10 ))
printf -v more '%d.%06d' $(( more / 1000000 )) $(( more % 1000000 ))
sleep "$more"
exit $status
"""


def wrapper(path, real, slow):
    """Return the text of a program that takes `slow` times as long as the one at `real`."""
    return _WRAPPER.format(path=path, real=real, slow=f"{slow:g}", tenths=round((slow - 1) * 10))


def install(disk, slow):
    """Slow the programs of a node that is off; `disk` is its Disk."""
    programs = [f"/usr/sbin/{name}" for name in PACEMAKER]
    programs += [f"{disk.settings.bindir}/{name}" for name in POSTGRES]
    for path in programs:
        source, real = Path(disk.system, path.lstrip("/")), f"{REAL}/{os.path.basename(path)}"
        if source.exists():
            disk.path(REAL).mkdir(parents=True, exist_ok=True)
            run(["cp", "-L", "--preserve=mode", source, disk.path(real)])
            write_file(disk.path(path), wrapper(path, real, slow), 0o755)
