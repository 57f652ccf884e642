"""What an instance has to have to count: published by its start and by the primary, and removed."""

import types

import pytest

from paf import acknowledged, holders, synchronous
from paf.cluster import cib, notes
from paf.decide import election, quorum, state
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.scores import Replica
from paf.decide.wal import Position
from paf.instance.position import Place
from paf.ocf import OcfError

RULES = {"srv1": "1 1 srv1 srv2 srv3"}
NODES = ["srv1", "srv2", "srv3"]


class Store:
    """The part of a Cluster that is used: notes in a folder, attributes in dicts."""

    def __init__(self, folder, rules):
        variables = {"HA_RSCTMP": str(folder), "OCF_RESOURCE_INSTANCE": "pgsqld"}
        self.notes = notes.Notes(types.SimpleNamespace(variables=variables, resource="pgsqld"))
        self.marks, self.rules, self.last_words, self.copies = {}, dict(rules), {}, {}
        self.votes, self.written = {}, []

    def publish_rule(self, node, entry, deadline):
        """Nothing of the tests here."""

    publish_copy = publish_rule

    def publish_acknowledged(self, node, vote, deadline):
        """Set or remove what a node needs."""
        del deadline
        self.written.append(node)
        self.marks.pop(node, None)
        if vote:
            self.marks[node] = vote

    def view(self, **facts):
        """Return the cib.Scan."""
        empty = cib.Scan(NODES, {"srv1": 1001, "srv2": 990, "srv3": 1000}, {}, {}, [], NODES,
                         set(), dict(self.rules), dict(self.last_words), set(), set(),
                         dict(self.marks), dict(self.copies), set())
        return empty._replace(**facts)

    def positions(self, voters, deadline):
        """Return the votes."""
        del deadline
        return {node: fact for node, fact in self.votes.items() if node in voters}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, RULES)


def context(store, node, active=NODES):
    log = types.SimpleNamespace(warning=lambda text: None, info=lambda text: None)
    lists = types.SimpleNamespace(active=tuple(
        types.SimpleNamespace(node=name) for name in active), start=(), stop=(), promoted=())
    return types.SimpleNamespace(node=node, cluster=store, log=log, deadline=None,
                                 notification=lists)


def enter(store, node="srv2", was=state.STOPPED_STANDBY):
    """The instance on a node is started; return what it needs from then on, None for nothing."""
    acknowledged.enter(context(store, node), store.view(), was)
    return store.marks.get(node)


def test_where_no_commit_waits_for_a_standby_no_instance_needs_any_to_count(tmp_path):
    empty = Store(tmp_path, {})
    empty.last_words["srv2"] = "2#500"
    assert enter(empty, was=state.RESTORED) is None and empty.written == []


@pytest.mark.parametrize("words, before, was, needed", [
    ("2#500", None, state.STOPPED_STANDBY, "2#500"),
    ("2#500", None, state.STOPPED_PRIMARY, "2#500"),
    ("2#500", "2#900", state.STOPPED_STANDBY, "2#900"),      # it was set back before that stop
    ("2#500", "1#900", state.STOPPED_STANDBY, "2#500"),
    ("2#500", "unknown", state.STOPPED_STANDBY, "unknown"),
    ("2#500", None, state.RESTORED, "2#500"),                # a copy that has it counts
    (None, "2#900", state.CRASHED_STANDBY, "2#900"),
    (None, "2#900", state.RESTORED, "2#900"),
    (None, None, state.RESTORED, "unknown"),
    (None, "0#0", state.RESTORED, "unknown"),
    ("unknown", None, state.RESTORED, "unknown"),
    ("gibberish", None, state.STOPPED_STANDBY, None),
    (None, None, state.CRASHED_STANDBY, None),               # what is on disk is all it had
    (None, None, state.STOPPED_STANDBY, None),
])
def test_an_instance_that_is_started_needs_what_it_had(store, words, before, was, needed):
    store.last_words.update({"srv2": words} if words else {})
    store.marks.update({"srv2": before} if before else {})
    assert enter(store, was=was) == needed


