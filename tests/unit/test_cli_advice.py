"""paf status: the advice beside what it finds, where the obvious command would be the wrong one."""

from types import SimpleNamespace

import pytest

from paf.cli import check, configuration, lost, servers, switchover, view
from paf.cli.check import clusterchecks, host
from paf.cli.common import ERROR, OK
from paf.cli.main import main
from paf.cli.operate import pause, pauses, promote_verb
from paf.cli.status import fencing, report_text, simulate, votequorum
from paf.cli.status import report as status
from paf.cli.status import status as status_verb
from paf.instance import sql
from paf.ocf import OcfError
from tests.unit.test_cli_operate import Recorder
from tests.unit.test_cli_questions import (  # noqa: F401
    FENCED, NOW, asked, codes, forbid_failover, texts, with_flag, with_property)


def with_default(texts, name, value):  # noqa: F811
    before, after = texts["cib"].split("<rsc_defaults>")
    texts["cib"] = before + "<rsc_defaults>" + after.replace(
        "</meta_attributes>",
        f'<nvpair name="{name}" id="d" value="{value}"/></meta_attributes>', 1)


def with_own_meta(texts, name, value):  # noqa: F811
    """In the clone's own set, which is its only one."""
    texts["cib"] = texts["cib"].replace(
        '<meta_attributes id="pgsqld-clone-meta">', '<meta_attributes id="pgsqld-clone-meta">'
        f'<nvpair name="{name}" id="o" value="{value}"/>', 1)


def with_ticket(texts, state):  # noqa: F811
    """A ticket that another site has, or that has not been given yet."""
    texts["cib"] = texts["cib"].replace(
        "<constraints>", '<constraints><rsc_ticket id="t" rsc="pgsqld-clone" rsc-role="Promoted" '
        'ticket="site" loss-policy="demote"/>').replace("<status>", f"<status>{state}").replace(
            "<status/>", f"<status>{state}</status>")


ORDERS = [
    (lambda texts: with_ticket(texts, ""), "ticket", "crm_ticket --details --ticket site"),  # noqa: F811
    (lambda texts: with_ticket(  # noqa: F811
        texts, '<tickets><ticket_state id="site" granted="true" standby="true"/></tickets>'),
     "ticket", "crm_ticket --details --ticket site"),
    (lambda texts: with_own_meta(texts, "is-managed", "false"), "unmanaged",  # noqa: F811
     "manage pgsqld-clone"),
    (lambda texts: with_own_meta(texts, "maintenance", "on"), "resource-maintenance",  # noqa: F811
     "--delete-parameter maintenance"),
    (lambda texts: with_own_meta(texts, "target-role", "Slave"), "target-role",  # noqa: F811
     "--delete-parameter target-role"),
    (lambda texts: with_default(texts, "target-role", "Unpromoted"), "target-role",  # noqa: F811
     "crm_attribute --type rsc_defaults --name target-role --delete"),
    (lambda texts: with_default(texts, "is-managed", "false"), "unmanaged",  # noqa: F811
     "crm_attribute --type rsc_defaults --name is-managed --delete"),
    (lambda texts: with_property(texts, "is-managed-default", "false"), "unmanaged",  # noqa: F811
     "is-managed-default=true"),
    (lambda texts: with_default(texts, "maintenance", "true"), "resource-maintenance",  # noqa: F811
     "crm_attribute --type rsc_defaults --name maintenance --delete"),
]


@pytest.mark.parametrize("change, code, command", ORDERS)
def test_an_order_is_taken_back_where_it_was_given(
        texts, change, code, command):  # noqa: F811
    forbid_failover(texts, change, code, command)


@pytest.mark.parametrize("place, where", [("srv3", "srv3"), (None, "no node")])
def test_an_address_that_would_not_follow_the_primary_is_reported(texts, place, where):  # noqa: F811
    found = asked(texts, outcome=simulate.Outcome("srv1", True, "", {"pgsql-master-ip": place}))
    assert found["failover"]["answer"] is False and "address-stays" in codes(found)
    assert f"the address pgsql-master-ip would be on {where}" in found["failover"]["text"]


