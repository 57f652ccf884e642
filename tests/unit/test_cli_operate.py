"""paf pause, resume, restart, promote, forecast: what is refused beforehand, and what is said."""

import json
import pathlib
from types import SimpleNamespace

import jsonschema
import pytest

from paf.cli import configuration, servers, view
from paf.cli.common import ERROR, OK, Problem, USAGE
from paf.cli.main import main
from paf.cli.operate import pause, promote_verb, restart, resume
from paf.cli.status import fencing, forecast, orders, simulate, votequorum
from paf.cli.status import report as status
from paf.cli.status import status as status_verb
from paf.cli.timeline import gather
from paf.runner import Result

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas" /
                     "forecast.json").read_text())
PRIMARY = [["me", "false", "5", "51654312", "51654312", "", "", ""],
           ["standby", "srv1", "streaming", "51654312", "51654312", "0.25", "async", ""],
           ["standby", "srv2", "streaming", "51654000", "51654000", "", "async", ""]]
VOTES = votequorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, set(), "")
FENCED = fencing.Fencing(True, ["fence"], False, "")


@pytest.fixture
def report(data):
    """The report of a cluster in which all is well; srv3 is the primary, srv1 next in line."""
    seen = view.parse((data / "cli" / "crm_mon.xml").read_text())
    configured = configuration.parse((data / "cli" / "cib.xml").read_text())
    own, standbys = servers.understand(PRIMARY, "SQL on srv3")
    return status.report(seen, configured, configuration.find(configured), status.Facts(
        {"srv3": own, **standbys}, servers.Commits("", 0, 0.0, "on", []),
        simulate.Outcome("srv1", True, ""), FENCED, VOTES))


def row(report, name):
    return next(node for node in report["nodes"] if node["node"] == name)


def test_a_standby_can_be_paused_where_another_can_take_over(report):
    assert pause.unfit(report, "srv2") == "" and pause.unfit(report, None) == ""
    row(report, "srv2")["score"] = -1000
    assert "no standby but srv1" in pause.unfit(report, "srv1")
    assert "has the primary" in pause.unfit(report, "srv3")
    assert "no node srv9" in pause.unfit(report, "srv9")


def test_without_quorum_nothing_is_paused_or_resumed(report, monkeypatch, capsys):
    """The other nodes would not see it, and the CIB of this partition may be given up."""
    report["quorum"] = False
    pacemaker = Recorder()
    for verb in (pause, resume):
        monkeypatch.setattr(verb, "Pacemaker", lambda: pacemaker)
    monkeypatch.setattr(status_verb, "look", lambda *_: report)
    monkeypatch.setattr(status_verb, "sight", lambda *_: SimpleNamespace(report=report))
    for argv in (["pause", "--yes"], ["pause", "srv2", "--yes"], ["resume"], ["resume", "srv2"]):
        assert main(argv) == ERROR and "no quorum" in capsys.readouterr().err
    assert pacemaker.calls == []


@pytest.mark.parametrize("text, length", [
    ("30min", 1800), ("2h", 7200), ("90", 90), ("PT1H30M", 5400), (" 5 m ", 300), ("1h30min", 5400),
    ("90s", 90), ("2 hours", 7200), ("1d", 86400), ("1 day 2 Hours 3 minutes", 93780),
    ("1.5h", None), ("-5", None), ("", None), ("1h 30", None), ("9" * 30 + "d", 1 << 31)])
def test_how_long_a_pause_is(text, length):
    assert pause.length_of(text) == length


def test_a_node_is_not_paused_for_a_time(report, monkeypatch, capsys):
    monkeypatch.setattr(pause, "Pacemaker", lambda: None)
    monkeypatch.setattr(status_verb, "sight", lambda *_: SimpleNamespace(report=report))
    assert main(["pause", "srv2", "--for", "30min"]) == USAGE
    assert "--for is for the whole resource" in capsys.readouterr().err


