"""Nodes without power, cold starts, stale standbys."""

import time

from lab import scenarios
from trials.faults import tools
from trials.faults.model import Table
from trials.faults.networks import come_back, stays_off
from trials.faults.stage import whole_or_stopped
from lab.tools import wait_until

TABLE = Table()


@TABLE.row(13, "power cut of the primary under load", "a synchronous standby has every row",
           "fenced, the best promoted, no acknowledged row lost")
def primary_off(scene):
    # a node of the lab boots in three seconds, and could be back before anybody is promoted
    stays_off(scene.lab, scene.old)
    scene.foresee(scene.old)
    scene.lab.power_off(scene.old)
    wait_until(lambda: scene.lab.primary_now() in scene.others, 120, "another primary",
               step=0.2)
    come_back(scene.lab, scene.old)
    return [scene.old]


@TABLE.row(14, "power cut of the only synchronous standby", "commits wait for it",
           "commits wait, the primary stays, all goes on once it is back", budget=None)
def synchronous_standby_off(scene):
    lab, victim = scene.lab, scene.others[0]
    primary = lab.nodes[scene.old]
    primary.sql(f"alter system set synchronous_standby_names = '{victim}'")
    primary.sql("select pg_reload_conf()")
    stays_off(lab, victim)
    wait_until(lambda: primary.value("select count(*) from pg_stat_replication where sync_state "
                                     "= 'sync'") == "1", 30, "the setting", step=0.2)
    assert scene.foresee(victim)["commits_wait"] is True, "the forecast: commits do not wait"
    lab.power_off(victim)
    wait_until(lambda: scenarios.scores(lab)[victim] == "-1000", 60, "its score", step=0.5)
    rows = scene.client.rows()
    wait_until(lambda: lab.settle(online=[n for n in lab.nodes if n != victim]).missing() == [],
               60, "the rest of the cluster to be settled", step=0.5)
    assert scene.client.rows() == rows, "commits did not wait"
    come_back(lab, victim)
    scene.client.wait_rows(100, 90)
    primary.sql("alter system reset synchronous_standby_names")
    primary.sql("select pg_reload_conf()")
    scene.settled(primary=scene.old)
    assert ("demote", scene.old) not in scene.actions()
    return [victim]


@TABLE.row(15, "power cut of all nodes", "under load; all come back",
           "the last primary is promoted once; no node fenced, no row lost", budget=None)
def all_off(scene):
    scene.lab.power_off()
    scene.lab.power_on()
    scene.settled(primary=scene.old)
    assert scene.actions("promote") == [("promote", scene.old)], scene.actions("promote")


@TABLE.row(16, "the whole cluster stopped and started in order", "the clone stopped, then started",
           "the same primary, at most one new timeline", budget=None)
def stop_and_start(scene):
    from trials.faults.crashes import timeline
    lab, before = scene.lab, timeline(scene.lab, scene.old)
    node = lab.any_node()
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta", "--set-parameter",
              "target-role", "--parameter-value", "Stopped"])
    wait_until(lambda: not any(node.pids("postmaster") for node in lab.nodes.values()), 90,
               "all instances to be stopped", step=0.2)
    node.run(["crm_resource", "--resource", "pgsqld-clone", "--meta", "--delete-parameter",
              "target-role"])
    scene.settled(primary=scene.old)
    assert timeline(lab, scene.old) <= before + 1


@TABLE.row(17, "only a stale standby comes back", "a standby stops receiving; all lose power; it "
           "alone is switched on, and may run without quorum; then the others",
           "not promoted, and its score says why; the last primary is promoted once it is back",
           budget=None, reason=r"pgsqld\s*: -1000")
def only_a_stale_one(scene):
    lab, stale = scene.lab, scenarios.ranked_standbys(scene.lab)[0]
    away = [name for name in lab.nodes if name != stale]
    for name in lab.nodes:
        stays_off(lab, name)
    with tools.with_property(lab, "no-quorum-policy", "ignore"):
        with tools.replication_cut(lab, stale):
            wait_until(lambda: scenarios.scores(lab)[stale] == "-1000", 60, "its score", step=0.5)
            scene.client.wait_rows(50)
            fenced = len(lab.fencings())
            lab.power_off()
        lab.power_on(stale)
        wait_until(lab.nodes[stale].in_recovery, 120, f"{stale} to start", step=0.5)
        state = ["crmadmin", "--status", stale]
        wait_until(lambda: len(lab.fencings()) >= fenced + len(away)
                   and "S_IDLE" in lab.nodes[stale].run(state, check=False).output,
                   90, "Pacemaker to have finished", step=1)
        scene.texts.append(lab.nodes[stale].run(["crm_mon", "-1rAf"], check=False).output)
        assert lab.nodes[stale].in_recovery() is True
        for name in away:
            come_back(lab, name)
        scene.settled(primary=scene.old)
    return away


TABLE.tested(
    18, "the very first start of a cluster", "standbys, and a primary shut down cleanly",
    "the clean primary gets the first score, the others none",
    "tests/cluster/test_start_and_stop.py::"
    "test_first_start_promotes_the_clean_primary_and_nobody_else",
    "tests/component/test_lifecycle.py::test_only_a_clean_primary_gives_itself_the_first_score",
    "tests/component/test_lifecycle.py::test_a_cluster_that_has_a_score_gets_no_first_one")


@TABLE.row(19, "all standbys lag by more than maxlag", "maxlag = 1 MB, both standbys do not "
           "receive; the primary's power is cut",
           "no node is promoted, the scores say why; once the administrator gives one a "
           "score, the best of them is",
           budget=None, reason=r"lags by \d+ bytes, maxlag is 1000000")
