"""maxlag over several elections: what was heard of the primary outlives the WAL receivers."""

import pytest

from paf import hindrances, ocf
from paf.actions import promote
from paf.cluster import base
from paf.decide import election, scores
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.wal import Position
from paf.notifications import pre_promote
from tests.unit import simulation
from tests.unit.test_promotion import BOTH, PLACE, killed, make  # noqa: F401

MINE = PLACE.position.value
MIB = 1024 * 1024
#: What both standbys have heard of before the receivers end, the election after which they do.
SEEN, LAST = 128 * MIB, 4


@pytest.fixture(autouse=True)
def positions_of_the_simulation(monkeypatch):
    simulation.stand_in(monkeypatch)


def lost(seed, **positions):
    """Return a World whose primary is gone: srv2 and srv3 have so many bytes of its WAL, or Facts.
    """
    world = simulation.World(seed, {name: Position(1, where) if isinstance(where, int) else where
                                    for name, where in positions.items()})
    world.maxlag = MIB
    for node in world.nodes.values():
        node.primary_seen = SEEN
        world.started(node.name, False, {"active": "srv1", "promoted": "srv1"})
    return world


def elect(world, rounds=10, cuts=LAST):
    """Have Pacemaker choose until no score is positive; return the node that was promoted, None.

    cuts: the number of the election after which no WAL receiver is left.
    """
    running = " ".join(world.nodes)
    for number in range(1, rounds + 1):
        chosen = max(world.nodes, key=lambda name: world.scores[name])
        if world.scores[chosen] <= 0:
            return None
        lists = dict(active=running, unpromoted=running, promote=chosen)
        world.notify(lists, "pre", list(world.nodes))
        if world.scores[chosen] > 0 and world.promote(chosen, lists):
            return chosen
        if number == cuts:
            forget(world)
    raise AssertionError(f"no end: {world.scores}, {world.reasons}")


def forget(world):
    """wal_receiver_timeout has ended the receivers."""
    for node in world.nodes.values():
        node.primary_seen = None


@pytest.mark.parametrize("seed", range(5))
def test_two_standbys_that_lag_are_not_chosen_by_turns_until_no_receiver_is_left(seed):
    world = lost(seed, srv2=80 * MIB, srv3=80 * MIB + 100000)
    assert elect(world, rounds=3) is None
    assert world.scores == {"srv2": scores.NOT_CONNECTED, "srv3": scores.NOT_CONNECTED}
    for name in ("srv2", "srv3"):
        assert scores.LATE in world.reasons[name]
        assert world.reasons[name].startswith("PAF-E109 ")


@pytest.mark.parametrize("seed", range(5))
def test_a_node_that_lags_gives_way_to_one_that_does_not(seed):
    world = lost(seed, srv2=80 * MIB, srv3=SEEN - 100000)
    assert elect(world) == "srv3"
    assert "srv3 is ahead: " in world.reasons["srv2"]


@pytest.mark.parametrize("seed", range(5))
def test_a_standby_that_lags_waits_for_no_vote(seed):
    """It would be tried again once that has come, and the receivers are gone."""
    world = lost(seed, srv2=80 * MIB, srv3=Unknown("pg_controldata was killed"))
    lists = dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2")
    world.notify(lists, "pre", ["srv2", "srv3"])
    assert world.scores["srv2"] == scores.NOT_CONNECTED and scores.LATE in world.reasons["srv2"]


@pytest.mark.parametrize("seed", range(5))
def test_what_was_heard_is_remembered_where_a_position_becomes_known_later(seed):
    """It was only a lower bound as long as receivers ran, and nothing could be refused."""
    world = lost(seed, srv2=AtLeast(Position(1, 80 * MIB), "killed"),
                 srv3=AtLeast(Position(1, 81 * MIB), "killed"))
    assert elect(world, cuts=1) is None
    assert set(world.scores.values()) == {election.WAITING}
    for node in world.nodes.values():
        node.position = node.position.value
    world.scores = {"srv2": election.LOSER_SCORE, "srv3": election.LOSER_SCORE}
    assert elect(world) is None
    assert all(scores.LATE in reason for reason in world.reasons.values())


# what a node remembers

@pytest.mark.parametrize("seen, own, found", [
    (None, Known(MINE), 900), (800, Known(MINE), 900), (1000, Known(MINE), 1000),
    (None, AtLeast(MINE, "x"), 900),
    (None, Known(MINE._replace(timeline=3)), None),    # a promotion came between
    (700, Known(MINE._replace(timeline=3)), 700), (700, Unknown("x"), 700)])
