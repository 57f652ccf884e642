"""Which nodes fencing devices are for: what paf check and paf status make of each form."""

import re
import types

import pytest

from paf.cli import check, configuration, finding
from paf.cli.status import failover, fencing
from paf.runner import Result
from tests.unit.test_cli_check import text

__all__ = ["text"]

LIST = '<nvpair id="fence-srv1-params-pcmk_host_list" name="pcmk_host_list" value="srv1"/>'
CHECK = '<nvpair id="fence-srv1-params-pcmk_host_check" name="pcmk_host_check" ' \
        'value="static-list"/>'
DEVICE = '<primitive id="fence-srv1" class="stonith" type="fence_paf_lab">'
IPMI = DEVICE.replace("fence_paf_lab", "fence_ipmilan")
HAVE = 'name="have-watchdog" value="false"/>'
BOOTSTRAP = '<cluster_property_set id="cib-bootstrap-options">'
SEASON = '<rule id="season" score="0"><date_expression id="d" operation="date_spec">' \
         '<date_spec id="s" months="1-6"/></date_expression></rule>'
NO_DEVICE = "no fencing device for srv1"


def pair(name, value):
    return f'<nvpair id="p-{name}" name="{name}" value="{value}"/>'


def watchdog(timeout):
    return (HAVE, HAVE.replace("false", "true") + pair("stonith-watchdog-timeout", timeout))


def fence_watchdog(name="watchdog", inner=""):
    return ("</resources>", f'<primitive id="{name}" class="stonith" type="fence_watchdog">'
            f'<instance_attributes id="{name}-params">{inner}</instance_attributes>'
            "</primitive></resources>")


def ban(*nodes):
    return ("</constraints>", "".join(
        f'<rsc_location id="no-{node}" rsc="fence-srv1" node="{node}" score="-INFINITY"/>'
        for node in nodes) + "</constraints>")


#: What is changed in the configuration of three nodes with a device for each; (level, words) of
#: what paf check then says of fencing; whether srv1 can be fenced, by the configuration alone.
FORMS = {
    "as it is": ([], [], True),
    "a list that is empty": ([(LIST, pair("pcmk_host_list", ""))],
                             [("ERROR", NO_DEVICE)], False),
    "static-list without a list": ([(LIST, "")], [("ERROR", NO_DEVICE)], False),
    "a check that is none": (
        [(CHECK, pair("pcmk_host_check", "staticlist"))], [("ERROR", NO_DEVICE)], False),
    "another spelling": ([(CHECK, pair("pcmk_host_check", "Static-List"))], [], True),
    "a map": ([(LIST, pair("pcmk_host_map", "srv9:a,b;SRV1=vm1"))], [], True),
    "a map with commas": ([(LIST, pair("pcmk_host_map", "srv9:vm9,srv1:vm1"))],
                          [("ERROR", NO_DEVICE)], False),
    "a map without a port": ([(LIST, pair("pcmk_host_map", "srv1;srv9:vm9"))],
                             [("ERROR", NO_DEVICE)], False),
    "any node": ([(LIST, ""), (CHECK, pair("pcmk_host_check", "none"))], [], True),
    "the device is asked": (
        [(CHECK, pair("pcmk_host_check", "dynamic-list"))],
        [("UNSEEN", "whether fence-srv1 can fence srv1 was not looked at")], None),
    "the device is asked of its own accord": (
        [(CHECK, ""), (LIST, "")],
        [("UNSEEN", "whether fence-srv1 can fence srv1 was not looked at")], None),
    "a board that names no node": (
        [(CHECK, ""), (LIST, ""), (DEVICE, IPMI)],
        [("ERROR", "fence-srv1 names no node"), ("UNSEEN", "whether fence-srv1 can fence srv1")],
        None),
    "a board that takes any node": (
        [(CHECK, pair("pcmk_host_check", "none")), (DEVICE, IPMI)],
        [("ERROR", "fence-srv1 names no node")], True),
    "a board that names its node": ([(CHECK, ""), (DEVICE, IPMI)], [], True),
    "disabled by its group": (
        [(DEVICE, '<group id="g"><meta_attributes id="gm">' + pair("target-role", "Stopped")
          + "</meta_attributes>" + DEVICE),
         ('<primitive id="fence-srv2"', '</group><primitive id="fence-srv2"')],
        [("ERROR", NO_DEVICE + "; fence-srv1 is disabled")], False),
    "where only the node itself may use it": (
        [ban("srv2", "srv3"), ('node="srv1" score="-INFINITY"', 'node="srv1" score="0"')],
        [("ERROR", NO_DEVICE + "; fence-srv1 may run on no other node")], False),
    "where no node may use it": (
        [ban("srv2", "srv3")],
        [("ERROR", NO_DEVICE + "; fence-srv1 may run on no other node")], False),
    "where one other node may use it": ([ban("srv3")], [], True),
    "fence_watchdog for the node": (
        [(LIST, pair("pcmk_host_list", "srv9")), watchdog("10"),
         fence_watchdog(inner=pair("pcmk_host_list", "srv1"))], [], True),
    "fence_watchdog for all nodes": (
        [(LIST, pair("pcmk_host_list", "srv9")), watchdog("-5s"), fence_watchdog()], [], True),
    "a timeout that is no time": (
        [(LIST, pair("pcmk_host_list", "srv9")), watchdog("")], [], True),
    "fence_watchdog for other nodes": (
        [(LIST, pair("pcmk_host_list", "srv9")), watchdog("10"),
         fence_watchdog(inner=pair("pcmk_host_list", "srv2"))],
        [("ERROR", NO_DEVICE + "; the device watchdog limits SBD to srv2")], False),
    "fence_watchdog of another name": (
        [(LIST, pair("pcmk_host_list", "srv9")),
         fence_watchdog("dog", pair("pcmk_host_list", "srv1"))],
        [("ERROR", "dog is not used: it has to be called watchdog"), ("ERROR", NO_DEVICE)], False),
    "fence_watchdog without a timeout": (
        [(LIST, pair("pcmk_host_list", "srv9")), (HAVE, HAVE.replace("false", "true")),
         fence_watchdog(inner=pair("pcmk_host_list", "srv1"))],
        [("ERROR", "watchdog is not used: stonith-watchdog-timeout is not set"),
         ("ERROR", NO_DEVICE)], False),
    "a timeout without SBD, beside devices": (
        [(BOOTSTRAP, BOOTSTRAP + pair("stonith-watchdog-timeout", "10"))],
        [("ERROR", "SBD is configured to fence without a device")], True),
    "a guest node in capitals": (
        [('<node id="3" uname="srv3">', '<node id="3" uname="DB3">'),
         (DEVICE, DEVICE + '<meta_attributes id="dm">' + pair("remote-node", "DB3")
          + "</meta_attributes>")], [], True),
}


