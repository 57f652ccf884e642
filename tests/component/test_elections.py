"""Elections among real standbys: the most advanced one wins, and a refusal names who and why."""

import time

import psycopg2
import pytest

from paf.decide import election
from tests.component.server import wait_until

ALONE = dict(active="srv2 srv3", unpromoted="srv2 srv3")


def with_candidate(name, **more):
    return dict(ALONE, promote=name, **more)


@pytest.fixture
def survivors(trio):
    """The primary is gone; srv2 has rows that srv3 does not have."""
    trio["srv3"].stop()
    trio["srv1"].sql("INSERT INTO t SELECT generate_series(1, 3000)")
    trio.wait_for_streams("srv1", 1)
    trio["srv1"].kill()
    trio.move_vip(None)
    trio["srv3"].start()
    trio.store.set_score("srv2", 1000)
    trio.store.set_score("srv3", 990)
    return trio


@pytest.mark.fast
def test_the_most_advanced_standby_is_promoted(survivors):
    run = survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"])
    assert run.code == 0 and not survivors["srv2"].in_recovery
    assert survivors["srv2"].value("SELECT count(*) FROM t") == 3000
    assert survivors.store.scores("srv2", "srv3") == [1000, 990]
    assert survivors.store.refusal("srv2") is None


def test_a_standby_that_is_behind_gives_way_before_any_promotion(survivors):
    survivors.notify("pre", "promote", with_candidate("srv3"), ["srv2", "srv3"])
    assert survivors.store.scores("srv2", "srv3") == [1000, 1]
    assert survivors.store.refusal("srv3").startswith("PAF-E101 srv2 is ahead: TL 1, ")
    run = survivors["srv3"].agent("promote", lists=with_candidate("srv3"))
    assert run.code == 1 and survivors["srv3"].in_recovery
    assert survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"]).code == 0


def test_of_equal_standbys_the_candidate_is_promoted(trio):
    trio["srv1"].hold_still()
    trio.wait_for_streams("srv1", 2)
    trio["srv1"].kill()
    for name in ("srv3",):
        run = trio.promote(name, with_candidate(name), ["srv2", "srv3"])
        assert run.code == 0 and "no standby is ahead" in run.log


def test_the_loser_follows_the_winner(survivors):
    survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"])
    survivors.wait_for_streams("srv2", 1)
    assert survivors["srv3"].value("SELECT count(*) FROM t") == 3000


@pytest.mark.parametrize("back, score", [(True, -1000), (False, 1001)])
def test_an_old_primary_that_comes_back_meanwhile_does_not_outrank_the_new_one(
        survivors, back, score):
    """Pacemaker would demote the new one for it, before the first monitor has set scores."""
    survivors.notify("pre", "promote", with_candidate("srv2"), ["srv2", "srv3"])
    survivors.store.add_member("srv1", online=back)
    survivors.store.set_score("srv1", 1001)
    assert survivors["srv2"].agent("promote", lists=with_candidate("srv2")).code == 0
    assert survivors.store.score("srv1") == score


# Nodes that do not answer

def test_a_peer_that_never_speaks_is_named_in_time(survivors):
    lists = with_candidate("srv2")
    run = survivors.notify("pre", "promote", lists, ["srv2"], timeout=8)["srv2"]
    assert "srv3 did not report its WAL position" in run.log
    assert survivors.store.score("srv2") == election.WAITING
    run = survivors["srv2"].agent("promote", lists=lists, timeout=8)
    assert run.code == 1 and "refused before" in run.reason
    assert survivors["srv2"].in_recovery
    assert survivors.promote("srv2", lists, ["srv2", "srv3"]).code == 0


def test_a_peer_that_leaves_the_cluster_is_not_waited_for(survivors):
    """Pacemaker fences it, and starts again once this notification has returned."""
    lists = with_candidate("srv2")
    survivors.store.add_member("srv3", online=False)
    try:
        begin = time.monotonic()
        run = survivors.notify("pre", "promote", lists, ["srv2"], timeout=120)["srv2"]
        # a vote that does not come is waited for 20 s
        assert time.monotonic() - begin < 20
        assert "srv3 did not report its WAL position" in run.log
    finally:
        survivors.store.add_member("srv3")


def test_a_candidate_that_leaves_the_cluster_is_not_waited_for(survivors):
    survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"])
    survivors.store.add_member("srv2", online=False)
    try:
        begin = time.monotonic()
        assert survivors.notify("pre", "promote", with_candidate("srv2"), ["srv3"],
                                timeout=120)["srv3"].code == 0
        assert time.monotonic() - begin < 20
    finally:
        survivors.store.add_member("srv2")


