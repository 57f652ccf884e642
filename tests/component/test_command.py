"""What the command paf does with a real server."""

import pytest

from paf.cli.common import Problem
from paf.cli.operate import reload_verb
from tests.component.test_health import of


def test_a_reload_is_seen_to_be_done(node, monkeypatch):
    """A server reads its files a moment after it was asked to."""
    node.server.start()
    node.server.configure("max_connections = 77", "work_mem = '5MB'")
    for _ in range(3):
        reload_verb.reload(of(node))
        assert reload_verb.ask(of(node), reload_verb._PENDING) == [["max_connections"]]
    assert node.server.value("SHOW work_mem") == "5MB"
    node.server.configure("work_mem 5 MB")
    monkeypatch.setattr(reload_verb, "_PATIENCE", 2.0)
    with pytest.raises(Problem, match="its log says why"):
        reload_verb.reload(of(node))
