"""Whose a lab is: two labs of one name never meet, and one whose process has ended is taken down.

The process that starts a lab holds a lock on the file `owner` in its folder. The kernel releases it
when the process ends, however it ends. The lab's power daemon then takes the lab down, unless it
was said that it is kept.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import sys
import time
from dataclasses import asdict, dataclass

from . import network
from .settings import CHECKOUT, LONGEST_NAME, check_folder, labs_folder, tag
from .tools import LabError, wait_until

FILE = "owner"
_held = {}      # folder -> open file, of the labs that this process has


class Taken(LabError):
    """Another process has the lab."""


@dataclass(frozen=True)
class Owner:
    """Who started a lab. `alive`: whether that process still runs."""

    pid: int
    command: str
    checkout: str
    since: float
    kept: bool = False
    alive: bool = False


def require_root():
    """Raise LabError without root's rights."""
    if os.geteuid() != 0:
        raise LabError("only root can make namespaces")


@contextlib.contextmanager
def lock(name):
    """Hold the right to start or stop the lab of a name; Taken if another process has it."""
    path = labs_folder() / f".{name}.lock"
    try:
        labs_folder().mkdir(parents=True, exist_ok=True)
        check_folder()
        path.touch()
    except PermissionError as error:
        require_root()
        raise LabError(f"cannot write {error.filename}: {error.strerror}") from error
    while True:
        with open(path, "w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise Taken(
                    f"lab {name!r} is being started or stopped by another process"
                ) from busy
            if not _is_at(file, path):    # removed by the process that held it before
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def take(name):
    """Make the lab of that name this process's; its folder is there, and `lock` is held."""
    release(name)
    folder = labs_folder() / name
    command = " ".join(" ".join(getattr(sys, "orig_argv", sys.argv)).split())
    file = open(folder / FILE, "w+", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    owner = Owner(os.getpid(), command[:200], str(CHECKOUT), time.time())
    file.write(json.dumps(asdict(owner)) + "\n")
    file.flush()
    _held[folder] = file


def release(name):
    """Give up the lab of that name, if this process has it."""
    file = _held.pop(labs_folder() / name, None)
    if file is not None:
        file.close()


def keep(name):
    """Keep this process's lab running after its end."""
    file = _held[labs_folder() / name]
    file.seek(0)
    record = json.loads(file.read())
    file.seek(0)
    file.write(json.dumps({**record, "kept": True}) + "\n")
    file.truncate()
    file.flush()


def owner(name):
    """Return the Owner of the lab of that name; None if there is none, or if it is not known."""
    try:
        with open(labs_folder() / name / FILE, encoding="utf-8") as file:
            record = json.loads(file.read() or "{}")
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                record["alive"] = True
            return Owner(**record)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def is_mine(name):
    """Return True if this process has the lab of that name."""
    return labs_folder() / name in _held


def how_to_end(name, checkout=CHECKOUT):
    """Return the shell command that takes a lab down, from wherever it is typed."""
    place = os.environ.get("PAF_LAB_DIR")
    words = f"PAF_LAB_DIR={shlex.quote(place)} " if place else ""
    return f"(cd {shlex.quote(str(checkout))} && {words}python3 -m lab --lab {name} down)"


def why_taken(name, replace=False):
    """Return one sentence on who has the lab of that name, "" if it is free.

    replace: a lab that was kept is free as well, if this checkout has started it.
    """
    found = owner(name)
    if found is None or is_mine(name) or not (found.alive or found.kept):
        return ""
    if replace and not found.alive and found.checkout == str(CHECKOUT):
        return ""
    state = f"belongs to process {found.pid}" if found.alive else "was left up"
    since = time.strftime("%F %T", time.localtime(found.since))
    return (f"lab {name!r} {state} ({found.command}, in {found.checkout}, since {since}); "
            f"to take it down: {how_to_end(name, found.checkout)}")


def refuse_if_taken(name, replace=False):
    """Raise Taken, with who has it and how to take it down, if a lab is not free."""
    reason = why_taken(name, replace)
    if reason:
        raise Taken(reason)


def free_name(wanted):
    """Return the name `wanted`, or wanted-2 and so on if it is taken; it is this process's then."""
    wanted = wanted[:LONGEST_NAME]
    for number in range(1, 100):
        name = wanted if number == 1 else f"{wanted[:LONGEST_NAME - 3]}-{number}"
        with contextlib.suppress(Taken), lock(name):
            refuse_if_taken(name)
            (labs_folder() / name).mkdir(exist_ok=True)
            take(name)
            return name
    raise LabError(f"99 labs have the name {wanted!r}: take some down")


def clear(name, spare=()):
    """Remove what there is of a lab: processes (except the pids in `spare`), namespaces, folder.

    `lock` is held.
    """
    mine = namespaces(name)
    network.kill_all(mine, spare=spare)
    for namespace in mine:
        network.delete(namespace)
    # Aside first: a program of an interrupted `up` may still be writing there
    folder, aside = labs_folder() / name, labs_folder() / f".gone-{name}"
    wait_until(lambda: _removed(aside), 60, f"{aside} to be removed")
    if folder.exists():
        folder.rename(aside)
        wait_until(lambda: _removed(aside), 60, f"{aside} to be removed")


def namespaces(name):
    """Return the network namespaces of the lab of that name in this folder of labs."""
    return [path.name for path in sorted(network.NETNS.glob(f"paf.{tag()}.{name}.*"))]


def _removed(folder):
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def labs():
    """Return the names of the labs that have a folder or a network namespace here."""
    found = {path.parent.name for path in labs_folder().glob("*/lab.json")}
    found |= {path.name.split(".")[2] for path in network.NETNS.glob(f"paf.{tag()}.*.*")}
    return sorted(found)


def is_orphan(name):
    """Return True if the process that started a lab has ended, and the lab was not to be kept."""
    found = owner(name)
    return found is not None and not found.alive and not found.kept