@pytest.mark.fast
def test_who_is_notified_before_the_candidate_votes_once_the_election_is_open(survivors):
    """Where a node is busy, Pacemaker runs one notification after the other."""
    lists = with_candidate("srv2")
    for name in ("srv2", "srv3"):    # both take part in elections
        survivors.store.set_value("ballot", name, "none:")
    for _ in range(2):    # not in the round of before, which it has answered
        early = survivors.notify("pre", "promote", lists, ["srv3"])["srv3"]
        assert early.seconds < 10 and "votes once it does" in early.log
        run = survivors.notify("pre", "promote", lists, ["srv2"])["srv2"]
        assert "does not vote" not in run.log and "promoted: " not in run.log
    assert survivors["srv2"].agent("promote", lists=lists).code == 0


def test_an_old_value_of_a_peer_that_does_not_speak_does_not_count(survivors):
    survivors.notify("pre", "promote", with_candidate("srv3"), ["srv2", "srv3"])
    lists = with_candidate("srv2")
    survivors.notify("pre", "promote", lists, ["srv2"], timeout=8)
    assert survivors["srv2"].agent("promote", lists=lists, timeout=8).code == 1


def test_a_dead_peer_votes_with_what_is_on_its_disk(survivors):
    end = survivors["srv3"].value("SELECT pg_last_wal_replay_lsn() - '0/0'")
    survivors["srv3"].kill()
    assert survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"]).code == 0
    votes = [word for call in survivors.store.calls() if call.node == "srv3"
             for word in call.words if "1#" in word]
    assert votes and votes[0].endswith(f"1#{end}")


def test_a_promotion_without_notification_is_refused(survivors):
    run = survivors["srv2"].agent("promote", lists=with_candidate("srv2"))
    assert run.code == 1 and "pre-promote notification" in run.reason


def test_a_candidate_that_can_hold_no_election_says_why_and_gives_way(survivors):
    """There is no room for its notes: tried again and again, it would keep a healthy one out."""
    lists, nowhere = with_candidate("srv2"), "/proc/nowhere"
    node = survivors["srv2"]
    node.agent("notify", lists=dict(lists, kind="pre", operation="promote"), HA_RSCTMP=nowhere)
    assert survivors.store.refusal("srv2").startswith(
        "PAF-E117 no election was held: cannot write /proc/nowhere/")
    assert survivors.store.scores("srv2", "srv3") == [1, 990]
    run = node.agent("promote", lists=lists, HA_RSCTMP=nowhere)
    assert run.code == 1 and node.in_recovery and "no election was held" in run.reason


