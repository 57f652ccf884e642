"""What a fault is, what is seen while it is played, the result."""

import functools
import re
from dataclasses import dataclass, field

from lab.lab import Lab
from lab.scenarios import Play
from lab.traffic import Client
from trials.faults.foreseen import Foreseen, ask


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    play(scene) plays it on a cluster, and returns the names of the nodes that had to be fenced
    (None: none). It raises AssertionError or LabError where something is not as it should be.
    tests: pytest ids, where a cluster adds nothing. reason: a regular expression that people must
    find in crm_mon. budget: the longest outage allowed, in undisturbed switchovers of the same run
    (None: the fault itself lasts). stage: the cluster, see stage.STAGES. quick: belongs to
    `make check`.
    """

    number: int
    name: str
    how: str
    expected: str
    play: object = None
    tests: tuple = ()
    reason: str = ""
    budget: float = 25
    stage: str = "three nodes"
    quick: bool = False


class Table(list):
    """The faults of one group: `@table.row(number, name, how, expected)` above the function."""

    def row(self, number, name, how, expected, **more):
        """Add the decorated function as the way to play the fault."""
        def add(play):
            self.append(Fault(number, name, how, expected, play=play, **more))
            return play
        return add

    def tested(self, number, name, how, expected, *tests, **more):
        """Add a fault that tests without a cluster play."""
        self.append(Fault(number, name, how, expected, tests=tests, **more))


@dataclass
class Scene:
    """The cluster while a fault is played in it."""

    lab: Lab
    play: Play
    client: Client
    begin: float
    texts: list = field(default_factory=list)
    foreseen: Foreseen | None = None    # None where no forecast was asked for

    def foresee(self, node):
        """Ask for the forecast of a node's loss, just before it is lost."""
        self.foreseen = ask(self.lab, node, self.lab.now())
        return self.foreseen.loss

    def came_true(self):
        """End what the forecast is compared with; without this, it ends with the fault."""
        if self.foreseen and self.foreseen.promoted is None:
            done = Play("", "", transitions=self.lab.transitions(self.foreseen.at))
            self.foreseen.promoted = [node for _, node in done.actions("promote")]

    def actions(self, *operations):
        """Return (operation, node) of what Pacemaker did to the instances since the beginning."""
        return Play("", "", transitions=self.lab.transitions(self.begin)).actions(*operations)

    def settled(self, **expected):
        """Wait until the cluster is settled and as expected; see lab.settle."""
        self.lab.wait_settled(180, **expected)

    def remember(self):
        """Keep what crm_mon shows now, for reasons that go away again."""
        self.texts.append(self.lab.crm_mon())

    def shows(self, pattern):
        """Return whether crm_mon shows, or has shown, text that the regular expression fits."""
        self.remember()
        return any(re.search(pattern, text) for text in self.texts)

    @functools.cached_property
    def others(self):
        """The names of the nodes that were no primary at the beginning."""
        return [name for name in self.lab.nodes if name != self.old]

    @functools.cached_property
    def old(self):
        """The primary's name at the beginning."""
        return self.lab.primary()
