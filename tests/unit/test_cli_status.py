"""paf status: recorded views of a cluster, and what the servers say, put together."""

import pytest

from paf.decide import wal
from paf.cli import configuration, servers, view
from paf.cli.common import ERROR, NOT_DONE, OK, Problem
from paf.cli.status import fencing, report_text, simulate, votequorum
from paf.cli.status import report as status

PRIMARY = [["me", "false", "5", "51654312", "51654312", "", "", ""],
           ["standby", "srv1", "streaming", "51654312", "51654000", "0.25", "sync", ""],
           ["standby", "srv2", "catchup", "50000000", "49999999", "", "async", ""]]
STANDBY = [["me", "true", "4", "50000100", "50000000", "7.5", "true", "streaming"]]


@pytest.fixture
def folder(data):
    return data / "cli"


@pytest.fixture
def seen(folder):
    return view.parse((folder / "crm_mon.xml").read_text())


@pytest.fixture
def configured(folder):
    return configuration.parse((folder / "cib.xml").read_text())


VOTES = votequorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, {"Quorate"}, "")
FENCED = fencing.Fencing(True, ["fence-srv3"], False, "")
WELL = status.Facts({}, servers.Commits("", 0, 0.0, "on", []), simulate.Outcome("srv1", True, ""),
                    FENCED, VOTES)


def report(seen, configured, known, **facts):
    return status.report(seen, configured, configuration.find(configured),
                         WELL._replace(known=known, **facts))


def known():
    own, standbys = servers.understand(PRIMARY, "SQL on srv3")
    return {"srv3": own, **standbys}


def row(found, name):
    return next(node for node in found["nodes"] if node["node"] == name)


def test_from_the_primary_all_is_known(seen, configured):
    found = report(seen, configured, known())
    assert found["primary"] == "srv3"
    assert found["vips"] == [
        {"name": "pgsql-master-ip", "address": "10.77.0.100", "node": "srv3",
         "nodes": ["srv3"]}]
    assert [node["role"] for node in found["nodes"]] == ["standby", "standby", "primary"]
    first = row(found, "srv1")
    assert (first["lag_bytes"], first["lag_seconds"], first["sync_state"]) == (312, 0.25, "sync")
    assert first["timeline"] == 5 and first["received"] == wal.format_lsn(51654312)
    second = row(found, "srv2")
    # catching up, it may still be on an older timeline, which the primary does not show
    assert second["state"] == "catchup" and second["timeline"] is None
    assert status.verdict(found) == NOT_DONE


def test_a_standby_speaks_for_itself(seen, configured):
    own, others = servers.understand(STANDBY, "SQL on srv1")
    assert others == {}
    found = row(report(seen, configured, {**known(), "srv1": own}), "srv1")
    assert (found["timeline"], found["state"], found["lag_seconds"]) == (4, "replay paused", 7.5)
    whole = report(seen, configured, {**known(), "srv1": own})
    item, = [item for item in whole["todo"] if item["what"].endswith("replay paused")]
    assert "SELECT pg_wal_replay_resume()" in item["why"]
    assert found["lag_bytes"] == 51654312 - 50000000


def test_a_standby_that_was_just_started_has_what_it_has_replayed(seen, configured):
    """Until the primary writes, it says that it has received no more than a segment's begin."""
    started = [["me", "true", "5", "50331648", "51654312", "0", "false", "streaming"]]
    found = row(report(seen, configured, {
        **known(), "srv1": servers.understand(started, "SQL on srv1")[0]}), "srv1")
    assert found["received"] == wal.format_lsn(51654312) and found["not_received_bytes"] == 0
    for text in (servers.query(90300), servers.query(150000)):    # the lag in seconds as well
        assert " <= 0 THEN '0'" in text


def test_what_nobody_tells_is_a_question_mark(seen, configured):
    found = report(seen, configured, {})
    shown = "\n".join(report_text.lines(found))
    assert "srv1  standby" in shown and "?" in shown
    assert found["primary"] == "srv3"


