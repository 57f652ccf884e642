"""Settings that end recovery, hold it, or keep a standby from being one; and who is promoted."""

import os
import pathlib

import pytest

from tests.component.server import owner, wait_until

ARGS = 2
FIRST_START = dict(start="srv1", inactive="pgsqld")


@pytest.mark.parametrize("lines, words", [
    (["recovery_target_name = 'x'", "recovery_target_action = 'promote'"], "recovery_target_name"),
    (["recovery_target = 'immediate'", "recovery_target_action = promote"], "recovery_target "),
    (["recovery_target_time = '2020-01-01 00:00:00'"], "recovery_target_time"),
    (["recovery_target_xid = '1000'"], "recovery_target_xid"),
    (["recovery_target_lsn = '0/5000000'", "recovery_target_action = shutdown"],
     "recovery_target_lsn"),
    (["hot_standby = off"], "hot_standby")])
def test_a_start_refuses_a_setting_that_ends_or_holds_recovery(idle, lines, words):
    idle.configure(*lines)
    before = idle.files()
    run = idle.agent("start", lists=FIRST_START)
    assert run.code == ARGS and words in run.reason, run
    assert idle.agent("validate-all", OCF_CHECK_LEVEL="10").code == ARGS
    assert idle.files() == before


@pytest.mark.parametrize("lines", [
    ["recovery_target = 'immediate'", "recovery_target_action = 'promote'"],
    ["recovery_target_timeline = 'current'"], ["hot_standby = off"]])
def test_a_setting_that_came_after_the_start_ends_no_recovery_after_a_demotion(primary, lines):
    """A demotion checks no settings: the server is started with options that outweigh them."""
    primary.configure(*lines)
    assert primary.agent("demote", lists=dict(demote="srv1", promoted="srv1")).code == 0
    assert primary.in_recovery
    assert primary.value("SHOW recovery_target") == ""
    assert primary.value("SHOW recovery_target_timeline") == "latest"
    assert primary.agent("stop").code == 0
    assert primary.agent("start", lists=FIRST_START).code == ARGS


@pytest.mark.parametrize("mounted", [True, False])
def test_an_instance_without_a_tablespaces_file_system_is_not_started(primary, mounted):
    """The folder is there, and empty: what was mounted there is not. Nothing is replayed."""
    space = primary.pgdata.parent / "space"
    space.mkdir()
    os.chown(space, owner().pw_uid, owner().pw_gid)
    primary.sql(f"CREATE TABLESPACE apart LOCATION '{space}'")
    primary.sql("CREATE TABLE placed (n int) TABLESPACE apart")
    primary.sql("CHECKPOINT")
    primary.sql("INSERT INTO placed VALUES (1)")
    primary.kill_and_reap()
    if not mounted:
        folder, = space.iterdir()
        folder.rename(primary.pgdata.parent / folder.name)
    before = primary.files()
    run = primary.agent("start", lists=FIRST_START)
    assert run.code == (0 if mounted else 1), run
    if not mounted:
        assert f"the tablespace at {space} is not there" in run.reason
        assert primary.files() == before and not list(space.iterdir())
        run = primary.agent("demote", lists=dict(demote="srv1", promoted="srv1"))
        assert run.code == 1 and str(space) in run.reason, "no other way leads past it"


def test_an_instance_whose_settings_are_below_its_primarys_starts_with_those(node):
    """PostgreSQL runs no standby with less; a crash and a demotion must not end the service."""
    node.configure("max_connections = 4", "max_worker_processes = 2")
    run = node.agent("start", lists=FIRST_START)
    assert run.code == 0 and "max_connections=10, max_worker_processes=8" in run.log, run
    assert [node.value(f"SHOW {name}") for name in ("max_connections", "max_worker_processes")] == [
        "10", "8"]


@pytest.fixture
def paused(trio):
    """Three nodes; max_connections was raised on the primary first, and the standbys paused."""
    primary = trio["srv1"]
    primary.configure("max_connections = 20")
    primary.server.stop()
    primary.server.start()
    trio.move_vip("srv1")
    for name in ("srv2", "srv3"):
        wait_until(lambda name=name: trio[name].value("SELECT pg_is_wal_replay_paused()"),
                   "replay to be paused")
    return trio


