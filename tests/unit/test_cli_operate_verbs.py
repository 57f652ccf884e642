"""paf pause, resume, restart, promote as commands: what they say, what they leave alone."""

import copy
import sys
from types import SimpleNamespace

import pytest

from paf.cli.common import ERROR, INTERRUPTED, NOT_DONE, OK, Problem, USAGE
from paf.cli.main import main
from paf.cli.operate import pause, promote_verb, restart, resume
from paf.cli.status import simulate
from paf.cli.status import status as status_verb
from tests.unit.test_cli_operate import (  # noqa: F401
    Recorder, looks, lost, report, row)


@pytest.fixture
def cluster(report, looks, data, monkeypatch):  # noqa: F811
    """A Recorder that each verb has as its Pacemaker; every look finds the report."""
    pacemaker = Recorder((data / "cli" / "cib.xml").read_text(), looks)
    for verb in (pause, resume, restart, promote_verb):
        monkeypatch.setattr(verb, "Pacemaker", lambda: pacemaker)
    monkeypatch.setattr(status_verb, "sight", lambda *_: SimpleNamespace(
        report=report, managed=SimpleNamespace(name="pgsqld")))
    for verb in (promote_verb, restart):
        monkeypatch.setattr(verb, "_STEP", 0)
    return pacemaker


def paused(cluster):
    """Put the pause that paf pause makes into the CIB that the cluster shows."""
    pause.pause(cluster, "pgsqld", 1795447800.0)
    made = cluster.calls[-1][-1].partition(">")[2].replace("</primitive>", "")
    cluster._cib = cluster._cib.replace('type="pgsqlms">', f'type="pgsqlms">{made}', 1)
    cluster.calls.clear()


def test_where_there_is_no_argparse_it_is_said_what_is_missing(monkeypatch, capsys):
    """Python 2.6 has none."""
    monkeypatch.setitem(sys.modules, "argparse", None)
    assert main(["status"]) == ERROR
    assert "needs Python 2.7 or later, or the package python-argparse" in capsys.readouterr().err


@pytest.mark.parametrize("length, said", [
    ("59", "too short: at least a minute"), ("0h", "too short: at least a minute"),
    ("1x", "is no time that can be understood: 30min, 2h"), ("soon", "is no time that can be"),
    ("1h or so", "is no time that can be"), ("-1h", "is no time that can be")])
def test_what_is_no_time_for_a_pause_is_a_mistake(cluster, capsys, length, said):
    assert main(["pause", "--yes", f"--for={length}"]) == USAGE
    shown = capsys.readouterr().err
    assert f"{length} is" in shown and said in shown and cluster.calls == []


@pytest.mark.parametrize("words, code, node, shown", [
    (["pause"], "paused", None, True), (["pause", "srv2"], "node-maintenance", "srv2", True),
    (["pause", "srv2"], "node-maintenance", "srv1", False),
    (["pause", "srv2"], "paused", None, False)])
def test_a_pause_says_which_one_it_replaces_and_is_made_after_a_yes_only(
        cluster, report, monkeypatch, capsys, words, code, node, shown):  # noqa: F811
    report["todo"].append({"code": code, "node": node, "what": "paused until noon"})
    monkeypatch.setattr(pause, "confirmed", lambda *_: False)
    assert main(words) == NOT_DONE
    said = capsys.readouterr()
    assert ("paused until noon: this takes its place" in said.out) == shown
    assert "nothing was changed" in said.err and cluster.calls == []


@pytest.mark.parametrize("words, forced", [([], False), (["--force"], True)])
def test_a_pause_ends_where_each_server_has_its_role_or_by_force(
        cluster, report, capsys, words, forced):  # noqa: F811
    paused(cluster)
    row(report, "srv1").update(role="primary", in_recovery=False)
    assert main(["resume", *words]) == (OK if forced else ERROR)
    assert ("Pacemaker knows a standby: bring it back to its role, or use --force" in
            capsys.readouterr().err) != forced
    assert any("--delete" in argv for argv in cluster.calls) == forced


def test_a_pause_that_has_ended_is_no_success_where_pacemaker_still_does_nothing(
        cluster, report, capsys):  # noqa: F811
    paused(cluster)
    report["todo"].append({"code": "maintenance-mode", "node": None, "pcs": ["pcs x"],
                           "what": "maintenance-mode is on"})
    assert main(["resume"]) == ERROR
    said = capsys.readouterr()
    assert "still so: maintenance-mode is on; pcs x" in said.err and "acts again" not in said.out
    assert any("--delete" in argv for argv in cluster.calls)


