"""What is known of a fact: its value, a lower bound of it, or why it could not be found out. Pure.

None, "", 0 and False are values. They never mean that a program gave no answer: each decision says
what it does with a fact that is Unknown, and names the reason.
"""


MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Any  # novm # noqa: F401


class Fact(object):
    """One of Known, AtLeast and Unknown. Equal to a fact of the same class and content only.

    value: what is known of it, None for Unknown; reason: why there is no more (str), "" for Known.
    """

    __slots__ = ("value", "reason")

    def __init__(self, value, reason):
        # type: (Any, str) -> None
        self.value, self.reason = value, reason

    def __eq__(self, other):
        # type: (object) -> bool
        return type(self) is type(other) and (self.value, self.reason) == (
            other.value, other.reason)

    def __ne__(self, other):
        # type: (object) -> bool
        return not self == other

    def __hash__(self):
        # type: () -> int
        return hash((type(self).__name__, self.value, self.reason))

    def __repr__(self):
        # type: () -> str
        return "{0}({1!r}, {2!r})".format(type(self).__name__, self.value, self.reason)

    def __bool__(self):
        # type: () -> bool
        raise TypeError("a fact is neither true nor false: ask for its class")

    __nonzero__ = __bool__


class Known(Fact):
    """The fact was found out: `value`, of whatever type."""

    __slots__ = ()

    def __init__(self, value):
        # type: (Any) -> None
        Fact.__init__(self, value, "")


class AtLeast(Fact):
    """A lower bound was found out, and the fact may be more; `reason` says why it is not known."""

    __slots__ = ()


class Unknown(Fact):
    """The fact could not be found out; `reason` says why."""

    __slots__ = ()

    def __init__(self, reason):
        # type: (str) -> None
        Fact.__init__(self, None, reason)


def is_known(fact):
    # type: (Fact | None) -> bool
    """Return True for a Known fact, False for a bound and for what could not be found out."""
    return isinstance(fact, Known)