class Recorder:
    """A Pacemaker that remembers what it was asked; `looks` are what crm_mon shows, in turn."""

    def __init__(self, cib="", looks=()):
        self.calls, self._cib, self._looks = [], cib, list(looks)

    def cib(self, is_patient=True):
        return self._cib

    def ask(self, *argv):
        self.calls.append(argv)
        return ""

    def run(self, *argv):
        self.calls.append(argv)
        return Result(0, "", "", False)

    def crm_mon(self):
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    def release(self):
        return (2, 1, 5)

    def scores(self):
        """Return the promotion scores (dict of node to str) as they are after all that was asked.
        """
        found = {}
        for argv in self.calls:
            if "master-pgsqld" in argv and "--update" in argv:
                found[argv[argv.index("--node") + 1]] = argv[-1]
            elif "master-pgsqld" in argv and "--delete" in argv:
                found.pop(argv[argv.index("--node") + 1])
        return found


def test_a_pause_ends_by_itself(data):
    pacemaker = Recorder((data / "cli" / "cib.xml").read_text())
    pause.pause(pacemaker, "pgsqld", 1795447800.0)
    argv, = pacemaker.calls
    assert argv[:2] == ("cibadmin", "--modify")
    made = argv[-1].partition(">")[2].replace("</primitive>", "")
    text = (data / "cli" / "cib.xml").read_text().replace(
        'type="pgsqlms">', f'type="pgsqlms">{made}', 1)

    def is_paused(now):
        return configuration.is_true(configuration.meta(configuration.find(
            configuration.parse(text, now)), "maintenance", "false"))
    assert is_paused(1795447799.0) and not is_paused(1795447801.0)
    after = Recorder(text)
    pause.end_of(after, "pgsqld")
    assert after.calls[-1][1] == "--delete"


def test_a_pause_is_not_ended_while_a_server_has_another_role(report):
    assert list(resume.elsewhere(report)) == []
    row(report, "srv1").update(role="primary", in_recovery=False)
    assert list(resume.elsewhere(report)) == [
        "the server on srv1 is a primary, Pacemaker knows a standby"]
    row(report, "srv1").update(role="standby", in_recovery=None)
    shown, = resume.elsewhere(report)
    assert "whether the server on srv1 is a standby" in shown and "not known" in shown
    assert list(resume.elsewhere(report, "srv2")) == []


def test_pacemaker_looks_again_only_where_it_may_be_wrong(report):
    """Until it has looked at the primary, it stops the address: clients would be cut off."""
    assert list(resume.to_look_at(report)) == []
    row(report, "srv1").update(in_recovery=None)
    row(report, "srv2").update(pacemaker_role="Stopped")
    assert list(resume.to_look_at(report)) == ["srv1", "srv2"]
    assert list(resume.to_look_at(report, "srv2")) == ["srv2"]
    row(report, "srv2").update(role="stopped")
    row(report, "srv3").update(failures=[{"operation": "monitor"}])
    assert list(resume.to_look_at(report)) == ["srv1", "srv3"]
    row(report, "srv1").update(membership="offline")
    assert list(resume.to_look_at(report)) == ["srv3"]


def test_what_else_keeps_pacemaker_from_acting_is_said(report):
    assert list(resume.still(report)) == []
    item = {"code": "maintenance-mode", "node": None, "what": "maintenance-mode is on",
            "pcs": ["pcs property set maintenance-mode=false"]}
    report["todo"] = [item, dict(item, code="node-maintenance", node="srv2", what="srv2 is so")]
    assert list(resume.still(report, "srv1")) == [
        "maintenance-mode is on; pcs property set maintenance-mode=false"]
    assert len(list(resume.still(report, "srv2"))) == 2


def test_where_it_is_not_known_who_would_take_over_the_last_standby_is_not_paused(report):
    row(report, "srv2")["score"] = -1000
    report["failover"].update(to=None, answer=None)
    assert "not known which node" in pause.unfit(report, "srv1")
    row(report, "srv1").update(role="stopped")
    assert pause.unfit(report, "srv1") == ""


