"""What a copy of a file or folder has of its original, besides what is in it."""

import errno
import os
import stat

#: Access lists, as attributes of a file or folder; those of a security module are the system's.
#: Source: acl(5), xattr(7).
_LISTS = ("system.posix_acl_access", "system.posix_acl_default")


def give(path, target, status):
    """Give a copy of ours the group, access lists, mode and times of the original. OSError.

    status: the original's. The owner may be in none but its own group here, see runner.Acting. Root
    gives the group then, and keeps a folder's setgid bit, which chmod(2) takes from others.
    """
    mode = stat.S_IMODE(status.st_mode)
    descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(descriptor).st_gid != status.st_gid:
            try:
                os.fchown(descriptor, -1, status.st_gid)
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise
                _as_root(descriptor, os.fchown, -1, status.st_gid)
        copy_lists(path, target)
        os.chmod(target, mode)
        now = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(now) and stat.S_IMODE(now) != mode:
            _as_root(descriptor, os.fchmod, mode)
    finally:
        os.close(descriptor)
    os.utime(target, (status.st_atime, status.st_mtime))


def _as_root(descriptor, call, *words):
    """Call a function for an open file that is ours, where we are root that acts as its owner."""
    user = os.geteuid()
    if os.getuid() != 0 or os.fstat(descriptor).st_uid != user:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    os.seteuid(0)
    try:
        call(descriptor, *words)
    finally:
        os.seteuid(user)


def copy_lists(path, target):
    """Give a file or folder the access lists (ACLs) of another one. Raises OSError.

    Python 2 cannot. A file system that takes none is refused: with a list the bits of the group are
    what a named user may do at most, and would be the group's without.
    """
    if not hasattr(os, "listxattr"):
        return
    wanted, there = _lists(path), _lists(target)
    for name in _LISTS:
        if name in wanted:
            try:
                os.setxattr(target, name, os.getxattr(path, name))  # novm
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                raise OSError(error.errno, "it has an access list (ACL), which the other file "
                              "system cannot keep")
        elif name in there:    # of the folder around it, by default
            os.removexattr(target, name)  # novm


def _lists(path):
    """Return the names of a file's extended attributes, [] where its file system has none."""
    try:
        return os.listxattr(path)  # novm
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []
