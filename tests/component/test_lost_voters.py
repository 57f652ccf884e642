"""Two losses at once: what was known of a node before counts after it is lost as well."""

import pytest

from paf.decide import election
from tests.component.test_elections import survivors  # noqa: F401

LISTS = dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2")


def test_a_standby_that_was_refused_beside_a_primary_is_a_candidate_once_that_one_is_lost(pair):
    """promoted-max was raised by mistake: Pacemaker wants a second primary again and again."""
    beside = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", promote="srv2")
    pair.store.set_score("srv2", 1000)
    pair.notify("pre", "promote", beside, ["srv1", "srv2"])
    assert "promoted-max=1" in pair.store.refusal("srv2")
    assert pair.store.score("srv2") == election.BARRED - 1
    assert pair["srv2"].agent("promote", lists=beside).code == 1
    pair["srv1"].kill()
    pair.move_vip(None)
    pair.store.add_member("srv1", online=False)
    lost = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1", stop="srv1")
    pair.notify("pre", "demote", lost, ["srv2"])
    assert pair.store.score("srv2") == election.LOSER_SCORE
    alone = dict(active="srv2", unpromoted="srv2", promote="srv2")
    assert pair.promote("srv2", alone, ["srv2"]).code == 0


@pytest.fixture
def departed(trio):
    """The primary is lost; srv3 votes for srv2, and loses its power before the promotion."""
    trio["srv1"].hold_still()
    trio.wait_for_streams("srv1", 2)
    trio["srv1"].kill()
    trio.move_vip(None)
    trio.notify("pre", "promote", LISTS, ["srv2", "srv3"])
    trio["srv3"].kill()
    for name in ("ballot", "lsn_location"):    # the attribute manager forgets a node that is lost
        trio.store.set_value(name, "srv3", "")
    trio.store.add_member("srv3", online=False)
    return trio


def test_a_node_that_is_lost_after_its_vote_has_voted(departed):
    """A promotion that fails has the candidate restarted, and was followed by a cold start."""
    run = departed["srv2"].agent("promote", lists=LISTS)
    assert run.code == 0 and "srv3 has left since the election" in run.log


def test_who_voted_and_left_may_go_on_elsewhere_where_quorum_is_lost(departed):
    departed.store.has_quorum(False)
    run = departed["srv2"].agent("promote", lists=LISTS)
    assert run.code == 1 and departed["srv2"].in_recovery
    assert not departed.store.value("synchronous", "srv2")


def test_promote_goes_by_the_stops_that_its_notification_had(trio):
    """Pacemaker 2.1.5 leaves one of two stops out of the lists of promote itself."""
    lists = dict(active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1",
                 promote="srv2")
    trio.wait_for_streams("srv1", 2)
    for name in ("srv3", "srv1"):
        trio[name].kill()
        trio.store.add_member(name, online=False)
    trio.move_vip(None)
    trio.notify("pre", "promote", dict(lists, stop="srv1 srv3"), ["srv2"])
    for stop in ("srv3", "srv1"):
        run = trio["srv2"].agent("promote", lists=dict(lists, stop=stop))
        assert run.code == 0, run


@pytest.mark.parametrize("comes", [dict(start="srv2"), {}])
def test_who_comes_after_an_election_is_not_one_that_is_stopped(survivors, comes):  # noqa: F811
    """A transition was aborted for it, and the next notification was killed, or never run."""
    trio = survivors
    trio.notify("pre", "promote", dict(active="srv3", unpromoted="srv3", promote="srv3"), ["srv3"])
    active = "srv3" if comes else "srv2 srv3"
    lists = dict(active=active, unpromoted=active, promote="srv3", **comes)
    assert trio["srv3"].agent("promote", lists=lists).code == 1
    assert trio["srv3"].in_recovery and "srv2" in trio.store.refusal("srv3")


def test_a_node_that_is_a_member_and_has_withdrawn_its_vote_has_not(departed):
    departed.store.add_member("srv3")
    assert departed["srv2"].agent("promote", lists=LISTS).code == 1
    assert "srv3 did not report" in departed.store.refusal("srv2")


def test_a_vote_of_another_round_does_not_count_for_a_node_that_is_lost(departed):
    note = departed["srv2"].temporary / "pgsqlms-pgsqld.votes"
    note.write_text("passed 0123" + note.read_text()[note.read_text().index("\n"):])
    assert departed["srv2"].agent("promote", lists=LISTS).code == 1
    assert "srv3 did not report" in departed.store.refusal("srv2")