def changed(text, pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def said(text):
    return [(item.level, item.what) for name, item in check.of_cib(text, "")
            if item and name == "fencing"]


@pytest.mark.parametrize("name", FORMS)
def test_a_node_is_covered_by_the_devices_that_pacemaker_would_use(text, name):
    pairs, expected, _ = FORMS[name]
    found = said(changed(text, pairs))
    assert [level for level, _ in found] == [level for level, _ in expected], found
    assert all(words in what for (_, what), (_, words) in zip(found, expected)), found


@pytest.mark.parametrize("name, cure", [
    ("disabled by its group",
     "crm_resource --force --resource fence-srv1 --meta --set-parameter target-role"),
    ("where no node may use it", "pcs constraint delete no-srv2"),
    ("a board that names no node", "pcs stonith update fence-srv1 pcmk_host_list=NODE"),
    ("fence_watchdog without a timeout", "")])
def test_the_cure_is_for_what_is_wrong(text, name, cure):
    item = next(item for check_name, item in check.of_cib(changed(text, FORMS[name][0]), "")
                if item and check_name == "fencing")
    assert "".join(item.pcs[:1]).startswith(cure) and bool(item.pcs) == bool(cure)


OFF, ON = (pair(name, value) for name, value in (("fencing-enabled", "false"),
                                                 ("fencing-enabled", "true")))
OLD = 'name="stonith-enabled" value="true"'
OLD_OFF = OLD.replace("true", "false")
VERSION = 'name="dc-version" value="2.1.5'
NEW = (VERSION, VERSION.replace("2.1.5", "3.0.3"))


@pytest.mark.parametrize("pairs, expected, is_enabled", [
    ([(BOOTSTRAP, BOOTSTRAP + OFF)], [], True),    # 2.1.5 does not know the new name
    ([NEW, (BOOTSTRAP, BOOTSTRAP + OFF)], [("ERROR", "fencing is off (fencing-enabled=false)")],
     False),
    ([NEW, (BOOTSTRAP, BOOTSTRAP + ON), (OLD, OLD_OFF)], [], True),
    ([NEW, (OLD, OLD_OFF)], [("ERROR", "fencing is off (stonith-enabled=false)")], False),
    ([(OLD, OLD.replace("true", ""))], [], True),    # no boolean: the default
    ([(OLD, OLD.replace("true", "nope"))], [], True)])
def test_fencing_is_on_where_pacemaker_takes_it_to_be(text, pairs, expected, is_enabled):
    text = changed(text, pairs)
    assert said(text) == expected
    assert fencing.is_enabled(configuration.parse(text)) is is_enabled


@pytest.mark.parametrize("version, expected", [
    ("1.1.24", "no-quorum-policy=ignore"), ("2.0.0", None), ("3.0.3", None)])
def test_names_with_underscores_are_those_of_1_1(text, version, expected):
    text = changed(text, [(VERSION, VERSION.replace("2.1.5", version)), (
        BOOTSTRAP, BOOTSTRAP + pair("no_quorum_policy", "ignore"))])
    found = [item.what for name, item in check.of_cib(text, "")
             if item and name == "cluster properties"]
    assert found == [expected] * bool(expected)
    # the name of today wins, wherever it is
    other = changed(text, [("</cluster_property_set>", pair("no-quorum-policy", "freeze")
                            + "</cluster_property_set>")])
    assert "no-quorum-policy=freeze" in [item.what for _, item in check.of_cib(other, "") if item]


@pytest.mark.parametrize("name, check_name", [
    ("stonith-enabled", "fencing"), ("no-quorum-policy", "cluster properties"),
    ("startup-fencing", "cluster properties"), ("maintenance-mode", "cluster properties")])
def test_what_a_rule_decides_is_not_said_to_be_fine(text, name, check_name):
    text = text.replace("<nvpair id=\"cib-bootstrap-options-stonith-enabled\"", "<!--x--><nvpair "
                        'id="cib-bootstrap-options-stonith-enabled"')
    text = re.sub(r'<nvpair [^>]*name="stonith-enabled"[^>]*/>', "", text)
    text = text.replace("</crm_config>", f'<cluster_property_set id="season">{SEASON}'
                        + pair(name, "false") + "</cluster_property_set></crm_config>")
    item, = [item for one, item in check.of_cib(text, "") if item and one == check_name]
    assert item.level == finding.UNSEEN and item.what.startswith(
        f"whether {name} is set is not known")


def test_what_wins_over_a_rule_is_known(text):
    text = text.replace(OLD, OLD_OFF).replace(
        "</crm_config>", f'<cluster_property_set id="season">{SEASON}'
        + pair("stonith-enabled", "true") + "</cluster_property_set></crm_config>")
    assert said(text) == [("ERROR", "fencing is off (stonith-enabled=false)")]


class Fencer:
    """A Pacemaker whose fencer here has no device for the node."""

    def run(self, *argv):
        return Result(0, "0 fence devices found\n", "", False)


@pytest.mark.parametrize("name", FORMS)
def test_paf_status_knows_the_same_of_devices_that_run_elsewhere(text, name):
    """The fencer here is asked first; it has no device that may not run on this node."""
    configured = configuration.parse(changed(text, FORMS[name][0]))
    running = [types.SimpleNamespace(resource=device.name, role="Started")
               for device in configured.devices]
    found = fencing.of(Fencer(), configured, types.SimpleNamespace(instances=running), "srv1")
    assert fencing.is_possible(found) is FORMS[name][2]


def test_what_fences_is_not_known_where_a_rule_decides_whether_it_is_on(text):
    text = re.sub(r'<nvpair [^>]*name="stonith-enabled"[^>]*/>', "", text).replace(
        "</crm_config>", f'<cluster_property_set id="season">{SEASON}'
        + pair("stonith-enabled", "false") + "</cluster_property_set></crm_config>")
    found = fencing.of(Fencer(), configuration.parse(text), None, "srv1")
    assert fencing.is_possible(found) is None and "a rule" in found.unknown


#: Levels of srv1, where SBD without a disk is set up for all nodes.
@pytest.mark.parametrize("levels, timeout, possible", [
    (["watchdog"], "10", True), (["fence-gone", "watchdog"], "10", True),
    (["fence-gone"], "10", False), (["fence-srv1"], "10", False), (["watchdog"], "0", False)])
def test_a_topology_without_sbd_leaves_nothing_to_it(text, levels, timeout, possible):
    """Pacemaker falls back to it only where no level names another device."""
    made = "".join(f'<fencing-level id="l{number}" target="srv1" index="{number}" devices="{one}"/>'
                   for number, one in enumerate(levels, 1))
    text = changed(text, [watchdog(timeout), (
        "</configuration>", f"<fencing-topology>{made}</fencing-topology></configuration>")])
    found = fencing.of(Fencer(), configuration.parse(text),
                       types.SimpleNamespace(instances=[]), "srv1")
    assert fencing.is_possible(found) is possible
    usable = levels[-1:] == ["watchdog"] and timeout != "0" or levels == ["fence-srv1"]
    assert ("ERROR" in [level for level, _ in said(text)]) is not usable


def test_paf_status_does_not_count_on_a_board_that_names_no_node(text):
    """The fencer lists it for the primary, whose machine it may not be."""
    configured = configuration.parse(changed(text, FORMS["a board that takes any node"][0]))
    facts = types.SimpleNamespace(fencing=fencing.Fencing(True, ["fence-srv1"], False, ""))
    item, = failover.fencing({"primary": "srv3"}, None, configured, None, facts)
    assert (item.code, item.about, item.known) == ("fencing-device", "failover", True)
    assert "fence-srv1 names no node" in item.what and "pcmk_host_list=NODE" in item.pcs[0]
    others = facts.fencing._replace(devices=["fence-srv3"])
    facts = types.SimpleNamespace(fencing=others)
    assert list(failover.fencing({"primary": "srv3"}, None, configured, None, facts)) == []


SCSI = DEVICE.replace("fence_paf_lab", "fence_scsi")
UNFENCING = '<meta_attributes id="um">' + pair("provides", "unfencing") + "</meta_attributes>"


@pytest.mark.parametrize("device, expected", [
    (SCSI, [("ERROR", "fence-srv1 has not provides=unfencing"),
            ("WARNING", "fence-srv1 cuts a node off its disks, and leaves it on")]),
    (SCSI + UNFENCING, [("WARNING", "fence-srv1 cuts a node off its disks, and leaves it on")]),
    (SCSI.replace("scsi", "mpath") + UNFENCING.replace('"unf', '"Unf'),
     [("WARNING", "fence-srv1 cuts a node off its disks, and leaves it on")])])
def test_what_a_node_does_that_is_only_cut_off_its_disks(text, device, expected):
    text = changed(text, [(DEVICE, device)])
    assert said(text) == expected
    cures = [item.pcs for name, item in check.of_cib(text, "") if item and name == "fencing"]
    assert [bool(cure) for cure in cures] == [level == "ERROR" for level, _ in expected]


@pytest.mark.parametrize("pattern, holds", [
    ("srv[[:digit:]]$", True), ("^[[:alpha:]]+[^[:alpha:]]$", True), (r"srv\d", False),
    ("srv[[:foo:]]", False), ("SRV1", False)])
def test_a_pattern_of_a_level_is_read_as_pacemaker_does(text, pattern, holds):
    text = changed(text, [("</configuration>", (
        f'<fencing-topology><fencing-level id="l" target-pattern="{pattern}" index="1" '
        'devices="fence-gone"/></fencing-topology></configuration>'))])
    assert any("of srv1 fails" in what for _, what in said(text)) is holds


def test_nodes_that_the_same_device_is_asked_for_are_one_finding(text):
    text = text.replace("static-list", "status").replace('id="fence-srv3" class="stonith"', (
        'id="fence-srv3" class="ocf" provider="x"'))
    assert said(text) == [(
        "UNSEEN", "whether fence-srv1 or fence-srv2 can fence srv1, srv2, srv3 was not looked at")]


def test_remote_nodes_neither_vote_nor_use_a_device(text):
    """Two members and a remote node: what only the latter might use is of no use."""
    text = changed(text, [
        ('<node id="3" uname="srv3">', '<node id="3" uname="srv3" type="remote">'), ban("srv2")])
    assert said(text) == [("ERROR", NO_DEVICE + "; fence-srv1 may run on no other node")]


SBD = DEVICE.replace("fence_paf_lab", "fence_sbd")


@pytest.mark.parametrize("device, have, expected", [
    (SBD, HAVE, [("ERROR", "fence-srv1 writes to SBD's disk, but Pacemaker sees no SBD")]),
    (SBD.replace("fence_sbd", "external/sbd"), HAVE,
     [("ERROR", "fence-srv1 writes to SBD's disk, but Pacemaker sees no SBD")]),
    (SBD, HAVE.replace("false", "true"), []),
    (SBD, HAVE.replace("have", "other"),    # Pacemaker itself sets it, where it has run
     [("UNSEEN", "whether SBD runs, which fence-srv1 needs, was not looked at")])])
def test_a_message_on_a_disk_needs_someone_who_reads_it(text, device, have, expected):
    text = changed(text, [(DEVICE, device), (HAVE, have)])
    assert said(text) == expected
    facts = types.SimpleNamespace(fencing=fencing.Fencing(True, ["fence-srv1"], False, ""))
    found = failover.fencing({"primary": "srv1"}, None, configuration.parse(text), None, facts)
    assert [(item.known, item.what) for item in found] == [
        (level == "ERROR", words) for level, words in expected]


@pytest.mark.parametrize("name", ["stonith-watchdog-timeout", "fencing-watchdog-timeout"])
def test_a_timeout_that_a_rule_sets_is_not_taken_for_none(text, name):
    text = changed(text, [NEW, (LIST, pair("pcmk_host_list", "srv9")), (
        "</crm_config>", f'<cluster_property_set id="season">{SEASON}' + pair(name, "10")
        + "</cluster_property_set></crm_config>")])
    assert said(text) == [("UNSEEN", f"whether {name} is set is not known")]
    found = fencing.of(Fencer(), configuration.parse(text),
                       types.SimpleNamespace(instances=[]), "srv1")
    assert fencing.is_possible(found) is None
