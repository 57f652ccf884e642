"""Actions in orders in which Pacemaker seldom calls them."""

import pytest

from tests.component.test_elections import survivors, with_candidate

__all__ = ["survivors"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_candidate_that_ended_after_its_election_is_started_and_promoted(survivors, end):
    """What it voted with is on its disk; the start began without a round, and promote failed."""
    lists = with_candidate("srv2")
    survivors.notify("pre", "promote", lists, ["srv2", "srv3"])
    getattr(survivors["srv2"], end)()
    run = survivors["srv2"].agent("promote", lists=lists)
    assert run.code == 0, run
    assert survivors["srv2"].monitor().code == 8


def test_without_an_election_an_instance_that_is_down_is_started_as_any_other(survivors):
    """crm_resource --force-promote: it is compared, and takes part in elections, and is refused."""
    lists = with_candidate("srv2")
    survivors["srv2"].stop()
    run = survivors["srv2"].agent("promote", lists=lists)
    assert run.code == 1 and "no election was held" in run.reason
    assert survivors.store.value("ballot", "srv2")


def test_a_primary_that_is_demoted_without_a_successor_says_that_it_was_one(pair):
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1")
    assert pair["srv1"].monitor().code == 8
    assert pair["srv1"].agent("demote", lists=lists).code == 0
    assert pair.store.value("line", "srv1").startswith("own ")


def test_a_promotion_of_another_resource_of_the_group_leaves_ballots_alone(survivors):
    survivors.notify("pre", "promote", with_candidate("srv2"), ["srv2", "srv3"])
    before = survivors.store.value("ballot", "srv2")
    survivors.notify("pre", "promote", dict(with_candidate("srv2"), promote=" "), ["srv2", "srv3"])
    assert survivors.store.value("ballot", "srv2") == before and before
