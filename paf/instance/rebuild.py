"""A data directory that is replaced by a copy of the primary's: what the next start makes of it.

The copy is made beside the data directory and takes its place by renames, which the journal lists:
each of them is done or is not. So a cut leaves the old directory or the new one.
"""

import os

from paf import instance as local
from paf import runner
from paf.instance import journal, ownfiles, processes
from paf.ocf import NotUsable

WHAT = "rebuild"
#: The copy is being made; it is whole and takes its place; the old directory was given up first.
COPYING, SWAPPING, DISCARDED = "copying", "swapping", "discarded"


def finish(instance, log):
    """Remove a copy that was cut off, or put a complete one in its place. Raises NotUsable.

    While paf rebuild works, and where it has given up the old directory, nothing is done.
    """
    facts = journal.read(instance)
    if is_under_way(facts):
        raise NotUsable("a rebuild of this instance is under way: paf rebuild, process {0}".format(
            facts["process"]))
    phase = facts.get("phase")
    if phase == DISCARDED:
        raise NotUsable("a rebuild of this instance was cut off, and there is no old data "
                        "directory: run paf rebuild again")
    if phase == SWAPPING:
        swap(instance, facts)
        log.info("a rebuild that was cut off is complete")
    else:
        forget(instance, facts)
        log.info("a rebuild was cut off before it had changed anything, its copy is removed")
    journal.remove(instance)


def is_under_way(facts):
    """Return whether the paf rebuild that wrote these facts (dict) still runs."""
    return processes.begun(facts.get("process")) == facts.get("since", "")


def swap(instance, facts):
    """Put the copies in their places: facts["swaps"] has (copy, place, aside). Raises NotUsable.

    facts["moves"]: names in the data directory that go from the old one to the new one.
    """
    for copy, place, aside in facts["swaps"]:
        if os.path.lexists(copy):
            if os.path.lexists(place):
                rename(instance, place, aside)
            rename(instance, copy, place)
    _, place, aside = facts["swaps"][-1]
    for name in facts.get("moves", ()):
        if os.path.lexists(os.path.join(aside, name)):
            rename(instance, os.path.join(aside, name), os.path.join(place, name))


def forget(instance, facts):
    """Remove the copies. Raises NotUsable."""
    for copy, _, _ in facts.get("swaps", ()):
        journal.remove_folder(instance, copy)


def rename(instance, path, target):
    """Rename a folder: with its owner's rights, or root's where only root may. Raises NotUsable."""
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
        raise NotUsable("cannot rename {0} to {1}: {2}".format(path, target, error.strerror))


def own_again(instance, old, copy, largest):
    """Give a copy the node's own files of the old data directory.

    old, copy: paths. Files that came with the copy and are the primary's own go, unless the old
    directory has none. Returns two lists of names: what is larger than `largest` bytes (logs) and
    left where it is; and what belongs to another user, so that it has to be moved in the end.
    """
    with runner.Acting(local.owner(instance)):
        mine = ownfiles.names_in(old) if os.path.isdir(old) else []
        if not mine:
            return [], []
        for name in ownfiles.names_in(copy):
            journal.delete(os.path.join(copy, name))
        left, moves = [], []
        for name in mine:
            path = os.path.join(old, name)
            if size_of(path) > largest:
                left.append(name)
            elif ownfiles.is_anothers(path):
                moves.append(name)
            else:
                ownfiles.copy(path, os.path.join(copy, name))
        journal.sync(copy)
    return left, moves


def size_of(path):
    """Return the bytes (int) of a file or folder; files that go in the meantime count as none."""
    total = 0
    if not os.path.isdir(path) or os.path.islink(path):
        return _bytes(path)
    for folder, _, names in os.walk(path):
        total += sum(_bytes(os.path.join(folder, name)) for name in names)
    return total


def _bytes(path):
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
