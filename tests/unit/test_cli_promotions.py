"""Whether two timelines of one number began with the same promotion: what is not known is said."""

from types import SimpleNamespace

import pytest

from paf import ocf
from paf.cli import promotions
from paf.cli.common import Problem
from paf.deadline import Deadline
from paf.decide import timelines
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, divergence
from tests.unit.test_cli_operate import Recorder, looks  # noqa: F401


def line(mark):
    return timelines.Line((timelines.Reign(1, 0, "initdb"), timelines.Reign(2, 50, mark)), True)


def said(monkeypatch, lines):
    """Have the cluster's attributes say the lines (dict of node to str), or fail (an error)."""
    def answer(_):
        if isinstance(lines, Exception):
            raise lines
        return lines
    monkeypatch.setattr(promotions.cluster, "connect", lambda environment: SimpleNamespace(
        lines=answer))


@pytest.mark.parametrize("lines, fact", [
    ({"srv2": timelines.line_to_wire(line("a")), "srv1": "x"}, Known(line("a"))),
    ({"srv1": timelines.line_to_wire(line("a"))}, Unknown("srv2 does not say its timelines")),
    ({"srv2": "2:"}, Unknown("srv2 does not say its timelines")),
    (ocf.OcfError("attrd gave no answer"), Unknown("attrd gave no answer"))])
def test_the_primarys_timelines_are_what_its_agent_says(
        looks, monkeypatch, lines, fact):  # noqa: F811
    said(monkeypatch, lines)
    assert promotions.of_primary(Recorder(looks=[looks[1]]), "pgsqld") == fact


def test_no_primary_and_two_of_them_say_nothing(looks, monkeypatch):  # noqa: F811
    said(monkeypatch, {})
    both = looks[0].replace('role="Unpromoted"', 'role="Promoted"', 2)
    for look, words in ((looks[0], "no primaries"), (both, "2 primaries")):
        assert promotions.of_primary(Recorder(looks=[look]), "pgsqld") == Unknown(
            f"Pacemaker has {words}")

    def refuse():
        raise Problem("crm_mon failed")
    assert promotions.of_primary(SimpleNamespace(crm_mon=refuse), "pgsqld") == Unknown(
        "crm_mon failed")


def test_where_another_promotion_led_to_needs_the_control_file(monkeypatch):
    """Both have a timeline 2 that began at one LSN, with different first records."""
    monkeypatch.setattr(divergence, "look", lambda *_: Known(None))
    monkeypatch.setattr(promotions.line, "read", lambda *_: line("b"))
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("pg_controldata was killed"))
    with pytest.raises(ocf.OcfError, match="pg_controldata was killed"):
        promotions.examine(None, "", Known(line("a")), Deadline(5.0))
    assert promotions.examine(None, "", Known(line("b")), Deadline(5.0)) == (Known(None), "")
