"""What in the data directory is this node's own: everything that PostgreSQL did not make.

Source: PostgreSQL manual, "Database File Layout". A rewind replaces all of it by that of the other
node. All of it is moved aside, and moved back unchanged.
"""

import errno
import os
import stat

from paf import instance as local
from paf import runner
from paf.instance import configfiles, journal, likeness
from paf.ocf import failure, NotUsable

#: What PostgreSQL itself makes at the top of a data directory, 9.5 to 19; all else is the node's.
_POSTGRESQL = frozenset((
    "PG_VERSION", "base", "global", "pg_clog", "pg_xact", "pg_commit_ts", "pg_dynshmem",
    "pg_logical", "pg_multixact", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots",
    "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_tblspc", "pg_twophase", "pg_wal", "pg_xlog",
    "postmaster.pid", "postmaster.opts", "backup_label", "backup_label.old", "tablespace_map",
    "tablespace_map.old", "backup_manifest", "standby.signal", "recovery.signal", "recovery.conf",
    "recovery.done", "current_logfiles", "promote", "fallback_promote", "logrotate"))

#: Folders below those that a server fills itself, 9.5 to 19.
_FOLDERS = frozenset((
    "pg_logical/mappings", "pg_logical/snapshots", "pg_multixact/members", "pg_multixact/offsets",
    "pg_wal/archive_status", "pg_wal/summaries", "pg_xlog/archive_status"))
_OF_OBJECTS = ("base", "pg_replslot", "pg_tblspc")    # a folder each
_MOST_LINKS = 40    # on one path, as in Linux
_DEEP = "deep"


def names(instance):
    """Return what at the top of the data directory is the node's own (a sorted list)."""
    folder = instance.parameters.datadir
    with runner.Acting(local.owner(instance)):
        storage = _storage(folder)
        return [name for name in names_in(folder) if name not in storage]


def storage(instance):
    """Return the names (sorted) at the top of the data directory that hold tablespaces, or its WAL.

    Raises OcfError.
    """
    folder = instance.parameters.datadir
    try:
        with runner.Acting(local.owner(instance)):
            return sorted(_storage(folder))
    except OSError as error:
        raise failure(error, NotUsable, "a rewind needs to see the tablespaces in {0}: "
                      "{1}".format(folder, error.strerror))


def names_in(folder):
    """Return what is not PostgreSQL's at the top of a data directory (a path), sorted."""
    return sorted(name for name in os.listdir(folder) if name not in _POSTGRESQL)


def has_folders(instance):
    """Return whether the data directory has any of PostgreSQL's own folders. Raises OcfError."""
    folder = instance.parameters.datadir
    try:
        with runner.Acting(local.owner(instance)):
            return any(os.path.isdir(os.path.join(folder, name))
                       for name in os.listdir(folder) if name in _POSTGRESQL)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise failure(error, NotUsable, "cannot see what {0} holds: {1}".format(
            folder, error.strerror))


def _storage(folder):
    """Return the names (set) at the top of a data directory that hold tablespaces, or its WAL.

    PostgreSQL's links lead there. Source: PostgreSQL manual, "Tablespaces"; CREATE TABLESPACE
    only warns of a location inside the data directory.
    """
    top, spaces = os.path.realpath(folder), os.path.join(folder, "pg_tblspc")
    links = [os.path.join(folder, name) for name in ("pg_wal", "pg_xlog")] + [
        os.path.join(spaces, name) for name in _listed(spaces)]
    inside = [os.path.relpath(os.path.realpath(link), top) for link in links
              if os.path.islink(link)]
    return set(path.split("/")[0] for path in inside) - set([os.pardir])


