"""The rounds of an election over private attributes, when the attribute manager fails."""

import itertools
import types

import pytest

from paf.actions import monitor
from paf.decide import election, wal
from paf.cluster import base, cib, corosync2, notes
from paf.deadline import Deadline
from paf.decide.knowledge import Known
from paf.ocf import Environment, OcfError
from paf.runner import Result
from tests.unit import simulation
from tests.unit.support import Clock, environment

REFUSED = Result(102, "", "attrd_updater: Could not connect to attrd: Connection refused\n", False)
NEVER_SET = Result(78, "", "Could not query value of x: attribute does not exist\n", False)


def line(name, node, value):
    return f'name="{name}" host="{node}" value="{value}"\n'


class Cluster(corosync2.Corosync2):
    """Answers from a list for each attribute, the last one again and again."""

    def __init__(self, **answers):
        super().__init__(environment(CRM_meta_on_node="srv1"))
        self.answers = answers
        self.scores = {}

    def view(self, deadline):
        """Return a view of the CIB that has only scores in it."""
        return cib.Scan([], self.scores, {}, {}, [], [], set(), {}, {}, set(), set(), {}, {},
                        set())

    def run(self, argv, deadline):
        """Return the next answer about the attribute that argv names."""
        left = self.answers[argv[argv.index("--name") + 1].partition("-")[0]]
        return left.pop(0) if len(left) > 1 else left[0]


def positions(**answers):
    return Cluster(**answers).positions(["srv1", "srv2"], Deadline(0.1))


LEFT_OVER = [Result(0, line("lsn_location-default", "srv2", "1#99"), "", False)]


def test_without_a_round_of_its_own_a_candidate_counts_no_vote():
    """What an aborted election left must not count as votes because the rounds are lost."""
    others = Result(0, line("ballot-default", "srv3", "none:"), "", False)
    assert positions(ballot=[others], lsn_location=LEFT_OVER) == {}
    with pytest.raises(OcfError, match="gives no answer"):
        positions(ballot=[REFUSED], lsn_location=LEFT_OVER)


def test_an_attribute_manager_that_is_restarted_is_asked_again():
    cluster = Cluster(ballot=[Result(0, line("ballot-default", "srv1", "x"), "", False)])
    cluster.answers["ballot"].insert(0, REFUSED)
    assert cluster.values("ballot-default", Deadline(1)) == {"srv1": "x"}
    assert len(cluster.answers["ballot"]) == 1


def test_an_attribute_that_never_was_is_not_waited_for():
    clock = Clock()
    cluster = Cluster(ballot=[NEVER_SET])
    assert cluster.values("ballot-default", Deadline(10, clock)) == {} and clock.pauses == []


def histories(opened, late, vote="1#9"):
    """Vote in the round of a candidate; return what this node published, in order."""
    done = []

    class Voter(Cluster):
        def _update(self, name, value, deadline):
            done.append((name, value))

        def _confirm(self, name, value, deadline):
            pass
    ballots = [Result(0, line("ballot-default", "srv2", opened + ":" + vote), "", False)]
    voter, where = Voter(ballot=ballots), Known(wal.Position(1, 5))

    def compare(fact):
        assert fact == election.from_vote(vote)
        done.append("history")
    if late:
        voter.vote_late("srv2", lambda: (where, None), Deadline(1), compare)
    else:
        voter.vote("srv2", where, Deadline(1), None, compare)
    return done


@pytest.mark.parametrize("late", [False, True])
def test_a_history_is_published_before_the_vote_where_the_candidate_compares(late):
    """Who has all votes has all histories: the attribute manager keeps their order."""
    number = corosync2._stamp("srv2") + "00ff00ff00ff"
    assert histories(number, late) == [("ballot", number + ":1#5")]
    assert histories(number + "h", late) == ["history", ("ballot", number + "h:1#5")]


