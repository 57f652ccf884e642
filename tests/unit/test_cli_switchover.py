"""paf switchover: what is refused beforehand, and that nothing is left behind."""

import copy
import os
import signal
from types import SimpleNamespace

import pytest

from paf.cli import backlog, configuration, switchover, view
from paf.cli.common import ERROR, INTERRUPTED, NOT_DONE, OK, Problem
from paf.cli.main import main
from paf.cli.status import simulate, votequorum
from paf.cli.status import report as status
from paf.runner import Result

MOVE = simulate.move


@pytest.fixture
def folder(data):
    return data / "cli"


@pytest.fixture
def configured(folder):
    return configuration.parse((folder / "cib.xml").read_text())


def reported(folder, configured, mon=None):
    seen = view.parse(mon or (folder / "crm_mon.xml").read_text())
    return status.report(seen, configured, configuration.find(configured), status.Facts(
        {}, None, simulate.Outcome("srv1", True, ""), None, VOTES))


@pytest.fixture
def report(folder, configured):
    return reported(folder, configured)


@pytest.fixture(autouse=True)
def _moves(monkeypatch):
    """Pacemaker would make any move."""
    monkeypatch.setattr(simulate, "move", lambda *given: simulate.Outcome(given[-1], False, ""))


VOTES = votequorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, set(), "")


def node(report, name):
    return next(row for row in report["nodes"] if row["node"] == name)


def test_a_healthy_standby_can_take_over(report):
    assert list(switchover.problems(report, "srv1")) == []
    assert switchover.destination(None, report)[0] == "srv1"


@pytest.mark.parametrize("target, change, words", [
    ("srv3", {}, "is the primary already"), ("srv9", {}, "there is no node srv9"),
    ("srv1", {"membership": "standby"}, "srv1 is a standby node"),
    ("srv1", {"role": "stopped"}, "runs no standby"),
    ("srv1", {"flags": ["shutdown"]}, "srv1 is leaving the cluster"),
    ("srv1", {"score": -1000}, "its score is -1000"),
    ("srv1", {"state": "not streaming"}, "does not stream"),
])
def test_what_cannot_be_is_said_beforehand(report, target, change, words):
    if target in ("srv1", "srv2", "srv3"):
        node(report, target).update(change)
    found = list(switchover.problems(report, target))
    assert len(found) == 1 and words in found[0]


@pytest.mark.parametrize("change, words", [
    ({"primary": None}, "no primary"), ({"quorum": False}, "no quorum"),
    ({"todo": [{"code": "maintenance-mode", "node": None, "what": "maintenance-mode is on",
                "why": "", "pcs": []}]}, "maintenance-mode is on"),
    ({"todo": [{"code": "paused", "node": None, "what": "pgsqld is paused by paf pause",
                "why": "", "pcs": []}]}, "is paused by paf pause"),
    ({"todo": [{"code": "node-maintenance", "node": "srv1", "what": "srv1 is in maintenance",
                "why": "", "pcs": []}]}, "srv1 is in maintenance")])
def test_a_cluster_that_cannot_do_it_is_left_alone(report, change, words):
    report.update(change)
    assert words in " ".join(switchover.problems(report, "srv1"))


@pytest.mark.parametrize("rsc", ["pgsqld-clone", "pgsqld", "pgsql-master-ip"])
def test_a_leftover_of_an_earlier_move_is_named(folder, rsc):
    """The address would not come along, either."""
    text = (folder / "cib.xml").read_text().replace(
        "<constraints>", f'<constraints><rsc_location id="cli-ban-x" rsc="{rsc}" '
        'node="srv1" score="-INFINITY"/>')
    found = list(switchover.problems(reported(folder, configuration.parse(text)), "srv1"))
    assert len(found) == 1 and "cli-ban-x" in found[0]
    assert f"crm_resource --clear --resource {rsc}" in found[0]


def test_without_a_candidate_there_is_no_default(report):
    for row in report["nodes"]:
        row["score"] = -1000
    with pytest.raises(Problem, match="none may take the primary over now"):
        switchover.destination(None, report)
    report["primary"] = None
    with pytest.raises(Problem, match="there is no primary to move"):
        switchover.destination(None, report)


OTHERS = simulate.Outcome(None, False, "")
STAYS = simulate.Outcome("srv1", False, "", {"pgsql-master-ip": None})


@pytest.mark.parametrize("outcome, words", [
    (OTHERS, "Pacemaker would not promote srv1, even if asked to"),
    (STAYS, "the address pgsql-master-ip would be on no node: clients would not reach the "
            "primary")])
