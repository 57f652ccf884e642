"""The return of an old primary that has diverged, in all modes of `rejoin`, and `paf rebuild`."""

import json

import pytest

from lab import scenarios
from lab.tools import wait_until
from trials.faults.tools import stand_by

#: Without statistics that are collected at any moment: they are commits.
LAB = {"postgres": {"autovacuum": "off"}}


def set_rejoin(lab, value):
    """Change the parameter, which is reloadable: nothing may be restarted for it."""
    lab.any_node().run(["crm_resource", "--resource", "pgsqld", "--set-parameter", "rejoin",
                        "--parameter-value", value])
    # an idle controller may not have heard of the change; this asks the scheduler
    lab.any_node().run(["crm_resource", "--wait", "--timeout", "120s"], timeout=150)
    lab.wait_settled(180)


def come_back(lab, old):
    """Switch the old primary on; see it stream, fenced by no node, with no journal left."""
    fenced = len(lab.fencings())
    lab.power_on(old)
    lab.wait_settled(240)
    assert old in lab.standbys() and len(lab.fencings()) == fenced
    assert "rewound to the primary's history" in lab.nodes[old].log()
    journal = lab.nodes[old].run(["sh", "-c", f"ls -d {lab.settings.pgdata}/../.*.pgsqlms"],
                                 check=False)
    assert not journal.ok


def test_by_default_it_comes_back_without_a_commit_of_its_own(lab):
    set_rejoin(lab, "safe")
    old = scenarios.diverge(lab, "checkpoint; select pg_switch_wal()")
    come_back(lab, old)
    assert "no commit among them" in lab.nodes[old].log()


def test_rewind_brings_it_back_with_commits_and_paf_lost_has_them(lab):
    set_rejoin(lab, "rewind")
    old = scenarios.diverge(lab)
    come_back(lab, old)
    result = lab.nodes[old].run(["paf", "lost", "--json"], check=False)
    last = json.loads(result.output)[-1]
    assert result.status == 1 and last["commits"], result.output
    assert sum(table["inserted"] for table in last["tables"]) >= 1000


def test_one_commit_keeps_it_stopped_until_it_is_rebuilt(lab):
    set_rejoin(lab, "safe")
    old = scenarios.diverge(lab)
    primary, fenced = lab.primary(), len(lab.fencings())
    lab.power_on(old)
    wait_until(lambda: f"start on {old} returned" in lab.crm_mon(), 180, "the refusal", step=0.5)
    lab.wait_settled(180, primary=primary, stopped=[old])
    assert "diverged: " in lab.crm_mon() and "exist only here, among them" in lab.crm_mon()
    assert len(lab.fencings()) == fenced
    shown = lab.nodes[old].run(["paf", "lost"], check=False)
    assert shown.status == 1 and "only here" in shown.output
    result = lab.nodes[old].run(["paf", "rebuild", "--copy", "--yes"], check=False, timeout=300)
    assert result.ok, result.output
    lab.wait_settled(240, primary=primary)
    assert old in lab.standbys()
    left = lab.nodes[old].run(["sh", "-c", f"ls -d {lab.settings.pgdata}.*"], check=False).output
    assert left.split() == [f"{lab.settings.pgdata}.lost"]


def set_slots(lab, value):
    """Change the parameter `slots`, and have nothing else keep WAL, or as before."""
    for node in lab.nodes.values():
        for name, setting in (("max_slot_wal_keep_size", "1GB"), ("wal_keep_size", "0"),
                              ("min_wal_size", "32MB")):
            node.sql(f"alter system set {name} = '{setting}'" if value else
                     f"alter system reset {name}")
        node.sql("select pg_reload_conf()")
    lab.any_node().run(["crm_resource", "--resource", "pgsqld", "--set-parameter", "slots",
                        "--parameter-value", value or "false"])


@pytest.mark.long
def test_a_standby_that_was_away_finds_its_wal_after_a_failover(lab):
    set_slots(lab, "true")
    old, (away, other) = lab.primary(), lab.standbys()
    count = "select count(*) from pg_replication_slots where slot_name like 'pgsqlms%'"
    for node in lab.nodes.values():
        wait_until(lambda node=node: node.value(count) == "2", 120, "its slots", step=0.5)
    stand_by(lab, away)
    first = lab.nodes[old].value("select pg_walfile_name(pg_current_wal_lsn())")
    for _ in range(6):
        lab.nodes[old].sql("create table if not exists filler (n int); insert into filler values "
                           "(1); select pg_switch_wal()")
    lab.nodes[old].sql("checkpoint")
    end = lab.nodes[old].value("select pg_current_wal_lsn()")
    wait_until(lambda: lab.nodes[other].value(
        f"select pg_last_wal_replay_lsn() >= '{end}'") == "t", 60, "the WAL on the other")
    lab.nodes[other].sql("checkpoint")
    lab.power_off(old)
    wait_until(lambda: lab.primary_now() == other, 180, "the failover", step=0.5)
    lab.nodes[other].sql("checkpoint")
    kept = lab.nodes[other].value("select min(name) from pg_ls_waldir() where length(name) = 24")
    assert kept[8:] <= first[8:], "the slots kept too little"
    stand_by(lab, away, on=False)
    lab.wait_settled(240)
    assert away in lab.standbys()
    assert "has already been removed" not in lab.nodes[away].log()
    set_slots(lab, "")
    lab.wait_settled(180)
