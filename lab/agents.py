"""The agent that a node runs: where its files come from, and how they get into the node.

An agent is named by 'ours' (this checkout, as its Debian package), 'perl' (Debian's resource-
agents-paf 2.3.0), the path of a .deb, or a folder laid over the node's root. A package is unpacked
and its library compiled, as its installation does; it is not entered into the node's dpkg. For a
node with another system, the package is built in that system, or is the one that it has.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from . import systems
from .settings import CHECKOUT, cache_folder
from .tools import PYTHON, LabError, run

PACKAGE = "resource-agents-paf"
LIBRARY = f"usr/share/{PACKAGE}"
# What the package is made from
SOURCES = ("Makefile", "README.md", "CHANGELOG.md", "LICENSE", "bin", "debian", "docs", "paf",
           "resource.d", "tools", "units")


def stage(settings, agent, system=systems.HOST):
    """Put an agent's files into the lab's shared folder; return the tree, to lay over a root."""
    if agent == "none":
        return _made(settings.shared / "agents" / "none")
    source = package(agent, settings.variant, system)
    target = settings.shared / "agents" / hashlib.sha256(str(source).encode()).hexdigest()[:12]
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        run(["cp", "-a", f"{source}/.", _made(target)])
    elif source.is_file():
        run(["dpkg-deb", "-x", source, _made(target)])
        compile_library(target, system)
    else:
        raise LabError(f"no agent {agent!r}: neither 'ours' nor 'perl', nor a .deb, nor a folder")
    return target


def package(agent, variant="corosync2", system=systems.HOST):
    """Return the path of the .deb, or of the folder, for an agent's name."""
    if agent == "ours":
        return _ours(variant, system)
    return _perl(system) if agent == "perl" else Path(agent).resolve()


def compile_library(tree, system=systems.HOST):
    """Compile the library in an unpacked package, as py3compile does when it is installed."""
    library = tree / LIBRARY
    if not library.is_dir():
        return
    argv = [PYTHON, "-m", "compileall", "-q", "-s", tree, "-p", "/", library]
    if system != systems.HOST:
        argv = systems.inside(system, argv, [(tree, tree)])
    run(argv, timeout=300)


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _ours(variant, system):
    """Return the package of the checkout as it is, built unless the cache has it."""
    kind = variant if system == systems.HOST else f"{variant}-{Path(system).name}"
    with _locked("ours"):
        for _ in range(3):
            state = _state_of_sources()
            deb = cache_folder() / "ours" / f"{PACKAGE}-{kind}-{state}.deb"
            if deb.exists():
                return deb
            _build(variant, deb.with_suffix(".new"), system)
            # the checkout may have changed meanwhile
            if state == _state_of_sources():
                deb.with_suffix(".new").rename(deb)
                return deb
    raise LabError("the checkout changes faster than its package can be built")


def _build(variant, deb, system):
    """Build the package as `make deb` does, in the system where it will be installed."""
    if not shutil.which("dh", path="/usr/bin"):
        raise LabError("the lab builds the agent's package: run tests/install-tools.sh lab")
    dist = deb.with_suffix(".dist")
    shutil.rmtree(dist, ignore_errors=True)
    if system == systems.HOST:
        run([CHECKOUT / "tools" / "build-deb.sh", variant],
            env={"DIST": str(dist), "UNCHECKED": "yes"}, timeout=900)
    else:
        _build_inside(variant, _made(dist), system)
    built, = (dist / variant).glob(f"{PACKAGE}*_all.deb")
    built.rename(deb)
    shutil.rmtree(dist)


def _build_inside(variant, dist, system):
    with tempfile.TemporaryDirectory() as source:
        run([CHECKOUT / "tools" / "copy-source.sh", source])
        run(systems.inside(system, ["/mnt/source/tools/build-deb.sh", variant],
                           [(source, "/mnt/source"), (dist, "/mnt/dist")]),
            env={"DIST": "/mnt/dist", "UNCHECKED": "yes"}, timeout=300)


def _state_of_sources():
    """Return a digest of all that goes into the package."""
    digest = hashlib.sha256()
    for path in sorted(_source_files()):
        try:
            text = path.read_bytes()
        except FileNotFoundError:    # removed just now
            continue
        name, mode = path.relative_to(CHECKOUT), os.access(path, os.X_OK)
        digest.update(f"{name} {mode} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


def _source_files():
    for name in SOURCES:
        path = CHECKOUT / name
        for file in path.rglob("*") if path.is_dir() else (path,):
            if file.is_file() and file.suffix != ".pyc":
                yield file


def _perl(system):
    """Return the Perl agent's package, fetched once with apt-get download."""
    if system != systems.HOST:
        package, = Path(system, systems.PERL_FOLDER).glob(f"{PACKAGE}_*.deb")
        return package
    with _locked("perl") as folder:
        found = sorted(folder.glob(f"{PACKAGE}_*.deb"))
        if not found:
            run(["apt-get", "-o", "Acquire::Retries=3", "download", PACKAGE], cwd=folder,
                timeout=300)
            found = sorted(folder.glob(f"{PACKAGE}_*.deb"))
    return found[-1]


@contextlib.contextmanager
def _locked(name):
    """Hold a folder of the cache against other labs that are being started; yield it."""
    folder = _made(cache_folder() / name)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def files(tree):
    """Return the relative paths of all files of a staged agent."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir())