@pytest.mark.parametrize("rule, needed", [
    ("1 1 * srv3", "0#0"), ("1 1 *", "0#0"), ("1 1 * srv2", None), ("1 1 srv1 srv3", None)])
def test_one_that_no_primary_has_seen_may_acknowledge_commits_from_its_start_on(
        store, rule, needed):
    store.rules["srv1"] = rule
    assert enter(store) == needed


def look(store, timeline=2, me="srv1", end=2000, **flushed):
    """Run the part of a primary's monitor; flushed: of standbys, None for one that catches up."""
    replicas = [Replica(name, "catchup" if lsn is None else "streaming", lsn, 0, lsn)
                for name, lsn in flushed.items()]
    acknowledged.follow(context(store, me), store.view(), Position(timeline, end), replicas, None)
    return dict(store.marks)


def test_a_primary_says_how_far_one_was_that_no_longer_streams(store):
    assert look(store, srv2=500, srv3=400) == {}
    assert look(store, srv2=900, srv3=400) == {} and store.written == []
    assert look(store, srv3=1000) == {"srv2": "2#900"}
    assert look(store, srv3=1100) == {"srv2": "2#900"} and store.written == ["srv2"]
    assert look(store, srv2=None, srv3=1100) == {"srv2": "2#900"}    # catches up
    assert look(store, srv2=800, srv3=1100) == {"srv2": "2#900"}
    assert look(store, srv2=900, srv3=1100) == {}
    assert look(store, srv2=950, srv3=1100) == {} and store.written == ["srv2", "srv2"]


def test_one_that_comes_with_less_between_two_monitors_is_noticed(store):
    look(store, srv2=900)
    assert look(store, srv2=700) == {"srv2": "2#900"}


def test_of_two_connections_of_one_name_neither_proves_that_it_has_caught_up(store):
    look(store, srv2=900)
    pair = [Replica("srv2", "streaming", 900, 0, 900), Replica("srv2", "catchup", 300, 0, 300)]
    acknowledged.follow(context(store, "srv1"), store.view(), Position(2, 2000), pair, None)
    assert store.marks == {"srv2": "2#900"}


def test_after_a_promotion_one_that_has_caught_up_has_all(store):
    """Its LSN may be lower than on the timeline before."""
    store.marks["srv2"] = "2#900"
    assert look(store, timeline=3, srv2=None) == {"srv2": "2#900"}
    assert look(store, timeline=3, srv2=850) == {}


@pytest.mark.parametrize("mark", ["unknown", "gibberish", "0#0", "2#900"])
def test_one_that_streams_and_has_caught_up_counts_again(store, mark):
    store.marks["srv2"] = mark
    assert look(store, srv2=900) == {}


def test_a_primary_needs_nothing(store):
    store.marks.update(srv1="2#900", srv2="2#900")
    assert look(store) == {"srv2": "2#900"}


def test_what_is_no_node_of_the_cluster_is_not_published(store):
    look(store, backup=900)
    assert look(store) == {}


@pytest.mark.parametrize("setting, rules, left", [("", {}, []), ("", RULES, ["srv2"]),
                                                  ("srv2", {}, ["srv2"])])
def test_where_no_commit_waits_for_a_standby_nothing_is_left(store, setting, rules, left):
    store.rules, store.marks = dict(rules), {"srv2": "2#900"}
    store.notes.write(notes.ACKNOWLEDGED, "2#900 srv2")
    row = ["me", "false", "0", setting, "1000", ""]
    steps = list(synchronous.steps(context(store, "srv1"), store.view(), row, [], 2, None))
    steps[-1]()
    assert sorted(store.marks) == left
    assert bool(store.notes.read(notes.ACKNOWLEDGED)) == bool(left)


def test_a_primary_that_cannot_see_its_timeline_notes_nothing(store):
    """A position without one would be less than any other."""
    look(store, srv2=500)
    assert look(store, timeline=0, srv2=900, srv3=900) == {}
    assert look(store) == {"srv2": "2#500"}


