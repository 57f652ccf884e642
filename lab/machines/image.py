"""The system of the nodes: a Debian 12 with what the quick start installs, made once.

mmdebstrap makes the root. For guests `mke2fs -d` makes a file system of it, so neither loop devices
nor mounts are needed; containers have the root itself. It is kept in the cache beside the labs;
nodes write to overlays of their own.
"""

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.settings import cache_folder
from lab.systems import debian_mirror
from lab.tools import LabError, run

from . import layout

SUITE = "bookworm"
DISK_SIZE = "6G"        # sparse: what is used is 1.4 GB
#: What the quick start has installed, the watchdog's daemon, and those of a quorum device.
PACKAGES = (
    "systemd-sysv", "udev", "dbus", "libpam-systemd", "iproute2", "procps", "psmisc",
    "ca-certificates", "sbd", "corosync-qdevice", "corosync-qnetd", "postgresql-15", "pacemaker",
    "pacemaker-cli-utils", "resource-agents", "corosync", "pcs", "fence-agents", "python3-lxml",
    "python3-psycopg2")
#: What a guest needs to boot and to be spoken to. The cloud kernel has no i6300esb.
GUEST_PACKAGES = ("linux-image-amd64", "kmod", "qemu-guest-agent", "dmsetup")
_OPTIONS = (
    "--variant=minbase", "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*")
_CUSTOMIZE = """set -e
cp -a "$2/." "$1/"
: > "$1/etc/machine-id"
chroot "$1" systemctl enable systemd-networkd.service
# for trials that use it: where it is enabled, Corosync and Pacemaker require it
chroot "$1" systemctl disable sbd.service corosync-qdevice.service corosync-qnetd.service
# a time in which nothing of the cluster happens, not in the middle of a trial
chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
# what a trial installs again: nodes reach no archive
mkdir "$1/root/packages"
cd "$1/root/packages"
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q download postgresql-15 pacemaker
"""
_GUEST_CUSTOMIZE = f"""
# seconds that pcs waits for a host; "pcs cluster setup" has no option for it
sed -i "s/^default_request_timeout = .*/default_request_timeout = 1200/" \
    "$1/usr/lib/python3/dist-packages/pcs/settings.py"
chroot "$1" systemctl enable {layout.DATA_UNIT}
"""


@dataclass(frozen=True)
class Image:
    """The files that a guest boots from (Paths)."""

    disk: Path
    kernel: Path
    initrd: Path


@dataclass(frozen=True)
class Recipe:
    """What a system is made of: Debian's packages, a shell script, and files laid over the root."""

    packages: tuple
    customize: str
    files: dict
    tools: tuple

    def __str__(self):
        return "\n".join([SUITE, DISK_SIZE, *self.packages, *_OPTIONS, self.customize,
                          *map(str, sorted(self.files.items()))])


def recipe(kind=layout.GUESTS):
    """Return the Recipe of a kind of nodes: another text of it means another system."""
    if kind == layout.CONTAINERS:
        return Recipe(PACKAGES, _CUSTOMIZE, layout.files(kind), ("mmdebstrap",))
    return Recipe((*GUEST_PACKAGES, *PACKAGES), _CUSTOMIZE + _GUEST_CUSTOMIZE, layout.files(kind),
                  ("mmdebstrap", "mke2fs", "qemu-img", "qemu-system-x86_64"))


def folder(kind=layout.GUESTS):
    """Return where the system of a kind of nodes is kept, made or not (Path)."""
    digest = hashlib.sha256(str(recipe(kind)).encode()).hexdigest()[:12]
    return cache_folder() / "machines" / digest


def prepare(kind=layout.GUESTS):
    """Return the Image of guests, the root of containers (Path); make it first, if it is not kept.

    Takes some minutes and Debian's archive. Raises LabError where a tool is missing.
    """
    place = folder(kind)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            _make(place, recipe(kind), kind)
    if kind == layout.CONTAINERS:
        return place / "root"
    return Image(place / "disk.raw", place / "vmlinuz", place / "initrd.img")


def _make(place, made_of, kind):
    for tool in made_of.tools:
        if not shutil.which(tool, path="/usr/sbin:/usr/bin"):
            raise LabError(f"{tool} is missing: run tests/install-tools.sh machines")
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    root, own = fresh / "root", fresh / "own"
    own.mkdir(parents=True)
    for name, (text, mode) in made_of.files.items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.chmod(path, mode)
    mirror = debian_mirror()
    run(["mmdebstrap", "--quiet", *_OPTIONS, f"--include={','.join(made_of.packages)}",
         f"--customize-hook=sh -c '{made_of.customize}' customize \"$1\" {own}", SUITE, root,
         f"deb {mirror} {SUITE} main"], timeout=1800)
    shutil.rmtree(own)
    if kind == layout.GUESTS:
        _pack(fresh, root)
    fresh.rename(place)


def _pack(fresh, root):
    """Make the files that a guest boots from, and remove the tree that they were made from."""
    shutil.copy(_only(root / "boot", "vmlinuz-*"), fresh / "vmlinuz")
    shutil.copy(_only(root / "boot", "initrd.img-*"), fresh / "initrd.img")
    run(["mke2fs", "-q", "-t", "ext4", "-d", root, fresh / "disk.raw", DISK_SIZE], timeout=600)
    shutil.rmtree(root)


def _only(place, pattern):
    found = list(place.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{len(found)} files {pattern} in {place}, and not one")
    return found[0]
