"""Copies of WAL that a rewind destroys: to repeat the rewind, and for people to look at."""

import os

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.instance import journal, ownfiles
from paf.ocf import failure, NotUsable

_FOLDER = "wal"
ABOUT = "about.json"    # the facts of a set
_CONTROL = "pg_control"
_EMPTY = b"\0" * 8192
_LARGEST = 1 << 30      # bytes of WAL that are copied
_SPARE = 0.1            # of the file system stays free
_SETS = 5               # that are kept for people


def folder(instance):
    """Return where the journal has the copies."""
    return os.path.join(journal.folder(instance), _FOLDER)


def lost_folder(instance):
    """Return where copies of WAL stay that rewinds have given up, a folder for each."""
    return journal.beside(instance, ".lost")


def segments(instance, first, timeline, size):
    """Return the names of the local segments from an LSN on that belong to no later timeline."""
    number = first // size
    found = []
    with runner.Acting(local.owner(instance)):
        for name in os.listdir(local.wal_folder(instance)):
            own = wal.segment_timeline(name)
            if own is not None and own <= timeline and wal.segment_number(name, size) >= number:
                found.append(name)
    return sorted(found)


def last_written(names, end, size):
    """Return those of the segments (names) that begin before the LSN `end`; later ones are empty.

    A segment that was recycled has the name of one to come.
    """
    return [name for name in names if wal.segment_number(name, size) * size < max(end, 1)]


def keep(instance, names, size):
    """Copy segments, timeline histories and the control file into the journal; say if it did.

    False where that is too much: more than 1 GiB, or than the file system has to spare. Raises
    OcfError.
    """
    return _copy(instance, names, size, folder(instance))


def _copy(instance, names, size, place):
    source = local.wal_folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            room = os.statvfs(os.path.dirname(place))
            spare = room.f_frsize * (room.f_bavail - room.f_blocks * _SPARE)
            if len(names) * size > min(_LARGEST, spare):
                return False
            journal.delete(place)
            os.mkdir(place, 0o700)
            histories = [name for name in os.listdir(source) if name.endswith(".history")]
            for name in names + histories:
                ownfiles.copy_file(os.path.join(source, name), os.path.join(place, name), _EMPTY)
            ownfiles.copy_file(_control(instance), os.path.join(place, _CONTROL))
            journal.sync(place)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot copy the WAL that only this instance has to "
                      "{0}: {1}".format(place, error.strerror))
    return True


def put_back(instance):
    """Copy segments, histories and then the control file back. Raises OcfError."""
    place, target = folder(instance), local.wal_folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            for name in sorted(os.listdir(place)):
                if name != _CONTROL:
                    _replace(os.path.join(place, name), os.path.join(target, name))
            journal.sync(target)
            _replace(os.path.join(place, _CONTROL), _control(instance))
            journal.sync(os.path.dirname(_control(instance)))
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot put the WAL back from {0}: {1}".format(
            place, error.strerror))


def _control(instance):
    return local.path(instance, "global/pg_control")


def _replace(path, target):
    fresh = target + ".pgsqlms"
    journal.delete(fresh)
    ownfiles.copy_file(path, fresh)
    os.rename(fresh, target)


def give_up(instance, name, facts):
    """Move the copies from the journal to where `paf lost` reads them; return that place, or "".

    name: of the folder (str); facts: to be kept with them (dict). The oldest sets are removed.
    Raises OcfError.
    """
    place, source = os.path.join(lost_folder(instance), name), folder(instance)
    if not os.path.isdir(source):
        return ""
    journal.make_folder(instance, lost_folder(instance))
    try:
        with runner.Acting(local.owner(instance)):
            journal.delete(place)
            os.rename(source, place)
            _describe(instance, place, facts)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot keep the WAL that is given up in {0}: {1}".format(
            place, error.strerror))
    return place


def _describe(instance, place, facts):
    """Write the facts of a set, and remove the oldest sets. Raises OSError."""
    import json
    journal.put(os.path.join(place, ABOUT), json.dumps(facts, sort_keys=True).encode("ascii"))
    journal.sync(lost_folder(instance))
    for old in sorted(os.listdir(lost_folder(instance)))[:-_SETS]:
        journal.delete(os.path.join(lost_folder(instance), old))


def keep_aside(instance, names, name, facts, size):
    """Copy segments to where copies stay for people; return that place, "" where it is too much.

    names: of segments; name: of the folder; facts: see `give_up`; size: bytes of a segment. Raises
    OcfError.
    """
    place = os.path.join(lost_folder(instance), name)
    journal.make_folder(instance, lost_folder(instance))
    if not _copy(instance, names, size, place):
        return ""
    try:
        with runner.Acting(local.owner(instance)):
            _describe(instance, place, facts)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot keep the WAL that is given up in {0}: {1}".format(
            place, error.strerror))
    return place
