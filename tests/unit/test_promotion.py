"""An election's steps around its decision: waits, refusals, and what an administrator accepts."""

import types

import pytest

from paf import promotion, synchronous
from paf.actions import monitor, promote
from paf.cluster import base, cib, notes
from paf.deadline import Deadline
from paf.decide import election, transition
from paf.decide.knowledge import AtLeast, Known
from paf.decide.wal import Position
from paf.instance.position import Place
from paf.notifications import pre_promote
from tests.unit.support import Clock, environment, notify_variables

PLACE = Place(Known(Position(2, 0x5000148)), None, Known(""), None)
ALONE = dict(active="srv2", unpromoted="srv2", promote="srv2")


class Time:
    """A deadline whose waits end at once; what they could have lasted is in `waits`."""

    elapsed, passed = 0.0, False

    def __init__(self, remaining, waits=None):
        self.remaining, self.waits = remaining, [] if waits is None else waits

    def within(self, seconds):
        return Time(min(seconds, self.remaining), self.waits)

    def wait_for(self, condition, **_):
        self.waits.append(self.remaining)
        return condition()


class Cluster(base.Cluster):
    """A Cluster whose CIB is a View; `done` has what was changed."""

    def __init__(self, folder, **facts):
        super().__init__(types.SimpleNamespace(
            resource="pgsqld", feature_set=(3, 16, 1), meta=lambda name: "",
            variables={"HA_RSCTMP": str(folder)}))
        empty = cib.Scan(["srv2"], {}, {}, {}, [], ["srv2"], set(), {}, {}, set(), set(), {}, {},
                         set())
        self.facts, self.done, self.votes = empty._replace(**facts), [], {}

    def view(self, deadline):
        return self.facts

    def reveal(self, nodes, deadline):
        """No transient score hides one."""

    def node(self, deadline):
        return "srv2"

    def positions(self, voters, deadline):
        return self.votes

    def round_state(self, deadline):
        return self._noted_round()[0]

    def set_score(self, node, score, deadline):
        self.done.append((node, score))
        self.facts.scores[node] = score

    def explain(self, node, reason, deadline):
        self.done.append((node, reason))

    def forget_acceptance(self, node, deadline):
        self.done.append((node, "acceptance removed"))


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the context of srv2, the candidate."""
    def context(lists, time=None, maxlag=0, **facts):
        cluster = Cluster(tmp_path, **facts)
        cluster.votes = {"srv2": PLACE.position}
        said = []
        return types.SimpleNamespace(
            node="srv2", cluster=cluster, deadline=time or Time(30.0), in_cluster=True,
            instance=None, said=said, environment=cluster._environment,
            parameters=types.SimpleNamespace(maxlag=maxlag),
            notification=transition.read(environment(**notify_variables(**lists))),
            log=types.SimpleNamespace(info=said.append, warning=said.append))
    return context


@pytest.mark.parametrize("remaining,least", [(5.1, 1.5), (17.0, 5.0), (28.0, 8.0), (58.0, 38.0)])
def test_a_short_timeout_still_leaves_time_to_wait_for_the_last_primary(make, remaining, least):
    """17 seconds are left of 20, which Pacemaker gives an operation that names none."""
    context = make(ALONE, Time(remaining), scores={"srv1": 1001, "srv2": 1000})
    assert promotion.await_the_absent(context, PLACE) is False
    waited, = context.deadline.waits
    assert least <= waited < remaining * 0.7


def killed(context, seen=None):
    """Kill the pre-promote notification after it has opened its round."""
    context.cluster._note_round("open", "1")
    context.cluster.primary_seen = lambda deadline: seen


@pytest.fixture
def here(monkeypatch):
    """srv2 is at PLACE, and does not have the shutdown checkpoint of any primary."""
    monkeypatch.setattr("paf.instance.position.place", lambda *_: PLACE)
    monkeypatch.setattr("paf.instance.controldata.read", lambda *_: Known(
        types.SimpleNamespace(segment_size=1 << 24)))
    monkeypatch.setattr("paf.instance.waldump.ends_with_shutdown", lambda *_: False)


@pytest.mark.parametrize("accepted", [(), ("srv2",)])
@pytest.mark.parametrize("how,score", [("lag", -1000), ("switchover", election.BARRED),
                                       ("moved", election.BARRED)])
def test_promote_checks_what_a_notification_that_was_killed_has_not(make, here, how, score,
                                                                    accepted):
    """maxlag, and whether the old primary could follow: the same as before the promotion."""
    moving = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                  promote="srv2")
    lists = dict(lag=ALONE, switchover=moving, moved=dict(moving, stop="srv1"))[how]
    context = make(lists, maxlag=1000, accepted=set(accepted), scores={"srv2": 1000},
                   online=["srv1", "srv2"], last_words={"srv1": "2#99999999"})
    killed(context, 0x5000148 + 1001 if how == "lag" else None)
    context.cluster.votes["srv1"] = PLACE.position
    if accepted:
        promote.check_election(context)
        assert ("srv2", score) not in context.cluster.done
        return
    with pytest.raises(promote.ocf.OcfError, match="not promoted: "):
        promote.check_election(context)
    assert ("srv2", score) in context.cluster.done


def monitored(context, monkeypatch):
    """Run the part of a standby's monitor that makes a candidate again."""
    monkeypatch.setattr(monitor, "_is_unasked", lambda context: False)
    monkeypatch.setattr(notes, "Notes", lambda environment: context.cluster.notes)
    monitor._try_again(context, types.SimpleNamespace(rows=[]))
    return context.cluster.facts.scores["srv2"]


