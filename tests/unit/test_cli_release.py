"""paf check and paf status by Pacemaker's version: known faults, and the names of options."""

import pytest

from paf.cli import configuration
from paf.cli.check import clusterchecks, release
from paf.cli.configuration import options

VERSION = '<nvpair id="v" name="dc-version" value="{0}"/>'
OFF = '<nvpair id="f" name="{0}" value="false"/>'
REMOTE = '<primitive id="far" class="ocf" provider="pacemaker" type="remote"/></resources>'


@pytest.fixture
def configured(data):
    text = (data / "cli" / "cib.xml").read_text()

    def make(version, *pairs, resources="</resources>"):
        head, rest = text.split("</crm_config>", 1)
        lines = [line for line in head.splitlines()
                 if "stonith-enabled" not in line and 'name="dc-version"' not in line]
        pairs = (VERSION.format(version), *pairs)
        head = "\n".join(lines).replace("</cluster_property_set>",
                                        "".join(pairs) + "</cluster_property_set>", 1)
        return configuration.parse(head + "</crm_config>" + rest.replace(
            "</resources>", resources, 1))
    return make


def said(rule, configured):
    return [item.what for item in rule(configured, configuration.find(configured))]


@pytest.mark.parametrize("version, loses", [
    ("1.1.10-368c726411", True), ("1.1.11-1", False), ("1.1.24-3850484742", False),
    ("3.0.3-2", False), ("", False), ("unknown", False)])
def test_a_pacemaker_that_loses_monitors_is_named(configured, version, loses):
    found = said(release.release, configured(version))
    assert any("loses recurring monitors" in what for what in found) is loses


@pytest.mark.parametrize("version, resources, warned", [
    ("3.0.2-1", REMOTE, True), ("2.1.5-a3f44794f94", REMOTE, True), ("3.0.3-2", REMOTE, False),
    ("3.0.2-1", "</resources>", False)])
def test_a_hole_matters_where_others_may_connect(configured, version, resources, warned):
    found = said(release.release, configured(version, resources=resources))
    assert any("CVE-2026-10649" in what for what in found) is warned


@pytest.mark.parametrize("version, set_as, name", [
    ("2.1.5-x", None, "stonith-enabled"), ("3.0.1-x", None, "stonith-enabled"),
    ("3.0.2-x", None, "fencing-enabled"), ("3.0.3-x", "stonith-enabled", "stonith-enabled"),
    ("", "fencing-enabled", "fencing-enabled")])
def test_an_option_of_fencing_has_the_name_of_the_version_or_the_one_it_has(
        configured, version, set_as, name):
    found = configured(version, *([OFF.format(set_as)] if set_as else []))
    assert options.fencing(found, "enabled") == name
    if set_as:
        wrong = [item for item in clusterchecks.fencing(found, configuration.find(found))
                 if item.what.startswith("fencing is off")]
        assert wrong[0].what == f"fencing is off ({name}=false)"
        assert wrong[0].pcs == [f"pcs property set {name}=true"]
