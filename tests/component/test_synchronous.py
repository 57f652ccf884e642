"""Synchronous clusters: a commit that a client got acknowledged is never lost by a promotion."""

import pathlib
import signal

import pytest

from paf.decide import election
from tests.component.server import as_owner, wait_until

COLD = dict(active="", promoted="", start="srv2")


def alone(*nodes):
    return dict(active=" ".join(nodes), unpromoted=" ".join(nodes), promote="srv3")


def lose_rows_on(cluster, name):
    """Make a standby miss rows that the other one acknowledges."""
    cluster[name].stop("immediate")
    cluster["srv1"].sql("INSERT INTO t SELECT generate_series(1, 100)")


def test_the_primary_publishes_which_standbys_acknowledge(synchronous):
    assert synchronous.store.permanent("synchronous", "srv1") == "1 1 srv1 srv2 srv3"
    writes = [call for call in synchronous["srv1"].monitor().calls if call.writes]
    assert writes == [], "nothing changed, so nothing is written"


def test_an_asynchronous_cluster_publishes_nothing(trio):
    trio["srv1"].monitor()
    trio["srv2"].agent("stop", lists=dict(active="srv1 srv2 srv3", stop="srv2"))
    assert trio.store.permanent("synchronous", "srv1") is None
    assert trio.store.permanent("last_words", "srv2") is None


def test_a_standby_that_is_away_and_may_have_acknowledged_keeps_others_from_promotion(synchronous):
    lose_rows_on(synchronous, "srv3")
    assert synchronous["srv2"].agent("stop", lists=dict(
        active="srv1 srv2", promoted="srv1", stop="srv2")).code == 0
    synchronous.store.set_score("srv2", -1000)    # as the primary's monitor gives it
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    synchronous["srv3"].start()
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    reason = synchronous.store.refusal("srv3")
    assert "srv2 may hold commits that were acknowledged" in reason and "start srv2" in reason
    assert synchronous.store.score("srv3") == election.WAITING
    # the node that is named comes back, and the cluster goes on by itself
    assert synchronous["srv2"].agent("start", lists=dict(COLD, active="srv3",
                                                         unpromoted="srv3")).code == 0
    assert synchronous.store.score("srv3") == election.LOSER_SCORE
    synchronous.notify("post", "start", dict(COLD, active="srv3", unpromoted="srv3", start="srv2"),
                       ["srv2", "srv3"])
    synchronous.notify("pre", "promote", alone("srv2", "srv3"), ["srv2", "srv3"])
    assert synchronous.store.scores("srv2", "srv3") == [1000, 1]
    lists = dict(alone("srv2", "srv3"), promote="srv2")
    assert synchronous.promote("srv2", lists, ["srv2", "srv3"]).code == 0
    assert synchronous["srv2"].value("SELECT count(*) FROM t") == 100


def test_one_that_was_stopped_in_order_and_has_less_votes_by_its_last_words(synchronous):
    assert synchronous["srv2"].agent("stop", lists=dict(
        active="srv1 srv2 srv3", promoted="srv1", stop="srv2")).code == 0
    synchronous["srv1"].sql("INSERT INTO t SELECT generate_series(1, 100)")
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 0
    assert synchronous["srv3"].value("SELECT count(*) FROM t") == 100
    assert synchronous.store.permanent("synchronous", "srv3") == "2 1 srv1 srv2 srv3"


def test_a_start_that_fails_takes_no_last_words_away(synchronous):
    """What PostgreSQL refuses to run with, a setting for example, changes nothing of the WAL."""
    standby = synchronous["srv2"]
    assert standby.agent("stop", lists=dict(
        active="srv1 srv2 srv3", promoted="srv1", stop="srv2")).code == 0
    said = synchronous.store.permanent("last_words", "srv2")
    standby.server.configure("unix_socket_directories = '/nonexistent'")
    assert standby.agent("start", lists=dict(
        active="srv1 srv3", promoted="srv1", unpromoted="srv3", start="srv2")).code == 1
    assert synchronous.store.permanent("last_words", "srv2") == said
    synchronous["srv1"].sql("INSERT INTO t SELECT generate_series(1, 100)")
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 0


