"""The journal: work on the data directory that was started and is not finished, kept beside it.

It is in the parent of the data directory, which survives a power cut, under the name of the
directory itself: two instances never share one. While it exists the server is not started.
"""

import errno
import os

from paf import instance as local
from paf import runner
from paf.decide.knowledge import is_known
from paf.instance import proc
from paf.ocf import failure, NotUsable, OcfError

#: The file that holds the facts.
FACTS = "state.json"
#: The folder in it for the node's own files from the top of the data directory.
OWN = "own"
_NEW = ".new"       # what is being written
_BYTES = "latin-1"  # the only key of what stands for text that is no ASCII
_WAY_OUT = "let paf rebuild copy the primary"
_IN_MEMORY = ("tmpfs", "ramfs")
#: How /proc/self/mounts has signs that would break its lines. Source: getmntent(3).
_SIGNS = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


class InUse(OcfError):
    """Another process works on the instance, or may do so."""


def folder(instance):
    """Return the path of the journal's folder, whether it exists or not."""
    return beside(instance, ".pgsqlms", hidden=True)


def beside(instance, suffix, hidden=False):
    """Return a path beside the data directory (links resolved) that begins with its name."""
    place = os.path.realpath(instance.parameters.datadir)
    return os.path.join(os.path.dirname(place),
                        ("." if hidden else "") + os.path.basename(place) + suffix)


def exists(instance):
    """Return whether a work was started and not finished; one look at the file system.

    Raises OcfError where that cannot be found out.
    """
    name = folder(instance)
    try:
        os.lstat(name)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise OcfError("cannot look for the journal in {0}: {1}".format(
            os.path.dirname(name), error.strerror))
    return True


def read(instance):
    """Return the facts (dict) that the journal holds, {} if it was cut off before any.

    Raises OcfError when it is there and cannot be read: then nothing is known of the directory.
    """
    import json
    name = os.path.join(folder(instance), FACTS)
    try:
        with runner.Acting(local.owner(instance)):
            if not _has_facts(folder(instance)):
                return {}
            with open(name) as stream:
                facts = native(json.loads(stream.read()))
    except (IOError, OSError) as error:
        if error.errno == errno.ENOENT and not exists(instance):
            return {}
        raise failure(error, NotUsable, "cannot read the journal {0}: {1}; {2}".format(
            name, error.strerror, _WAY_OUT))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise damaged(instance)
    return facts


def _has_facts(place):
    """Return whether a journal's folder holds anything, but facts that were being written."""
    return bool(set(os.listdir(place)) - set([FACTS + _NEW]))


def portable(value):
    """Return what JSON can hold in the place of a value: in Python 3 the value.

    In Python 2 text is bytes: names and passwords are in whatever character set they are.
    """
    if isinstance(value, dict):
        return dict((key, portable(each)) for key, each in value.items())
    if isinstance(value, list):
        return [portable(each) for each in value]
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return {_BYTES: text} if any(sign > "~" for sign in text) else value
    return value


def native(value):
    """Return what JSON holds with all its text as native str: Python 2 reads it as unicode."""
    if isinstance(value, dict) and list(value) == [_BYTES] and hasattr(value[_BYTES], "encode"):
        return runner.text(value[_BYTES].encode("latin-1"))
    if isinstance(value, dict):
        return dict((native(key), native(each)) for key, each in value.items())
    if isinstance(value, list):
        return [native(each) for each in value]
    if str is bytes and not isinstance(value, (str, int, float, type(None), type(1 << 70))):
        return value.encode("utf-8")
    return value


def damaged(instance):
    """Return the error for facts that cannot be understood: NotUsable."""
    return NotUsable("the journal {0} is damaged: it is not known how far a rewind or rebuild got; "
                     "{1}".format(os.path.join(folder(instance), FACTS), _WAY_OUT))


def foreign(instance, facts):
    """Return the error for facts that this version of PAF does not know: NotUsable.

    Nothing is known of the data directory then: a newer one may have stopped anywhere.
    """
    return NotUsable("the journal {0} is of another version of PAF ({1}, {2}): complete the work "
                     "with that, or {3}".format(folder(instance), facts.get("what"),
                                                facts.get("phase"), _WAY_OUT))


def begin(instance, facts):
    """Make the journal with these facts (dict), and those of this process. Raises OcfError.

    A folder without facts is that of a run that was cut off before it had done anything. One that
    is there is that of another process, which was faster: two would ruin the directory. The facts
    get `mounted`, see `mount_points`, unless they have it: each later write of others has to keep
    that.
    """
    place = folder(instance)
    facts.setdefault("mounted", mount_points([instance.parameters.datadir]))
    if _memory(os.path.dirname(place)) and not _memory(os.path.realpath(
            instance.parameters.datadir)):
        raise NotUsable("{0} is in memory: a journal there does not survive a power cut".format(
            os.path.dirname(place)))
    if not make_folder(instance, place):
        check_free(instance)
        raise OcfError("a rewind or rebuild of this instance was started by another process: {0} "
                       "is there".format(place))
    write(instance, facts)


