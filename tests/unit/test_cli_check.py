"""paf check: rules on a recorded CIB, on a server's settings, on a host's files."""

import json

import jsonschema
import pytest

from paf.cli import check, configuration, finding
from paf.cli.check import ask, hba
from paf.cli.check import host as check_host
from paf.cli.check import serverchecks as check_instance
from paf.cli.check import primary as check_primary
from paf.cli.check import slotchecks as check_slots
from paf.cli.main import main
from paf.instance import limits
from tests.conftest import REPOSITORY
from tests.unit.support import instance_at

EDITS = (
    ('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"',
     "fencing is off"),
    ('name="notify" value="true"', 'name="notify" value="0"', "notify=0, not true"),
    ('class="stonith"', 'class="ocf"', "no fencing device for srv1, srv2, srv3"),
    ('name="demote" interval="0s" timeout="120s"', 'name="demote" interval="0s" timeout="1min"',
     "the timeout of demote is 60 s"),
    ('symmetrical="false"', 'symmetrical="true"', "is symmetrical"),
    ('symmetrical="false" kind="Optional"', 'symmetrical="false" kind="Mandatory"',
     "the order demote-then-stop-ip is mandatory"),
    ('symmetrical="false" kind="Optional"', 'symmetrical="false"',
     "the order demote-then-stop-ip is mandatory"),
    ('with-rsc-role="Promoted"', "", "it names no role Promoted"),
    ('name="migration-threshold" value="5"', 'name="migration-threshold" value="1"',
     "migration-threshold is 1"),
    ('interval="16s"', 'interval="15s"', "have the same interval"),
    ('name="bindir"', 'name="bin_dir"', "no parameter bin_dir, bindir is meant?"),
)


@pytest.fixture
def text(data):
    return (data / "cli" / "cib.xml").read_text().replace(
        'name="notify" value="true"/>', 'name="notify" value="true"/>'
        '<nvpair id="i" name="interleave" value="true"/>').replace(
            'then-action="stop" symmetrical="false" kind="Mandatory"',
            'then-action="stop" symmetrical="false" kind="Optional"')


def sentences(found):
    return [item.what for _, item in found if item]


def test_a_good_configuration_has_nothing(text):
    assert sentences(check.of_cib(text, "")) == []


@pytest.mark.parametrize("old, new, words", EDITS)
def test_a_mistake_is_named(text, old, new, words):
    assert old in text
    assert any(words in what for what in sentences(check.of_cib(text.replace(old, new), "")))


def test_every_finding_on_the_configuration_says_why_and_how(text):
    for old, new, _ in EDITS:
        for name, item in check.of_cib(text.replace(old, new), "pgsqld"):
            assert not item or (item.why and item.pcs and item.crm) or "schema" in name