@pytest.mark.parametrize("action", ["start", "monitor"])
def test_one_that_was_started_by_hand_has_no_last_words(synchronous, action):
    """In maintenance mode: Pacemaker starts it afterwards, or probes it. It runs already."""
    standby = synchronous["srv2"]
    assert standby.agent("stop", lists=dict(
        active="srv1 srv2 srv3", promoted="srv1", stop="srv2")).code == 0
    assert synchronous.store.permanent("last_words", "srv2")
    standby.start()
    lists = dict(active="srv1 srv3", promoted="srv1", unpromoted="srv3", start="srv2")
    assert standby.agent(action, lists=lists).code == 0
    assert synchronous.store.permanent("last_words", "srv2") is None
    if action == "start":
        assert synchronous.store.value("ballot", "srv2")


def test_one_that_was_powered_off_has_no_last_words(synchronous):
    synchronous["srv2"].kill()
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    assert "srv2" in synchronous.store.refusal("srv3")


def test_one_that_was_set_back_to_an_older_copy_proves_nothing_until_it_has_caught_up(synchronous):
    """It was killed, so only the primary knows how much it had."""
    standby, primary = synchronous["srv2"].server, synchronous["srv1"]
    standby.stop()
    as_owner("cp", "-a", standby.pgdata, f"{standby.pgdata}.older")
    standby.start()
    synchronous["srv3"].stop("immediate")
    primary.sql("INSERT INTO t SELECT generate_series(1, 100)")
    assert primary.monitor().code == 8
    assert synchronous.store.permanent("acknowledged", "srv2") is None
    standby.kill_and_reap()
    assert primary.monitor().code == 8
    assert "#" in synchronous.store.permanent("acknowledged", "srv2")
    primary.kill()
    synchronous.move_vip(None)
    as_owner("rm", "-r", standby.pgdata)
    as_owner("cp", "-a", f"{standby.pgdata}.older", standby.pgdata)
    synchronous["srv3"].start()
    assert synchronous["srv2"].agent("start", lists=dict(COLD, active="srv3",
                                                         unpromoted="srv3")).code == 0
    lists = alone("srv2", "srv3")
    assert synchronous.promote("srv3", lists, ["srv2", "srv3"]).code == 1
    assert "srv2 may have less than it acknowledged" in synchronous.store.refusal("srv3")


def test_what_the_standbys_of_other_data_acknowledged_is_forgotten(synchronous):
    """The nodes had another cluster, which was given up: its attributes are left."""
    store = synchronous.store
    end = synchronous["srv1"].value("SELECT pg_current_wal_lsn() - '0/0'")
    store.set_permanent("acknowledged", "srv2", f"1#{int(end) + (1 << 30)}")
    store.set_permanent("acknowledged", "srv3", f"1#{int(end) // 2}")
    assert synchronous["srv1"].monitor().code == 8
    assert [store.permanent("acknowledged", name) for name in ("srv2", "srv3")] == [None, None]


@pytest.mark.parametrize("present", [("srv1", "srv2", "srv3"), ("srv1", "srv3")])
def test_a_last_primary_that_was_set_back_does_not_have_all_there_is(synchronous, present):
    """All lose power; the disk of the primary's node comes back as it was some time before.

    It crashed, so it left no last words that would show this. A standby has more of its WAL.
    """
    primary = synchronous["srv1"].server
    primary.stop()
    as_owner("cp", "-a", primary.pgdata, f"{primary.pgdata}.older")
    primary.start()
    synchronous.wait_for_streams("srv1", 2)
    primary.sql("INSERT INTO t SELECT generate_series(1, 100)")
    synchronous.wait_for_streams("srv1", 2)
    assert synchronous["srv1"].monitor().code == 8
    for node in synchronous:
        node.server.kill_and_reap()
    synchronous.move_vip(None)
    as_owner("rm", "-r", primary.pgdata)
    as_owner("cp", "-a", f"{primary.pgdata}.older", primary.pgdata)
    for name in {"srv1", "srv2", "srv3"} - set(present):
        synchronous.store.add_member(name, online=False)
    runs = synchronous.at_once(lambda node: node.agent("start", lists=dict(
        active="", start=" ".join(present))), present)
    assert [run.code for run in runs.values()] == [0] * len(present)
    lists = dict(active=" ".join(present), unpromoted=" ".join(present), promote="srv1")
    assert synchronous.promote("srv1", lists, present).code == 1
    assert f"{present[1]} is ahead" in synchronous.store.refusal("srv1")
    run = synchronous.promote(present[1], dict(lists, promote=present[1]), present)
    if len(present) == 3:
        assert run.code == 0 and synchronous["srv2"].value("SELECT count(*) FROM t") == 100
    else:    # the one that is away may have more than that
        assert run.code == 1
        assert "srv2 may hold commits" in synchronous.store.refusal("srv3")


