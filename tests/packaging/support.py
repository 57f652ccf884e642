"""What the packaging tests share: builds, and roots to install packages into."""

import glob
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
AGENT = "/usr/lib/ocf/resource.d/heartbeat/pgsqlms"
LIBRARY = "/usr/share/resource-agents-paf"
MANUAL = "/usr/share/man/man7/ocf_heartbeat_pgsqlms.7"
COMMAND = "/usr/sbin/paf"
ALERT = f"{LIBRARY}/paf-alert"
COMMAND_MANUAL = "/usr/share/man/man8/paf.8"
COMPLETION = "/usr/share/bash-completion/completions/paf"
#: What is installed beside the library and the documents, without compression, and systemd's units.
FILES = {AGENT, MANUAL, COMMAND, COMMAND_MANUAL, COMPLETION, ALERT}
UNITS = "/usr/lib/systemd/system"
FRONT = "/usr/libexec/paf-health"
PROGRAMS = {AGENT, COMMAND, ALERT, FRONT}
DOCS = "/usr/share/doc/resource-agents-paf"

#: Names of the packages: the agent's, and the administrator's Python package.
PACKAGES = ("resource-agents-paf", "python3-paf")
_PAF = (LIBRARY, DOCS, *FILES, f"{MANUAL}.gz", f"{COMMAND_MANUAL}.gz", "/usr/bin/paf",
        "/usr/share/lintian/overrides/resource-agents-paf", "/usr/share/doc/python3-paf",
        "/usr/share/python3/runtime.d/resource-agents-paf.rtupdate",
        "/usr/lib/python3/dist-packages/paf")

#: The distributions' own, and nothing of the developer's (pyenv...).
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: In front of a command: run it with the umask of somebody who is careful.
OTHER_BUILDER = ("sh", "-c", 'umask 077; exec "$@"', "sh")

#: What a package manager keeps for itself, and caches that other packages' triggers write.
_BOOKKEEPING = ("var/lib/dpkg", "var/lib/rpm", "var/lib/apt", "var/log", "var/cache", "var/tmp",
                "etc/ld.so.cache")
#: Without this file man-db makes no new index after each package: half a second each time.
MAN_INDEX = "/var/lib/man-db/auto-update"
#: Where packages put files.
_SYSTEM = ("usr/", "etc/", "var/", "lib", "bin/", "sbin/", "opt/")

#: Runs in a mount namespace: $1 holds the overlay's folders, $2 is seen as /mnt in the root.
_ENTER = """
set -e
root=$1 share=$2
shift 2
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/merged"
mount --rbind /dev "$root/merged/dev"
mount -t proc proc "$root/merged/proc"
mount --bind "$share" "$root/merged/mnt"
exec chroot "$root/merged" "$@"
"""


def need(program, package):
    """Fail with the name of the package to install, unless the program is there."""
    if not shutil.which(program, path=SYSTEM_PATH):
        pytest.fail(f"this test needs {program}: apt-get install {package} "
                    "(tests/install-tools.sh packaging installs all that is needed)", pytrace=False)


def run(*argv, check=True, **options):
    """Run a program with the system's PATH; return the CompletedProcess with its output as text."""
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root",
                   **options.pop("env", {})}
    result = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                            timeout=900, check=False, env=environment, **options)
    if check and result.returncode:
        pytest.fail(f"{' '.join(map(str, argv))}: status {result.returncode}\n"
                    f"{result.stdout}{result.stderr}", pytrace=False)
    return result


def library_files(checkout):
    """Return the paths (a set of str) that the library of a checkout has once installed."""
    return {f"{LIBRARY}/{path.relative_to(checkout).as_posix()}"
            for path in (checkout / "paf").rglob("*.py")}


def pages(checkout, folder=DOCS):
    """Return the paths (a set of str) that the pages of a checkout have in a package."""
    here = checkout / "docs"
    return {f"{folder}/docs/{path.relative_to(here).as_posix()}" for pattern in (
        "*.md", "schemas/*.json", "monitoring/*", "pictures/*.svg") for path in here.glob(pattern)}


def units():
    """Return the paths (a set of str) that systemd's units, and what they start, have."""
    return {f"{UNITS}/{path.name}" for path in (REPOSITORY / "units").iterdir()} | {FRONT}


class Root:
    """This machine's file system with a layer of its own on top: install, look, throw away."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.upper = self.folder / "upper"
        for name in ("upper", "work", "merged"):
            (self.folder / name).mkdir(parents=True)
        if os.geteuid():
            pytest.fail("the packaging tests mount scratch roots: run them as root", pytrace=False)
        self._without(MAN_INDEX)
        self._remove_paf()
        self._before = self._all_changes()

    def run(self, *argv, share="/mnt", check=True, **options):
        """Run a program in the root; the folder `share` of the machine is /mnt there."""
        return run("unshare", "--mount", "--pid", "--fork", "sh", "-c", _ENTER, "sh", self.folder,
                   share, *argv, check=check, **options)

    def add(self, path, text=None, link=None):
        """Put an executable file, or a link, into the root; nothing may be running there."""
        place = self.upper / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if link:
            place.symlink_to(link)
            self._open_folders(link)
        else:
            place.write_text(text)
            place.chmod(0o755)

    def _open_folders(self, path):
        """Let every user of the root pass through the folders of a path; the machine's stay shut.

        A checkout may be in a folder that its owner alone may enter, as mktemp makes them.
        """
        places = [pathlib.Path(path).absolute(), pathlib.Path(path).resolve()]
        self.run("chmod", "o+x", *dict.fromkeys(
            folder for place in places for folder in reversed(place.parents)))

    def _without(self, path):
        """Hide a file of the machine from the root, as overlayfs does: by a device 0/0."""
        place = self.upper / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(0, 0))

    def _remove_paf(self):
        """Remove from the root what this machine itself has of PAF, installed in whatever way."""
        here = [path for path in [*_PAF, *units()] if os.path.lexists(path)]
        here += glob.glob("/usr/lib/python3/dist-packages/paf-*")
        if here:
            self.run("dpkg", "--purge", "--force-depends", *PACKAGES, check=False)
            self.run("rm", "-rf", *here)

    def changes(self):
        """Return the files that were made, changed or removed in the root (a set of str).

        What this machine had of PAF, and the root has not, is no change.
        """
        return self._all_changes() - self._before

    def _all_changes(self):
        found = set()
        for path in self.upper.rglob("*"):
            name = path.relative_to(self.upper).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if name.startswith(_SYSTEM) and not name.startswith(_BOOKKEEPING):
                found.add(("removed /" if _is_whiteout(path) else "/") + name)
        return found


def _is_whiteout(path):
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