def test_the_exit_code_and_the_two_forms(text, tmp_path, capsys):
    file = tmp_path / "cib.xml"
    file.write_text(text)
    assert main(["check", "--cib", str(file)]) == 0
    file.write_text(text.replace('name="interleave" value="true"', 'name="x" value="y"'))
    assert main(["check", "--cib", str(file)]) == 1
    file.write_text(text.replace(*EDITS[0][:2]))
    capsys.readouterr()
    assert main(["check", "--cib", str(file), "--output", "json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    jsonschema.validate(rows, json.loads((REPOSITORY / "docs/schemas/check.json").read_text()))
    assert [row["check"] for row in rows if row["level"] == "ERROR"] == ["fencing"]
    assert main(["check", "--cib", str(tmp_path / "none")]) == 2


def test_of_several_resources_all_are_checked_or_the_one_that_is_named(text, tmp_path, capsys):
    start = text.index('<clone id="pgsqld-clone"')
    end = text.index("</clone>", start) + len("</clone>")
    other = text[start:end].replace("pgsqld", "second").replace(
        'name="notify" value="true"', 'name="notify" value="false"').replace(
            'id="i"', 'id="j"').replace(
                '15/main"/>', '15/second"/><nvpair id="k" name="pgport" value="5433"/>')
    file = tmp_path / "cib.xml"
    file.write_text(text[:end] + other + text[end:])
    assert main(["check", "--cib", str(file), "--output", "json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert "pgsqld: clone" in [row["check"] for row in rows if row["level"] == "OK"]
    assert [row["check"] for row in rows if "notify=false" in row.get("what", "")] == [
        "second: clone"]
    assert main(["check", "--cib", str(file), "--resource", "pgsqld", "--output", "json"]) == 0
    assert {row["check"].count(":") for row in json.loads(capsys.readouterr().out)} == {0}


def test_an_old_master_resource_is_understood(text):
    old = text.replace("<clone ", "<master ").replace("</clone>", "</master>").replace(
        'name="promotable" value="true"', 'name="master-max" value="2"').replace(
            'role="Promoted"', 'role="Master"').replace('role="Unpromoted"', 'role="Slave"')
    managed = configuration.find(configuration.parse(old))
    assert managed.kind == "master" and managed.meta["promotable"] == "true"
    assert any("promoted-max=2" in what for what in sentences(check.of_cib(old, "")))


SETTINGS = {"wal_level": "replica", "hot_standby": "on", "max_wal_senders": "10",
            "logging_collector": "on", "log_destination": "stderr", "hba_file": "/x/pg_hba.conf",
            "wal_log_hints": "on", "recovery_target_timeline": "latest"}
HBA = [[1, "local", "all", "all", None, None, "peer", None, ""],
       [2, "host", "replication", "all", "10.0.0.1", "255.255.255.255", "reject", None, ""],
       [3, "host", "replication", "all", "10.0.0.50", "255.255.255.255", "reject", None, ""],
       [4, "host", "replication", "repl", "10.0.0.0", "255.255.255.0", "scram-sha-256", None, ""]]


LIMITED = {"max_slot_wal_keep_size": "1024"}


def slot(name, kind="physical", active=False, status="reserved", synced=False, safe=None,
         failover=False):
    return check_slots.Row(name, kind, active, status, synced, safe, failover)


#: A logical slot that standbys are to have, and settings with which they get it.
FAILOVER = slot("sub", kind="logical", active=True, failover=True)
SYNC = {"sync_replication_slots": "on", "synchronized_standby_slots": "srv2",
        "hot_standby_feedback": "on", "primary_slot_name": "srv1"}
WITH_DATABASE = "host=10.0.0.50 user=repl application_name=srv1 dbname=postgres"


RESTART = ["crm_resource --restart --resource pgsqld-clone --node srv1"]


def subject(**changes):
    settings = {**SETTINGS, **changes.pop("settings", {})}
    values = {"rules": hba.rules(HBA), "slots": [], "in_recovery": True, "node": "srv1",
              "conninfo": "host=10.0.0.50 user=repl application_name=srv1", "own": ["10.0.0.1"],
              "nodes": ["srv1", "srv2", "srv3"], "vips": ["10.0.0.50"], "rejoin": "manual",
              "psql": "psql", "resource": "pgsqld-clone", "restart": RESTART,
              "mine": {}, "limits": {}, "clock": 0.0,
              "upstream": {"system_identifier": "1"}, "files": 0, "owner": "postgres",
              "keeps_slots": False, "kept_off": False, **changes}
    return check_instance.Checked(settings=settings, **values)


def found(**changes):
    return [item for _, rule in check_instance.RULES + check_slots.RULES + check_primary.RULES
            for item in rule(subject(**changes))]


@pytest.mark.parametrize("release, commands", [
    ((1, 1, 12), ["paf pause", "pg_ctl restart", "paf resume"]),
    ((1, 1, 13), RESTART), ((2, 1, 5), RESTART), ((), RESTART),
])
def test_a_restart_is_done_by_hand_where_crm_resource_has_none(release, commands):
    restart = finding.restart(release, "pgsqld-clone", "srv1", "pg_ctl restart")
    assert restart == commands
    [item] = found(settings={"hot_standby": "off"}, restart=restart)
    assert item.pcs[1:] == item.crm[1:] == commands


def test_good_settings_have_nothing():
    assert found() == []


@pytest.mark.parametrize("changes, words, cure", [
    ({"settings": {"wal_level": "minimal"}}, "wal_level is minimal", "wal_level = "),
    ({"settings": {"hot_standby": "off"}}, "hot_standby is off", "--restart"),
    ({"settings": {"max_wal_senders": "2"}}, "max_wal_senders is 2", "max_wal_senders"),
    ({"settings": {"listen_addresses": "localhost"}}, "listen_addresses", "*"),
    ({"settings": {"listen_addresses": "127.0.0.1, ::1"}}, "addresses is 127.0.0.1, ::1", "*"),
    ({"settings": {"listen_addresses": ""}}, "listen_addresses is empty", "*"),
    ({"settings": {"synchronous_standby_names": "*", "synchronous_commit": "local"}},
     "synchronous_commit is local, and", "synchronous_commit = "),
    ({"settings": {"recovery_target_timeline": "current"}}, "recovery_target_timeline", "latest"),
    ({"settings": {"synchronous_standby_names": "FIRST 1 (srv2, srv7)"}}, "srv7", "srv3"),
    ({"settings": {"synchronous_standby_names": "2 (srv2, srv3)"}}, "waits for 2", "ANY 1"),
    ({"settings": {"logging_collector": "off"}}, "logging_collector", "syslog"),
    ({"settings": {"wal_log_hints": "off"}, "rejoin": "rewind"}, "wal_log_hints is off", "on"),
    ({"conninfo": "host=10.0.0.50 user=repl"}, "no application_name", "application_name=srv1"),
    ({"conninfo": "host=10.0.0.1 user=repl application_name=srv1"}, "this node itself",
     "host=10.0.0.50"),
    ({"conninfo": ""}, "primary_conninfo is empty", None),
    ({"rules": hba.rules(HBA[:2] + HBA[3:])}, "line 4 of pg_hba.conf", "10.0.0.50/32 reject"),
    ({"rules": hba.rules([[9, None, None, None, None, None, None, "no such method", ""]])},
     "no such method", None),
    ({"slots": [slot("old")]}, "slot old is inactive", "pg_drop_replication_slot"),
    ({"slots": [slot("old", kind="logical")]}, "slot old is inactive", "pg_drop_replication_slot"),
    ({"slots": [slot("old", status="lost")], "settings": LIMITED}, "slot old has lost WAL",
     "pg_drop_replication_slot"),
    ({"slots": [slot("old", active=True, status="unreserved")], "settings": LIMITED},
     "slot old is about to lose WAL", None),
    ({"slots": [slot("srv2", active=True)], "settings": {"max_slot_wal_keep_size": "-1"}},
     "max_slot_wal_keep_size is -1", "10GB"),
    ({"slots": [slot("old")]}, "its name is no node's", "pg_drop_replication_slot"),
    ({"slots": [slot("slot_srv2")], "settings": {"max_slot_wal_keep_size": "-1"}},
     "by its name it is srv2's", "max_slot_wal_keep_size = "),
    ({"slots": [slot("srv2", active=True, status="extended", safe=90 << 20)], "settings": LIMITED},
     "slot srv2 loses WAL in 90 MB", None),
    ({"keeps_slots": True}, "slots=true, and PostgreSQL is older than 13", None),
    ({"keeps_slots": True, "settings": {"max_slot_wal_keep_size": "-1"}},
     "slots=true, and max_slot_wal_keep_size is -1", "10GB"),
    ({"keeps_slots": True, "slots": [slot("old", active=True)],
      "settings": {**LIMITED, "max_replication_slots": "2"}},
     "slots=true, and max_replication_slots is 2", "max_replication_slots = "),
    ({"slots": [slot("pgsqlms_srv2_be09e3a0")], "settings": LIMITED},
     "the agent's replication slot pgsqlms_srv2_be09e3a0 is still here",
     "pg_drop_replication_slot"),
    ({"slots": [FAILOVER], "settings": {**LIMITED, **SYNC, "sync_replication_slots": "off"},
      "in_recovery": False}, "sync_replication_slots is off, and there are failover slots: sub",
     "sync_replication_slots = "),
    ({"slots": [FAILOVER], "settings": {**LIMITED, **SYNC, "synchronized_standby_slots": ""},
      "in_recovery": False, "conninfo": WITH_DATABASE},
     "synchronized_standby_slots is empty", None),
    ({"settings": {**SYNC, "hot_standby_feedback": "off"}, "conninfo": WITH_DATABASE},
     "hot_standby_feedback is off", "hot_standby_feedback = "),
    ({"settings": {**SYNC, "primary_slot_name": ""}, "conninfo": WITH_DATABASE},
     "primary_slot_name is empty", None),
    ({"settings": SYNC}, "primary_conninfo has no dbname", None),
    ({"settings": {"synchronous_standby_names": "ANY 1 (srv2, srv3)",
                   "wal_retrieve_retry_interval": "5000"}},
     "wal_retrieve_retry_interval is 5000 ms", "500ms"),
    ({"settings": {"recovery_init_sync_method": "fsync"}, "files": check_instance.MANY_FILES},
     "recovery_init_sync_method is fsync", "syncfs"),
    ({"settings": {"wal_sender_shutdown_timeout": "0"}}, "wal_sender_shutdown_timeout is 0 ms",
     "wal_sender_shutdown_timeout = "),
    ({"settings": {"recovery_target_name": "before"}}, "recovery_target_name is set", "--restart"),
    ({"settings": {"recovery_min_apply_delay": "3600000"}},
     "recovery_min_apply_delay is 3600000 ms, and this node may be promoted",
     "recovery_min_apply_delay = "),
    ({"mine": {"system_identifier": "1"}, "upstream": {"system_identifier": "2"}},
     "system identifier 1 here, 2 on the primary", None),
    ({"mine": {"major": 15}, "upstream": {"system_identifier": "1", "major": 17}},
     "major version 15 here, 17", None),
    ({"limits": {"max_connections": (100, 200), "max_wal_senders": (10, 10)}},
     "max_connections is 100 at the next start, below the 200", "max_connections = "),
    ({"limits": {"max_connections": (200, 200)}, "settings": {"max_connections": "100"}},
     "max_connections is 100 here, and was 200 on the primary: replay is paused", "--restart"),
    ({"upstream": {}}, "of the same cluster is not known", None),
    ({"limits": None}, "what the next start needs is not known", None),
    ({"clock": None}, "the primary's clock is not known here", None),
    ({"rules": []}, "pg_hba.conf was not looked at", None),
    ({"rules": hba.rules(HBA[:1] + [[7, "host", "replication", "+members", "samenet", None,
                                     "scram-sha-256", None, ""]])},
     "line 7 of pg_hba.conf", "reject"),
    ({"rules": hba.rules([[5, "host", "replication", "+members", "10.0.0.1", None, "reject", None,
                           ""], *HBA[2:]])}, "line 4 of pg_hba.conf", "10.0.0.1/32 reject"),
    ({"rules": hba.rules([[6, "host", "replication", "postgres", "10.0.0.1", None, "trust", None,
                           ""], *HBA[1:]]), "conninfo": "host=10.0.0.50 application_name=srv1"},
     "line 6 of pg_hba.conf", "10.0.0.1/32 reject"),
    ({"rules": hba.rules([[1, "host", "replication", "all", "all", None, "trust", None, "/x/more"],
                          *HBA])}, "line 1 of /x/more", "10.0.0.1/32 reject"),
    ({"clock": 12.34}, "12.3 s ahead of the primary's", "set-ntp"),
    ({"clock": -5.0}, "5.0 s behind the primary's", "set-ntp"),
])
def test_a_wrong_setting_is_named(changes, words, cure):
    item, = found(**changes)
    assert words in f"{item.what}: {item.why}"
    assert (cure in " ".join(item.pcs)) if cure else item.pcs == []


@pytest.mark.parametrize("changes", [
    {"slots": [slot("old")], "settings": LIMITED},
    {"slots": [slot("failover", kind="logical", synced=True)]},
    {"slots": [slot("srv2", active=True, status="extended")], "settings": LIMITED},
    {"slots": [slot("srv2", active=True, safe=900 << 20)], "settings": LIMITED},
    {"slots": [FAILOVER], "settings": {**LIMITED, **SYNC}, "in_recovery": False,
     "conninfo": WITH_DATABASE},
    {"settings": SYNC, "conninfo": WITH_DATABASE},
    {"settings": {"wal_retrieve_retry_interval": "5000"}},
    {"settings": {"listen_addresses": "localhost,10.0.0.1"}},
    {"settings": {"synchronous_standby_names": "*", "synchronous_commit": "remote_write"}},
    {"settings": {"synchronous_standby_names": 'ANY 1 (SRV1, "Srv2", srv3)'}},
    {"settings": {"synchronous_commit": "off"}},
    {"settings": {"synchronous_standby_names": "*", "wal_retrieve_retry_interval": "500"}},
    {"settings": {"recovery_init_sync_method": "fsync"}, "files": 900},
    {"settings": {"recovery_init_sync_method": "syncfs"}, "files": check_instance.MANY_FILES},
    {"settings": {"recovery_target_name": "", "recovery_target": ""}},
    {"settings": {"recovery_min_apply_delay": "0"}},
    {"settings": {"recovery_min_apply_delay": "3600000"}, "kept_off": True},
    {"in_recovery": False, "upstream": {}, "clock": None}])
def test_what_does_no_harm_is_not_named(changes):
    assert found(**changes) == []


def test_files_are_counted_up_to_a_limit(tmp_path):
    for number in range(5):
        (tmp_path / str(number)).touch()
    assert check_host.files(tmp_path, 9) == 5 and check_host.files(tmp_path, 3) == 3
    assert check_host.files(tmp_path / "none", 3) == 0


@pytest.mark.parametrize("version, words", [
    (90600, "'', false, NULL::bigint, false"), (150000, "''), false, safe_wal_size, false"),
    (170000, "''), synced, safe_wal_size, failover")])
def test_slots_are_asked_for_in_words_of_the_version(version, words):
    assert words in ask.slots(version)


@pytest.mark.parametrize("version, order", [
    (100000, "line_number"), (150018, "line_number"),
    (160000, "rule_number, file_name, line_number")])
def test_the_rules_of_included_files_come_in_the_order_in_which_they_decide(version, order):
    assert ask.hba(version).endswith("ORDER BY " + order)
    assert ("file_name END" in ask.hba(version)) == (version >= 160000)


def test_a_small_difference_of_the_clocks_is_nothing():
    assert found(clock=0.4) == found(clock=-0.4) == []


@pytest.mark.parametrize("name, count", [("14", 5), ("15-in-archive-recovery", 5), ("18", 5)])
def test_the_control_file_has_the_primarys_limits(data, name, count):
    text = (data / "pg_controldata" / f"{name}.txt").read_text()
    found = limits.named_in(text)
    assert len(found) == count and found["max_connections"] == 100
    assert found["max_locks_per_transaction"] == 64
    # up to 9.4, and before max_wal_senders was among them
    old = text.replace("max_connections setting", "Current max_connections setting").replace(
        "max_wal_senders setting", "none")
    assert len(limits.named_in(old)) == count - 1


@pytest.mark.parametrize("number, wanted", [(90624, 906), (100023, 10), (150018, 15)])
def test_the_major_version_is_read_from_the_number(number, wanted):
    assert check_primary.major(number) == wanted


def test_a_password_is_never_printed():
    for item in found(conninfo="host=10.0.0.9 password='s e c' user=repl"):
        assert "s e c" not in " ".join([item.what, item.why, *item.pcs])


@pytest.mark.parametrize("network, mask, address, inside", [
    ("10.0.0.0", "255.255.255.0", "10.0.0.7", True),
    ("10.0.0.0", "255.255.255.0", "10.0.1.7", False),
    ("fe80::", "ffff::", "fe80::1", True), ("10.0.0.7", None, "10.0.0.7", True),
    ("10.0.0.0", "255.255.255.0", "fe80::1", False), ("10.0.0.0", "255.0.0.0", "nonsense", False)])
def test_networks_cover_addresses(network, mask, address, inside):
    assert hba.covers(network, mask, address) is inside


def test_what_starts_postgresql_beside_pacemaker_is_named(tmp_path):
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "postgresql.service").write_text("[Service]\nExecStart=/bin/true\n")
    (wants / "postgresql-15.service").write_text("")
    conf = tmp_path / "etc/postgresql/15/main/start.conf"
    conf.parent.mkdir(parents=True)
    (conf.parent / "postgresql.conf").write_text("")
    conf.write_text("# comment\nauto\n")
    assert [item.what for item in check_host.service(str(tmp_path))] == [
        "systemd starts postgresql-15.service at boot",
        "systemd starts the cluster of /etc/postgresql/15/main/start.conf at boot"]
    conf.write_text("# auto\nmanual\n")
    (wants / "postgresql-15.service").unlink()
    assert list(check_host.service(str(tmp_path))) == []


@pytest.mark.parametrize("flags, count", [("fpu hypervisor lahf_lm", 1), ("fpu lahf_lm", 0)])
def test_a_virtual_machine_is_not_left_to_its_watchdog(tmp_path, flags, count):
    item, = check_host.pauses(str(tmp_path))    # no such file: nothing is known
    assert item.level == finding.UNSEEN
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: {}\nbugs\t\t: x\n".format(flags))
    assert len(list(check_host.pauses(str(tmp_path)))) == count


def test_the_sockets_folder_has_to_come_back(tmp_path):
    local = instance_at(tmp_path, pghost="/var/run/postgresql")
    assert len(list(check_host.reboot(local, str(tmp_path)))) == 1
    folder = tmp_path / "usr/lib/tmpfiles.d"
    folder.mkdir(parents=True)
    (folder / "pg.conf").write_text("# x\nd /run/postgresql 2775 postgres postgres - -\n")
    assert list(check_host.reboot(local, str(tmp_path))) == []
    assert list(check_host.reboot(instance_at(tmp_path, pghost="/tmp"), "/nowhere")) == []


def test_shared_memory_of_an_account_that_is_none_of_the_systems(tmp_path):
    local = instance_at(tmp_path)
    assert [item.level for item in check_host.logout(local, str(tmp_path))] == [finding.ERROR]
    folder = tmp_path / "etc/systemd"
    folder.mkdir(parents=True)
    (folder / "logind.conf").write_text("[Login]\n#RemoveIPC=yes\nRemoveIPC=no\n")
    assert list(check_host.logout(local, str(tmp_path))) == []
