"""Switchovers: played when nothing is lost, refused when the old primary would be stranded."""

import pytest

SWITCH = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
              promote="srv2")
BACK = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")
BOTH = ["srv1", "srv2"]
BARRED = -1000000


def demote(cluster, lists=SWITCH):
    """Play the transition to the point where the candidate decides."""
    cluster.notify("pre", "demote", lists, BOTH)
    assert cluster["srv1"].agent("demote", lists=lists).code == 0
    assert cluster["srv1"].in_recovery
    cluster.notify("post", "demote", lists, BOTH)


def cut(cluster):
    """Cut the standby off after some rows, so that nothing more arrives there."""
    cluster["srv1"].sql("INSERT INTO t VALUES (1)")
    cluster.wait_for_streams("srv1", 1)
    cluster.move_vip(None)


@pytest.mark.fast
def test_a_switchover_changes_the_roles_and_loses_nothing(pair):
    pair["srv1"].sql("INSERT INTO t SELECT generate_series(1, 1000)")
    demote(pair)
    assert pair.promote("srv2", SWITCH, BOTH).code == 0
    assert pair["srv2"].monitor().code == 8 and pair["srv1"].monitor().code == 0
    assert pair["srv2"].value("SELECT count(*) FROM t") == 1000
    pair.wait_for_streams("srv2", 1)


def test_a_switchover_and_back(pair):
    demote(pair)
    pair.promote("srv2", SWITCH, BOTH)
    pair.wait_for_streams("srv2", 1)
    back = dict(active="srv1 srv2", promoted="srv2", unpromoted="srv1", demote="srv2",
                promote="srv1")
    pair.notify("pre", "demote", back, BOTH)
    assert pair["srv2"].agent("demote", lists=back).code == 0
    assert pair.promote("srv1", back, BOTH).code == 0
    pair.wait_for_streams("srv1", 1)


@pytest.fixture
def missed(pair):
    """The old primary is demoted; its shutdown checkpoint did not reach srv2."""
    pair.store.set_score("srv1", 1001)
    pair.store.set_score("srv2", 1000)
    cut(pair)
    assert pair["srv1"].agent("demote", lists=SWITCH).code == 0
    return pair


@pytest.mark.fast
def test_a_switchover_without_the_shutdown_checkpoint_is_refused(missed):
    missed.notify("pre", "promote", SWITCH, BOTH)
    assert missed.store.scores("srv1", "srv2") == [1001, BARRED]
    reason = missed.store.refusal("srv2")
    assert reason.startswith("PAF-E114 switchover refused") and "srv1" in reason
    run = missed["srv2"].agent("promote", lists=SWITCH)
    assert run.code == 1 and missed["srv2"].in_recovery


def test_after_a_refusal_the_old_primary_is_promoted_again(missed):
    missed.notify("pre", "promote", SWITCH, BOTH)
    assert missed.promote("srv1", BACK, BOTH).code == 0
    assert missed["srv1"].monitor().code == 8


def test_the_refused_standby_is_let_in_again_once_it_streams(missed):
    missed.notify("pre", "promote", SWITCH, BOTH)
    missed.promote("srv1", BACK, BOTH)
    missed.wait_for_streams("srv1", 1)
    missed["srv1"].monitor()
    assert missed.store.score("srv2") == 1000
    assert missed.store.refusal("srv2") is None


def test_a_target_that_does_not_stream_is_refused_before_the_demotion(pair):
    pair.store.set_score("srv2", 1000)
    cut(pair)
    pair.notify("pre", "demote", SWITCH, BOTH, timeout=20)
    assert pair.store.score("srv2") == BARRED
    assert "does not stream" in pair.store.refusal("srv2")
    assert not pair["srv1"].in_recovery


def test_a_primary_with_the_scores_of_a_node_that_was_cut_off_stays_one(pair):
    """The CIB of srv2, as it was when that was cut off, has replaced the cluster's."""
    pair.store.set_score("srv1", -1000)
    pair.store.set_score("srv2", 1001)
    pair.move_vip(None)
    pair.notify("pre", "demote", SWITCH, BOTH, timeout=20)
    assert pair.store.scores("srv1", "srv2") == [1001, BARRED]


