"""Steps around an election that few take: a late answer, a second look, a last refusal."""

import pytest

from paf import ocf, promotion, voted
from paf.actions import promote
from paf.cluster import base
from paf.decide import election, scores
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.decide.wal import Position
from paf.instance import peer, position
from paf.notifications import pre_promote
from tests.unit.test_promotion import ALONE, BOTH, PLACE, here, killed, make  # noqa: F401
from tests.unit.unread import answer

MINE = PLACE.position.value
MORE = Position(2, MINE.lsn + 1)


# votes

@pytest.mark.parametrize("said, promoted, better", [
    (Known(MINE), True, None), (Known(MORE), False, "srv3")])
def test_a_node_that_does_not_vote_counts_with_what_its_server_says(
        make, monkeypatch, said, promoted, better):  # noqa: F811
    answer(monkeypatch, peer, "position", said)
    context = make(BOTH, online=["srv2", "srv3"], maintenance={"srv3"})
    verdict = promotion.count(context, context.deadline, {"srv3"})
    assert (verdict.promote, verdict.better, verdict.missing) == (promoted, better, ())
    assert context.cluster.counted["srv3"] == said
    assert "srv3 does not vote; its server says where it is" in context.said


@pytest.mark.parametrize("accepted", [(), ("srv2",)])
def test_votes_that_are_gone_by_the_promotion_are_no_matter_where_a_loss_is_accepted(
        make, accepted):  # noqa: F811
    context = make(BOTH, accepted=set(accepted), online=["srv2", "srv3"])
    context.cluster._note_round("passed", "1")
    assert promote._count(context, base.ROUND_PASSED).promote == bool(accepted)


@pytest.mark.parametrize("by_checkpoint, published", [
    (PLACE.position, [MINE]), (Known(Position(1, MINE.lsn)), [MINE, Position(1, MINE.lsn)])])
def test_a_candidate_that_knows_no_rounds_gets_the_timeline_that_its_agent_would_have_seen(
        make, monkeypatch, by_checkpoint, published):  # noqa: F811
    """First at once, then after a checkpoint, which may take long."""
    said, context = [], make(BOTH)
    monkeypatch.setattr(context.cluster, "vote", lambda *_: None, raising=False)
    monkeypatch.setattr(context.cluster, "publish", lambda where, _: said.append(where),
                        raising=False)
    answer(monkeypatch, position, "by_checkpoint", by_checkpoint)
    pre_promote._vote(context, "srv3", PLACE, None)
    assert said == published
    del said[:]
    pre_promote._vote(context, "srv3", PLACE._replace(position=AtLeast(MINE, "x")), None)
    assert said == []    # its comparison knows no bounds


@pytest.fixture
def passed(make, here, monkeypatch):  # noqa: F811
    """srv3 does not vote: its server is asked, and what it says makes srv2 the winner."""
    answer(monkeypatch, peer, "position", Known(MINE))
    context = make(BOTH, online=["srv2", "srv3"], maintenance={"srv3"})
    context.cluster._note_round("open", "1")
    assert promotion.count(context, context.deadline, {"srv3"}).promote
    voted.pass_round(context)
    answer(monkeypatch, peer, "position", Unknown("no answer"))
    return context


def test_a_server_that_was_asked_in_the_election_need_not_answer_twice(passed):
    """A node that is too slow to vote is also too slow to answer in time again."""
    assert promote._count(passed, base.ROUND_PASSED).promote
    assert passed.said[-1].startswith("srv3 does not vote, and its server, which was asked")


@pytest.mark.parametrize("change", ["another round", "voted", "no answer then"])
def test_a_silent_member_counts_with_nothing_else(passed, change):
    """Who voted and has no vote now, has withdrawn it."""
    if change == "another round":
        passed.cluster._note_round("passed", "2")
    elif change == "voted":
        passed.cluster.votes["srv3"] = Known(MINE)
        assert promotion.count(passed, passed.deadline, {"srv3"}).promote
        voted.pass_round(passed)
        del passed.cluster.votes["srv3"]
    else:
        passed.cluster.counted = dict(passed.cluster.votes)
        passed.cluster.asked = {}
        voted.pass_round(passed)
    verdict = promote._count(passed, base.ROUND_PASSED)
    assert not verdict.promote and verdict.missing == ("srv3",)


