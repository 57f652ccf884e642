"""Where the addresses would be, by crm_simulate: an address that cannot move does not come along.

blocked.txt and twice.txt in tests/data/cli/crm_simulate are of Pacemaker 2.1.5: a wish for srv1 in
cib.xml, where the stop of the address has failed on srv3 (on-fail=block), and where the address is
on two nodes (multiple-active=block).
"""

import pytest

from paf.cli import switchover
from paf.cli.status import forecast, simulate
from tests.unit.test_cli_questions import FENCED, asked, codes, texts  # noqa: F401

VIP = "pgsql-master-ip"
NOT_KNOWN = f"where the address {VIP} would be is not known"


def recorded(data, name):
    return (data / "cli" / "crm_simulate" / f"{name}.txt").read_text()


@pytest.mark.parametrize("name, where", [("blocked", "srv3"), ("twice", "srv2 and srv3")])
def test_an_address_that_is_blocked_does_not_come_along(data, name, where):
    found = simulate.outcome(recorded(data, name), "pgsqld", [])
    assert (found.promoted, found.places) == ("srv1", {VIP: where})
    said = f"the address {VIP} would be on {where}"
    assert list(simulate.left_behind(found, [VIP])) == [said]
    obstacle, = switchover.impossible({"vips": [{"name": VIP}]}, found, "srv1")
    assert obstacle.startswith(said)


@pytest.mark.parametrize("line, place", [
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started srv1", "srv1"),
    (" {0}\t(ocf::heartbeat:IPaddr2):\tStarted srv1", "srv1"),    # Pacemaker 1.1
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started srv1 (unmanaged)", "srv1"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t ORPHANED Started srv3 (unmanaged)", "srv3"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Stopped", None),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Stopped (disabled)", None),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t FAILED srv3 (blocked)", "srv3"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t FAILED Started srv3 (disabled, blocked)", "srv3"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t FAILED", None),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t FAILED (blocked) [ srv2 srv3 ]", "srv2 and srv3"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started [ srv2 srv3 ]", "srv2 and srv3"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started (blocked) [ srv3 ]", "srv3"),
    ("  * {0}:0\t(ocf:heartbeat:IPaddr2):\t Started srv1\n"
     "  * {0}:1\t(ocf:heartbeat:IPaddr2):\t Stopped", "srv1"),    # a unique clone
    ("  * {0}:0\t(ocf:heartbeat:IPaddr2):\t Started srv1\n"
     "  * {0}:1\t(ocf:heartbeat:IPaddr2):\t Started srv2", "srv1 and srv2"),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Starting srv1", simulate.UNKNOWN),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started", simulate.UNKNOWN),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t Started srv1 or srv2", simulate.UNKNOWN),
    ("  * {0}\t(ocf:heartbeat:IPaddr2):\t ", simulate.UNKNOWN)])
def test_the_node_of_a_resource_is_read_from_its_line(line, place):
    found = simulate.outcome("Revised Cluster Status:\n" + line.format(VIP), "pgsqld", [])
    assert found.places == {VIP: place}


def test_instances_of_the_primarys_clone_are_no_addresses(data):
    assert simulate.outcome(recorded(data, "none"), "pgsqld", []).places == {"pgsqld-ip": None}


@pytest.mark.parametrize("places", [{VIP: simulate.UNKNOWN}, {}, {"another": "srv1"}])
def test_an_address_whose_place_is_not_known_does_not_count_as_one_that_comes_along(
        texts, places):  # noqa: F811
    outcome = simulate.Outcome("srv1", True, "", places)
    assert list(simulate.left_behind(outcome, [VIP])) == []
    assert list(simulate.unplaced(outcome, [VIP])) == [NOT_KNOWN]
    found = asked(texts, outcome=outcome)
    assert found["failover"]["answer"] is None and codes(found) == ["address-unknown"]
    assert NOT_KNOWN in found["failover"]["text"]
    loss = forecast.judge(found, ["srv3"], outcome, {"srv3": FENCED}, True)
    assert NOT_KNOWN in loss.reasons and not forecast.is_good(loss)
    assert list(switchover.impossible(found, outcome, "srv1")) == []    # it may well come along
    assert NOT_KNOWN in list(switchover.doubts(found, outcome, "srv1"))


def test_where_nothing_was_looked_at_nothing_is_said():
    """And of no failover at all there are no addresses to speak of."""
    for outcome in (simulate.Outcome("srv1", True, ""), simulate.Outcome(None, True, "", {})):
        assert list(simulate.unplaced(outcome, [VIP])) == []
        assert list(simulate.left_behind(outcome, [VIP])) == []
