"""Fencing topologies: where a node has levels, a device that can reach it may not be enough."""

import pytest

from paf.cli import configuration, topology, view
from paf.cli.check import clusterchecks
from paf.cli.status import failover, fencing, forecast, simulate, votequorum
from paf.runner import Result
from tests.unit.test_cli_operate import report  # noqa: F401
from tests.unit.test_cli_questions import asked, texts  # noqa: F401

#: What is added to the recorded CIB, and what is found of srv3: whether it can be fenced, by which
#: devices, and the words on what is wrong.
LEVELS = {
    "the device itself": (
        ['target="srv3" index="1" devices="fence-srv3"'], True, ["fence-srv3"], ""),
    "a second device that does not exist": (
        ['target="srv3" index="1" devices="fence-srv3,fence-gone"'], False, [],
        "level 1 of the fencing topology of srv3 fails: fence-gone is no fencing device"),
    "a device of another node": (
        ['target="SRV3" index="2" devices="fence-srv1"'], False, [],
        "level 2 of the fencing topology of srv3 fails: fence-srv1 is not for srv3"),
    "by a pattern": (
        ['target-pattern="srv[23]" index="1" devices="fence-gone"'], False, [],
        "level 1 of the fencing topology of srv3 fails: fence-gone is no fencing device"),
    "by an attribute of the node": (
        ['target-attribute="rack" target-value="a" index="1" devices="fence-gone"'], False, [],
        "level 1 of the fencing topology of srv3 fails: fence-gone is no fencing device"),
    "by an attribute that it has not": (
        ['target-attribute="rack" target-value="b" index="1" devices="fence-gone"'], True,
        ["fence-srv3"], ""),
    "a name wins over a pattern": (
        ['target-pattern="srv3" index="1" devices="fence-gone"',
         'target="srv3" index="1" devices="fence-srv3"'], True, ["fence-srv3"], ""),
    "patterns of which one works": (
        ['target-pattern="srv" index="1" devices="fence-gone"',
         'target-pattern="3" index="1" devices="fence-srv3"'], None, [],
        "level 1 of the fencing topology of srv3 fails: fence-gone is no fencing device"),
    "a pattern that is none": (
        ['target-pattern="(" index="1" devices="fence-gone"'], True, ["fence-srv3"], ""),
    "a second level that works": (
        ['target="srv3" index="1" devices="fence-gone"',
         'target="srv3" index="2" devices="fence-srv3"'], True, ["fence-srv3"],
        "level 1 of the fencing topology of srv3 fails: fence-gone is no fencing device"),
}


@pytest.mark.parametrize("levels, found, possible, devices", [
    ([["fence-vm"]], ["fence-ipmi"], None, []), ([["fence-vm"], ["fence-ipmi"]], ["fence-ipmi"],
                                                 True, ["fence-ipmi"]),
    ([["fence-ipmi", "fence-vm"]], ["fence-ipmi"], None, []),
    ([["fence-ipmi", "fence-vm"]], ["fence-ipmi", "fence-vm"], True, ["fence-ipmi", "fence-vm"])])
def test_only_devices_of_its_levels_count_and_each_of_a_level_has_to_reach_it(
        levels, found, possible, devices):
    """The fencer lists each that reaches a node, and uses those of its topology alone."""
    group = [topology.Level(number, names) for number, names in enumerate(levels, 1)]
    seen = fencing._by_levels([group], "srv1", fencing.Fencing(True, found, False, ""))
    assert (fencing.is_possible(seen), seen.devices) == (possible, devices)
    assert ("fence-vm" in seen.unknown) == (possible is None)


class Fencer:
    """A Pacemaker whose fencer can reach the node by its own device, whatever the topology."""

    def run(self, *argv):
        return Result(0, f"fence-{argv[-1]}\n1 fence device found\n", "", False)


def with_levels(text, levels):
    """Return a CIB with levels, and with srv3 in rack a."""
    made = "".join(f'<fencing-level id="l{number}" {level}/>'
                   for number, level in enumerate(levels))
    for start in ('<node id="3" uname="srv3">', '<node id="3" uname="srv3"/>'):
        if start in text:
            break
    rack = '<instance_attributes id="racks"><nvpair id="rack" name="rack" value="a"/>' \
           "</instance_attributes>"
    text = text.replace(start, start.replace("/>", ">") + rack + "</node>" * ("/>" in start), 1)
    return text.replace("</configuration>", "<fencing-topology>" + made
                        + "</fencing-topology></configuration>")


@pytest.mark.parametrize("name", LEVELS)
def test_a_node_is_fenced_only_by_a_level_that_has_all_its_devices(texts, name):  # noqa: F811
    levels, possible, devices, words = LEVELS[name]
    texts["cib"] = with_levels(texts["cib"], levels)
    configured, seen = configuration.parse(texts["cib"]), view.parse(texts["mon"])
    found = fencing.of(Fencer(), configured, seen, "srv3")
    assert (fencing.is_possible(found), found.devices) == (possible, devices)
    said = [item.what for item in clusterchecks.fencing(
        configured, configuration.find(configured))]
    assert (words in said) if words else (said == [])
    concerns = list(failover.fencing(
        asked(texts), seen, configured, None, type("Facts", (), {"fencing": found})))
    assert [item.known for item in concerns] == {True: [], False: [True], None: [False]}[possible]
    assert all(words in item.what for item in concerns)


