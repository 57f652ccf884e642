"""Each package is built once, by the command that people use, and each test gets a new root."""

import resource

import pytest

from tests import interpreters
from tests.packaging.support import REPOSITORY, Root, need, run


def pytest_configure(config):
    """Register the marker of this folder."""
    config.addinivalue_line("markers", "packaging: builds the packages and installs them (root)")


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder."""
    for item in items:
        if "packaging" in item.path.parent.name:
            item.add_marker(pytest.mark.packaging)


def _processor_seconds():
    """Return the processor time that the programs of this process have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the checkout, as it was when the tests began; people go on working in their own."""
    folder = tmp_path_factory.mktemp("checkout")
    run(REPOSITORY / "tools/copy-source.sh", folder)
    return folder


@pytest.fixture(scope="session")
def build(checkout, tmp_path_factory):
    """A function that runs `make` with the words given, once, and returns the file it names.

    That each takes less than a minute is part of the promise; on a machine without other work.
    """
    dist = tmp_path_factory.mktemp("dist")
    built = {}

    def make(*words):
        if words not in built:
            begin = _processor_seconds()
            result = run("make", "-s", *words, cwd=checkout,
                         env={"DIST": str(dist / "-".join(words))})
            took = _processor_seconds() - begin
            # a slow processor needs more of it
            assert took < 120, f"make {' '.join(words)} took {took:.0f} s of processor time"
            built[words] = checkout / result.stdout.strip().splitlines()[-1]
            assert built[words].is_file()
        return built[words]
    return make


@pytest.fixture
def root(tmp_path):
    """A Root to install into."""
    need("unshare", "util-linux")
    return Root(tmp_path / "root")


@pytest.fixture(scope="session")
def pythons():
    """The interpreters that the agent has to be tried under, by version; all that must be there."""
    found = interpreters.found()
    missing = [version for version in interpreters.REQUIRED if version not in found]
    if missing:
        pytest.fail(f"no Python {', '.join(missing)} here: run tests/install-interpreters.sh, or "
                    "name their folders in PAF_INTERPRETERS", pytrace=False)
    return found
