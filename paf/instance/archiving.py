"""WAL files that wait for the archiver. A shutdown waits until it has archived them all.

Source: PostgreSQL's pgarch_ArchiverCopyLoop, which runs once more after the shutdown checkpoint,
and returns at once where nothing is set that archives; XLogArchiveNotify; show_archive_command.
"""

import os

from paf import instance as local
from paf.decide.knowledge import Fact, Known, Unknown  # noqa: F401
from paf.ocf import OcfError

_FOLDER, _WAITS = "archive_status", ".ready"
#: So few are no backlog: a server that is busy always has one.
_FEW = 2
_STEP = 0.5    # seconds between two looks
#: Seconds in which it archives nothing: an archive_command that hangs or fails is not waited for.
_STILL = 5.0
_PATIENCE = 3.0    # seconds for the server's answer
#: A row where something archives. With archive_mode=off the command reads "(disabled)".
_ARCHIVES = "SELECT name FROM pg_catalog.pg_settings WHERE setting NOT IN ('', '(disabled)') " \
            "AND name IN ('archive_command', 'archive_library') " \
            "AND pg_catalog.current_setting('archive_mode') <> 'off'"


def waiting(instance):
    """Return the Fact of how many files wait (int)."""
    try:
        names = os.listdir(os.path.join(local.wal_folder(instance), _FOLDER))
    except (OcfError, OSError) as error:
        return Unknown(str(error))
    return Known(len([name for name in names if name.endswith(_WAITS)]))


def catch_up(instance, deadline):
    """Wait while the archiver comes nearer to its end; return the Fact of how many files are left.

    0 for no more than always are, and where nothing archives them: no shutdown waits for those.
    """
    found = [Unknown("")]    # type: list[Fact]
    least = [None, 0.0]    # the least so far, and when that was

    def over():
        found[:] = [waiting(instance)]
        left = found[0].value
        if left is None or left <= _FEW:
            return True
        if least[0] is None and _is_off(instance, deadline):
            found[:] = [Known(0)]
            return True
        if least[0] is None or left < least[0]:
            least[:] = [left, deadline.elapsed]
        return deadline.elapsed - least[1] >= _STILL
    deadline.wait_for(over, longest=_STEP)
    return Known(0) if found[0].value is not None and found[0].value <= _FEW else found[0]


def _is_off(instance, deadline):
    """Return whether nothing archives for sure: the files are left of when something did."""
    from paf.instance import sql
    try:
        answer = sql.query(instance, _ARCHIVES, deadline.within(_PATIENCE))
    except OcfError:
        return False
    return answer.kind == sql.ROWS and not answer.rows
