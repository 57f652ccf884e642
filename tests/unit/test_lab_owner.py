"""Two labs of one name never meet."""

import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

from lab import owner, settings
from lab.settings import CHECKOUT, Settings
from lab.tools import LabError

HOLD = """
import sys
from lab import owner, settings
print(owner.free_name(sys.argv[1]), flush=True)
if "keep" in sys.argv:
    owner.keep(sys.argv[1])
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch):
    # pytest's own folders are closed to others
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="paf-labs-") as name:
        os.chmod(name, 0o755)
        monkeypatch.setenv("PAF_LAB_DIR", name)
        yield pathlib.Path(name)
        for lab in ("demo", "demo-2", "a" * 20):
            owner.release(lab)


@pytest.fixture
def other():
    """Start a process that takes a lab, and lives until its input ends: other(name, 'keep')."""
    started = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, "-B", "-c", HOLD, *arguments], cwd=CHECKOUT,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()
    yield start
    for process in started:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def test_a_second_process_gets_a_name_of_its_own(other):
    _, name = other("demo")
    assert name == "demo"
    assert owner.free_name("demo") == "demo-2"
    assert other("demo")[1] == "demo-3"


@pytest.mark.parametrize("uid, words", [
    (1000, "only root can make namespaces"), (0, "cannot write /x: Permission denied")])
def test_without_rights_there_is_one_sentence(folder, monkeypatch, uid, words):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/x")
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(LabError, match=words):
        owner.free_name("demo")


def test_a_long_name_stays_a_name(other):
    wanted = "a" * 25
    assert owner.free_name(wanted) == "a" * 20
    Settings(name=other(wanted)[1])


def test_one_sentence_says_who_has_a_lab_and_how_to_take_it_down(other, folder):
    process, _ = other("demo")
    with pytest.raises(LabError) as refused:
        owner.refuse_if_taken("demo")
    words = str(refused.value)
    assert f"belongs to process {process.pid}" in words and str(CHECKOUT) in words
    assert f"PAF_LAB_DIR={folder} python3 -m lab --lab demo down" in words
    assert "\n" not in words


def test_what_a_killed_process_has_left_is_an_orphan_and_its_name_free(other):
    process, _ = other("demo")
    assert not owner.is_orphan("demo")
    process.kill()
    process.wait()
    assert owner.is_orphan("demo")
    assert owner.free_name("demo") == "demo"


def test_a_lab_that_was_kept_is_no_orphan_and_stays_taken(other):
    process, _ = other("demo", "keep")
    process.stdin.close()
    process.wait()
    assert not owner.is_orphan("demo")
    with pytest.raises(LabError, match="was left up"):
        owner.refuse_if_taken("demo")
    owner.refuse_if_taken("demo", replace=True)     # `lab up` says that it replaces its own
    assert owner.free_name("demo") == "demo-2"


def test_a_lab_kept_by_another_checkout_is_never_replaced(other, monkeypatch):
    process, _ = other("demo", "keep")
    process.stdin.close()
    process.wait()
    monkeypatch.setattr(owner, "CHECKOUT", CHECKOUT / "elsewhere")
    with pytest.raises(LabError, match="was left up"):
        owner.refuse_if_taken("demo", replace=True)


def test_a_process_may_start_its_own_lab_again():
    name = owner.free_name("demo")
    owner.refuse_if_taken(name)
    owner.take(name)
    assert owner.is_mine(name) and owner.owner(name).pid == os.getpid()


def test_an_owner_that_cannot_be_read_is_no_orphan(folder):
    (folder / "demo").mkdir()
    assert not owner.is_orphan("demo")
    (folder / "demo" / owner.FILE).write_text("{", encoding="utf-8")
    assert not owner.is_orphan("demo")


def test_only_one_process_starts_or_stops_a_lab(folder):
    with owner.lock("demo"):
        with pytest.raises(LabError, match="being started or stopped"), owner.lock("demo"):
            pass
    assert list(folder.iterdir()) == []


def test_a_folder_where_servers_cannot_live_is_refused(monkeypatch, folder):
    (folder / "closed").mkdir(mode=0o700)
    monkeypatch.setenv("PAF_LAB_DIR", str(folder / "closed" / "labs"))
    with pytest.raises(LabError, match="closed to other users"):
        settings.check_folder()
    monkeypatch.setenv("PAF_LAB_DIR", "/var/tmp/" + "a" * 60)
    with pytest.raises(LabError, match="too long"):
        settings.check_folder()


def test_each_folder_of_labs_has_network_namespaces_of_its_own(monkeypatch, folder):
    one = Settings(name="demo").netns("srv1")
    monkeypatch.setenv("PAF_LAB_DIR", str(folder / "other"))
    other_one = Settings(name="demo").netns("srv1")
    assert one != other_one
    assert one.endswith(".demo.srv1") and other_one.endswith(".demo.srv1")
