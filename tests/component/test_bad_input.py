"""Bad input: a clear reason, the right code, nothing changed; and stop still stops."""

import os

import pytest

from tests.component.cluster import SECRET
from tests.component.server import owner, wait_until

FIRST_START = dict(start="srv1", inactive="pgsqld")

#: Hard, never fatal: code 6 of one start would stop the running primary as well.
ARGS, INSTALLED = 2, 5


@pytest.mark.fast
@pytest.mark.parametrize("keys, code, words", [
    ({"pgdata": "/nonexistent"}, ARGS, "/nonexistent"),
    ({"pgdata": "/etc/passwd"}, ARGS, "/etc/passwd"),
    ({"pgdata": "data"}, ARGS, "absolute"),
    ({"datadir": "/nonexistent"}, ARGS, "/nonexistent"),
    ({"bindir": "/nonexistent"}, INSTALLED, "lacks postgres"),
    ({"system_user": "nobody-at-all"}, ARGS, "nobody-at-all"),
    ({"pgport": "5432x"}, ARGS, "pgport"),
    ({"maxlag": "10MB"}, ARGS, "maxlag"),
    ({"start_opts": "-c 'x"}, ARGS, "start_opts"),
    ({"recovery_template": "/etc/passwd"}, ARGS, "must not exist"),
    ({"CRM_meta_notify": "false"}, INSTALLED, "notify=true"),
    ({"CRM_meta_promoted_max": "2"}, INSTALLED, "promoted-max=1"),
    ({"CRM_meta_globally_unique": "true"}, INSTALLED, "globally-unique=false"),
    ({"crm_feature_set": "3.0.9"}, INSTALLED, "older than 1.1.13"),
    ({"CRM_meta_on_node": "srv10"}, ARGS, "application_name=srv10"),
])
def test_a_start_names_what_is_wrong_and_changes_nothing(idle, keys, code, words):
    before = idle.files()
    run = idle.agent("start", **keys)
    assert (run.code, words in run.reason) == (code, True), run
    assert idle.files() == before


@pytest.mark.fast
def test_validation_says_the_same_without_starting_anything(idle):
    run = idle.agent("validate-all", OCF_CHECK_LEVEL="10", bindir="/nonexistent")
    assert run.code == INSTALLED and "/nonexistent" in run.reason
    assert idle.agent("validate-all", OCF_CHECK_LEVEL="10").code == 0


def test_a_missing_version_file_is_named(node):
    (node.pgdata / "PG_VERSION").unlink()
    run = node.agent("start")
    assert run.code == INSTALLED and str(node.pgdata / "PG_VERSION") in run.reason
    assert node.agent("stop").code == 0 and node.probe() == 7


def test_a_data_directory_of_somebody_else_is_named(node):
    if os.geteuid() == 0:
        os.chown(node.pgdata, 65534, 65534)
        run = node.agent("start")
    else:
        run = node.agent("start", system_user="root")
    assert run.code == ARGS and "does not belong to" in run.reason


# Settings

@pytest.mark.parametrize("line, words", [
    ("primary_conninfo = 'host=vip application_name=srv10'", "srv10"),
    ("primary_conninfo = 'host=vip'", "none"),
    ("recovery_target_timeline = 'current'", "current"),
    ("no_such_setting = on", "no_such_setting"),
    ("shared_buffers = lots", "shared_buffers"),
    ("port = 'x", "syntax error")])
def test_a_wrong_setting_is_quoted_by_a_start(idle, line, words):
    idle.configure(line)
    before = idle.files()
    run = idle.agent("start")
    assert run.code == ARGS and words in run.reason[:120], run
    assert idle.files() == before


def test_a_wal_level_without_replication_is_refused(node):
    node.configure("wal_level = minimal\nmax_wal_senders = 0")
    node.server.start()
    node.server.stop()
    run = node.agent("start")
    assert run.code == ARGS and "wal_level" in run.reason and "minimal" in run.reason


@pytest.mark.parametrize("line", ["no_such_setting = on", "port = 'x"])
def test_a_typing_error_moves_no_running_cluster(primary, line):
    primary.configure(line)
    assert primary.monitor().code == 8
    lists = dict(active="srv1", promote="srv1", kind="pre", operation="promote")
    assert primary.agent("notify", lists=lists).code == 0
    assert primary.agent("stop").code == 0


@pytest.mark.parametrize("line, words", [
    (f"primary_conninfo = 'host=vip password={SECRET} application_name=other'", "other"),
    (f"primary_conninfo = 'password=''{SECRET}'' host=vip'", "none"),
    (f"primary_conninfo = 'host=vip password={SECRET}", "syntax error")])
def test_a_password_is_in_no_reason_and_no_log(idle, line, words):
    """Run.check looks for the secret in all that any run of the agent says."""
    idle.configure(line)
    run = idle.agent("start", HA_debug="1", HA_DEBUGLOG=str(idle.log))
    assert run.code == ARGS and words in run.reason