@pytest.mark.parametrize("verb", [["pause"], ["promote", "srv2", "--accept-loss"]])
def test_what_has_changed_until_the_answer_counts(report, monkeypatch, capsys, verb):
    """There is a primary meanwhile; the node that was to be paused has it."""
    before, after = json.loads(json.dumps(report)), report
    words = verb + ["srv3"] * (verb == ["pause"])
    if verb == ["pause"]:
        before.update(primary="srv1", primaries=["srv1"])
    else:
        lost(before)
    looks, asked = [before, after], []
    module = {"pause": pause, "promote": promote_verb}[verb[0]]
    monkeypatch.setattr(module, "Pacemaker", lambda: SimpleNamespace(
        ask=lambda *argv: asked.append(argv), cib=lambda: "<cib/>"))
    monkeypatch.setattr(status_verb, "sight", lambda *_: SimpleNamespace(report=looks.pop(0)))
    monkeypatch.setattr(module, "confirmed", lambda *_: True)
    assert main(words) == ERROR
    assert asked == [] and looks == [] and "nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["switchover"], ["restart", "--rolling"], ["promote", "srv1"],
                                  ["rebuild"]])
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "0", "1e300", "x", ""])
def test_a_time_without_an_end_is_no_time(verb, number, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*verb, f"--timeout={number}"])
    assert ended.value.code == USAGE and f'not "{number}"' in capsys.readouterr().err


def test_the_order_of_a_rolling_restart(report):
    assert restart.chosen(report, None) == ["srv2", "srv1", "srv3"]
    assert restart.chosen(report, "srv2") == ["srv2"]
    assert list(restart.problems(report, ["srv2", "srv1", "srv3"])) == []
    with pytest.raises(Problem, match="has the primary"):
        restart.chosen(report, "srv3")
    with pytest.raises(Problem, match="there is no node srv9 here; there are srv1, srv2, srv3"):
        restart.chosen(report, "srv9")


@pytest.mark.parametrize("change, words", [
    (lambda report: report["todo"].append({"about": "failover", "what": "fencing is off"}),
     "not now: fencing is off"),
    (lambda report: row(report, "srv1").update(state="not streaming"), "srv1 does not stream"),
    (lambda report: report.update(synchronous=None), "is not known"),
    (lambda report: row(report, "srv2").update(membership="maintenance"),
     "Pacemaker restarts nothing on srv2: it is in maintenance"),
    (lambda report: row(report, "srv2").update(flags=["maintenance"], membership="standby"),
     "Pacemaker restarts nothing on srv2: it is in maintenance"),
    (lambda report: row(report, "srv2").update(managed=False),
     "Pacemaker restarts nothing on srv2: it does not manage the instance there"),
    (lambda report: (report.update(synchronous={"names": "srv1", "waiting": 0, "commit": "on"}),
                     row(report, "srv1").update(sync_state="sync")),
     "commits would wait while srv1")])
def test_a_restart_that_puts_data_or_service_at_risk_is_refused(report, change, words):
    change(report)
    assert words in " ".join(restart.problems(report, ["srv2", "srv1", "srv3"]))


def lost(report):
    """Make it the report of a cluster whose primary, srv3, is gone."""
    report.update(primary=None, primaries=[])
    row(report, "srv3").update(membership="offline", heard=False, role="stopped",
                               state="node offline", received=None, timeline=None, score=1001)
    row(report, "srv2")["not_promoted_because"] = "srv1 is ahead"


def test_what_a_promotion_by_force_loses_is_spelled_out(report):
    lost(report)
    shown = "\n".join(promote_verb.loss(report, "srv2"))
    assert "srv2 is to be promoted, at TL 5, 0/3142D70" in shown
    assert "srv1 is at TL 5, 0/3142EA8: 312 B are lost" in shown
    assert "srv3 was the last primary; what it has is NOT KNOWN (node offline)" in shown
    assert list(promote_verb.problems(report, "srv2")) == []


@pytest.mark.parametrize("change, words", [
    (lambda report: report.update(primaries=["srv1"]), "paf switchover moves it"),
    (lambda report: report.update(quorum=False), "no quorum"),
    (lambda report: row(report, "srv3").update(membership="unclean"), "--confirm-off srv3"),
    (lambda report: row(report, "srv2").update(role="stopped"), "runs no standby"),
    (lambda report: report["todo"].append({"code": "maintenance-mode", "node": None,
                                           "what": "maintenance-mode is on", "why": "w"}),
     "maintenance-mode is on"),
    (lambda report: report["todo"].append({"code": "paused", "node": None, "what": "paused by paf "
                                           "pause", "why": "w"}), "paused by paf pause")])
