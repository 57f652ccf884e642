"""From the Perl agent of PAF 2.3.0 to this one, node by node, as docs/coming-from-2.x.md describes.

Packages are installed with apt in the nodes. A client writes all the time; at each mixed stage the
primary moves, once by an administrator's wish and once because its power is cut.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from lab import scenarios
from lab import agents
from lab.cib import RESOURCE
from lab.report import two_primaries
from lab.tools import run, wait_until

LAB = {"agent": "perl", "postgres": scenarios.SYNCHRONOUS, "operations": {
    "monitor:Promoted": {"interval": "5s"}, "monitor:Unpromoted": {"interval": "6s"}}}
AGENT = "/usr/lib/ocf/resource.d/heartbeat/pgsqlms"
PYTHON = "#!/usr/bin/python3 -ISB"
PERL = "#!/usr/bin/perl"

#: What the docs offer to take a node out of Pacemaker's hands, and to give it back.
TOOLS = {
    "srv3": (["pcs", "node", "maintenance", "srv3", "--wait"],
             ["pcs", "node", "unmaintenance", "srv3", "--wait"]),
    "srv2": (["crm", "--wait", "node", "maintenance", "srv2"],
             ["crm", "--wait", "node", "ready", "srv2"]),
    "srv1": (["crm_attribute", "-N", "srv1", "-n", "maintenance", "-v", "true"],
             ["crm_attribute", "-N", "srv1", "-n", "maintenance", "-D"]),
}

#: Longest wait for a row while nothing moves, in seconds: the machine is busy.
UNDISTURBED = 3.0


@pytest.mark.long
def test_node_by_node(lab):
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: install(lab, node, "perl"), lab.nodes.values()))
    configuration = resources(lab)
    calm = []
    first, second, last = "srv3", "srv2", "srv1"
    with lab.sampler() as sampler, lab.client() as client:
        client.wait_rows(100)
        upgrade(lab, first, calm)
        switchover(lab, first)                      # from a Perl primary, before Perl voters
        upgrade(lab, second, calm)
        old = failover(lab, client)                 # one standby of each kind
        scenarios.bring_back(lab, old)
        upgrade(lab, last, calm)
        switchover(lab, scenarios.ranked_standbys(lab)[0])
        client.wait_rows(100)
    assert client.report().lost == []
    assert two_primaries(sampler.report()) == []
    assert [gap for gap in client.report().gaps if gap.seconds > UNDISTURBED and any(
        gap.start < end and start < gap.end for start, end in calm)] == []
    assert [fencing["node"] for fencing in lab.fencings()] == [old]
    assert resources(lab) == configuration
    assert {interpreter(node) for node in lab.nodes.values()} == {PYTHON}


def upgrade(lab, name, calm):
    """Upgrade a node as the docs say, check that nothing moves; note the time in `calm`."""
    node, primary = lab.nodes[name], lab.primary()
    begin, since = time.monotonic(), lab.now()
    assert interpreter(node).startswith(PERL)
    node.run(TOOLS[name][0])
    wait_until(lambda: lab.status().nodes.get(name) == "maintenance", 90,
               f"{name} to be in maintenance", step=0.2)
    install(lab, node, "ours")
    node.run(TOOLS[name][1])
    lab.wait_settled(180, primary=primary)
    wait_until(lambda: monitored(lab, name, since), 90, f"a monitor by the new agent on {name}",
               step=0.2)
    assert interpreter(node) == PYTHON
    assert "__pycache__" in node.run(["ls", "/usr/share/resource-agents-paf/paf"]).output
    assert [action for transition in lab.transitions(since) for action in transition.actions
            if action.resource == RESOURCE
            and action.operation in ("start", "stop", "promote", "demote", "reload")] == []
    calm.append((begin, time.monotonic()))


def install(lab, node, agent):
    """Install an agent's package with apt in the node, which needs nothing from any archive."""
    deb = agents.package(agent, lab.settings.variant)
    run(["cp", deb, lab.settings.shared / f"{node.name}.deb"])
    node.run(["apt-get", "install", "--yes", "--no-install-recommends",
              f"/run/paf-lab/{node.name}.deb"],
             env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=180)


def monitored(lab, name, since):
    """Return whether a recurring monitor of the resource was started on that node."""
    return any(action.operation == "monitor" and action.node == name and action.interval
               and action.resource == RESOURCE and action.result in ("ok", "promoted")
               for transition in lab.transitions(since) for action in transition.actions)


def switchover(lab, target):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    scenarios.request_switchover(lab, target)
    lab.wait_settled(180, primary=target)
    scenarios.withdraw_request(lab)
    assert old != target


def failover(lab, client):
    """Cut the primary's power; the standby with the best score lacks rows, and must not win."""
    old, stale = scenarios.power_cut_with_a_stale_favourite(lab, client)
    lab.wait_settled(180, online=[name for name in lab.nodes if name != old])
    assert lab.primary() not in (old, stale)
    return old


def resources(lab):
    """Return all elements of the CIB's resources and constraints; crmsh changes their order."""
    cib = ElementTree.fromstring(lab.any_node().run(["cibadmin", "--query", "--local"]).output)
    return sorted((element.tag, sorted(element.attrib.items()))
                  for section in ("resources", "constraints")
                  for element in cib.find(f"configuration/{section}").iter())


def interpreter(node):
    """Return the first line of the node's agent."""
    return node.run(["head", "-n", "1", AGENT]).output.strip()
