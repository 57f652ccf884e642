"""The return of an old primary that has diverged, in all modes of `rejoin`, and `paf rebuild`."""

import datetime
import json
import time

import pytest

from lab import scenarios
from lab.report import parse_acks
from lab.tools import wait_until
from trials.faults.tools import stand_by

#: Where a node has its configuration of pgBackRest. Without it nothing is archived.
BACKREST = "/etc/pgbackrest.conf"
#: Without statistics that are collected at any moment: they are commits.
LAB = {"postgres": {
    "autovacuum": "off", "archive_mode": "on",
    "archive_command": f"test ! -s {BACKREST} || pgbackrest --stanza=main archive-push %p"}}
#: Seconds by which the clocks of a client's log and of the WAL may differ: they are adjusted.
ADJUSTED = 0.1


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
    result = lab.nodes[old].run(["paf", "lost", "--output", "json"], check=False)
    last = json.loads(result.output)["reports"][-1]
    assert result.status == 1 and last["commits"], result.output
    assert sum(table["inserted"] for table in last["tables"]) >= 1000


def rows_of(lab, run):
    """Return (number, sent, acknowledged) of a client's rows, in seconds of the clock."""
    epoch = time.time() - time.monotonic()
    return [(number, epoch + sent, epoch + acknowledged) for number, sent, acknowledged
            in parse_acks(lab.client(run).read("acks.log"))]


def assert_names(shown, lost, rows):
    """See that `paf lost` names the commit of each row that its client had acknowledged.

    shown: of the WAL in question; lost: the numbers of these rows. A commit more may be of a row
    whose answer never came.
    """
    commits = [datetime.datetime.strptime(
        one["time"].rpartition(" ")[0], "%Y-%m-%d %H:%M:%S.%f").timestamp()
        for one in shown["commits"]]
    unanswered = set(range(min(lost), max(lost) + 2)) - {number for number, _, _ in rows}
    assert len(lost) <= len(commits) <= len(lost) + len(unanswered), (len(lost), len(commits))
    left = sorted(commits)
    for number, sent, acknowledged in [row for row in rows if row[0] in set(lost)]:
        own = [moment for moment in left if sent - ADJUSTED <= moment <= acknowledged + ADJUSTED]
        assert own, (number, sent, acknowledged, left[:5])
        left.remove(own[0])
    # the transaction that was under way when the standbys stopped may have its row before that
    table, = [one for one in shown["tables"] if one["table"] == "postgres: public.paf_lab_rows"]
    assert len(commits) - 1 <= table["inserted"] <= len(commits)


def assert_undisturbed(rows, begin, end):
    """See that the primary acknowledged rows during a rebuild about as soon as before; print it."""
    before = sorted(acknowledged - sent for _, sent, acknowledged in rows if acknowledged < begin)
    during = sorted(acknowledged - sent for _, sent, acknowledged in rows
                    if sent < end and acknowledged > begin)
    one, other = (times[len(times) * 99 // 100] for times in (before, during))
    print(f"p99 of a write: {one * 1000:.1f} ms of {len(before)} rows before the rebuild, "
          f"{other * 1000:.1f} ms of {len(during)} rows during its {end - begin:.1f} s")
    assert other < 20 * one + 0.2


def rebuilt(lab, node, *words):
    """Run paf rebuild on a node while a client writes: no row is lost, and none is late."""
    primary = lab.primary()
    with scenarios.watched(lab, primary=primary) as play:
        lab.client(play.run).wait_rows(300)
        begin = time.time()
        result = lab.nodes[node].run(["paf", "rebuild", *words, "--yes"], check=False, timeout=300)
        end = time.time()
        assert result.ok, result.output
    assert play.client.lost == [] and play.two_primaries == []
    assert node in lab.standbys()
    assert_undisturbed(rows_of(lab, play.run), begin, end)
    left = lab.nodes[node].run(["sh", "-c", f"ls -d {lab.settings.pgdata}.*"], check=False).output
    old = set(left.split()) - {f"{lab.settings.pgdata}.lost"}
    # the first WAL of a timeline may be gone by now: then no comparison is complete
    assert len(old) == ("the old directory stays" in result.output), (old, result.output)
    for folder in old:
        assert folder in result.output
        lab.nodes[node].run(["rm", "-r", folder])
    return result.output


def test_acknowledged_commits_keep_it_stopped_and_are_named_until_it_is_rebuilt(lab):
    set_rejoin(lab, "safe")
    with lab.client("acknowledged") as client:
        old = scenarios.diverge(lab, "select 1", write=lambda: client.wait_rows(100))
        client.wait_rows(100)
    lost = client.report().lost
    assert len(lost) >= 50, lost
    primary, fenced = lab.primary(), len(lab.fencings())
    lab.power_on(old)
    wait_until(lambda: f"start on {old} returned" in lab.crm_mon(), 180, "the refusal", step=0.5)
    lab.wait_settled(180, primary=primary, stopped=[old])
    assert "diverged: " in lab.crm_mon() and "exist only here, among them" in lab.crm_mon()
    assert len(lab.fencings()) == fenced
    asked = lab.nodes[old].run(["paf", "lost", "--output", "json"], check=False)
    assert asked.status == 1, asked
    assert_names(json.loads(asked.output)["reports"][-1], lost, rows_of(lab, "acknowledged"))
    rebuilt(lab, old, "--copy")
    kept = lab.nodes[old].run(["paf", "lost", "--output", "json"], check=False)
    assert_names(json.loads(kept.output)["reports"][-1], lost, rows_of(lab, "acknowledged"))


def backed_up(lab):
    """Make a repository of pgBackRest that all nodes see, with a backup and WAL since then."""
    primary = lab.nodes[lab.primary()]
    primary.run(["install", "-d", "-o", "postgres", "/run/paf-lab/pgbackrest"])
    for node in lab.nodes.values():
        node.install(BACKREST, "[global]\nrepo1-path=/run/paf-lab/pgbackrest\nlog-level-file=off\n"
                               f"start-fast=y\n[main]\npg1-path={lab.settings.pgdata}\n", 0o644)
    for verb in ("stanza-create", "backup"):
        primary.run(["pgbackrest", "--stanza=main", verb], user="postgres", timeout=120)
    for _ in range(3):
        primary.sql("create table if not exists filler (n int); insert into filler values (1); "
                    "select pg_switch_wal()")


def test_a_backup_of_pgbackrest_is_restored_on_an_empty_node_while_a_client_writes(lab):
    backed_up(lab)
    node = lab.nodes[lab.standbys()[0]]
    stand_by(lab, node.name)
    node.run(["find", lab.settings.pgdata, "-mindepth", "1", "-delete"])
    stand_by(lab, node.name, on=False)
    wait_until(lambda: f"start on {node.name} returned" in lab.crm_mon(), 180, "the refusal",
               step=0.5)
    said = rebuilt(lab, node.name, "--from", "pgbackrest", "--primary",
                   f"host={lab.nodes[lab.primary()].address} user=postgres")
    assert "pgbackrest restores the backup" in said and "it streams from the primary" in said
    assert "from archive" in node.log("/var/log/postgresql/postgresql.log")


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
