"""Nodes that were removed, and that Pacemaker's configuration has again."""

import json
import re
import types
from xml.etree import ElementTree

import pytest

from paf.cli import check, configuration, finding, nodelist
from paf.cli.check import clusterchecks
from paf.cli.common import Problem
from paf.cli.main import main
from paf.cli.status import votequorum
from paf.runner import Result
from tests.unit.test_cli_questions import (  # noqa: F401
    asked, codes, texts, with_flag, with_property)

LINES = """nodelist.local_node_pos (u32) = 0
nodelist.node.0.name (str) = srv1
nodelist.node.0.nodeid (u32) = 1
nodelist.node.0.ring0_addr (str) = 10.77.0.1
nodelist.node.1.name (str) = SRV2
nodelist.node.1.ring0_addr (str) = 10.77.0.2
"""


def answering(text, status=0, timed_out=False):
    def run(*argv):
        if isinstance(text, Exception):
            raise text
        return Result(status, text if argv == ("corosync-cmapctl", "nodelist") else "", "",
                      timed_out)
    return types.SimpleNamespace(run=run, node=lambda: "srv1")


def test_names_and_addresses_are_those_of_the_nodelist():
    assert nodelist.names(answering(LINES)) == {"srv1", "srv2"}
    assert nodelist.addresses(nodelist.read(answering(LINES))) == {
        "srv1": "10.77.0.1", "SRV2": "10.77.0.2"}


def test_the_first_link_may_have_any_number():
    """With knet; nodes were asked at their names then, which need not resolve."""
    lines = LINES.replace("ring0", "ring1") + "nodelist.node.0.ring2_addr (str) = 10.78.0.1\n"
    assert nodelist.addresses(nodelist.read(answering(lines))) == {
        "srv1": "10.77.0.1", "SRV2": "10.77.0.2"}
    assert nodelist.addresses([{"name": "srv1", "nodeid": "1"}]) == {}


@pytest.mark.parametrize("text", [
    "", "Failed to initialize the cmap API", Problem("corosync-cmapctl is not installed"),
    LINES.replace("nodelist.node.1.name (str) = SRV2\n", "")])
def test_what_corosync_does_not_name_is_not_known_and_nothing_is_removed(text):
    assert nodelist.names(answering(text)) is None
    root = types.SimpleNamespace(findall=lambda path: pytest.fail("looked at the CIB"))
    assert nodelist.removed(root, None) == []


@pytest.mark.parametrize("status, timed_out", [(-9, True), (-15, False), (1, False)])
def test_a_list_that_was_cut_off_is_not_known(status, timed_out):
    """The nodes behind the cut were called removed, and the cure removes them."""
    cut = answering(LINES.partition("nodelist.node.1")[0], status, timed_out)
    assert nodelist.names(cut) is None and nodelist.read(cut) == []


@pytest.mark.parametrize("heard, known", [
    ([], True), (["srv1"], True), (["SRV1", "srv2"], True), (["srv1", "srv3"], False)])
def test_a_list_without_a_node_that_is_heard_is_not_the_clusters(heard, known):
    """This node's corosync has not read its file again, or another one."""
    assert nodelist.names(answering(LINES), heard) == ({"srv1", "srv2"} if known else None)


@pytest.mark.parametrize("state, heard", [
    ('id="3" uname="srv3" in_ccm="true"', {"srv3"}), ('id="3" in_ccm="true"', {"srv3"}),
    ('id="3" uname="srv3" in_ccm="1795447098"', {"srv3"}),    # Pacemaker 2.1.7 and later
    ('id="3" uname="srv3" in_ccm="0"', set()), ('id="3" uname="srv3" in_ccm="false"', set()),
    ('id="3" uname="srv3"', set())])
def test_who_is_heard_is_in_the_cib(state, heard):
    root = ElementTree.fromstring(
        '<cib><configuration><nodes><node id="3" uname="srv3"/></nodes></configuration>'
        f"<status><node_state {state}/></status></cib>")
    assert nodelist.heard(root) == heard


@pytest.mark.parametrize("kind, gone", [
    ("", ["srv3"]), (' type="member"', ["srv3"]), (' type="normal"', ["srv3"]),
    (' type="remote"', []), (' type="ping"', [])])
def test_a_node_that_corosync_has_to_know_and_does_not_was_removed(kind, gone):
    root = ElementTree.fromstring(
        '<cib><configuration><nodes><node id="1" uname="srv1"/><node id="2" uname="srv2"/>'
        f'<node id="3" uname="srv3"{kind}/></nodes></configuration></cib>')
    assert nodelist.removed(root, {"srv1", "srv2"}) == gone
    assert nodelist.removed(root, {"srv1", "srv2", "srv3"}) == []


def without_srv2(texts):  # noqa: F811
    """It is offline, and all that ran there is gone."""
    line = next(line for line in texts["mon"].splitlines() if '<node name="srv2" id=' in line)
    texts["mon"] = texts["mon"].replace(line, line.replace('online="true"', 'online="false"'))


