"""Recipes of docs/administration.md that could do harm if they were wrong."""

import pytest

from lab import scenarios
from lab.tools import wait_until

NAME = "max_connections"


def set_to(node, value):
    node.sql(f"alter system set {NAME} = {value}")


def restart_by_hand(lab, name):
    """Restart the server as its owner does, without Pacemaker."""
    lab.nodes[name].run(
        [f"{lab.settings.bindir}/pg_ctl", "restart", "-w", "-s", "-m", "fast", "-D",
         lab.settings.pgdata, "-l", "/dev/null"], user="postgres", env={"LC_ALL": "C.UTF-8"})


def primarys(lab, name):
    """Return the value of the primary that a standby's control file has."""
    text = lab.nodes[name].run([f"{lab.settings.bindir}/pg_controldata", lab.settings.pgdata],
                               user="postgres").output
    return next(line.split()[-1] for line in text.splitlines() if line.startswith(NAME))


def maintenance(lab, value):
    lab.any_node().run(["pcs", "property", "set", f"maintenance-mode={value}"])


@pytest.mark.long
def test_a_limit_is_lowered_in_maintenance_mode_without_a_failover(lab):
    scenarios.wait_for_ranks(lab)
    old, since = lab.primary(), lab.now()
    standbys = sorted(lab.standbys())
    maintenance(lab, "true")
    for name in (old, *standbys):
        wait_until(lambda name=name: name == old or primarys(lab, name) == "30", 90,
                   f"{name} to have replayed the new value")
        set_to(lab.nodes[name], 30)
        restart_by_hand(lab, name)
    lab.any_node().run(["crm_resource", "--refresh", "-r", "pgsqld-clone"])
    maintenance(lab, "false")
    lab.wait_settled(180, primary=old)
    assert {name: node.value(f"show {NAME}") for name, node in lab.nodes.items()} == dict.fromkeys(
        lab.nodes, "30")
    done = [(action.operation, action.node) for transition in lab.transitions(since)
            for action in transition.actions if action.operation in ("demote", "promote", "stop")]
    assert done == [] and lab.fencings() == []
