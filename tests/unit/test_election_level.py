"""A standby with all of the last primary's WAL is as good as that, where it cannot be promoted."""

import pytest

from paf.decide import election
from paf.decide.knowledge import AtLeast, Known
from paf.decide.timelines import line_from_wire
from paf.decide.wal import Position
from tests.unit.test_election import UNMARKED, UNMARKED_STANDBY

HERE = Known(Position(3, 900))


@pytest.mark.parametrize("mine, behind, vote, promoted", [
    (UNMARKED_STANDBY, [], HERE, True), (UNMARKED_STANDBY, ["srv2"], HERE, False),
    (UNMARKED.replace("own", "maybe"), [], HERE, False),
    (UNMARKED_STANDBY, [], Known(Position(3, 899)), False),
    (UNMARKED_STANDBY, [], AtLeast(Position(3, 900), "x"), False)])
def test_a_standby_at_the_same_position_follows_a_primary_that_was_demoted(
        mine, behind, vote, promoted):
    """The segment in which their timeline began is recycled: that alone is no reason to refuse."""
    votes = {"srv1": HERE, "srv2": vote}
    lines = {"srv1": line_from_wire(UNMARKED), "srv2": line_from_wire(mine)}
    found = election.decide("srv2", list(votes), votes, "srv1", lines, False, behind)
    assert found.promote is promoted
