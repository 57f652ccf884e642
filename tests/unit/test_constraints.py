"""The recommended constraints in Pacemaker's scheduler: the order is right, nothing blocks.

Standbys fetch the primary's last WAL through the address, which is therefore stopped after the
demotion. It is stopped whenever it has to be, also where a transition ended halfway.
"""

import shlex
from xml.etree import ElementTree

import pytest

from lab import cib as lab_cib
from lab.settings import Settings
from paf.cli import finding
from tests.unit import scheduler
from tests.unit.scheduler import Simulation

CLONE, VIP, PRIMARY = "pgsqld-clone", "pgsql-master-ip", "srv3"
NODES = ("srv1", "srv2", "srv3")


def orders(root, kind=None):
    """Put the lab's orders, which are those of the documentation, in place of the recorded ones.

    kind: of the order of demote and stop; the recommended one without.
    """
    constraints = root.find(".//constraints")
    for old in constraints.findall("rsc_order"):
        constraints.remove(old)
    lab = ElementTree.fromstring(lab_cib.build(Settings()))
    for order in lab.findall(".//constraints/rsc_order"):
        order.set("then", VIP)
        if kind and order.get("then-action") == "stop":
            order.set("kind", kind)
        constraints.append(order)


def move(root):
    scheduler.add(root.find(".//constraints"), "rsc_location", id="cli-prefer", rsc=CLONE,
                  node="srv2", score="INFINITY", role="Promoted")


def ban(root):
    scheduler.add(root.find(".//constraints"), "rsc_location", id="cli-ban", rsc=CLONE,
                  node=PRIMARY, score="-INFINITY", role="Promoted")


def for_all(change, *words):
    def edit(root):
        for node in NODES:
            change(root, node, *words)
    return edit


#: Whatever makes the primary move, come back or end: a change of the CIB, options of crm_simulate,
#: and whether a demotion is part of it.
TRANSITIONS = {
    "switchover": (move, (), True),
    "ban": (ban, (), True),
    "node standby": (lambda root: scheduler.set_node(root, PRIMARY, "standby", "on"), (), True),
    "all nodes standby": (for_all(scheduler.set_node, "standby", "on"), (), True),
    "stop of all resources":
        (lambda root: scheduler.set_property(root, "stop-all-resources", "true"), (), True),
    "resource disabled":
        (lambda root: scheduler.set_meta(root, CLONE, "target-role", "Stopped"), (), True),
    "no role Promoted":
        (lambda root: scheduler.set_meta(root, CLONE, "target-role", "Unpromoted"), (), True),
    "address disabled":
        (lambda root: scheduler.set_meta(root, VIP, "target-role", "Stopped"), (), False),
    "shutdown of the primary's node":
        (lambda root: scheduler.shut_down(root, PRIMARY), (), True),
    "shutdown of all nodes": (for_all(scheduler.shut_down), (), True),
    "failover": (lambda root: None, ("--node-fail", PRIMARY), False),
    "crash": (lambda root: None, ("--op-inject", f"pgsqld_monitor_15000@{PRIMARY}=9"), True),
    "address fails":
        (lambda root: None, ("--op-inject", f"{VIP}_monitor_10000@{PRIMARY}=7"), False),
}
FAILURES = {
    "demote": f"pgsqld_demote_0@{PRIMARY}=1", "stop": f"pgsqld_stop_0@{PRIMARY}=1",
    "stop of the address": f"{VIP}_stop_0@{PRIMARY}=1", "promote": "pgsqld_promote_0@srv2=1",
}


@pytest.fixture
def cluster(data, tmp_path):
    """Return a function: a Simulation of a running cluster with an edit made."""
    def make(edit, kind=None):
        root = ElementTree.parse(data / "cli" / "cib.xml").getroot()
        orders(root, kind)
        edit(root)
        return Simulation(root, tmp_path)
    return make


def held_back(plan, nodes=NODES):
    """Return what is blocked of the address and of the instances on these nodes."""
    return [line for line in plan.blocked if "fence-" not in line
            and any(node in line for node in nodes)]


def in_order(plan):
    """Return whether the address outlives a demotion that is part of the plan."""
    demote = plan.position("pgsqld", "demote", PRIMARY)
    stop = plan.position(VIP, "stop", PRIMARY)
    return demote is None or stop is None or demote < stop


