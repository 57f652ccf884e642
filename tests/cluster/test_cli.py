"""The command `paf` on a real cluster."""

import json
import os
import re
import signal
import subprocess

import pytest

from paf.decide import wal
from lab import scenarios
from lab.tools import wait_until

LAB = {"meta": {"interleave": "true"}}
#: Seconds in which a client on a busy machine notices that rows are acknowledged again.
NOTICED = 1.5

_SQL = """select pg_is_in_recovery(),
 case when pg_is_in_recovery() then (select received_tli from pg_stat_wal_receiver)
      else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end,
 case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end"""


def by_sql(lab):
    """Return (role, timeline, received, replayed, lag in bytes) of each server that answers."""
    rows = {name: node.sql(_SQL)[0] for name, node in lab.nodes.items()
            if node.in_recovery() is not None}
    top = max((wal.parse_lsn(received) for recovery, _, received, _ in rows.values()
               if recovery == "f"), default=0)
    return {name: ("standby" if recovery == "t" else "primary", int(timeline), received, replayed,
                   max(0, top - wal.parse_lsn(replayed)))
            for name, (recovery, timeline, received, replayed) in rows.items()}


def by_paf(lab, node):
    """Return the same as `paf status` on a node has it, and the whole report."""
    result = lab.nodes[node].run(["paf", "status", "--output", "json"], check=False)
    report = json.loads(result.output)
    return {row["node"]: (row["role"], row["timeline"], row["received"], row["replayed"],
                          row["lag_bytes"])
            for row in report["nodes"] if row["membership"] == "online"}, report


def assert_status_equals_sql(lab):
    """Compare on each node; WAL that is written in between is a reason to look again."""
    for name, node in lab.nodes.items():
        if node.is_on:
            wait_until(lambda name=name: by_paf(lab, name)[0] == by_sql(lab), 90,
                       f"paf status on {name} to equal SQL: {by_paf(lab, name)[0]} {by_sql(lab)}",
                       step=0.3)


def test_status_equals_sql_on_every_node(lab):
    scenarios.wait_for_ranks(lab)    # until then the status says that a standby is not ready
    assert_status_equals_sql(lab)
    result = lab.any_node().run(["paf", "status"])
    assert f"primary {lab.primary()}; pgsqld-ip 10.77.0.100 on {lab.primary()}" in (
        result.output)


def test_status_where_nodes_let_each_other_do_nothing_but_replicate(lab):
    hba = "/var/lib/postgresql/pg_hba.conf"
    reload = "runuser -u postgres -- psql -qXc 'select pg_reload_conf()'"
    for node in lab.nodes.values():
        node.run(["sh", "-c", f"sed -i.all '/^host *all *all *10/d' {hba} && {reload}"])
    try:
        asking = lab.standbys()[0]

        def shown():
            """Return what paf shows and what SQL says: WAL may be written between the two."""
            rows = by_paf(lab, asking)[1]["nodes"]
            assert all((row["replayed"] is None) == (row["node"] != asking) for row in rows), rows
            return ({row["node"]: (row["role"], row["timeline"], row["received"]) for row in rows},
                    {name: row[:3] for name, row in by_sql(lab).items()})

        wait_until(lambda: len({str(sorted(one.items())) for one in shown()}) == 1, 90,
                   "paf status to equal SQL", step=0.3, seen=lambda: str(shown()))
    finally:
        for node in lab.nodes.values():
            node.run(["sh", "-c", f"cp -p {hba}.all {hba} && {reload}"])


def test_status_shows_lag(lab):
    primary, late = lab.primary(), lab.standbys()[0]
    # the age of the last transaction that was replayed, once there is one
    lab.nodes[primary].sql("create table before_lag (n int); drop table before_lag")
    wait_until(lambda: lab.nodes[late].value("select pg_last_xact_replay_timestamp()"), 90,
               "a transaction to be replayed")
    lab.nodes[late].sql("select pg_wal_replay_pause()")
    try:
        lab.nodes[primary].sql("create table lag as select generate_series(1, 20000) as n")
        assert_status_equals_sql(lab)
        for name in lab.nodes:
            row = next(row for row in by_paf(lab, name)[1]["nodes"] if row["node"] == late)
            assert row["lag_bytes"] > 100000, row
            assert name != late or row["lag_seconds"] > 0, row
    finally:
        lab.nodes[late].sql("select pg_wal_replay_resume()")
        lab.nodes[primary].sql("drop table if exists lag")


def constraints(lab):
    """Return the names of what moves have left in the configuration."""
    text = lab.ask(["cibadmin", "--query", "--scope", "constraints"])
    return re.findall(r'id="(cli-[^"]*)"', text)


def test_switchover_is_done_and_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[-1]
    dry = lab.nodes[old].run(["paf", "switchover", target, "--dry-run"])
    assert f"moves from {old} to {target}" in dry.output and lab.primary() == old
    result = lab.nodes[old].run(["paf", "switchover", target, "--yes"])
    assert f"{target} is the primary" in result.output
    assert lab.primary() == target and constraints(lab) == []
    lab.wait_settled(180, primary=target)
    assert lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False).status == 2


