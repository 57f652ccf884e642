"""The Pythons that the agent is tried under.

    python3 -m tests.interpreters                   list them, and what is missing
    python3 -m tests.interpreters COMMAND...        run COMMAND once for each, PAF_AGENT_PYTHON set
    python3 -m tests.interpreters --only agent27,agent314 COMMAND...    the same, for these alone

They are looked for on PATH, in the folders that PAF_INTERPRETERS names (separated by colons), where
tests/install-interpreters.sh puts them, and among those that pyenv has installed. The tests
themselves stay modern; the agent is a process of its own.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
VARIABLE = "PAF_AGENT_PYTHON"
#: What the agent promises to run on.
VERSIONS = ("2.6", "2.7", *(f"3.{minor}" for minor in range(4, 15)))
#: At least these: an old 2, an old 3 and the newest; the system's own is used all over the tests.
REQUIRED = ("2.7", "3.9", "3.14")

_TELL = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"


def found():
    """Return a dict of version to the path of an interpreter of that version which runs."""
    folders = [*os.environ.get("PAF_INTERPRETERS", "").split(os.pathsep),
               str(REPOSITORY / "build" / "interpreters" / "bin"),
               *os.environ.get("PATH", os.defpath).split(os.pathsep), *_of_pyenv()]
    # a shim of pyenv's is a program that looks for the right one
    folders = [folder for folder in folders if folder and not folder.endswith("/shims")]
    paths = {version: _first(version, folders) for version in VERSIONS}
    return {version: path for version, path in paths.items() if path}


def _of_pyenv():
    """Return the folders of the interpreters that pyenv has installed, the newest first.

    A folder of another user, closed to this one, has none that could be run.
    """
    root = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    versions = root / "versions"
    if not os.access(versions, os.R_OK | os.X_OK):
        return []
    return sorted((str(folder / "bin") for folder in versions.iterdir()
                   if os.access(folder / "bin", os.X_OK)), reverse=True)


def _first(version, folders):
    """Return the first interpreter of a version that runs."""
    for folder in folders:
        path = shutil.which(f"python{version}", path=folder)
        if path and _tells(path) == version:
            return path
    return None


@functools.lru_cache(maxsize=None)
def _tells(path):
    """Return the version that an interpreter says it is; a shim may be there and not run."""
    result = subprocess.run([path, "-c", _TELL], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, timeout=30, check=False)
    return result.stdout


def agent_argv(agent):
    """Return the words that start the agent's file: under PAF_AGENT_PYTHON, or as it is.

    With PAF_COVERAGE under coverage, see tests/traced.py.
    """
    if os.environ.get("PAF_COVERAGE"):
        return [sys.executable, "-ISB", str(REPOSITORY / "tests" / "traced.py"), str(agent)]
    python = os.environ.get(VARIABLE)
    if not python:
        return [str(agent)]
    return [python, "-ESsB" if _tells(python).startswith("2.") else "-ISB", str(agent)]


def main(arguments):
    """List the interpreters, or run a command under each; return the exit status."""
    pythons, required, command = found(), list(REQUIRED), arguments
    chosen = arguments[:1] == ["--only"]
    if chosen:
        required, command = [*map(_version, arguments[1].split(","))], arguments[2:]
        pythons = {version: pythons[version] for version in required if version in pythons}
    failed = [version for version, path in pythons.items() if not _run(command, version, path)]
    absent = [version for version in VERSIONS if version not in pythons]
    if not chosen:
        print(f"NOT TRIED, no interpreter: {', '.join(absent) or 'none'}")
    missing = [version for version in required if version not in pythons]
    if missing:
        print(f"MISSING: Python {', '.join(missing)}: run tests/install-interpreters.sh")
    if failed:
        print(f"FAILED under Python {', '.join(failed)}")
    return 1 if failed or missing else 0


def _version(name):
    """Return the version that the name of a tox environment means: agent27, agent314."""
    digits = name.lstrip("agent")
    return f"{digits[:1]}.{digits[1:]}"


def _run(command, version, path):
    """Run the command with the agent's Python set; return whether it succeeded."""
    print(f"Python {version}: {path}", flush=True)
    return not command or subprocess.run(
        command, env={**os.environ, VARIABLE: path}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
