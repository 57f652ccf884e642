"""Roots of Debian releases for nodes: made once with mmdebstrap, never written to afterwards.

A node lays its own disk over a root. What runs outside of a node (initdb, the build of a package)
runs in a throw-away layer over it, see `inside`.
"""

import fcntl
import os
import re
import shutil
from pathlib import Path

from .settings import cache_folder
from .tools import LabError, run

HOST = "/"

#: The releases that nodes can run, and their names in the archive.
RELEASES = {"debian11": "bullseye", "debian12": "bookworm", "debian13": "trixie",
            "forky": "forky", "sid": "sid"}

#: What a release has from Debian's experimental suite instead of its own PostgreSQL.
EXPERIMENTAL = {"sid": ("postgresql-19", "postgresql-client-19", "libpq5/experimental")}

#: What a node has installed, and what the agent's package is built with.
PACKAGES = (
    "ca-certificates", "pacemaker", "pacemaker-cli-utils", "corosync", "pcs", "crmsh",
    "resource-agents", "postgresql", "iproute2", "procps", "psmisc",
    "python3-psycopg2", "python3-lxml", "dpkg-dev", "debhelper", "dh-python")

#: The Perl agent's package, from the release, is kept in its root.
PERL_FOLDER = "opt/paf-lab-perl"

# No service starts by itself, PostgreSQL makes no cluster of its own; no room for translations
_BEFORE = """mkdir -p "$1/usr/sbin" "$1/etc/postgresql-common"
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"
"""
_AFTER = f"""mkdir -p "$1/{PERL_FOLDER}"
chroot "$1" sh -c "cd /{PERL_FOLDER} && apt-get -o APT::Sandbox::User=root download \\
resource-agents-paf"
"""
_OPTIONS = (
    "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"',
    "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*")

# $1: the root, $2: a mount point, $3: places to bind, then the program. All of it goes away with
# the mount namespace
_ENTER = """
set -e
system=$1 work=$2 places=$3
shift 3
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay \\
    -o "lowerdir=$system,upperdir=$work/upper,workdir=$work/work" "$work/root"
mount --rbind /dev "$work/root/dev"
mount -t proc proc "$work/root/proc"
for place in $places; do
    mkdir -p "$work/root${place#*:}"
    mount --bind "${place%%:*}" "$work/root${place#*:}"
done
exec chroot "$work/root" "$@"
"""


def folder(release):
    """Return where the root of a release (a key of RELEASES) is kept, made or not (Path)."""
    return cache_folder() / "roots" / release


def prepare(release, refresh=False):
    """Return the root of a release as text; make it first, unless the cache has it.

    refresh: make a new one; no lab may be using it. Takes a minute or two, and Debian's archive.
    """
    root = folder(release)
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{root}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refresh or not root.is_dir():
            _make(release, root)
    return str(root)


def _make(release, root):
    suite, later = RELEASES[release], EXPERIMENTAL.get(release, ())
    packages = [name for name in PACKAGES if not later or name != "postgresql"]
    if not shutil.which("mmdebstrap", path="/usr/bin"):
        raise LabError("roots are made with mmdebstrap: run tests/install-tools.sh matrix")
    fresh, old = (root.with_name(f"{root.name}.{state}") for state in ("new", "old"))
    for stale in (fresh, old):
        shutil.rmtree(stale, ignore_errors=True)
    run(["mmdebstrap", "--quiet", *_OPTIONS, f"--include={','.join([*packages, *later])}",
         f"--setup-hook={_BEFORE}", f"--customize-hook={_AFTER}",
         suite, fresh, *(f"deb {debian_mirror()} {name} main"
                         for name in (suite, "experimental")[:2 if later else 1])], timeout=900)
    # the old one is removed once the new one is complete: the name never leads to half a root
    if root.is_dir():
        root.rename(old)
    fresh.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def debian_mirror():
    """Return the address of Debian's archive that this machine's apt uses."""
    found = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian",
                 "Component: main"]).output.split()
    mirrors = [address for address in found if "security" not in address]
    if not mirrors:
        raise LabError("apt knows no archive of Debian: run apt-get update")
    return mirrors[0]


def inside(system, argv, places=(), user=None):
    """Return the command that runs a program in a throw-away layer over a root.

    places: (folder of this machine, folder in the root) pairs; neither may contain a blank or a
    colon. What is written elsewhere is lost.
    """
    work = cache_folder() / "layer"
    work.mkdir(parents=True, exist_ok=True)
    switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    binds = " ".join(f"{source}:{target}" for source, target in places)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh",
            str(system), str(work), binds, *switch, *map(str, argv)]


def newest_schema(system):
    """Return the newest version of the CIB that a root's Pacemaker knows, as (3, 7)."""
    found = [re.fullmatch(r"pacemaker-(\d+)\.(\d+)\.rng", name)
             for name in os.listdir(Path(system, "usr/share/pacemaker"))]
    return max((int(match[1]), int(match[2])) for match in found if match)


def knows_promoted(system):
    """Return whether a root's Pacemaker has the role words Promoted and Unpromoted (2.1 has)."""
    return newest_schema(system) >= (3, 7)


def has_fencing_options(system):
    """Return whether a root's Pacemaker calls stonith-enabled fencing-enabled, as 3.0.2 does."""
    version = versions(system, ["pacemaker"]).get("pacemaker", "").rpartition(":")[2]
    return [int(number) for number in re.findall(r"\d+", version)[:3]] >= [3, 0, 2]


def versions(system, packages):
    """Return {package: version} of what is installed in a root."""
    output = run(["dpkg-query", "--admindir", Path(system, "var/lib/dpkg"), "-W", "-f",
                  "${Package} ${Version}\n", *packages], check=False).output
    return dict(line.split() for line in output.splitlines() if len(line.split()) == 2)