def test_a_refused_target_that_is_still_asked_for_is_not_let_in_at_once(pair):
    """Pacemaker would ask for it again with each transition, forever."""
    pair.store.set_score("srv2", BARRED)
    (pair.store.folder / "configuration").write_text(
        '<resources><clone id="pgsqld-clone"><primitive id="pgsqld"/></clone></resources>'
        '<constraints><rsc_location id="cli-prefer-pgsqld-clone" rsc="pgsqld-clone" '
        'role="Promoted" node="srv2" score="INFINITY"/></constraints>')
    for _ in range(2):
        assert pair["srv1"].monitor().code == 8
        assert pair.store.score("srv2") < BARRED
    (pair.store.folder / "configuration").unlink()
    assert pair["srv1"].monitor().code == 8
    assert pair.store.score("srv2") == 1000


@pytest.fixture
def held_back(pair):
    """The primary is lost; a switchover to srv2 was refused, is still asked for, and was due."""
    pair.store.set_score("srv1", 1001)
    pair.store.set_score("srv2", BARRED - 1)
    pair.store.set_transient("not_promoted_because", "srv2",
                             "switchover refused: srv2 lags by 20971520 bytes")
    pair["srv1"].kill()
    pair.move_vip(None)
    pair.store.add_member("srv1", online=False)
    return pair


LOST = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1", stop="srv1")


def test_a_standby_that_was_held_back_is_promoted_once_the_primary_is_lost(held_back):
    """It had caught up, and only the primary would have let it in."""
    held_back.notify("pre", "demote", LOST, ["srv2"])
    assert held_back.store.score("srv2") == 1
    alone = dict(active="srv2", unpromoted="srv2", promote="srv2")
    assert held_back.promote("srv2", alone, ["srv2"]).code == 0


