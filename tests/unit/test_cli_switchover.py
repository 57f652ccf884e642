"""paf switchover: what is refused beforehand, and that nothing is left behind."""

import os
import signal

import pytest

from paf.cli import configuration, switchover, view
from paf.cli.common import ERROR, INTERRUPTED, NOT_DONE, OK, Problem
from paf.cli.status import quorum, simulate
from paf.cli.status import report as status
from paf.runner import Result


@pytest.fixture
def folder(data):
    return data / "cli"


@pytest.fixture
def configured(folder):
    return configuration.parse((folder / "cib.xml").read_text())


@pytest.fixture
def report(folder, configured):
    seen = view.parse((folder / "crm_mon.xml").read_text())
    return status.report(seen, configured, configuration.find(configured), status.Facts(
        {}, None, simulate.Outcome("srv1", True, ""), None, VOTES))


VOTES = quorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, set(), "")


def node(report, name):
    return next(row for row in report["nodes"] if row["node"] == name)


def test_a_healthy_standby_can_take_over(report, configured):
    assert list(switchover.problems(report, configured, "srv1")) == []
    assert switchover.first_in_line(report) == "srv1"


@pytest.mark.parametrize("target, change, words", [
    ("srv3", {}, "is the primary already"), ("srv9", {}, "there is no node srv9"),
    ("srv1", {"membership": "standby"}, "srv1 is standby"),
    ("srv1", {"role": "stopped"}, "runs no standby"),
    ("srv1", {"score": -1000}, "its score is -1000"),
    ("srv1", {"state": "not streaming"}, "does not stream"),
])
def test_what_cannot_be_is_said_beforehand(report, configured, target, change, words):
    if target in ("srv1", "srv2", "srv3"):
        node(report, target).update(change)
    found = list(switchover.problems(report, configured, target))
    assert len(found) == 1 and words in found[0]


@pytest.mark.parametrize("change, words", [
    ({"primary": None}, "no primary"), ({"quorum": False}, "no quorum"),
    ({"todo": [{"code": "maintenance-mode", "node": None, "what": "maintenance-mode is on",
                "why": ""}]}, "maintenance-mode is on"),
    ({"todo": [{"code": "paused", "node": None, "what": "pgsqld is paused by paf pause",
                "why": ""}]}, "is paused by paf pause"),
    ({"todo": [{"code": "node-maintenance", "node": "srv1", "what": "srv1 is in maintenance",
                "why": ""}]}, "srv1 is in maintenance")])
def test_a_cluster_that_cannot_do_it_is_left_alone(report, configured, change, words):
    report.update(change)
    assert words in " ".join(switchover.problems(report, configured, "srv1"))


def test_a_leftover_of_an_earlier_move_is_named(report, folder):
    text = (folder / "cib.xml").read_text().replace(
        "<constraints>", '<constraints><rsc_location id="cli-prefer-x" rsc="pgsqld-clone" '
        'role="Promoted" node="srv2" score="INFINITY"/>')
    found = list(switchover.problems(report, configuration.parse(text), "srv1"))
    assert len(found) == 1 and "cli-prefer-x is left over" in found[0]


def test_without_a_candidate_there_is_no_default(report):
    for row in report["nodes"]:
        row["score"] = -1000
    with pytest.raises(Problem):
        switchover.first_in_line(report)


class Fake:
    """A Pacemaker whose crm_mon goes through a list of outcomes, and then stays at the last."""

    def __init__(self, folder, outcomes):
        self._mon = (folder / "crm_mon.xml").read_text()
        self._cib = (folder / "cib.xml").read_text()
        self._outcomes = list(outcomes)
        self.calls, self.constraint = [], False

    def crm_mon(self):
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        return outcome(self._mon)

    def cib(self):
        made = '<rsc_location id="cli-prefer-x" rsc="pgsqld-clone"/>' if self.constraint else ""
        return self._cib.replace("<constraints>", "<constraints>" + made)

    def ask(self, *argv):
        self.calls.append(argv)
        self.constraint = True

    def run(self, *argv):
        self.calls.append(argv)
        if "--clear" in argv:
            self.constraint = False
        return Result(0, "--promoted S_IDLE", "", False)


def as_it_was(text):
    return text


def moved(text):
    return text.replace('role="Promoted"', 'role="X"').replace(
        'role="Unpromoted"', 'role="Promoted"', 1).replace('role="X"', 'role="Unpromoted"')


def refused(text):
    return text.replace('<node_attributes>', '<node_attributes><node name="TARGET"><attribute '
                        'name="not_promoted_because-pgsqld" value="it lags"/></node>')


def play(folder, report, monkeypatch, outcomes, patience=5):
    monkeypatch.setattr(switchover, "_STEP", 0)
    target = view.promoted(view.parse(moved((folder / "crm_mon.xml").read_text())), "pgsqld")[0]
    fake = Fake(folder, [lambda text, one=one: one(text).replace("TARGET", target)
                         for one in outcomes])
    code = switchover.Switchover(fake, report, target, patience).run()
    assert not fake.constraint
    return code


def test_done(folder, report, monkeypatch, capsys):
    assert play(folder, report, monkeypatch, [as_it_was, moved]) == OK
    assert "is the primary" in capsys.readouterr().out


def with_reason(text):
    begin, end = text.index("<node_attributes>"), text.index("</node_attributes>")
    return refused(text[:begin] + "<node_attributes>" + text[end:])


@pytest.mark.parametrize("outcomes", [
    [as_it_was, with_reason],
    # the standby is let in again, and the reason with it
    [as_it_was, with_reason, as_it_was]])
def test_refused(folder, report, monkeypatch, capsys, outcomes):
    assert play(folder, report, monkeypatch, outcomes) == NOT_DONE
    assert "refused: it lags" in capsys.readouterr().err


def test_a_refused_request_is_withdrawn_while_pacemaker_is_busy(folder, report, monkeypatch):
    cleared = []

    def busy(text):
        cleared.append(not fakes[-1].constraint)
        return with_reason(text).replace("<resource ", '<resource pending="Monitoring" ', 1)
    fakes = []
    make = Fake.__init__

    def remember(self, *given):
        make(self, *given)
        fakes.append(self)
    monkeypatch.setattr(Fake, "__init__", remember)
    assert play(folder, report, monkeypatch, [as_it_was, busy, busy, with_reason]) == NOT_DONE
    assert cleared == [False, True]


def test_a_reason_that_was_there_before_is_no_refusal(folder, report, monkeypatch):
    for row in report["nodes"]:
        row["not_promoted_because"] = "it lags"
    assert play(folder, report, monkeypatch, [with_reason, moved]) == OK


def test_too_late(folder, report, monkeypatch):
    assert play(folder, report, monkeypatch, [as_it_was], patience=0.05) == ERROR


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_the_constraint_is_gone(folder, report, monkeypatch, number):
    def press(text):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)    # impatient
        return text
    before = signal.getsignal(number)
    assert play(folder, report, monkeypatch, [as_it_was, press]) == INTERRUPTED
    assert signal.getsignal(number) == before


def test_a_program_that_fails_leaves_no_constraint(folder, report, monkeypatch):
    def broken(text):
        raise Problem("no answer")
    with pytest.raises(Problem):
        play(folder, report, monkeypatch, [as_it_was, broken])