def test_a_promotion_that_pacemaker_would_not_do_is_refused(report, change, words):
    lost(report)
    change(report)
    assert words in " ".join(promote_verb.problems(report, "srv2"))


@pytest.mark.parametrize("membership", ["online", "standby", "maintenance", "pending"])
def test_a_member_is_not_taken_for_off(report, membership):
    lost(report)
    row(report, "srv3")["membership"], row(report, "srv1")["membership"] = "unclean", membership
    assert list(promote_verb.problems(report, "srv2", ["srv3"])) == []
    assert "srv1 is a member" in " ".join(promote_verb.problems(report, "srv2", ["srv1", "srv3"]))


@pytest.fixture
def looks(data):
    """What crm_mon shows: no node promoted, and srv2 promoted."""
    text = (data / "cli" / "crm_mon.xml").read_text()
    none = text.replace('role="Promoted"', 'role="Unpromoted"')
    before, mark, after = none.partition('<node name="srv2" id="2" cached="true"/>')
    at = before.rindex('role="Unpromoted"')
    return none, before[:at] + 'role="Promoted"' + before[at + 17:] + mark + after


#: In words that each Pacemaker knows: attrd_updater has no --node up to 1.1.12.
ACCEPT = ("crm_attribute", "--type", "status", "--node", "srv2", "--name", "accept_loss-pgsqld")


def test_a_promotion_by_force_is_followed(report, looks, monkeypatch):
    monkeypatch.setattr(promote_verb, "_STEP", 0)
    lost(report)
    pacemaker = Recorder(looks=[looks[0], looks[1]])
    assert promote_verb.promote(pacemaker, report, "srv2", 5) == OK
    assert ACCEPT + ("--update", "true") in pacemaker.calls
    assert not any("--delete" in argv for argv in pacemaker.calls)


def test_the_word_that_a_loss_is_accepted_is_taken_back(report, looks, monkeypatch):
    monkeypatch.setattr(promote_verb, "_STEP", 0)
    lost(report)
    pacemaker = Recorder(looks=looks[:1])
    row(report, "srv1")["score"] = None
    assert promote_verb.promote(pacemaker, report, "srv2", 0.05) == ERROR
    # the score of the last primary is what other elections know it by
    assert pacemaker.scores() == {"srv2": str(row(report, "srv2")["score"]), "srv3": "1001"}
    assert pacemaker.calls[-1] == ACCEPT + ("--delete",)


@pytest.mark.parametrize("nodes, outcome, kept, answer, words", [
    (["srv3"], simulate.Outcome("srv1", True, ""), True, True, "srv3 lost: srv1 is promoted"),
    (["srv3"], simulate.Outcome("srv2", True, ""), True, True, "312 B of WAL"),
    (["srv3"], simulate.Outcome("srv1", True, "", {"pgsql-master-ip": None}), True, True,
     "the address pgsql-master-ip would be on no node"),
    (["srv1"], simulate.Outcome(None, True, ""), True, True, "srv3 stays the primary"),
    (["srv3"], simulate.Outcome(None, True, ""), True, False, "would promote no other node"),
    (["srv3", "srv1"], simulate.Outcome("srv2", True, ""), False, False, "no quorum"),
    (["srv3"], simulate.Outcome("srv1", True, ""), None, None, "NOT KNOWN"),
    (["srv3"], simulate.Outcome(None, True, "no crm_simulate"), True, None, "no crm_simulate")])
def test_the_forecast_of_a_loss(report, nodes, outcome, kept, answer, words):
    found = forecast.judge(report, nodes, outcome, dict.fromkeys(nodes, FENCED), kept)
    assert found.answer is answer
    assert words in "\n".join(forecast.lines([found], "srv3", [4.0, 6.0]))
    jsonschema.validate({"format": 1, "resource": "p", "primary": "srv3", "past_outages": [4.0],
                         "noticed_after": 6.6, "device_wait": None,
                         "losses": [dict(found._asdict())]}, SCHEMA)


def synchronous(report, names, **states):
    report["synchronous"] = {"names": names, "commit": "on"}
    for node, state in states.items():
        row(report, node)["sync_state"] = state


