"""The command `paf` on a real cluster."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from paf.decide import wal
from lab import scenarios
from lab.cib import RESOURCE, VIP_RESOURCE
from lab.report import parse_acks
from lab.tools import LabError, wait_until
from tests.cluster import stories

#: Longest time of a switchover, in seconds; paf itself follows it for 180 s.
PATIENCE = 300

_SQL = """select pg_is_in_recovery(),
 case when pg_is_in_recovery() then (select received_tli from pg_stat_wal_receiver)
      else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end,
 case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end"""


def by_sql(lab):
    """Return (role, timeline, received, replayed, lag in bytes) of each server that answers."""
    rows = {name: node.sql(_SQL)[0] for name, node in lab.nodes.items()
            if node.in_recovery() is not None}
    if not all(all(row) for row in rows.values()):
        raise LabError(f"a WAL receiver is about to connect: {rows}")
    top = max((wal.parse_lsn(received) for recovery, _, received, _ in rows.values()
               if recovery == "f"), default=0)
    return {name: ("standby" if recovery == "t" else "primary", int(timeline), received, replayed,
                   max(0, top - wal.parse_lsn(replayed)))
            for name, (recovery, timeline, received, replayed) in rows.items()}


def by_paf(lab, node):
    """Return the same as `paf status` on a node has it, and the whole report."""
    report = scenarios.paf(lab.nodes[node], ["status"])
    return {row["node"]: (row["role"], row["timeline"], row["received"], row["replayed"],
                          row["lag_bytes"])
            for row in report["nodes"] if row["membership"] == "online"}, report


def assert_status_equals_sql(lab):
    """Compare on each node; WAL that is written in between is a reason to look again."""
    for name, node in lab.nodes.items():
        if node.is_on:
            seen = []

            def equal(name=name, seen=seen):
                seen[:] = by_paf(lab, name)[0], by_sql(lab)
                return seen[0] == seen[1]
            wait_until(equal, 90, f"paf status on {name} to equal SQL", step=0.3,
                       seen=lambda seen=seen: str(seen))


def test_status_equals_sql_on_every_node(lab):
    scenarios.wait_for_ranks(lab)    # until then the status says that a standby is not ready
    assert_status_equals_sql(lab)
    line = f"primary {lab.primary()}; pgsqld-ip 10.77.0.100 on {lab.primary()}"

    def all_is_well():
        result = lab.any_node().run(["paf", "status"], check=False)
        return result.ok and line in result.output
    wait_until(all_is_well, 90, "paf status to find nothing to do", step=0.5)


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
            if any((row["replayed"] is None) != (row["node"] != asking) for row in rows):
                raise LabError(f"replayed is to be known of {asking} alone: {rows}")
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
            def lags(name=name):
                row = next(row for row in by_paf(lab, name)[1]["nodes"] if row["node"] == late)
                return (row["lag_bytes"] or 0) > 100000 and (
                    name != late or (row["lag_seconds"] or 0) > 0)
            wait_until(lags, 90, f"paf status on {name} to show the lag", step=0.3)
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
    dry = wait_until(lambda: [result for result in [lab.nodes[old].run(
        ["paf", "switchover", target, "--dry-run"], check=False)] if result.ok], 90,
        "what would be done", step=0.5)[0]
    assert f"moves from {old} to {target}" in dry.output and lab.primary() == old
    result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], timeout=PATIENCE)
    assert f"{target} is the primary" in result.output
    assert lab.primary() == target and constraints(lab) == []
    lab.wait_settled(180, primary=target)
    assert lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False).status == 2


def test_a_refused_switchover_says_why_and_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with scenarios.deaf(lab, target):
        lab.nodes[old].sql("create table much as select generate_series(1, 700000) as n",
                           timeout=120)
        result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False,
                                    timeout=PATIENCE)
    lab.nodes[old].sql("drop table much", timeout=60)
    assert result.status in (1, 2), result
    # on a slow machine the primary's monitor has noticed by then, and the score says so
    assert any(words in result.error for words in (
        "refused: ", "does not stream", "may not be promoted: its score")), result
    assert lab.primary() == old and constraints(lab) == []
    lab.wait_settled(180, primary=old)


def test_a_switchover_that_the_agent_refuses_is_shown_and_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    tool = f"{lab.settings.bindir}/pg_waldump"
    lab.nodes[target].run(["chmod", "a-x", tool])
    try:
        result = lab.nodes[old].run(["paf", "switchover", target, "--yes"], check=False,
                                    timeout=PATIENCE)
        assert result.status == 1, result
        assert "refused: PAF-E115 switchover refused: pg_waldump is missing in bindir; " \
               f"{old} is the primary, as before" in result.error
        assert lab.primary() == old and constraints(lab) == []
    finally:
        lab.nodes[target].run(["chmod", "a+x", tool])
    lab.wait_settled(180, primary=old)


@contextlib.contextmanager
def no_server_starts(lab, node):
    """While the block runs, keep each start of the server of a node waiting: a demotion, too."""
    program, copy, hold = f"{lab.settings.bindir}/pg_ctl", "/opt/paf-lab/pg_ctl", "/run/hold"
    # the copy stays: what waits at the end of the block goes on with it
    node.run(["cp", program, copy])
    node.run(["mv", program, f"{program}.real"])
    node.install(program, f'#!/bin/bash\ncase " $* " in *" start "*) while [ -e {hold} ]; do '
                          f'sleep 0.1; done;; esac\nexec -a {program} {copy} "$@"\n')
    node.run(["touch", hold])
    try:
        yield
    finally:
        node.run(["rm", hold])
        node.run(["mv", "-f", f"{program}.real", program])


@pytest.mark.usefixtures("foreground")    # else paf ignores SIGINT as well
def test_an_interrupted_switchover_leaves_nothing(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    node = lab.nodes[old]
    command, since = node.inside(["/usr/sbin/paf", "switchover", target, "--yes"]), lab.now()
    # it is not over before it is interrupted
    with no_server_starts(lab, node), subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        # it has asked Pacemaker, and waits for the outcome
        wait_until(lambda: constraints(lab), 90, "the request of the switchover")
        for pid in node.running("paf switchover"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        said = process.communicate(timeout=300)[0]
    assert "interrupted" in said, said
    wait_until(lambda: constraints(lab) == [], 90, "the request to be withdrawn", step=0.3)
    lab.wait_settled(180)
    # whether it was given up or went on depends on the moment; the agent has refused nothing
    seen = {story["kind"] for story in stories.of_all(lab, since, None)}
    assert seen <= {"switchover given up", "switchover"}, seen


def event_of_paf(lab, kind):
    """Return the last event that `paf timeline` shows, of that kind, by the logs of the DC."""
    node = lab.nodes[lab.status().dc]
    event = scenarios.paf(node, ["timeline", "--picture", "/tmp/event.html"],
                          lambda result, value: result.ok and value["kind"] == kind)
    assert "</svg>" in node.run(["cat", "/tmp/event.html"]).output
    assert "no primary" in node.run(["paf", "history"]).output
    return event


def actions(event, operation, resource=RESOURCE):
    return [item for item in event["actions"]
            if (item["operation"], item["resource"]) == (operation, resource)]


def assert_outage(lab, play, event, since, gone, latest=None):
    """Hold the outage of an event to what happened, and to what the client saw.

    since: before the cause, gone: when the old primary certainly took no row any more, latest: when
    the outage had certainly started, `gone` without it (epoch seconds). Not compared is how long
    the client's outage was: on a busy machine the client itself stops, and comes back late.
    """
    promoted, epoch = actions(event, "promote")[-1], time.time() - time.monotonic()
    behind = [item["end"] for item in actions(event, "start", VIP_RESOURCE)]
    early = 2 if event["estimated"] else 0
    assert since - early <= event["down"] <= (latest or gone), event
    assert max([promoted["end"], *behind]) <= event["up"] <= lab.now(), event
    assert event["outage"] == event["up"] - event["down"]
    rows = [(epoch + sent, epoch + acknowledged) for _, sent, acknowledged in
            parse_acks(lab.client(play.run).read("acks.log"))]
    assert [row for row in rows if gone < row[0] and row[1] < promoted["start"]] == []
    assert rows[0][1] - early < event["down"] and event["up"] < rows[-1][1], (
        event, rows[0], rows[-1])


def test_the_timeline_of_a_switchover_has_the_clients_outage(lab):
    scenarios.wait_for_ranks(lab)
    old, target = lab.primary(), scenarios.ranked_standbys(lab)[0]
    with scenarios.watched(lab, primary=target) as play:
        since = lab.now()
        lab.nodes[old].run(["paf", "switchover", target, "--yes"], timeout=PATIENCE)
    event = event_of_paf(lab, "switchover")
    assert (event["old"], event["new"]) == (old, target)
    # somewhere in the demotion the server stops taking writes
    demote, = actions(event, "demote")
    assert_outage(lab, play, event, since, demote["end"])


def test_timeline_and_status_of_a_crash_that_is_reported_at_once(lab):
    scenarios.wait_for_ranks(lab)
    with scenarios.watched(lab) as play:
        since = lab.now()
        old = scenarios.kill_primary(lab)
    event = event_of_paf(lab, "recovery of the primary")
    assert (event["old"], event["new"]) == (old, old)
    # the watcher reports it; a monitor that looks at this very moment may find it first
    assert event["actions"][0]["operation"] in ("crash", "monitor")
    assert event["down"] == event["actions"][0]["start"]
    assert_outage(lab, play, event, since, actions(event, "demote")[0]["end"])
    report = by_paf(lab, lab.standbys()[0])[1]
    failures = next(row["failures"] for row in report["nodes"] if row["node"] == old)
    assert [failure for failure in failures if "PostgreSQL: crashed primary" in (
        failure["reason"] or "")], failures
    lab.cleanup()
    lab.wait_settled(180, primary=old)


def test_timeline_and_status_of_a_failover_with_a_node_down(lab):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    lab.nodes[old].fence_policy("off")
    others = [name for name in lab.nodes if name != old]
    with scenarios.watched(lab, online=others) as play:
        since = lab.now()
        lab.power_off(old)
        gone = lab.now()
    event = event_of_paf(lab, "failover")
    assert (event["old"], event["new"]) == (old, lab.primary())
    assert_outage(lab, play, event, since, gone, latest=actions(event, "promote")[-1]["start"])
    assert_status_equals_sql(lab)
    report = by_paf(lab, lab.primary())[1]
    row = next(row for row in report["nodes"] if row["node"] == old)
    assert (row["role"], row["state"]) == ("stopped", "node offline")
    lab.nodes[old].fence_policy("reboot")    # it may have diverged: it stays off
