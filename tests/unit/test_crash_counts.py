"""How a crash that the watcher reports is counted: once, whatever else fails at that moment."""

import pytest

from paf import ocf
from paf.crash import failure_report
from paf.deadline import Deadline

COUNT = "fail-count-pgsqld#asyncmon_0"


class Attributes:
    """The part of a Cluster that is used; values: what attrd_updater answers, one after another."""

    def __init__(self, values):
        self.values_left, self.written = list(values), []

    def node(self, deadline):
        """Return the node's name."""
        del deadline
        return "srv1"

    def values(self, name, deadline):
        """Return the next answer; None raises the error of no answer."""
        del name, deadline
        value = self.values_left.pop(0) if len(self.values_left) > 1 else self.values_left[0]
        if value is None:
            raise ocf.OcfError("no answer")
        return {"srv1": value} if value else {}

    def checked(self, argv, deadline):
        """Note a command."""
        del deadline
        self.written.append(argv[-1])


@pytest.mark.parametrize("before, values, written", [
    ("", ["-1", "1"], []), ("2", ["1", None, "3"], []), ("2", ["1", "2"], ["--update=3"]),
    ("", ["-1", ""], ["--update=1"]), ("", ["INFINITY"], []), ("2", ["1", "INFINITY"], []),
    ("INFINITY", [""], []),
    ("-1", ["-1", ""], ["--update=1"])])    # of a watcher that was killed as it reported
def test_a_crash_counts_once_and_a_ban_stays(before, values, written):
    cluster = Attributes(values)
    failure_report.Report(cluster, COUNT, before).settle(Deadline(5), lambda seconds: None)
    assert cluster.written == written