@pytest.mark.parametrize("lists", [
    dict(promoted="srv1", unpromoted="srv2", demote="srv1", stop="srv1", start="srv1",
         active="srv1 srv2", promote="srv1"),
    dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")],
    ids=["recovery", "forgotten"])
def test_a_primary_keeps_its_score_where_no_election_can_be_held(pair, lists):
    """It is recovered where it crashed, and has the most; or Pacemaker has forgotten what it is."""
    pair.store.set_score("srv1", 1001)
    pair["srv1"].agent("notify", lists=dict(lists, kind="pre", operation="promote"),
                       HA_RSCTMP="/proc/nowhere")
    assert pair.store.score("srv1") == 1001 and pair.store.refusal("srv1")


# Agents before 3.0

@pytest.mark.parametrize("value, code", [("1#1", 0), ("9#1", 1)])
def test_a_peer_that_publishes_only_lsn_location_votes(survivors, value, code):
    survivors.notify("pre", "promote", with_candidate("srv3"), ["srv2"], timeout=4)
    survivors.store.set_value("lsn_location", "srv3", value)
    lists = with_candidate("srv2")
    survivors.notify("pre", "promote", lists, ["srv2"], timeout=8)
    assert survivors["srv2"].agent("promote", lists=lists, timeout=8).code == code


def test_a_peer_that_says_what_it_asked_for_after_a_restart_has_not_voted(survivors):
    """As 0/3000000 where its local WAL ends at 0/30C9330: the candidate may lack rows."""
    survivors.store.set_value("lsn_location", "srv3", f"1#{0x100000}")
    lists = with_candidate("srv2")
    survivors.notify("pre", "promote", lists, ["srv2"], timeout=8)
    run = survivors["srv2"].agent("promote", lists=lists, timeout=8)
    assert run.code == 1 and "srv3" in survivors.store.refusal("srv2")


def test_our_position_is_there_for_such_a_candidate(survivors):
    survivors.notify("pre", "promote", with_candidate("srv3"), ["srv2"])
    timeline, lsn = survivors.store.value("lsn_location", "srv2").split("#")
    assert timeline == "1" and int(lsn) > 1000000
    survivors.notify("post", "promote", with_candidate("srv3"), ["srv2"])
    assert survivors.store.value("lsn_location", "srv2") == ""


# What it costs

def test_an_election_writes_private_attributes_only(survivors):
    begin = len(survivors.store.calls())
    survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"])
    calls = survivors.store.calls(begin)
    writes = [call for call in calls if call.writes]
    assert {call.program for call in writes} == {"attrd_updater"}
    assert all("--private" in call.words for call in writes)


@pytest.mark.fast
def test_the_position_is_all_that_was_received_or_replayed(standby):
    """After a restart the received LSN is only the start of a segment."""
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    standby.cluster.notify("pre", "promote", lists, ["srv2"])
    lsn = int(standby.cluster.store.value("ballot", "srv2").split("#")[1])
    replayed = standby.value("SELECT pg_last_wal_replay_lsn() - '0/0'")
    assert lsn == replayed


def test_a_timeline_that_only_its_wal_files_show_counts(survivors):
    """The control file learns of a new timeline at the next restartpoint only."""
    survivors.promote("srv2", with_candidate("srv2"), ["srv2", "srv3"])
    survivors.wait_for_streams("srv2", 1)
    survivors["srv2"].kill()
    lists = dict(active="srv3", unpromoted="srv3", promote="srv3")
    survivors.notify("pre", "promote", lists, ["srv3"])
    assert ":2#" in survivors.store.value("ballot", "srv3")


def test_pacemakers_programs_that_fail_are_a_soft_error(survivors):
    lists = with_candidate("srv2")
    survivors.notify("pre", "promote", lists, ["srv2", "srv3"])
    survivors.store.breaks("attrd_updater")
    run = survivors["srv2"].agent("promote", lists=lists, timeout=8)
    assert run.code == 1 and survivors["srv2"].in_recovery


# Pacemaker forgets who is the primary: Pacemaker 2.1.5, when a reload's transition is aborted

FORGOTTEN = dict(active="srv1 srv2 srv3", unpromoted="srv1 srv2 srv3")


def test_no_standby_is_promoted_beside_a_primary_that_pacemaker_has_forgotten(trio):
    lists = dict(FORGOTTEN, promote="srv2")
    trio.notify("pre", "promote", lists, ["srv1", "srv2", "srv3"])
    assert trio["srv2"].agent("promote", lists=lists).code == 1
    assert trio["srv2"].in_recovery and not trio["srv1"].in_recovery
    assert trio.store.scores("srv1", "srv2") == [1000, 1]
    assert trio.store.refusal("srv2").startswith("PAF-E101 srv1 is ahead: ")


def test_a_forgotten_primary_whose_connections_are_used_up_is_none_to_be_replaced(trio):
    held = []
    with pytest.raises(psycopg2.OperationalError):
        while True:
            held.append(trio["srv1"].connect())
    lists = dict(FORGOTTEN, promote="srv2")
    try:
        trio.notify("pre", "promote", lists, ["srv1", "srv2", "srv3"])
        assert trio["srv2"].agent("promote", lists=lists).code == 1
    finally:
        for connection in held:
            connection.close()
    assert trio["srv2"].in_recovery
    refusal = trio.store.refusal("srv2")
    # what it does not answer in time is a refusal as well
    assert "srv1 is ahead: TL 2" in refusal or refusal.startswith("PAF-E104"), refusal


def test_a_primary_that_pacemaker_has_forgotten_is_accepted_as_it_is(trio):
    pid = trio["srv1"].pid()
    trio["srv1"].sql("INSERT INTO t SELECT generate_series(1, 3000)")
    run = trio.promote("srv1", dict(FORGOTTEN, promote="srv1"), ["srv1", "srv2", "srv3"])
    assert run.code == 0 and trio["srv1"].pid() == pid and not trio["srv1"].in_recovery


@pytest.mark.parametrize("nowhere", [["srv1", "srv2", "srv3"], ["srv1"], ["srv2", "srv3"]],
                         ids=["on-all-nodes", "there", "on-the-others"])
def test_a_forgotten_primary_stays_it_where_a_wrong_bindir_was_reloaded(trio, nowhere):
    """No position is known there, and none is needed: a refusal ended with no primary."""
    pid, lists = trio["srv1"].pid(), dict(FORGOTTEN, promote="srv1")
    for name in nowhere:
        trio[name].parameters["bindir"] = "/nonexistent"
    trio.store.set_score("srv1", 1001)
    run = trio.promote("srv1", lists, ["srv1", "srv2", "srv3"])
    assert run.code == 0 and trio["srv1"].pid() == pid and not trio["srv1"].in_recovery
    assert trio.store.refusal("srv1") is None and trio.store.scores("srv1") == [1001]
    assert trio["srv1"].monitor().code == 8


def test_a_standby_that_only_looks_like_a_primary_is_elected_as_any_other(trio):
    """An administrator has removed its signal file, and neither psql nor pg_controldata runs."""
    (trio["srv2"].pgdata / "standby.signal").unlink()
    trio["srv2"].parameters["bindir"] = "/nonexistent"
    lists = dict(FORGOTTEN, promote="srv2")
    trio.notify("pre", "promote", lists, ["srv1", "srv2", "srv3"])
    assert trio.store.refusal("srv2").startswith("PAF-E108 the WAL position of srv2 itself")
    assert trio["srv2"].agent("promote", lists=lists).code == 1
    assert trio["srv2"].in_recovery and not trio["srv1"].in_recovery


@pytest.mark.parametrize("entered", [True, False])
def test_an_election_whose_end_was_not_announced_is_cleared_away_with_the_next_start(
        survivors, entered):
    """Also where a node had no ballot: then it published only its lsn_location."""
    for node in ("srv2", "srv3") if entered else ():
        survivors.store.set_value("ballot", node, "none:")
    survivors.notify("pre", "promote", with_candidate("srv2"), ["srv2", "srv3"])
    assert survivors["srv2"].agent("promote", lists=with_candidate("srv2")).code == 0
    assert survivors.store.value("ballot", "srv2")
    assert survivors.store.value("ballot", "srv3") or survivors.store.value("lsn_location", "srv3")
    joined = dict(active="srv2 srv3", promoted="srv2", unpromoted="srv3", start="srv1")
    survivors.notify("post", "start", joined, ["srv2", "srv3"])
    for node in ("srv2", "srv3"):
        assert not survivors.store.value("lsn_location", node)
        assert survivors.store.value("ballot", node) in ("none:", None)


@pytest.mark.parametrize("primary, kept", [("srv1", ()), (None, ("start", "origin"))])
def test_a_standby_that_streams_forgets_that_it_was_started_without_a_primary(trio, primary, kept):
    """Where the end of the promotion did not reach this node's copy of the CIB in time.

    Without a primary it may stream from a standby, which waits for the last primary itself.
    """
    for name, text in (("start", "cold"), ("origin", "crashed primary"), ("line", "yes")):
        (trio["srv2"].temporary / f"pgsqlms-pgsqld.{name}").write_text(text)
    if primary:
        trio.store.promotes(primary)
    assert trio["srv2"].monitor().code == 0
    assert tuple(name for name in ("start", "origin", "line") if (
        trio["srv2"].temporary / f"pgsqlms-pgsqld.{name}").exists()) == kept


def test_a_promotion_that_failed_ends_no_cold_start(survivors):
    """Pacemaker announces its end as well. Who waits goes on, and how it was started still counts.

    A warm election compares no histories, and a node that waited would never have tried again.
    """
    lists = with_candidate("srv2")
    for name in ("srv2", "srv3"):
        survivors.store.set_value("ballot", name, "none:")    # as its start has done
        (survivors[name].temporary / "pgsqlms-pgsqld.start").write_text("cold")
    waits = survivors["srv3"].temporary / "pgsqlms-pgsqld.awaited"
    waits.write_text("srv1")
    survivors.notify("pre", "promote", lists, ["srv2", "srv3"])
    # on a slow machine the vote follows in the background
    wait_until(lambda: "#" in survivors.store.value("ballot", "srv3"), "srv3 voted")
    survivors.notify("post", "promote", lists, ["srv2", "srv3"])
    for name in ("srv2", "srv3"):
        assert (survivors[name].temporary / "pgsqlms-pgsqld.start").read_text() == "cold"
    assert waits.read_text() == "srv1"
    assert survivors.store.value("ballot", "srv3") == "none:"
    survivors.store.promotes("srv2")
    survivors.notify("post", "promote", lists, ["srv2", "srv3"])
    assert not waits.exists()
    assert not (survivors["srv3"].temporary / "pgsqlms-pgsqld.start").exists()
