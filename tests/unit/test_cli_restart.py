"""paf restart: which instances, in which order, and when none at all."""

from types import SimpleNamespace

import pytest

from paf.cli import servers
from paf.cli.common import ERROR, NOT_DONE, OK, Problem, USAGE
from paf.cli.main import main
from paf.cli.operate import restart
from paf.cli.status import simulate
from paf.cli.status import status as status_verb
from paf.runner import Result
from tests.unit.test_cli_operate import report  # noqa: F401


@pytest.fixture
def restarted(report, monkeypatch):  # noqa: F811
    """The nodes that were restarted, in this order; nothing is asked of a real cluster."""
    done = []
    sight = SimpleNamespace(report=report, managed=SimpleNamespace(name="pgsqld"))
    monkeypatch.setattr(restart, "Pacemaker", lambda: SimpleNamespace(
        node=lambda: "srv3", release=lambda: (2, 1, 5)))
    monkeypatch.setattr(status_verb, "sight", lambda *_: sight)
    monkeypatch.setattr(simulate, "move", lambda *given: simulate.Outcome(given[-1], False, ""))
    monkeypatch.setattr(restart, "restart", lambda _, __, node, ___: done.append(node))
    return done


def waiting(monkeypatch, counts):
    """Set how many settings wait for a restart on each node; None: its server gives no answer."""
    monkeypatch.setattr(servers, "addresses", lambda _: {})
    monkeypatch.setattr(servers, "Servers", lambda *_: SimpleNamespace(
        count=lambda node, *_: counts[node]))


def test_the_primary_is_the_last_one(restarted, capsys):
    assert main(["restart", "--rolling", "--yes"]) == OK
    assert restarted == ["srv2", "srv1", "srv3"]
    assert "srv3 will be restarted, after a switchover to srv1" in capsys.readouterr().out


def test_without_a_node_to_move_the_primary_to_nothing_is_restarted(restarted, monkeypatch, capsys):
    monkeypatch.setattr(simulate, "move", lambda *_: simulate.Outcome(None, False, ""))
    assert main(["restart", "--rolling", "--yes"]) == ERROR
    assert restarted == []
    assert "the primary was not restarted: Pacemaker would not promote srv1" in (
        capsys.readouterr().err)


def test_what_is_not_known_of_the_switchover_is_said_before_it(restarted, monkeypatch, capsys):
    monkeypatch.setattr(simulate, "move", lambda *_: simulate.Outcome(None, False, "no answer"))
    assert main(["restart", "--rolling", "--yes"]) == OK and len(restarted) == 3
    assert "paf: no answer" in capsys.readouterr().err


@pytest.mark.parametrize("counts, nodes", [
    ({"srv1": 0, "srv2": 2, "srv3": 1}, ["srv2", "srv3"]), ({"srv1": 0, "srv2": 0, "srv3": 0}, [])])
def test_only_what_waits_for_it_is_restarted(restarted, monkeypatch, capsys, counts, nodes):
    waiting(monkeypatch, counts)
    assert main(["restart", "--rolling", "--pending", "--yes"]) == OK
    assert restarted == nodes
    assert ("nothing waits for a restart" in capsys.readouterr().out) is (nodes == [])


def test_where_it_is_not_known_what_waits_nothing_is_restarted(restarted, monkeypatch, capsys):
    waiting(monkeypatch, {"srv1": None, "srv2": 1, "srv3": 1})
    assert main(["restart", "--rolling", "--pending", "--yes"]) == ERROR
    assert restarted == []
    assert "whether settings of srv1 wait for a restart is not known" in capsys.readouterr().err


@pytest.mark.parametrize("release, words", [
    ((1, 1, 13), ["crm_resource", "--restart"]),
    ((1, 1, 16), ["crm_resource", "--restart", "--timeout", "60s"]),
    ((3, 0, 1), ["crm_resource", "--restart", "--timeout", "60s"]),
    ((), ["crm_resource", "--restart", "--timeout", "60s"])])
def test_crm_resource_restarts_in_the_words_of_its_release(release, words):
    assert restart.command(release, 60.0) == words


def test_where_crm_resource_cannot_restart_nothing_is_done(restarted, monkeypatch, capsys):
    monkeypatch.setattr(restart, "Pacemaker", lambda: SimpleNamespace(
        node=lambda: "srv3", release=lambda: (1, 1, 12)))
    assert main(["restart", "--rolling", "--yes"]) == ERROR
    assert restarted == []
    assert "crm_resource of Pacemaker 1.1.12 cannot restart" in capsys.readouterr().err


def test_an_obstacle_is_a_refusal(restarted, report, capsys):  # noqa: F811
    report["todo"].append({"about": "failover", "what": "srv1 has failed"})
    assert main(["restart", "srv2", "--yes"]) == ERROR
    assert restarted == [] and "not now: srv1 has failed" in capsys.readouterr().err


