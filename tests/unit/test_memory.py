"""Where `make check` keeps labs and servers: in memory, if there is enough."""

import os

import pytest

from tests import memory

TMPFS = "tmpfs {0} tmpfs rw,relatime 0 0\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a file system in memory, and room for the tests."""
    place = tmp_path / "shm"
    place.mkdir()
    (tmp_path / "mounts").write_text("/dev/vda / ext4 rw 0 0\n" + TMPFS.format(place))
    (tmp_path / "meminfo").write_text("MemTotal: 25000000 kB\nMemAvailable:   20000000 kB\n")
    monkeypatch.setattr(memory, "SHARED_MEMORY", str(place))
    monkeypatch.setattr(memory, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "FREE", 0)
    monkeypatch.delenv("PAF_LAB_DIR", raising=False)
    monkeypatch.delenv("PAF_TEST_DIR", raising=False)
    return tmp_path


def test_with_room_labs_and_servers_live_in_memory(machine):
    place = str(machine / "shm")
    assert memory.environment() == {
        "PAF_LAB_DIR": f"{place}/paf-check-{os.getpid()}", "PAF_TEST_DIR": place}


def test_a_folder_that_was_chosen_is_left_as_it_is(machine, monkeypatch):
    monkeypatch.setenv("PAF_LAB_DIR", "/var/tmp/mine")
    assert memory.environment() == {"PAF_TEST_DIR": str(machine / "shm")}


@pytest.mark.parametrize("file, text", [
    ("mounts", "/dev/vda / ext4 rw 0 0\n"),
    ("mounts", "tmpfs {0} tmpfs rw,noexec 0 0\n"),
    ("mounts", "/dev/vda {0} ext4 rw 0 0\n"),
    ("meminfo", "MemAvailable: 4000000 kB\n"),
    ("meminfo", "MemTotal: 25000000 kB\n")])
def test_without_room_they_stay_on_the_disk(machine, file, text):
    (machine / file).write_text(text.format(machine / "shm"))
    assert memory.environment() == {}


def test_a_full_file_system_is_no_room(machine, monkeypatch):
    monkeypatch.setattr(memory, "FREE", 1 << 62)
    assert memory.environment() == {}


def test_what_a_run_leaves_is_removed_unless_a_lab_is_in_it(machine):
    place = machine / "shm"
    gone, kept, running, lab = (place / name for name in (
        f"paf-check-{os.getpid()}", "paf-other", "paf-check-1", "paf-check-999999999"))
    for folder in (gone / ".cache", kept, running / ".cache", lab / "demo"):
        folder.mkdir(parents=True)
    memory.clean()
    assert sorted(place.iterdir()) == sorted([kept, running, lab])
