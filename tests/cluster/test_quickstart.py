"""The quick start for Debian, command by command, on nodes as apt leaves them."""

import json
import re

from lab import scenarios
from tests import quickstart
from tests.conftest import REPOSITORY
from lab.tools import wait_until

LAB = {"nodes": 2, "resource": False, "fencing": False}
PAGE = REPOSITORY / "docs" / "quickstart-debian.md"

#: All that the lab needs otherwise than the page has it: the addresses, and a fence device.
SUBSTITUTIONS = (
    (r"192\.168\.1\.50\b", "10.77.0.100"),
    (r"192\.168\.1\.", "10.77.0."),
    (r"fence_ipmilan (pcmk_host_list=\S+) .*", r"fence_paf_lab \1 pcmk_host_check=static-list"),
)

#: What apt does when it installs postgresql-15, in place of the lab's own data directory.
AS_APT_LEAVES_IT = (
    "rm -rf /etc/postgresql/15 /var/lib/postgresql/15 /var/lib/postgresql/*.conf && "
    "pg_createcluster 15 main --start")


def here(command):
    """Return a command of the page as it is run in the lab."""
    for old, new in SUBSTITUTIONS:
        command = re.sub(old, new, command)
    return command


def play(lab, block):
    """Run a block's commands in turn, on each of its nodes."""
    for name in block.nodes:
        for command in block.commands:
            def run(name=name, command=command):
                return lab.nodes[name].run(["bash", "-c", here(command)], check=False, timeout=300)
            result = run()
            # a server that answers too late is no mistake that a second look would find
            patient = command == "paf check" or command.startswith("crm_resource --wait")
            if (block.until or patient) and not result.ok:
                result = wait_until(lambda run=run: [again for again in [run()] if again.ok], 180,
                                    f"{command} on {name}", 0.5)[0]
            assert result.ok, f"{name}: {command}: {result.output}{result.error}"
            yield name, command, result


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
