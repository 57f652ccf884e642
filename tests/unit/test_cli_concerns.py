"""paf status and paf forecast: each situation is named, and what could not be asked is unknown."""

import json
import re
from types import SimpleNamespace

import jsonschema
import pytest

from paf.cli import configuration, servers, switchover, topology, view
from paf.cli.check import clusterchecks
from paf.cli.common import ERROR, NOT_DONE, OK, Problem
from paf.cli.main import main
from paf.cli.status import fencing, forecast, simulate, votequorum
from paf.cli.status import report as status
from paf.cli.status import status as verb
from paf.cli.timeline import gather
from paf.runner import Result
from tests.unit.test_cli_questions import (
    FENCED, PRIMARY, asked, codes, texts, with_flag, with_meta, with_property)  # noqa: F401
from tests.unit.test_cli_succession import SCHEMA, a_report
from tests.unit.test_cli_topology import with_levels


def mon(texts, *changes):  # noqa: F811
    """Change what crm_mon shows, by (pattern, text)."""
    for pattern, text in changes:
        texts["mon"], count = re.subn(pattern, text, texts["mon"], count=1)
        assert count == 1, pattern


def failure(resource, code):
    return "</pacemaker-result>", (
        f'<failures><failure op_key="{resource}_monitor_10000" node="srv2" exitcode="{code}" '
        f'exitstatus="not running" exitreason="it is gone"/></failures></pacemaker-result>')


IN_RECOVERY = [["me", "true", "5", "51654312", "51654312", "", "", "streaming"]]
SLOW = [PRIMARY[0], [*PRIMARY[1][:6], "sync", ""], PRIMARY[2]]
NONE_PROMOTED = 'role="Promoted"', 'role="Unpromoted"'