@pytest.mark.parametrize("awaited", [(), ("srv1",)])
def test_a_loss_is_accepted_also_where_no_node_is_waited_for(make, monkeypatch, awaited):
    """Where two histories meet and the last primary is not known, no node would end the wait."""
    context = make(ALONE, scores={"srv2": 1000, "srv1": 1000})
    promotion.wait_for(context, election.Decision(False, "two histories", None, (), awaited))
    assert monitored(context, monkeypatch) == election.WAITING
    context.cluster.facts = context.cluster.facts._replace(accepted={"srv2"})
    assert monitored(context, monkeypatch) == election.LOSER_SCORE
    assert context.cluster.notes.read(notes.AWAITED) == ""


BOTH = dict(ALONE, active="srv2 srv3", unpromoted="srv2 srv3")


AHEAD = election.Decision(False, "srv3 is ahead: 2 > 1", "srv3", (), ())


def conceding(make, rules, **facts):
    """Return the context of srv2, which concedes to srv3, which waits."""
    context = make(BOTH, **{**dict(
        online=["srv2", "srv3"], running=["srv2", "srv3"], rules=rules,
        scores={"srv1": 1001, "srv2": 1, "srv3": election.WAITING}), **facts})
    context.cluster.votes["srv3"] = Known(Position(2, 0x5000149))
    promotion.concede(context, PLACE, AHEAD)
    return context


def test_a_node_that_is_behind_one_that_can_only_wait_waits_too(make, monkeypatch):
    """They were chosen by turns, without end; it is over as soon as the other one's wait is."""
    stopped = {"srv1": "2#99999999"}
    context = conceding(make, {}, last_words=stopped)
    assert context.cluster.facts.scores == {"srv1": 1001, "srv2": election.WAITING,
                                            "srv3": election.WAITING}
    assert monitored(context, monkeypatch) == election.WAITING
    context.cluster.facts.scores["srv3"] = election.LOSER_SCORE
    assert monitored(context, monkeypatch) == election.LOSER_SCORE


def test_a_node_that_waits_behind_another_does_not_wait_for_it_when_it_is_gone(make, monkeypatch):
    context = conceding(make, {}, last_words={"srv1": "2#99999999"})
    context.cluster.facts = context.cluster.facts._replace(online=["srv2"], running=["srv2"])
    assert monitored(context, monkeypatch) == election.LOSER_SCORE


@pytest.mark.parametrize("facts", [{}, {"last_words": {"srv1": "2#99999999"},
                                        "accepted": {"srv3"}}])
def test_a_node_that_waited_is_tried_again_where_it_can_be_promoted_now(make, facts):
    """A vote that was missing has come, or the administrator accepts the loss there."""
    context = conceding(make, {}, **facts)
    assert context.cluster.facts.scores == {"srv1": 1001, "srv2": 1, "srv3": 1000}


def test_who_is_behind_after_a_cold_start_does_not_wait_for_absent_nodes_first(make, monkeypatch):
    """The node that is ahead does that: they would wait one after the other."""
    context = make(BOTH, scores={"srv1": 1001, "srv2": 1000, "srv3": 990},
                   online=["srv2", "srv3"], running=["srv2", "srv3"])
    monkeypatch.setattr("paf.instance.position.place", lambda *_: PLACE)
    for name, answer in (("mark", base.MARK_COLD), ("open_round", None), ("lines", {})):
        monkeypatch.setattr(context.cluster, name, lambda *_, answer=answer: answer, raising=False)
    monkeypatch.setattr("paf.hindrances.stranded", lambda *_: None)
    monkeypatch.setattr("paf.instance.observe.is_primary", lambda *_: False)
    monkeypatch.setattr(promotion, "await_the_absent", lambda *_: pytest.fail("it waits"))
    context.cluster.votes["srv3"] = Known(Position(2, 0x5000149))
    pre_promote.run(context)
    assert context.cluster.facts.scores["srv3"] == 1000
    assert any("srv3 is ahead" in text for text in context.said)


