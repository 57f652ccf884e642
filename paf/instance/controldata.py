"""The control file, as pg_controldata prints it."""

from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.decide import state, wal

#: What PAF reads of it. state: one of state.CONTROL_STATES; redo, checkpoint, end_of_recovery:
#: LSNs (int, bytes); the timelines, segment_size (bytes): int; checksums, wal_log_hints: bool;
#: wal_level, system_identifier: str.
ControlData = namedtuple(
    "ControlData", "state timeline checkpoint redo recovery_end recovery_end_timeline "
    "segment_size wal_level wal_log_hints checksums system_identifier")


def read(instance, deadline):
    """Return the ControlData; None when the file is missing, damaged or cannot be read.

    A damaged file makes pg_controldata warn and print what it finds nonetheless: any warning
    means that nothing in it can be relied on.
    """
    try:
        result = runner.run([local.program(instance, "pg_controldata"),
                             instance.parameters.datadir], deadline, user=instance.owner)
    except runner.NotStarted:
        return None
    output = result.out + result.err
    if result.status != 0 or "WARNING" in output:
        return None
    return parse(result.out)


def parse(text):
    """Return the ControlData in pg_controldata's output; None when something is missing."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        # up to 9.4 some settings were called "Current ..."
        fields[name.replace("Current ", "", 1)] = value.strip()
    try:
        return ControlData(
            state=_state(fields["Database cluster state"]),
            timeline=int(fields["Latest checkpoint's TimeLineID"]),
            checkpoint=wal.parse_lsn(fields["Latest checkpoint location"]),
            redo=wal.parse_lsn(fields["Latest checkpoint's REDO location"]),
            recovery_end=wal.parse_lsn(fields["Minimum recovery ending location"]),
            recovery_end_timeline=int(fields.get("Min recovery ending loc's timeline", "0")),
            segment_size=int(fields["Bytes per WAL segment"]),
            wal_level=fields["wal_level setting"],
            wal_log_hints=fields.get("wal_log_hints setting") in ("on", "yes"),
            # since 19 other numbers: they are being switched on or off, and prove nothing
            checksums=fields.get("Data page checksum version", "0") == "1",
            system_identifier=fields["Database system identifier"])
    except (KeyError, ValueError):
        return None


def _state(text):
    if text not in state.CONTROL_STATES or text == state.UNREADABLE:
        raise ValueError(text)
    return text


def lower_bound(control):
    """Return the Position (wal.Position) that an instance with this ControlData surely has."""
    return wal.Position(max(control.timeline, control.recovery_end_timeline),
                        max(control.checkpoint, control.redo, control.recovery_end))