def test_without_its_option_a_promotion_only_says_what_it_would_lose(
        cluster, report, capsys):  # noqa: F811
    lost(report)
    row(report, "srv3")["membership"] = "unclean"
    assert main(["promote", "srv2", "--confirm-off", "srv3", "--resource", "pgsqld"]) == OK
    said = capsys.readouterr().out
    assert "srv1 is at TL 5, 0/3142EA8: 312 B are lost" in said
    assert "\npaf promote srv2 --accept-loss --confirm-off srv3 --resource pgsqld\n" in (
        said.replace("To promote srv2 anyway: ", "\n"))
    assert cluster.calls == []


def test_a_promotion_without_the_name_of_its_node_changes_nothing(
        cluster, report, monkeypatch, capsys):  # noqa: F811
    lost(report)
    asked = []
    monkeypatch.setattr(promote_verb, "confirmed", lambda *given: asked.append(given[1:]))
    assert main(["promote", "srv2", "--accept-loss"]) == NOT_DONE
    assert asked == [(("srv2",),)] and cluster.calls == []
    assert "nothing was changed" in capsys.readouterr().err


def test_a_node_is_confirmed_to_be_off_before_another_is_promoted(cluster, report):  # noqa: F811
    lost(report)
    row(report, "srv3")["membership"] = "unclean"
    assert main(["promote", "srv2", "--accept-loss", "--confirm-off", "srv3", "--yes"]) == OK
    assert cluster.calls[0] == ("stonith_admin", "--confirm", "srv3")
    assert cluster.scores()["srv2"] == "1000"


@pytest.mark.parametrize("failure, status", [
    (Problem("cibadmin failed"), ERROR), (KeyboardInterrupt(), INTERRUPTED)])
@pytest.mark.parametrize("words, back", [
    ([], "paf resume\n"), (["srv2", "--resource", "pgsqld"], "paf resume srv2 --resource pgsqld")])
def test_a_pause_that_may_be_there_is_named_with_what_ends_it(
        cluster, report, monkeypatch, capsys, words, back, failure, status):  # noqa: F811
    def fails(*_):
        raise failure
    monkeypatch.setattr(pause, "_pause", fails)
    assert main(["pause", *words, "--yes"]) == status
    said = capsys.readouterr().err
    assert "it was not seen whether" in said and back in said


@pytest.mark.parametrize("outcome, status", [
    (ERROR, ERROR), (Problem("no answer"), ERROR), (KeyboardInterrupt(), INTERRUPTED)])
def test_a_confirmation_stays_where_nothing_was_promoted_and_that_is_said(
        cluster, report, monkeypatch, capsys, outcome, status):  # noqa: F811
    def promote(*_):
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome
    lost(report)
    row(report, "srv3")["membership"] = "unclean"
    monkeypatch.setattr(promote_verb, "promote", promote)
    assert main(["promote", "srv2", "--accept-loss", "--confirm-off", "srv3", "--yes"]) == status
    assert "Pacemaker takes srv3 for off now" in capsys.readouterr().err


def test_a_confirmation_without_an_answer_is_not_called_one(
        cluster, report, monkeypatch, capsys):  # noqa: F811
    def ask(*argv):
        if argv == ("stonith_admin", "--confirm", "srv3"):
            raise Problem("stonith_admin failed")
    lost(report)
    for node in ("srv1", "srv3"):
        row(report, node).update(membership="unclean", heard=False)
    monkeypatch.setattr(cluster, "ask", ask)
    assert main(["promote", "srv2", "--accept-loss", "--confirm-off", "srv1", "--confirm-off",
                 "srv3", "--yes"]) == ERROR
    said = capsys.readouterr().err
    assert "takes srv1 for off now, and" in said
    assert "whether Pacemaker takes srv3 for off now is not known" in said


def test_what_the_agent_says_of_a_promotion_by_force_is_shown_once(
        cluster, report, looks, capsys):  # noqa: F811
    lost(report)
    refused = looks[0].replace('<node name="srv2">\n      <attribute', (
        '<node name="srv2">\n      <attribute name="not_promoted_because-pgsqld" value="no vote"/>'
        '<attribute'), 1)
    cluster._looks = [looks[0], refused, refused, looks[1]]
    assert main(["promote", "srv2", "--accept-loss", "--yes"]) == OK
    assert capsys.readouterr().out.count("the agent says: no vote") == 1


def test_a_node_that_has_left_the_cluster_is_not_promoted(report):  # noqa: F811
    lost(report)
    assert list(promote_verb.problems(report, "srv9")) == [
        "there is no node srv9 here; there are srv1, srv2, srv3"]


