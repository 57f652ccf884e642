"""A connection that asks, or copies, has a node's name, and says nothing of its instance."""

import pytest

from paf import synchronous
from paf.decide.scores import Replica
from tests.unit.test_acknowledged import context, store

__all__ = ["store"]


@pytest.mark.parametrize("state, flushed, removed", [
    ("startup", None, []), ("backup", None, []), ("streaming", 600, ["srv2"])])
def test_it_removes_no_last_words(store, state, flushed, removed):
    """A base backup that runs on a node whose instance is stopped has the node's name."""
    store.last_words["srv2"] = "2#500"
    gone = []
    store.forget_last_words = lambda node, _: gone.append(node)
    row = ["me", "false", "0", "", "", ""]
    for step in synchronous.steps(context(store, "srv1"), store.view(), row, [
            Replica("srv2", state, flushed, 0, flushed)], 2, None):
        step()
    assert gone == removed
