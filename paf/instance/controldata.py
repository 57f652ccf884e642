"""The control file, as pg_controldata prints it."""

from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.decide import state, wal
from paf.decide.knowledge import Known, Unknown
from paf.ocf import is_number

#: What PAF reads of it. state: one of state.CONTROL_STATES; redo, checkpoint, end_of_recovery:
#: LSNs (int, bytes); the timelines, segment_size (bytes): int; checksums, wal_log_hints: bool;
#: wal_level, system_identifier: str.
ControlData = namedtuple(
    "ControlData", "state timeline checkpoint redo recovery_end recovery_end_timeline "
    "segment_size wal_level wal_log_hints checksums system_identifier")

#: What pg_controldata says of a file that is damaged or missing. Source: its controldata_utils.c;
#: warnings have a small letter since 17.
_DAMAGE = ("WARNING", "warning: ", "No such file or directory", "Not a directory", ": read ",
           "Is a directory")
#: A server may write the file while it is read: then its checksum is briefly wrong.
_LOOKS = 3
_BETWEEN_LOOKS = 0.1    # seconds


class Damaged(Unknown):
    """pg_controldata says that the file is damaged or missing; `reason` has its words."""

    __slots__ = ()


def read(instance, deadline):
    """Return what is known of the control file: Known(ControlData), Damaged, or Unknown.

    Unknown: pg_controldata gave no answer, so the file may be good or damaged.
    """
    found = []

    def is_clear():
        found.append(_look(instance, deadline))
        return not isinstance(found[-1], Damaged) or len(found) >= _LOOKS
    # an answer takes milliseconds; what is done with it needs time as well
    deadline = deadline.within(deadline.remaining / 3)
    deadline.within(_LOOKS * _BETWEEN_LOOKS).wait_for(is_clear)
    return found[-1]


def _look(instance, deadline):
    try:
        result = runner.run([local.program(instance, "pg_controldata"),
                             instance.parameters.datadir], deadline, user=instance.owner)
    except runner.NotStarted as error:
        return Unknown(str(error))
    if result.timed_out:
        return Unknown("pg_controldata did not answer in time")
    if result.status < 0:
        return Unknown("pg_controldata was killed by signal {0}".format(-result.status))
    output = result.err + result.out
    # a damaged file makes pg_controldata warn and print what it finds nonetheless
    if any(word in output for word in _DAMAGE) and result.status in (0, 1):
        from paf.instance import programversion
        other = programversion.problem(instance, "pg_controldata", deadline)
        if other:
            return Unknown(other)
        return Damaged("pg_controldata: {0}".format(_words(result)))
    if result.status != 0:
        return Unknown("pg_controldata failed: {0}".format(_words(result)))
    control = parse(result.out)
    if control is None:
        return Unknown("pg_controldata printed something else than PostgreSQL 9.3 to 19 do")
    return Known(control)


def _words(result):
    """Return the first line of what it complains of, at least of its output."""
    lines = [line.strip() for line in (result.err + "\n" + result.out).splitlines() if line.strip()]
    serious = [line for line in lines if any(word in line for word in _DAMAGE)]
    return (serious or lines or ["exit status {0}".format(result.status)])[0]


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
            system_identifier=_identifier(fields["Database system identifier"]))
    except (KeyError, ValueError):
        return None


def _identifier(text):
    if not is_number(text):
        raise ValueError(text)
    return text


def _state(text):
    if text not in state.CONTROL_STATES or text in state.NO_CONTROL_STATES:
        raise ValueError(text)
    return text


def lower_bound(control):
    """Return the Position (wal.Position) that an instance with this ControlData surely has."""
    return wal.Position(max(control.timeline, control.recovery_end_timeline),
                        max(control.checkpoint, control.redo, control.recovery_end))