@pytest.mark.parametrize("own, rules", [
    (Known("ANY 1 (srv2"), {}), (Known("ANY 1 (srv2"), RULES), (Known(""), {"srv1": "gibberish"})])
def test_a_rule_that_is_not_known_asks_for_any_standby(store, own, rules):
    """Only an accepted loss gets past it; what is acknowledged from then on counts again."""
    store.rules = dict(rules)
    holders.prepare_rule(context(store, "srv3"), Place(AT_900, None, own, None), store.view())
    noted = quorum.from_wire(store.notes.read(notes.RULE))
    assert noted.value.rule.number == 1 and quorum.ALL in noted.value.rule.names


def test_a_primary_whose_epoch_another_node_has_as_well_publishes_a_higher_one(store):
    """Else nothing would say which of the two was the last primary."""
    for others, epoch in (({}, None), ({"srv2": "7 1 srv1"}, 8)):
        store.rules = dict({"srv3": "7 1 srv1"}, **others)
        where = Place(AT_900, None, Known("ANY 1 (srv1)"), None)
        holders.prepare_rule(context(store, "srv3"), where, store.view())
        noted = store.notes.read(notes.RULE)
        assert (quorum.from_wire(noted).value.epoch if noted else None) == epoch


def judge(store, votes, active=("srv2", "srv3"), own="ANY 1 (srv1, srv2, srv3)", **facts):
    """Hold an election on srv3 after srv1 has died; return the election.Decision."""
    store.votes = votes
    where = Place(votes["srv3"], None, Known(own), None)
    view = store.view(**{**dict(online=list(active), running=list(active)), **facts})
    return holders.judge(context(store, "srv3", active), where, view, "srv3",
                         votes["srv3"].value)


AT_900 = Known(Position(2, 900))


@pytest.mark.parametrize("mark, vote, promotes", [
    (None, Known(Position(2, 100)), True),
    ("2#900", AT_900, True), ("2#900", Known(Position(3, 100)), True),
    ("2#900", AtLeast(Position(2, 900), "stalls"), True),
    ("2#901", AT_900, False), ("3#900", AT_900, False), ("unknown", AT_900, False),
    ("gibberish", AT_900, False), ("2#900", Unknown("x"), False),
    ("2#900", AtLeast(Position(2, 100), "stalls"), False)])
def test_a_vote_that_is_behind_what_was_acknowledged_proves_nothing(store, mark, vote, promotes):
    store.marks.update({"srv2": mark} if mark else {})
    verdict = judge(store, {"srv2": vote, "srv3": AT_900})
    assert verdict.promote == promotes
    if not promotes:
        assert verdict.reason == (
            "srv2 may hold commits that were acknowledged, and srv2 may have less than it "
            "acknowledged: was it restored? (synchronous_standby_names of the last primary); start "
            "srv1, or accept the loss: paf promote")
        assert verdict.awaited == ("srv1",)


def test_a_candidate_that_was_set_back_proves_nothing_either(store):
    store.marks["srv3"] = "2#901"
    assert not judge(store, {"srv2": AT_900, "srv3": AT_900}).promote


def test_a_last_primary_that_was_set_back_does_not_have_all(store):
    store.marks["srv1"] = "2#901"
    votes = {"srv1": AT_900, "srv3": AT_900}
    verdict = judge(store, votes, active=("srv1", "srv3"))
    assert not verdict.promote and verdict.awaited == ("srv2",)
    store.marks["srv1"] = "2#900"
    assert judge(store, votes, active=("srv1", "srv3")).promote


@pytest.mark.parametrize("vote, promotes", [
    (AT_900, True), (Known(Position(2, 899)), False), (AtLeast(Position(2, 100), "x"), True)])
def test_a_last_primary_with_less_than_the_candidate_proves_nothing(store, vote, promotes):
    """One that may have more was compared before."""
    verdict = judge(store, {"srv1": vote, "srv3": AT_900}, active=("srv1", "srv3"))
    assert verdict.promote == promotes
    assert promotes or verdict.awaited == ("srv2",)