def test_a_standby_that_was_held_back_is_let_in_by_its_own_monitor_as_well(held_back):
    (held_back["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")
    held_back["srv2"].monitor()
    assert held_back.store.score("srv2") == 1


def test_a_standby_that_was_held_back_is_let_in_by_its_start_after_a_cold_start(held_back):
    held_back["srv2"].server.stop()
    assert held_back["srv2"].agent("start", lists=dict(active="", start="srv2")).code == 0
    assert held_back.store.score("srv2") == 1


def test_one_that_was_held_back_stays_so_while_a_primary_runs(held_back):
    held_back.store.add_member("srv1")
    held_back.store.promotes("srv1")
    (held_back["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")
    held_back["srv2"].monitor()
    assert held_back.store.score("srv2") == BARRED - 1


def test_one_that_was_held_back_stays_so_where_it_is_cut_off(held_back):
    """With no-quorum-policy=freeze it runs on: whether the others have a primary is not known."""
    held_back.store.has_quorum(False)
    (held_back["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")
    held_back["srv2"].monitor()
    assert held_back.store.score("srv2") == BARRED - 1
    held_back.store.has_quorum(True)
    held_back["srv2"].monitor()
    assert held_back.store.score("srv2") == 1


def test_one_that_was_refused_and_not_seen_to_catch_up_says_so_without_a_primary(held_back):
    held_back.store.set_score("srv2", BARRED)
    held_back.notify("pre", "demote", LOST, ["srv2"])
    assert held_back.store.score("srv2") == BARRED
    assert "whether it has caught up since is not known; start srv1" in (
        held_back.store.refusal("srv2"))


REFUSED = "PAF-E113 switchover refused: srv2 lags by 20971520 bytes"
LATE = "PAF-E106 lags by 20971520 bytes, maxlag is 1000000"


def standby_mode(cluster, score=BARRED, reason=REFUSED):
    """Put srv1, the primary, into standby mode: no other node may be promoted."""
    lists = dict(LOST, active="srv1 srv2")
    cluster.store.promotes("srv1")
    cluster.store.set_score("srv1", 1001)
    cluster.store.set_score("srv2", score)
    cluster.store.set_transient("not_promoted_because", "srv2", reason)
    cluster.notify("pre", "demote", lists, BOTH)
    assert cluster["srv1"].agent("demote", lists=lists).code == 0
    assert cluster["srv1"].agent("stop", lists=lists).code == 0
    cluster.store.stops("srv1")
    assert cluster.store.permanent("last_words", "srv1")
    (cluster["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")


@pytest.mark.parametrize("score, reason, shown", [
    (BARRED, REFUSED, "its promotion was refused"), (-1000, LATE, "lags by")])
def test_a_standby_is_let_in_once_it_has_all_of_a_primary_that_was_shut_down(
        pair, score, reason, shown):
    """It was too far behind for a switchover, and got the rest during the shutdown."""
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    standby_mode(pair, score, reason)
    assert shown in pair.store.refusal("srv2")
    assert pair["srv2"].monitor().code == 0
    assert pair.store.score("srv2") == 1
    alone = dict(active="srv2", unpromoted="srv2", promote="srv2")
    assert pair.promote("srv2", alone, ["srv2"]).code == 0
    assert pair["srv2"].value("SELECT count(*) FROM t") == 1


@pytest.mark.parametrize("why", ["less", "a constraint", "no last words", "another primary"])
def test_a_refused_standby_that_may_lack_something_is_not_let_in(pair, why):
    if why == "less":
        cut(pair)
        pair["srv1"].sql("INSERT INTO t VALUES (1)")
    standby_mode(pair)
    if why == "a constraint":    # they would be refused by turns
        pair.store.set_transient("not_promoted_because", "srv2", "srv3 is ahead: a constraint or "
                                 "a failure keeps Pacemaker from promoting srv3")
    elif why == "no last words":
        pair.store.set_permanent("last_words", "srv1", "unknown")
    elif why == "another primary":
        pair.store.add_member("srv3", online=False)
        pair.store.set_score("srv3", 1001)
    assert pair["srv2"].monitor().code == 0
    assert pair.store.score("srv2") == BARRED


def test_a_refusal_for_want_of_a_tool_says_so(pair):
    """The candidate cannot check: that is its own failure, and a soft one."""
    tools = pair.folder / "bin"
    tools.mkdir()
    for name in ("postgres", "pg_ctl", "psql", "pg_isready", "pg_controldata"):
        (tools / name).symlink_to(f"{pair['srv2'].programs}/{name}")
    demote(pair)
    pair["srv2"].parameters["bindir"] = str(tools)
    pair.notify("pre", "promote", SWITCH, BOTH)
    assert "pg_waldump" in pair.store.refusal("srv2")
    assert pair["srv2"].agent("promote", lists=SWITCH).code == 1


def test_a_checkpoint_is_written_before_the_clients_are_cut(pair):
    pair["srv1"].sql("INSERT INTO t SELECT generate_series(1, 1000)")
    before = pair["srv1"].control("Latest checkpoint location")
    pair.notify("pre", "demote", SWITCH, BOTH)
    assert pair["srv1"].control("Latest checkpoint location") != before


def test_a_failed_promotion_lowers_the_score(pair):
    """pg_ctl is gone between the election and the promotion."""
    demote(pair)
    pair.notify("pre", "promote", SWITCH, BOTH)
    tools = pair.folder / "bin"
    tools.mkdir()
    for name in ("postgres", "psql", "pg_isready", "pg_controldata", "pg_waldump"):
        (tools / name).symlink_to(f"{pair['srv2'].programs}/{name}")
    run = pair["srv2"].agent("promote", lists=SWITCH, bindir=str(tools))
    assert run.code == 1 and "pg_ctl" in run.reason
    assert pair.store.score("srv2") == 1


# A transient score, as crm_attribute --promotion sets it: Pacemaker goes by it, not by the agent's

@pytest.fixture
def hidden(pair):
    """A pair whose standby has a transient score beside the one that the agent keeps."""
    pair.store.set_score("srv1", 1001)
    pair.store.set_score("srv2", 1000)
    pair.store.set_transient("master", "srv2", "5000")
    return pair


def test_a_transient_score_does_not_outweigh_a_refusal(hidden):
    """The transition would go on to the demotion: nothing has changed for Pacemaker."""
    cut(hidden)
    hidden.notify("pre", "demote", SWITCH, BOTH, timeout=20)
    assert hidden.store.score("srv2") == BARRED
    assert hidden.store.transient("master", "srv2") is None


def test_the_primarys_monitor_removes_transient_scores(hidden):
    hidden.wait_for_streams("srv1", 1)
    assert hidden["srv1"].monitor().code == 8
    assert hidden.store.transient("master", "srv2") is None


def test_a_standby_that_has_no_primary_removes_its_own(hidden):
    """Else no node would be promoted, and none would say why."""
    hidden.store.set_transient("master", "srv2", "-INFINITY")
    hidden["srv1"].kill()
    hidden.move_vip(None)
    hidden["srv2"].monitor()
    assert hidden.store.transient("master", "srv2") == "-INFINITY"    # perhaps it passes
    (hidden["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")
    hidden["srv2"].monitor()
    assert hidden.store.transient("master", "srv2") is None


def test_an_instance_that_starts_without_a_primary_removes_its_own(hidden):
    hidden.store.set_transient("master", "srv2", "-INFINITY")
    hidden["srv2"].server.stop()
    hidden["srv1"].kill()
    assert hidden["srv2"].agent("start", lists=dict(active="", start="srv2")).code == 0
    assert hidden.store.transient("master", "srv2") is None