@pytest.mark.parametrize("other, own, words", [
    ((5, "0/3142D70"), 5, "is at TL 5, 0/3142D70: has nothing that srv2 lacks"),
    ((5, "0/3142D00"), 5, "is at TL 5, 0/3142D00: has nothing that srv2 lacks"),
    ((6, "0/3142D00"), 5, "is at TL 6, 0/3142D00: what it has more is lost"),
    # there it may have gone on after the fork, as a primary that was lost does
    ((4, "0/9000000"), 5, "is at TL 4, 0/9000000: on an older timeline; what it wrote there after "
                          "TL 5 began, if anything, srv2 lacks"),
    # LSNs of two timelines do not say which one has more
    ((None, "0/3142D00"), 5, "is at 0/3142D00 of a timeline that is not known: whether srv2 has "
                             "all of it is NOT KNOWN: what it lacks is lost"),
    ((5, "0/3142D00"), None, "is at TL 5, 0/3142D00: whether srv2 has all of it is NOT KNOWN: what "
                             "it lacks is lost")])
def test_only_a_node_on_the_same_timeline_is_known_to_have_nothing_more(
        report, other, own, words):  # noqa: F811
    row(report, "srv1").update(timeline=other[0], received=other[1])
    row(report, "srv2")["timeline"] = own
    assert f"srv1 {words}" in list(promote_verb.loss(report, "srv2"))


def test_a_position_that_is_not_known_has_all_of_no_other(report):  # noqa: F811
    lost(report)
    row(report, "srv2")["received"] = None
    shown = list(promote_verb.loss(report, "srv2"))
    assert "srv2 is to be promoted, at a position that is not known" in shown
    assert shown[0].startswith("srv1 is at TL 5, 0/3142EA8: whether srv2 has all of it is NOT KN")
    assert "    srv1 is ahead" in shown    # why it was not promoted


def test_a_node_without_a_standby_is_not_restarted(report):  # noqa: F811
    row(report, "srv2")["role"] = "stopped"
    with pytest.raises(Problem, match="srv2 runs no standby"):
        restart.chosen(report, "srv2")


def test_without_a_primary_nothing_is_restarted(report):  # noqa: F811
    report["primary"] = None
    assert "there is no primary: see paf status" in list(restart.problems(report, ["srv2"]))


class Restarts:
    """A Pacemaker that restarts an instance when it is asked to wait for that."""

    def __init__(self):
        self.waited, self.release = [], lambda: (2, 1, 5)

    def wait(self, _, *argv):
        self.waited.append(argv[-1])

    def cib(self):
        return ('<cib><configuration/><status><node_state uname="{0}"><lrm><lrm_resources>'
                '<lrm_resource id="pgsqld"><lrm_rsc_op operation="start" call-id="{1}"/>'
                '</lrm_resource></lrm_resources></lrm></node_state></status></cib>').format(
                    self.waited[-1] if self.waited else "srv2", len(self.waited))


def restarted(monkeypatch, node, reports):
    """Restart an instance while the looks find the reports, the last one from then on."""
    pacemaker = Restarts()
    monkeypatch.setattr(restart, "_STEP", 0)
    monkeypatch.setattr(status_verb, "look", lambda *_: (
        reports.pop(0) if len(reports) > 1 else reports[0]))
    restart.restart(pacemaker, SimpleNamespace(
        report=reports[0], managed=SimpleNamespace(name="pgsqld")), node, 5.0)
    return pacemaker.waited


def seen(report, name, **values):  # noqa: F811
    """Return the report with other values of a node."""
    return dict(report, nodes=[dict(each, **values) if each["node"] == name else each
                               for each in report["nodes"]])


def test_a_restart_waits_for_order_before_and_for_a_standby_that_can_take_over_after(
        report, monkeypatch, capsys):  # noqa: F811
    busy = dict(report, todo=[{"about": "up", "what": "srv1 starts"}])
    reports = [busy, report, seen(report, "srv2", state="not streaming"),
               seen(report, "srv2", score=None), report]
    assert restarted(monkeypatch, "srv2", reports) == ["srv2"]
    assert reports == [report] and "srv2 streams again" in capsys.readouterr().out


@pytest.mark.parametrize("code", [OK, ERROR, INTERRUPTED])
def test_the_primary_moves_before_its_instance_is_restarted(
        report, monkeypatch, capsys, code):  # noqa: F811
    moves = []
    monkeypatch.setattr(restart, "destination", lambda *_: (
        "srv1", simulate.Outcome("srv1", False, "", None)))
    monkeypatch.setattr(restart, "impossible", lambda *_: [])
    monkeypatch.setattr(restart, "Switchover", lambda _, __, target, ___: SimpleNamespace(
        run=lambda: moves.append(target) or code))
    reports = [report, seen(report, "srv3", state="streaming", score=990)]
    if code == OK:
        assert restarted(monkeypatch, "srv3", reports) == ["srv3"]
    else:
        ended = KeyboardInterrupt if code == INTERRUPTED else Problem
        with pytest.raises(ended, match="srv3 was not restarted: the switchover before it" * (
                ended is Problem)):
            restarted(monkeypatch, "srv3", reports)
    assert moves == ["srv1"]
    assert ("restarting srv3" in capsys.readouterr().out) == (code == OK)