def test_without_a_yes_nothing_is_restarted(restarted, monkeypatch):
    monkeypatch.setattr(restart, "confirmed", lambda _: False)
    assert main(["restart", "srv2"]) == NOT_DONE
    assert restarted == []


@pytest.mark.parametrize("words", [[], ["srv2", "--rolling"]])
def test_a_node_or_all_of_them(restarted, words, capsys):
    assert main(["restart", "--yes", *words]) == USAGE
    assert restarted == [] and "name a NODE, or say --rolling" in capsys.readouterr().err


class Restarting:
    """A Pacemaker whose restart of an instance fails, or is cut off."""

    def __init__(self, error, status=0):
        self._error, self.status, self.calls = error, status, []

    def wait(self, seconds, *argv):
        if self._error:
            raise self._error

    def run(self, *argv):
        self.calls.append(argv)
        return Result(self.status, "", "", False)

    def release(self):
        return (2, 1, 5)

    def cib(self):
        return ('<cib><configuration><nodes><node id="2" uname="srv2"/></nodes></configuration>'
                '<status><node_state id="2"><lrm id="2"><lrm_resources><lrm_resource id="pgsqld">'
                '<lrm_rsc_op operation="start" call-id="7" transition-key="1:2:0:a"/>'
                '</lrm_resource></lrm_resources></lrm></node_state></status></cib>')


@pytest.mark.parametrize("status, words", [
    (0, "see paf status"),
    (1, "may have been left: crm_resource --clear --resource pgsqld-clone --node srv2")])
@pytest.mark.parametrize("error", [Problem("no end"), KeyboardInterrupt()])
def test_a_restart_that_is_cut_off_leaves_no_ban(
        report, monkeypatch, capsys, error, status, words):  # noqa: F811
    monkeypatch.setattr(status_verb, "look", lambda *_: report)
    pacemaker = Restarting(error, status)
    sight = SimpleNamespace(managed=SimpleNamespace(name="pgsqld"))
    with pytest.raises(type(error)):
        restart.restart(pacemaker, sight, "srv2", 1.0)
    assert pacemaker.calls == [("crm_resource", "--clear", "--resource", "pgsqld-clone", "--node",
                                "srv2")]
    assert words in capsys.readouterr().err


def test_a_restart_that_pacemaker_did_not_make_is_not_one(report, monkeypatch):  # noqa: F811
    """crm_resource --restart ends with 0 where Pacemaker does nothing on the node."""
    monkeypatch.setattr(status_verb, "look", lambda *_: report)
    with pytest.raises(Problem, match="Pacemaker has not restarted srv2"):
        restart.restart(Restarting(None), SimpleNamespace(managed=SimpleNamespace(name="pgsqld")),
                        "srv2", 1.0)
    assert restart.starts(Restarting(None), "pgsqld", "srv2") == ["1:2:0:a 7"]
    assert restart.starts(Restarting(None), "pgsqld", "srv1") == []


def test_why_an_instance_did_not_come_back_is_said(report, monkeypatch):  # noqa: F811
    monkeypatch.setattr(status_verb, "look", lambda *_: report)
    row = next(row for row in report["nodes"] if row["node"] == "srv2")
    row.update(state="not streaming", failures=[
        {"operation": "start", "status": "not configured", "when": "",
         "reason": "PAF-E212 recovery_target_time is set"}])
    with pytest.raises(Problem, match="PAF-E212 recovery_target_time is set; see paf status"):
        restart.await_streaming(None, "pgsqld", "srv2", 1.0)
    with pytest.raises(Problem, match="srv9 is no node of the cluster any more"):
        restart.await_streaming(None, "pgsqld", "srv9", 1.0)


def test_each_restart_looks_first_whether_it_can_be(report, monkeypatch):  # noqa: F811
    monkeypatch.setattr(status_verb, "look", lambda *_: report)
    monkeypatch.setattr(restart, "_SETTLING", 0.0)
    monkeypatch.setattr(restart, "_STEP", 0.01)
    report["todo"].append({"about": "failover", "what": "srv1 died meanwhile"})
    pacemaker = Restarting(AssertionError())
    with pytest.raises(Problem, match="srv2 was not restarted: not now: srv1 died"):
        restart.restart(pacemaker, SimpleNamespace(managed=SimpleNamespace(name="pgsqld")), "srv2",
                        1.0)


def test_a_ban_that_cannot_be_lifted_is_said_whatever_the_reason(capsys):
    """The program could not be started; why the restart failed is still to be said by others."""
    def run(*argv):
        raise Problem(f"cannot run {argv[0]}")
    restart._lift_ban(SimpleNamespace(run=run), "pgsqld-clone", "srv2")
    assert "crm_resource --clear --resource pgsqld-clone --node srv2" in capsys.readouterr().err
