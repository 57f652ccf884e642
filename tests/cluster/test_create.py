"""What `paf create` prints or applies becomes a cluster that works, with pcs and with crmsh."""

import pytest

from lab import scenarios

LAB = {"nodes": 2, "resource": False, "wait_for_all": True}


@pytest.fixture
def bare(lab):
    """A lab without a resource, PostgreSQL's own start as in Debian's quick start."""
    for node in lab.nodes.values():
        node.run(["sed", "-i", "s/^auto/manual/", "/etc/postgresql/15/main/start.conf"])
    yield lab
    for name in ("pgsqld-ip", "pgsqld"):
        lab.any_node().run(["pcs", "resource", "delete", name], check=False, timeout=300)
    lab.settings.resource = False
    lab.wait_settled(180)


def create(lab, *options, check=True):
    """Run `paf create` on a node."""
    return lab.any_node().run(
        ["paf", "create", "--bindir", lab.settings.bindir, "--pgdata", lab.settings.pgdata,
         "--vip", "10.77.0.100/24", "--rejoin", "manual", *options], check=check, timeout=300)


def assert_works(lab):
    """See a primary with its address, a standby that can take over, and nothing for paf check."""
    lab.settings.resource = True
    lab.wait_settled(180)
    scenarios.wait_for_ranks(lab)
    # a question to a server that comes too late, or a score that is about to change, is no mistake
    report = scenarios.paf(lab.any_node(), ["status"], lambda result, _: result.ok)
    assert report["vips"] == [{"name": "pgsqld-ip", "address": "10.77.0.100",
                               "node": report["primary"], "nodes": [report["primary"]]}]
    for node in lab.nodes.values():
        scenarios.paf(node, ["check"], lambda _, rows: {row["level"] for row in rows} == {"OK"})


@pytest.mark.long    # test_tools creates one with pcs, too
def test_what_is_applied_with_pcs_works_and_is_not_made_twice(bare):
    assert "done: look at paf status" in create(bare, "--pcs", "--apply", "--yes").output
    assert_works(bare)
    again = create(bare, "--pcs", "--apply", "--yes", check=False)
    assert again.status == 2 and "there is a resource pgsqld already" in again.error
    assert_works(bare)


@pytest.mark.long
def test_what_is_printed_for_crmsh_works(bare):
    printed = create(bare, "--crmsh").output
    assert printed.startswith("crm configure <<'END'\nprimitive pgsqld ")
    bare.any_node().run(["sh", "-euc", printed], timeout=120)
    assert_works(bare)
