"""paf status: the three answers, in each situation where one of them is no, or not known."""

import json
import pathlib

import jsonschema
import pytest

from paf.cli import configuration, devices, servers, view
from paf.cli.common import NOT_DONE, OK
from paf.cli.status import fencing, forecast, report_text, service, simulate, votequorum
from paf.cli.status import report as status

PRIMARY = [["me", "false", "5", "51654312", "51654312", "", "", ""],
           ["standby", "srv1", "streaming", "51654312", "51654312", "0.25", "async", ""],
           ["standby", "srv2", "streaming", "51654000", "51654000", "", "async", ""]]
FENCED = fencing.Fencing(True, ["fence-srv3"], False, "")
NOW = 1795700000.0


@pytest.fixture
def texts(data):
    """The recorded outputs of a cluster in which all is well; a test changes some."""
    folder = data / "cli"
    return {"mon": (folder / "crm_mon.xml").read_text(), "cib": (folder / "cib.xml").read_text(),
            "simulated": (folder / "crm_simulate" / "failover.txt").read_text().replace(
                "promote on srv2", "promote on srv1").replace(
                "pgsqld-ip\t(ocf:heartbeat:IPaddr2):\t Started srv2",
                "pgsql-master-ip\t(ocf:heartbeat:IPaddr2):\t Started srv1"),
            "votes": (folder / "quorumtool.txt").read_text()}


def asked(texts, rows=PRIMARY, commits=("", 0, 0.0), **facts):
    """Return the report of what the texts say; the primary is srv3."""
    seen, configured = view.parse(texts["mon"]), configuration.parse(texts["cib"], NOW)
    managed = configuration.find(configured)
    own, standbys = servers.understand(rows, "SQL on srv3")
    known = {"srv3": own, **standbys} if own else {}
    waits = servers.Commits(*(*commits, "on", [])[:5]) if commits else None
    given = {"known": known, "commits": waits,
             "outcome": simulate.outcome(texts["simulated"], managed.name, ["srv3"]),
             "fencing": FENCED, "votes": votequorum.votes(texts["votes"]), **facts}
    return status.report(seen, configured, managed, status.Facts(**given))


SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas" /
                     "status.json").read_text())


@pytest.fixture(autouse=True)
def _every_report_fits_its_schema(monkeypatch):
    make = status.report

    def checked(*given):
        found = make(*given)
        jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
        return found
    monkeypatch.setattr(status, "report", checked)


def codes(found):
    return [item["code"] for item in found["todo"]]


def test_a_good_cluster_answers_yes_and_nothing_is_to_do(texts):
    found = asked(texts)
    assert codes(found) == [] and status.verdict(found) == OK
    assert found["up"]["answer"] is True and found["failover"]["answer"] is True
    assert (found["failover"]["to"], found["failover"]["loss_bytes"]) == ("srv1", 0)
    assert "to srv1, which has all of srv3's WAL" in "\n".join(report_text.lines(found))


PROPERTY = '<cluster_property_set id="cib-bootstrap-options">'


def with_property(texts, name, value):
    texts["cib"] = texts["cib"].replace(PROPERTY, PROPERTY + f'<nvpair name="{name}" '
                                        f'id="x-{name}" value="{value}"/>')


def with_meta(texts, name, value):
    texts["cib"] = texts["cib"].replace(
        'id="pgsqld-clone">', f'id="pgsqld-clone"><meta_attributes id="x"><nvpair name="{name}" '
        f'id="x-m" value="{value}"/></meta_attributes>', 1)


def with_flag(texts, node, flag):
    begin, end = texts["mon"].split(f'<node name="{node}"', 1)
    texts["mon"] = begin + f'<node name="{node}"' + end.replace(
        f'{flag}="false"', f'{flag}="true"', 1)


def with_constraint(texts, rsc="pgsqld-clone"):
    texts["cib"] = texts["cib"].replace(
        "<constraints>", f'<constraints><rsc_location id="cli-prefer-{rsc}" rsc="{rsc}" '
        'node="srv2" score="INFINITY"/>')


def with_transient_score(texts):
    texts["cib"] = texts["cib"].replace("</cib>", "").replace("<status/>", "") + (
        '<status><node_state id="2" uname="srv2"><transient_attributes id="2">'
        '<instance_attributes id="a"><nvpair id="b" name="master-pgsqld" value="2000"/>'
        "</instance_attributes></transient_attributes></node_state></status></cib>")


