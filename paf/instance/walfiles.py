"""Facts from the names, sizes and times of the WAL's files, without reading them."""

import os
import time
from collections import namedtuple

from paf import instance as local
from paf.decide import wal

#: newest_timeline: int, 0 without segments; segment_size: bytes; promoted_ago: seconds since
#: the last timeline began (float), very many where there was only one.
Folder = namedtuple("Folder", "newest_timeline segment_size promoted_ago")

_HISTORY = ".history"
_USUAL_SIZE = 16 * 1024 * 1024
_SIZES = [1 << power for power in range(20, 31)]    # what initdb --wal-segsize takes
_NEVER = 1e9


def look(instance):
    """Return the Folder as it is now.

    A WAL receiver opens a file of a new timeline at once, while the control file learns of it
    at the next restartpoint only. A server that is promoted writes the new timeline's history.
    """
    folder = local.wal_folder(instance)
    timelines, sizes, newest = [0], [], None
    for name in names(folder):
        timeline = wal.segment_timeline(name)
        if timeline is not None:
            timelines.append(timeline)
            sizes.append(_stat(folder, name, "st_size"))
        elif name.endswith(".history"):
            newest = max(newest, _stat(folder, name, "st_mtime")) if newest else _stat(
                folder, name, "st_mtime")
    ago = abs(time.time() - newest) if newest else _NEVER
    sizes = [size for size in sizes if size in _SIZES]    # others were cut short, or are not there
    return Folder(max(timelines), max(sizes or [_USUAL_SIZE]), ago)


def knows_later(instance):
    """Return whether a history file is of a later timeline than each segment.

    A standby fetches the primary's before it goes on there; one that cannot go on has it for good.
    Source: PostgreSQL's WalRcvFetchTimeLineHistoryFiles, rescanLatestTimeLine.
    """
    found = names(local.wal_folder(instance))
    segments = [wal.segment_timeline(name) or 0 for name in found]
    histories = [wal.segment_timeline(name[:-len(_HISTORY)] + "0" * 16) or 0 for name in found
                 if name.endswith(_HISTORY)]
    return max(histories + [0]) > max(segments + [0])


def newest_history(instance):
    """Return the latest timeline (int) that a history file here is of, 0 without one.

    Raises EnvironmentError where that cannot be seen.
    """
    return max([0] + [wal.segment_timeline(name[:-len(_HISTORY)] + "0" * 16) or 0
                      for name in os.listdir(local.wal_folder(instance))
                      if name.endswith(_HISTORY)])


def switches(instance, timeline):
    """Return the timelines.Switches (a list) in a timeline's history file.

    [] without a file, or with one that is damaged: of a part of it nothing may be concluded.
    """
    from paf import runner
    from paf.decide import timelines
    name = os.path.join(local.wal_folder(instance), "{0:08X}.history".format(timeline))
    try:
        with open(name, "rb") as stream:
            text = runner.text(stream.read())
    except (IOError, OSError):
        return []
    return timelines.parse(text) if timelines.is_whole(text, timeline) else []


def missing(instance, control):
    """Return why an instance cannot start from its last checkpoint (str), "" where it can.

    control: controldata.ControlData. The folder for WAL may be the empty one below a file system
    that is not mounted. A standby then takes the primary's WAL from there on, and what it has
    acknowledged and not replayed is in no comparison; a former primary has "no valid checkpoint".
    A copy has its WAL from elsewhere. The segment may have the name of a later timeline.
    """
    folder, size = local.wal_folder(instance), control.segment_size
    if local.is_there(local.path(instance, "backup_label"), os.lstat):
        return ""
    try:
        found = os.listdir(folder)
    except OSError as error:
        return "cannot look into {0}: {1}".format(folder, error.strerror)
    if any(wal.segment_timeline(name) is not None
           and wal.segment_number(name, size) == control.redo // size for name in found):
        return ""
    return "the WAL of the last checkpoint, {0}, is not in {1}: mount its file system, or let " \
        "paf rebuild --copy copy the primary".format(
            wal.segment_name(control.timeline, control.redo, size), folder)


def names(folder):
    """Return the names in the WAL's folder (a list of str), [] where it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _stat(folder, name, field):
    """Return a field of the file's status; 0 if it has gone, as WAL files do."""
    try:
        return getattr(os.stat(os.path.join(folder, name)), field)
    except OSError:
        return 0