def test_a_move_that_pacemaker_would_not_make_is_refused_beforehand(
        report, monkeypatch, capsys, outcome, words):
    """A constraint forbids the role there: the move would be followed until its timeout."""
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(switchover.status, "look", lambda *_: report)
    monkeypatch.setattr(simulate, "move", lambda *given: outcome)
    assert main(["switchover", "srv1", "--dry-run"]) == ERROR
    assert words in capsys.readouterr().err


def test_the_first_in_line_is_one_that_pacemaker_would_promote(report, monkeypatch):
    monkeypatch.setattr(simulate, "move", lambda *given: simulate.Outcome(
        "srv2" if given[-1] == "srv2" else None, False, ""))
    node(report, "srv2")["score"] = 990
    assert switchover.destination(None, report)[0] == "srv2"
    assert switchover.destination(None, report, "srv1")[0] == "srv1"
    node(report, "srv2").update(state="replay paused")
    node(report, "srv1")["score"] = 980
    assert switchover.in_line(report) == ["srv1", "srv2"]


@pytest.mark.parametrize("option, code", [("--dry-run", NOT_DONE), ("--yes", OK)])
def test_where_the_scheduler_gives_no_answer_it_is_said(report, monkeypatch, capsys, option, code):
    node(report, "srv1").update(not_received_bytes=None, state="streaming")
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(switchover.status, "look", lambda *_: report)
    monkeypatch.setattr(simulate, "move", lambda *given: simulate.Outcome(None, False, "no answer"))
    monkeypatch.setattr(switchover.Switchover, "run", lambda _: OK)
    assert main(["switchover", "srv1", option]) == code
    said = capsys.readouterr().err
    assert "paf: no answer" in said and "what srv1 has received is not known here" in said


@pytest.mark.parametrize("release, role", [((2, 1, 5), "Master"), ((3, 0, 0), "Promoted")])
def test_a_move_is_tried_on_a_copy_of_the_configuration(folder, release, role):
    copies = []

    def run(*argv):
        with open(argv[argv.index("--xml-file") + 1], encoding="utf-8") as stream:
            copies.append(stream.read())
        return Result(0, (folder / "crm_simulate" / "failover.txt").read_text(), "", False)
    pacemaker = SimpleNamespace(release=lambda: release, run=run,
                                cib=(folder / "cib.xml").read_text)
    found = MOVE(pacemaker, "pgsqld", "pgsqld-clone", "srv2")
    assert (found.promoted, found.unknown, found.places["pgsqld-ip"]) == ("srv2", "", "srv2")
    wish, = [item for item in configuration.parse(copies[0]).constraints if item.id == "paf-move"]
    assert (wish.node, wish.score, wish.values["role"]) == ("srv2", 1000000, "Promoted")
    assert f'role="{role}"' in copies[0]
    lost = SimpleNamespace(release=lambda: release, run=run, cib=lambda: "no XML")
    assert MOVE(lost, "pgsqld", "pgsqld-clone", "srv2").unknown


def lagging(report, megabytes, replayed):
    found = copy.deepcopy(report)
    node(found, "srv1").update(lag_bytes=megabytes and megabytes << 20, replayed=replayed)
    return found


@pytest.mark.parametrize("left, before, after, words", [
    (400, "0/10000000", "0/12800000", "has 400 MB of WAL still to replay, and no client can write "
     "until it has: about 20 s, at 20 MB a second as now"),
    (400, "0/10000000", "0/10000000", "in 2.0 s it has replayed nothing"),
    (400, "0/10000000", "0/0F000000", "in 2.0 s it has replayed nothing"),
    (400, None, "0/12800000", "how fast it replays is not known"),
    (400, "0/10000000", None, "how fast it replays is not known"),
    (64, "1/FF000000", "2/FF000000", "about 1 s, at "),
    (None, "0/10000000", None, "has 400 MB of WAL still to replay"),
    (63, "0/10000000", "0/10000000", None),
    (0, "0/10000000", "0/10000000", None)])
def test_what_the_target_has_still_to_replay_is_reported_with_how_long_that_takes(
        report, left, before, after, words):
    first, second = lagging(report, 400, before), lagging(report, left, after)
    found = list(backlog.words(first, second, "srv1", 2.0))
    assert len(found) == (words is not None)
    assert not found or words in found[0]


def test_a_clock_that_was_set_back_gives_no_speed(report):
    first, second = lagging(report, 400, "0/10000000"), lagging(report, 400, "0/12800000")
    line, = backlog.words(first, second, "srv1", -3.0)
    assert "how fast it replays is not known" in line


