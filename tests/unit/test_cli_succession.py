"""Whom the agents would promote, in status and forecast: the election's rules, asked beforehand."""

import json
import pathlib

import jsonschema
import pytest

from paf.cli import configuration, servers, view
from paf.cli.common import ERROR
from paf.cli.main import main
from paf.cli.operate import promote_verb
from paf.cli.status import fencing, forecast, report_text, simulate, succession, votequorum
from paf.cli.status import report as status
from paf.cli.status import status as verb
from paf.cluster import cib

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"
SCHEMA = json.loads((DOCS / "forecast.json").read_text())
FENCED = fencing.Fencing(True, ["fence"], False, "")
VOTES = votequorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, set(), "")
NODES = ["srv1", "srv2", "srv3"]
BALLOT = cib.Scan(NODES, {"srv1": 1000, "srv2": 990, "srv3": 1001}, {}, {}, [], NODES, set(),
                  {"srv3": "4 1 srv1 srv2"}, {}, set(), set(), {}, {}, set())
SRV1 = simulate.Outcome("srv1", True, "")


def a_report(data, srv1=51654312, srv2=51654312, ballot=BALLOT, names="ANY 1 (srv1,srv2)",
             change=lambda seen: seen, outcome=SRV1):
    """Return the report of a cluster whose primary is srv3; Pacemaker's candidate is srv1."""
    seen = change(view.parse((data / "cli" / "crm_mon.xml").read_text()))
    configured = configuration.parse((data / "cli" / "cib.xml").read_text())
    me = ["me", "false", "5", "51654312", "51654312", "", "", ""]
    own, standbys = servers.understand([me] + [
        ["standby", name, "streaming", str(place), str(place), "", "quorum", ""]
        for name, place in (("srv1", srv1), ("srv2", srv2)) if place is not None], "SQL on srv3")
    return status.report(seen, configured, configuration.find(configured), status.Facts(
        {"srv3": own, **standbys}, servers.Commits(names, 0, 0.0, "on", []),
        outcome, FENCED, VOTES, ballot))


def without(name):
    """Return what makes crm_mon show a node in standby mode, its instance stopped."""
    def change(seen):
        return seen._replace(
            nodes={**seen.nodes, name: view.STANDBY},
            instances=[one for one in seen.instances
                       if not (one.node == name and one.resource == "pgsqld")])
    return change


def stopped(name, words):
    """Return the ballot without an instance on a node; words: its last ones, None for none."""
    return BALLOT._replace(running=[node for node in NODES if node != name],
                           last_words={name: words} if words else {})


def foreseen(report, nodes=("srv3",), ballot=BALLOT, candidate="srv1", device=FENCED):
    found = forecast.judge(
        report, list(nodes), simulate.Outcome(candidate, True, ""), dict.fromkeys(nodes, device),
        True, succession.of(report, ballot, list(nodes), candidate))
    jsonschema.validate({"format": 1, "resource": "p", "primary": "srv3", "past_outages": None,
                         "noticed_after": None, "device_wait": None,
                         "losses": [dict(found._asdict())]}, SCHEMA)
    return found


def test_the_node_that_is_ahead_is_promoted_not_pacemakers_candidate(data):
    report = a_report(data, srv1=51654000)
    assert (report["failover"]["to"], report["failover"]["loss_bytes"]) == ("srv2", 0)
    found = foreseen(report)
    assert (found.to, found.loss_bytes, found.instead) == ("srv2", 0, ["srv1"])
    assert found.loses_acknowledged is False


@pytest.mark.parametrize("change", [{"kept_off": True}, {"managed": False, "blocked": True}])
def test_a_node_that_pacemaker_does_not_promote_is_not_promoted_instead(data, change):
    report = a_report(data)
    next(one for one in report["nodes"] if one["node"] == "srv2").update(change)
    found = foreseen(report)
    assert (found.to, found.instead, found.unless) == ("srv1", [], ["srv2"])


def test_a_node_that_a_constraint_keeps_the_primary_off_and_has_most_ends_the_succession(data):
    report = a_report(data, srv1=51654000)
    next(one for one in report["nodes"] if one["node"] == "srv2")["kept_off"] = True
    found = foreseen(report)
    assert found.answer is False
    assert "srv2 has received more than srv1, and a constraint keeps the primary off it" in (
        found.reasons)


def test_a_tie_leaves_pacemakers_choice_and_names_the_other(data):
    found = foreseen(a_report(data))
    assert (found.answer, found.to, found.instead) == (True, "srv1", ["srv2"])
    assert "; or srv2" in "\n".join(forecast.lines([found], "srv3", []))


def test_a_node_in_maintenance_that_votes_may_prevent_the_promotion(data):
    report = a_report(data, change=lambda seen: seen._replace(
        nodes={**seen.nodes, "srv2": view.MAINTENANCE}))
    found = foreseen(report)
    assert (found.answer, found.to, found.unless) == (True, "srv1", ["srv2"])
    assert "none if srv2, which Pacemaker would not promote" in "\n".join(
        forecast.lines([found], "srv3", []))
    ahead = a_report(data, srv1=51654000, change=lambda seen: seen._replace(
        nodes={**seen.nodes, "srv2": view.MAINTENANCE}))
    assert foreseen(ahead).answer is False and "in maintenance" in foreseen(ahead).reasons[0]


@pytest.mark.parametrize("words, answer", [
    (None, False),                      # it crashed, or was fenced: it may hold anything
    ("5#51654000", True),               # it was stopped before the candidate's position
    ("5#51654400", False), ("unknown", False)])
