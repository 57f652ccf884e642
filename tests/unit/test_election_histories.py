"""Generated histories: rounds with late values, killed agents, nodes that come and go.

Whatever happened before, a promotion goes on only where no voter is ahead of the candidate.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paf.decide.wal import Position
from tests.unit.simulation import HISTORIES, stand_in, World

#: Hundreds of thousands of steps, which coverage would make several times slower.
pytestmark = pytest.mark.no_cover

NODES = ("srv1", "srv2", "srv3", "srv4")
POSITIONS = st.builds(Position, st.integers(1, 2), st.integers(1, 3))

#: One transition: which node is the candidate, what goes wrong, what changes afterwards.
ROUND = st.fixed_dictionaries({
    "candidate": st.integers(0, 3),
    "killed": st.dictionaries(st.integers(0, 3), st.integers(0, 12), max_size=2),
    "silent": st.sets(st.integers(0, 3), max_size=2),
    "lost": st.one_of(st.none(), st.integers(0, 3)),
    "promotes": st.booleans(),
    "unnotified": st.sets(st.integers(0, 3), max_size=4),
    "moves": st.dictionaries(st.integers(0, 3), POSITIONS),
    "returns": st.booleans(),
})


@pytest.fixture(autouse=True)
def positions_of_the_simulation(monkeypatch):
    stand_in(monkeypatch)
    monkeypatch.setattr("paf.hindrances._missing_shutdown",
                        lambda context, where: None)


def pick(world, number):
    names = sorted(world.nodes)
    return names[number % len(names)]


def play(world, plan):
    """Play one round; return (candidate, voters, promoted)."""
    candidate = pick(world, plan["candidate"])
    running = sorted(world.nodes)
    lists = dict(active=" ".join(running), unpromoted=" ".join(running), promote=candidate)
    heard = [name for name in running
             if name not in {pick(world, number) for number in plan["silent"]}]
    lives = {pick(world, number): lives for number, lives in plan["killed"].items()}
    world.notify(lists, "pre", heard, lives)
    if plan["lost"] is not None and len(world.nodes) > 1:
        lost = pick(world, plan["lost"])
        if lost != candidate:
            world.lose(lost)
            running.remove(lost)
    voters = [name for name in world.voters(lists) if name in world.nodes]
    promoted = plan["promotes"] and world.promote(candidate, lists)
    if plan["promotes"]:
        world.notify(lists, "post", [name for name in running if name not in {
            pick(world, number) for number in plan["unnotified"]}])
    return candidate, voters, promoted


def between_rounds(world, plan, positions, promoted):
    """WAL moves on, and a lost node comes back with what it had or more.

    Without a primary a position moves only by a start, which replays from the archive.
    """
    for number, position in plan["moves"].items():
        node = world.nodes[pick(world, number)]
        node.position = max(node.position, position)
        if not promoted:
            world.started(node.name, False, {})
    if plan["returns"]:
        for name in sorted(set(positions) - set(world.nodes)):
            world.nodes[name] = type(next(iter(world.nodes.values())))(name, positions[name])
            world.started(name, False, {})


@settings(max_examples=HISTORIES)
@given(st.integers(0, 2**32), st.lists(POSITIONS, min_size=2, max_size=4),
       st.lists(ROUND, min_size=1, max_size=5))
def test_no_history_lets_a_worse_node_be_promoted(seed, positions, rounds):
    named = dict(zip(NODES, positions))
    world = World(seed, named)
    for name in named:
        world.started(name, False, {})
    for plan in rounds:
        candidate, voters, promoted = play(world, plan)
        if promoted:
            best = max(world.nodes[name].position for name in voters)
            assert world.nodes[candidate].position >= best
            # before it can be promoted again it is demoted, which starts it again
            world.started(candidate, False, dict(active=candidate, promoted=candidate))
        between_rounds(world, plan, named, promoted)


@settings(max_examples=HISTORIES // 3)
@given(st.integers(0, 2**32), st.lists(POSITIONS, min_size=1, max_size=4))
def test_a_healthy_cluster_always_finds_its_primary(seed, positions):
    """Two rounds at most: the candidate gives way to the best node, which is promoted."""
    world = World(seed, dict(zip(NODES, positions)))
    candidate = sorted(world.nodes)[0]
    running = " ".join(world.nodes)
    for name in world.nodes:
        world.started(name, False, {})
    for _ in range(2):
        lists = dict(active=running, unpromoted=running, promote=candidate)
        world.notify(lists, "pre", list(world.nodes))
        if world.scores[candidate] >= 1000 and world.promote(candidate, lists):
            break
        candidate = max(world.scores, key=lambda name: world.scores[name])
    else:
        pytest.fail("no node was promoted in two rounds")
    assert world.nodes[candidate].position == max(positions)


def test_a_promotion_without_its_own_round_is_refused():
    """The notification of the candidate was lost: values of an earlier round lie around."""
    world = World(1, {"srv1": Position(1, 5), "srv2": Position(1, 9)})
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2")
    world.notify(dict(lists, promote="srv2"), "pre", ["srv1", "srv2"])
    world.nodes["srv2"].position = Position(1, 1)
    world.nodes["srv1"].position = Position(1, 2)
    assert not world.promote("srv1", dict(lists, promote="srv1"))


def test_a_primary_that_was_demoted_finds_no_round_of_its_own_promotion():
    """Its end was not announced, and the next promotion is not announced to that node either."""
    world = World(1, {"srv1": Position(1, 1), "srv2": Position(1, 1)})
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv2")
    world.notify(lists, "pre", ["srv1", "srv2"])
    assert world.promote("srv2", lists)
    world.nodes["srv1"].position = Position(1, 2)
    world.started("srv2", False, dict(active="srv1 srv2", promoted="srv2", unpromoted="srv1"))
    assert not world.promote("srv2", lists)


def test_a_promotion_that_nobody_announced_is_refused():
    world = World(1, {"srv1": Position(1, 5)})
    assert not world.promote("srv1", dict(active="srv1"))


@pytest.mark.parametrize("seed", range(20))
def test_a_candidate_that_never_entered_gets_its_votes(seed):
    """The agent was replaced under running instances; only one was restarted since."""
    world = World(seed, {"srv1": Position(1, 5), "srv2": Position(1, 5)})
    world.started("srv1", False, {})
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv2")
    world.notify(lists, "pre", ["srv1", "srv2"])
    assert world.promote("srv2", lists)


def test_a_missing_peer_is_named_and_nobody_is_promoted():
    world = World(1, {"srv1": Position(1, 9), "srv2": Position(1, 5)})
    for name in world.nodes:
        world.started(name, False, {})
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
    world.notify(lists, "pre", ["srv1"])
    assert not world.promote("srv1", lists)


def test_a_perl_peer_that_knows_no_rounds_votes():
    """The agents before 3.0 publish only lsn_location."""
    for lsn, expected in (("1#4", True), ("1#6", False), ("2#1", False)):
        world = World(3, {"srv1": Position(1, 5), "perl": Position(1, 0)})
        world.started("srv1", False, {})
        world.log.append(("perl", "lsn_location-default", lsn))
        lists = dict(active="srv1 perl", unpromoted="srv1 perl", promote="srv1")
        world.notify(lists, "pre", ["srv1"])
        assert world.promote("srv1", lists) is expected


def test_a_perl_candidate_finds_our_position():
    world = World(3, {"srv1": Position(1, 5), "perl": Position(1, 0)})
    lists = dict(active="srv1 perl", unpromoted="srv1 perl", promote="perl")
    world.notify(lists, "pre", ["srv1"])
    assert ("srv1", "lsn_location-default", "1#5") in world.log


# Recovery of the primary

RECOVERY = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                stop="srv1", start="srv1", promote="srv1")


def recovering(recovered):
    world = World(5, {"srv1": Position(1, 9), "srv2": Position(1, 12)})
    world.started("srv2", False, {})
    world.started("srv1", recovered, RECOVERY)
    return world


def test_a_recovered_primary_is_promoted_without_votes():
    world = recovering(True)
    world.notify(RECOVERY, "pre", ["srv1"])
    assert world.promote("srv1", RECOVERY)


def test_a_primary_that_was_not_recovered_here_needs_votes():
    """The lists look like a recovery, but nothing on this node proves it."""
    world = recovering(False)
    world.notify(RECOVERY, "pre", ["srv1", "srv2"])
    assert not world.promote("srv1", RECOVERY)


def test_the_mark_of_a_recovery_does_not_outlive_the_next_round():
    world = recovering(True)
    other = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv2")
    world.notify(other, "pre", ["srv1", "srv2"])
    world.notify(other, "post", ["srv1", "srv2"])
    world.notify(RECOVERY, "pre", ["srv1", "srv2"])
    assert not world.promote("srv1", RECOVERY)
