"""The agent that a node runs: where its files come from, and how they get into the node.

An agent is named by 'ours' (this checkout, through `make install`), 'perl' (Debian's resource-
agents-paf 2.3.0, unpacked, not installed), the path of a .deb, or a folder laid over the node's
root.
"""

import hashlib
import shutil
from pathlib import Path

from .settings import CHECKOUT, cache_folder
from .tools import PYTHON, LabError, run

PERL_PACKAGE = "resource-agents-paf"


def stage(settings, agent):
    """Put an agent's files into the lab's shared folder; return the tree, to lay over a root."""
    if agent == "ours":
        target = settings.shared / "agents" / "ours"
        shutil.rmtree(target, ignore_errors=True)
        run(
            [
                "make",
                "-C",
                CHECKOUT,
                "install",
                f"DESTDIR={target}",
                f"VARIANT={settings.variant}",
                f"PYTHON={PYTHON}",
            ]
        )
        return target
    if agent == "none":
        source = settings.shared / "agents" / "none"
        source.mkdir(parents=True, exist_ok=True)
        return source
    source = _perl() if agent == "perl" else Path(agent).resolve()
    target = settings.shared / "agents" / hashlib.sha256(str(source).encode()).hexdigest()[:12]
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        run(["cp", "-a", f"{source}/.", _made(target)])
    elif source.is_file():
        run(["dpkg-deb", "-x", source, _made(target)])
    else:
        raise LabError(f"no agent {agent!r}: neither 'ours' nor 'perl', nor a .deb, nor a folder")
    return target


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _perl():
    """Return the Perl agent's package, fetched once with apt-get download."""
    folder = _made(cache_folder() / "perl")
    found = sorted(folder.glob(f"{PERL_PACKAGE}_*.deb"))
    if not found:
        run(["apt-get", "download", PERL_PACKAGE], cwd=folder, timeout=120)
        found = sorted(folder.glob(f"{PERL_PACKAGE}_*.deb"))
    return found[-1]


def files(tree):
    """Return the relative paths of all files of a staged agent."""
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir())