def test_the_administrator_may_accept_the_loss_for_one_promotion(synchronous):
    synchronous["srv2"].kill()
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    synchronous.store.set_transient("accept_loss", "srv3", "yes")
    assert synchronous["srv3"].monitor().code == 0
    assert synchronous.store.score("srv3") == election.LOSER_SCORE
    run = synchronous.promote("srv3", alone("srv3"), ["srv3"])
    assert run.code == 0
    calls = [call for call in run.calls if "accept_loss-pgsqld" in call.words]
    assert any("--delete" in call.words for call in calls)


def test_a_loss_that_was_accepted_is_not_accepted_by_a_later_failover(synchronous):
    """The word was given while the primary was cut off, and nothing came of it: it runs on."""
    synchronous.store.set_transient("accept_loss", "srv3", "yes")
    assert synchronous["srv1"].monitor().code == 8
    lose_rows_on(synchronous, "srv3")
    synchronous["srv2"].kill()
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    synchronous["srv3"].start()
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    assert "srv2" in synchronous.store.refusal("srv3")


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_standby_that_cannot_be_asked_votes_with_what_is_on_its_disk(synchronous, how):
    """It hangs, or is dead: the control file would give a lower bound only."""
    lose_rows_on(synchronous, "srv3")
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    synchronous["srv3"].start()
    synchronous["srv2"].signal(how)
    synchronous.notify("pre", "promote", alone("srv2", "srv3"), ["srv2", "srv3"], timeout=40)
    assert synchronous.store.scores("srv2", "srv3") == [1000, 1]
    assert "srv2 is ahead" in synchronous.store.refusal("srv3")
    synchronous["srv2"].signal(signal.SIGCONT)


def test_wal_that_is_not_replayed_yet_counts(synchronous):
    """The standby is started again, and its replay is delayed."""
    lose_rows_on(synchronous, "srv3")
    synchronous["srv2"].stop("immediate")
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    synchronous["srv2"].server.configure("recovery_min_apply_delay = '1h'")
    synchronous["srv2"].start()
    synchronous["srv3"].start()
    synchronous.notify("pre", "promote", alone("srv2", "srv3"), ["srv2", "srv3"])
    assert synchronous.store.scores("srv2", "srv3") == [1000, 1]


def test_a_wider_rule_is_published_at_once_and_a_narrower_one_once_it_holds(synchronous):
    primary = synchronous["srv1"]

    def monitored(setting):
        primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{setting}'")
        primary.sql("SELECT pg_reload_conf()")
        wait_until(lambda: primary.value("SHOW synchronous_standby_names") == setting, "reload")
        primary.monitor()
        return synchronous.store.permanent("synchronous", "srv1")
    assert monitored("ANY 1 (srv2)") == "1 1 srv1 srv2 srv3"
    assert monitored("ANY 1 (srv2)") == "1 1 srv1 srv2 srv3"
    assert monitored("ANY 1 (srv2)") == "1 1 srv2"
    assert monitored("ANY 1 (srv2, srv3)") == "1 1 srv2 srv3"
    assert monitored("ANY 1 (srv2)") == "1 1 srv2 srv3"
    assert monitored("ANY 1 (srv2)") == "1 1 srv2 srv3"
    # with "*" those that were seen are named
    assert monitored("*") == "1 1 * srv2 srv3"
    monitored("*")
    monitored("*")
    assert monitored("*") == "1 1 * srv2 srv3"
    # what was noted before the wider rule counts no longer
    assert monitored("ANY 1 (srv2)") == "1 1 * srv2 srv3"
    assert monitored("") == "1 1 * srv2 srv3"
    monitored("")
    assert monitored("") is None
    assert monitored("ANY 1 (srv2)") == "1 1 srv2"
    # nor what was noted before the rule ended
    assert monitored("") == "1 1 srv2"
    assert monitored("") == "1 1 srv2"
    assert monitored("") is None


