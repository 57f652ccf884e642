"""The PostgreSQL servers that the component tests are tried with.

    python3 -m tests.servers                   list them, and what is not tried
    python3 -m tests.servers COMMAND...        run COMMAND once for each, PAF_TEST_BINDIR set
    python3 -m tests.servers --only 14,19 COMMAND...    the same, for these alone

This machine's own, those of PyPI, and the newest one, of a root of Debian sid: there COMMAND runs
as well, with that release's Python. As root, which roots need.
"""

import glob
import os
import pathlib
import re
import subprocess
import sys

from lab import servers, systems
from lab.tools import LabError

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
VARIABLE = "PAF_TEST_BINDIR"
FROM_PYPI = ("14", "16", "17", "18")
#: Major version to the root that has it.
IN_A_ROOT = {"19": "sid"}
NOT_TRIED = {
    "10 to 12": "npm's have no pg_controldata and no pg_waldump; trials/matrix/alone.py plays them",
    "13": "the pytest of Debian 11 is too old; the cell debian11 of the matrix plays it"}

#: What the tests need and a node has not; the layer over the root goes away with the command.
_TOOLS = "python3-pytest python3-pytest-xdist python3-hypothesis e2fsprogs pgbackrest haproxy"
_INSIDE = f"""apt-get -qq -o Acquire::Check-Valid-Until=false update
export DEBIAN_FRONTEND=noninteractive
apt-get -qq --yes --no-install-recommends install {_TOOLS} > /dev/null
cd "$1"
shift
exec "$@"
"""


def own():
    """Return {major version: folder of programs} of this machine's servers."""
    found = {}
    for folder in glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"):
        version = re.search(r"(\d+)/bin$", folder).group(1)
        if os.access(os.path.join(folder, "initdb"), os.X_OK):
            found[version] = folder
    return found


def names():
    """Return the major versions that are tried, in order."""
    return sorted({*own(), *FROM_PYPI, *IN_A_ROOT}, key=int)


def command_for(version, command):
    """Return (words, folder of programs) that run the command with a server.

    LabError where it cannot be had.
    """
    if version in own():
        return command, own()[version]
    if version in FROM_PYPI:
        return command, os.path.join(servers.from_pypi(version), "bin")
    root = systems.prepare(IN_A_ROOT[version])
    # the paths of the checkout are the same in there
    words = systems.inside(root, ["sh", "-ec", _INSIDE, "sh", REPOSITORY, *command],
                           places=[(REPOSITORY, REPOSITORY)])
    return words, f"{servers.place(version)}/bin"


def main(arguments):
    """List the servers, or run a command with each; return the exit status."""
    chosen, command = names(), arguments
    if arguments[:1] == ["--only"]:
        chosen, command = arguments[1].split(","), arguments[2:]
        strange = [version for version in chosen if version not in names()]
        if strange:
            print(f"not known: {', '.join(strange)}; there are {', '.join(names())}")
            return 2
    failed, missing = [], []
    for version in chosen:
        try:
            words, folder = command_for(version, command) if command else ([], "")
        except LabError as error:
            missing.append(f"{version} ({error})")
            continue
        print(f"PostgreSQL {version} {folder}".rstrip(), flush=True)
        if words and subprocess.run(words, env={**os.environ, VARIABLE: folder}, cwd=REPOSITORY,
                                    check=False).returncode:
            failed.append(version)
    for version, why in NOT_TRIED.items():
        print(f"NOT TRIED {version}: {why}")
    for word, those in (("MISSING", missing), ("FAILED with", failed)):
        if those:
            print(f"{word} PostgreSQL {', '.join(those)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
