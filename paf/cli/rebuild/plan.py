"""paf rebuild: what is here, what is in the way, and where the copy goes. Nothing is changed."""

import os
import time
from collections import namedtuple

from paf import instance as local
from paf import runner
from paf.cli.common import Problem
from paf.cli.rebuild import places
from paf.decide.knowledge import is_known
from paf.instance import controldata, journal, postmaster, replacement, tablespaces
from paf.instance.replacement import size_of

#: swaps: (copy, place, aside) of each folder; the data directory is the last. links: (path in the
#: copy, what it leads to in the end); mapping: (location, copy) of tablespaces; wal: where the WAL
#: of the copy goes, None inside it; room: for each file system, (folder, bytes free).
Plan = namedtuple("Plan", "swaps links mapping wal room")

WAL = ("pg_wal", "pg_xlog")
#: Phases of a rebuild in which the data directory may not be there: its journal has the links.
GONE = (replacement.SWAPPING, replacement.DISCARDED)

_FOUND = "lost+found"


def running(instance):
    """Raise Problem while a server runs on this data directory."""
    if postmaster.processes(instance):
        raise Problem("PostgreSQL runs here. If you want to rebuild it anyway, stop it first: "
                      "put this node in standby (pcs node standby, crm node standby), and after "
                      "the rebuild out of it")


def foreign(instance, source, deadline):
    """Raise Problem where the data directory holds another cluster than the primary's."""
    if not os.path.isdir(instance.parameters.datadir):
        return
    found = controldata.read(instance, deadline)
    if isinstance(found, controldata.Damaged):
        return    # there is nothing that says whose it was
    if not is_known(found):
        raise Problem("cannot find out whose data {0} is: {1}".format(
            instance.parameters.datadir, found.reason))
    control = found.value
    if control.system_identifier != source.identifier:
        raise Problem("{0} holds another cluster (system identifier {1}, the primary has {2}): if "
                      "it is no longer needed, move it away yourself".format(
                          instance.parameters.datadir, control.system_identifier,
                          source.identifier))


def mounted(instance, facts):
    """Raise Problem, OcfError where a file system is not mounted: the copy would go below it.

    facts: those of the journal (dict), {} without one; None where they cannot be used: then the
    links in the data directory mean nothing.
    """
    if facts is None:
        return
    journal.check_mounted(facts, replacement.needed(instance, facts.get("phase")))
    if facts.get("phase") in GONE:
        return
    for location, link in tablespaces.missing(instance):
        raise Problem("the tablespace at {0} is not there: mount its file system (if it was "
                      "dropped, or is lost, remove the link {1})".format(location, link))
    for name in WAL:
        link = local.path(instance, name)
        if os.path.islink(link) and not tablespaces.has_wal(link):
            raise Problem("the WAL's folder {0} is not there, or is empty: mount its file system "
                          "(if the WAL is lost, make {0}/archive_status, or remove the link "
                          "{1})".format(os.path.realpath(link), link))


def make(instance, source, discard, version, noted=None):
    """Return the Plan. Raises Problem with the first thing that is in the way.

    version: of the programs here (int); noted: the links of a directory that is not
    there, as its journal has them.
    """
    data = os.path.realpath(instance.parameters.datadir)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    mine = _local_tablespaces(instance, data) if noted is None else dict(
        (name.rpartition("/")[2], target) for name, target in noted if "/" in name)
    spaces = mine if source.tablespaces is None else source.tablespaces
    wal = _wal_link(data) if noted is None else ([
        (name, target) for name, target in noted if "/" not in name] + [None])[0]
    swaps, links, mapping = [], [], []
    for oid, location in sorted(spaces.items()):
        here = mine.get(oid, location)    # each node may have its own disks
        swaps.append(_swap(instance, os.path.realpath(here), stamp, discard))
        mapping.append((location, swaps[-1][0]))
        links.append((os.path.join("pg_tblspc", oid), here))
    if wal:
        swaps.append(_swap(instance, wal[1], stamp, discard))
        links.append(wal)
    swaps.append(_swap(instance, data, stamp, discard))
    places.check(swaps, wal and wal[1], version, local.owner(instance))
    plan = Plan(swaps, links, mapping, swaps[-2][0] if wal else None, [
        (folder, _free(folder)) for folder in (_room(place, discard) for _, place, _ in swaps)])
    _enough(plan, source, discard)
    return plan


def _swap(instance, place, stamp, discard):
    parent = os.path.dirname(place)
    if not os.path.isdir(parent):
        raise Problem("{0} does not exist here: make it, or mount what belongs there; {1} goes "
                      "into it".format(parent, place))
    if discard:
        _is_clean(place)
        return (place, place, "")
    if _is_mounted(place):
        raise Problem("{0} is a mount point: the old directory cannot be kept beside the new one. "
                      "--discard gives it up first".format(place))
    if not _may_write(parent, local.owner(instance)) and not journal.is_roots(place):
        raise Problem("neither {0} nor root alone may make folders in {1}".format(
            local.owner(instance).name, parent))
    return (place + ".rebuilt", place, "{0}.before-{1}".format(place, stamp))


def _is_mounted(place):
    """Return whether a folder cannot be renamed: a folder of the same disk may be mounted there."""
    return os.path.ismount(place) or place in [point for point, _ in journal.mounts()]  # novm


def _is_clean(place):
    """Raise Problem where a file system's own folder is in the way of pg_basebackup in a place.

    It is root's, so that it cannot wait elsewhere. Source: initdb and pg_basebackup refuse it.
    """
    if _is_mounted(place) and local.is_there(os.path.join(place, _FOUND), os.lstat):
        raise Problem("{0} has a folder {1}, and a copy needs an empty one: remove it, if nothing "
                      "is in it (mklost+found makes it again)".format(place, _FOUND))


def _may_write(folder, owner):
    status = os.stat(folder)
    shift = 6 if status.st_uid == owner.uid else 3 if status.st_gid == owner.gid else 0
    return (status.st_mode >> shift) & 3 == 3


def _wal_link(data):
    """Return (name, target) of a link that leads to the WAL; None where it is in the directory."""
    for name in WAL:
        path = os.path.join(data, name)
        if os.path.islink(path):
            return name, os.path.realpath(path)
    return None


def _local_tablespaces(instance, data):
    """Return the locations by oid that the old directory has, as its links name them."""
    folder, found = os.path.join(data, "pg_tblspc"), {}
    with runner.Acting(local.owner(instance)):
        for oid in os.listdir(folder) if os.path.isdir(folder) else []:
            if os.path.islink(os.path.join(folder, oid)):
                found[oid] = os.readlink(os.path.join(folder, oid))
    return found


def _room(place, discard):
    """Return the folder whose file system takes the copy of a place: it may be mounted there."""
    return place if discard and os.path.isdir(place) else os.path.dirname(place)


def _free(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _enough(plan, source, discard):
    """Raise Problem where the copy surely does not fit."""
    if source.size is None or plan.mapping:
        return    # what goes into which file system is not known
    free = plan.room[-1][1]
    try:
        free += size_of(plan.swaps[-1][1]) if discard else 0
    except OSError:
        return    # nor how much the old directory gives back
    if free < source.size:
        raise Problem("the copy needs {0} MB, {1} has {2} MB free{3}".format(
            source.size >> 20, plan.room[-1][0], free >> 20,
            "" if discard else ": --discard gives the old directory up first"))
