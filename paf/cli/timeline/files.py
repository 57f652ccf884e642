"""The log files of a node: which there are, and what is in them, packed or not."""

import bz2
import glob
import gzip
import io
import os
import re
import tarfile
import zlib
from contextlib import closing

from paf.cli.common import Problem

#: Where the logs of a node are, by default.
FILES = ("/var/log/pacemaker/pacemaker.log", "/var/log/pacemaker.log",
         "/var/log/corosync/corosync.log", "/var/log/cluster/corosync.log")
#: Where Pacemaker and corosync are configured to write elsewhere, and how.
_CONFIGURED = (("/etc/sysconfig/pacemaker", r"^\s*(?:export\s+)?PCMK_logfile=[\"']?([^\"'\s#]+)"),
               ("/etc/default/pacemaker", r"^\s*(?:export\s+)?PCMK_logfile=[\"']?([^\"'\s#]+)"),
               ("/etc/corosync/corosync.conf", r"^\s*logfile:\s*(\S+)"))
_NOWHERE = ("none", "/dev/null")
_NAMES = re.compile(r"^(pacemaker|corosync|cluster|ha-log|journal|syslog|messages)\b.*\.?"
                    r"(log|txt|\d)?$")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz")
_ROTATED = re.compile(r"^(.*\.log)(?:[.-][^/]*)?$")

#: What a packed file begins with, and what packs like that.
_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"),
           (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4"), (b"\x1f\x9d", "compress"),
           (b"PK\x03\x04", "zip"), (b"]\x00\x00", "lzma"))
_ENDINGS = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip", ".lzma")
#: As much of a node's logs is read (bytes as they are stored; packed ones count ten times).
_MOST = 256 << 20
_PACKED_SO_MUCH = 10

#: What a file that is cut off or damaged leads to; OverflowError: a date that mktime does not know.
_BROKEN = [IOError, OSError, EOFError, ValueError, OverflowError, zlib.error, tarfile.TarError,
           Problem]
try:
    import lzma  # novm
    _BROKEN.append(lzma.LZMAError)  # novm
except ImportError:    # Python 2, or one that was built without it
    lzma = None    # type: ignore[assignment]
BROKEN = tuple(_BROKEN)


def places(root=""):
    """Return where the logs of this node may be (list of str), by default or as configured."""
    found = [root + name for name in FILES]
    return found + [name for name in (root + path for path in _configured(root)
                                      if path.startswith("/") and not _is_nowhere(path))
                    if name not in found]


def is_silenced(root=""):
    """Return whether Pacemaker is configured to write no log of its own."""
    return any(_is_nowhere(path) for path in _configured(root))


def _is_nowhere(path):
    """Return whether nothing can be read there: in containers the log may be /dev/stderr."""
    return path in _NOWHERE or path.startswith("/dev/")


def _configured(root):
    """Yield what the configuration names as log files."""
    for name, pattern in _CONFIGURED:
        try:
            with io.open(root + name, encoding="utf-8", errors="replace") as stream:
                found = re.findall(pattern, stream.read(), re.MULTILINE)
        except (IOError, OSError):
            continue
        for path in found[-1:]:
            yield str(path)


def mine(root=""):
    """Return this node's logs (a list of names), of each kind the oldest first; and those that
    are too old to be read.
    """
    found, old, left = [], [], _MOST
    for path in places(root):
        rotated = sorted([one for one in glob.glob(path + ".*") + glob.glob(path + "-*")
                          if os.path.isfile(one)], key=_age)
        kept = [path] if os.path.isfile(path) else []    # of a pipe there is no end
        for one in reversed(rotated):
            left -= _size(one)
            if left > 0 and not old:
                kept.insert(0, one)
            else:
                old.insert(0, one)
        found += kept
    return found, old


def forbidden(root=""):
    """Return the folders (sorted list) of this node's logs into which this account cannot look."""
    return sorted(set(folder for folder in (os.path.dirname(path) for path in places(root))
                      if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK)))


def _age(name):
    try:
        return os.path.getmtime(name)
    except OSError:    # rotated meanwhile
        return 0.0


def _size(name):
    try:
        size = os.path.getsize(name)
    except OSError:
        return 0
    return size * (_PACKED_SO_MUCH if name.endswith(_ENDINGS) else 1)


def find(paths):
    """Return the log files (a list of names) among paths: files, or folders such as a report's.

    Raises Problem for a folder that cannot be read.
    """
    found = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        for folder, _, names in os.walk(path, onerror=_refuse):
            found += [os.path.join(folder, name) for name in sorted(names) if _NAMES.match(name)]
    return found


def _refuse(error):
    raise Problem("cannot read {0}: {1}".format(error.filename, error.strerror))


def kind_of(name):
    """Return what a log is called before it is rotated: the same for all of its parts."""
    found = _ROTATED.match(name)
    return found.group(1) if found else name


def streams(name):
    """Yield what a file holds: one (binary stream, when it was written), or each log of an archive.

    The time is in epoch seconds. Raises one of BROKEN, also later, when a stream is read.
    """
    with closing(io.open(name, "rb")) as packed:
        if not name.endswith(_ARCHIVES):
            yield _unpacked(name, packed), os.fstat(packed.fileno()).st_mtime
            return
        with closing(tarfile.open(fileobj=packed)) as archive:
            for member in archive:
                if member.isfile() and _NAMES.match(os.path.basename(member.name)):
                    with closing(archive.extractfile(member)) as stream:  # type: ignore[type-var]
                        yield _unpacked(member.name, stream), member.mtime


def _unpacked(name, stream):
    """Return a binary stream of what a stream holds, recognized by how it begins."""
    begin = _begin(stream)
    packer = next((packer for mark, packer in _PACKED if begin.startswith(mark)), "")
    if packer == "gzip":
        return gzip.GzipFile(fileobj=stream)
    if packer == "bzip2":
        return bz2.decompress(stream.read()).splitlines(True)
    if packer in ("xz", "lzma") and lzma is not None:
        return lzma.LZMAFile(stream)  # novm
    if packer:
        raise Problem("it is packed with {0}, which is not read here: unpack it, and name it with "
                      "--log".format(packer))
    if name.endswith(_ENDINGS):
        raise Problem("it is not what its name says")
    return stream


def _begin(stream):
    """Return the first bytes, and leave them in the stream; a pipe cannot go back."""
    if hasattr(stream, "peek"):
        return stream.peek(6)[:6]
    begin = stream.read(6)
    stream.seek(0)
    return begin
