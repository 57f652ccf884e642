"""`make check-fast`: the tests that need no root; what they need and is not there is said first."""

import glob
import importlib.util
import os
import pathlib
import shutil
import sys

#: What can be imported -> the package of Debian that brings it.
MODULES = {"pytest": "python3-pytest", "hypothesis": "python3-hypothesis",
           "psycopg2": "python3-psycopg2", "greenlet": "python3-greenlet",
           "jsonschema": "python3-jsonschema", "lxml": "python3-lxml"}
FILES = {"/usr/share/pcs/data/ocf-1.1.rng": "pcs",
         "/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs": "resource-agents"}
PROGRAMS = {"crm_simulate": "pacemaker-cli-utils", "make": "make"}
SERVERS = ("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"


def missing(find=importlib.util.find_spec, which=shutil.which, names=glob.glob):
    """Return the packages of Debian that the tests need and that are not installed, in order."""
    packages = [package for module, package in MODULES.items() if find(module) is None]
    packages += [package for program, package in PROGRAMS.items()
                 if which(program, path=PATH) is None]
    packages += [package for path, package in FILES.items() if not names(path)]
    if not os.environ.get("PAF_TEST_BINDIR") and not any(names(name) for name in SERVERS):
        packages.append("postgresql-15")
    return packages


def main():
    """Run the tests, with both processors where pytest-xdist is there; return the exit status."""
    absent = missing()
    if absent:
        print(f"check-fast needs these packages first: apt-get install {' '.join(absent)}")
        return 1
    parallel = ["-n", "2", "--dist", "loadgroup"] if importlib.util.find_spec("xdist") else []
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    os.environ["PATH"] = PATH
    os.execv(sys.executable, [
        sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5",
        *parallel, "tests/unit", "tests/component", "-m", "unit or fast"])


if __name__ == "__main__":
    sys.exit(main())