@pytest.mark.parametrize("name", TRANSITIONS)
def test_the_address_is_stopped_after_the_demotion_and_nothing_is_blocked(cluster, name):
    edit, options, demotes = TRANSITIONS[name]
    plan = cluster(edit).plan(*options)
    assert (plan.position("pgsqld", "demote", PRIMARY) is not None) == demotes, plan.output
    assert in_order(plan) and not held_back(plan), plan.output


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_that_ends_halfway_is_taken_up_by_the_next_one(cluster, name):
    """By the same DC after an abort, and by a DC that is alone, after each action."""
    edit, options, _ = TRANSITIONS[name]
    whole = cluster(edit)
    survivor = "srv1" if name == "failover" else PRIMARY
    actions = [action for action in whole.plan(*options).actions
               if action[0] in ("pgsqld", VIP)]
    for count in range(1, len(actions) + 1):
        half = whole.after(actions[:count], *options)
        same = half.plan()
        scheduler.leave_alone(half.root, survivor)
        for plan, members in ((same, NODES), (half.plan(), (survivor,))):
            assert in_order(plan) and not held_back(plan, members), (actions[:count], plan.output)


@pytest.mark.parametrize("name", FAILURES)
def test_an_action_that_fails_blocks_nothing_after_it(cluster, name):
    failed = cluster(move).done("--op-fail", FAILURES[name])
    plan = failed.plan()
    assert in_order(plan) and not held_back(plan), plan.output
    after = failed.done().plan().output.partition("Revised Cluster Status")[2]
    promoted = [line for line in after.splitlines() if "* Promoted:" in line]
    address = [line for line in after.splitlines() if VIP in line]
    assert promoted and address, after
    assert promoted[0].split("[ ")[1].split()[0] == address[0].split("Started ")[-1], after


def test_a_mandatory_order_blocks_an_address_whose_primary_was_demoted_already(cluster):
    """The documentation recommended this order before; it shows that the tests above can fail."""
    for name in ("switchover", "shutdown of all nodes"):
        whole = cluster(TRANSITIONS[name][0], "Mandatory")
        actions = whole.plan().actions
        demoted = actions.index(("pgsqld", "demote", PRIMARY)) + 1
        assert held_back(whole.after(actions[:demoted]).plan()), name


def test_the_shutdown_that_was_recorded_ends(data, tmp_path):
    root = ElementTree.parse(data / "scheduler" / "1.1.24-shutdown.xml").getroot()
    recorded = Simulation(root, tmp_path).plan()
    assert recorded.blocked and recorded.actions == ()
    for order in root.iter("rsc_order"):
        if order.get("then-action") == "stop":
            order.set("kind", "Optional")
    plan = Simulation(root, tmp_path).plan()
    assert plan.blocked == () and plan.actions == (("pgsqld-ip", "stop", "srv1"),)


@pytest.mark.parametrize("first, then", [("promote", "start"), ("demote", "stop")])
def test_the_pages_and_paf_create_have_the_orders_of_the_lab(repository, first, then):
    lab = ElementTree.fromstring(lab_cib.build(Settings()))
    order, = [item for item in lab.iter("rsc_order") if item.get("first-action") == first]
    kind = order.get("kind")
    pcs, crm = finding.ordered("pgsqld-clone", first, "pgsql-ip", then)
    assert shlex.split(pcs[0])[-2:] == ["symmetrical=false", f"kind={kind}"]
    assert f" {kind}: " in crm[0] and crm[0].endswith("symmetrical=false")
    pages = [repository / "README.md", *(repository / "docs").glob("*.md")]
    shown = [" ".join(text.replace("\\\n", "").split())
             for page in pages for text in page.read_text(encoding="utf-8").split("pcs ")
             if f"constraint order {first} pgsqld-clone then {then} pgsql-ip" in text]
    assert len(shown) >= 4
    assert all(f"symmetrical=false kind={kind}" in text for text in shown)
    crmsh = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()
             if f"pgsqld-clone:{first} pgsql-ip:{then}" in line]
    assert crmsh and all(f" {kind}: " in line for line in crmsh)


@pytest.mark.parametrize("threshold, expected", [
    ("5", [("demote", PRIMARY), ("stop", PRIMARY), ("start", PRIMARY), ("promote", "srv1")]),
    ("1", [("demote", PRIMARY), ("stop", PRIMARY), ("promote", "srv1")])])
def test_a_crash_is_recovered_before_another_is_promoted_unless_one_failure_is_too_many(
        cluster, threshold, expected):
    # so the agent cannot hand a long recovery over to a standby: docs/configuration.md
    def edit(root):
        scheduler.set_meta(root, CLONE, "migration-threshold", threshold)
        next(pair for pair in root.iter("nvpair") if pair.get("name") == "master-pgsqld"
             and pair.get("value") == "1001").set("value", "-1")
    plan = cluster(edit).plan("--op-inject", f"pgsqld_monitor_15000@{PRIMARY}=9")
    assert [(action, node) for resource, action, node in plan.actions
            if resource == "pgsqld"] == expected