@pytest.mark.parametrize("late", [False, True])
def test_a_round_that_is_opened_at_the_last_moment_gets_a_vote_all_the_same(late):
    """The candidate is busy: what is left of the wait for it is no time to vote in."""
    clock, left = Clock(), []
    opened = corosync2._stamp("srv2") + "00ff00ff00ff:1#9"

    class Voter(Cluster):
        def values(self, attribute, deadline):
            clock.sleep(2.9)
            return {"srv2": opened}

        def _update(self, name, value, deadline):
            left.append(deadline.remaining)

        def _confirm(self, name, value, deadline):
            left.append(deadline.remaining)
    deadline, where = Deadline(58, clock), Known(wal.Position(1, 5))
    if late:
        Voter().vote_late("srv2", lambda: (where, None), deadline, None, deadline.within(3))
    else:
        Voter().vote("srv2", where, deadline, None, None, deadline.within(3))
    assert left and min(left) > 50


def test_an_old_vote_is_withdrawn_after_the_wait_for_a_round():
    clock, done = Clock(), []
    old = corosync2._stamp("srv2") + "00ff00ff00ff"

    class Voter(Cluster):
        def values(self, attribute, deadline):
            clock.sleep(2)
            return {"srv2": old + ":1#9", "srv1": old + ":1#5"}

        def _update(self, name, value, deadline):
            done.append((value, deadline.remaining > 50))

        def _confirm(self, name, value, deadline):
            pass
    deadline = Deadline(58, clock)
    assert Voter().vote("srv2", Known(wal.Position(1, 5)), deadline, None, None,
                        deadline.within(3)) is False
    assert done == [("none:", True)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("vote, published", [
    ("1#9", []), ("2#1", []), ("0#9", ["history"]), ("atleast/0#9", ["history"]),
    ("unknown", [])])
def test_who_would_win_by_a_later_timeline_publishes_its_history(vote, published, late):
    """It may be one that no primary began: then it compares with the others as a candidate."""
    number = corosync2._stamp("srv2") + "00ff00ff00ff"
    assert histories(number, late, vote) == published + [("ballot", number + ":1#5")]


@pytest.mark.parametrize("comes", [False, True])
def test_no_answer_does_not_show_that_the_candidate_knows_no_rounds(monkeypatch, comes):
    """Then this node would vote as with an old agent, and withdraw its ballot."""
    monkeypatch.setattr(corosync2, "_RESTART", 0.0)
    cluster, done = Cluster(ballot=[REFUSED]), []
    opened = corosync2._stamp("srv2") + "00ff00ff00ff:1#9"
    if comes:    # after the first look
        cluster.answers["ballot"].append(
            Result(0, line("ballot-default", "srv2", opened), "", False))
    for name in ("_update", "_delete"):
        monkeypatch.setattr(cluster, name, lambda *words: done.append(words[:-1]))
    assert cluster.vote("srv2", Known(wal.Position(1, 5)), Deadline(0.3)) is comes
    assert done == ([("ballot", opened.replace("#9", "#5"))] if comes else [])


def test_a_candidate_that_has_left_is_not_waited_for_without_an_answer_either(monkeypatch):
    monkeypatch.setattr(corosync2, "_RESTART", 0.0)
    cluster = Cluster(ballot=[REFUSED])    # and it is no member
    deadline = Deadline(60, itertools.count(0, 0.2).__next__)
    assert cluster.vote("srv2", Known(wal.Position(1, 5)), deadline) is False
    assert deadline.remaining > 30


@pytest.mark.parametrize("said", [
    "Could not query value of x: attribute does not exist\n",    # 1.1.13 to 1.1.16
    "Could not query value of x: reply had attribute name but no host values\n"])    # 1.1.24
def test_that_no_node_has_an_attribute_is_an_answer(said):
    clock = Clock()
    cluster = Cluster(ballot=[Result(6, "", said, False)])
    assert cluster.values("ballot-default", Deadline(10, clock)) == {} and clock.pauses == []


def test_values_are_read_as_the_program_prints_them():
    """Pacemaker 1.1.13 to 1.1.24 print what others store as it is."""
    out = ('name="ntest" host="srv2" value="say "x" & <y>"\n'
           'name="ntest" host="srv1" value=""\nname="ntest" host="srv3" value="a" host="b"\n')
    assert Cluster(ntest=[Result(0, out, "", False)]).values("ntest", Deadline(1)) == {
        "srv1": "", "srv2": 'say "x" & <y>', "srv3": 'a" host="b'}


def test_a_line_that_was_withdrawn_is_none():
    """Pacemaker 2.1.5 lists a deleted private attribute with an empty value."""
    out = line("line-default", "srv1", "") + line("line-default", "srv2", "own 1:0:initdb")
    cluster = Cluster(line=[Result(0, out, "", False)], ballot=[NEVER_SET])
    assert cluster.lines(Deadline(1)) == {"srv2": "own 1:0:initdb"}
    assert cluster.lines(Deadline(1), ["srv1", "srv2"]) == {"srv2": "own 1:0:initdb"}


def test_a_history_that_a_voter_could_have_published_is_not_known():
    """An older agent can publish none; that of a node that does not vote is no matter."""
    ballots = line("ballot-default", "srv1", "none:") + line("ballot-default", "srv2", "none:")
    said = {"srv1": "own 1:0:initdb", "srv4": "not 1:0:"}
    lines = "".join(line("line-default", node, said[node]) for node in said)
    cluster = Cluster(line=[Result(0, lines, "", False)], ballot=[Result(0, ballots, "", False)])
    assert cluster.lines(Deadline(1), ["srv1", "srv2", "srv3"]) == dict(said, srv2="")
    assert cluster.lines(Deadline(1), ["srv1"]) == cluster.lines(Deadline(1)) == said


def test_an_agent_that_knows_no_rounds_is_counted_in_ones_own():
    cluster = Cluster(ballot=[None], lsn_location=LEFT_OVER)
    number = corosync2._stamp("srv1") + "abc"
    cluster._note_round("open", number)
    cluster.answers["ballot"] = [Result(0, line("ballot-default", "srv1", number + ":1#5"), "",
                                        False)]
    assert cluster.positions(["srv1", "srv2"], Deadline(1)) == {
        "srv1": Known(wal.Position(1, 5)), "srv2": Known(wal.Position(1, 99))}


def test_an_older_agents_timeline_is_that_of_the_primary_it_followed():
    """It takes it from a checkpoint, which comes minutes after a promotion."""
    number = corosync2._stamp("srv1") + "abc"
    cluster = Cluster(
        ballot=[Result(0, line("ballot-default", "srv1", number + ":2#5"), "", False)],
        lsn_location=LEFT_OVER)
    cluster._note_round("open", number)
    for score, timeline in ((1000, 2), (-1000, 1), (1001, 1)):
        cluster.scores = {"srv2": score}
        assert cluster.positions(["srv1", "srv2"], Deadline(1))["srv2"] == Known(
            wal.Position(timeline, 99))


def test_votes_for_an_earlier_round_are_none_while_its_ballot_is_still_read():
    """attrd_updater returns before the attribute manager has the ballot of the new round."""
    def ballots(number):
        return Result(0, "".join(line("ballot-default", node, f"{number}:1#{lsn}")
                                 for node, lsn in (("srv1", 5), ("srv2", 9))), "", False)
    old, new = (corosync2._stamp("srv1") + end for end in ("01d", "2e2"))
    cluster = Cluster(ballot=[ballots(old), ballots(new)])
    cluster._note_round("open", new)
    assert cluster.positions(["srv1", "srv2"], Deadline(1)) == {}
    assert cluster.positions(["srv1", "srv2"], Deadline(1)) == {
        "srv1": Known(wal.Position(1, 5)), "srv2": Known(wal.Position(1, 9))}


def test_a_round_is_waited_for_that_does_not_read_back_yet(monkeypatch):
    """A notification that ends without a count leaves a ballot that may just have been taken."""
    number = corosync2._stamp("srv1") + "2e2"
    opened = Result(0, line("ballot-default", "srv1", number + ":1#5"), "", False)
    for answers, expected in (([NEVER_SET, opened], base.ROUND_OPEN),
                              ([NEVER_SET], base.ROUND_NONE)):
        monkeypatch.setattr(corosync2, "_APPEARS", 0.05)
        cluster = Cluster(ballot=list(answers))
        cluster._note_round("open", number)
        assert cluster.round_state(Deadline(1)) == expected


@pytest.mark.parametrize("recovered", [False, True])
def test_a_ballot_reads_back_where_no_votes_are_counted(monkeypatch, recovered):
    """`promote` looks for the round of a recovered primary, and waits for no vote."""
    cluster, done = Cluster(), []
    for name in ("_set", "_update"):
        monkeypatch.setattr(cluster, name, lambda *words, name=name: done.append((name, words[0])))
    cluster.open_round(Known(wal.Position(1, 5)), recovered, Deadline(1))
    assert done == [("_set" if recovered else "_update", "ballot")]


@pytest.mark.parametrize("feature_set, options", [
    ("", ["--local"]), ("3.6.1", ["--local"]), ("3.16.1", ["--local"]), ("3.20.0", [])])
def test_the_cib_is_asked_of_this_node_without_a_word_that_is_deprecated(feature_set, options):
    """Pacemaker 3.0 deprecates cibadmin --local, and answers queries here without it."""
    asked = []

    class Node(corosync2.Corosync2):
        def run(self, argv, deadline):
            asked.append(argv)
            return Result(0, "<cib/>", "", False)
    Node(environment(crm_feature_set=feature_set)).cib(Deadline(1))
    assert asked == [["cibadmin", "--query", *options]]


@pytest.mark.parametrize("primary", ["", "srv3"])
def test_a_start_ends_an_election_that_was_not_ended_only_beside_a_primary(primary, monkeypatch):
    """Without one, how an instance was started, and its timelines, count in the next election."""
    simulation.stand_in(monkeypatch)
    monkeypatch.setattr("paf.promotion.await_the_absent", lambda context, where: True)
    nodes = ("srv1", "srv2")
    world = simulation.World(1, dict.fromkeys(nodes, wal.Position(3, 500)))
    lists = {"start": "srv1 srv2", "promote": "srv1"}
    for name in nodes:
        world.started(name, False, lists)
    world.notify(lists, "pre", nodes)    # no promotion follows
    notes = world.nodes["srv2"].notes.words
    assert notes["start"] == "cold" and notes["line"]
    world.notify({"active": "srv1 srv2", "unpromoted": "srv1 srv2", "promoted": primary,
                  "start": "srv4", "operation": "start"}, "post", nodes)
    ballots = world.query("srv2", "ballot-default")
    assert 'host="srv2" value="none:"' in ballots and 'host="srv1" value="none:"' in ballots
    assert {"start", "line"} & set(notes) == (set() if primary else {"start", "line"})


@pytest.mark.parametrize("lists, said", [
    ({"promoted": "srv3", "demote": "srv3", "stop": "srv3", "start": "srv1", "promote": "srv2"},
     "own 1:"),
    ({"promoted": "srv3", "start": "srv1"}, None)])    # it has compared itself with this one
def test_an_old_primary_that_is_started_as_the_last_one_is_lost_says_so(lists, said, monkeypatch):
    """Only this start finds in the control file that it was one."""
    monkeypatch.setattr("paf.instance.line.read", simulation.line)
    world = simulation.World(1, dict.fromkeys(("srv1", "srv2"), wal.Position(3, 500)))
    world.started("srv1", True, dict(lists, active="srv2 srv3", unpromoted="srv2"))
    found = world.nodes["srv1"].notes.words.get("line")
    assert found.startswith(said) if said else not found


@pytest.mark.parametrize("receivers, stays", [("1", False), ("0", True), ("", True)])
def test_a_standby_that_streams_withdraws_what_it_was_compared_by(receivers, stays, monkeypatch):
    """The end of an election is not announced to each node; "": titles show it, before 9.6."""
    monkeypatch.setattr("paf.instance.line.read", simulation.line)
    monkeypatch.setattr("paf.instance.postmaster.processes", lambda _: [])
    world = simulation.World(1, {"srv1": wal.Position(3, 500)})
    world.started("srv1", False, {"start": "srv1"})
    own = world.nodes["srv1"].notes
    monkeypatch.setattr("paf.cluster.notes.Notes", lambda environment: own)
    own.write("pending", "")

    def work(node, task):
        sight = types.SimpleNamespace(rows=[["me", "true", receivers, "", "", ""]])
        monitor._try_again(world.context(node, task, {}), sight)
    assert world.run({"srv1": work}) == {"srv1": None}
    assert bool(own.read("line")) is stays
    assert ('value="not 1:' in world.query("srv1", "line-default")) is stays


# what voters had heard of the primary

class Candidate(Cluster):
    """One whose attributes have what it has published."""

    def _update(self, name, value, deadline):
        self.answers[name] = [Result(0, line(name + "-default", "srv1", value), "", False)]

    def _confirm(self, name, value, deadline):
        """They read back."""


def opened(folder, seen):
    """Return a cluster that has opened a round, and the number of that."""
    cluster = Candidate()
    cluster.notes = notes.Notes(Environment({"HA_RSCTMP": str(folder)}))
    cluster.open_round(Known(wal.Position(1, 5)), False, Deadline(1), seen)
    return cluster, cluster.answers["ballot"][0].out.partition('value="')[2].partition(":")[0]


@pytest.mark.parametrize("others, furthest", [
    ({}, 900), ({"srv2": "{0}:1000"}, 1000), ({"srv2": "{0}:800", "srv3": "{0}:"}, 900),
    ({"srv2": "another:5000"}, 900),             # of an election that is over
    ({"srv2": "{0}:\u00b2", "srv3": "x"}, 900)])
def test_the_furthest_end_that_any_voter_of_the_round_has_heard_of_counts(tmp_path, others,
                                                                          furthest):
    cluster, number = opened(tmp_path, 900)
    said = "".join(line("primary_seen-default", node, others[node].format(number))
                   for node in others)
    cluster.answers["primary_seen"].append(
        Result(0, cluster.answers["primary_seen"][0].out + said, "", False))
    del cluster.answers["primary_seen"][0]
    assert cluster.primary_seen(Deadline(1)) == furthest


def test_a_primary_that_no_voter_has_heard_of_is_nowhere_known(tmp_path):
    cluster, number = opened(tmp_path, None)
    assert "primary_seen" not in cluster.answers    # without maxlag nothing is published
    cluster.answers["primary_seen"] = [NEVER_SET]
    assert cluster.primary_seen(Deadline(1)) is None
    assert cluster.round_state(Deadline(1)) == base.ROUND_OPEN and number


@pytest.mark.parametrize("value", ["", "none:", "another:1#5"])
def test_a_round_that_the_attribute_manager_has_forgotten_is_none(tmp_path, value):
    """It ended, and was started again, between the notification and the promotion."""
    cluster, _ = opened(tmp_path, None)
    cluster.answers["ballot"] = [Result(0, line("ballot-default", "srv1", value), "", False)]
    assert cluster.round_state(Deadline(1)) == base.ROUND_NONE
    cluster.answers["ballot"] = [NEVER_SET]
    assert cluster.round_state(Deadline(1)) == base.ROUND_NONE
