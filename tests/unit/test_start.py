"""What a start does beside starting the server."""

from collections import namedtuple

from paf import ocf
from paf.actions import start
from paf.cluster import base
from paf.deadline import Deadline
from paf.decide import state, transition
from tests.unit.support import environment, notify_variables

Context = namedtuple("Context", "in_cluster deadline log cluster notification node")
Log = namedtuple("Log", "warning info")


class Full:
    """Notes in a folder that is full."""

    def write(self, name, text):
        """Refuse."""
        raise ocf.OcfError(f"cannot write {name} (HA_RSCTMP): No space left on device {text}")

    def remove(self, name):
        """Do nothing: there is none."""


class Cluster:
    """A cluster that notes who enters."""

    def __init__(self):
        self.notes, self.entered = Full(), []

    def enter(self, mark, _):
        """Note that the node takes part."""
        self.entered.append(mark)


def test_a_standby_takes_part_in_elections_where_no_note_can_be_written():
    said, cluster = [], Cluster()
    lists = transition.read(environment(**notify_variables(promoted="srv1", start="srv2")))
    start.enter_cluster(Context(True, Deadline(30), Log(said.append, said.append), cluster, lists,
                                "srv2"), state.STOPPED_STANDBY)
    assert cluster.entered == [base.MARK_NONE]
    assert "No space left on device" in said[0]