DISABLED = ('<primitive id="fence-srv3" class="stonith" type="fence_paf_lab">', (
    '<primitive id="fence-srv3" class="stonith" type="fence_paf_lab"><meta_attributes id="f">'
    '<nvpair id="f-t" name="target-role" value="Stopped"/></meta_attributes>'))
NONE = ('value="srv3"/>', 'value="srv9"/>')


@pytest.mark.parametrize("change, words, command", [
    (DISABLED, "no fencing device can reach srv3; fence-srv3 is disabled",
     "pcs stonith enable fence-srv3"),
    (("", ""), "no fencing device can reach srv3; fence-srv3 does not run",
     "crm_resource --cleanup --resource fence-srv3"),
    (NONE, "no fencing device can reach srv3",
     "pcs stonith create fence-srv3 AGENT pcmk_host_list=srv3 ...")])
def test_a_fencing_device_that_is_there_is_not_made_again(texts, change, words, command):  # noqa: F811
    texts["cib"] = texts["cib"].replace(*change, 1)
    found = asked(texts, fencing=fencing.Fencing(True, [], False, ""))
    item, = [item for item in found["todo"] if item["code"] == "no-fencing-device"]
    assert (item["what"], item["pcs"]) == (words, [command])


def test_a_ticket_that_is_granted_is_in_no_way(texts):  # noqa: F811
    with_ticket(texts, '<tickets><ticket_state id="site" granted="true"/></tickets>')
    assert codes(asked(texts)) == []


def test_why_the_servers_did_not_answer_root_is_said(texts):  # noqa: F811
    found = asked(texts, rows=[], silence={"srv3": "sorry, too many clients already"})
    item, = [item for item in found["todo"] if item["code"] == "primary-not-asked"]
    assert item["what"].endswith("takes writes: sorry, too many clients already")
    assert "as root" not in item["why"]


def test_the_words_of_a_server_that_lets_nobody_in_are_kept(texts, monkeypatch):  # noqa: F811
    managed = configuration.find(configuration.parse(texts["cib"]))
    asked_here = servers.Servers(managed, "srv3")
    monkeypatch.setattr(servers.local, "version", lambda _: 150000)
    monkeypatch.setattr(servers.sql, "query", lambda *_, **__: sql.Answer(
        sql.NO_CONNECTION, [], "sorry, too many clients already"))
    assert asked_here.known(["srv3"], "srv3", dict) == {}
    assert asked_here.silence == "sorry, too many clients already"


@pytest.mark.parametrize("role, down", [('role="Promoted" ', True), ("", False)])
def test_an_instance_that_may_only_not_be_promoted_is_to_run(texts, role, down):  # noqa: F811
    """The rule of a constraint has a role of its own."""
    texts["cib"] = texts["cib"].replace("<constraints>", (
        f'<constraints><rsc_location id="n" rsc="pgsqld-clone"><rule id="r" {role}'
        'score="-INFINITY"><expression id="e" attribute="#uname" operation="eq" value="srv2"/>'
        "</rule></rsc_location>"))
    seen = view.parse(texts["mon"])
    configured = configuration.parse(texts["cib"], NOW)
    managed = configuration.find(configured)
    stopped = seen._replace(instances=[item for item in seen.instances if item.node != "srv2"])
    facts = status.Facts({}, None, simulate.Outcome("srv1", True, ""), FENCED, None)
    found = status.report(stopped, configured, managed, facts._replace(
        votes=votequorum.votes(texts["votes"])))
    assert ("instance-down" in codes(found)) is down
    assert [node["node"] for node in found["nodes"] if node["kept_off"]] == ["srv2"]


