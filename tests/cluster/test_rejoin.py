"""The return of an old primary that has diverged, in both modes of `rejoin`."""

import pytest

from lab import scenarios
from lab.tools import wait_until


def set_rejoin(lab, value):
    """Change the parameter, which is reloadable: nothing may be restarted for it."""
    lab.any_node().run(["crm_resource", "--resource", "pgsqld", "--set-parameter", "rejoin",
                        "--parameter-value", value])
    lab.wait_settled(180)


@pytest.mark.parametrize("crash", ["power cut", "and an interrupted rewind"])
def test_rewind_brings_it_back(lab, crash):
    set_rejoin(lab, "rewind")
    old = scenarios.diverge(lab)
    if crash != "power cut":
        # what a rewind leaves that was killed on the way: the other's configuration files
        lab.nodes[old].disk.path(f"{lab.settings.pgdata}/postgresql.auto.conf").write_text(
            "primary_conninfo = 'application_name=nobody'\n", encoding="utf-8")
    fenced = len(lab.fencings())
    lab.power_on(old)
    if crash != "power cut":
        wait_until(lambda: f"start on {old} returned" in lab.crm_mon(), 90,
                   "the wrong application_name to be refused", step=0.5)
        lab.nodes[old].run(["truncate", "-s", "0",
                            f"{lab.settings.pgdata}/postgresql.auto.conf"])
        lab.nodes[old].run(["crm_resource", "--cleanup", "--resource", "pgsqld", "--node", old])
    lab.wait_settled(180)
    assert old in lab.standbys()
    assert len(lab.fencings()) == fenced
    assert "rewound to the primary's history" in lab.nodes[old].log()
    assert not lab.nodes[old].run(["sh", "-c", "ls -d /run/resource-agents/pgsqlms-rewind*"],
                                  check=False).ok


def test_manual_leaves_it_stopped_with_the_reason(lab):
    set_rejoin(lab, "manual")
    old = scenarios.diverge(lab)
    primary, fenced = lab.primary(), len(lab.fencings())
    lab.power_on(old)
    wait_until(lambda: f"start on {old} returned" in lab.crm_mon(), 90, "the refusal", step=0.5)
    lab.wait_settled(180, primary=primary, stopped=[old])
    assert "diverged: " in lab.crm_mon() and "exist only here" in lab.crm_mon()
    assert len(lab.fencings()) == fenced
    scenarios.rebuild(lab, old)
    lab.wait_settled(180, primary=primary)
