"""Nodes that are none of PostgreSQL's: replicas of another service's bundle, and guests."""

import pytest

from paf.cli import check
from tests.unit.test_cli_questions import asked, texts, with_property  # noqa: F401

BUNDLE = '<bundle id="web-1"><podman image="i" replicas="2"/><primitive id="apache" class="ocf" ' \
         'provider="heartbeat" type="Dummy"/></bundle>'
GUEST = '<primitive id="vm" class="ocf" provider="heartbeat" type="VirtualDomain">' \
        '<meta_attributes id="v"><nvpair id="r" name="remote-node" value="guest"/>' \
        '</meta_attributes></primitive>'
#: As crm_mon of Pacemaker 2.1.5 shows a replica; it is in the CIB once it has an attribute.
SHOWN = '<node name="{}" id="{}" online="{}" type="remote" id_as_resource="x"/>'
LISTED = '<node id="{0}" type="remote" uname="{0}"/>'


@pytest.mark.parametrize("online", ["true", "false"])
def test_a_replica_of_a_bundle_is_no_node_for_postgresql(texts, online):  # noqa: F811
    """Pacemaker runs nothing else there: its instance was said to be down, or to be started."""
    before = asked(texts)
    texts["mon"] = texts["mon"].replace("</nodes>", SHOWN.format("web-1-0", "web-1-0", online)
                                        + "</nodes>")
    texts["cib"] = texts["cib"].replace("</nodes>", LISTED.format("web-1-1") + "</nodes>")
    assert {"web-1-0", "web-1-1"} <= {row["node"] for row in asked(texts)["nodes"]}
    texts["cib"] = texts["cib"].replace("</resources>", BUNDLE + "</resources>")
    assert asked(texts) == before


def fencing(text):
    return [item.what for name, item in check.of_cib(text, "") if item and name == "fencing"]


def test_a_guest_needs_no_fencing_device_of_its_own(texts):  # noqa: F811
    """Pacemaker fences it by stopping the machine that it runs in."""
    texts["cib"] = texts["cib"].replace("</nodes>", LISTED.format("guest") + "</nodes>")
    assert fencing(texts["cib"]) == ["no fencing device for guest"]
    texts["cib"] = texts["cib"].replace("</resources>", GUEST + "</resources>")
    assert fencing(texts["cib"]) == []


REMOTE = '<primitive id="rem" class="ocf" provider="pacemaker" type="remote"/>'
PLACES = "".join('<rsc_location id="{0}-on-{1}" rsc="{0}" node="{1}" score="0" {{}}/>'.format(
    name, node) for name in ("pgsqld-clone", "pgsql-master-ip") for node in (
        "srv1", "srv2", "srv3"))


@pytest.mark.parametrize("symmetric, discovery", [
    ("false", ""), ("true", 'resource-discovery="exclusive"')])
@pytest.mark.parametrize("online", ["true", "false"])
def test_a_remote_node_that_no_location_lets_in_is_not_for_postgresql(
        texts, symmetric, discovery, online):  # noqa: F811
    """It is in crm_mon, and has no entry of its own in the CIB."""
    texts["cib"] = texts["cib"].replace("</constraints>", PLACES.replace("{}", discovery)
                                        + "</constraints>")
    with_property(texts, "symmetric-cluster", symmetric)
    before = asked(texts)["todo"]
    texts["mon"] = texts["mon"].replace("</nodes>", SHOWN.format("rem", "rem", online) + "</nodes>")
    assert len(asked(texts)["todo"]) > len(before)
    texts["cib"] = texts["cib"].replace("</resources>", REMOTE + "</resources>")
    assert asked(texts)["todo"] == before