@pytest.mark.parametrize("score, reason, words", [
    (None, "", "none yet"), (1001, "", "the primary"), (1000, "", "number 1 in line"),
    (990, "", "number 2 in line"), (-1, "", "base backup"), (-1000, "", "not connected"),
    (-990, "", "maxlag"), (1, "", "last resort"), (77, "", "by hand"),
    (-1000000, "it lags", "promotion refused: it lags"),
])
def test_scores_are_explained(score, reason, words):
    assert words in status.score_means(score, reason)


def test_the_score_of_a_primary_that_is_none_any_more_is_that_of_the_last_one(seen, configured):
    demoted = [item._replace(role="Unpromoted") if item.role == "Promoted" else item
               for item in seen.instances]
    found = report(seen._replace(instances=demoted), configured, {})
    assert row(found, "srv3")["score_means"] == "the last primary"


def test_no_primary_is_an_error_and_none_is_named(seen, configured):
    gone = seen._replace(instances=[item for item in seen.instances if item.role != "Promoted"])
    found = report(gone, configured, {})
    assert status.verdict(found) == ERROR
    assert "primary NONE" in next(report_text.lines(found))


@pytest.mark.parametrize("reasons, words", [
    ({}, "no agent says why: see paf check"),
    ({"not_promoted_because-pgsqld": "PAF-E104 x"}, "the reasons are beside the nodes")])
def test_reasons_are_beside_the_nodes_only_where_there_are_some(seen, configured, reasons, words):
    """The agent cannot publish one where the attribute manager takes none."""
    none = [item._replace(role="Unpromoted") if item.resource == "pgsqld" else item
            for item in seen.instances]
    found = report(seen._replace(instances=none, attributes={"srv1": reasons}), configured, {},
                   outcome=simulate.Outcome(None, False, ""))
    assert words in next(item["why"] for item in found["todo"] if item["code"] == "no-primary")


def test_two_primaries_are_shouted(seen, configured):
    both = [item._replace(role="Promoted") if item.resource == "pgsqld" else item
            for item in seen.instances]
    found = report(seen._replace(instances=both), configured, {})
    assert "AT ONCE" in next(report_text.lines(found))


def test_a_good_cluster_is_ok(seen, configured):
    good = [row if row[0] == "me" else [*row[:2], "streaming", *row[3:]] for row in PRIMARY]
    own, standbys = servers.understand(good, "SQL on srv3")
    assert status.verdict(report(seen, configured, {"srv3": own, **standbys})) == OK


@pytest.mark.parametrize("nodes", [("srv1", "srv2", "srv3"), ("srv3",), ("srv1",)])
def test_what_pacemaker_does_not_manage_is_said_whatever_the_reason(seen, configured, nodes):
    """As by a rule with a recurring date, which only Pacemaker judges."""
    good = [row if row[0] == "me" else [*row[:2], "streaming", *row[3:]] for row in PRIMARY]
    own, standbys = servers.understand(good, "SQL on srv3")
    unmanaged = seen._replace(instances=[
        item._replace(managed=not (item.resource == "pgsqld" and item.node in nodes))
        for item in seen.instances])
    found = report(unmanaged, configured, {"srv3": own, **standbys})
    assert status.verdict(found) == NOT_DONE
    assert [item["code"] for item in found["todo"]] == ["unmanaged"]
    assert ("srv3" in nodes) == (found["failover"]["answer"] is False)
    assert " and ".join(nodes) in found["todo"][0]["what"]


def test_a_crash_that_pacemaker_calls_simulated_has_its_reason(seen, configured):
    failure = view.Failure("pgsqld", "srv2", "asyncmon", "error", "Simulated failure", "now")
    attributes = {**seen.attributes, "srv2": {
        "master-pgsqld": "990", "failed_because-pgsqld": "PostgreSQL: crashed standby"}}
    found = report(seen._replace(failures=[failure], attributes=attributes), configured, known())
    assert row(found, "srv2")["failures"][0]["reason"] == "PostgreSQL: crashed standby"