@pytest.mark.parametrize("listed, code, cure", [
    ({"srv1", "srv3"}, "removed", "crm_node --force --remove srv2"),
    ({"srv1", "srv2", "srv3"}, "offline", "pcs cluster start srv2"),
    (None, "offline", "pcs cluster start srv2")])
def test_paf_status_has_a_removed_node_forgotten_and_starts_one_that_is_away(
        texts, listed, code, cure):  # noqa: F811
    """There is no cluster on a node that was removed: `pcs cluster start` cannot help."""
    without_srv2(texts)
    found = asked(texts, listed=listed)
    item, = [item for item in found["todo"] if item["node"] == "srv2" and item["code"] in (
        "offline", "removed")]
    assert (item["code"], item["pcs"][0]) == (code, cure)


def test_a_removed_node_that_is_to_be_fenced_keeps_pacemaker_from_a_failover(texts):  # noqa: F811
    """It has no device any more: nothing was promoted until it was removed again."""
    without_srv2(texts)
    with_flag(texts, "srv2", "unclean")
    assert asked(texts, listed={"srv1", "srv2", "srv3"})["failover"]["answer"] is True
    found = asked(texts, listed={"srv1", "srv3"})
    item, = [item for item in found["todo"] if item["node"] == "srv2" and item["code"] in (
        "unclean", "removed")]
    assert (item["code"], item["about"]) == ("removed", "failover")
    assert item["pcs"] == ["crm_node --force --remove srv2"]
    assert found["failover"]["answer"] is False


def test_a_member_is_not_called_removed(texts):  # noqa: F811
    """It has left the list here, and runs on: the other nodes' lists are older."""
    assert "removed" not in codes(asked(texts, listed={"srv1", "srv3"}))


@pytest.mark.parametrize("lines, in_ccm, said", [
    (LINES, "false", [("ERROR", "srv3 is in Pacemaker's configuration, but not in corosync's")]),
    (LINES + "nodelist.node.2.name (str) = srv3\n", "true", []),
    (LINES, "true", [("UNSEEN", "corosync's list of nodes is not known")]),
    ("", "false", [("UNSEEN", "corosync's list of nodes is not known")])])
