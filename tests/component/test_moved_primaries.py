"""A living primary is moved, by standby mode or a ban: checked like a switchover, never stuck."""

import os

import pytest

from tests.component.server import deaf_session, wait_until
from tests.component.test_switchovers import BARRED, BOTH, REFUSED, SWITCH, cut, demote

STANDBY_MODE = dict(SWITCH, stop="srv1")


def without(node, program):
    """Return a bindir (str) that lacks one of the node's programs."""
    programs = node.cluster.folder / "programs"
    programs.mkdir()
    for name in os.listdir(node.programs):
        if name != program:
            (programs / name).symlink_to(f"{node.programs}/{name}")
    return str(programs)


def test_a_primary_whose_node_goes_to_standby_is_checked_like_a_switchover(pair):
    pair.store.set_score("srv2", 1000)
    cut(pair)
    pair.notify("pre", "demote", STANDBY_MODE, BOTH, timeout=20)
    assert pair.store.score("srv2") == BARRED
    assert "does not stream" in pair.store.refusal("srv2")


@pytest.mark.parametrize("lists, score", [(STANDBY_MODE, 1000), (SWITCH, BARRED)])
def test_what_a_target_is_refused_for_keeps_no_primary_that_is_stopped(pair, lists, score):
    """Pacemaker announces this also while the lost primary's node is being fenced."""
    pair.store.set_score("srv2", 1000)
    pair["srv2"].parameters["bindir"] = without(pair["srv2"], "pg_waldump")
    pair.notify("pre", "demote", lists, BOTH)
    assert pair.store.score("srv2") == score


def test_the_last_words_of_a_primary_that_was_moved_refuse_a_stale_standby(pair):
    """Its pre-demote notification was lost: the candidate still knows what it misses."""
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    assert pair["srv1"].agent("demote", lists=STANDBY_MODE).code == 0
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 1
    assert pair.store.score("srv2") == BARRED
    assert "srv1 was stopped cleanly" in pair.store.refusal("srv2")


def test_last_words_that_a_demotion_could_not_publish_are_repeated_by_the_stop(pair):
    """Without them the primary would count as one that has crashed."""
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    pair.store.breaks("crm_attribute")
    run = pair["srv1"].agent("demote", lists=STANDBY_MODE)
    assert run.code == 0 and "no last words" in run.log
    assert pair.store.permanent("last_words", "srv1") is None
    pair.store.repairs("crm_attribute")
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 1
    assert "srv1 was stopped cleanly" in pair.store.refusal("srv2")
    said = pair.store.permanent("last_words", "srv1")
    assert said and pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1") == said


def test_a_shutdown_that_outlives_its_action_leaves_last_words_all_the_same(pair):
    """The action is killed, or at its timeout: the server ends by itself, and cleanly."""
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    with deaf_session(pair["srv1"], pair.folder / "fifo"):
        run = pair["srv1"].agent("demote", lists=STANDBY_MODE, timeout=8)
        assert run.code == 1 and "waiting for sessions" in run.err, run
    wait_until(lambda: pair["srv1"].control() == "shut down", "the server to end")
    assert pair.store.permanent("last_words", "srv1") is None
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1")
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 1
    assert "srv1 was stopped cleanly" in pair.store.refusal("srv2")


def test_a_demotion_that_does_not_bring_a_standby_leaves_last_words_all_the_same(pair):
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    pair["srv1"].configure("unix_socket_directories = '/nonexistent'")
    assert pair["srv1"].agent("demote", lists=SWITCH).code == 1
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1")
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 1
    assert "srv1 was stopped cleanly" in pair.store.refusal("srv2")


def test_an_instance_that_crashes_after_a_switchover_has_no_last_words(pair):
    """What its demotion had put off until a stop was not for this one: it refused the failover."""
    pair["srv1"].parameters["bindir"] = without(pair["srv1"], "none of them")
    assert pair["srv1"].agent("demote", lists=SWITCH).code == 0
    pair["srv1"].kill()
    os.unlink(os.path.join(pair["srv1"].parameters["bindir"], "pg_controldata"))
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1") is None


def test_a_primary_whose_node_goes_to_standby_hands_over_to_one_that_has_all(pair):
    pair.notify("pre", "demote", STANDBY_MODE, BOTH)
    assert pair["srv1"].agent("demote", lists=STANDBY_MODE).code == 0
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1")
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 0
    # and they are taken back before it is started again
    lists = dict(active="srv2", promoted="srv2", start="srv1")
    assert pair["srv1"].agent("start", lists=lists).code == 0
    assert pair.store.permanent("last_words", "srv1") is None


@pytest.mark.parametrize("missing", ["pg_waldump", "pg_controldata"])
def test_a_primary_that_cannot_say_where_it_ended_is_no_crash(pair, missing):
    """Nothing is promoted that may miss what the primary has, which was stopped cleanly."""
    programs = without(pair["srv1"], missing)
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    assert pair["srv1"].agent("demote", lists=STANDBY_MODE, bindir=programs).code == 0
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE, bindir=programs).code == 0
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 1
    assert pair.store.score("srv2") == BARRED
    assert "cannot compare with srv1, which was stopped" in pair.store.refusal("srv2")


def test_a_primary_that_crashed_is_no_move(pair):
    """Pacemaker's lists are the same; there are no last words."""
    pair["srv1"].kill()
    pair.notify("pre", "demote", STANDBY_MODE, BOTH)
    assert pair["srv1"].agent("demote", lists=STANDBY_MODE).code == 0
    assert pair["srv1"].agent("stop", lists=STANDBY_MODE).code == 0
    assert pair.store.permanent("last_words", "srv1") is None
    assert pair.promote("srv2", STANDBY_MODE, ["srv2"]).code == 0


def role_banned(cluster):
    """Ban the role from srv1, the primary, while srv2 is refused: srv1 runs on as a standby."""
    cluster.store.set_score("srv1", 1001)
    cluster.store.set_score("srv2", BARRED)
    cluster.store.set_transient("not_promoted_because", "srv2", REFUSED)
    cluster.store.promotes("srv1")
    demote(cluster, dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1"))
    cluster.store.demotes("srv1")
    cluster.move_vip(None)
    (cluster["srv2"].temporary / "pgsqlms-pgsqld.worries").write_text("1")
    assert cluster["srv2"].monitor().code == 0


def test_a_refused_standby_is_let_in_where_the_role_is_banned_from_a_primary_that_runs_on(pair):
    """Else there is no primary until somebody acts, though nothing is missing."""
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    role_banned(pair)
    assert pair.store.score("srv2") == 1
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv2")
    assert pair.promote("srv2", lists, BOTH).code == 0
    assert pair["srv2"].value("SELECT count(*) FROM t") == 1


def test_one_that_lacks_something_is_refused_by_the_election_then_and_not_let_in_again(pair):
    cut(pair)
    pair["srv1"].sql("INSERT INTO t VALUES (1)")
    role_banned(pair)
    lists = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv2")
    for _ in range(2):    # srv1 is ahead, and Pacemaker does not choose it
        assert pair.store.score("srv2") > 0
        assert pair.promote("srv2", lists, BOTH).code == 1
    assert pair.store.score("srv2") == BARRED
    assert "keeps Pacemaker from promoting srv1" in pair.store.refusal("srv2")
    assert pair["srv2"].monitor().code == 0
    assert pair.store.score("srv2") == BARRED