def test_a_node_that_may_hold_acknowledged_commits_and_does_not_vote_prevents_it(
        data, words, answer):
    ballot = stopped("srv2", words)
    report = a_report(data, srv2=None, change=without("srv2"), ballot=ballot)
    found = foreseen(report, ballot=ballot)
    assert found.answer is answer and report["failover"]["answer"] is answer
    refused = [item for item in report["todo"] if item["code"] == "refused"]
    assert bool(refused) is not answer
    if not answer:
        assert "srv2 may hold commits that were acknowledged" in found.reasons[0]
        assert "srv2 may hold commits" in "\n".join(report_text.lines(report))


def test_an_accepted_loss_is_no_refusal(data):
    ballot = stopped("srv2", None)._replace(accepted={"srv1"})
    report = a_report(data, srv2=None, change=without("srv2"), ballot=ballot)
    assert foreseen(report, ballot=ballot).answer is True


def test_the_loss_of_the_primary_and_of_one_that_acknowledges_is_refused(data):
    report = a_report(data)
    found = foreseen(report, ["srv3", "srv2"])
    assert found.answer is False and "srv2 may hold commits" in found.reasons[0]
    assert foreseen(report, ["srv2"], candidate=None).answer is True


def test_a_standby_that_was_restored_and_not_seen_since_proves_nothing(data):
    """After the loss of the primary, both standbys have to have what they acknowledged."""
    less = BALLOT._replace(acknowledged={"srv2": "9#1"})
    found = foreseen(a_report(data, ballot=less), ballot=less)
    assert "srv2 may have less than it acknowledged" in json.dumps(found._asdict())


def test_no_synchronous_standbys_nothing_to_refuse(data):
    ballot = BALLOT._replace(rules={})
    report = a_report(data, ballot=ballot, names="")
    assert foreseen(report, ["srv3", "srv2"], ballot).answer is True


def test_an_unknown_position_of_the_candidate_is_not_a_yes(data):
    ballot = stopped("srv2", "5#51654000")
    report = a_report(data, srv1=None, srv2=None, change=without("srv2"), ballot=ballot)
    found = foreseen(report, ballot=ballot)
    assert found.answer is None
    assert "what srv1 has received is not known; perhaps" in found.reasons[0]
    assert report["failover"]["answer"] is None
    assert "refusal-unknown" in [item["code"] for item in report["todo"]]


def test_a_rule_that_cannot_be_understood_is_refused_as_the_agents_do(data):
    ballot = BALLOT._replace(rules={"srv3": "what"})
    found = foreseen(a_report(data, ballot=ballot), ballot=ballot)
    assert found.answer is False and '"what" is no rule' in found.reasons[0]


def test_without_fencing_another_node_is_promoted_beside_a_primary_that_may_live(data):
    found = foreseen(a_report(data), device=fencing.Fencing(False, [], False, ""))
    assert (found.answer, found.to) == (True, "srv1") and not forecast.is_good(found)
    assert found.reasons == ["fencing is off, and srv3 may still take writes"]


@pytest.mark.parametrize("device", [fencing.Fencing(True, [], False, ""),
                                    fencing.Fencing(True, [], False, "no answer")])
def test_a_standby_that_cannot_be_fenced_leaves_the_primary_where_it_is(data, device):
    found = foreseen(a_report(data), ["srv2"], candidate=None, device=device)
    assert found.answer is True and found.stays and not forecast.is_good(found)
    said = "\n".join(forecast.lines([found], "srv3", []))
    assert "srv3 stays the primary; srv2 " in said and "recovers nothing before" in said


def test_where_there_is_a_primary_no_loss_is_listed(data, monkeypatch, capsys):
    monkeypatch.setattr(promote_verb, "Pacemaker", lambda: None)
    monkeypatch.setattr(verb, "look", lambda *_: a_report(data))
    assert main(["promote", "srv2"]) == ERROR
    said = capsys.readouterr()
    assert said.out == "" and "srv3 is the primary: paf switchover" in said.err


def test_a_node_that_the_primary_holds_back_becomes_a_candidate_without_it(data):
    report = a_report(data)
    rows = dict((row["node"], row) for row in report["nodes"])
    assert succession.let_in(report, ["srv3"]) is None
    rows["srv2"]["score"] = -1000001
    assert succession.let_in(report, ["srv3"]) == "srv2"
    assert succession.let_in(report, ["srv3", "srv2"]) is None
    rows["srv2"]["kept_off"] = True
    assert succession.let_in(report, ["srv3"]) is None


def test_a_standby_that_is_only_held_back_takes_over_from_a_lost_primary(data):
    """Its score is as low as long as the primary runs. The scheduler, asked before, promotes none,
    and where it has the address then is for a cluster without a primary.
    """
    def held_back(seen):
        scores = {"srv1": "-1000000", "srv2": "-1000001"}
        return seen._replace(attributes={
            node: {**values, "master-pgsqld": scores.get(node, "1001")}
            for node, values in seen.attributes.items()})
    nobody = simulate.Outcome(None, True, "", {"pgsql-master-ip": None})
    found = a_report(data, change=held_back, outcome=nobody)
    assert (found["failover"]["answer"], found["failover"]["to"]) == (None, "srv2")
    assert "address-unknown" in [item["code"] for item in found["todo"]]
    without = {**found, "vips": []}
    assert found["vips"] and not list(simulate.unplaced(
        succession.foreseen(without, nobody, ["srv3"]), without["vips"]))
    assert a_report(data, outcome=nobody)["failover"]["answer"] is False
