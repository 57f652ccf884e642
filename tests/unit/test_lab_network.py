"""The lab's network is changed by several processes: the power daemon, and tests that break it."""

import os
import threading
import time
import types

import pytest

from lab import network
from lab.network import alone
from lab.node import Node


class Changed:
    """A network whose change takes a while."""

    def __init__(self, folder):
        self.settings, self.steps = types.SimpleNamespace(folder=folder), []

    @alone
    def change(self):
        self.steps.append("begin")
        time.sleep(0.05)
        self.steps.append("end")


def test_one_at_a_time_changes_it(tmp_path):
    """A wire that was taken back while its node was plugged in left the port in no bridge."""
    wires = Changed(tmp_path)
    threads = [threading.Thread(target=wires.change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wires.steps == ["begin", "end"] * 4


def test_a_lab_that_is_being_removed_needs_no_lock(tmp_path):
    wires = Changed(tmp_path / "gone")
    wires.change()
    assert wires.steps == ["begin", "end"]


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError, PermissionError])
def test_a_node_whose_first_process_is_just_ending_is_off(tmp_path, monkeypatch, error):
    """The kernel refuses its namespace then, with one of these."""
    (tmp_path / "pid").write_text("7777777")
    (tmp_path / "lab-srv1").touch()
    monkeypatch.setattr(network, "NETNS", tmp_path)
    stat = os.stat

    def ending(path, **more):
        if str(path).startswith("/proc/7777777"):
            raise error
        return stat(path, **more)
    monkeypatch.setattr(os, "stat", ending)
    node = types.SimpleNamespace(
        name="srv1", disk=types.SimpleNamespace(folder=tmp_path),
        settings=types.SimpleNamespace(netns="lab-{}".format))
    assert vars(Node)["pid"].fget(node) is None