NO_FAILOVER = [
    (lambda texts: with_property(texts, "maintenance-mode", "true"), "maintenance-mode",
     "maintenance-mode=false"),
    (lambda texts: with_flag(texts, "srv3", "maintenance"), "node-maintenance",
     "crm_attribute --type status --node srv3 --name maintenance --delete"),
    (with_constraint, "left-over-constraint", "crm_resource --clear --resource pgsqld-clone"),
    (with_transient_score, "transient-score",
     "crm_attribute --type status --node srv2 --name master-pgsqld --delete"),
]


def forbid_failover(texts, change, code, command):
    """Hold that a change keeps Pacemaker from a failover, and that this and its cure are shown."""
    change(texts)
    found = asked(texts)
    assert code in codes(found) and found["failover"]["answer"] is False, found["todo"]
    shown = "\n".join(report_text.lines(found))
    assert status.verdict(found) == NOT_DONE and "failover now?  NO" in shown and command in shown


@pytest.mark.parametrize("change, code, command", NO_FAILOVER,
                         ids=[code for _, code, _ in NO_FAILOVER])
def test_what_keeps_pacemaker_from_it_is_named_with_its_command(texts, change, code, command):
    forbid_failover(texts, change, code, command)


@pytest.mark.parametrize("facts, code, answer", [
    ({"fencing": fencing.Fencing(False, [], False, "")}, "fencing-off", False),
    ({"fencing": fencing.Fencing(True, [], False, "")}, "no-fencing-device", False),
    ({"fencing": fencing.Fencing(True, [], False, "no answer")}, "fencing-unknown", None),
    ({"outcome": simulate.Outcome(None, False, "no crm_simulate")}, "successor-unknown", None),
    ({"outcome": simulate.Outcome(None, True, "")}, "no-successor", False),
    ({"votes": votequorum.Votes(3, 2, 2, {"1": 1, "3": 1}, set(), "")}, "votes", False),
    ({"votes": votequorum.Votes(0, 0, 0, {}, set(), "no answer")}, "votes-unknown", None),
])
def test_what_the_programs_say_decides_or_is_not_known(texts, facts, code, answer):
    found = asked(texts, **facts)
    assert code in codes(found) and found["failover"]["answer"] is answer
    assert status.verdict(found) == NOT_DONE


@pytest.mark.parametrize("known", [
    fencing.Fencing(True, [], True, ""), fencing.Fencing(True, ["a"], False, "")])
def test_a_watchdog_without_a_disk_is_fencing(texts, known):
    assert status.verdict(asked(texts, fencing=known)) == OK


@pytest.mark.parametrize("properties, expected", [
    ({"have-watchdog": "true", "stonith-watchdog-timeout": "10s"}, True),
    ({"have-watchdog": "true", "stonith-watchdog-timeout": "-1"}, True),
    ({"have-watchdog": "true", "stonith-watchdog-timeout": "0"}, False),
    ({"have-watchdog": "true"}, False),
    ({"have-watchdog": "false", "stonith-watchdog-timeout": "10s"}, False)])
def test_sbd_without_a_disk_is_known_by_its_properties(texts, properties, expected):
    configured = configuration.parse(texts["cib"])._replace(properties=properties)
    assert devices.ends_itself(configured, "srv3") is expected


def test_one_standby_in_maintenance_is_not_the_whole_cluster(texts):
    with_flag(texts, "srv2", "maintenance")
    found = asked(texts)
    assert codes(found) == ["node-maintenance"] and found["failover"]["answer"] is True
    shown = "\n".join(report_text.lines(found))
    assert "srv2 is in maintenance" in shown and "streaming, node maintenance" in shown
    assert status.verdict(found) == NOT_DONE


@pytest.mark.parametrize("flag, word, command", [
    ("standby", "standby-node", "pcs node unstandby srv2"),
    ("standby_onfail", "standby-on-fail", "--cleanup"), ("pending", "pending", ""),
    ("unclean", "unclean", "stonith_admin --history srv2")])