def test_paf_check_enables_a_fencing_device_that_is_there(texts):  # noqa: F811
    configured = configuration.parse(texts["cib"].replace(*DISABLED, 1))
    item, = clusterchecks.fencing(configured, configuration.find(configured))
    assert item.what == "no fencing device for srv3; fence-srv3 is disabled"
    assert (item.pcs, item.crm) == (["pcs stonith enable fence-srv3"],
                                    ["crm resource start fence-srv3"])


@pytest.mark.parametrize("state", ["unclean", "offline"])
def test_a_primary_whose_node_is_lost_is_not_asked_for(texts, state):  # noqa: F811
    """Pacemaker has it as promoted until the node is fenced; the advice was to go there."""
    old = '<node name="srv3" id="3" online="true"'
    assert old in texts["mon"]
    texts["mon"] = texts["mon"].replace(old, old.replace('"true"', '"false"')).replace(
        old.replace('"true"', '"false"') + ' standby="false" standby_onfail="false" '
        'maintenance="false" pending="false" unclean="false"',
        old.replace('"true"', '"false"') + ' standby="false" standby_onfail="false" '
        f'maintenance="false" pending="false" unclean="{str(state == "unclean").lower()}"')
    found = asked(texts, known={})
    item = found["todo"][0]
    assert (item["code"], found["up"]["answer"]) == ("primary-lost", False)
    assert f"srv3 is {state}" in item["what"] and "run paf status" not in item["why"]
    assert "do not hear it" in item["what"]
    assert "primary srv3, whose node is " + state in next(report_text.lines(found))
    said = list(promote_verb.problems(found, "srv1"))
    assert "fenced" in said[0] and not any("paf switchover" in words for words in said)


def test_a_switchover_without_quorum_says_so(texts, monkeypatch, capsys):  # noqa: F811
    """Its standbys are stopped: that none has a score above 0 follows from it."""
    found = asked(texts)
    found["quorum"] = False
    for row in found["nodes"]:
        row["role"] = "stopped" if row["role"] == "standby" else row["role"]
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(status_verb, "look", lambda *_: found)
    assert main(["switchover", "--dry-run"]) == ERROR
    assert "no quorum" in capsys.readouterr().err


def test_constraints_are_named_where_they_may_forbid_every_promotion(texts):  # noqa: F811
    """The reasons were said to be beside the nodes, which had none."""
    texts["cib"] = texts["cib"].replace(
        "</constraints>", '<rsc_location id="zones" rsc="pgsqld-clone"><rule id="z" role="Promoted"'
        ' score="-INFINITY"><expression id="ze" attribute="zone" operation="not_defined"/></rule>'
        '</rsc_location><rsc_location id="bound" rsc="pgsqld-clone" node="srv1" role="Promoted" '
        'score="100"/></constraints>')
    texts["mon"] = texts["mon"].replace('role="Promoted"', 'role="Unpromoted"')
    found = asked(texts, outcome=simulate.Outcome(None, False, ""))
    item, = [item for item in found["todo"]
             if (item["about"], item["code"]) == ("up", "no-primary")]
    assert "constraints that may forbid it: zones" in item["why"]
    assert "bound" not in item["why"]


def test_a_pause_of_one_of_several_resources_names_it_in_the_way_back(
        texts, monkeypatch, capsys):  # noqa: F811
    found = asked(texts)
    sight = SimpleNamespace(report=found, managed=SimpleNamespace(name="pgsqld"))
    monkeypatch.setattr(pause, "Pacemaker", lambda: Recorder(texts["cib"]))
    monkeypatch.setattr(status_verb, "sight", lambda *_: sight)
    monkeypatch.setattr(pauses, "is_paused", lambda *_: True)
    for argv, back in ((["--resource", "pgsqld"], "paf resume --resource pgsqld"),
                       (["srv1", "--resource", "pgsqld"], "paf resume srv1 --resource pgsqld"),
                       ([], "paf resume")):
        assert main(["pause", "--yes", *argv]) == OK
        assert capsys.readouterr().out.endswith(f"back with: {back}\n")