@pytest.mark.parametrize("lists, primary, asked, elected", [
    (BOTH, True, True, False), (BOTH, False, True, True),
    (dict(BOTH, promoted="srv1", demote="srv1"), True, False, True)])
def test_a_primary_that_pacemaker_has_forgotten_needs_no_election(make, monkeypatch, lists, primary,
                                                                  asked, elected):
    """A refusal would have it demoted. Where the lists have a primary, none is forgotten."""
    context, done = make(lists, scores={"srv2": 1001}), []
    monkeypatch.setattr("paf.instance.position.place", lambda *_: PLACE)
    monkeypatch.setattr("paf.instance.observe.is_primary",
                        lambda *_: done.append("asked") or primary)
    monkeypatch.setattr(context.cluster, "open_round", lambda *_: done.append("opened"),
                        raising=False)
    monkeypatch.setattr(pre_promote, "_elect", lambda *_: done.append("elected"))
    pre_promote.run(context)
    # the others wait for a round to vote in
    assert done == ["opened"] + asked * ["asked"] + elected * ["elected"]
    assert context.cluster.done == []


def test_what_an_administrator_accepted_ends_with_any_promotion(make):
    """Else a node that was not needed then would be promoted with a loss years later."""
    context = make(ALONE, accepted={"srv3"}, scores={"srv2": 1000, "srv3": -1000})
    promote._settle_scores(context, context.cluster.facts)
    assert ("srv3", "acceptance removed") in context.cluster.done


@pytest.mark.parametrize("score", [1001, -1000])
def test_a_later_primary_that_was_stopped_with_less_wal_is_not_forgotten(make, score):
    """Its timeline began before the end of the one here: the positions do not show its rows."""
    context = make(ALONE, scores={"srv2": 1, "srv3": score}, last_words={"srv3": "3#83886080"})
    verdict = promotion.judge(context, PLACE, context.cluster.facts, promotion.count(
        context, context.deadline))
    assert not verdict.promote and "start srv3" in verdict.reason
    assert verdict.awaited == ("srv3",)


ROWS = [["me", "false", "0", "ANY 1 (srv1, srv3)", "900", ""],
        ["standby", "srv1", "streaming", "900", "0", "900"],
        ["standby", "srv3", "streaming", "800", "100", "800"],
        ["standby", "srv3", "streaming", "900", "0", "900"]]


@pytest.fixture
def primary(make, monkeypatch):
    """Return a function: what a primary's monitor writes, of which some steps fail for a node."""
    def monitored(*fails, online="srv1 srv2 srv3"):
        context = make(dict(active="", promoted="srv2"), scores={"srv2": 1001},
                       online=online.split(), running=["srv1", "srv2", "srv3"],
                       cleaned_up=["srv1"])
        monkeypatch.setattr(monitor.walfiles, "look", lambda _: monitor.walfiles.Folder(
            1, 1 << 24, 1e9))
        for name in ("set_score", "publish_rule", "forget_failure", "tidy"):
            monkeypatch.setattr(context.cluster, name, step(name, fails, context.cluster.done))
        monitor.update_scores(context, types.SimpleNamespace(rows=ROWS))
        return context
    return monitored


def step(name, fails, done):
    """Return a step that is noted by its name and node, unless it fails."""
    def run(first, *_):
        node = first if isinstance(first, str) else ""
        if (name, node) in fails:
            raise promote.ocf.OcfError(f"Could not map name={node} to a UUID")
        done.append((name, node))
    return run


@pytest.mark.parametrize("fails", [("set_score", "srv1"), ("publish_rule", "srv2"),
                                   ("forget_failure", "srv1"), ("tidy", "")])
def test_what_a_monitor_cannot_write_keeps_it_from_nothing_else(primary, fails):
    """The rule of synchronous standbys above all: elections that lose nothing rely on it."""
    everything = primary().cluster.done
    assert fails in everything and everything[0] == ("publish_rule", "srv2")
    context = primary(fails)
    assert context.cluster.done == [step for step in everything if step != fails]
    assert any("brought up to date" in text for text in context.said)


@pytest.mark.parametrize("here, others, words", [
    (["srv2"], {}, "start the node that was the primary, or accept"),
    (["srv2"], {"srv1": 1001, "srv3": -1000}, "start srv1, or accept"),
    (["srv2", "srv1"], {"srv1": 1001}, None),         # it will be promoted, or says why not
    (["srv2", "srv1"], {"srv1": election.WAITING}, None)])
