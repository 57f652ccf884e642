"""An instance's life under the agent: every action does its work once, and again without harm."""

import pytest

FIRST_START = dict(start="srv1", inactive="pgsqld")
PROMOTION = dict(active="srv1", unpromoted="srv1", promote="srv1")


@pytest.mark.fast
def test_a_start_makes_a_standby_and_a_second_one_changes_nothing(node):
    assert node.agent("start", lists=FIRST_START).code == 0
    pid = node.pid()
    assert node.in_recovery
    assert node.agent("start", lists=FIRST_START).code == 0
    assert node.pid() == pid
    assert node.monitor().code == 0 and node.probe() == 0


def test_a_command_of_the_configuration_is_found_where_a_service_finds_it(node):
    """archive_command = 'wal-g ...' in /usr/local/bin: not found, pg_wal would fill up."""
    assert node.agent("start", lists=dict(start="srv1")).code == 0
    with open(f"/proc/{node.pid()}/environ", encoding="utf-8") as stream:
        variables = dict(word.partition("=")[::2] for word in stream.read().split("\0"))
    assert variables["PATH"].split(":")[:4] == [
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"]


def test_a_start_leaves_nothing_of_its_own_but_the_signal(node):
    before = node.files()
    assert node.agent("start", lists=FIRST_START).code == 0
    node.stop()
    changed = {name for name, value in node.files().items() if before.get(name) != value}
    ours = {name for name in changed if "pgsqlms" in name or name.endswith((".conf", ".signal"))}
    assert ours == {"standby.signal"}
    assert (node.pgdata / "standby.signal").stat().st_uid == node.pgdata.stat().st_uid


def test_a_stop_is_a_clean_one_and_a_second_one_succeeds(standby):
    assert standby.agent("stop").code == 0
    assert standby.processes() == []
    assert standby.control() == "shut down in recovery"
    assert standby.agent("stop").code == 0
    assert standby.probe() == 7 and standby.monitor().code == 7


def test_a_primary_is_stopped_cleanly(primary):
    assert primary.agent("stop").code == 0
    assert primary.control() == "shut down"
    assert primary.probe() == 7 and primary.monitor().code == 7


@pytest.mark.fast
def test_a_promotion_of_a_primary_changes_nothing(primary):
    pid = primary.pid()
    assert primary.agent("promote").code == 0
    assert primary.pid() == pid and primary.monitor().code == 8 and primary.probe() == 8


def test_a_demotion_of_a_standby_changes_nothing(standby):
    pid = standby.pid()
    assert standby.agent("demote").code == 0
    assert standby.pid() == pid and standby.in_recovery


def test_a_demotion_makes_a_running_standby_of_a_primary(primary):
    primary.sql("INSERT INTO t VALUES (1)")
    assert primary.agent("demote", lists=dict(active="srv1", promoted="srv1", demote="srv1",
                                              promote="srv1")).code == 0
    assert primary.in_recovery
    assert primary.value("SELECT count(*) FROM t") == 1


def test_a_demotion_before_a_stop_leaves_it_stopped(primary):
    lists = dict(active="srv1", promoted="srv1", demote="srv1", stop="srv1")
    assert primary.agent("demote", lists=lists).code == 0
    assert primary.processes() == []
    assert primary.agent("stop", lists=lists).code == 0


def test_a_demotion_of_a_stopped_instance_starts_a_standby(node):
    assert node.agent("demote", lists=dict(demote="srv1")).code == 0
    assert node.in_recovery


def test_a_whole_life_in_the_cluster(node):
    cluster = node.cluster
    assert node.agent("start", lists=FIRST_START).code == 0
    assert cluster.promote("srv1", PROMOTION, ["srv1"]).code == 0
    assert node.monitor().code == 8
    node.sql("INSERT INTO t VALUES (1)")
    assert node.agent("demote", lists=dict(promoted="srv1", demote="srv1")).code == 0
    assert node.monitor().code == 0
    assert node.agent("stop").code == 0
    assert node.probe() == 7


# First start of a cluster

def test_only_a_clean_primary_gives_itself_the_first_score(make_cluster):
    cluster = make_cluster("srv1", "srv2")
    lists = dict(start="srv1 srv2")
    runs = cluster.at_once(lambda node: node.agent("start", lists=lists), ["srv1", "srv2"])
    assert [run.code for run in runs.values()] == [0, 0]
    assert cluster.store.scores("srv1", "srv2") == [1, None]


def test_a_cluster_that_has_a_score_gets_no_first_one(node):
    node.cluster.store.add_member("srv2")
    node.cluster.store.set_score("srv2", 1000)
    assert node.agent("start", lists=FIRST_START).code == 0
    assert node.cluster.store.score("srv1") is None


def test_a_standby_that_cannot_tell_the_cluster_is_started_all_the_same(node):
    node.cluster.store.breaks("attrd_updater")
    run = node.agent("start", lists=FIRST_START, timeout=15)
    assert run.code == 0 and "does not know it yet" in run.log


# By hand, as ocf-tester does: no cluster, no notify variables

@pytest.mark.fast
def test_a_whole_life_without_a_cluster(node):
    def by_hand(action, **more):
        return node.agent(action, in_cluster=False, **more).code
    assert by_hand("validate-all") == 0
    assert by_hand("validate-all", OCF_CHECK_LEVEL="10") == 0
    assert by_hand("monitor") == 7
    assert [by_hand("start"), by_hand("start"), by_hand("monitor")] == [0, 0, 0]
    assert by_hand("notify") == 0
    assert [by_hand("promote"), by_hand("promote"), by_hand("monitor")] == [0, 0, 8]
    assert [by_hand("demote"), by_hand("demote"), by_hand("monitor")] == [0, 0, 0]
    assert [by_hand("stop"), by_hand("stop"), by_hand("monitor")] == [0, 0, 7]
    assert node.cluster.store.calls() == []


def test_a_promotion_that_pacemaker_did_not_announce_is_refused(standby):
    run = standby.agent("promote")
    assert run.code == 1 and "no election was held" in run.reason
    assert standby.in_recovery


@pytest.mark.parametrize("action", ["reload", "reload-agent"])
def test_a_reload_changes_nothing(standby, action):
    pid = standby.pid()
    assert standby.agent(action).code == 0
    assert standby.pid() == pid


def test_what_only_looks_changes_nothing_in_a_stopped_instance(node):
    before = node.files()
    for action in ("monitor", "stop", "validate-all", "reload", "notify"):
        node.agent(action, lists=dict(PROMOTION, kind="pre", operation="promote", promote="srv2")
                   if action == "notify" else None, timeout=5, OCF_CHECK_LEVEL="10")
    assert node.files() == before
