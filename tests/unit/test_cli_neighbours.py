"""paf check: two resources of PAF in one cluster that get into each other's way."""

import pytest

from paf.cli import configuration
from paf.cli.check import neighbours
from tests.unit.test_cli_check import text

__all__ = ["text"]

SECOND = '<clone id="two-clone"><meta_attributes id="m2"><nvpair id="p2" name="promotable" ' \
         'value="true"/></meta_attributes><primitive id="two" class="ocf" ' \
         'provider="heartbeat" type="pgsqlms"><instance_attributes id="two-v">{0}' \
         '</instance_attributes></primitive></clone>'
APART = '<rsc_colocation id="x" rsc="two-clone" with-rsc="pgsqld-clone" score="-INFINITY"{0}/>'
OFF = '<rsc_location id="o-{1}" rsc="{0}" node="{1}" score="-INFINITY"/>'


def of(text, constraints="", **values):
    """Return what is found with a second resource that has these parameters."""
    pairs = "".join(f'<nvpair id="two-{name}" name="{name}" value="{value}"/>'
                    for name, value in values.items())
    configured = configuration.parse(text.replace(
        "</resources>", SECOND.format(pairs) + "</resources>").replace(
            "</constraints>", constraints + "</constraints>"))
    found = [[item.what for item in neighbours.neighbours(
        configured, configuration.find(configured, name))] for name in ("pgsqld", "two")]
    assert len(found[0]) == len(found[1])
    return found[0]


def mine(text):
    found = neighbours._values(configuration.find(configuration.parse(text)))
    return {"pgdata": found.datadir, "pghost": found.pghost, "pgport": found.pgport}


@pytest.mark.parametrize("constraints", ["", APART.format(' rsc-role="Promoted"'),
                                         OFF.format("two-clone", "srv1")])
def test_one_data_directory_or_port_for_two_is_named(text, constraints):
    own = mine(text)
    assert of(text, constraints, **dict(own, pgdata=own["pgdata"] + "/")) == [
        f"pgsqld and two have the same data directory, {own['pgdata']}"]
    assert of(text, constraints, **dict(own, pgdata="/other")) == [
        f"pgsqld and two have the same port, {own['pgport']}, in {own['pghost']}"]


@pytest.mark.parametrize("constraints, other", [
    ("", {"pgdata": "/other", "pgport": "5999"}), ("", {"pgdata": "/other", "pghost": "/run/two"}),
    (APART.format(""), {}),
    (OFF.format("two-clone", "srv1") + OFF.format("pgsqld-clone", "srv2")
     + OFF.format("pgsqld-clone", "srv3"), {})])
def test_two_that_never_meet_are_well(text, constraints, other):
    assert of(text, constraints, **dict(mine(text), **other)) == []


def test_one_that_is_disabled_is_in_no_ones_way(text):
    disabled = SECOND.replace('name="promotable"', 'name="target-role"').replace(
        'value="true"', 'value="Stopped"').format("")
    configured = configuration.parse(text.replace("</resources>", disabled + "</resources>"))
    assert not list(neighbours.neighbours(configured, configuration.find(configured, "two")))
