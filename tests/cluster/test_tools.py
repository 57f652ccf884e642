"""What administrators start the cluster with: pcs, crmsh, crm_resource."""

LAB = {"nodes": 2, "resource": False}
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
        f"pgdata={lab.settings.pgdata}", "promotable", "notify=true"])
    lab.settings.resource = True
    try:
        lab.wait_settled(90, primary="srv1", vip=False, standbys=[])
    finally:
        lab.settings.resource = False