def test_a_vote_takes_the_place_of_what_the_server_said_before(make, monkeypatch):  # noqa: F811
    """It may be withdrawn, and is not taken for an answer of the server then."""
    answer(monkeypatch, peer, "position", Known(MINE))
    context = make(BOTH, online=["srv2", "srv3"], maintenance={"srv3"})
    looks = iter([{"srv2": PLACE.position}, {"srv2": PLACE.position, "srv3": Known(MINE)}])
    context.cluster.positions = lambda *_: next(looks)
    assert promotion.count(context, context.deadline, {"srv3"}).promote
    assert context.cluster.asked == {}


def test_a_vote_that_finds_no_attribute_manager_is_given_in_the_background(
        make, monkeypatch):  # noqa: F811
    """Its notification failed, which Pacemaker ignores, and the candidate was refused."""
    def vote(*_):
        raise ocf.OcfError("attrd_updater failed: no answer in time")
    for later, words in ((True, ", and tries again: "), (False, ": attrd_updater failed")):
        done, context = [], make(BOTH)
        monkeypatch.setattr(context.cluster, "votes_later", later)    # not on corosync 1
        monkeypatch.setattr(context.cluster, "vote", vote, raising=False)
        monkeypatch.setattr(context.cluster, "vote_in_background", lambda seen=done: seen.append(1))
        pre_promote._vote(context, "srv3", PLACE, None)
        assert done == [1] and "this node has not voted" + words in "".join(context.said)


# refusals

@pytest.mark.parametrize("behind, refused", [(1000, False), (1001, True)])
def test_a_candidate_that_lags_by_more_than_maxlag_is_not_promoted(
        make, here, behind, refused):  # noqa: F811
    context = make(ALONE, maxlag=1000, scores={"srv2": 1000})
    killed(context, MINE.lsn + behind)
    pre_promote._elect(context, PLACE)
    assert (("srv2", scores.NOT_CONNECTED) in context.cluster.done) == refused
    assert context.cluster.round_state(None) == (
        base.ROUND_REFUSED if refused else base.ROUND_PASSED)


@pytest.mark.parametrize("guards, found", [(True, base.ROUND_REFUSED), (False, base.ROUND_OPEN)])
def test_with_an_old_pacemaker_the_promotion_itself_counts_votes_that_are_missing(
        make, guards, found):  # noqa: F811
    """They abort the transition, and come with the next one: a refusal would be a failure."""
    context = make(BOTH, online=["srv2", "srv3"], scores={"srv2": 1000})
    context.cluster._note_round("open", "1")
    context.cluster.guards_switchover = guards
    pre_promote._elect(context, PLACE)
    assert context.cluster.round_state(None) == found
    assert (("srv2", election.WAITING) in context.cluster.done) == guards
    assert any("srv3 did not report its WAL position" in line for line in context.said)


@pytest.mark.parametrize("current, mine, words", [
    ({"srv2": 1000, "srv3": 990}, election.LOSER_SCORE, False),
    ({"srv2": election.LOSER_SCORE, "srv3": election.WINNER_SCORE}, election.BARRED, True)])
def test_a_node_that_pacemaker_chose_against_the_scores_is_barred_and_says_why(
        make, current, mine, words):  # noqa: F811
    """A constraint keeps the other one from promotion: both would be chosen by turns."""
    context = make(BOTH, scores=dict(current), online=["srv2", "srv3"])
    promotion.concede(context, PLACE, election.Decision(False, "srv3 is ahead", "srv3", (), ()))
    assert context.cluster.facts.scores == {"srv2": mine, "srv3": election.WINNER_SCORE}
    reason = context.cluster.done[0][1]
    assert ("keeps Pacemaker from promoting srv3" in reason) == words


# after a cold start

@pytest.mark.parametrize("mark, waits", [
    (None, False), ("2#500", False), ("2#99999999", True), ("unknown", True)])
def test_a_last_primary_that_was_set_back_waits_for_the_others(make, mark, waits):  # noqa: F811
    """By its score it would have all there is."""
    context = make(ALONE, scores={"srv2": scores.PRIMARY, "srv1": 1000},
                   acknowledged={"srv2": mark} if mark else {})
    left = promotion._left(context, PLACE, context.cluster.facts)
    assert ("srv2" not in left) == waits and left["srv1"] == 1000
    assert promotion.await_the_absent(context, PLACE) is False
    assert bool(context.deadline.waits) == waits
