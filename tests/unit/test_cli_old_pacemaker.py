"""The command for people on Pacemaker 1.1, by what 1.1.10 to 1.1.24 really print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.cli import configuration, old_crm_mon, servers, switchover, view
from paf.cli.common import Pacemaker, Problem
from paf.cli.status import fencing, report, simulate, votequorum
from paf.runner import Result

REASON = ("PostgreSQL: crashed primary: no process is left, and the control file says "
          '"in production"')
#: The first lines of `crm_resource --help-all` in 1.1.13 to 1.1.24, and one of its usage further on
USAGE = ("crm_resource: unrecognized option '--help-all'\n"
         "crm_resource - Perform tasks related to cluster resources.\n"
         "     --master			Limit the scope of the --ban, --move and --clear  commands\n")


class Recorded:
    """Pacemaker's programs: they answer with what is recorded of a version."""

    def __init__(self, folder):
        self._folder = folder

    def crm_mon(self):
        """Return what crm_mon prints as XML."""
        return (self._folder / "crm_mon.xml").read_text()

    def cib(self):
        """Return the CIB."""
        return (self._folder / "cib.xml").read_text()


@pytest.fixture
def recorded(data):
    return lambda version: Recorded(data / "pacemaker" / version)


@pytest.mark.parametrize("version, scores, primary", [
    ("1.1.10", {"srv1": "1000", "srv2": "990", "srv3": "1001"}, "srv3"),
    ("1.1.12", {"srv1": "1001", "srv2": "1000", "srv3": "990"}, "srv1"),
    ("1.1.16", {"srv1": "1001", "srv2": "990", "srv3": "1000"}, "srv1"),
    ("1.1.24", {"srv1": "1001", "srv2": "1000", "srv3": "990"}, "srv1")])
def test_roles_and_scores_are_found_in_each_version(recorded, version, scores, primary):
    seen = view.look(recorded(version))
    found = {node: seen.attributes[node]["master-pgsqld"] for node in seen.nodes}
    assert found == scores and view.promoted(seen, "pgsqld") == [primary]
    assert seen.quorum and not seen.maintenance


def test_transient_attributes_are_found_in_the_cib(recorded):
    attributes = view.look(recorded("1.1.12")).attributes["srv2"]
    assert attributes["fail-count-pgsqld"] == "1"
    assert attributes["not_promoted_because-pgsqld"].startswith("does not stream")


def test_the_status_of_a_cluster_without_node_attributes_in_crm_mon(recorded):
    pacemaker = recorded("1.1.12")
    configured = configuration.parse(pacemaker.cib())
    found = report.report(
        view.look(pacemaker), configured, configuration.find(configured),
        report.Facts({}, servers.Commits("", 0, 0.0, "on", []), simulate.Outcome("srv2", True, ""),
                     fencing.Fencing(True, ["fence-srv1"], False, ""),
                     votequorum.Votes(3, 3, 2, {}, {"Quorate"}, "")))
    assert [node["score"] for node in found["nodes"]] == [1001, 1000, 990]
    assert found["primary"] == "srv1"


def test_a_standby_without_its_monitor_is_a_standby(recorded):
    """1.1.10 calls it Started; addresses are still what they were."""
    seen = view.look(recorded("1.1.10"))
    assert view.roles(seen, "pgsqld") == {
        "srv1": "Unpromoted", "srv2": "Unpromoted", "srv3": "Promoted"}
    assert view.roles(seen, "pgsqld-ip") == {"srv3": "Started"}


def test_values_that_nothing_escaped_are_read(recorded):
    assert view.look(recorded("1.1.24")).attributes["srv1"]["failed_because-pgsqld"] == REASON
    assert view.look(recorded("1.1.16")).attributes["srv2"]["ntest"] == 'say "x" & <y>'


def test_a_failure_without_reason_has_none(recorded):
    """1.1.13 and 1.1.16 say none."""
    text = recorded("1.1.16").crm_mon()
    assert 'exitreason="none"' in text and view.parse(text).failures[0].reason == ""


@pytest.mark.parametrize("value, maintenance", [("true", True), ("Yes", True), ("false", False)])
def test_maintenance_is_found_in_the_cib(recorded, value, maintenance):
    pacemaker = recorded("1.1.12")
    cib = pacemaker.cib().replace(
        "</cluster_property_set>",
        f'<nvpair id="m" name="maintenance-mode" value="{value}"/></cluster_property_set>')
    seen = view.parse(pacemaker.crm_mon())
    assert not seen.maintenance and view.completed(seen, cib).maintenance is maintenance


def test_a_cib_that_is_none_is_a_problem(recorded):
    with pytest.raises(Problem, match="cannot understand the CIB"):
        view.completed(view.parse(recorded("1.1.12").crm_mon()), "no xml")


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\ufffe\uffff\r")))
def test_any_value_survives_as_long_as_it_looks_like_no_xml(value):
    xml = f'<crm_mon>\n  <attribute name="a" value="{value}" />\n</crm_mon>\n'
    if '="' in value or ">\n" in value or value.rstrip().endswith(('"', '" /')):
        return
    root = view.element(old_crm_mon.repaired(xml))
    shown = "".join(sign if sign >= " " else " " for sign in value)
    assert root.find("attribute").get("value") == shown


@pytest.mark.parametrize("out, err, release, option", [
    ("", USAGE, "Pacemaker 1.1.16\n", "--master"),                     # 1.1.13 to 1.1.24
    (USAGE, "", "Pacemaker 1.1.10\n", "--master"),
    ("  --promoted  ...\n  --master  Deprecated\n", "", "Pacemaker 2.1.5\n", "--promoted"),
    ("", "", "Pacemaker 1.1.12\n", "--master"), ("", "", "Pacemaker 2.0.5\n", "--master"),
    ("", "", "Pacemaker 2.1.0\n", "--promoted"), ("", "", "", "--promoted")])
def test_a_switchover_asks_in_the_words_of_the_release(monkeypatch, out, err, release, option):
    pacemaker = Pacemaker()
    monkeypatch.setattr(pacemaker, "run", lambda *argv: (
        Result(0, release, "", False) if "--version" in argv
        else Result(1 if err else 0, out, err, False)))
    found = {"resource": "pgsqld", "clone": "c", "primary": "srv1", "nodes": [], "vips": []}
    assert switchover.Switchover(pacemaker, found, "srv2", 1)._role() == option
