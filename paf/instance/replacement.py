"""A data directory that is replaced by a copy of the primary's: what the next start makes of it.

The copy is made beside the data directory and takes its place by renames, which the journal lists:
each of them is done or is not. So a cut leaves the old directory or the new one.
"""

import errno
import os
import stat

from paf import instance as local
from paf import runner
from paf.instance import journal, likeness, naming, ownfiles, processes
from paf.ocf import failure, NotUsable, OcfError

WHAT = "rebuild"
#: The directory is half rewound, and no copy has taken its place yet. Facts have half=True while
#: one is made.
HALF = "half"
#: The copy is being made; it is whole and takes its place. Where the old directory is given up
#: first: the node's own files are put aside; they are, and the rest is given up; they are put back.
COPYING, SWAPPING = "copying", "swapping"
ASIDE, DISCARDED, RETURNING = "aside", "discarded", "returning"
#: What a server accepts as the mode of its data directory: no more for a group, the first since 11.
_GROUPS, _OWNERS = 0o050, 0o700
NOT_REPLACED = ("a rewind or rebuild was cut off, and no copy has replaced what it left: run paf "
                "rebuild again")
PHASES = (HALF, COPYING, SWAPPING, ASIDE, DISCARDED, RETURNING)


def half(before, spoilt=False):
    """Return the facts (dict) of a directory that is half rewound; before: those of the journal.

    spoilt: whether the journal before could not be used: what only this directory has is not known.
    """
    return {"what": WHAT, "phase": HALF, "half": True, "conninfo": before.get("conninfo", ""),
            "mounted": before.get("mounted"), "spoilt": bool(spoilt or before.get("spoilt"))}


def end(instance, facts):
    """Remove the journal of a copy that did not take the old directory's place. Raises OcfError.

    Where that is half rewound, the journal still says so.
    """
    if facts.get("half"):
        journal.write(instance, half(facts))
    else:
        journal.remove(instance)


def finish(instance, log):
    """Remove a copy that was cut off, or put a complete one in its place. Raises OcfError.

    While paf rebuild works, and where it has given up the old directory, nothing is done. Nor is
    anything started that is half rewound. A directory that is not mounted is no place for the
    node's own files; one that is swapped may be away for a moment.
    """
    if journal.read(instance).get("phase") in (ASIDE, RETURNING):
        local.version(instance)
    revert(instance, log)
    if journal.exists(instance):
        raise NotUsable(NOT_REPLACED)


def needed(instance, phase):
    """Return the places (a list of paths) that have to be mounted before the work goes on.

    None for all that were when it began: copies take their places there. Else those are for the
    next copy to choose; a disk with one of them may be lost for good.
    """
    return None if phase == SWAPPING else [os.path.realpath(instance.parameters.datadir)]


def revert(instance, log):
    """Do what `finish` does, and leave the journal where the directory is half rewound."""
    journal.check_free(instance)
    facts = journal.read(instance)
    phase = facts.get("phase")
    if phase not in PHASES:
        raise journal.foreign(instance, facts)
    if phase not in (COPYING, DISCARDED):    # the first leaves the old directory, the other nothing
        journal.check_mounted(facts, needed(instance, phase))
    if phase == HALF:
        return
    if phase == DISCARDED:
        raise NotUsable("a rebuild of this instance was cut off, and there is no old data "
                        "directory: run paf rebuild again")
    if phase in (SWAPPING, RETURNING):
        if phase == SWAPPING:
            swap(instance, facts)
        else:
            ownfiles.put_back(instance, facts.get("deep") or [])
        if all(name in facts for name in naming.FACTS):
            naming.complete(instance, os.path.realpath(instance.parameters.datadir), facts, log)
        log.info("a rebuild that was cut off is complete")
        journal.remove(instance)
        return
    if phase == ASIDE:
        ownfiles.put_back(instance, facts.get("deep") or [])
        log.info("a rebuild was cut off before it had changed anything: the files are back")
    else:
        forget(instance, facts)
        log.info("a rebuild was cut off before it had changed anything, its copy is removed")
    end(instance, facts)


def swap(instance, facts):
    """Put the copies in their places: facts["swaps"] has (copy, place, aside). Raises OcfError.

    facts["moves"]: names in the data directory that go from the old one to the new one.
    """
    for copy, place, aside in facts["swaps"]:
        # one that cannot be looked at has not taken its place: the old one may be half rewound
        if local.is_there(copy, os.lstat):
            if local.is_there(place, os.lstat):
                rename(instance, place, aside)
            rename(instance, copy, place)
        elif not _is_swapped(instance, place, aside):
            raise OcfError("a rebuild of this instance was cut off, and neither {0} nor its copy "
                           "is there: mount its file system".format(place))
    _, place, aside = facts["swaps"][-1]
    for name in facts.get("moves", ()):
        if local.is_there(os.path.join(aside, name), os.lstat):
            rename(instance, os.path.join(aside, name), os.path.join(place, name))