def too_far_behind(scene):
    lab, primary = scene.lab, scene.lab.nodes[scene.old]
    chosen = scenarios.ranked_standbys(lab)[0]
    stays_off(lab, scene.old)
    # they go on to stream: a monitor that came later would find none that lags
    primary.sql("alter system set wal_sender_timeout = '120s'")
    primary.sql("select pg_reload_conf()")
    with tools.with_parameter(lab, "maxlag", "1000000"):
        with scenarios.deaf(lab, scene.others[0]), scenarios.deaf(lab, scene.others[1]):
            primary.sql("set synchronous_commit = local; create table big as select "
                        "generate_series(1, 100000) as n, repeat('x', 50) as t")
            wait_until(lambda: all(int(scenarios.scores(lab)[name]) < 0 for name in scene.others),
                       60, "negative scores", step=0.3)
            wait_until(lambda: scene.shows("maxlag is"), 30, "the reason", step=0.5)
            scene.remember()
            primary.sql("alter system reset wal_sender_timeout")
            scene.foresee(scene.old)
            lab.power_off(scene.old)
            for name in scene.others:
                lab.nodes[name].signal("term", "walreceiver")
        scene.settled(online=scene.others, primary=False)
        assert ("promote", chosen) not in scene.actions()
        scene.came_true()
        lab.any_node().run(["crm_attribute", "-t", "nodes", "-N", chosen, "-n", "master-pgsqld",
                            "-v", "1"])
        scene.settled(online=scene.others)
    come_back(lab, scene.old)
    return [scene.old]


@TABLE.row(32, "an old primary that has diverged", "power cut while it holds rows that no "
           "other node has; it boots again", "it stays stopped, and the reason says how many bytes "
           "exist only there; no node is fenced for it",
           reason="diverged: .*exist only here", budget=60)
def diverged(scene):
    lab = scene.lab
    stays_off(lab, scene.old)
    scene.foresee(scene.old)    # before: it takes seconds, and the primary lets go of who is deaf
    with scenarios.deaf(lab, scene.others[0]), scenarios.deaf(lab, scene.others[1]):
        lab.nodes[scene.old].sql("set synchronous_commit = local; create table only_here as "
                                 "select generate_series(1, 1000)")
        lab.power_off(scene.old)
        for name in scene.others:
            lab.nodes[name].signal("term", "walreceiver")
    scene.settled(online=scene.others)
    come_back(lab, scene.old)
    wait_until(lambda: scene.shows("diverged: "), 90, "the divergence to be shown", step=0.5)
    return [scene.old]


@TABLE.row(40, "replay is paused on the best standby", "pg_wal_replay_pause, then the primary's "
           "power is cut", "what was received is replayed before it takes writes; no row lost")
def replay_paused(scene):
    best = scenarios.ranked_standbys(scene.lab)[0]
    scene.lab.nodes[best].sql("select pg_wal_replay_pause()")
    scene.client.wait_rows(200)
    stays_off(scene.lab, scene.old)    # it could be back while the others still replay
    scene.foresee(scene.old)
    scene.lab.power_off(scene.old)
    wait_until(lambda: scene.lab.primary_now() in scene.others, 120, "another primary",
               step=0.2)
    scene.lab.nodes[best].sql("select pg_wal_replay_resume() where pg_is_in_recovery()")
    come_back(scene.lab, scene.old)
    return [scene.old]


@TABLE.row(59, "a standby is promoted by hand, and the primary's power is cut", "pg_ctl promote on "
           "the best standby beside the primary; once that is stopped, power cut under load",
           "it is stopped, and says why; the other standby is promoted, no row lost; `paf rebuild` "
           "makes it a standby", reason="PAF-E201 diverged: timeline")
def promoted_by_hand(scene):
    lab = scene.lab
    stray, other = scenarios.ranked_standbys(lab)
    scene.play.by_hand[stray] = time.monotonic()
    scenarios.promote_by_hand(lab, stray)
    scene.settled(primary=scene.old, stopped=[stray])
    wait_until(lambda: scene.shows("PAF-E201 diverged: timeline"),
               30, "why it is stopped", step=0.5)
    scene.client.wait_rows(100)
    stays_off(lab, scene.old)
    scene.foresee(scene.old)
    lab.power_off(scene.old)
    wait_until(lambda: lab.primary_now() == other, 120, f"{other} to be promoted", step=0.2)
    assert not lab.nodes[stray].pids("postmaster"), f"{stray} runs"
    come_back(lab, scene.old)
    whole_or_stopped(lab)
    lab.nodes[stray].run(["paf", "rebuild", "--yes"], timeout=300)
    wait_until(lambda: stray in lab.streaming(other), 60, f"{stray} to stream", step=0.5)
    return [scene.old]


TABLE.tested(
    52, "a standby away for longer than wal_keep_size", "slots=true; the standby is stopped, the "
    "primary writes and removes WAL; a failover in between, too",
    "it finds its WAL in a slot, on the primary and on the next one, and streams again",
    "tests/component/test_slots.py::"
    "test_a_standby_finds_its_wal_on_the_primary_and_on_the_next_one",
    "tests/cluster/test_rejoin.py::test_a_standby_that_was_away_finds_its_wal_after_a_failover")

TABLE.tested(
    53, "a standby away for longer than max_slot_wal_keep_size", "slots=true; the standby is "
    "stopped, the primary writes more than the limit",
    "the slot takes no more than the limit; it is made again, and the reason names the standby",
    "tests/component/test_slots.py::"
    "test_a_slot_takes_no_more_than_the_limit_and_its_loss_is_shown")
