"""What an agent costs does not grow with the number of nodes."""

import threading

import pytest

SIZES = (3, 9, 32)


def names(count):
    """Return the names of so many nodes."""
    return [f"srv{number}" for number in range(1, count + 1)]


class Voters(threading.Thread):
    """Nodes that exist in the store alone: they answer the round of a candidate at once."""

    def __init__(self, store, candidate, nodes):
        super().__init__(daemon=True)
        self.store, self.candidate, self.nodes = store, candidate, nodes
        self.over = threading.Event()

    def run(self):
        """Answer each new round until it is over."""
        answered = None
        while not self.over.wait(0.005):
            number, _, position = (self.store.value("ballot", self.candidate) or "").partition(":")
            if position and number != answered:
                answered = number
                for node in self.nodes:
                    self.store.set_value("ballot", node, f"{number}:1#1")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def programs(run):
    """Return how many of Pacemaker's programs a Run of the agent has started."""
    return len(run.calls)


@pytest.mark.fast
def test_a_monitor_starts_as_many_programs_with_32_nodes_as_with_3(steady):
    started = {}
    for size in SIZES:
        for name in names(size):
            steady.store.add_member(name)
        for _ in range(2):    # scores of those that are new
            steady["srv1"].monitor()
        started[size] = programs(steady["srv1"].monitor())
    try:
        assert set(started.values()) == {1}
    finally:
        for name in names(max(SIZES))[3:]:
            steady.store.remove_member(name)
        steady.store.forget_permanent()


@pytest.mark.fast
def test_a_standby_asks_no_program_of_pacemaker_however_many_nodes_there_are(steady):
    standby = steady["srv2"]
    started = {}
    try:
        for size in SIZES:
            for name in names(size)[3:]:
                steady.store.add_member(name)
            others = " ".join(names(size)[1:])
            lists = dict(kind="post", operation="stop", active="srv1 " + others, promoted="srv1",
                         unpromoted=others, stop=names(size)[-1])
            assert standby.monitor().code == 0
            runs = standby.monitor(), standby.agent("notify", lists=lists)
            assert [run.code for run in runs] == [0, 0]
            started[size] = tuple(map(programs, runs))
        assert set(started.values()) == {(0, 0)}
    finally:
        for name in names(max(SIZES))[3:]:
            steady.store.remove_member(name)


def promotion(make_cluster, size):
    """Promote a standby among so many nodes: return the Runs of pre-promote and promote."""
    cluster = make_cluster("srv1", "srv2")
    cluster.note_starts()
    cluster["srv2"].server.start()
    others = names(size)[2:]
    for name in others:
        cluster.store.add_member(name)
    alive = " ".join(["srv2", *others])
    lists = dict(active=alive, unpromoted=alive, promoted="srv1", demote="srv1", stop="srv1",
                 promote="srv2")
    with Voters(cluster.store, "srv2", others):
        announced = cluster["srv2"].agent("notify", lists=dict(
            lists, kind="pre", operation="promote"))
        run = cluster["srv2"].agent("promote", lists=lists)
    assert run.code == 0 and not cluster["srv2"].in_recovery
    return announced, run


def test_an_election_costs_as_much_with_32_nodes_as_with_3(make_cluster):
    """The candidate asks the same until the last vote is there: each call counts once.

    As long as a vote is missing, it also asks for the positions of older agents: whether it ever
    does depends on how fast the others answer.
    """
    runs = {size: promotion(make_cluster, size) for size in SIZES}
    for announced, promoted in runs.values():
        always = {call for call in announced.calls if "lsn_location-pgsqld" not in call.words}
        assert len(always) == 3 and len(set(announced.calls)) <= 4
        assert programs(promoted) == programs(runs[3][1])


def test_an_election_takes_as_long_with_32_nodes_as_with_3(make_cluster):
    """The least of several: other work on the machine can only make one take longer."""
    least = dict.fromkeys((3, 32), float("inf"))
    for _ in range(12):
        for size in least:
            runs = promotion(make_cluster, size)
            least[size] = min(least[size], sum(run.seconds for run in runs))
        if least[32] < least[3] * 1.5 + 0.5:    # a program for each node would take more
            return
    pytest.fail(f"seconds by number of nodes: {least}")
