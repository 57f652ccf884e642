"""What administrators start the cluster with: pcs, crmsh, crm_resource."""

import pytest

from lab.tools import wait_until

LAB = {"nodes": 2, "resource": False, "wait_for_all": True}
AGENT = "ocf:heartbeat:pgsqlms"


def test_pcs_describes_the_agent(lab):
    text = lab.any_node().run(["pcs", "resource", "describe", AGENT]).output
    assert "PostgreSQL streaming replication" in text
    assert "bindir" in text and "interval=15s" in text and "role=Promoted" in text
    assert "warning" not in text.lower()


def test_crmsh_describes_the_agent(lab):
    text = lab.any_node().run(["crm", "ra", "info", AGENT]).output
    assert "PostgreSQL streaming replication" in text
    assert "pgdata" in text


def test_pcs_creates_a_working_resource_from_two_parameters(lab):
    lab.any_node().run([
        "pcs", "resource", "create", "pgsqld", AGENT, f"bindir={lab.settings.bindir}",
        f"pgdata={lab.settings.pgdata}", "promotable", "notify=true"], timeout=180)
    lab.settings.resource = True
    try:
        lab.wait_settled(180, primary="srv1", vip=False, standbys=[])
    finally:
        lab.settings.resource = False


@pytest.mark.long
def test_paf_creates_a_complete_resource_and_check_finds_nothing_in_it(lab):
    node = lab.nodes["srv1"]
    node.run(["sh", "-c", "crm_resource --resource pgsqld-clone --meta --set-parameter target-role "
              "--parameter-value Stopped; crm_resource --wait; "
              "cibadmin --delete --force --xpath \"//clone[@id='pgsqld-clone']\""])
    lab.nodes["srv1"].run(["sed", "-i", "s/^auto/manual/", "/etc/postgresql/15/main/start.conf"])
    words = ["paf", "create", "--bindir", lab.settings.bindir, "--pgdata", lab.settings.pgdata,
             "--name", "db", "--vip", "10.77.0.100/24", "--nic", "eth0"]
    shown = node.run([*words, "--crmsh"])
    assert "clone db-clone db meta promotable=true" in shown.output
    applied = node.run([*words, "--pcs", "--apply", "--yes"])
    assert "done" in applied.output
    wait_until(lambda: "primary srv1; db-ip 10.77.0.100 on srv1" in node.run(
        ["paf", "status"], check=False).output, 90, "the primary and its address", step=0.5)
    assert "ERROR" not in node.run(["paf", "check", "--resource", "db"], check=False).output