def test_paf_check_names_a_removed_node_and_asks_no_fencing_device_for_it(
        texts, monkeypatch, lines, in_ccm, said):  # noqa: F811
    cib = texts["cib"].replace('pcmk_host_list" value="srv3', 'pcmk_host_list" value="srv1')
    assert cib != texts["cib"]
    cib = cib.replace('uname="srv3" in_ccm="true"', f'uname="srv3" in_ccm="{in_ccm}"')
    pacemaker = answering(lines)
    pacemaker.cib = lambda: cib
    monkeypatch.setattr(check, "_of_this_node", lambda *_: [])
    options = types.SimpleNamespace(cib=None, pgdata=None, resource="")
    found = list(check.examine(options, pacemaker))
    items = [item for name, item in found if name == "removed nodes" and item]
    assert [item.level for item in items] == [level for level, _ in said]
    assert all(item.what.startswith(words) for item, (_, words) in zip(items, said))
    devices = [item.what for name, item in found if name == "fencing" and item]
    assert ("no fencing device for srv3" in devices) == ([level for level, _ in said] != ["ERROR"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_paf_check_keeps_what_it_has_found_where_there_is_no_resource(monkeypatch, capsys, form):
    pacemaker = answering(LINES)
    pacemaker.cib = lambda: "<cib><configuration><nodes><node id='3' uname='srv3'/></nodes>" \
        "</configuration></cib>"
    monkeypatch.setattr(check, "Pacemaker", lambda: pacemaker)
    assert main(["check", "--output", form]) == 2
    shown = capsys.readouterr()
    assert "srv3 is in Pacemaker's configuration, but not in corosync's" in shown.out
    assert "there is no resource of ocf:heartbeat:pgsqlms in this cluster; paf create" in shown.out
    if form == "json":
        assert json.loads(shown.out)[-1]["check"] == "the rest"
    pacemaker.cib = raising(Problem("Pacemaker does not run here"))
    assert main(["check", "--output", form]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "paf: Pacemaker does not run here\n"


def raising(error):
    def raise_it():
        raise error
    return raise_it


def test_paf_check_does_not_speak_of_removed_nodes_in_a_file(texts, tmp_path):  # noqa: F811
    (tmp_path / "cib.xml").write_text(texts["cib"])
    options = types.SimpleNamespace(cib=str(tmp_path / "cib.xml"), pgdata=None, resource="")
    found = list(check.examine(options, answering(Problem("asked"))))
    assert "removed nodes" not in [name for name, _ in found]


def flagged(texts, flags):  # noqa: F811
    return votequorum.votes(texts["votes"].replace("Quorate \n", flags + "\n"))


@pytest.mark.parametrize("flags, level", [
    ("2Node Quorate ", finding.ERROR), ("2Node Quorate WaitForAll ", None), ("Quorate ", None),
    ("Quorate Qdevice ", None)])
def test_one_of_two_nodes_has_to_have_seen_the_other(texts, flags, level):  # noqa: F811
    found = list(clusterchecks.quorum(flagged(texts, flags)))
    assert [item.level for item in found] == ([level] if level else [])


def test_pcs_changes_wait_for_all_only_while_the_cluster_is_stopped(texts):  # noqa: F811
    """Else it ends with an error, and this is found only while the cluster runs."""
    item, = clusterchecks.quorum(flagged(texts, "2Node Quorate "))
    assert [command.split()[1:3] for command in item.pcs] == [
        ["cluster", "stop"], ["quorum", "update"], ["cluster", "start"]]
    assert "clients have no server meanwhile" in item.why


@pytest.mark.parametrize("flags, count", [("Quorate Qdevice ", 0), ("2Node Quorate ", 1)])
def test_two_watchdogs_are_well_with_a_quorum_device(texts, flags, count):  # noqa: F811
    cib = re.sub(r'class="stonith"', 'class="ocf" provider="x"', texts["cib"]).replace(
        'name="have-watchdog" value="false"/>', 'name="have-watchdog" value="true"/>'
        '<nvpair id="w" name="stonith-watchdog-timeout" value="10"/>').replace(
        '<node id="3" uname="srv3">', '<node id="3" uname="srv3" type="ping">')
    said = [item.what for name, item in check.of_cib(cib, "", (), flagged(texts, flags))
            if item and name in ("fencing", "watchdogs")]
    assert said == ["SBD without a device fences two nodes"] * count
    for votes in (None, votequorum.Votes(0, 0, 0, {}, set(), "no answer in time")):
        item, = [item for name, item in check.of_cib(cib, "", (), votes)
                 if item and name == "watchdogs"]
        assert item.level == finding.UNSEEN


def test_votes_that_are_not_known_are_no_wait_for_all(texts):  # noqa: F811
    unseen, = clusterchecks.quorum(votequorum.Votes(0, 0, 0, {}, set(), "no answer in time"))
    assert unseen.level == finding.UNSEEN and "no answer in time" in unseen.what


@pytest.mark.parametrize("flags, old, new, is_missing", [
    ("2Node Quorate WaitForAll ", "", "", True), ("Quorate Qdevice ", "", "", False),
    ("2Node Quorate ", "FENCE", "pcmk_delay_base=5s", False),
    ("2Node Quorate ", "FENCE", "pcmk_delay_base=srv1:0s;srv3:3s", False),
    ("2Node Quorate ", "FENCE", "pcmk_delay_max=10", False),
    ("2Node Quorate ", "FENCE", "pcmk_delay_base=0", True),
    ("2Node Quorate ", "PROPERTY", "priority-fencing-delay=10s", True),
    ("2Node Quorate ", "BOTH", "priority-fencing-delay=10s", False),
    ("2Node Quorate ", "ADDRESS", "priority-fencing-delay=10s", False)])
def test_of_two_nodes_one_has_a_head_start(texts, flags, old, new, is_missing):  # noqa: F811
    name, _, value = new.partition("=")
    pair = f'<nvpair id="h" name="{name}" value="{value}"/>'
    if old == "FENCE":
        before, device, after = texts["cib"].partition('<primitive id="fence-srv3"')
        texts["cib"] = before + device + after.replace("<nvpair", pair + "<nvpair", 1)
    elif old:
        with_property(texts, name, value)
    if old == "BOTH":
        texts["cib"] = texts["cib"].replace(
            '<meta_attributes id="pgsqld-clone-meta">', '<meta_attributes id="pgsqld-clone-meta">'
            '<nvpair name="priority" id="p" value="1"/>', 1)
    if old == "ADDRESS":    # it is where the primary is
        texts["cib"] = re.sub('(<primitive id="pgsql-master-ip"[^>]*>)', (
            r'\1<meta_attributes id="am"><nvpair name="priority" id="p" value="5"/>'
            "</meta_attributes>"), texts["cib"])
    configured = configuration.parse(texts["cib"])
    found = list(clusterchecks.head_start(
        configured, configuration.find(configured), flagged(texts, flags)))
    assert [item.level for item in found] == [finding.WARNING] * is_missing
    assert not found or "priority-fencing-delay=10s" in found[0].pcs[0]


def test_before_2_0_4_a_device_waits(texts):  # noqa: F811
    texts["cib"] = texts["cib"].replace('name="dc-version" value="2.1.5', (
        'name="dc-version" value="2.0.3'))
    configured = configuration.parse(texts["cib"])
    item, = clusterchecks.head_start(configured, configuration.find(configured),
                                     flagged(texts, "2Node Quorate "))
    assert "pcmk_delay_base" in item.pcs[0]