def test_a_standby_whose_replay_is_paused_for_a_low_setting_says_which(paused):
    node = paused["srv2"]
    words = "replay is paused: max_connections is 10 here, and was 20 on the primary"
    for configured in (10, 20):    # by itself the file changes nothing
        node.configure(f"max_connections = {configured}")
        run = node.monitor()
        assert run.code == 0, run
        assert paused.store.remark("srv2").startswith("PAF-E309 " + words)
    node.server.stop()
    node.server.start()
    paused.wait_for_streams("srv1", 1)
    assert node.monitor().code == 0 and paused.store.remark("srv2") is None


def test_what_keeps_replay_paused_may_not_be_found_out(paused):
    """Then that is said; and a promotion starts the standby again, as for a setting."""
    node, folder = paused["srv2"], paused.folder / "bin"
    node.configure("max_connections = 20")
    folder.mkdir()
    for name in os.listdir(node.programs):
        (folder / name).symlink_to(f"{node.programs}/{name}")
    silent = folder / "pg_controldata"
    silent.unlink()
    silent.write_text(f"#!/bin/sh\n{node.programs}/pg_controldata \"$@\" | grep -v max_\n")
    silent.chmod(0o755)
    node.parameters["bindir"] = str(folder)
    words = "replay is paused, and cannot find out why: pg_controldata does not say"
    run = node.monitor()
    assert run.code == 0 and words in paused.store.remark("srv2")
    run = promoted(paused)
    assert run.code == 0 and words in run.log, run
    assert node.value("SHOW max_connections") == "20"


def test_a_replay_that_an_administrator_has_paused_is_no_worry(pair):
    pair["srv2"].sql("SELECT pg_wal_replay_pause()")
    wait_until(lambda: pair["srv2"].value("SELECT pg_get_wal_replay_pause_state()") == "paused",
               "replay to be paused")
    run = pair["srv2"].monitor()
    assert run.code == 0 and "paused" not in run.log


@pytest.mark.parametrize("configured", [10, 20])
def test_a_standby_whose_replay_is_paused_for_a_low_setting_can_be_promoted(paused, configured):
    """A promotion would end it; also where its configuration, but not the server, has enough."""
    paused["srv2"].configure(f"max_connections = {configured}")
    run = promoted(paused)
    assert run.code == 0 and "was 20 on the primary" in run.log, run


def promoted(trio):
    """Write on the primary srv1, kill it, and return the Run of the promotion of srv2."""
    primary, standby = trio["srv1"], trio["srv2"]
    primary.sql("INSERT INTO t SELECT generate_series(1, 100)")
    wait_until(lambda: primary.value("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn = "
                                     "pg_current_wal_flush_lsn()") == 2, "the standbys to have it")
    assert primary.monitor().code == 8
    primary.kill()
    trio.move_vip(None)
    lists = dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2")
    run = trio.promote("srv2", lists, ["srv2", "srv3"])
    assert standby.value("SELECT count(*) FROM t") == 100
    return run


def test_a_trigger_file_that_is_left_is_refused_and_its_setting_alone_is_not(node):
    """PostgreSQL 16 and later have none, and refuse the setting itself."""
    has_triggers = "promote_trigger_file" in node_settings(node)
    node.configure("promote_trigger_file = 'trigger'")
    (node.pgdata / "trigger").touch()
    run = node.agent("start", lists=FIRST_START)
    assert run.code == ARGS
    assert not has_triggers or "trigger" in run.reason
    (node.pgdata / "trigger").unlink()
    assert node.agent("start", lists=FIRST_START).code == (0 if has_triggers else ARGS)


def node_settings(node):
    """Return the names of the settings that the server's version has."""
    from tests.component.server import as_owner
    return as_owner(f"{node.programs}/postgres", "--describe-config")


def test_a_timeline_and_what_only_refines_a_target_are_fine(node):
    node.configure("recovery_target_timeline = 'latest'", "recovery_target_action = 'promote'",
                   "recovery_target_inclusive = off", "recovery_min_apply_delay = 10")
    assert node.agent("start", lists=FIRST_START).code == 0


@pytest.mark.parametrize("name", ["s" * 64, "é", "srv\t1", "sérv1"])
def test_a_node_name_that_the_server_would_change_is_refused(make_cluster, name):
    node = make_cluster(name)[name]
    run = node.agent("start", lists=dict(start=name))
    assert run.code == ARGS and "application_name" in run.reason


def test_a_node_name_of_63_bytes_is_the_longest(make_cluster):
    name = "s" * 63
    assert make_cluster(name)[name].agent("start", lists=dict(start=name)).code == 0


# A primary that Pacemaker did not promote

