"""Containers of the lab of machines without a container: their board and their control groups."""

import json
import signal

import pytest

from lab.machines import board, groups, image, layout


class Ended:
    """A process that has ended, or runs (None)."""

    def __init__(self, status):
        self.status = status

    def poll(self):
        return self.status

    def kill(self):
        self.status = -signal.SIGKILL

    wait = poll


@pytest.fixture
def power(tmp_path, monkeypatch):
    """A Board that starts nothing."""
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"name": "srv1"}), encoding="ascii")
    made = board.Board(str(path))

    def start():
        if not made.runs:
            made.process = Ended(None)
    monkeypatch.setattr(made, "start", start)
    monkeypatch.setattr(made, "clear", lambda: None)
    return made


def status(power):
    return power.obey("query-status")[0]["return"]["status"]


def test_a_reset_is_reported_once_the_old_container_has_ended(power):
    power.start()
    old = power.process
    assert power.obey("system_reset") == [board.RESET, {"return": {}}]
    assert old.poll() == -signal.SIGKILL and power.process is not old and power.runs


def test_a_container_that_was_killed_stays_off_until_it_is_fenced(power):
    power.process = Ended(-signal.SIGKILL)
    power.look()
    assert status(power) == "shutdown"
    power.obey("system_reset")
    assert status(power) == "running"


def test_a_container_that_reboots_is_started_and_one_that_switches_itself_off_is_not(power):
    power.process = Ended(-signal.SIGHUP)
    power.look()
    assert status(power) == "running"
    power.process = Ended(-signal.SIGINT)
    power.look()
    assert status(power) == "shutdown"


def test_a_container_cannot_be_paused(power):
    power.start()
    with pytest.raises(board.Refused, match="cannot stop"):
        power.obey("stop")


def test_groups_are_below_those_of_this_process(monkeypatch, tmp_path):
    text = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/u\n"
    assert groups.own(text) == {"systemd": "/", "memory": "/a/b", "cpu": "/c", "cpuacct": "/c",
                                "unified": "/u"}
    monkeypatch.setattr(groups, "ROOT", tmp_path)
    with pytest.raises(groups.LabError, match="guests do not"):
        groups.folders("x")


def test_groups_are_removed_with_what_systemd_has_made_in_them(tmp_path):
    place = tmp_path / "group"
    (place / "system.slice" / "a.service").mkdir(parents=True)
    groups.remove([place])
    assert not place.exists()


def test_containers_have_no_kernel_and_the_limits_of_debian():
    packages = image.recipe(layout.CONTAINERS).packages
    assert not any(name.startswith("linux-image") for name in packages)
    assert set(packages) < set(image.recipe(layout.GUESTS).packages)
    assert image.folder(layout.CONTAINERS) != image.folder(layout.GUESTS)
    assert "etc/systemd/system.conf.d/slow.conf" not in layout.files(layout.CONTAINERS)
    assert "default_request_timeout" not in image.recipe(layout.CONTAINERS).customize