def test_the_furthest_end_that_was_heard_of_counts_on_its_timeline(
        make, seen, own, found):  # noqa: F811
    context = make(BOTH, maxlag=1000)
    assert hindrances.heard(context, PLACE._replace(primary_seen=900)) == 900
    assert hindrances.heard(context, PLACE._replace(primary_seen=seen, position=own)) == found


def test_a_start_forgets_it_and_without_maxlag_nothing_is_noted(make):  # noqa: F811
    context, where = make(BOTH, maxlag=1000), PLACE._replace(primary_seen=900)
    assert hindrances.heard(context, where) == 900
    context.cluster.enter(base.MARK_NONE, context.deadline)
    assert hindrances.heard(context, PLACE) is None
    context.parameters.maxlag = 0
    assert hindrances.heard(context, where) is None
    context.parameters.maxlag = 1000
    assert hindrances.heard(context, PLACE) is None


def test_where_no_note_can_be_written_a_node_votes_all_the_same(make, monkeypatch):  # noqa: F811
    def fail(*_):
        raise ocf.OcfError("cannot write pgsqlms-pgsqld.heard: No space left on device")
    context = make(BOTH, maxlag=1000)
    monkeypatch.setattr(context.cluster.notes, "write", fail)
    assert hindrances.heard(context, PLACE._replace(primary_seen=900)) == 900
    assert "No space left" in context.said[-1]


# a node that is ahead

FAR, NEAR = Known(MINE._replace(lsn=MINE.lsn + 1)), Known(MINE._replace(lsn=MINE.lsn + 600))


@pytest.mark.parametrize("theirs, seen, words", [
    (FAR, MINE.lsn + 1500, "lags by 1500 bytes"), (NEAR, MINE.lsn + 1500, None),
    (AtLeast(FAR.value, "x"), MINE.lsn + 1500, None), (Unknown("x"), MINE.lsn + 1500, None),
    (FAR, None, None), (FAR, MINE.lsn + 1000, None),
    # by its timeline
    (Known(Position(3, MINE.lsn - 500)), MINE.lsn + 900, "srv3 is ahead, and lags by 1400 bytes")])
def test_whether_a_node_is_refused_or_gives_way(make, theirs, seen, words):  # noqa: F811
    context = make(BOTH, maxlag=1000)
    killed(context, seen)
    context.cluster.counted = {"srv2": Known(MINE), "srv3": theirs}
    found = hindrances.lag(context, PLACE, "srv3")
    assert found.startswith(words) and scores.LATE in found if words else not found


def test_what_is_not_known_to_lag_does_not(make):  # noqa: F811
    context = make(BOTH, maxlag=1000)
    killed(context, MINE.lsn + 5000)
    assert hindrances.lag(context, PLACE)
    for fact in (AtLeast(MINE, "x"), Unknown("x")):
        assert hindrances.lag(context, PLACE._replace(position=fact)) is None


@pytest.mark.parametrize("accepted, score", [
    ((), scores.NOT_CONNECTED), (("srv3",), election.LOSER_SCORE)])
def test_the_same_where_promote_decides_alone(make, monkeypatch, accepted, score):  # noqa: F811
    """Its notification was killed. Who has the administrator's word is given way to."""
    monkeypatch.setattr("paf.instance.position.place", lambda *_: PLACE)
    context = make(BOTH, maxlag=1000, scores={"srv2": 1000, "srv3": 990},
                   accepted=set(accepted), online=["srv2", "srv3"])
    killed(context, MINE.lsn + 5000)
    context.cluster.votes["srv3"] = FAR
    with pytest.raises(ocf.OcfError, match="not promoted: "):
        promote.check_election(context)
    assert context.cluster.facts.scores["srv2"] == score


def test_one_whose_loss_is_accepted_is_given_way_to_whatever_it_lacks(make):  # noqa: F811
    context = make(BOTH, maxlag=1000, scores={"srv2": 1000, "srv3": 990}, accepted={"srv3"},
                   online=["srv2", "srv3"])
    killed(context, MINE.lsn + 5000)
    context.cluster.votes["srv3"] = FAR
    pre_promote._elect(context, PLACE)
    assert context.cluster.facts.scores == {"srv2": 1, "srv3": 1000}