def test_last_words_that_are_behind_what_was_acknowledged_prove_nothing(store):
    """It was set back, ran without a primary, and was stopped."""
    store.last_words["srv2"] = "2#300"
    assert judge(store, {"srv3": AT_900}, active=("srv3",)).promote
    store.marks["srv2"] = "2#900"
    assert not judge(store, {"srv3": AT_900}, active=("srv3",)).promote


@pytest.mark.parametrize("words, promotes", [
    ({"srv1": "2#900", "srv2": "2#900"}, True), ({"srv2": "2#800"}, True),
    ({"srv1": "1#300", "srv2": "2#900"}, True),     # srv3 has followed another one since
    ({"srv1": "2#899", "srv2": "2#899"}, False), ({"srv1": "2#899"}, False)])
def test_wal_behind_the_primarys_last_words_shows_that_they_are_old(store, words, promotes):
    """The servers ran without the cluster since; then srv2 may have acknowledged commits."""
    store.last_words.update(words)
    verdict = judge(store, {"srv3": AT_900}, active=("srv3",))
    assert verdict.promote == promotes
    if not promotes:
        assert verdict.awaited and "srv1 has run since" in verdict.reason


def test_with_any_standby_one_that_was_started_may_hold_commits_though_no_primary_saw_it(store):
    """It streamed for less than a monitor's interval, and its node is back without an instance."""
    store.rules["srv1"] = "1 1 * srv3"
    facts = dict(own="*", online=["srv2", "srv3"], running=["srv3"])
    assert judge(store, {"srv3": AT_900}, active=("srv3",), **facts).promote
    store.marks["srv2"] = "0#0"
    verdict = judge(store, {"srv3": AT_900}, active=("srv3",), **facts)
    assert not verdict.promote and verdict.awaited == ("srv2",)


def test_one_that_may_hold_commits_counts_also_where_it_is_away_and_has_no_score(store):
    """It joined, acknowledged a commit, and lost its power before a monitor of the primary."""
    store.rules["srv1"] = "1 1 * srv3"
    facts = dict(own="*", online=["srv3"], running=["srv3"], scores={"srv1": 1001, "srv3": 1000})
    assert judge(store, {"srv3": AT_900}, active=("srv3",), **facts).promote
    store.marks["srv2"] = "0#0"
    verdict = judge(store, {"srv3": AT_900}, active=("srv3",), **facts)
    assert not verdict.promote and verdict.awaited == ("srv2",)


@pytest.mark.parametrize("facts, votes, back", [
    ({"a": Known(Position(1, 5))}, {}, {"a"}), ({}, {"a": AT_900}, set())])
def test_what_does_not_say_where_it_is_is_not_known_to_have_it(facts, votes, back):
    assert election.set_back(facts, votes) == back


def test_a_primary_with_any_standby_names_the_instances_that_run(store):
    """One that is started can acknowledge commits before the next monitor."""
    store.rules["srv1"] = "1 1 *"
    store.publish_rule = lambda node, entry, _: store.rules.update({node: quorum.to_wire(entry)})
    synchronous.keep(context(store, "srv1"), store.view(), "*", 900, {"srv3": 800}, None)
    assert store.rules == {"srv1": "1 1 * srv2 srv3"}


def test_an_instance_whose_mark_cannot_be_published_is_not_started(store):
    def fails(*_):
        raise OcfError("crm_attribute failed")
    store.publish_acknowledged = fails
    store.last_words["srv2"] = "2#500"
    with pytest.raises(OcfError):
        enter(store)


def test_a_mark_of_a_later_timeline_than_the_primarys_is_of_other_data(store):
    """pg_upgrade begins with timeline 1 again, and the attributes of the old cluster are left."""
    store.marks.update({"srv2": "7#500", "srv3": "unknown"})
    store.notes.write("acknowledged", "7#900 srv3")
    assert look(store, timeline=1, srv2=900, srv3=900) == {}
    assert look(store, timeline=1, srv2=950) == {"srv3": "1#900"}


