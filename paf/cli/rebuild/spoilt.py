"""paf rebuild: a journal that cannot be used, and how it is put aside."""

import errno
import os

from paf import instance as local
from paf import runner
from paf.instance import journal, keptwal, ownfiles, processes, replacement, unfinished
from paf.ocf import failure, NotUsable, OcfError

_SPOILT = "state.json.damaged"
#: What may work on a directory, and how it is given that.
_PROGRAMS = (("pg_rewind", "{0}"), ("pg_basebackup", "{0}"), ("pgbackrest", "--pg1-path={0}"))


def problem(instance):
    """Return why the journal cannot be used (str), "" if it can, or there is none.

    Raises OcfError where a program may still work on the directory.
    """
    if not journal.exists(instance):
        return ""
    try:
        unfinished.read(instance)
        return ""
    except journal.InUse:
        raise
    except OcfError as error:
        reason = str(error)
    data = os.path.realpath(instance.parameters.datadir)
    for name, word in _PROGRAMS:
        for place in sorted(set([instance.parameters.datadir, data, data + ".rebuilt"])):
            if processes.running(name, word.format(place)):
                raise OcfError("{0} (and a {1} of this instance still runs)".format(reason, name))
    return reason


def set_aside(instance, started):
    """Put what a journal holds that cannot be used where `paf lost` looks; return that place.

    Then the journal says that the directory is half made, and the node's own files that were moved
    aside are back, as far as their names are known. started: the time (str). It can be cut off and
    repeated: at each moment there is a journal, unless none of PAF's was there. Raises OcfError.
    """
    place = os.path.join(keptwal.lost_folder(instance), keptwal.free_name(instance, started))
    source = journal.folder(instance)
    spoilt = os.path.join(source, _SPOILT)
    journal.make_folder(instance, keptwal.lost_folder(instance))
    try:
        with runner.Acting(local.owner(instance)):
            os.mkdir(place, 0o700)
        _be_a_folder(instance, os.path.join(place, "journal"))
        with runner.Acting(local.owner(instance)):
            if os.path.lexists(os.path.join(source, journal.FACTS)):
                os.rename(os.path.join(source, journal.FACTS), spoilt)
            elif not os.path.lexists(spoilt):
                journal.put(spoilt, b"")
            stay = set([_SPOILT])
            if os.path.isdir(instance.parameters.datadir):
                stay.add(journal.OWN)
            for name in sorted(set(os.listdir(source)) - stay):
                os.rename(os.path.join(source, name), os.path.join(place, name))
            journal.sync(place)
        ownfiles.put_back(instance, [])
        mounted = journal.mount_points([instance.parameters.datadir])
        journal.write(instance, replacement.half({"mounted": mounted}, spoilt=True))
        with runner.Acting(local.owner(instance)):
            os.rename(spoilt, os.path.join(place, _SPOILT))
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot put the journal {0} aside: {1}".format(
            source, error.strerror))
    return place


def _be_a_folder(instance, place):
    """See that the journal is a folder of the instance's owner. Raises OSError, OcfError.

    What is none of PAF's making goes to `place`.
    """
    name, owner = journal.folder(instance), local.owner(instance)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        replacement.rename(instance, name, place)
        journal.make_folder(instance, name)
        return
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
