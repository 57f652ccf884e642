"""What `paf create` prints or applies becomes a cluster that works, with pcs and with crmsh."""

import json

import pytest

from tests import scenarios

LAB = {"nodes": 2, "resource": False}


@pytest.fixture
def bare(lab):
    """A lab without a resource, PostgreSQL's own start as Debian's quick start has it."""
    for node in lab.nodes.values():
        node.run(["sed", "-i", "s/^auto/manual/", "/etc/postgresql/15/main/start.conf"])
    yield lab
    for name in ("pgsqld-ip", "pgsqld"):
        lab.any_node().run(["pcs", "resource", "delete", name], check=False, timeout=120)
    lab.settings.resource = False
    lab.wait_settled(60)


@pytest.mark.parametrize("shell", ["--pcs", "--crmsh"])
@pytest.mark.parametrize("how", ["applied", "printed"])
def test_what_is_created_works(bare, shell, how):
    node = bare.any_node()
    command = ["paf", "create", shell, "--bindir", bare.settings.bindir,
               "--pgdata", bare.settings.pgdata, "--vip", "10.77.0.100/24", "--rejoin", "manual"]
    if how == "applied":
        result = node.run([*command, "--apply", "--yes"], timeout=120)
        assert "done: look at paf status" in result.output
    else:
        printed = node.run(command, timeout=120).output
        node.run(["sh", "-euc", f"cd /tmp && {printed}"], timeout=120)
    bare.settings.resource = True
    bare.wait_settled(120, vip=False)
    scenarios.wait_for_ranks(bare)
    report = json.loads(node.run(["paf", "status", "--output", "json"]).output)
    assert report["vips"] == [
        {"name": "pgsqld-ip", "address": "10.77.0.100", "node": report["primary"]}]
    for each in bare.nodes.values():
        checked = each.run(["paf", "check", "--output", "json"], check=False)
        assert [row for row in json.loads(checked.output) if row["level"] != "OK"] == []


def test_a_second_one_of_the_same_name_is_refused_and_changes_nothing(bare):
    node = bare.any_node()
    command = ["paf", "create", "--bindir", bare.settings.bindir, "--pgdata",
               bare.settings.pgdata, "--apply", "--yes"]
    node.run(command, timeout=120)
    before = node.run(["cibadmin", "--query", "--scope", "configuration"]).output
    again = node.run(command, check=False, timeout=120)
    assert again.status == 2 and "there is a resource pgsqld already" in again.error
    assert node.run(["cibadmin", "--query", "--scope", "configuration"]).output == before
