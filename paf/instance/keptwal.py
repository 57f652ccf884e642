"""Copies of WAL that a rewind destroys: to repeat the rewind, and for people to look at."""

import os

from paf import instance as local
from paf import runner
from paf.decide import wal
from paf.instance import journal, ownfiles
from paf.ocf import failure, NotUsable, OcfError

_FOLDER = "wal"
ABOUT = "about.json"    # the facts of a set
_CONTROL = "pg_control"
_EMPTY = b"\0" * 8192
_LARGEST = 1 << 30      # bytes of WAL that are copied
_LATEST = (1 << 32) - 1     # timeline
_SPARE = 0.1            # of the file system stays free
_SETS = 5               # that are kept for people
_CANNOT = "cannot keep the WAL that is given up in {0}: {1}"


def folder(instance):
    """Return where the journal has the copies."""
    return os.path.join(journal.folder(instance), _FOLDER)


def lost_folder(instance):
    """Return where copies of WAL stay that rewinds have given up, a folder for each."""
    return journal.beside(instance, ".lost")


def segments(instance, first, timeline, size):
    """Return the names of the local segments from an LSN on that belong to no later timeline.

    Raises OcfError.
    """
    number = first // size
    found, place = [], local.wal_folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            names = os.listdir(place)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot copy the WAL that only this instance has from "
                      "{0}: {1}".format(place, error.strerror))
    for name in names:
        own = wal.segment_timeline(name)
        if own is not None and own <= timeline and wal.segment_number(name, size) >= number:
            found.append(name)
    return sorted(found)


def last_written(names, end, size):
    """Return those of the segments (names) that begin before the LSN `end`; later ones are empty.

    A segment that was recycled has the name of one to come.
    """
    return [name for name in names if wal.segment_number(name, size) * size < max(end, 1)]


def fits(instance, names, size):
    """Return whether copies of segments are not too much: 1 GiB, or what the disk has to spare.

    Raises OcfError.
    """
    place = journal.folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            room = os.statvfs(os.path.dirname(place))
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, _CANNOT.format(place, error.strerror))
    if not room.f_blocks:    # it does not say anything, as some in FUSE do
        return len(names) * size <= _LARGEST
    spare = room.f_frsize * (room.f_bavail - room.f_blocks * _SPARE)
    return len(names) * size <= min(_LARGEST, spare)


def only_here(instance, parts, size):
    """Return the names of the segments that hold what exists only here.

    parts: see divergence.parts; None where it is not known: all that there are.
    """
    if parts is None:
        return segments(instance, 0, _LATEST, size)
    return last_written(segments(instance, parts[0][1], parts[-1][0], size), parts[-1][2], size)


def keep(instance, names, size, deadline):
    """Copy segments, timeline histories and the control file into the journal; say if it did.

    False where that is too much, see `fits`. Raises OcfError, also at the deadline.
    """
    return _copy(instance, names, size, folder(instance), deadline)


def _copy(instance, names, size, place, deadline=None):
    if not fits(instance, names, size):
        return False
    source = local.wal_folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            journal.delete(place)
            os.mkdir(place, 0o700)
            histories = [name for name in os.listdir(source) if name.endswith(".history")]
            for name in names + histories:
                if deadline is not None and deadline.passed:
                    raise OcfError("the WAL that only this instance has was not copied in {0:.0f} "
                                   "s; give start a longer timeout".format(deadline.elapsed))
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


def free_name(instance, started):
    """Return a name (str) that no set has yet. started: the time (str). Raises OcfError."""
    name = stem = started.replace(":", "")
    number = 1
    try:
        with runner.Acting(local.owner(instance)):
            while os.path.lexists(os.path.join(lost_folder(instance), name)):
                number += 1
                name = "{0}-{1}".format(stem, number)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, _CANNOT.format(lost_folder(instance), error.strerror))
    return name


def give_up(instance, name, facts):
    """Move the copies from the journal to where `paf lost` reads them; return that place, or "".

    name: of the folder (str), see `free_name`; facts: to be kept with them (dict). Where it
    was too much to copy, only this is kept: facts["kept"] is False. The oldest sets go. It can be
    cut off and repeated. Raises OcfError.
    """
    place, source = os.path.join(lost_folder(instance), name), folder(instance)
    if not name or facts.get("kept") is None:
        return ""
    journal.make_folder(instance, lost_folder(instance))
    try:
        with runner.Acting(local.owner(instance)):
            if local.is_there(source):
                _put_facts(source, facts)
                os.rename(source, place)
            elif not facts["kept"]:
                if not os.path.isdir(place):
                    os.mkdir(place, 0o700)
                _put_facts(place, facts)
            _forget_oldest(instance, name)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, _CANNOT.format(place, error.strerror))
    return place


def _put_facts(place, facts):
    import json
    journal.put(os.path.join(place, ABOUT), json.dumps(facts, sort_keys=True).encode("ascii"))


def _forget_oldest(instance, name):
    """Remove sets that are too many: never the one of this name, first those without a loss.

    Raises OSError.
    """
    top = lost_folder(instance)
    journal.sync(top)
    others = sorted((_is_worth_keeping(os.path.join(top, old)), old)
                    for old in os.listdir(top) if old != name)
    for _, old in others[:max(0, len(others) + 1 - _SETS)]:
        journal.delete(os.path.join(top, old))


def _is_worth_keeping(place):
    """Return whether a client may rely on what a set holds; also where that is not known."""
    facts = _facts_of(place)
    return facts is None or facts.get("harmless") is not True


def _facts_of(place):
    """Return the facts of a set (dict), None where that cannot be read."""
    import json
    try:
        with open(os.path.join(place, ABOUT)) as stream:
            facts = journal.native(json.loads(stream.read()))
    except (EnvironmentError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def with_same(instance, facts):
    """Return the place of a set that holds the same WAL, by its facts (dict); "" without one.

    Raises OcfError.
    """
    top = lost_folder(instance)
    try:
        with runner.Acting(local.owner(instance)):
            for name in os.listdir(top) if os.path.isdir(top) else []:
                found = _facts_of(os.path.join(top, name)) or {}
                if found.get("kept") and all(found.get(key) == facts[key] for key in facts):
                    return os.path.join(top, name)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, _CANNOT.format(top, error.strerror))
    return ""


def keep_aside(instance, names, name, facts, size):
    """Copy segments to where copies stay for people; return that place, "" where it is too much.

    names: of segments; name: of the folder; facts: see `give_up`; size: bytes of a segment. Raises
    OcfError: then nothing of it stays.
    """
    place = os.path.join(lost_folder(instance), name)
    journal.make_folder(instance, lost_folder(instance))
    try:
        if not _copy(instance, names, size, place):
            return ""
        with runner.Acting(local.owner(instance)):
            _put_facts(place, facts)
            _forget_oldest(instance, name)
    except (IOError, OSError) as error:
        journal.remove_folder(instance, place)
        raise failure(error, NotUsable, _CANNOT.format(place, error.strerror))
    except OcfError:
        journal.remove_folder(instance, place)
        raise
    return place