def _is_swapped(instance, place, aside):
    """Return whether a copy that has gone is what is in its place. Raises OcfError.

    No rename leaves neither of them. A folder below the mount point of a file system that is not
    there is empty, and nothing was put aside in it.
    """
    if not local.is_there(place, os.lstat):
        return False
    try:
        with runner.Acting(local.owner(instance)):
            return local.is_there(aside, os.lstat) or bool(os.listdir(place))
    except OSError as error:
        raise OcfError("cannot look into {0}: {1}".format(place, error.strerror))


def end_copy(facts):
    """End a program that copies, and has outlived the paf rebuild that ran it. Raises OcfError."""
    processes.end("pg_basebackup", facts["swaps"][-1][0])
    processes.end("pgbackrest", "--pg1-path={0}".format(facts["swaps"][-1][0]))


def forget(instance, facts):
    """Remove the copies. Raises OcfError."""
    if facts.get("swaps"):
        end_copy(facts)
    for copy, _, _ in facts.get("swaps", ()):
        journal.remove_folder(instance, copy)


def rename(instance, path, target):
    """Rename a folder: with its owner's rights, or root's where only root may. Raises OcfError."""
    try:
        try:
            with runner.Acting(local.owner(instance)):
                os.rename(path, target)
        except OSError:
            if not journal.is_roots(path):
                raise
            os.rename(path, target)
        journal.sync(os.path.dirname(target))
    except OSError as error:
        raise failure(error, NotUsable, "cannot rename {0} to {1}: {2}".format(
            path, target, error.strerror))


def check_movable(instance, old, largest, deep=()):
    """Raise NotUsable for a folder of the node's own that the instance's owner cannot move.

    old: the data directory (path); largest, deep: as in `own_again`. A folder that gets another
    parent has to be writable itself. Source: rename(2), EACCES.
    """
    owner = local.owner(instance)
    for name in (ownfiles.names_in(old) if local.is_there(old) else []) + list(deep):
        path = os.path.join(old, name)
        status = os.lstat(path)
        is_own = status.st_uid == owner.uid
        shift = 6 if is_own else 3 if status.st_gid == owner.gid else 0
        if not stat.S_ISDIR(status.st_mode) or status.st_mode >> shift & stat.S_IWOTH:
            continue
        if not is_own:
            raise NotUsable("{0} belongs to another user, so it cannot be moved into the copy: "
                            "give it to {1}, or move it out of the data directory".format(
                                path, owner.name))
        with runner.Acting(owner):
            is_moved = ownfiles.can_only_move(path) or size_of(path) > largest
        if is_moved:
            raise NotUsable("{0} cannot be moved into the copy, as {1} may not write to it: "
                            "chmod u+w {0}, or move it out of the data directory".format(
                                path, owner.name))


def own_again(instance, old, copy, largest, deep=()):
    """Put the node's own files from the old data directory into the copy.

    old, copy: paths; deep: what ownfiles.deep returns, of the old directory. Files that came with
    the copy and are the primary's own go, unless the old directory has none. Returns the names of
    what has to be moved in the end: what is larger than `largest` bytes (logs), and what belongs to
    another user, or cannot be read.
    """
    with runner.Acting(local.owner(instance)):
        mine = ownfiles.names_in(old) if local.is_there(old) else []
        if local.is_there(old):    # a group that may read, as for backups
            likeness.copy_lists(old, copy)
            os.chmod(copy, _OWNERS | stat.S_IMODE(os.stat(old).st_mode) & _GROUPS)
        if not mine:
            return []
        for name in ownfiles.names_in(copy):
            journal.delete(os.path.join(copy, name))
        moves = []
        for name in mine:
            path = os.path.join(old, name)
            if ownfiles.can_only_move(path) or size_of(path) > largest:
                moves.append(name)
            else:
                ownfiles.copy(path, os.path.join(copy, name))
        for name in deep:
            path, target = os.path.join(old, name), os.path.join(copy, name)
            ownfiles.make_way(copy, name)
            journal.delete(target)    # where a link goes the primary may have a folder
            if ownfiles.can_only_move(path):
                moves.append(name)
            else:
                ownfiles.copy(path, target)
        journal.sync(copy)
    return moves


def size_of(path):
    """Return the bytes (int) of a file or folder; files that go in the meantime count as none.

    Raises OSError where that cannot be seen.
    """
    total = 0
    if not os.path.isdir(path) or os.path.islink(path):
        return _bytes(path)
    for folder, _, names in os.walk(path, onerror=_unless_gone):
        total += sum(_bytes(os.path.join(folder, name)) for name in names)
    return total


def _bytes(path):
    try:
        return os.lstat(path).st_size
    except OSError as error:
        _unless_gone(error)
        return 0


def _unless_gone(error):
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