def test_a_node_without_a_score_says_so_until_it_has_one(make, monkeypatch, here, others, words):
    """In the first start of all, another instance may give itself the first score meanwhile."""
    context = make(ALONE, online=["srv1", "srv2"], running=here, scores=others)
    context.cluster.notes.write(notes.AWAITED, notes.NO_NODE)
    context.cluster.facts.scores.pop("srv2", None)
    monkeypatch.setattr(notes, "Notes", lambda environment: context.cluster.notes)
    monitor._try_again(context, types.SimpleNamespace(rows=[]))
    assert bool(context.cluster.done) == bool(words) and (words or "") in str(context.cluster.done)
    assert context.cluster.notes.read(notes.AWAITED)
    context.cluster.facts.scores["srv2"] = 1000
    monitor._try_again(context, types.SimpleNamespace(rows=[]))
    assert not context.cluster.notes.read(notes.AWAITED)


def test_a_primary_that_is_no_member_by_its_name_gives_no_scores(primary):
    """Without an answer of crm_node the host's name is used; by its own name it would be away."""
    context = primary(online="srv1 srv2.example.org srv3")
    assert context.cluster.done == []
    assert any("srv2 is no member" in text for text in context.said)


def test_of_two_connections_of_one_name_the_one_with_less_counts():
    """One of them may be another program's that gave itself the name."""
    flushed = synchronous._flushed(monitor._replicas(ROWS))
    assert flushed == {"srv1": 900, "srv3": 800}
    assert synchronous._flushed(monitor._replicas(
        ROWS[:2] + [[*ROWS[1][:5], ""]])) == {"srv1": None}


def test_a_node_that_does_not_vote_is_named_with_what_its_server_says(make, monkeypatch):
    monkeypatch.setattr("paf.instance.peer.position", lambda *_: AtLeast(
        Position(2, 100), "its server at srv3:5432 still replays"))
    context = make(dict(ALONE, active="srv2 srv3"), online=["srv2", "srv3"], maintenance={"srv3"})
    verdict = promotion.count(context, context.deadline, {"srv3"})
    assert verdict.missing == ("srv3",) and not verdict.promote
    assert verdict.reason == ("srv3 did not report its WAL position; its server at srv3:5432 still "
                              "replays")


def test_a_last_primary_that_was_set_back_is_not_ahead_of_all():
    """What it had acknowledged is known here, and it has less. Its history is not known."""
    positions = {"srv1": Known(Position(3, 500)), "srv2": Known(Position(3, 900))}
    cold = promotion.Cold("srv1", {}, True, election.to_vote(Known(Position(3, 800))), ())
    for needed, promoted in ((cold.needed, True), ("", False)):
        decision = promotion.decide("srv2", list(positions), positions,
                                    cold._replace(needed=needed))
        assert decision.promote == promoted


PAIR = dict(ALONE, active="srv1 srv2", unpromoted="srv1 srv2")


def test_no_port_is_asked_before_this_nodes_own_ballot_is_there(make, monkeypatch):
    monkeypatch.setattr(promotion, "_ask_ports", lambda *_: pytest.fail("a port was asked"))
    context = make(PAIR)
    context.cluster.votes = {}
    found = promotion.count(context, context.deadline, maintenance=["srv1"])
    assert not found.promote and "srv2" in found.missing


@pytest.mark.parametrize("late", [0.0, 5.0])
def test_others_have_their_time_to_vote_from_this_nodes_own_ballot_on(make, monkeypatch, late):
    """No node can vote before; its attribute manager may just have been restarted."""
    context, clock, asked = make(PAIR, online=["srv1", "srv2"]), Clock(), []
    start = clock()
    context.deadline = Deadline(60, clock)
    monkeypatch.setattr(Deadline.wait_for, "__defaults__", (clock.sleep, 0.05))
    monkeypatch.setattr(context.cluster, "positions", lambda *_: (
        {"srv2": PLACE.position} if clock() - start >= late else {}))

    def ask(context, nodes, answers, doubts, deadline):
        asked.append(clock() - start)
        answers["srv1"] = PLACE.position
        return True
    monkeypatch.setattr(promotion, "_ask_ports", ask)
    assert promotion.count(context, context.deadline).promote
    assert late + 2 < asked[0] < late + 2.2


@pytest.mark.parametrize("lines, again", [
    ({"srv1": "x", "srv2": "x"}, False), ({"srv1": "x", "srv2": None}, True),
    ({"srv1": "x"}, True), ({}, True)])
def test_histories_are_read_again_until_those_of_all_who_vote_are_there(
        make, monkeypatch, lines, again):
    monkeypatch.setattr(promotion, "_histories", lambda *_: {"srv2": "y"})
    votes = {"srv2": PLACE.position}
    cold = promotion._WARM._replace(lines=lines)
    found = promotion._with_histories(make(ALONE), [], cold, votes)
    assert found.lines == ({"srv2": "y"} if again else lines)
    warm = promotion._with_histories(make(ALONE), [], promotion._WARM, votes)
    assert warm is promotion._WARM
