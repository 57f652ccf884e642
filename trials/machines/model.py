"""What a fault on machines is, and the scene that it is played in."""

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lab.machines import layout
from lab.machines.bridges import plugged


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    play(scene) plays it, and returns the names of the nodes that had to be fenced, None where that
    may come out in more than one way. It raises
    AssertionError or LabError where something is not as it should be. smoke: one of the few
    that are played where time is short. only: the kind of nodes that it needs: guests where it
    needs a kernel of its own, containers for their control groups. prepare(lab) makes another
    cluster of it first. two: it shows what makes a second primary, which is no failure of it then.
    """

    name: str
    what: str
    expected: str
    play: Any
    smoke: bool = False
    only: str = ""
    prepare: Any = None
    two: bool = False

    @property
    def kinds(self):
        """The kinds of nodes that it can be played on."""
        return (self.only,) if self.only else (layout.CONTAINERS, layout.GUESTS)


def title(name, kind):
    """Return what the result of a fault on a kind of nodes is kept as."""
    return name if kind == layout.GUESTS else f"{name}, {kind}"


class Table(list):
    """The faults: `@TABLE.row(name, what, expected)` above the function that plays one.

    usual: what its faults have where they do not say otherwise.
    """

    def __init__(self, **usual):
        super().__init__()
        self.usual = usual

    def row(self, name, what, expected, **more):
        """Add the decorated function as the way to play the fault."""
        def add(play):
            self.append(Fault(name, what, expected, play, **{**self.usual, **more}))
            return play
        return add


@dataclass
class Scene:
    """The cluster while a fault is played in it."""

    lab: Any
    client: Any
    run: str
    remarks: list = field(default_factory=list)
    fenced: Counter = field(default_factory=Counter)    # before the fault

    @functools.cached_property
    def old(self):
        """The primary's name at the beginning."""
        return self.lab.primary()

    @functools.cached_property
    def others(self):
        """The names of the standbys at the beginning."""
        return [name for name in self.lab.members if name != self.old]

    @property
    def victim(self):
        """The guest that is the primary at the beginning."""
        return self.lab.nodes[self.old]

    def cut(self, name):
        """Cut a node off from the others and from clients, until the fault is over."""
        plugged(self.lab.hub, name, False)

    def successor(self):
        """Wait until another guest is the primary; return its name."""
        return self.lab.primary(self.others)
