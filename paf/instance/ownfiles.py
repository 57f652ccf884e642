"""What in the data directory is this node's own: everything that PostgreSQL did not make.

Source: PostgreSQL manual, "Database File Layout"; "File Locations", "Managing Configuration File
Contents" (include directives), pg_hba.conf ("@file", and include directives since 16). A rewind
replaces all of it by that of the other node. All of it is moved aside, and moved back unchanged.
"""

import errno
import os
import re
import stat

from paf import instance as local
from paf import runner
from paf.instance import journal, settings
from paf.ocf import failure, NotUsable

#: What PostgreSQL itself makes at the top of a data directory, 9.5 to 19; all else is the node's.
_POSTGRESQL = frozenset((
    "PG_VERSION", "base", "global", "pg_clog", "pg_xact", "pg_commit_ts", "pg_dynshmem",
    "pg_logical", "pg_multixact", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots",
    "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_tblspc", "pg_twophase", "pg_wal", "pg_xlog",
    "postmaster.pid", "postmaster.opts", "backup_label", "backup_label.old", "tablespace_map",
    "tablespace_map.old", "backup_manifest", "standby.signal", "recovery.signal", "recovery.conf",
    "recovery.done", "current_logfiles", "promote", "fallback_promote", "logrotate"))

#: Settings that name files, and the first version (int) that has them.
_FILE_SETTINGS = (
    ("config_file", 0), ("hba_file", 0), ("ident_file", 0), ("ssl_cert_file", 0),
    ("ssl_key_file", 0), ("ssl_ca_file", 0), ("ssl_crl_file", 0), ("ssl_crl_dir", 140000),
    ("ssl_dh_params_file", 100000), ("krb_server_keyfile", 0))

_INCLUDE = re.compile(r"^\s*(include|include_if_exists|include_dir)(?:\s*=\s*|\s+|(?='))"
                      r"(?:'((?:[^'\\\n]|''|\\.)*)'|\"([^\"\n]*)\"|([^\s#'\"]+))", re.IGNORECASE)
_HBA_LIST = re.compile(r"(?:^|[\s,])@(?:\"([^\"\n]*)\"|([^\s,#\"]+))")
_MOST_LINKS = 40    # on one path, as in Linux
_DEEPEST = 10       # of include directives, as in PostgreSQL
_LARGEST = 1 << 20  # bytes of a configuration file that are read
_TOP, _DEEP = "own", "deep"
#: How the system says that there is no file, or no folder, of a name.
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR)


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
    """Return what at the top of a data directory (a path) is no file of PostgreSQL's, sorted."""
    return sorted(name for name in os.listdir(folder) if name not in _POSTGRESQL)


def has_folders(instance):
    """Return whether the data directory has any folder of PostgreSQL's own. Raises OcfError."""
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

    Links of PostgreSQL's lead there. Source: PostgreSQL manual, "Tablespaces"; CREATE TABLESPACE
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
    are among them, wherever they lead: another server need not have these. Raises OcfError.
    """
    top = os.path.realpath(instance.parameters.datadir)
    found = set()
    for path in configuration(instance, deadline):
        for one in _steps(path):
            inside = os.path.relpath(one, top)
            words = inside.split("/")
            if words[0] in _POSTGRESQL and os.path.lexists(one) and not _leads_to_storage(words):
                found.add(inside)
    return sorted(found)


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
                if error.errno != errno.EINVAL and error.errno not in _NOTHING_THERE:
                    raise _unread(here, error)
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


def configuration(instance, deadline):
    """Return the paths (a sorted list) of all files that the server reads as its configuration.

    Raises OcfError where they cannot all be found.
    """
    found = set()
    version = local.version(instance)
    for name, first in _FILE_SETTINGS:
        value = settings.read(instance, name, deadline) if version >= first else ""
        if not value:
            continue
        path = os.path.join(instance.parameters.datadir, value)
        if name == "ssl_crl_dir":
            found.update(_files_of(instance, path))
        elif name in ("config_file", "hba_file", "ident_file"):
            _follow(instance, path, found, lists=name != "config_file")
        else:
            found.add(path)
    found.add(local.path(instance, "postgresql.auto.conf"))
    return sorted(path for path in found if os.path.lexists(path))


def _files_of(instance, folder):
    """Return the paths in a folder; none where it is not there. Raises OcfError."""
    try:
        with runner.Acting(local.owner(instance)):
            return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return []
        raise _unread(folder, error)


def _unread(path, error):
    """Return the error for configuration that cannot be read (a path): it may name more files."""
    return failure(error, NotUsable, "cannot read {0}: {1}".format(path, error.strerror))


def _follow(instance, path, found, lists, depth=0):
    """Add a file and what it includes to the set `found`."""
    if depth > _DEEPEST or path in found:
        return
    found.add(path)
    for kind, name in included(_content(instance, path), lists):
        target = os.path.join(os.path.dirname(path), name)
        if kind != "include_dir":
            _follow(instance, target, found, lists, depth + 1)
            continue
        for one in _files_of(instance, target):
            if os.path.basename(one).endswith(".conf") and os.path.basename(one)[0] != ".":
                _follow(instance, one, found, lists, depth + 1)


def _content(instance, path):
    """Return a file's text, "" where none is there. Raises OcfError where it cannot be read."""
    try:
        with runner.Acting(local.owner(instance)):
            with open(path, "rb") as stream:
                found = stream.read(_LARGEST + 1)
    except (IOError, OSError) as error:
        if error.errno in _NOTHING_THERE:
            return ""
        raise _unread(path, error)
    if len(found) > _LARGEST:
        raise NotUsable("{0} is too large for a configuration file".format(path))
    return runner.text(found)


