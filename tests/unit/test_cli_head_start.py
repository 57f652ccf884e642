"""Two nodes that fence each other: who waits how long, as Pacemaker reads it."""

import re

import pytest

from paf.cli import configuration, finding
from paf.cli.check import clusterchecks
from paf.cli.status import votequorum
from tests.unit.test_cli_check import text

__all__ = ["text"]

VOTES = votequorum.Votes(2, 2, 1, {"1": 1, "2": 1}, {"2Node", "Quorate", "WaitForAll"}, "")
NONE = "no node has a head start"
EQUAL = "both nodes wait 5 s before they fence each other"


def of_two(text, version, first, second, *properties):
    """Return a CIB of two nodes; first, second: more parameters of their devices (dicts)."""
    text = text.replace('<node id="3" uname="srv3">', '<node id="3" uname="srv3" type="ping">')
    text = re.sub(r'<primitive id="fence-srv3".*?</primitive>', "", text, flags=re.DOTALL)
    text = re.sub(r'<rsc_location id="fence-srv3[^>]*/>', "", text)
    text = re.sub('(name="dc-version" value=)"[^"]*"', rf'\1"{version}"', text)
    for node, more in (("srv1", first), ("srv2", second)):
        pairs = "".join(f'<nvpair id="{node}-{name}" name="{name}" value="{value}"/>'
                        for name, value in more.items())
        start = f'<instance_attributes id="fence-{node}-params">'
        assert start in text
        text = text.replace(start, start + pairs)
    return text.replace('<cluster_property_set id="cib-bootstrap-options">', (
        '<cluster_property_set id="cib-bootstrap-options">' + "".join(
            f'<nvpair id="x-{name}" name="{name}" value="{value}"/>'
            for name, value in properties)))


BASE = "pcmk_delay_base"
DELAYS = (
    ("2.1.5", {}, {}, NONE), ("2.1.5", {BASE: "5s"}, {}, ""), ("2.1.5", {BASE: "0"}, {}, NONE),
    ("2.1.5", {BASE: "5s"}, {BASE: "5"}, EQUAL), ("2.1.5", {BASE: "5s"}, {BASE: "PT8S"}, ""),
    ("2.1.5", {BASE: "5"}, {"delay": "5"}, EQUAL), ("2.1.5", {"delay": "5"}, {}, ""),
    ("2.1.5", {BASE: "500ms"}, {}, NONE),    # Pacemaker counts whole seconds
    ("2.1.5", {"pcmk_delay_max": "5"}, {"pcmk_delay_max": "5"}, ""),
    ("2.1.5", {"pcmk_delay_max": "5", BASE: "5"}, {"pcmk_delay_max": "5", BASE: "5"}, EQUAL),
    ("2.1.5", {BASE: "srv1:5s;srv2:0s"}, {}, ""), ("2.1.5", {BASE: "SRV1:5s srv2:0s"}, {}, ""),
    ("2.1.5", {BASE: "srv2:5s"}, {}, NONE), ("2.1.5", {BASE: "srv1=5s"}, {}, NONE),
    ("2.1.1", {BASE: "srv1:5s"}, {}, NONE),    # 2.1.2 was the first to read such a map
)


def found(text, version, first, second, *properties, votes=VOTES):
    configured = configuration.parse(of_two(text, version, first, second, *properties))
    return list(clusterchecks.head_start(configured, configuration.find(configured), votes))


@pytest.mark.parametrize("version, first, second, words", DELAYS)
def test_the_nodes_must_not_wait_equally_long(text, version, first, second, words):
    said = found(text, version, first, second)
    assert [item.level for item in said] == ([finding.WARNING] if words else [])
    assert all(item.what.startswith(words) for item in said)


def test_one_device_for_both_waits_equally_long_unless_its_delays_are_by_node(text):
    text = re.sub(r'<rsc_location id="fence-srv[^>]*/>', "", text)
    both = {"pcmk_host_map": "srv1:a;srv2:b"}
    other = {"pcmk_host_check": "none", BASE: "5s"}
    assert found(text, "2.1.5", dict(both, **{BASE: "5s"}), other)
    assert not found(text, "2.1.5", dict(both, **{BASE: "srv1:5s;srv2:9s"}), other)


@pytest.mark.parametrize("version, cure", [
    ("2.1.5", "pcs property set priority-fencing-delay=10s"),
    ("2.0.3", "--set-parameter pcmk_delay_base --parameter-value 15s"),
    ("1.1.13", "--set-parameter pcmk_delay_max --parameter-value 15s")])
def test_the_cure_is_one_that_the_version_has_and_makes_a_difference(text, version, cure):
    item, = found(text, version, {BASE: "5s"} if version != "1.1.13" else {"delay": "5"},
                  {"delay": "5"})
    assert item.pcs[0].endswith(cure)


@pytest.mark.parametrize("version, count", [("2.0.4", 0), ("2.0.3", 1)])
def test_a_priority_counts_where_pacemaker_knows_it(text, version, count):
    text = text.replace('<meta_attributes id="pgsqld-clone-meta">',
                        '<meta_attributes id="pgsqld-clone-meta">'
                        '<nvpair name="priority" id="p" value="1"/>', 1)
    assert len(found(text, version, {}, {}, ("priority-fencing-delay", "10s"))) == count


def test_where_the_votes_are_not_known_a_head_start_is_not_said_to_be_there(text):
    item, = found(text, "2.1.5", {}, {}, votes=votequorum.Votes(
        0, 0, 0, {}, set(), "no answer in time"))
    assert item.level == finding.UNSEEN and "no answer in time" in item.what
