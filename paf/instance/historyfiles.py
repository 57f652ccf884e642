"""Is the control file of the history that the WAL beside it belongs to?

pg_rewind copies the primary's files, its WAL as well, and writes the control file last. One that
was run by hand and cut off leaves a mixture with the control file of before, which says that the
server was shut down cleanly.
"""

from paf.decide import timelines, wal
from paf.instance import walfiles


def off_history(instance, control):
    """Return why the server cannot go on from its last checkpoint (str), "" where it can.

    control: controldata.ControlData. PostgreSQL waits for WAL that exists nowhere, or ends. Nothing
    is concluded from a history that cannot be read. Source: tliOfPointInHistory in timeline.c.
    """
    newest = walfiles.look(instance).newest_timeline
    switches = walfiles.switches(instance, newest)
    if newest <= control.timeline or not switches:
        return ""
    found = timelines.relation(control.timeline, newest, switches)
    if found.kind == timelines.ANCESTOR and control.checkpoint < found.fork:
        return ""
    return "a rewind was cut off, or files were copied by hand: the WAL here is of timeline {0}, " \
        "and the last checkpoint, at {1} on timeline {2}, is not in its history; let paf rebuild " \
        "copy the primary".format(newest, wal.format_lsn(control.checkpoint), control.timeline)
