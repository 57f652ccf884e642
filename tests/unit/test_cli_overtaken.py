"""paf switchover: another administrator comes between, or a look at the cluster fails."""

from paf.cli import view
from paf.cli.common import ERROR, OK, Problem
from paf.cli.switchover import Switchover
from tests.unit.test_cli_switchover import (  # noqa: F401
    Fake, as_it_was, configured, folder, moved, play, report)


def test_another_administrators_switchover_is_not_waited_for(
        folder, report, monkeypatch, capsys):  # noqa: F811
    """Both make the same constraint: Pacemaker follows the later one."""
    def elsewhere(text):
        target = view.promoted(view.parse(moved(text)), "pgsqld")[0]
        other = next(name for name in ("srv1", "srv2") if name != target)
        return text.replace('<node name="srv3"', '<node name="X"').replace(
            f'<node name="{other}"', '<node name="srv3"').replace('"X"', f'"{other}"')
    assert play(folder, report, monkeypatch, [as_it_was, elsewhere], 600) == ERROR
    assert "another switchover, or a failover, came between" in capsys.readouterr().err


def test_a_constraint_that_somebody_took_away_is_not_waited_for(
        folder, report, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setattr(Fake, "ask", lambda self, *argv: self.calls.append(argv))
    assert play(folder, report, monkeypatch, [as_it_was], 600) == ERROR
    said = capsys.readouterr().err
    assert "srv3 is the primary after" in said and "somebody took the constraint" in said


def test_two_primaries_are_no_end_of_a_switchover(report):  # noqa: F811
    """Each of them may be about to be demoted: it is looked again."""
    switchover = Switchover(None, report, "srv3", 600)
    assert switchover._is_overtaken(["srv1", "srv2"]) is False
    assert switchover._is_overtaken(["srv2"]) is True


def test_a_look_that_fails_does_not_take_the_request_back(
        folder, report, monkeypatch, capsys):  # noqa: F811
    """The old primary was demoted, and without the constraint it was promoted again."""
    cleared = []

    def broken(_):
        cleared.append(not fakes[-1].constraint)
        raise Problem("crm_mon does not answer")
    fakes, make = [], Fake.__init__

    def remember(self, *given):
        make(self, *given)
        fakes.append(self)
    monkeypatch.setattr(Fake, "__init__", remember)
    assert play(folder, report, monkeypatch, [as_it_was, broken, broken, moved]) == OK
    assert cleared == [False, False]
    assert capsys.readouterr().out.count("crm_mon does not answer: looking again") == 1
