"""An instance that a failed stop blocks, as crm_mon of 2.1.5 shows it: who says what of it."""

import pytest

from paf.cli import configuration, servers, switchover, view
from paf.cli.status import fencing, report, simulate, votequorum

VOTES = votequorum.Votes(3, 3, 2, {"1": 1, "2": 1, "3": 1}, {"Quorate"}, "")
PLAIN = 'blocked="false" managed="true" failed="false"'
BLOCKED = 'blocked="true" managed="false" failed="true"'


def reported(data, node):
    """Return the report of a healthy cluster whose primary is srv3, but for a node's instance."""
    mon = (data / "cli" / "crm_mon.xml").read_text()
    place = mon.rindex(PLAIN, 0, mon.index(f'<node name="{node}"', mon.index('id="pgsqld-clone"')))
    configured = configuration.parse((data / "cli" / "cib.xml").read_text())
    own, standbys = servers.understand(
        [["me", "false", "5", "51654312", "51654312", "", "", ""]] + [
            ["standby", name, "streaming", "51654312", "51654312", "", "async", ""]
            for name in ("srv1", "srv2")], "SQL on srv3")
    return report.report(
        view.parse(mon[:place] + BLOCKED + mon[place + len(PLAIN):]), configured,
        configuration.find(configured), report.Facts(
            {"srv3": own, **standbys}, servers.Commits("", 0, 0.0, "on", []),
            simulate.Outcome("srv1", True, ""), fencing.Fencing(True, ["f"], False, ""), VOTES))


@pytest.mark.parametrize("node, is_primary", [("srv1", False), ("srv3", True)])
def test_it_is_named_with_what_ends_it(data, node, is_primary):
    found = reported(data, node)
    item, = found["todo"]
    assert (item["code"], item["node"]) == ("blocked", node) and "dates" not in item["why"]
    assert item["pcs"] == [f"crm_resource --cleanup --resource pgsqld --node {node}"]
    assert (found["failover"]["answer"] is False) == is_primary
    assert [row["node"] for row in found["nodes"] if row["blocked"]] == [node]


def test_it_takes_nothing_over_and_the_cure_is_beside_it(data):
    found = reported(data, "srv1")
    wrong, = switchover.problems(found, "srv1")
    assert "crm_resource --cleanup --resource pgsqld --node srv1" in wrong
    assert list(switchover.problems(found, "srv2")) == []


@pytest.mark.parametrize("node, line", [("srv1", ["srv2", "srv1"]), ("srv2", ["srv1", "srv2"])])
def test_another_standby_comes_before_it(data, node, line):
    found = reported(data, node)
    for row in found["nodes"]:
        row["score"] = 1000
    assert switchover.in_line(found) == line


@pytest.mark.parametrize("membership, words", [
    ("maintenance", "srv2 is in maintenance"), ("standby", "srv2 is a standby node"),
    ("offline", "srv2 is offline")])
def test_why_a_node_takes_nothing_over_is_a_sentence(data, membership, words):
    found = reported(data, "srv1")
    found["nodes"][1]["membership"] = membership
    assert words in list(switchover.problems(found, "srv2"))
