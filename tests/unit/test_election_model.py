"""Histories with aborted promotions, nodes that join in the middle, and Perl peers.

What `test_election_histories` plays among equals is played here in the clusters of an upgrade, and
with promotions that end anywhere: killed, failed, aborted between the election and the promotion.
The number of histories grows with PAF_HISTORIES: `make elections` plays tens of thousands.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paf import ocf
from paf.decide import wal
from paf.actions import promote
from paf.decide.wal import Position
from tests.unit.simulation import HISTORIES, Killed, Node, stand_in, World

#: Hundreds of thousands of steps, which coverage would make several times slower.
pytestmark = pytest.mark.no_cover

OURS = ("srv1", "srv2", "srv3")
PERL = ("perl1", "perl2")
POSITIONS = st.builds(Position, st.integers(1, 2), st.integers(1, 4))

#: What happens to a promotion after its pre-promote notifications.
ENDS = ("promoted", "aborted", "failed", "killed", "joined")

ROUND = st.fixed_dictionaries({
    "candidate": st.integers(0, 2),
    "end": st.sampled_from(ENDS),
    "killed": st.dictionaries(st.integers(0, 4), st.integers(0, 12), max_size=1),
    "lives": st.integers(0, 8),
    "mute": st.sets(st.sampled_from(PERL), max_size=1),
    "moves": st.dictionaries(st.integers(0, 4), POSITIONS),
    "joiner": POSITIONS,
})


@pytest.fixture(autouse=True)
def positions_of_the_simulation(monkeypatch):
    stand_in(monkeypatch)


class Upgrade(World):
    """A cluster in the middle of an upgrade: some nodes run the Perl agent."""

    def start_all(self):
        """Start every instance, as its agent does it."""
        for name in sorted(self.nodes):
            if name in OURS or name.startswith("late"):
                self.started(name, False, {})

    def perl_pre_promote(self, name, mute):
        """What the Perl agent of 2.3.0 publishes: what it received, or nothing at all."""
        self.log.append((name, "lsn_location-default", ""))
        if not mute:
            self.log.append((name, "lsn_location-default",
                             wal.to_wire(self.nodes[name].position)))

    def pre_promote(self, lists, plan):
        """Notify all nodes of a promotion."""
        for name in sorted(self.nodes):
            if name in PERL:
                self.perl_pre_promote(name, name in plan["mute"])
        ours = [name for name in sorted(self.nodes) if name not in PERL]
        lives = {ours[number % len(ours)]: left for number, left in plan["killed"].items()}
        return self.notify(lists, "pre", ours, lives)

    def post_promote(self, lists):
        """Notify all nodes that the promotion is over."""
        self.log.extend((name, "lsn_location-default", "") for name in self.nodes if name in PERL)
        self.notify(lists, "post", [name for name in sorted(self.nodes) if name not in PERL])

    def try_promotion(self, candidate, lists, lives=10**6):
        """Run promote's decision, which may be killed on the way; True if it would promote."""
        def work(node, task):
            promote.check_election(self.context(node, task, lists))
        error = self.run({candidate: work}, {candidate: lives})[candidate]
        if error is not None and not isinstance(error, (ocf.OcfError, Killed)):
            raise error
        return error is None


def play(world, plan, number):
    """Play a transition with a promotion; assert that no better node was available."""
    ours = [name for name in sorted(world.nodes) if name not in PERL]
    candidate = ours[plan["candidate"] % len(ours)]
    running = " ".join(sorted(world.nodes))
    lists = dict(active=running, unpromoted=running, promote=candidate)
    voters = world.voters(lists)
    world.pre_promote(lists, plan)
    if plan["end"] == "joined":    # it was not notified, and no node may wait for it
        late = f"late{number}"
        world.nodes[late] = Node(late, plan["joiner"])
        world.started(late, False, {})
    if plan["end"] == "aborted":
        return
    lives = plan["lives"] if plan["end"] == "killed" else 10**6
    if world.try_promotion(candidate, lists, lives):
        shown = [world.nodes[name].position for name in voters]
        assert world.nodes[candidate].position >= max(shown)
        assert not plan["mute"] & set(voters), "a peer without a vote was not waited for"
        if plan["end"] in ("promoted", "joined"):
            world.post_promote(lists)


@settings(max_examples=HISTORIES)
@given(st.integers(0, 2**32), st.lists(POSITIONS, min_size=2, max_size=3),
       st.lists(POSITIONS, max_size=2), st.lists(ROUND, min_size=1, max_size=6))
