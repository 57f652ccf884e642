"""The files that a server reads as its configuration, wherever they are.

Source: PostgreSQL manual, "File Locations", "Managing Configuration File Contents" (include
directives), pg_hba.conf ("@file", and include directives since 16).
"""

import errno
import os
import re

from paf import instance as local
from paf import runner
from paf.instance import settings
from paf.ocf import failure, NotUsable

#: Settings that name files, and the first version (int) that has them.
_FILE_SETTINGS = (
    ("config_file", 0), ("hba_file", 0), ("ident_file", 0), ("ssl_cert_file", 0),
    ("ssl_key_file", 0), ("ssl_ca_file", 0), ("ssl_crl_file", 0), ("ssl_crl_dir", 140000),
    ("ssl_dh_params_file", 100000), ("krb_server_keyfile", 0))

_INCLUDE = re.compile(r"^\s*(include|include_if_exists|include_dir)(?:\s*=\s*|\s+|(?='))"
                      r"(?:'((?:[^'\\\n]|''|\\.)*)'|\"([^\"\n]*)\"|([^\s#'\"]+))", re.IGNORECASE)
_HBA_LIST = re.compile(r"(?:^|[\s,])@(?:\"([^\"\n]*)\"|([^\s,#\"]+))")
_DEEPEST = 10       # of include directives, as in PostgreSQL
_LARGEST = 1 << 20  # bytes of a configuration file that are read
#: How the system says that there is no file, or no folder, of a name.
NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR)


def names(instance, deadline):
    """Return the paths (a sorted list) of all files that the server reads as its configuration.

    The folders that it looks for such files in are among them. Raises OcfError where they cannot
    all be found.
    """
    found = set()
    version = local.version(instance)
    for name, first in _FILE_SETTINGS:
        value = settings.read(instance, name, deadline) if version >= first else ""
        if not value:
            continue
        path = os.path.join(instance.parameters.datadir, value)
        if name == "ssl_crl_dir":
            found.update([path], _files_of(instance, path))
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
        if error.errno in NOTHING_THERE:
            return []
        raise unread(folder, error)


def unread(path, error):
    """Return the error for configuration that cannot be read (a path): it may name more files."""
    return failure(error, NotUsable, "cannot read {0}: {1}".format(path, error.strerror))


def _follow(instance, path, found, lists, depth=0):
    """Add a file and what it includes to the set `found`."""
    if depth > _DEEPEST or path in found:
        return
    found.add(path)
    for kind, name in included(content(instance, path), lists):
        target = os.path.join(os.path.dirname(path), name)
        if kind != "include_dir":
            _follow(instance, target, found, lists, depth + 1)
            continue
        found.add(target)
        for one in _files_of(instance, target):
            if os.path.basename(one).endswith(".conf") and os.path.basename(one)[0] != ".":
                _follow(instance, one, found, lists, depth + 1)


def content(instance, path):
    """Return a file's text, "" where none is there. Raises OcfError where it cannot be read."""
    try:
        with runner.Acting(local.owner(instance)):
            with open(path, "rb") as stream:
                found = stream.read(_LARGEST + 1)
    except (IOError, OSError) as error:
        if error.errno in NOTHING_THERE:
            return ""
        raise unread(path, error)
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