def deep(instance, deadline):
    """Return the paths, relative to the data directory, of configuration below PostgreSQL's names.

    Asked of the server's own program, and followed through include directives. Links on the way
    are among them, wherever they lead: another server need not have these. A folder that is
    included is one as a whole, and an empty one too: without it the server does not start, and
    files of another server in it would be read. Raises OcfError.
    """
    top = os.path.realpath(instance.parameters.datadir)
    found = set()
    for path in configfiles.names(instance, deadline):
        for one in _steps(path):
            inside = os.path.relpath(one, top)
            words = inside.split("/")
            if words[0] in _POSTGRESQL and os.path.lexists(one) and not (
                    _leads_to_storage(words) or _is_made_by_the_server(one, words)):
                found.add(inside)
    return sorted(inside for inside in found if not any(
        inside.startswith(other + "/") for other in found))


def _steps(path):
    """Yield the links (paths without a link in them) that a path leads through, then its end.

    Raises OcfError where one cannot be read.
    """
    here, rest, count = "/", path.split("/")[::-1], 0
    while rest:
        name = rest.pop()
        if name == os.pardir:
            here = os.path.dirname(here)
        elif name not in ("", os.curdir):
            here = os.path.join(here, name)
            try:
                target = os.readlink(here)
            except OSError as error:
                if error.errno != errno.EINVAL and error.errno not in configfiles.NOTHING_THERE:
                    raise configfiles.unread(here, error)
                continue
            yield here
            count += 1
            if count > _MOST_LINKS:
                return
            here = "/" if target.startswith("/") else os.path.dirname(here)
            rest.extend(target.split("/")[::-1])
    yield here


def _leads_to_storage(words):
    """Return whether a path's words are those of a link that PostgreSQL makes itself."""
    return words in (["pg_wal"], ["pg_xlog"]) or (len(words) == 2 and words[0] == "pg_tblspc")


def _is_made_by_the_server(path, words):
    """Return whether a path (its words below the data directory) is one of PostgreSQL's folders."""
    return os.path.isdir(path) and not os.path.islink(path) and (
        len(words) == 1 or "/".join(words) in _FOLDERS or (
            len(words) == 2 and words[0] in _OF_OBJECTS))


def move_aside(instance, top, inside):
    """Move the node's own files into the journal. Raises OcfError.

    top: names at the top of the data directory; inside: relative paths below PostgreSQL's names.
    """
    place, data = journal.folder(instance), instance.parameters.datadir
    pairs = [(os.path.join(data, name), os.path.join(place, journal.OWN, name)) for name in top]
    pairs += [(os.path.join(data, name), os.path.join(place, _DEEP, str(number)))
              for number, name in enumerate(inside)]
    _each(instance, pairs, "cannot keep {0} aside in {1}: {2}", (journal.OWN, _DEEP))


def put_back(instance, inside):
    """Move the node's own files back, as many as are in the journal. Raises OcfError."""
    place, data = journal.folder(instance), instance.parameters.datadir
    sentence = "cannot put {0} back from {1}: {2}"
    try:
        with runner.Acting(local.owner(instance)):
            top = _listed(os.path.join(place, journal.OWN))
            numbers = _listed(os.path.join(place, _DEEP))
    except OSError as error:
        raise failure(error, NotUsable, sentence.format("files", place, error.strerror))
    pairs = [(os.path.join(place, journal.OWN, name), os.path.join(data, name)) for name in top
             if not name.endswith(_PART)]
    pairs += [(os.path.join(place, _DEEP, number), os.path.join(data, inside[int(number)]))
              for number in numbers if not number.endswith(_PART)]
    try:
        with runner.Acting(local.owner(instance)):
            for number in numbers:
                if not number.endswith(_PART):
                    make_way(data, inside[int(number)])
    except OSError as error:
        raise failure(error, NotUsable, sentence.format("files", place, error.strerror))
    _each(instance, pairs, sentence)


def make_way(data, name):
    """Make the folders of a file, where the other server has none of these names. Raises OSError.

    data: the data directory; name: the file's path in it, below one of PostgreSQL's folders.
    """
    words = name.split("/")[:-1]
    for count in range(1, len(words) + 1):
        folder = os.path.join(data, *words[:count])
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            journal.sync(os.path.dirname(folder))