@pytest.mark.parametrize("score", ["-1", "-1000", "", "0"])
def test_a_standby_that_cannot_take_over_is_something_to_look_at(seen, configured, score):
    good = [row if row[0] == "me" else [*row[:2], "streaming", *row[3:]] for row in PRIMARY]
    own, standbys = servers.understand(good, "SQL on srv3")
    changed = seen._replace(attributes={**seen.attributes, "srv2": {"master-pgsqld": score}})
    assert status.verdict(report(changed, configured, {"srv3": own, **standbys})) == NOT_DONE


class Asked(servers.Servers):
    """Servers that answer as a test wants: the local one's rows, and replication connections."""

    def __init__(self, rows, answer, node="srv3", there=None):
        self._node, self._rows, self._answer, self._there = node, rows, answer, there

    def _local(self):
        return servers.understand(self._rows, f"SQL on {self._node}") + (
            servers.commits(self._rows),)

    def _at_primary(self, primary, addresses):
        there, self._there = self._there, None    # once
        if there is None:
            return None, {}, None
        return servers.understand(there, "there") + (servers.commits(there),)

    def _by_replication(self, node, address):
        return self._answer.get(node) if isinstance(self._answer, dict) else self._answer


@pytest.mark.parametrize("answer", [None, servers.UNKNOWN._replace(timeline=5, received=7)])
def test_a_standby_that_the_primary_does_not_see_is_not_streaming(answer):
    alone = Asked(PRIMARY[:1], answer).known(["srv1", "srv3"], "srv3", dict)
    assert alone["srv1"].state == servers.NOT_STREAMING
    assert alone["srv1"].timeline == (answer.timeline if answer else None)


def test_who_may_not_see_the_standbys_names_says_nothing_of_them():
    nameless = [[*row[:1], "", *row[2:]] if row[0] != "me" else row for row in PRIMARY]
    assert "srv1" not in Asked(nameless, None).known(["srv1", "srv3"], "srv3", dict)


COMMITS = [["commits", "srv1", "on", "", "", "", "0", ""]]


def test_a_server_that_was_promoted_by_hand_does_not_speak_for_the_primary():
    """Its standbys are not the primary's, and what its commits wait for is not either."""
    by_hand = [["me", "false", "6", "60000000", "60000000", "", "", ""],
               ["commits", "srv9", "off", "", "", "", "0", ""]]
    asked = Asked(by_hand, None, "srv1", PRIMARY + COMMITS)
    found = asked.known(["srv1", "srv2", "srv3"], "srv3", dict)
    assert found["srv1"].in_recovery is False and found["srv3"].source == "there"
    assert found["srv2"].state == "catchup" and asked.commits.names == "srv1"
    asked = Asked(by_hand, None, "srv1")
    assert list(asked.known(["srv1", "srv2", "srv3"], "srv3", dict)) == ["srv1"]
    assert asked.commits is None


def position(number):
    return servers.UNKNOWN._replace(timeline=5, received=number, source="replication")


@pytest.mark.parametrize("there", [None, [[*row[:1], "", *row[2:]] if row[0] != "me" else row
                                          for row in PRIMARY]])
def test_the_primary_is_asked_after_those_that_are_compared_with_it(there):
    """It has written 100 bytes since the standby was asked."""
    answers = {"srv1": position(51654400), "srv3": position(51654500)}
    found = Asked([], answers, "srv2", there).known(["srv1", "srv3"], "srv3", dict)
    assert found["srv3"].received - found["srv1"].received == 100
    gone = {"srv1": position(51654400)}
    found = Asked([], gone, "srv2", there).known(["srv1", "srv3"], "srv3", dict)
    assert found.get("srv3", servers.UNKNOWN).received is None


@pytest.mark.parametrize("conninfo, expected", [
    ("host=vip user=r", {"host": "10.0.0.1"}),
    ("host=vip hostaddr=10.0.0.50", {"host": "10.0.0.1", "hostaddr": ""}),
    ("host=a,b port=5433,5433 target_session_attrs=read-write",
     {"host": "10.0.0.1", "port": "5433", "target_session_attrs": "any"}),
    ("host=a,b port=5433,5434", {"host": "10.0.0.1"}), ("rubbish", {"host": "10.0.0.1"})])
