"""A remote node has no vote: paf forecast asks corosync for the others only."""

from types import SimpleNamespace

from paf.cli.status import forecast, simulate
from tests.unit.test_cli_operate import FENCED, report

__all__ = ["report"]


def test_a_remote_node_takes_no_vote_with_it(report, monkeypatch):
    """It has none, and its number in crm_mon is its name."""
    asked = []
    monkeypatch.setattr(forecast.simulate, "loss", lambda *_: simulate.Outcome("srv1", True, ""))
    monkeypatch.setattr(forecast.succession, "foreseen", lambda report, outcome, nodes: outcome)
    monkeypatch.setattr(forecast.fencing, "of", lambda *_: FENCED)
    monkeypatch.setattr(forecast.votequorum, "is_kept_without",
                        lambda votes, numbers: asked.append(numbers) or True)
    sight = SimpleNamespace(
        report=report, managed=None, facts=SimpleNamespace(votes=None, ballot=None),
        configured=SimpleNamespace(properties={}, nodes=[], devices=[]),
        seen=SimpleNamespace(remote={"rem1"}, ids={"rem1": "rem1", "srv3": "3"}))
    forecast.of(None, sight, ["srv3", "rem1"])
    assert asked == [["3"]]