@pytest.mark.parametrize("role", ["Unpromoted", "Slave", None])
def test_a_second_primary_fails_and_scores_nobody(pair, role):
    pair.store.set_score("srv1", 1001)
    pair.store.promotes("srv1")
    pair["srv2"].sql("SELECT pg_promote()")
    wait_until(lambda: not pair["srv2"].in_recovery, "srv2 to be promoted")
    run = pair["srv2"].monitor(CRM_meta_role=role)
    assert run.code == 1 and "second primary" in run.reason and "srv1" in run.reason
    assert pair.store.scores("srv1", "srv2") == [1001, None]
    assert pair["srv2"].agent("stop").code == 0


@pytest.mark.parametrize("role", ["Promoted", "Master"])
def test_a_primary_that_pacemaker_promoted_asks_for_no_history(primary, role):
    calls = [call for call in primary.monitor(CRM_meta_role=role).calls
             if call.program == "cibadmin"]
    assert len(calls) == 1, "the view that the scores need"


def test_a_primary_made_in_maintenance_mode_is_accepted_while_it_is_the_only_one(pair):
    pair["srv1"].stop()
    pair["srv2"].sql("SELECT pg_promote()")
    wait_until(lambda: not pair["srv2"].in_recovery, "srv2 to be promoted")
    assert pair["srv2"].monitor(CRM_meta_role="Unpromoted").code == 8
    assert pair.store.score("srv2") == 1001


def test_where_the_history_cannot_be_read_it_scores_nobody(primary):
    primary.cluster.store.breaks("cibadmin")
    run = primary.monitor(CRM_meta_role="Slave")
    assert run.code == 8 and "history cannot be read" in run.log
    primary.cluster.store.repairs("cibadmin")
    assert primary.cluster.store.score("srv1") is None


# Parameters that are wrong while the server runs

@pytest.mark.parametrize("keys", [
    {"maxlag": "1MB"}, {"maxlag": "-5"}, {"crash_watch": "perhaps"}, {"rejoin": "rewnid"},
    {"pgport": "x"}, {"pgport": "70000"}, {"start_opts": "-c 'x"}], ids=str)
@pytest.mark.parametrize("role, code", [("running_primary", 8), ("running_standby", 0)])
def test_a_wrong_parameter_is_shown_and_the_service_goes_on(request, keys, role, code):
    node = request.getfixturevalue(role)
    store, name = node.cluster.store, next(iter(keys))
    assert node.agent("reload", **keys).code == 0
    assert name in store.remark(node.name)
    run = node.monitor(**keys)
    assert run.code == code and run.log == "" or "score" in run.log
    assert node.agent("reload-agent").code == 0
    assert store.remark(node.name) is None
    assert node.monitor().code == code


def test_the_last_good_maxlag_goes_on(pair):
    primary, store = pair["srv1"], pair.store
    assert primary.agent("reload", maxlag="1000000").code == 0
    pair["srv2"].sql("SELECT pg_wal_replay_pause()")
    assert primary.agent("reload", maxlag="1MB").code == 0
    assert "maxlag=1000000" in store.remark("srv1")


def test_a_start_without_an_earlier_one_refuses_a_wrong_parameter(pair):
    standby = pair["srv2"]
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2")
    assert standby.agent("stop", lists=dict(lists, stop="srv2")).code == 0
    for path in pathlib.Path(standby.cluster.folder).rglob("pgsqlms-*.parameters"):
        path.unlink()
    run = standby.agent("start", lists=dict(lists, start="srv2"), maxlag="1MB")
    assert run.code == 2 and "maxlag must be a number" in run.reason


def test_an_agent_without_a_login_says_so_once_where_people_look(pair):
    standby = pair["srv2"]
    hba = standby.pgdata / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local replication all trust\nlocal all all scram-sha-256\n")
    standby.sql("SELECT pg_reload_conf()")
    first, second = standby.monitor(), standby.monitor()
    assert (first.code, second.code) == (0, 0)
    assert "cannot ask PostgreSQL" in first.log and second.log == ""
    assert "cannot ask PostgreSQL" in pair.store.remark("srv2")
    hba.write_text(before)
    standby.signal(1)
    wait_until(lambda: "no longer so" in standby.monitor().log, "the agent to be let in")
    assert pair.store.remark("srv2") is None


def test_a_timeout_of_26_days_is_no_overflow(pair):
    run = pair["srv1"].agent("monitor", interval=15, CRM_meta_timeout="2246400000")
    assert run.code == 8 and pair.store.score("srv2") == 1000