def is_any_aside(instance):
    """Return whether the journal has any of the node's own files from the top. Raises OcfError."""
    place = os.path.join(journal.folder(instance), journal.OWN)
    try:
        with runner.Acting(local.owner(instance)):
            return any(not name.endswith(_PART) for name in _listed(place))
    except OSError as error:
        raise failure(error, NotUsable, "cannot see what {0} holds: {1}".format(
            place, error.strerror))


def remove_strangers(instance):
    """Remove what is not PostgreSQL's: while the node's own files are aside, the other node's."""
    for name in names(instance):
        path = local.path(instance, name)
        try:
            with runner.Acting(local.owner(instance)):
                journal.delete(path)
        except OSError as error:
            raise failure(error, NotUsable, "cannot remove {0}, which came from the primary: "
                          "{1}".format(path, error.strerror))


def _listed(folder):
    """Return the names in a folder (sorted), [] where there is none. Raises OSError."""
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        return []


_PART = ".pgsqlms-part"


def _each(instance, pairs, sentence, folders=()):
    """Move each pair's first path to its second; all names survive a power cut afterwards."""
    place, path = journal.folder(instance), ""
    try:
        with runner.Acting(local.owner(instance)):
            for name in folders:
                if not os.path.isdir(os.path.join(place, name)):
                    os.mkdir(os.path.join(place, name), 0o700)
            for path, target in pairs:
                move(path, target)
            for touched in set(os.path.dirname(one) for pair in pairs for one in pair):
                journal.sync(touched)
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, sentence.format(
            os.path.basename(path) or "files", place, error.strerror))


def move(path, target):
    """Rename a file, link or folder, or copy it to another file system. Raises OSError.

    What is at the target is replaced. A copy is complete before the original is removed, which has
    another name by then: a folder that was removed in part must not replace its copy.
    """
    if os.path.isdir(target) and not os.path.islink(target):
        journal.delete(target)
    try:
        os.rename(path, target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    # what is in it could be copied, and itself not be removed
    if os.path.ismount(path):  # novm
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    part = target + _PART
    journal.delete(part)
    copy(path, part)
    if os.path.lexists(part):    # not so for a socket
        os.rename(part, target)
    journal.sync(os.path.dirname(target))
    journal.delete(path + _PART)
    os.rename(path, path + _PART)
    journal.sync(os.path.dirname(path))
    journal.delete(path + _PART)


def copy(path, target):
    """Copy a file, link or folder with owner, group, access lists, mode, times. Raises OSError."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path), target)
        return
    if status.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user, and a file system lies between")
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(target, 0o700)
        for name in os.listdir(path):
            copy(os.path.join(path, name), os.path.join(target, name))
        journal.sync(target)
    elif stat.S_ISREG(status.st_mode):
        copy_file(path, target)
    else:
        return    # a socket or a pipe: its server makes it again
    likeness.give(path, target, status)


def can_only_move(path):
    """Return whether a file, or anything in a folder, can be renamed by this process, not copied.

    It belongs to another user, or has a mode by which its owner cannot read it.
    """
    inside = [] if os.path.islink(path) else [
        os.path.join(folder, name) for folder, folders, names in os.walk(path)
        for name in folders + names]
    for one in [path] + inside:    # a folder first: what is in it may not be looked at
        status = os.lstat(one)
        needed = stat.S_IRUSR | stat.S_IXUSR if stat.S_ISDIR(status.st_mode) else (
            stat.S_IRUSR if stat.S_ISREG(status.st_mode) else 0)
        if status.st_uid != os.geteuid() or status.st_mode & needed != needed:
            return True
    return False


def copy_file(path, target, empty=None):
    """Copy a file's bytes and have them survive a power cut. Raises OSError.

    empty: a block (bytes) that is left out as a hole of the file where it occurs.
    """
    step = len(empty) if empty else 1 << 20
    with open(path, "rb") as source:
        with open(target, "wb") as stream:
            while True:
                chunk = source.read(step)
                if not chunk:
                    break
                if chunk == empty:
                    stream.seek(len(chunk), os.SEEK_CUR)
                else:
                    stream.write(chunk)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