def test_a_node_that_is_there_for_the_quorum_keeps_no_other_from_promotion(pair):
    """With "*" any standby may acknowledge commits, but no instance was ever seen on srv4."""
    pair.store.add_member("srv4")
    pair.store.stops("srv4")
    for node in pair:
        node.server.configure("synchronous_standby_names = '*'")
        node.sql("SELECT pg_reload_conf()")
    for node in pair:
        wait_until(lambda node=node: node.value("SHOW synchronous_standby_names") == "*", "reload")
    pair["srv1"].monitor()
    assert pair.store.permanent("synchronous", "srv1") == "1 1 * srv2"
    pair["srv1"].kill()
    pair.move_vip(None)
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    assert pair.promote("srv2", lists, ["srv2"]).code == 0


def test_a_new_reign_starts_without_the_notes_of_an_earlier_one(synchronous):
    primary = synchronous["srv1"]
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (srv2)'")
    primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: "srv2" in primary.value("SHOW synchronous_standby_names"), "reload")
    primary.monitor()
    assert list(pathlib.Path(primary.cluster.folder).rglob("pgsqlms-*.narrower"))
    assert primary.agent("stop", lists=dict(active="srv1", stop="srv1")).code == 0
    assert primary.agent("start", lists=dict(active="", start="srv1")).code == 0
    assert not list(pathlib.Path(primary.cluster.folder).rglob("pgsqlms-*.narrower"))


def test_a_first_start_with_one_node_is_no_loss(make_cluster):
    node = make_cluster("srv1")["srv1"]
    node.server.configure("synchronous_standby_names = '*'")
    assert node.agent("start", lists=dict(active="", start="srv1")).code == 0
    lists = dict(active="srv1", unpromoted="srv1", promote="srv1")
    assert node.cluster.promote("srv1", lists, ["srv1"]).code == 0


def test_a_score_that_is_left_anywhere_means_that_this_is_no_first_start(make_cluster):
    """The old primary boots alone; the new one, which is away, has rows that are not here."""
    cluster = make_cluster("srv1", "srv2")
    cluster.store.add_member("srv2", online=False)
    cluster.store.set_score("srv1", -1000)
    cluster.store.set_score("srv2", 1001)
    assert cluster["srv1"].agent("start", lists=dict(active="", start="srv1")).code == 0
    assert cluster.store.score("srv1") == -1000
    assert "no primary runs" in cluster.store.refusal("srv1")


def test_who_votes_publishes_the_history_that_the_candidate_compares_with(synchronous):
    """A candidate that had no primary for a while compares; the other had its primary until now.

    Its next monitor would have published its history: 72 and 76 s without a primary.
    """
    both = ["srv2", "srv3"]
    synchronous["srv1"].monitor()
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    for name in both:
        synchronous.store.set_value("ballot", name, "none:")
    joined = dict(active="srv2 srv3", unpromoted="srv2 srv3", start="srv3")
    synchronous.notify("post", "start", joined, ["srv3"])
    assert synchronous.store.value("line", "srv3") and not synchronous.store.value("line", "srv2")
    assert synchronous.promote("srv3", alone(*both), both).code == 0
    assert synchronous.store.refusal("srv3") is None and not synchronous["srv3"].in_recovery