def test_what_a_node_is_besides_online_is_shown(texts, flag, word, command):
    with_flag(texts, "srv2", flag)
    found = asked(texts)
    assert word in codes(found) and command in "\n".join(report_text.lines(found))


def test_the_score_of_a_stopped_instance_is_not_explained_as_if_it_ran(texts):
    stopped = texts["mon"].replace('<node name="srv2" id="2" cached="true"/>', "")
    found = asked({**texts, "mon": stopped}, PRIMARY[:2])
    row = next(node for node in found["nodes"] if node["node"] == "srv2")
    assert row["state"] == "stopped" and "does not run" in row["score_means"]
    assert "instance-down" in codes(found)


@pytest.mark.parametrize("names, rows, code", [
    ("srv1", PRIMARY[:1], "commits-wait"), ("ANY 2 (srv1,srv2)", PRIMARY[:2], "commits-wait"),
    ("", PRIMARY, None)])
def test_commits_that_wait_for_a_standby_that_is_not_there(texts, names, rows, code):
    sync = [[*row[:6], "sync", ""] if row[0] == "standby" else row for row in rows]
    found = asked(texts, sync, (names, 3, 12.0))
    assert ("commits-wait" in codes(found)) == bool(code)
    if code:
        assert found["up"]["answer"] is False and status.verdict(found) == NOT_DONE
        assert "3 sessions waiting, the longest for 12 s" in found["up"]["text"]


@pytest.mark.parametrize("names, number", [
    ("", 0), ("srv1", 1), ("*", 1), ("2 (a, b, c)", 2), ("FIRST 3 (a,b,c)", 3),
    ("any 2(a, b)", 2), ('"first 2 (x"', 1), ("first", 1)])
def test_how_many_standbys_a_commit_waits_for(names, number):
    assert service.wanted(names) == number


def test_servers_that_cannot_be_asked_are_not_taken_for_good(texts):
    found = asked(texts, rows=[], commits=None)
    assert found["up"]["answer"] is None and found["failover"]["answer"] is None
    assert {"primary-not-asked", "loss-unknown"} <= set(codes(found))
    assert status.verdict(found) == NOT_DONE


@pytest.mark.parametrize("sync, acknowledged, words", [
    ("sync", False, "no acknowledged commit"), ("async", True, "312 B of WAL")])
def test_the_loss_is_reported(texts, sync, acknowledged, words):
    rows = [PRIMARY[0], ["standby", "srv1", "streaming", "51654000", "51654000", "", sync, ""],
            ["standby", "srv2", "streaming", "51654312", "51654312", "", "sync", ""]]
    found = asked(texts, rows, ("srv1", 0, 0.0))["failover"]
    assert found["loses_acknowledged"] is acknowledged and words in found["text"]


@pytest.mark.parametrize("level, exempt, missing, acknowledged, words", [
    ("remote_apply", [], 312, False, "synchronous: no acknowledged commit would be lost"),
    ("on", ["role app", "database log"], 312, None, "but of role app, database log, whose"),
    ("local", [], 0, False, "local: commits wait for no standby"),
    ("local", [], 312, True, "312 B of WAL that it has not received would be lost; synchronous"),
    ("off", [], 0, None, "may not even be written"), ("off", [], 312, True, "312 B"),
    (None, [], 0, None, "synchronous_commit is not known here")])
def test_a_synchronous_standby_is_one_for_those_whose_commits_wait(
        texts, level, exempt, missing, acknowledged, words):
    position = str(51654312 - missing)
    rows = [PRIMARY[0], ["standby", "srv1", "streaming", position, position, "", "sync", ""],
            PRIMARY[2]]
    found = asked(texts, rows, ("srv1", 0, 0.0, level, exempt))
    assert found["failover"]["loses_acknowledged"] is acknowledged
    assert words in found["failover"]["text"]
    assert found["synchronous"]["commit"] == level


def test_commits_that_wait_for_no_standby_are_not_said_to_wait(texts):
    assert "commits-wait" not in codes(asked(texts, commits=("srv9", 0, 0.0, "local", [])))
    assert "commits-wait" in codes(asked(texts, commits=("srv9", 0, 0.0, None, [])))


OUTSIDE = ["standby", "dr1", "streaming", "51654312", "51654312", "", "sync", ""]
SRV1 = [*PRIMARY[1][:6], "sync", ""]


