"""What a step is made of: states that a node can be in, and events that happen to a cluster.

Each is a row: a word for command lines, the roles of the nodes that it may be for, and
do(lab, node), whose docstring says what it is. It returns what takes it back (or None). What cannot
be done now, because the node is off or runs no server, raises one of IMPOSSIBLE.
"""

from dataclasses import dataclass

from lab.tools import LabError

PRIMARY, STANDBY = "primary", "standby"
IMPOSSIBLE = (LabError, ProcessLookupError)


@dataclass(frozen=True)
class Move:
    """A state or an event.

    roles: of the nodes it may be for. fences: whether the node may be fenced for it. loses: whether
    an asynchronous cluster may lose rows by it. unmanaged: Pacemaker acts no more on the node (on
    the whole cluster where `node` is empty). by_hand: the node takes writes beside the primary
    until Pacemaker stops it.
    """

    word: str
    do: object
    roles: tuple = (PRIMARY, STANDBY)
    fences: bool = False
    loses: bool = False
    unmanaged: bool = False
    by_hand: bool = False


class Moves(dict):
    """Moves by their word: `@moves.row(word)` above the function that does it."""

    def row(self, word, **more):
        """Add the decorated function."""
        def add(do):
            self[word] = Move(word, do, **more)
            return do
        return add
