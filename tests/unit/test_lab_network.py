"""The lab's network is changed by several processes: the power daemon, and tests that break it."""

import threading
import time
import types

from lab.network import alone


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
    network = Changed(tmp_path)
    threads = [threading.Thread(target=network.change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert network.steps == ["begin", "end"] * 4


def test_a_lab_that_is_being_removed_needs_no_lock(tmp_path):
    network = Changed(tmp_path / "gone")
    network.change()
    assert network.steps == ["begin", "end"]