def test_a_pause_is_ended_by_paf_resume_which_looks_at_the_roles_first(texts):  # noqa: F811
    mark = '<nvpair id="n" name="maintenance" value="true"/></meta_attributes>'
    rule = ('<rule id="r" score="0"><date_expression id="d" operation="lt" '
            'end="2036-01-01T00:00:00Z"/></rule>')
    for ident, words, command in (
            ("paf-pause-pgsqld", "is paused by paf pause, until 2036-01-01T00:00:00Z",
             "paf resume --resource pgsqld"),
            ("own", "is in maintenance", "crm_resource --force --resource pgsqld --meta "
             "--set-parameter maintenance --parameter-value false")):
        text = texts["cib"].replace('type="pgsqlms">', 'type="pgsqlms">' + (
            f'<meta_attributes id="{ident}" score="1000000">{rule}{mark}'), 1)
        found, = [item for name, item in check.of_cib(text, "") if name == "enabled"]
        assert words in found.what and found.pcs == found.crm == [command]


def test_a_second_pause_says_that_it_takes_the_place_of_the_first():
    todo = [{"code": "paused", "node": None, "what": "pgsqld is paused by paf pause, until 9 h"},
            {"code": "node-maintenance", "node": "srv1", "what": "srv1 is in maintenance"}]
    assert list(pause.earlier({"todo": todo}, None)) == [
        "pgsqld is paused by paf pause, until 9 h: this takes its place"]
    assert list(pause.earlier({"todo": todo}, "srv1")) == [
        "srv1 is in maintenance: this takes its place"]
    assert list(pause.earlier({"todo": todo}, "srv2")) == []


@pytest.mark.parametrize("argv, what", [([], "pgsqld"), (["srv1"], "srv1")])
def test_a_pause_that_the_cib_does_not_show_is_none(
        texts, monkeypatch, capsys, argv, what):  # noqa: F811
    sight = SimpleNamespace(report=asked(texts), managed=SimpleNamespace(name="pgsqld"))
    monkeypatch.setattr(pause, "Pacemaker", lambda: Recorder(texts["cib"]))
    monkeypatch.setattr(status_verb, "sight", lambda *_: sight)
    assert main(["pause", "--yes", *argv]) == ERROR
    said = capsys.readouterr()
    assert f"does not show it: {what} is not paused" in said.err and "done" not in said.out


def test_a_primary_whose_node_is_to_be_fenced_may_still_be_heard(texts):  # noqa: F811
    """Its stop has failed, for example: it is a member as long as corosync hears it."""
    line, = [line for line in texts["mon"].splitlines()
             if '<node name="srv3" id="3" online=' in line]
    texts["mon"] = texts["mon"].replace(line, line.replace('unclean="false"', 'unclean="true"'))
    found = asked(texts)
    assert "unclean: it is to be fenced" in found["todo"][0]["what"]
    assert "srv3 is a member" in " ".join(promote_verb.problems(found, "srv1", ["srv3"]))


@pytest.mark.parametrize("action", ["Promoting", "Demoting"])
def test_a_promotion_that_is_under_way_is_not_one_that_pacemaker_would_not_make(
        texts, action):  # noqa: F811
    """Pacemaker's scheduler does not plan again what has been started."""
    texts["mon"] = texts["mon"].replace('role="Promoted"', f'role="Unpromoted" pending="{action}"')
    found = asked(texts, outcome=simulate.Outcome(None, False, ""))
    item, = [item for item in found["todo"]
             if (item["about"], item["code"]) == ("up", "no-primary")]
    assert item["why"].startswith(f"Pacemaker is {action.lower()} an instance")


