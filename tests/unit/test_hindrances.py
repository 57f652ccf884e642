"""Before a promotion: what could not be found out is a reason against it, and is named there."""

import types

import pytest

from paf import hindrances, holders, ocf, promotion
from paf.actions import rejoin
from paf.cluster import notes
from paf.deadline import Deadline
from paf.decide import scores, transition
from paf.decide.knowledge import Known, Unknown
from paf.decide.scores import Replica
from paf.decide.wal import Position
from paf.instance import controldata, rewind, rewindrole, settings, waldump
from paf.instance.position import Place
from tests.unit.support import environment, notify_variables

MINE = Position(2, 0x5000148)
PLACE = Place(Known(MINE), None, Known(""), None)
CONTROL = types.SimpleNamespace(segment_size=1 << 24)
SWITCHOVER = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                  promote="srv2")


@pytest.fixture
def context(tmp_path):
    """The context of srv2 in a switchover from srv1."""
    own = notes.Notes(ocf.Environment({"HA_RSCTMP": str(tmp_path),
                                       "OCF_RESOURCE_INSTANCE": "pgsqld"}))
    return types.SimpleNamespace(
        node="srv2", instance=None, deadline=Deadline(30), parameters=types.SimpleNamespace(
            rejoin="rewind", maxlag=0),
        cluster=types.SimpleNamespace(guards_switchover=True, notes=own),
        notification=transition.read(environment(**notify_variables(**SWITCHOVER))),
        log=types.SimpleNamespace(warning=lambda _: None))


def refuse(error):
    """Return a function that raises the error, whatever it is called with."""
    def act(*_, **__):
        raise error
    return act


# a switchover

@pytest.mark.parametrize("control, place, ends, reason", [
    (Known(CONTROL), PLACE, lambda *_: True, None),
    (Known(CONTROL), PLACE, lambda *_: False,
     "the shutdown checkpoint of srv1 did not arrive here"),
    (Unknown("pg_controldata was killed"), PLACE, lambda *_: True, "pg_controldata was killed"),
    (Known(CONTROL), PLACE._replace(position=Unknown("the server is silent")), lambda *_: True,
     "the server is silent"),
    (Known(CONTROL), PLACE, refuse(ocf.OcfError("cannot read the WAL at 0/5000148")),
     "cannot check for the shutdown checkpoint of srv1: cannot read the WAL at 0/5000148")])
def test_a_switchover_needs_to_see_the_shutdown_checkpoint(monkeypatch, context, control, place,
                                                           ends, reason):
    monkeypatch.setattr(controldata, "read", lambda *_: control)
    monkeypatch.setattr(waldump, "ends_with_shutdown", ends)
    found = hindrances.stranded(context, place, None)
    if reason is None:
        assert found is None
    else:
        assert found.startswith("switchover refused: ") and reason in found


def test_what_was_replayed_is_not_looked_for_again(monkeypatch, context):
    given = []
    monkeypatch.setattr(controldata, "read", lambda *_: Known(CONTROL))
    monkeypatch.setattr(waldump, "ends_with_shutdown", lambda *words: given.append(words) or True)
    assert hindrances.stranded(context, PLACE._replace(replayed=MINE.lsn), None) is None
    assert given[0][1:3] + given[0][4:] == (MINE, 1 << 24, MINE.lsn)


# which standbys acknowledge commits

def empty_view(**facts):
    return types.SimpleNamespace(**{"rules": {}, "copies": {}, "last_words": {}, "scores": {},
                                    "online": ["srv2"], "running": ["srv2"], "acknowledged": {},
                                    **facts})


def test_a_setting_that_cannot_be_read_refuses_the_promotion(monkeypatch, context):
    monkeypatch.setattr(settings, "read", refuse(ocf.OcfError("no such file")))
    where = PLACE._replace(synchronous=Unknown("the server is silent"))
    verdict = holders.judge(context, where, empty_view(), "srv2", MINE)
    assert not verdict.promote and verdict.awaited == ("srv2",)
    assert verdict.reason == "cannot find out which standbys acknowledge commits: no such file"


def test_a_rule_of_another_node_that_is_damaged_refuses_the_promotion(context):
    verdict = holders.judge(context, PLACE, empty_view(rules={"srv1": "?"}), "srv2", MINE)
    assert not verdict.promote and verdict.awaited == ("srv2",)


def test_without_a_server_the_setting_is_read_from_the_files(monkeypatch, context):
    monkeypatch.setattr(settings, "read", lambda *_: "ANY 1 (srv1, srv3)")
    where = PLACE._replace(synchronous=Unknown("the server is silent"))
    assert holders._own_rule(context, where).value.names == ("srv1", "srv3")


def test_a_noted_rule_that_is_damaged_lets_no_client_write(context):
    context.cluster.notes.write(notes.RULE, "?")
    with pytest.raises(ocf.OcfError, match="cannot publish which standbys acknowledge commits: "):
        holders.publish_rule(context)


# scores

@pytest.mark.parametrize("before, just_promoted, after", [
    (1001, True, scores.election.LOSER_SCORE), (1001, False, scores.NOT_CONNECTED),
    (990, True, None), (990, False, scores.NOT_CONNECTED)])
def test_right_after_a_promotion_only_the_old_primary_loses_its_score(before, just_promoted, after):
    found = scores.wanted("srv1", ["srv1", "srv2", "srv3"], [Replica("srv3", "streaming", 5, 0, 5)],
                          {"srv2": before}, 0, 1 << 24, just_promoted)
    assert found.get("srv2") == after


@pytest.mark.parametrize("replica", [Replica("srv2", "startup", None, None, None),
                                     Replica("srv2", "streaming", None, None, None)])
@pytest.mark.parametrize("before, just_promoted, after", [
    (1001, True, scores.election.LOSER_SCORE), (990, True, None), (990, False, scores.NOT_READY)])
def test_a_standby_that_is_connecting_right_after_a_promotion_keeps_its_score(
        replica, before, just_promoted, after):
    """It could not take over until the next monitor, unlike one that has not connected yet."""
    found = scores.wanted("srv1", ["srv1", "srv2"], [replica], {"srv2": before}, 0, 1 << 24,
                          just_promoted)
    assert found.get("srv2") == after


# a candidate that concedes to one that waits

def test_a_node_that_has_not_voted_is_not_known_to_refuse(monkeypatch, context):
    context.cluster.positions, context.cluster.asked = lambda *_: {}, {}
    monkeypatch.setattr(promotion, "cold_facts", lambda *_: None)
    monkeypatch.setattr(promotion, "decide", lambda *_: types.SimpleNamespace(
        missing=("srv3",), promote=False))
    assert not promotion._would_refuse(context, PLACE, empty_view(), "srv3")


# a rewind

def test_an_instance_that_still_diverges_after_a_rewind_is_not_started(monkeypatch, context):
    still = types.SimpleNamespace(common=True, what="diverged: 8 bytes exist only here")
    monkeypatch.setattr(rewindrole, "check", lambda *_: None)
    monkeypatch.setattr(rewind, "run", lambda *_: None)
    monkeypatch.setattr(rejoin, "_find", lambda _: still)
    with pytest.raises(ocf.NotUsable, match="after pg_rewind: .*8 bytes"):
        rejoin._rewind(context, "host=10.0.0.1", still, "diverged", True)
    monkeypatch.setattr(rejoin, "_find", lambda _: None)
    rejoin._rewind(context, "host=10.0.0.1", still, "diverged", True)