@pytest.mark.parametrize("rows, wait", [([OUTSIDE, SRV1], False), ([SRV1], True)])
def test_a_standby_that_is_no_node_acknowledges_commits_as_well(texts, rows, wait):
    found = asked(texts, [PRIMARY[0], *rows], ("FIRST 2 (srv1, dr1)", 0, 0.0))
    assert ("commits-wait" in codes(found)) == wait
    assert found["synchronous"]["others"] == ["dr1"] * (not wait)
    assert forecast.commits_wait(found, [], None) == wait
    assert forecast.commits_wait(found, ["srv3"], "srv2") is (True if wait else None)


@pytest.mark.parametrize("level, waits", [("on", False), ("remote_apply", True), (None, None)])
def test_a_standby_whose_replay_is_paused_acknowledges_what_it_receives(texts, level, waits):
    rows = [PRIMARY[0], SRV1]
    own, standbys = servers.understand(rows, "SQL on srv3")
    known = {"srv3": own, "srv1": standbys["srv1"]._replace(paused=True)}
    found = asked(texts, rows, ("srv1", 0, 0.0, level, []), known=known)
    assert [node["state"] for node in found["nodes"] if node["node"] == "srv1"] == [
        servers.REPLAY_PAUSED]
    assert ("commits-wait" in codes(found)) == bool(waits)
    assert ("commits-unknown" in codes(found)) == (waits is None)
    assert forecast.commits_wait(found, [], None) is waits


def test_a_base_backup_that_streams_is_no_standby(texts):
    rows = [PRIMARY[0], ["standby", "pg_basebackup", *PRIMARY[1][2:6], "sync", ""]]
    found = asked(texts, rows, ("*", 0, 0.0))
    assert "commits-wait" in codes(found) and found["synchronous"]["others"] == []


def test_without_a_dc_quorum_is_not_known(texts):
    assert asked(texts)["quorum"] is True
    start = texts["mon"].index("<current_dc")
    end = texts["mon"].index("/>", start) + 2
    texts["mon"] = texts["mon"][:start] + '<current_dc present="false"/>' + texts["mon"][end:]
    assert asked(texts)["quorum"] is None


def test_the_rows_of_a_primary_say_what_its_commits_wait_for():
    row = ["commits", "srv1", "on", "role a\nrole b in database c", "", "", "2", "1.5"]
    assert servers.commits([*PRIMARY, row]) == (
        "srv1", 2, 1.5, "on", ["role a", "role b in database c"])
    assert servers.commits([["commits", "", "", "", "", "", "", ""]]) == ("", None, None, None, [])


def test_an_address_on_no_node_is_no_service(texts):
    texts["mon"] = texts["mon"].replace('id="pgsql-master-ip"', 'id="another"')
    assert codes(asked(texts)) == ["address-down"]


def test_an_address_on_two_nodes_is_no_service(texts):
    begin, end = texts["mon"].split('id="pgsql-master-ip"', 1)
    texts["mon"] = begin + 'id="pgsql-master-ip"' + end.replace(
        "</resource>", '<node name="srv1" id="1" cached="true"/></resource>', 1)
    found = asked(texts)
    assert codes(found) == ["address-twice"] and found["up"]["answer"] is False
    assert "on srv1 AND srv3" in next(report_text.lines(found))


def test_a_primary_that_only_a_replication_connection_reached_may_take_no_writes(texts):
    by_replication = servers.UNKNOWN._replace(timeline=5, received=7, source="replication")
    found = asked(texts, rows=[], commits=None, known={
        node: by_replication for node in ("srv1", "srv2", "srv3")})
    assert found["up"]["answer"] is None and status.verdict(found) == NOT_DONE
    assert codes(found) == ["primary-not-asked", "streaming-unknown", "streaming-unknown"]


@pytest.mark.parametrize("end, code", [("2020-01-01 00:00:00Z", None),
                                       ("2999-01-01 00:00:00Z", "left-over-constraint"),
                                       ("2020-01-01 00:00:00", "left-over-constraint")])