def test_a_refused_switchover_says_why_and_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with scenarios.deaf(lab, target):
        lab.nodes[old].sql("create table much as select generate_series(1, 700000) as n")
        result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False,
                                    timeout=120)
    lab.nodes[old].sql("drop table much")
    assert result.status in (1, 2), result
    # on a slow machine the primary's monitor has noticed by then, and the score says so
    assert any(words in result.error for words in (
        "refused: ", "does not stream", "may not be promoted: its score")), result
    assert lab.primary() == old and constraints(lab) == []
    lab.wait_settled(180, primary=old)


def test_a_switchover_that_the_agent_refuses_is_told_and_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    tool = f"{lab.settings.bindir}/pg_waldump"
    lab.nodes[target].run(["chmod", "a-x", tool])
    try:
        result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False,
                                    timeout=120)
        assert result.status == 1, result
        assert "refused: PAF-E115 switchover refused: pg_waldump is missing in bindir; " \
               f"{old} is the primary, as before" in result.error
        assert lab.primary() == old and constraints(lab) == []
    finally:
        lab.nodes[target].run(["chmod", "a+x", tool])
    lab.wait_settled(180, primary=old)


def test_an_interrupted_switchover_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    node = lab.nodes[old]
    with subprocess.Popen(node.inside(["/usr/sbin/paf", "switchover", target, "--yes"]),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        # it has asked Pacemaker, and waits for the outcome
        wait_until(lambda: constraints(lab), 90, "the request of the switchover")
        for pid in node.running("paf switchover"):
            os.kill(pid, signal.SIGINT)
        said = process.communicate(timeout=300)[0]
    assert "interrupted" in said, said
    wait_until(lambda: constraints(lab) == [], 90, "the request to be withdrawn", step=0.3)
    lab.wait_settled(180)


def told_by_paf(lab):
    """Return the last event that `paf timeline` shows, by the logs of the DC of the time."""
    node = lab.nodes[lab.status().dc]
    report = node.run(["paf", "timeline", "--output", "json", "--picture", "/tmp/event.html"])
    assert "</svg>" in node.run(["cat", "/tmp/event.html"]).output
    assert "no primary" in node.run(["paf", "history"]).output
    return json.loads(report.output)


def test_the_timeline_of_a_switchover_has_the_clients_outage(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with scenarios.watched(lab, impatient=True, primary=target) as play:
        lab.nodes[old].run(["paf", "switchover", target, "--yes"])
    told = told_by_paf(lab)
    assert (told["kind"], told["old"], told["new"]) == ("switchover", old, target)
    # somewhere in the demotion the server stops taking writes: late, where the machine is busy
    demote, = (item for item in told["actions"] if item["operation"] == "demote")
    outage = play.client.outage_ms / 1000
    assert told["outage"] - (demote["end"] - demote["start"]) <= outage * 1.1 + NOTICED
    assert outage <= told["outage"] * 1.1 + NOTICED


def test_timeline_and_status_of_a_crash_that_is_told_at_once(lab):
    scenarios.wait_for_ranks(lab)
    with scenarios.watched(lab, impatient=True) as play:
        old = scenarios.kill_primary(lab)
    told = told_by_paf(lab)
    assert (told["kind"], told["old"], told["new"]) == ("recovery of the primary", old, old)
    # the watcher reports it; a monitor that looks at this very moment may find it first
    assert told["actions"][0]["operation"] in ("crash", "monitor")
    # from its death to Pacemaker's log a crash takes a moment
    outage = play.client.outage_ms / 1000
    assert told["outage"] * 0.9 - NOTICED <= outage <= told["outage"] * 1.4 + NOTICED
    report = by_paf(lab, lab.standbys()[0])[1]
    failures = next(row["failures"] for row in report["nodes"] if row["node"] == old)
    assert "PostgreSQL: crashed primary" in failures[0]["reason"]
    lab.cleanup()
    lab.wait_settled(180, primary=old)


def test_timeline_and_status_of_a_failover_with_a_node_down(lab):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    lab.nodes[old].fence_policy("off")
    others = [name for name in lab.nodes if name != old]
    with scenarios.watched(lab, impatient=True, online=others) as play:
        lab.power_off(old)
    told = told_by_paf(lab)
    assert (told["kind"], told["old"], told["new"]) == ("failover", old, lab.primary())
    assert told["outage"] == pytest.approx(play.client.outage_ms / 1000, rel=0.1, abs=NOTICED)
    assert_status_equals_sql(lab)
    report = by_paf(lab, lab.primary())[1]
    row = next(row for row in report["nodes"] if row["node"] == old)
    assert (row["role"], row["state"]) == ("stopped", "node offline")
    lab.nodes[old].fence_policy("reboot")    # it may have diverged: it stays off