def test_a_mark_behind_the_primarys_own_end_is_of_other_data(store):
    """initdb begins with 1 again, and the first promotion in both clusters ends with timeline 2."""
    store.marks.update(srv2="2#5000", srv3="2#5000")
    store.notes.write("acknowledged", "2#5000 srv2")
    assert look(store, end=1000, srv2=900, srv3=None) == {"srv3": "2#5000"}
    assert look(store, end=1100, srv3=1000) == {"srv2": "2#900"}


def test_a_mark_at_the_primarys_own_end_is_not(store):
    store.marks["srv2"] = "2#1000"
    assert look(store, end=1000, srv2=999) == {"srv2": "2#1000"}


def test_a_standby_that_is_removed_from_the_cluster_and_added_again_needs_what_it_had(store):
    """Its disk may have been set back meanwhile; crm_node -R removes what was published."""
    look(store, srv2=900, srv3=900)
    left = store.view(scores={"srv1": 1001, "srv2": 990}, online=["srv1", "srv2"])
    acknowledged.follow(context(store, "srv1"), left, Position(2, 2000),
                        [Replica("srv2", "streaming", 950, 0, 950)], None)
    assert store.marks == {}
    assert look(store, srv2=950) == {"srv3": "2#900"}


# A primary whose agent publishes nothing, as that of 2.3

def after_perl(store, heard, entry, scores, own="ANY 1 (srv1, srv2, srv3)"):
    """Hold an election on srv3 of those in `heard`; entry: (node, epoch) that our agent left."""
    rules = {entry[0]: f"{entry[1]} 1 srv1 srv2 srv3"}
    return judge(store, {name: AT_900 for name in heard}, heard, own, scores=scores, rules=rules)


@pytest.mark.parametrize("heard, promotes", [
    (("srv2", "srv3"), True),       # whichever was the primary: its commits are on these
    (("srv3",), False)])
def test_after_a_primary_that_publishes_nothing_who_was_heard_counts_for_each_that_may_have_been_it(
        store, heard, promotes):
    """srv2 was the primary before, and its own agent has published that."""
    verdict = after_perl(store, heard, ("srv2", 2), {"srv1": 1001, "srv2": 1000, "srv3": 990})
    assert verdict.promote == promotes


def test_a_score_alone_does_not_show_who_took_the_last_commits(store):
    """srv1 votes and has the score; srv2, which is away, may have been promoted since."""
    store.votes = {}
    verdict = judge(store, {"srv1": AT_900, "srv3": AT_900}, ("srv1", "srv3"),
                    "ANY 1 (srv1, srv2, srv3, srv4)", rules={"srv2": "2 1 srv1 srv2 srv3 srv4"},
                    scores={"srv1": 1001, "srv2": 1000, "srv3": 990, "srv4": 980})
    assert not verdict.promote and "srv4 may hold commits" in verdict.reason


@pytest.mark.parametrize("vote, promotes", [(AT_900, True), (Known(Position(2, 899)), False)])
def test_a_primary_by_its_score_with_less_than_the_candidate_proves_nothing_either(
        store, vote, promotes):
    """srv1 was set back to a snapshot; srv2, which is away, has what it acknowledged."""
    verdict = judge(store, {"srv1": vote, "srv3": AT_900}, ("srv1", "srv3"),
                    scores={"srv1": 1001, "srv2": 1000, "srv3": 990},
                    rules={"srv2": "2 1 srv1 srv2 srv3"})
    assert verdict.promote == promotes


@pytest.mark.parametrize("scores, promotes", [({}, True), ({"srv3": 1000}, False)])
def test_a_node_that_never_had_a_score_was_no_primary(store, scores, promotes):
    """One that is there for the quorum alone, beside a primary that publishes nothing."""
    store.votes = {"srv2": AT_900}
    view = store.view(online=["srv2", "srv3"], running=["srv2"],
                      scores=dict(scores, srv1=1001, srv2=1000), rules={"srv2": "2 1 srv1 srv2"})
    verdict = holders.judge(context(store, "srv2", ("srv2",)),
                            Place(AT_900, None, Known("ANY 1 (srv1, srv2)"), None), view, "srv2",
                            AT_900.value)
    assert verdict.promote == promotes
