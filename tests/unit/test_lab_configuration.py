"""The texts that the lab writes for its nodes."""

import re
from xml.etree import ElementTree

import pytest

from lab import cib, configuration, status
from lab.settings import Settings
from lab.tools import LabError

CRM_MON = """<pacemaker-result>
  <summary><current_dc name="srv2" with_quorum="true"/></summary>
  <nodes>
    <node name="srv1" online="true" unclean="false"/>
    <node name="srv2" online="false" unclean="true"/>
  </nodes>
  <resources><clone id="pgsqld-clone">
    <resource id="pgsqld" role="Promoted" failed="false"><node name="srv1"/></resource>
  </clone></resources>
  <node_attributes>
    <node name="srv1"><attribute name="master-pgsqld" value="1001"/></node>
  </node_attributes>
  <failures>
    <failure op_key="pgsqld_monitor_0" node="srv1" exitstatus="error"
             exitreason="&amp;quot;x&amp;quot;"/>
  </failures>
</pacemaker-result>"""


def test_a_lab_has_a_plain_name_and_two_to_nine_nodes():
    with pytest.raises(LabError, match="name"):
        Settings(name="../etc")
    with pytest.raises(LabError, match="2 to 9"):
        Settings(count=10)


def test_corosync_conf_has_a_brace_at_each_lines_end_only():
    text = configuration.corosync(Settings(count=3))
    assert text.count("{") == text.count("}") == 8
    assert all(line.rstrip().endswith("{") for line in text.splitlines() if "{" in line)


def test_two_nodes_need_no_majority():
    assert "two_node: 1" in configuration.corosync(Settings(count=2))
    assert "two_node" not in configuration.corosync(Settings(count=3))


def test_a_server_refuses_to_replicate_from_itself():
    lines = configuration.pg_hba(Settings(), "srv2").splitlines()
    replication = [line.split()[-2:] for line in lines if line.startswith("host  replication")]
    assert replication == [
        ["10.77.0.2/32", "reject"],
        ["10.77.0.100/32", "reject"],
        ["10.77.0.0/24", "trust"],
    ]


def test_settings_of_the_server_can_be_overruled_and_are_quoted():
    text = configuration.postgres(
        Settings(postgres={"wal_keep_size": 0, "archive_command": "echo 'x'"}), "srv1"
    )
    assert "wal_keep_size = '0'\n" in text
    assert "archive_command = 'echo ''x'''\n" in text
    assert "application_name=srv1 " in text


def test_operations_of_the_resource_can_be_overruled():
    root = ElementTree.fromstring(
        cib.build(Settings(operations={"monitor:Promoted": {"interval": "3s"}}))
    )
    monitor = root.find(".//primitive[@id='pgsqld']/operations/op[@role='Promoted']")
    assert (monitor.get("interval"), monitor.get("timeout")) == ("3s", "10s")


def test_a_bare_cluster_has_fencing_and_no_server():
    root = ElementTree.fromstring(cib.build(Settings(resource=False)))
    assert [item.get("id") for item in root.iter("primitive")] == [
        "fence-srv1",
        "fence-srv2",
        "fence-srv3",
    ]


@pytest.mark.parametrize("seconds, delays", [(0, set()), (2, {"2s"})])
def test_a_fencing_can_take_its_time(seconds, delays):
    root = ElementTree.fromstring(cib.build(Settings(fence_delay=seconds)))
    assert {item.get("value") for item in root.iter("nvpair")
            if item.get("name") == "pcmk_delay_base"} == delays


def test_one_of_two_nodes_is_fenced_later_than_the_other():
    root = ElementTree.fromstring(cib.build(Settings(count=2)))
    delays = {item.get("id"): [pair.get("value") for pair in item.iter("nvpair")
                               if pair.get("name") == "pcmk_delay_base"]
              for item in root.iter("primitive") if item.get("class") == "stonith"}
    assert delays == {"fence-srv1": ["1s"], "fence-srv2": []}


def test_no_device_runs_on_the_node_that_it_fences():
    root = ElementTree.fromstring(cib.build(Settings()))
    places = {
        item.get("rsc"): (item.get("node"), item.get("score")) for item in root.iter("rsc_location")
    }
    assert places["fence-srv2"] == ("srv2", "-INFINITY")


def test_the_status_is_read_from_crm_mon():
    seen = status.parse(CRM_MON)
    assert (seen.dc, seen.quorum, seen.online) == ("srv2", True, ["srv1"])
    assert seen.nodes["srv2"] == "unclean"
    assert seen.promoted("pgsqld") == ["srv1"]
    assert seen.attributes["srv1"] == {"master-pgsqld": "1001"}
    assert seen.failures[0].reason == '"x"'


@pytest.mark.parametrize("version, names", [
    ("2.1.5-1+deb12u1", {"stonith-enabled", "stonith-timeout"}),
    ("3.0.1-1", {"stonith-enabled", "stonith-timeout"}),
    ("3.0.2-1", {"fencing-enabled", "fencing-timeout"}),
    ("1:3.1.0~rc1-1", {"fencing-enabled", "fencing-timeout"})])
def test_the_options_of_fencing_have_the_names_of_the_version(monkeypatch, version, names):
    monkeypatch.setattr(cib.systems, "versions", lambda *_: {"pacemaker": version})
    options = ElementTree.fromstring(cib.build(Settings(count=3))).iter("nvpair")
    found = {option.get("name"): option.get("value") for option in options}
    assert {name for name in found if re.match("stonith-|fencing-", name)} == names
    assert found[next(name for name in names if name.endswith("enabled"))] == "true"


def test_old_names_stay_as_long_as_a_node_knows_no_others(monkeypatch):
    monkeypatch.setattr(cib.systems, "versions", lambda system, _: {
        "pacemaker": "3.0.3-2" if system == "/new" else "2.1.5-1"})
    monkeypatch.setattr(cib.systems, "newest_schema", lambda _: (3, 7))
    assert "stonith-enabled" in cib.build(Settings(count=3, roots={"srv2": "/new"}))