def test_a_node_is_asked_itself_wherever_primary_conninfo_leads(conninfo, expected):
    assert dict(servers.at(conninfo, "10.0.0.1")) == expected


class Remote(servers.Servers):
    """Servers behind connection strings: what each address answers, "" where conninfo leads."""

    def __init__(self, answers):
        self._node, self._instance, self._conninfo, self._mine = "srv2", None, "host=vip", "7"
        self._answers = answers

    def _remote(self, extra, text):
        return self._answers.get(dict(extra).get("host", ""), [])


PLACES = {"srv1": "10.0.0.1", "srv3": "10.0.0.3"}


@pytest.mark.parametrize("answers, known", [
    ({"10.0.0.3": PRIMARY}, True), ({"": PRIMARY}, True),
    ({"": [*PRIMARY, ["place", "10.0.0.50", *[""] * 6]]}, True),
    ({"": [*PRIMARY, ["place", "10.0.0.1", *[""] * 6]]}, False), ({}, False)])
def test_what_answers_on_another_nodes_address_is_not_the_primary(monkeypatch, answers, known):
    monkeypatch.setattr(servers, "query_or_none", lambda _: "SELECT")
    own, standbys, _ = Remote(answers)._at_primary("srv3", lambda: PLACES)
    assert (own is not None, bool(standbys)) == (known, known)


def test_a_server_of_another_cluster_has_no_position_here(seen, configured):
    answer = [["7", "5", "0/3000000", ""]]
    assert Remote({"10.0.0.1": answer})._by_replication("srv1", "10.0.0.1").received == 0x3000000
    stranger = Remote({"10.0.0.1": [["8", *answer[0][1:]]]})._by_replication("srv1", "10.0.0.1")
    assert (stranger.received, stranger.state) == (None, servers.STRANGER)
    found = report(seen, configured, {**known(), "srv1": stranger})
    assert "the standby on srv1: another cluster answers there" in "\n".join(
        report_text.lines(found))


def test_failures_and_refusals_are_shown_with_their_reasons(seen, configured):
    failure = view.Failure("pgsqld", "srv2", "start", "not installed",
                           "diverged: 96 bytes exist only here", "Mon Nov 23 15:18:24 2026")
    attributes = {**seen.attributes, "srv2": {"master-pgsqld": "-1000000",
                                              "not_promoted_because-pgsqld": "srv1 is ahead"}}
    found = report(seen._replace(failures=[failure], attributes=attributes), configured, known())
    shown = "\n".join(report_text.lines(found))
    assert "start failed (not installed)" in shown and "96 bytes exist only here" in shown
    assert "promotion refused: srv1 is ahead" in shown


@pytest.mark.parametrize("reason, short", [
    ("srv1 may hold commits that were acknowledged, and is away (synchronous_standby_names); "
     "start srv1, or accept the loss: paf promote",
     "srv1 may hold commits that were acknowledged, and is away (synchronous_standby_names)"),
    ("no primary runs, and none has given this node a promotion score; start the node that was the "
     "primary, or accept the loss: paf promote",
     "no primary runs, and none has given this node a promotion score"),
    ("the last primary is not known; accept the loss: paf promote",
     "the last primary is not known"),
    ("srv1 is ahead; start of srv3 failed", "srv1 is ahead; start of srv3 failed")])
@pytest.mark.parametrize("score", ["-1000000", "-1000", "980"])
def test_beside_a_primary_paf_promote_is_no_way_out(seen, configured, reason, short, score):
    attributes = {**seen.attributes, "srv2": {"master-pgsqld": score,
                                              "not_promoted_because-pgsqld": reason}}
    shown = "\n".join(report_text.lines(report(seen._replace(attributes=attributes), configured,
                                               known())))
    assert short in shown and "accept the loss" not in shown and "start srv1" not in shown
    demoted = [item._replace(role="Unpromoted") if item.resource == "pgsqld" else item
               for item in seen.instances]
    found = report(seen._replace(attributes=attributes, instances=demoted), configured, known())
    assert reason in "\n".join(report_text.lines(found))
    assert next(row for row in found["nodes"] if row["node"] == "srv2")[
        "not_promoted_because"] == reason