@pytest.mark.parametrize("kind", ["stderr", "csvlog", "stderr,csvlog", "jsonlog"])
def test_the_reason_in_the_servers_own_log_is_quoted(node, kind):
    """The logging collector has opened its log: pg_ctl sees nothing of what is wrong."""
    if kind == "jsonlog" and int((node.pgdata / "PG_VERSION").read_text()) < 15:
        kind = "csvlog"
    node.configure(f"log_destination = '{kind}'")
    assert node.agent("start").code == 0
    assert node.agent("stop").code == 0
    (node.pgdata / "pg_hba.conf").write_text("nonsense\n")
    for _ in range(2):
        run = node.agent("start")
        assert run.code == 1 and "could not load" in run.reason, run
    assert node.agent("stop").code == 0


def test_a_server_that_does_not_start_is_quoted(node):
    node.configure("unix_socket_directories = '/nonexistent'")
    run = node.agent("start", start_opts="-c logging_collector=off")
    assert run.code == 1 and "/nonexistent" in run.reason
    run = node.agent("start")
    assert run.code == 1 and "/nonexistent" in run.reason
    assert node.agent("stop").code == 0


# Promise: stop still stops

@pytest.mark.fast
@pytest.mark.parametrize("keys", [
    {"bindir": "/nonexistent"}, {"system_user": "nobody-at-all"}, {"pgport": "x"},
    {"pghost": "/nonexistent"}, {"maxlag": "x"}, {"start_opts": "'"}, {"recovery_template": "x"},
    {"crm_feature_set": "x"}, {"crm_feature_set": "3.0.9"}, {"CRM_meta_notify": "false"},
    {"CRM_meta_on_node": None}, {"CRM_meta_timeout": None}, {"HA_SBIN_DIR": None},
    {"HA_LOGFILE": "/nonexistent/log"}])
def test_a_stop_stops_whatever_is_wrong(running_standby, keys):
    assert running_standby.agent("stop", **keys).code == 0
    assert running_standby.processes() == []
    assert running_standby.control() == "shut down in recovery"


def test_a_stop_without_a_data_directory_has_nothing_to_stop(idle):
    assert idle.agent("stop", pgdata="/nonexistent").code == 0


# Promise: nothing about the agent's own surroundings brings a running server down

@pytest.mark.parametrize("keys", [
    {"bindir": "/nonexistent"}, {"system_user": "nobody-at-all"}, {"maxlag": "x"},
    {"start_opts": "'"}, {"HA_SBIN_DIR": "/nonexistent", "crm_feature_set": None}])
@pytest.mark.parametrize("role, code", [("running_primary", 8), ("running_standby", 0)])
def test_a_monitor_still_tells_the_role(request, keys, role, code):
    assert request.getfixturevalue(role).monitor(**keys).code == code


def test_a_wrong_port_brings_no_running_server_down_and_is_named(running_primary):
    run = running_primary.monitor(pgport="6999")
    assert run.code == 8 and "pgport is 6999, the server listens on port 6001" in run.log


def test_what_is_no_ascii_is_shown_all_the_same(running_primary):
    """As messages of a server in its own language: Pacemaker's programs refuse such an argument."""
    assert running_primary.monitor(rejoin="s\u00fbr").code == 8
    assert 'rewind, not \'sur\'' in running_primary.cluster.store.remark(running_primary.name)


def test_the_clients_surroundings_do_not_matter(running_primary, tmp_path):
    (tmp_path / ".psqlrc").write_text("\\echo hello\n")
    run = running_primary.monitor(
        PGHOST="/nonexistent", PGPORT="1", PGUSER="x", PGOPTIONS="-c x=y", PGDATABASE="x",
        HOME=str(tmp_path), PSQLRC=str(tmp_path / ".psqlrc"), PGSERVICE="x",
        PGSSLMODE="verify-full", LANG="fr_FR.UTF-8")
    assert run.code == 8


def test_a_role_that_is_only_concluded_from_files_is_not_acted_on(primary):
    """Neither psql nor pg_controldata runs, and an administrator has put a signal file there."""
    (primary.pgdata / "standby.signal").touch()
    assert primary.monitor(bindir="/nonexistent").code == 0
    run = primary.agent("start", bindir="/nonexistent")
    assert run.code == 1 and "whether this is a standby" in run.reason
    lists = dict(demote="srv1", promoted="srv1", stop="srv1")
    assert primary.agent("demote", bindir="/nonexistent", lists=lists).code == 0
    assert primary.processes() == []


def test_no_promotion_succeeds_for_a_role_that_is_only_concluded_from_files(standby):
    (standby.pgdata / "standby.signal").unlink()
    run = standby.agent("promote", bindir="/nonexistent")
    assert run.code == 1 and standby.in_recovery


# Hostile words

@pytest.mark.parametrize("words", [
    "-c work_mem=4MB; touch {0}", "$(touch {0})", "`touch {0}`", "-c 'x\n' ; touch {0}",
    "'|' touch {0}", "&& touch {0}", "-c log_line_prefix='$(touch {0})'",
    "\"\n\" touch {0}"])
