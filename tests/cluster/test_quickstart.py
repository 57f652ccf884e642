"""The quick start for Debian, command by command, on nodes as apt leaves them."""

import json
import re

from lab import scenarios
from tests import quickstart
from tests.cluster.pages import AS_APT_LEAVES_IT, here, play
from tests.conftest import REPOSITORY

LAB = {"nodes": 2, "resource": False, "fencing": False, "wait_for_all": True}
PAGE = REPOSITORY / "docs" / "quickstart-debian.md"


def test_the_quick_start_for_debian_ends_with_a_cluster_that_works(lab):
    blocks = quickstart.blocks(PAGE.read_text(encoding="utf-8"))
    for node in lab.nodes.values():
        node.run(["sh", "-c", AS_APT_LEAVES_IT], timeout=120)
    played = [item for block in blocks if not block.skipped for item in play(lab, block)]
    outputs = {command: result.output for _, command, result in played}
    assert "srv2 is the primary" in outputs["paf switchover srv2 --yes"]
    assert "srv1 is the primary" in outputs["paf switchover srv1 --yes"]
    assert "switchover srv2 -> srv1" in outputs["paf timeline"]
    for name, command, result in played:
        if command == "paf check":
            assert not re.search("^(WARNING|ERROR)", result.output, re.MULTILINE), (name, result)
    found = scenarios.paf(lab.nodes["srv2"], ["status"], lambda _, value: [
        row["state"] for row in value["nodes"]] == ["running", "streaming"])
    assert found["primary"] == "srv1" and found["vips"][0]["node"] == "srv1"


def test_the_crmsh_form_is_the_same_resource(lab):
    page = PAGE.read_text(encoding="utf-8")
    text = here(re.search(r"## With crmsh\n(?s:.*?)\n\n((?:    .*\n)+)", page).group(1))
    node = lab.any_node()
    node.run(["sh", "-c", "cibadmin --empty > /tmp/empty.xml"])
    # crmsh commits nothing that has to be fenced and cannot
    text = "property stonith-enabled=false\n" + text
    node.run(["crm", "configure"], text=text, env={"CIB_file": "/tmp/empty.xml"})
    found = json.loads(node.run(["paf", "check", "--cib", "/tmp/empty.xml", "--output", "json"],
                                check=False).output)
    # a copy with the resource alone: the nodes and their fencing are the cluster's
    assert {row["check"] for row in found if row["level"] != "OK"} <= {"fencing"}
    assert len(found) > 8