def test_a_node_that_is_off_says_so(seen, configured):
    off = seen._replace(nodes={**seen.nodes, "srv2": "offline"}, instances=[
        item for item in seen.instances if item.node != "srv2"])
    found = row(report(off, configured, {}), "srv2")
    assert (found["role"], found["state"]) == ("stopped", "node offline")


@pytest.mark.parametrize("is_remote, is_barred, what, why, cures", [
    (False, False, "rem1 is offline", "to fail over to", ["pcs cluster start rem1"]),
    (False, True, "rem1 is offline", "one vote fewer", ["pcs cluster start rem1"]),
    (True, False, "the remote node rem1 is offline", "a location constraint", []),
    (True, True, None, None, None)])
def test_a_node_that_is_offline_matters_for_what_it_is(
        folder, is_remote, is_barred, what, why, cures):
    """`pcs cluster start` starts no remote node; one that is kept free of PostgreSQL is no matter.
    """
    text = (folder / "crm_mon.xml").read_text().replace("</nodes>", (
        '<node name="rem1" id="rem1" online="false" type="{}"/></nodes>').format(
            "remote" if is_remote else "member"))
    cib = (folder / "cib.xml").read_text().replace("</constraints>", (
        '<rsc_location id="x" rsc="pgsqld-clone" node="{}" score="-INFINITY"/>'
        '</constraints>').format("rem1" if is_barred else "rem2"))
    found = report(view.parse(text), configuration.parse(cib), known())
    said = [item for item in found["todo"] if item["code"] == "offline"]
    assert [item["what"] for item in said] == [what] * bool(what)
    for item in said:
        assert why in item["why"] and item["pcs"] == cures
        assert item["crm"] == ["crm cluster start    # on rem1"] * bool(cures)


def test_maintenance_is_reported(seen, configured):
    found = report(seen._replace(maintenance=True), configured, {})
    assert "maintenance-mode" in "\n".join(report_text.lines(found))


def test_old_words_for_roles_are_understood(folder):
    text = (folder / "crm_mon.xml").read_text().replace("Unpromoted", "Slave").replace(
        "Promoted", "Master")
    assert view.promoted(view.parse(text), "pgsqld") == ["srv3"]


def test_a_failed_action_is_read_with_its_reason():
    seen = view.parse(
        '<crm_mon><failures><failure op_key="pgsqld_start_0" node="srv2" exitstatus="error" '
        'exitreason="a &amp;gt; b" last-rc-change="now"/></failures></crm_mon>')
    assert seen.failures == [view.Failure("pgsqld", "srv2", "start", "error", "a > b", "now")]


def test_what_is_degraded_is_no_failure(folder):
    xml = (folder / "crm_mon.xml").read_text()
    assert "<failures" not in xml
    found = view.parse(xml.replace("</pacemaker-result>", """<failures>
        <failure op_key="pgsqld_monitor_16000" node="srv2" exitcode="190" exitstatus="degraded"/>
        <failure op_key="db-ip_monitor_9000" node="srv2" exitcode="190" exitreason="one link"/>
        </failures></pacemaker-result>"""))
    assert found.failures == []
    assert [item.resource for item in found.degraded] == ["pgsqld", "db-ip"]


@pytest.mark.parametrize("version, word", [
    (90300, "pg_last_xlog_receive_location"), (90600, "received_tli"), (150000, "replay_lag")])
def test_the_query_has_the_names_of_the_version(version, word):
    assert word in servers.query(version)
    assert ("wal_lsn" in servers.query(version)) == (version >= 100000)


def test_nonsense_is_a_problem():
    with pytest.raises(Problem):
        view.parse("no xml")
    with pytest.raises(Problem):
        configuration.parse("<status/>")