def test_start_opts_never_reach_a_shell(node, tmp_path, words):
    tmp_path.chmod(0o777)
    bait = tmp_path / "bait"
    node.agent("start", start_opts=words.format(bait))
    assert not bait.exists()
    assert node.agent("stop").code == 0


def test_start_opts_reach_postgres_word_by_word(node):
    run = node.agent("start", start_opts="-c 'log_line_prefix=a b''$(x) %p' -c work_mem=5MB")
    assert run.code == 0
    assert node.value("SHOW log_line_prefix") == "a b$(x) %p"
    assert node.value("SHOW work_mem") == "5MB"


@pytest.mark.parametrize("name", ["srv.1", "srv-1.example.org", "a b", "x'y", "(srv", "$(id)",
                                  "srv1\\"])
def test_odd_node_names_are_only_names(make_cluster, name):
    cluster = make_cluster(name)
    node = cluster[name]
    assert node.agent("start", lists=dict(start=name.replace(" ", "_"))).code == 0
    assert cluster.store.score(name) == 1


@pytest.mark.parametrize("resource", ["pgsqld:1", "a b", "x;y", "é", "$(id)", "a/b", "-x"])
def test_odd_resource_names_are_only_names(make_cluster, resource):
    cluster = make_cluster("srv1", resource=resource)
    assert cluster["srv1"].agent("start", lists=dict(start="srv1")).code == 0
    assert cluster.store.score("srv1") == 1


def test_a_data_directory_with_an_odd_name_works(make_cluster):
    node = make_cluster("srv1")["srv1"]
    odd = node.pgdata.with_name("dat é'$(id) a")
    node.pgdata.rename(odd)
    node.server.pgdata = odd
    assert node.agent("start", pgdata=str(odd)).code == 0
    assert node.agent("monitor", interval=15, pgdata=str(odd)).code == 0
    assert node.agent("stop", pgdata=str(odd)).code == 0


# A link in the place of the signal file

@pytest.mark.fast
def test_a_link_named_standby_signal_is_not_followed(node, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (node.pgdata / "standby.signal").symlink_to(victim)
    assert node.agent("start").code == 0
    assert victim.read_text() == "precious"
    assert not (node.pgdata / "standby.signal").is_symlink()
    assert node.in_recovery


# An incomplete environment

@pytest.mark.parametrize("missing", [
    "OCF_ROOT", "OCF_RESOURCE_INSTANCE", "OCF_RA_VERSION_MAJOR", "CRM_meta_timeout",
    "CRM_meta_interval", "CRM_meta_on_node", "CRM_meta_notify", "CRM_meta_master_max",
    "crm_feature_set", "HA_LOGFILE", "HA_SBIN_DIR", "PATH", "LC_ALL"])
def test_an_incomplete_environment_breaks_nothing(running_standby, missing):
    assert running_standby.agent("monitor", **{missing: None}).code == 0
    assert running_standby.agent("stop", **{missing: None}).code == 0


def test_a_node_whose_name_is_not_known_is_not_the_machines(node):
    """Before 1.1.17 Pacemaker does not say it, and crm_node may fail."""
    node.cluster.store.breaks("crm_node")
    run = node.agent("start", lists=FIRST_START, CRM_meta_on_node=None)
    assert run.code == 1 and "the name of this node in the cluster is not known" in run.reason
    node.cluster.store.repairs("crm_node")
    assert node.agent("start", lists=FIRST_START, CRM_meta_on_node=None).code == 0
    node.cluster.store.breaks("crm_node")
    node.sql("SELECT pg_promote()")
    wait_until(lambda: not node.in_recovery, "srv1 to be promoted")
    assert node.monitor(CRM_meta_on_node=None, CRM_meta_role="Unpromoted").code == 8
    lists = dict(demote="srv1", stop="srv1", promoted="srv1")
    assert node.agent("demote", lists=lists, CRM_meta_on_node=None).code == 0
    node.cluster.store.breaks("crm_node", "hang")
    assert node.agent("stop", lists=lists, timeout=10, CRM_meta_on_node=None).code == 0
    assert node.processes() == []


@pytest.mark.parametrize("word", ["x", "3.20.5-rc1"])
def test_a_feature_set_that_is_no_number_is_pacemakers_all_the_same(running_standby, word):
    """Outside of Pacemaker an instance is promoted without an election."""
    run = running_standby.agent("promote", crm_feature_set=word)
    assert run.code == 1 and "Pacemaker did not announce" in run.reason
    assert running_standby.in_recovery


def test_a_forced_promotion_gives_a_clear_reason(running_standby):
    """crm_resource --force-promote has no notify variables."""
    run = running_standby.agent("promote", CRM_meta_notify_type=None)
    assert run.code == 1 and "Pacemaker did not announce" in run.reason


def test_the_servers_user_is_the_owner(node):
    assert node.agent("start").code == 0
    status = os.stat(f"/proc/{node.pid()}")
    assert status.st_uid == owner().pw_uid
    assert (node.pgdata / "standby.signal").stat().st_uid == owner().pw_uid