@pytest.mark.parametrize("megabytes, looks", [(400, 2), (1, 1), (None, 1)])
def test_only_for_much_wal_the_cluster_is_looked_at_twice(
        folder, report, monkeypatch, capsys, megabytes, looks):
    seen = [lagging(report, megabytes, "0/10000000"), lagging(report, megabytes, "0/10000000")]
    monkeypatch.setattr(switchover.status, "look", lambda *_: seen.pop(0))
    assert main(["switchover", "srv1", "--dry-run"]) in (OK, NOT_DONE)
    assert len(seen) == 2 - looks
    assert ("still to replay" in capsys.readouterr().err) == (looks == 2)


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


def without_address(text):
    return text.replace('role="Promoted"', 'role="X"').replace(
        'role="Unpromoted"', 'role="Promoted"', 1).replace('role="X"', 'role="Unpromoted"')


def moved(text):
    target = view.promoted(view.parse(without_address(text)), "pgsqld")[0]
    before, mark, after = without_address(text).partition('id="pgsql-master-ip"')
    return before + mark + after.replace('<node name="srv3"', f'<node name="{target}"', 1)


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


def test_a_move_without_the_address_is_not_done(folder, report, monkeypatch, capsys):
    assert play(folder, report, monkeypatch, [as_it_was, without_address]) == ERROR
    assert "the address pgsql-master-ip is on srv3" in capsys.readouterr().err


def test_an_old_primary_that_does_not_come_back_is_said(folder, report, monkeypatch, capsys):
    def stopped(text):
        before, mark, after = moved(text).partition("</clone>")
        return before.replace('<node name="srv3" id="3" cached="true"/>', "") + mark + after
    assert play(folder, report, monkeypatch, [as_it_was, stopped]) == ERROR
    assert "srv3 is no standby, Pacemaker has it as Stopped" in capsys.readouterr().err


class Stuck(Fake):
    """A cluster that keeps the constraint, does not say whether it has, or runs no program."""

    said = runs = True

    def run(self, *argv):
        if "--clear" in argv and not self.runs:
            raise Problem("cannot run crm_resource: Cannot allocate memory")
        return Result(0, "--promoted S_IDLE", "", False)

    def cib(self):
        if not self.said:
            raise Problem("no answer")
        return super().cib()


@pytest.mark.parametrize("said, runs, words", [
    (True, True, "cli-prefer-x is still there"), (False, True, "not known whether the constraint"),
    (True, False, "(cannot run crm_resource: Cannot allocate memory); it ends by itself after")])
def test_a_move_whose_constraint_stays_is_not_done(folder, report, monkeypatch, capsys, said, runs,
                                                   words):
    monkeypatch.setattr(switchover, "_STEP", 0)
    target = view.promoted(view.parse(moved((folder / "crm_mon.xml").read_text())), "pgsqld")[0]
    fake = Stuck(folder, [as_it_was, moved])
    fake.said, fake.runs = said, runs
    assert switchover.Switchover(fake, report, target, 5).run() == ERROR
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("state, missing, code", [
    ("streaming", 0, OK), ("streaming", None, NOT_DONE), ("running", 0, NOT_DONE)])
def test_a_trial_says_what_is_not_known(report, monkeypatch, capsys, state, missing, code):
    node(report, "srv1").update(state=state, not_received_bytes=missing)
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(switchover.status, "look", lambda *_: report)
    assert main(["switchover", "srv1", "--dry-run"]) == code
    assert ("not known" in capsys.readouterr().err) == (code == NOT_DONE)


@pytest.mark.parametrize("change, words", [
    ({"primary": "srv2"}, "srv2 is the primary by now, not srv3"), ({"quorum": False}, "no quorum"),
    ({"primary": None}, "there is no primary to move"), ({}, None)])
def test_what_has_changed_until_the_answer_counts(folder, configured, monkeypatch, capsys, change,
                                                  words):
    looks = [reported(folder, configured), dict(reported(folder, configured), **change)]
    moves: list = []
    monkeypatch.setattr(switchover, "Pacemaker", lambda: None)
    monkeypatch.setattr(switchover.status, "look", lambda *_: looks.pop(0))
    monkeypatch.setattr(switchover, "confirmed", lambda *_: True)
    monkeypatch.setattr(switchover, "Switchover", lambda *given: SimpleNamespace(
        run=lambda: moves.append(given) or OK))
    assert main(["switchover", "srv1"]) == (ERROR if words else OK)
    assert bool(moves) == (words is None) and looks == []
    assert (words or "") in capsys.readouterr().err


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


@pytest.mark.usefixtures("foreground")
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
        play(folder, report, monkeypatch, [as_it_was, broken], patience=0.05)