@pytest.mark.parametrize("uid, level", [(0, "ERROR"), (999, "WARNING")])
def test_what_root_alone_may_read_is_no_fault_of_the_instance(monkeypatch, uid, level):
    def fail(*_):
        raise OcfError("cannot read /data/PG_VERSION: Permission denied")
    monkeypatch.setattr(host.os, "geteuid", lambda: uid)
    monkeypatch.setattr(host.settings, "check_programs", fail)
    monkeypatch.setattr(host.local, "owner", fail)
    found = list(host.programs(None))[-1:] + list(host.directory(None, None))
    assert [item.level for item in found] == [level] * 2
    assert [item.why == "run paf check as root" for item in found] == [uid != 0] * 2


@pytest.mark.parametrize("uid, words", [
    (0, "main.lost: Permission denied\n"),
    (999, "main.lost: Permission denied: run paf lost as root\n")])
def test_lost_without_rights_says_what_to_do(texts, monkeypatch, capsys, uid, words):  # noqa: F811
    def fail(*_):
        raise EnvironmentError(13, "Permission denied", "/data/main.lost")
    pacemaker = SimpleNamespace(node=lambda: "srv3", cib=lambda: texts["cib"])
    monkeypatch.setattr(lost, "Pacemaker", lambda: pacemaker)
    monkeypatch.setattr(lost.os, "geteuid", lambda: uid)
    monkeypatch.setattr(lost, "places", fail)
    assert main(["lost"]) == ERROR
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("reason, commands", [
    ("PAF-E201 diverged: 200 bytes of WAL after 0/32B2D48 (start of timeline 8) exist only here, "
     "among them 1 commit, the last at 2026",
     ["paf lost --resource pgsqld", "paf rebuild --resource pgsqld"]),
    ("PAF-E402 primary_conninfo is empty",
     ["crm_resource --cleanup --resource pgsqld --node srv2"])])
def test_what_has_diverged_is_rebuilt_before_the_cleanup(texts, reason, commands):  # noqa: F811
    """The same start would fail again; and Pacemaker cuts the advice off the reason."""
    texts["mon"] = texts["mon"].replace("</nodes>", (
        '</nodes><failures><failure op_key="pgsqld_start_0" node="srv2" exitcode="5" '
        f'exitstatus="not installed" exitreason="{reason}" call="9" status="complete"/>'
        '</failures>'), 1)
    item, = [item for item in asked(texts)["todo"] if item["code"] == "failed"]
    assert item["pcs"] == item["crm"] == commands
    assert ("on srv2" in item["why"]) == (len(commands) == 2)


def test_an_opt_in_cluster_that_lets_no_instance_run_is_named(texts):  # noqa: F811
    mark = '<cluster_property_set id="cib-bootstrap-options">'
    texts["cib"] = texts["cib"].replace(
        mark, mark + '<nvpair id="sc" name="symmetric-cluster" value="false"/>')
    item, = [item for item in asked(texts)["todo"] if item["code"] == "opt-in"]
    assert "no constraint lets pgsqld-clone run on srv1 or srv2 or srv3" in item["what"]
    assert item["pcs"][0] == "pcs constraint location pgsqld-clone prefers srv1=0"
    texts["cib"] = texts["cib"].replace(
        "</constraints>", '<rsc_location id="l" rsc="pgsqld-clone" node="srv1" score="0"/>'
        '</constraints>')
    found = asked(texts)
    assert not [item for item in found["todo"] if item["code"] == "opt-in"]
    assert [row["kept_off"] for row in found["nodes"]] == [False, True, True]


def test_a_node_that_paf_pause_has_paused_is_resumed_by_paf_resume(texts):  # noqa: F811
    with_flag(texts, "srv3", "maintenance")
    mark = '<instance_attributes id="nodes-3">'
    texts["cib"] = texts["cib"].replace(
        mark, mark + '<nvpair id="m" name="maintenance" value="true"/>')
    item, = [item for item in asked(texts)["todo"] if item["code"] == "node-maintenance"]
    assert item["pcs"] == ["paf resume srv3 --resource pgsqld"]
