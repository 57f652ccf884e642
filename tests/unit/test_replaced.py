"""A call of the agent while a package manager replaces its files, one after the other."""

import os
import shutil
import subprocess
import time

import pytest

from tests.conftest import REPOSITORY

#: A module of each moment: before main, within it, of what is printed, of an action.
NEEDED = [("agent", "meta-data"), ("ocf", "meta-data"), ("metadata", "meta-data"),
          ("agent", "validate-all"), ("parameters", "validate-all"),
          ("actions/validate", "validate-all")]


@pytest.fixture
def installed(tmp_path):
    """The folder of a library of its own."""
    for name in ("paf", "resource.d"):
        shutil.copytree(REPOSITORY / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def call(folder, action):
    """Start an action; return its Popen."""
    return subprocess.Popen(
        [str(folder / "resource.d" / "pgsqlms"), action], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "OCF_ROOT": "/usr/lib/ocf", "OCF_RESKEY_pgdata": "/none",
             "OCF_RESOURCE_INSTANCE": "pgsqld", "HA_RSCTMP": str(folder)})


def expected(folder, action):
    """Return (status, output, errors) of an action with all files of one version."""
    process = call(folder, action)
    said = process.communicate(timeout=60)
    return (process.returncode, *said)


def change(folder, name, text):
    """Put a module in place as a package manager does: a new file under the old name."""
    path = folder / "paf" / f"{name}.py"
    path.with_name("new").write_text(text)
    path.with_name("new").rename(path)


@pytest.mark.parametrize("name, action", NEEDED)
def test_a_call_among_files_of_two_versions_is_started_again(installed, name, action):
    good = (installed / "paf" / f"{name}.py").read_text()
    right = expected(installed, action)
    change(installed, name, "from paf.ocf import a_name_of_the_other_version\n")
    process = call(installed, action)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    change(installed, name, good)
    said = process.communicate(timeout=60)
    assert (process.returncode, *said) == right


def test_a_mistake_in_files_that_nobody_replaces_fails_at_once(installed):
    change(installed, "parameters", "from paf.ocf import a_name_of_the_other_version\n")
    old = time.time() - 3600
    for folder, _, _ in os.walk(installed):
        os.utime(folder, (old, old))
    status, _, errors = expected(installed, "validate-all")
    assert status == 1 and "a mistake in the agent" in errors


def test_an_agent_whose_library_is_not_there_yet_waits_for_it(installed):
    right = expected(installed, "validate-all")
    (installed / "paf").rename(installed / "later")
    os.utime(installed / "resource.d")    # where the agent has just been put
    process = call(installed, "validate-all")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    (installed / "later").rename(installed / "paf")
    said = process.communicate(timeout=60)
    assert (process.returncode, *said) == right


def test_a_mistake_that_stays_is_reported_in_the_end(installed):
    change(installed, "parameters", "from paf.ocf import a_name_of_the_other_version\n")
    status, _, errors = expected(installed, "validate-all")
    assert status == 1 and "a mistake in the agent" in errors


LATE = """
import __main__, os, time
with open({path!r}, "w") as stream:
    stream.write({good!r})
__main__.BEGAN -= 40
for folder, _, _ in os.walk({top!r}):
    os.utime(folder, (time.time() - 35, time.time() - 35))
raise ImportError("a name of the other version")
"""


def test_a_long_action_is_started_again_however_long_ago_the_files_were_replaced(installed):
    """A shutdown checkpoint has outlasted the upgrade by more than half a minute."""
    path = installed / "paf" / "actions" / "validate.py"
    good, right = path.read_text(), expected(installed, "validate-all")
    path.write_text(LATE.format(path=str(path), good=good, top=str(installed)))
    assert expected(installed, "validate-all") == right


def test_a_folder_from_the_future_hides_no_change(installed):
    """The clock was set back since the agent was installed."""
    good, right = (installed / "paf" / "parameters.py").read_text(), expected(
        installed, "validate-all")
    os.utime(installed / "resource.d", (time.time() + 3600, time.time() + 3600))
    change(installed, "parameters", "from paf.ocf import a_name_of_the_other_version\n")
    process = call(installed, "validate-all")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    change(installed, "parameters", good)
    said = process.communicate(timeout=60)
    assert (process.returncode, *said) == right


def test_an_agent_whose_library_was_removed_says_so(installed):
    shutil.rmtree(installed / "paf")
    os.utime(installed / "resource.d", (1, 1))
    status, _, errors = expected(installed, "stop")
    assert status == 1
    assert f"ocf-exit-reason:{installed}/paf is missing: install the agent again" in errors