def included(text, lists=False):
    """Yield (directive, path) of what a configuration file's text includes; pure.

    lists: of pg_hba.conf and pg_ident.conf, where "@path" names a file with a list of names.
    """
    for line in text.splitlines():
        match = _INCLUDE.match(line)
        if match:
            quoted = match.group(2)
            value = quoted.replace("''", "'") if quoted is not None else (
                match.group(3) or match.group(4))
            yield match.group(1).lower(), re.sub(r"\\(.)", r"\1", value or "")
        elif lists and not line.lstrip().startswith("#"):
            for found in _HBA_LIST.findall(line.split("#")[0]):
                yield "include", found[0] or found[1]


def move_aside(instance, top, inside):
    """Move the node's own files into the journal. Raises OcfError.

    top: names at the top of the data directory; inside: relative paths below PostgreSQL's names.
    """
    place, data = journal.folder(instance), instance.parameters.datadir
    pairs = [(os.path.join(data, name), os.path.join(place, _TOP, name)) for name in top]
    pairs += [(os.path.join(data, name), os.path.join(place, _DEEP, str(number)))
              for number, name in enumerate(inside)]
    _each(instance, pairs, "cannot keep {0} aside in {1}: {2}", (_TOP, _DEEP))


def put_back(instance, inside):
    """Move the node's own files back, as many as are in the journal. Raises OcfError."""
    place, data = journal.folder(instance), instance.parameters.datadir
    with runner.Acting(local.owner(instance)):
        top = _listed(os.path.join(place, _TOP))
        numbers = _listed(os.path.join(place, _DEEP))
    pairs = [(os.path.join(place, _TOP, name), os.path.join(data, name)) for name in top
             if not name.endswith(_PART)]
    pairs += [(os.path.join(place, _DEEP, number), os.path.join(data, inside[int(number)]))
              for number in numbers if not number.endswith(_PART)]
    sentence = "cannot put {0} back from {1}: {2}"
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

    data: the data directory; name: the file's path in it, below a folder of PostgreSQL's.
    """
    words = name.split("/")[:-1]
    for count in range(1, len(words) + 1):
        folder = os.path.join(data, *words[:count])
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            journal.sync(os.path.dirname(folder))


def is_any_aside(instance):
    """Return whether the journal has any of the node's own files from the top."""
    with runner.Acting(local.owner(instance)):
        return bool(_listed(os.path.join(journal.folder(instance), _TOP)))


def remove_strangers(instance):
    """Remove what is no file of PostgreSQL's: while the node's own are aside, the other node's."""
    for name in names(instance):
        path = local.path(instance, name)
        try:
            with runner.Acting(local.owner(instance)):
                journal.delete(path)
        except OSError as error:
            raise failure(error, NotUsable, "cannot remove {0}, which came from the primary: "
                          "{1}".format(path, error.strerror))


def _listed(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


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

    What is at the target is replaced. A copy is complete before the original is removed.
    """
    if os.path.isdir(target) and not os.path.islink(target):
        journal.delete(target)
    try:
        os.rename(path, target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    part = target + _PART
    journal.delete(part)
    copy(path, part)
    if os.path.lexists(part):    # not so for a socket
        os.rename(part, target)
    journal.sync(os.path.dirname(target))
    journal.delete(path)


def copy(path, target):
    """Copy a file, link or folder with owner, mode and times. Raises OSError."""
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
    if os.stat(target).st_gid != status.st_gid:
        os.chown(target, -1, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, (status.st_atime, status.st_mtime))


def is_anothers(path):
    """Return whether a file, or anything in a folder, belongs to another user than this process."""
    inside = [] if os.path.islink(path) else [
        os.path.join(folder, name) for folder, folders, names in os.walk(path)
        for name in folders + names]
    return any(os.lstat(one).st_uid != os.geteuid() for one in [path] + inside)


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
