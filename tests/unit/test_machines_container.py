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
        made.due = None
        if not made.runs:
            made.process = Ended(None)
    monkeypatch.setattr(made, "start", start)
    monkeypatch.setattr(made, "clear", lambda: None)
    return made


@pytest.fixture
def clock(monkeypatch):
    """The time, [seconds]."""
    now = [1000.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: now[0])
    return now


def status(power):
    return power.obey("query-status")[0]["return"]["status"]


def boots(power, clock):
    """Whether it is in its firmware now, and has booted once that is over."""
    power.look()
    before, clock[0] = power.runs, clock[0] + board.FIRMWARE
    power.look()
    return not before and power.runs


def test_a_reset_is_reported_once_the_old_container_has_ended(power, clock):
    power.start()
    old = power.process
    assert power.obey("system_reset") == [board.RESET, {"return": {}}]
    assert old.poll() == -signal.SIGKILL and power.process is not old
    assert boots(power, clock)


def test_a_container_that_was_killed_stays_off_until_it_is_fenced(power, clock):
    power.process = Ended(-signal.SIGKILL)
    power.look()
    assert status(power) == "shutdown"
    power.obey("system_reset")
    assert status(power) == "running" and boots(power, clock)


def test_a_reset_container_boots_after_corosync_has_noticed_its_loss(power, clock):
    # token 3 s, 0.65 s for a third node, and 1.2 times that for the consensus
    assert 3.65 * 2.2 < board.FIRMWARE
    power.start()
    power.obey("system_reset")
    power.obey("cont")                  # as the fence agent does with what does not run
    assert not power.runs and status(power) == "running"
    power.obey("system_reset")          # a second fencing
    assert boots(power, clock)
    power.obey("system_reset")
    power.stop()
    power.look()
    assert status(power) == "shutdown" and not boots(power, clock)


def test_a_container_that_reboots_is_started_and_one_that_switches_itself_off_is_not(power, clock):
    power.process = Ended(-signal.SIGHUP)
    assert boots(power, clock) and status(power) == "running"
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
