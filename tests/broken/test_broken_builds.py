"""The tests can fail: each promise, disabled by one line, turns at least one of them red."""

import shutil
import subprocess
import sys

import pytest

from tests.broken import builds, commands, elections, monitors, processes, rebuilds
from tests.conftest import REPOSITORY

BUILDS = [*builds.BUILDS, *commands.BUILDS, *elections.BUILDS, *monitors.BUILDS,
          *processes.BUILDS, *rebuilds.BUILDS]
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".tox", ".hypothesis", "__pycache__", "build", "dist")
_RED = 1    # pytest's status for tests that failed; errors of other kinds have others


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the checkout, open to the user that servers run under."""
    folder = tmp_path_factory.mktemp("broken") / "tree"
    shutil.copytree(REPOSITORY, folder, ignore=_LEFT_OUT)
    for parent in (folder, *list(folder.parents)[:3]):
        parent.chmod(0o755)
    return folder


def outcome(tree, tests):
    """Run tests in the copy; return pytest's status and its words."""
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_promise_has_a_broken_build():
    assert {build.promise for build in BUILDS} == set(range(1, 8))


def test_the_tests_named_are_there(tree):
    """Where nothing is broken they pass: the stages before and beside this one run them."""
    names = sorted({name for build in BUILDS for name in build.tests})
    status, words = outcome(tree, ["--collect-only", *names])
    assert status == 0, words


def _marks(build):
    """Those that only tests with servers turn red are for `make check-all`."""
    quick = any(name.startswith("tests/unit/") for name in build.tests)
    return [] if quick else [pytest.mark.long]


@pytest.mark.parametrize("build", [
    pytest.param(build, id=build.what, marks=_marks(build)) for build in BUILDS])
def test_a_broken_promise_turns_tests_red(tree, build):
    path = tree / build.file
    whole = path.read_text(encoding="utf-8")
    assert whole.splitlines().count(build.line) == 1, f"{build.file} has no line {build.line!r}"
    try:
        path.write_text(whole.replace(build.line + "\n", build.instead + "\n"), encoding="utf-8")
        status, words = outcome(tree, build.tests)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert status == _RED, words
