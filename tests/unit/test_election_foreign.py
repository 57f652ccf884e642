"""Elections where a node has the data of another cluster: initdb was run there again."""

import pytest

from paf.decide import election
from paf.decide.knowledge import Known
from paf.decide.timelines import line_from_wire
from paf.decide.wal import Position


@pytest.mark.parametrize("own", ["own", "not", "maybe"])
@pytest.mark.parametrize("foreign, later", [(Position(1, 900), ""), (Position(5, 10), " 5:10:e")])
@pytest.mark.parametrize("voters", [("srv1", "srv2", "srv3"), ("srv1", "srv3"), ("srv2", "srv3")])
@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("behind", [["srv3"], []])
def test_another_clusters_data_wins_no_election(own, foreign, later, voters, certain, behind):
    """It was made by another initdb: its timeline and LSN say nothing here."""
    where = {"srv1": Known(Position(1, 500)), "srv2": Known(Position(1, 500)),
             "srv3": Known(foreign)}
    said = {"srv1": "own 0:0:17 1:0:initdb", "srv2": "not 0:0:17 1:0:initdb",
            "srv3": own + " 0:0:18 1:0:initdb" + later}
    votes = {node: where[node] for node in voters}
    lines = {node: line_from_wire(said[node]) for node in voters}
    for node in voters:
        verdict = election.decide(node, list(voters), votes, "srv1", lines, certain, behind)
        assert node != "srv3" or not verdict.promote
        assert verdict.better != "srv3"
        assert node != "srv1" or verdict.promote
        assert "srv1" in voters or "start srv1" in verdict.reason


@pytest.mark.parametrize("behind, winner", [([], None), (["srv2"], "srv3")])
@pytest.mark.parametrize("lsn, strays", [(30, False), (31, True)])
def test_a_standby_that_was_promoted_by_hand_does_not_win(lsn, strays, behind, winner):
    """Without the last primary: srv3 has WAL behind the place where srv2 began another timeline."""
    votes = {"srv2": Known(Position(4, 900)), "srv3": Known(Position(3, lsn))}
    lines = {"srv2": line_from_wire("not 1:0:initdb 3:20:b 4:30:d"),
             "srv3": line_from_wire("not 1:0:initdb 3:20:b")}
    for candidate in votes:
        verdict = election.decide(candidate, list(votes), votes, "srv1", lines)
        assert verdict.promote == (not strays and candidate == "srv2")
        assert not strays or verdict.better is None and "start srv1" in verdict.reason
    # where only scores say who was the primary
    verdict = election.decide("srv3", list(votes), votes, "srv1", lines, False, behind)
    assert verdict.better == (None if strays and winner else "srv2")