def test_a_standby_that_was_promoted_meanwhile_is_left_alone(
        report, monkeypatch):  # noqa: F811
    """No switchover was confirmed."""
    later = dict(report, primary="srv2", primaries=["srv2"])
    monkeypatch.setattr(status_verb, "look", lambda *_: later)
    monkeypatch.setattr(restart, "Switchover", None)
    sight = SimpleNamespace(report=report, managed=SimpleNamespace(name="pgsqld"))
    with pytest.raises(Problem, match="srv2 is the primary by now, not srv3"):
        restart.restart(Restarts(), sight, "srv2", 1.0)


def test_the_old_primary_is_a_standby_for_whose_restart_commits_wait(report):  # noqa: F811
    report.update(synchronous={"names": "*", "waiting": 0, "commit": "on"})
    row(report, "srv1").update(sync_state="sync")
    assert "commits would wait while srv3" in " ".join(restart.problems(report, ["srv3"]))
    row(report, "srv2").update(sync_state="potential")
    assert not list(restart.problems(report, ["srv3"]))


def test_a_pause_that_replaces_another_never_ends_it(cluster):
    """Between two changes Pacemaker would act on what is being repaired."""
    paused(cluster)
    pause.pause(cluster, "pgsqld", 1795449600.0)
    assert [argv[1] for argv in cluster.calls] == ["--modify"]
    assert "2026-11-23T16:00:00Z" in cluster.calls[0][-1]


def test_without_a_manager_it_is_not_known_whether_there_is_quorum(report):  # noqa: F811
    lost(report)
    report.update(quorum=False)
    assert "expected votes" in " ".join(promote_verb.problems(report, "srv2"))
    report.update(dc=None)
    for said in (" ".join(promote_verb.problems(report, "srv2")), pause.unfit(report, None)):
        assert "not elected a manager" in said and "expected votes" not in said


@pytest.fixture
def two(cluster, report, monkeypatch):  # noqa: F811
    """The report of a second resource of PAF's; its primary is on srv2, which may be in maintenance
    for both.
    """
    second = copy.deepcopy(report)
    second.update(resource="two", clone="two-clone", primary="srv2", primaries=["srv2"])
    cluster._cib = cluster._cib.replace("</resources>", (
        '<clone id="two-clone"><primitive id="two" class="ocf" provider="heartbeat" '
        'type="pgsqlms"/></clone></resources>'))
    monkeypatch.setattr(status_verb, "sight", lambda resource, *_: SimpleNamespace(
        report=second if resource == "two" else report, managed=SimpleNamespace(name="pgsqld")))
    return second


def test_a_node_that_has_the_primary_of_another_resource_is_not_paused(two, cluster, capsys):
    """In maintenance it would not be replaced: a node is paused for all that runs there."""
    assert main(["pause", "srv2", "--resource", "pgsqld", "--yes"]) == ERROR
    assert "two: srv2 has the primary" in capsys.readouterr().err and cluster.calls == []


@pytest.mark.parametrize("forced", [False, True])
def test_a_node_is_resumed_for_all_resources(two, cluster, capsys, forced):
    """Pacemaker would demote or stop what has changed its role meanwhile."""
    cluster._cib = cluster._cib.replace("<nodes>", (
        '<nodes><node id="9" uname="srv2"><instance_attributes id="i"><nvpair id="v" '
        'name="maintenance" value="on"/></instance_attributes></node>'), 1)
    row(two, "srv2").update(role="primary", in_recovery=False, pacemaker_role="Unpromoted")
    assert main(["resume", "srv2", "--resource", "pgsqld"] + ["--force"] * forced) == (
        OK if forced else ERROR)
    said = capsys.readouterr()
    assert ("the server on srv2 is a primary, Pacemaker knows a standby" in said.err) != forced
    assert cluster.calls[:1] == [("crm_resource", "--refresh", "--resource", "two-clone", "--node",
                                  "srv2")] * forced


@pytest.mark.parametrize("change", [
    {"membership": "maintenance"}, {"membership": "standby"}, {"flags": ["maintenance"]},
    {"managed": False}, {"kept_off": True}])
def test_a_standby_that_may_not_take_over_lets_no_other_be_paused(report, change):  # noqa: F811
    """Of three nodes two could be paused, one after the other: nothing was left to fail over to."""
    assert pause.unfit(report, "srv1") == ""
    row(report, "srv2").update(change)
    assert "no standby but srv1 could take over" in pause.unfit(report, "srv1")