def check_free(instance):
    """Raise InUse while the process works, or may work, that has written the journal.

    A rewind may take minutes and shows no server meanwhile. Two that work on one directory ruin it.
    """
    facts = read(instance) if exists(instance) else {}
    pid = facts.get("process")
    born = proc.birth(pid)
    if not is_known(born) and pid != os.getpid():
        raise InUse("it is not known whether a {0} of this instance is under way: {1}".format(
            facts.get("what", "rewind"), born.reason))
    if born.value is not None and born.value == facts.get("since") and pid != os.getpid():
        raise InUse("a {0} of this instance is under way: process {1}".format(
            facts.get("what", "rewind"), pid))


def write(instance, facts):
    """Replace the facts, so that a power cut leaves the old or the new ones. Raises OcfError."""
    import json
    place = folder(instance)
    facts.update({"process": os.getpid(), "since": proc.start_time(os.getpid())})
    try:
        with runner.Acting(local.owner(instance)):
            put(os.path.join(place, FACTS), json.dumps(
                portable(facts), sort_keys=True).encode("ascii"))
    except (IOError, OSError) as error:
        raise failure(error, NotUsable, "cannot write the journal {0}: {1}".format(
            place, error.strerror))


def make_folder(instance, place):
    """Make a folder of the instance's owner beside the data directory; say if it was not there.

    Where its owner cannot, root does, in a folder that belongs to root alone. Raises OcfError.
    """
    owner = local.owner(instance)
    try:
        try:
            with runner.Acting(owner):
                os.mkdir(place, 0o700)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM) or not is_roots(place):
                raise
            os.mkdir(place, 0o700)
            os.chown(place, owner.uid, owner.gid)
        sync(os.path.dirname(place))
        return True
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise failure(error, NotUsable, "cannot make {0}: {1}".format(
                place, error.strerror))
        return False


def remove(instance):
    """Remove the journal: the data directory is whole. Raises OcfError.

    The facts go last; a folder without them is removed by the next start.
    """
    remove_folder(instance, folder(instance), last=FACTS)


def remove_folder(instance, place, last=None):
    """Remove a folder beside the data directory; last: the name in it to remove last."""
    try:
        with runner.Acting(local.owner(instance)):
            names = sorted(os.listdir(place), key=lambda name: name == last)
            for name in names:
                delete(os.path.join(place, name))
        try:
            with runner.Acting(local.owner(instance)):
                os.rmdir(place)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM) or not is_roots(place):
                raise
            os.rmdir(place)
        sync(os.path.dirname(place))
    except (IOError, OSError) as error:
        if error.errno != errno.ENOENT:
            raise failure(error, NotUsable, "cannot remove {0}: {1}".format(
                place, error.strerror))


def is_roots(place):
    """Return whether we are root, and only root can change what is beside `place`."""
    status = os.stat(os.path.dirname(place))
    return os.geteuid() == 0 and status.st_uid == 0 and not status.st_mode & 0o022


def delete(path):
    """Remove a file, link or folder; one that is not there is no error."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def put(path, content):
    """Write a file (bytes) so that a power cut leaves the old or the new one."""
    fresh = path + _NEW
    delete(fresh)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        runner.write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(fresh, path)
    sync(os.path.dirname(path))


def sync(place):
    """Write the names in a folder to disk, so that they survive a power cut."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mounts():
    """Return the (folder, kind) pairs (str) of what is mounted, in its order."""
    found = []
    with open("/proc/self/mounts", "rb") as stream:
        for line in runner.text(stream.read()).splitlines():
            words = line.split(" ")
            for code, sign in _SIGNS:
                words[1] = words[1].replace(code, sign)
            found.append((words[1], words[2]))
    return found


def mount_points(places):
    """Return the mount points (a sorted list) that folders are on, whether these exist or not.

    Not the root, which is always there; nor a folder of the same file system that is mounted: a
    service may see some that nothing else sees. Source: systemd.exec(5), ReadWritePaths.
    """
    return sorted(set(_mount_point(os.path.realpath(place)) for place in places) - set([os.sep]))


def _mount_point(place):
    """Return the mount point (str) that a path without links is on, or is."""
    while place != os.path.dirname(place) and not os.path.ismount(place):  # novm
        place = os.path.dirname(place)
    return place


def check_mounted(facts, places=None):
    """Raise OcfError unless all is mounted that was so when the work began. Soft: it may be later.

    facts: those of the journal (dict); places: only what these (paths without links) are on counts,
    None for all. What is below a mount point is another folder: files that are moved there, or
    copied, are hidden, and the journal that knows of the real one is removed.
    """
    for place in facts.get("mounted") or []:
        if places is not None and not any((one + "/").startswith(place + "/") for one in places):
            continue
        os.path.lexists(os.path.join(place, ""))    # with a "/" at the end: an automounter acts
        if not os.path.ismount(place):  # novm
            raise OcfError("{0} was a mount point when the work began, and is none now: mount its "
                           "file system".format(place))


def _memory(place):
    """Return whether a folder is in a file system that a reboot empties."""
    kind, longest = "", -1
    for point, its_kind in mounts():
        name = point.rstrip("/")
        if len(name) >= longest and (place + "/").startswith(name + "/"):
            kind, longest = its_kind, len(name)
    return kind in _IN_MEMORY