#: What is so, the code of the concern, its words, and more of what `asked` takes.
SITUATIONS = {
    "a node that leaves": (
        lambda said: with_flag(said, "srv2", "shutdown"), "leaving",
        "srv2 is leaving the cluster", {}),
    "a score that bars": (
        lambda said: mon(said, ('value="990"', 'value="-1000000"')), "score",
        "srv2 is barred from promotion", {"rows": [*PRIMARY[:2], [
            "standby", "srv2", "catchup", "51654000", "51654000", "", "async", ""]]}),
    "another resource that is degraded": (
        lambda said: mon(said, failure("disk", 190)), "degraded",
        "disk on srv2 is degraded: it is gone", {}),
    "another resource that has failed": (
        lambda said: mon(said, failure("disk", 7)), "failed",
        "monitor of disk has failed on srv2: it is gone", {}),
    "a promotion that waits for no fencing": (
        lambda said: with_meta(said, "requires", "Nothing"), "requires",
        "pgsqld has requires=Nothing", {}),
    "a promotion that may wait for no fencing": (
        lambda said: said.update(cib=said["cib"].replace(
            "</rsc_defaults>", '<meta_attributes id="s"><rule id="r" score="0"><date_expression '
            'id="d" operation="date_spec"><date_spec id="e" months="1-6"/></date_expression></rule>'
            '<nvpair id="q" name="requires" value="quorum"/></meta_attributes></rsc_defaults>')),
        "requires", "whether requires is set is not known", {}),
    "an unhealthy node": (
        lambda said: (with_property(said, "node-health-strategy", "only-green"), said.update(
            cib=said["cib"].replace('<nvpair id="nodes-2-master', (
                '<nvpair id="h" name="#health_disk" value="Yellow"/><nvpair id="nodes-2-master')))),
        "unhealthy", "srv2 is unhealthy: #health_disk is Yellow", {}),
    "everything stopped by order": (
        lambda said: with_property(said, "stop-all-resources", "true"), "stop-all",
        "stop-all-resources is on", {}),
    "a partition without quorum that goes on": (
        lambda said: with_property(said, "no-quorum-policy", "Ignore"), "no-quorum-policy",
        "no-quorum-policy is ignore", {}),
    "a resource that is disabled": (
        lambda said: with_meta(said, "target-role", "Stopped"), "disabled",
        "pgsqld-clone is disabled", {}),
    "a primary that takes no writes": (
        lambda said: None, "primary-in-recovery", "the server on srv3 is in recovery, though "
        "Pacemaker has promoted it", {"rows": IN_RECOVERY}),
    "no primary, and no forecast": (
        lambda said: mon(said, NONE_PROMOTED), "no-primary", "no node is promoted",
        {"outcome": simulate.Outcome(None, False, "crm_simulate failed: no answer")}),
    "no manager": (
        lambda said: mon(said, (r"<current_dc [^>]*>", '<current_dc present="false"/>')),
        "no-dc", "the nodes have not elected a manager", {}),
    "an address beside the primary": (
        lambda said: mon(said, (r'(?s)(id="pgsql-master-ip".*?<node name=)"srv3"',
                                r'\1"srv1"')), "address-elsewhere",
        "the address pgsql-master-ip 10.77.0.100 is on srv1, the primary on srv3", {}),
    "a standby that acknowledges nothing": (
        lambda said: None, "commits-wait", "commits wait for a synchronous standby; 2 sessions "
        "waiting, the longest for 9 s", {"rows": SLOW, "commits": ("srv1", 2, 9.0)}),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_named(texts, name):  # noqa: F811
    change, code, words, given = SITUATIONS[name]
    assert not any(words in item["what"] for item in asked(texts)["todo"])
    change(texts)
    found = [item for item in asked(texts, **given)["todo"] if item["code"] == code]
    assert words in found[0]["what"]


@pytest.mark.parametrize("value, answer", [("quorum", False), ("fencing", True)])
def test_a_failover_that_may_make_two_primaries_is_none(texts, value, answer):  # noqa: F811
    with_meta(texts, "requires", value)
    assert asked(texts)["failover"]["answer"] is answer


def test_an_unhealthy_node_needs_no_other_reason_for_its_instance(texts):  # noqa: F811
    SITUATIONS["an unhealthy node"][0](texts)
    instance = next(line for line in texts["mon"].splitlines()
                    if 'name="srv2" id="2" cached' in line)
    texts["mon"] = texts["mon"].replace(instance, "", 1)
    found = asked(texts, rows=PRIMARY[:2])
    assert [code for code in codes(found) if code != "successor-unknown"] == ["unhealthy"]


def test_why_no_primary_is_foreseen_is_said(texts):  # noqa: F811
    change, code, _, given = SITUATIONS["no primary, and no forecast"]
    change(texts)
    found = [item for item in asked(texts, **given)["todo"] if item["code"] == code]
    assert found[0]["why"] == "crm_simulate failed: no answer"


def test_a_commit_that_waits_for_a_moment_is_no_concern(texts):  # noqa: F811
    assert "commits-wait" not in codes(asked(texts, SLOW, ("srv1", 2, 4.0)))


@pytest.mark.parametrize("role, rows, state", [
    ("Promoted", IN_RECOVERY, "in recovery"),
    ("Unpromoted", [[*IN_RECOVERY[0][:7], ""]], "not streaming"),
    # up to PostgreSQL 9.5 it says neither its timeline nor whether it streams
    ("Unpromoted", [["me", "true", "", *IN_RECOVERY[0][3:7], ""]], "running")])
def test_the_state_of_a_server_in_recovery(texts, role, rows, state):  # noqa: F811
    if role != "Promoted":
        mon(texts, NONE_PROMOTED)
    own, _ = servers.understand(rows, "SQL on srv3")
    found = asked(texts, rows, known={"srv3": own})
    assert [row["state"] for row in found["nodes"] if row["node"] == "srv3"] == [state]


# What cannot be asked

class Programs:
    """A Pacemaker whose programs answer, or cannot be started."""

    def __init__(self, **answers):
        self.answers = answers

    def run(self, program, *argv):
        answer = self.answers.get(program, Problem(f"cannot run {program}"))
        if isinstance(answer, Problem):
            raise answer
        return answer

    def cib(self):
        return self.answers["cib"]


def test_programs_that_cannot_be_started_leave_facts_unknown(texts):  # noqa: F811
    configured, seen = configuration.parse(texts["cib"]), view.parse(texts["mon"])
    managed = configuration.find(configured)
    assert simulate.loss(Programs(), managed, ["srv3"]) == simulate.Outcome(
        None, False, "cannot run crm_simulate")
    assert votequorum.of(Programs()).unknown == "cannot run corosync-quorumtool"
    found = fencing.of(Programs(), configured, seen, "srv3")
    assert fencing.is_possible(found) is None and found.unknown == "cannot run stonith_admin"


@pytest.mark.parametrize("out, err, words", [
    ("", "Could not connect\nto fencer", "stonith_admin failed: Could not connect to fencer"),
    ("", "", "stonith_admin failed: status 102")])
def test_a_fencer_that_fails_has_not_no_device(texts, out, err, words):  # noqa: F811
    configured, seen = configuration.parse(texts["cib"]), view.parse(texts["mon"])
    pacemaker = Programs(stonith_admin=Result(102, out, err, False))
    found = fencing.of(pacemaker, configured, seen, "srv3")
    assert (fencing.is_possible(found), found.unknown) == (None, words)
    texts["cib"] = re.sub('(name="stonith-enabled" value)="true"', r'\1="false"', texts["cib"])
    off = fencing.of(pacemaker, configuration.parse(texts["cib"]), seen, "srv3")
    assert off.enabled is False and fencing.is_possible(off) is False


@pytest.mark.parametrize("flags, expected", [(set(), False), ({"AutoTieBreaker"}, None)])
def test_which_half_of_the_votes_goes_on_is_not_known_with_a_tie_breaker(flags, expected):
    votes = votequorum.Votes(4, 4, 3, dict.fromkeys("1234", 1), flags, "")
    assert votequorum.is_kept_without(votes, ["1", "2"]) is expected
    assert votequorum.is_kept_without(votes, ["1"]) is True
    assert votequorum.is_kept_without(votes, ["1", "2", "3"]) is False


def test_a_level_with_a_disabled_device_fails_and_is_cured_by_enabling_it(texts):  # noqa: F811
    text = with_levels(texts["cib"], ['target="srv3" index="1" devices="fence-srv3"']).replace(
        '<primitive class="stonith" id="fence-srv3"', '<primitive id="fence-srv3" class="stonith"')
    begin, end = re.split(r'(?=<primitive[^>]*id="fence-srv3")', text, maxsplit=1)
    at = end.index(">") + 1
    configured = configuration.parse(
        begin + end[:at] + '<meta_attributes id="m"><nvpair id="n" name="target-role" '
        'value="Stopped"/></meta_attributes>' + end[at:])
    words, cure, usable = next(topology.wrong(configured, "srv3"))
    assert words == "level 1 of the fencing topology of srv3 fails: fence-srv3 is disabled"
    assert cure[0] == ["pcs stonith enable fence-srv3"] and not usable
    assert words in [item.what for item in clusterchecks.fencing(
        configured, configuration.find(configured))]


# The forecast

@pytest.fixture
def cluster(data, texts, monkeypatch):  # noqa: F811
    """The Look of a cluster whose primary is srv3, and the Programs that answer for it."""
    configured, seen = configuration.parse(texts["cib"]), view.parse(texts["mon"])
    look = verb.Look(seen, configured, configuration.find(configured), status.Facts(
        {}, None, None, FENCED, votequorum.votes(texts["votes"])), a_report(data))
    pacemaker = Programs(
        crm_simulate=Result(0, texts["simulated"], "", False), cib=texts["cib"],
        stonith_admin=Result(0, "fence\n1 fence device found\n", "", False))
    monkeypatch.setattr(forecast, "Pacemaker", lambda: pacemaker)
    monkeypatch.setattr(verb, "sight", lambda *_: look)
    monkeypatch.setattr(gather, "silence", lambda _: 6.6)
    event = SimpleNamespace(kind="failover", down=10.0, up=14.0, at_least=False)
    monkeypatch.setattr(gather, "history", lambda _: SimpleNamespace(events=[
        event, SimpleNamespace(**{**vars(event), "kind": "switchover"}),
        SimpleNamespace(**{**vars(event), "at_least": True}),
        SimpleNamespace(**{**vars(event), "up": None})]))
    return look


def losses(capsys):
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return found, {tuple(one["lost"]): one for one in found["losses"]}


def test_each_node_is_lost_alone_and_beside_the_primary(cluster, capsys):
    code = main(["forecast", "--output", "json"])
    found, lost = losses(capsys)
    assert set(lost) == {("srv1",), ("srv2",), ("srv3",), ("srv3", "srv1"), ("srv3", "srv2")}
    assert (lost["srv3",]["to"], lost["srv3",]["answer"]) == ("srv1", True)
    assert lost["srv3", "srv2"]["answer"] is False    # no quorum
    assert code == (OK if all(forecast.is_good(SimpleNamespace(**one)) for key, one in lost.items()
                              if len(key) == 1) else NOT_DONE)
    # outages of failovers alone, as far as their begin is in the logs
    assert (found["past_outages"], found["noticed_after"], found["device_wait"]) == (
        [4.0], 6.6, 0.0)


def test_where_quorum_is_ignored_the_loss_of_two_nodes_has_no_such_reason(
        cluster, monkeypatch, capsys):
    cluster.configured.properties["no-quorum-policy"] = "ignore"
    main(["forecast", "--output", "json"])
    assert "quorum" not in " ".join(losses(capsys)[1]["srv3", "srv2"]["reasons"])


@pytest.mark.parametrize("agent, answer, words", [
    ("fence_ipmilan", False, "fence names no node"),
    ("fence_sbd", None, "whether SBD runs, which")])
def test_a_device_that_does_not_fence_the_lost_node_is_none(
        cluster, capsys, agent, answer, words):
    """The fencer lists it, and paf status says that it may power off another machine, or none."""
    device = cluster.configured.devices[0]
    cluster.configured.properties.pop("have-watchdog", None)
    cluster.configured.devices.append(device._replace(
        name="fence", kind=("stonith", agent), parameters={}, origins={}))
    assert main(["forecast", "--output", "json"]) == NOT_DONE
    lost = losses(capsys)[1]
    assert lost["srv3",]["answer"] is answer and words in " ".join(lost["srv3",]["reasons"])
    # the primary stays, and it is said
    assert lost["srv1",]["answer"] is True and words in " ".join(lost["srv1",]["reasons"])


@pytest.mark.parametrize("known, reason", [
    (True, "pgsqld has requires=quorum, and srv3 may still take writes"),
    (False, "pgsqld has requires=quorum")])
def test_a_promotion_that_waits_for_no_fencing_is_said_to_be_beside_the_primary(
        cluster, capsys, known, reason):
    cluster.report["todo"].append({"code": "requires", "about": "failover", "known": known,
                                   "what": "pgsqld has requires=quorum"})
    assert main(["forecast", "--output", "json"]) == NOT_DONE
    lost = losses(capsys)[1]
    assert lost["srv3",]["reasons"] == [reason]
    assert lost["srv3",]["answer"] is True and lost["srv1",]["reasons"] == []


def test_without_a_primary_nothing_is_foreseen(cluster, capsys):
    cluster.report["primary"] = None
    assert main(["forecast"]) == ERROR
    assert "there is no primary: see paf status" in capsys.readouterr().err


def test_a_switchover_without_a_yes_moves_nothing(cluster, monkeypatch, capsys):
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(simulate, "move", lambda *_: simulate.Outcome("srv1", True, ""))
    monkeypatch.setattr(switchover.backlog, "warn", lambda *_: None)
    monkeypatch.setattr(switchover, "confirmed", lambda *_: False)
    monkeypatch.setattr(switchover, "Switchover", None)
    assert main(["switchover", "srv1"]) == NOT_DONE
    assert "not confirmed, nothing was changed" in capsys.readouterr().err