def test_no_history_of_an_upgrade_lets_a_worse_node_be_promoted(seed, ours, perl, rounds):
    world = Upgrade(seed, {**dict(zip(OURS, ours)), **dict(zip(PERL, perl))})
    world.start_all()
    for number, plan in enumerate(rounds):
        play(world, plan, number)
        names = sorted(world.nodes)
        for index, position in plan["moves"].items():
            node = world.nodes[names[index % len(names)]]
            node.position = max(node.position, position)
            if node.name not in PERL:    # without a primary, only a start moves a position
                world.started(node.name, False, {})


@settings(max_examples=HISTORIES // 3)
@given(st.integers(0, 2**32), st.lists(POSITIONS, min_size=1, max_size=3),
       st.lists(POSITIONS, max_size=2), st.sampled_from(ENDS[1:]), ROUND)
def test_after_any_bad_end_the_next_rounds_find_a_primary(seed, ours, perl, end, plan):
    """Liveness: two undisturbed rounds after a disturbed one are enough, with any nodes."""
    world = Upgrade(seed, {**dict(zip(OURS, ours)), **dict(zip(PERL, perl))})
    world.start_all()
    play(world, dict(plan, end=end), 0)
    for name in PERL[:len(perl)]:    # a Perl node that is ahead would win by its own election
        world.nodes[name].position = Position(1, 1)
    candidate = max(OURS[:len(ours)], key=lambda name: world.scores[name])
    running = " ".join(sorted(world.nodes))
    for _ in range(4):
        lists = dict(active=running, unpromoted=running, promote=candidate)
        world.pre_promote(lists, dict(plan, killed={}, mute=set()))
        if world.try_promotion(candidate, lists):
            assert world.nodes[candidate].position == max(
                node.position for node in world.nodes.values())
            return
        ours_now = [name for name in world.nodes if name not in PERL]
        candidate = max(ours_now, key=lambda name: world.scores.get(name, 0))
    pytest.fail("no node was promoted in four undisturbed rounds")


@given(st.integers(0, 2**32), POSITIONS, POSITIONS)
@settings(max_examples=HISTORIES // 3)
def test_a_perl_candidate_gets_every_position_at_once(seed, one, other):
    """It waits without a limit for lsn_location, so it must never wait for our rounds."""
    world = Upgrade(seed, {"srv1": one, "srv2": other, "perl1": Position(1, 1)})
    world.start_all()
    running = " ".join(sorted(world.nodes))
    world.perl_pre_promote("perl1", False)
    world.notify(dict(active=running, unpromoted=running, promote="perl1"), "pre",
                 ["srv1", "srv2"])
    seen = world.query("perl1", "lsn_location-default")
    assert f'host="srv1" value="{wal.to_wire(one)}"' in seen
    assert f'host="srv2" value="{wal.to_wire(other)}"' in seen
    assert world.now < 10.0, "an agent waited for a round that a Perl candidate never opens"


@given(st.integers(0, 2**32), POSITIONS, POSITIONS)
@settings(max_examples=HISTORIES // 3)
def test_a_candidate_that_gives_way_says_to_whom(seed, one, other):
    """The reason is where crm_mon shows it, before any promote has run."""
    world = Upgrade(seed, {"srv1": one, "srv2": other})
    world.start_all()
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
    world.notify(lists, "pre", ["srv1", "srv2"])
    reason = world.reasons.get("srv1", "")
    assert ("srv2 is ahead" in reason) == (other > one)


def test_a_vote_of_an_aborted_round_is_not_counted_in_the_next():
    world = Upgrade(1, {"srv1": Position(1, 5), "srv2": Position(1, 3)})
    world.start_all()
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
    world.notify(lists, "pre", ["srv1", "srv2"])
    world.nodes["srv2"].position = Position(1, 9)
    world.notify(lists, "pre", ["srv1"])
    assert not world.try_promotion("srv1", lists)


def test_one_that_came_after_an_aborted_round_is_no_node_that_is_stopped():
    world = Upgrade(1, {"srv1": Position(1, 5), "srv2": Position(1, 3)})
    world.start_all()
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
    world.notify(lists, "pre", ["srv1", "srv2"])
    world.nodes["late"] = Node("late", Position(1, 9))
    world.started("late", False, {})
    running = "late srv1 srv2"
    assert not world.try_promotion("srv1", dict(lists, active=running, unpromoted=running))