@pytest.mark.parametrize("levels, aimless", [
    ({"srv1": "fence-srv1", "srv2": "fence-srv2", "srv3": "fence-srv3"}, []),
    ({"srv1": "fence-srv1", "srv2": "fence-srv2"}, ["fence-srv1", "fence-srv2", "fence-srv3"]),
    ({"srv1": "fence-srv1", "srv2": "fence-srv1", "srv3": "fence-srv3"}, ["fence-srv1"])])
def test_a_board_without_a_list_is_aimed_by_the_levels_of_one_node(
        texts, levels, aimless):  # noqa: F811
    """Pacemaker asks no device which nodes it is for where each node has levels."""
    configured = configuration.parse(with_levels(texts["cib"], [
        f'target="{node}" index="1" devices="{name}"' for node, name in levels.items()]))
    boards = [device._replace(kind=("stonith", "fence_ipmilan"), parameters={}, origins={})
              for device in configured.devices]
    configured = configured._replace(devices=boards)
    assert [name for name, _ in topology.aimless(configured)] == aimless


def test_a_level_with_a_spare_one_is_a_warning_and_names_what_makes_it_whole(texts):  # noqa: F811
    levels = LEVELS["a second level that works"][0]
    (spare,), (alone,) = [
        clusterchecks.fencing(found, configuration.find(found)) for found in (
            configuration.parse(with_levels(texts["cib"], levels[:count])) for count in (2, 1))]
    assert (spare.level, alone.level) == ("WARNING", "ERROR")
    assert alone.pcs == ["pcs stonith create fence-gone AGENT pcmk_host_list=srv3 ..."]
    assert alone.crm == ["crm configure primitive fence-gone stonith:AGENT params "
                         "pcmk_host_list=srv3 ..."]


def test_a_forecast_says_why_a_node_cannot_be_fenced(report):  # noqa: F811
    device = fencing.Fencing(True, [], False, "", "level 1 fails")
    unknown = fencing.Fencing(True, [], False, "no answer")
    assert [list(forecast._of_fencing("srv3", one, "srv3", False))
            for one in (device, unknown)] == [
                [("srv3 cannot be fenced (level 1 fails)", False)],
                [("srv3 may or may not be fenced (no answer)", None)]]


@pytest.mark.parametrize("printed, devices", [
    ("fence-srv1\n1 fence device found\n", ["fence-srv1"]), ("0 fence devices found\n", []),
    ("No devices found\n", []), ("Could not connect to fencer\n", None), ("", None)])
def test_devices_are_read_from_stonith_admin(printed, devices):
    assert fencing.listed(printed) == devices


class Silent:
    """A Pacemaker whose programs do not end in time."""

    def run(self, *argv):
        return Result(-9, "", "", True)


def test_programs_that_hang_leave_facts_unknown(texts):  # noqa: F811
    configured = configuration.parse(texts["cib"])
    managed = configuration.find(configured)
    assert "in time" in simulate.loss(Silent(), managed, ["srv3"]).unknown
    assert "in time" in votequorum.of(Silent()).unknown
    seen = view.parse(texts["mon"])
    assert fencing.is_possible(fencing.of(Silent(), configured, seen, "srv3")) is None


class Without:
    """A Pacemaker whose fencer here has no device for the node."""

    def run(self, *argv):
        return Result(0, "0 fence devices found\n", "", False)


def test_names_in_the_list_of_a_device_count_without_regard_to_case(texts):  # noqa: F811
    configured = configuration.parse(texts["cib"].replace(
        'pcmk_host_list" value="srv3', 'pcmk_host_list" value="SRV3'))
    found = fencing.of(Without(), configured, view.parse(texts["mon"]), "srv3")
    assert (found.devices, fencing.is_possible(found)) == (["fence-srv3"], True)


def test_a_device_that_may_not_run_here_is_known_by_its_configuration(texts):  # noqa: F811
    configured, seen = configuration.parse(texts["cib"]), view.parse(texts["mon"])
    found = fencing.of(Without(), configured, seen, "srv3")
    assert (found.devices, fencing.is_possible(found)) == (["fence-srv3"], True)
    assert fencing.is_possible(fencing.of(Without(), configured, seen, "srv9")) is False
    off = seen._replace(instances=[])
    assert fencing.is_possible(fencing.of(Without(), configured, off, "srv3")) is False
    # one that has to be asked, and cannot be from here
    texts["cib"] = texts["cib"].replace('name="pcmk_host_list"', 'name="other"').replace(
        "static-list", "status")
    asked_for = configuration.parse(texts["cib"])
    assert fencing.is_possible(fencing.of(Without(), asked_for, seen, "srv3")) is None