def test_a_move_whose_time_is_over_is_not_in_the_way(texts, end, code):
    """As crm_resource --move --lifetime makes it; without a zone the moment is not known."""
    texts["cib"] = texts["cib"].replace("<constraints>", """<constraints>
        <rsc_location id="cli-prefer-pgsqld-clone" rsc="pgsqld-clone" role="Promoted">
        <rule id="r" score="INFINITY" boolean-op="and">
        <expression id="e" attribute="#uname" operation="eq" value="srv2" type="string"/>
        <date_expression id="d" operation="lt" end="{0}"/></rule></rsc_location>""".format(end))
    found = asked(texts)
    assert codes(found) == ([code] if code else [])


def stopped_on_srv2(texts):
    texts["mon"] = texts["mon"].replace('<node name="srv2" id="2" cached="true"/>', "")


def test_a_node_that_is_to_have_no_instance_is_not_down(texts):
    """A node for the quorum alone; a clone-max below the number of nodes."""
    stopped_on_srv2(texts)
    assert codes(asked(texts, PRIMARY[:2])) == ["instance-down"]
    plain = texts["cib"]
    for more in ('node="srv2" score="-INFINITY"/>', '><rule id="r" score="-INFINITY"><expression '
                 'id="e" attribute="#uname" operation="eq" value="srv2"/></rule></rsc_location>'):
        texts["cib"] = plain.replace(
            "<constraints>", f'<constraints><rsc_location id="none" rsc="pgsqld-clone" {more}')
        assert codes(asked(texts, PRIMARY[:2])) == []
    texts["cib"] = plain
    with_meta(texts, "clone-max", "2")
    assert codes(asked(texts, PRIMARY[:2])) == []
    texts["cib"] = plain
    with_meta(texts, "clone-max", "3")
    assert codes(asked(texts, PRIMARY[:2])) == ["instance-down"]


def with_attribute(texts, node, name, value):
    begin, mark, end = texts["mon"].partition("<node_attributes>")
    place = f'<node name="{node}">'
    assert place in end
    texts["mon"] = begin + mark + end.replace(
        place, f'{place}<attribute name="{name}" value="{value}"/>', 1)


@pytest.mark.parametrize("name, value, code, answer, words", [
    ("degraded_because-pgsqld", "PAF-E402 maxlag: 1MB", "degraded", True, "srv2: PAF-E402 maxlag"),
    ("degraded_because-other", "PAF-E402 maxlag: 1MB", None, True, ""),
    ("degraded_because-pgsqld", "", None, True, ""),
    ("accept_loss-pgsqld", "true", "loss-accepted", False,
     "crm_attribute --type status --node srv2 --name accept_loss-pgsqld --delete")])
def test_what_an_attribute_says_of_a_node_is_something_to_look_at(
        texts, name, value, code, answer, words):
    with_attribute(texts, "srv2", name, value)
    found = asked(texts)
    assert codes(found) == ([code] if code else [])
    assert found["failover"]["answer"] is answer and words in "\n".join(report_text.lines(found))
    assert status.verdict(found) == (NOT_DONE if code else OK)


@pytest.mark.parametrize("cut", [0, 100, -700])
def test_what_crm_simulate_printed_in_part_says_nothing(texts, cut):
    found = asked({**texts, "simulated": texts["simulated"][:cut]})
    assert found["failover"]["answer"] is None and "successor-unknown" in codes(found)


@pytest.mark.parametrize("name, promoted", [("failover", "srv2"), ("none", None)])
def test_who_would_be_promoted_is_read_from_crm_simulate(data, name, promoted):
    recorded = (data / "cli" / "crm_simulate" / f"{name}.txt").read_text()
    found = simulate.outcome(recorded, "pgsqld", ["srv1"])
    assert found == (promoted, True, "", {"pgsqld-ip": promoted})
    assert list(simulate.left_behind(found, ["pgsqld-ip"])) == []


def test_votes_are_read_from_corosync_quorumtool(texts):
    votes = votequorum.votes(texts["votes"])
    assert (votes.expected, votes.needed, sorted(votes.votes)) == (3, 2, ["1", "2", "3"])
    assert votequorum.is_kept_without(votes, ["1"]) is True
    assert votequorum.is_kept_without(votes, ["1", "2"]) is False
    assert votequorum.is_kept_without(votes, ["9"]) is None
    assert votequorum.votes("Cannot initialize CMAP service") is None