@pytest.mark.parametrize("names, nodes, to, waits, good", [
    ("", ["srv1"], None, False, True), ("", ["srv3"], "srv1", False, True),
    ("srv1", ["srv1"], None, True, False), ("srv1", ["srv2"], None, False, True),
    ("ANY 1 (srv1,srv2)", ["srv3"], "srv1", None, True),
    ("ANY 1 (srv1,srv2)", ["srv3", "srv2"], "srv1", True, False),
    ("ANY 2 (srv1,srv2)", ["srv3"], "srv1", True, False), (None, ["srv1"], None, None, False)])
def test_commits_that_would_wait_after_a_loss_are_said(report, names, nodes, to, waits, good):
    synchronous(report, names or "", srv1="sync")
    if names and "srv2" in names:
        synchronous(report, names, srv1="quorum", srv2="quorum")
    if names is None:
        report["synchronous"] = None
    found = forecast.judge(report, nodes, simulate.Outcome(to, True, ""),
                           dict.fromkeys(nodes, FENCED), True)
    assert (found.commits_wait, forecast.is_good(found)) == (waits, good)
    shown = "\n".join(forecast.lines([found], "srv3", []))
    assert ("COMMITS WAIT" in shown) == (waits is True)
    assert ("not known" in shown.partition("\n\n")[0]) == (names is None)


def test_past_failovers_that_cannot_be_read_are_not_none(monkeypatch):
    def fail(*_):
        raise Problem("found no logs")
    monkeypatch.setattr(gather, "history", fail)
    assert forecast.past_outages(SimpleNamespace(resource="")) == (None, "found no logs")
    assert "known: found no logs" in "\n".join(forecast.lines([], "srv3", None, "found no logs"))


@pytest.mark.parametrize("membership, looked_at", [("standby", True), ("maintenance", True),
                                                   ("pending", True), ("offline", False)])
def test_a_member_that_runs_no_resource_has_a_vote_to_lose(report, monkeypatch, capsys, membership,
                                                           looked_at):
    row(report, "srv2")["membership"] = membership
    sight = SimpleNamespace(report=report, managed=SimpleNamespace(name="pgsqld"),
                            facts=SimpleNamespace(votes=VOTES))
    monkeypatch.setattr(forecast, "Pacemaker", lambda: None)
    monkeypatch.setattr(status_verb, "sight", lambda *_: sight)
    monkeypatch.setattr(forecast, "past_outages", lambda _: ([], ""))
    monkeypatch.setattr(gather, "silence", lambda _: 6.6)
    monkeypatch.setattr(forecast, "of", lambda pacemaker, sight, nodes: forecast.judge(
        report, nodes, simulate.Outcome("srv1", True, ""), dict.fromkeys(nodes, FENCED), True))
    main(["forecast"])
    assert ("srv2 lost:" in capsys.readouterr().out) == looked_at


def test_a_node_that_cannot_be_fenced_has_no_good_forecast(report):
    found = forecast.judge(report, ["srv3"], simulate.Outcome("srv1", True, ""),
                           {"srv3": fencing.Fencing(True, [], False, "")}, True)
    assert found.answer is False and found.reasons == ["srv3 cannot be fenced"]


def test_a_pause_is_shown_with_the_command_that_ends_it(data):
    text = (data / "cli" / "cib.xml").read_text()
    pacemaker = Recorder(text)
    pause.pause(pacemaker, "pgsqld", 1795447800.0)
    made = pacemaker.calls[-1][-1].partition(">")[2].replace("</primitive>", "")
    paused = configuration.parse(text.replace('type="pgsqlms">', f'type="pgsqlms">{made}', 1),
                                 1795447000.0)
    by_hand = configuration.parse(text.replace(
        'type="pgsqlms">', 'type="pgsqlms"><meta_attributes id="m"><nvpair id="n" '
        'name="maintenance" value="true"/></meta_attributes>', 1), 1795447000.0)
    first, other = [next(item for item in orders.resource(
        {}, None, one, configuration.find(one), None)) for one in (paused, by_hand)]
    assert (first.code, first.pcs, first.crm) == (
        "paused", *[["paf resume --resource pgsqld"]] * 2)
    assert "until 2026-11-23T" in first.what
    assert other.code == "resource-maintenance" and "delete-parameter" in other.pcs[0]
