"""What all tests share: the markers, and the profile of the generated ones."""

import os
import pathlib
import signal

import hypothesis
import pytest

from lab.tools import usual_surroundings

MARKERS = {
    "unit": "needs no server and no rights; milliseconds",
    "component": "the real agent against real PostgreSQL, with stand-ins for Pacemaker's programs",
    "fast": "a component test that `make check-fast` runs",
    "docs": "builds the documentation, or reads it",
    "root": "needs to be run as root",
    "cluster": "needs the lab: a real cluster in namespaces",
    "long": "takes a minute or more and guards what seldom changes: `make check-all` runs it",
    "no_cover": "generated histories, too slow under coverage: `make check` does not measure them",
    "since": "needs that major version of PostgreSQL; deselected with an older one",
    "xdist_group": "tests that one process runs, one after the other",
}
_FOLDERS = {"unit": "unit", "component": "component", "cluster": "cluster", "docs": "docs"}

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile(
    "paf", deadline=None, database=None, print_blob=True,
    # the same examples in each run: a change turns a test red, not chance; `make elections` draws
    derandomize="PAF_HISTORIES" not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("paf")


#: Modules that keep a process busy for minutes.
_LONGEST = ("test_quickstart.py", "test_rewind_cut.py", "test_rebuild.py", "test_synchronous.py",
            "test_shutdowns.py")


def pytest_configure(config):
    """Register the markers, so that a misspelt one is an error; forget the developer's shell."""
    usual_surroundings()
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")


@pytest.hookimpl(tryfirst=True)    # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """Mark each test with the name of its folder, and with what has to run in one process.

    A module shares its lab or its servers, unless its tests have groups of their own; the packages
    are built once for all their tests. One that needs root is left out of what runs without it:
    `-m "unit or fast"`.
    """
    for item in items:
        folder = item.path.parent.name
        together = folder if folder == "packaging" else item.path.name
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(together))
        marker = _FOLDERS.get(folder)
        if marker and not item.get_closest_marker("root"):
            item.add_marker(getattr(pytest.mark, marker))
    # what takes longest comes first, so that something else runs beside it
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture
def foreground():
    """The handlers of a command that a shell starts in the foreground, as this may not be."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL,
             signal.SIGHUP: signal.SIG_DFL}
    before = [(number, signal.signal(number, handler)) for number, handler in usual.items()]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def repository():
    """The checkout's folder (pathlib.Path)."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data():
    """The folder of recorded output (pathlib.Path)."""
    return REPOSITORY / "tests" / "data"
