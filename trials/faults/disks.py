"""Disks that are full, files that are damaged or removed."""

import contextlib

from lab import scenarios
from trials.faults import tools
from trials.faults.model import Table
from trials.faults.networks import come_back, stays_off
from lab import repair
from lab.tools import LabError, wait_until

TABLE = Table()


@contextlib.contextmanager
def small_disk(lab, node):
    """Put the WAL of a standby on a small disk while the block runs."""
    tools.stand_by(lab, node)
    tools.own_wal_disk(lab, node)
    tools.stand_by(lab, node, on=False)
    lab.wait_settled(90)
    scenarios.wait_for_ranks(lab)
    try:
        yield
    finally:
        tools.stand_by(lab, node)
        tools.remove_wal_disk(lab, node)
        repair.rebuild(lab, node)


def write_segments(lab, node, until):
    """Make a primary write one WAL segment after the other until `until` returns True."""
    def enough():
        with contextlib.suppress(LabError):
            lab.nodes[node].sql("select pg_switch_wal(), pg_logical_emit_message(true, '', 'x')",
                                check=False)
        return until()
    wait_until(enough, 120, "a server to find its disk full", step=0.3)


@TABLE.row(10, "disk of the primary's WAL full", "a small disk for pg_wal, filled under load",
           "PANIC is a crash; another node is promoted; no endless restarts; whole again once "
           "there is room", budget=None)
def full_on_the_primary(scene):
    lab, victim = scene.lab, scene.others[0]
    with small_disk(lab, victim):
        lab.move(victim)
        scenarios.wait_for_ranks(lab)
        tools.fill(lab, victim)
        write_segments(lab, victim, lambda: not lab.nodes[victim].pids("checkpointer"))
        wait_until(lambda: lab.primary_now() not in (None, victim), 150, "another primary",
                   step=0.5)
        scene.client.wait_rows(100, 60)
        starts = scene.actions("start").count(("start", victim))
        assert starts < 15, f"{victim} was started {starts} times"
        scene.remember()
        tools.free(lab, victim)
    scene.settled()


@TABLE.row(11, "disk of a standby's WAL full", "a small disk for pg_wal, filled under load",
           "the standby is no longer a candidate; the primary goes on", budget=12)
def full_on_a_standby(scene):
    lab, victim = scene.lab, scene.others[0]
    with small_disk(lab, victim):
        tools.fill(lab, victim)
        write_segments(lab, scene.old, lambda: scenarios.scores(lab)[victim] == "-1000")
        scene.client.wait_rows(100)
        assert ("demote", scene.old) not in scene.actions()
        tools.free(lab, victim)
    scene.settled(primary=scene.old)


@TABLE.row(12, "control file of a standby damaged", "kill -9 and zeros in global/pg_control",
           "stop succeeds; start is a hard error that names the file; all else goes on",
           reason="pg_control is damaged|cannot read .*pg_control", budget=8)
def control_file_damaged(scene):
    victim = scenarios.ranked_standbys(scene.lab)[0]
    node = scene.lab.nodes[victim]
    node.kill("postmaster")
    node.run(["dd", "if=/dev/zero", f"of={scene.lab.settings.pgdata}/global/pg_control",
              "bs=8192", "count=1", "conv=notrunc"])
    wait_until(lambda: scene.shows(f"start on {victim} returned"), 60, "the refusal", step=0.5)
    scene.settled(primary=scene.old, stopped=[victim])
    assert ("demote", scene.old) not in scene.actions()


@TABLE.row(33, "a standby whose WAL the primary has removed",
           "it is off while the primary recycles its WAL",
           "it is not promotable, and the reason says what to do", budget=8,
           reason="does not stream from the primary.* rebuild it")
def wal_removed(scene):
    lab, victim = scene.lab, scenarios.ranked_standbys(scene.lab)[0]
    primary = lab.nodes[scene.old]
    stays_off(lab, victim)
    scene.foresee(victim)
    fenced = len(lab.fencings())
    lab.power_off(victim)
    scenarios.wait_until_fenced(lab, fenced)
    primary.sql("alter system set wal_keep_size = 0")
    primary.sql("alter system set min_wal_size = '32MB'")
    primary.sql("select pg_reload_conf()")
    first = primary.value("select min(name) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'")
    for _ in range(4):
        primary.sql("select pg_switch_wal(), pg_logical_emit_message(true, '', 'x')")
        primary.sql("select pg_switch_wal()")
        primary.sql("checkpoint")
    assert first < primary.value(
        "select min(name) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'")
    come_back(lab, victim)
    wait_until(lambda: victim in lab.standbys(), 90, f"{victim} to start", step=0.5)
    wait_until(lambda: scenarios.scores(lab)[victim] == "-1000", 60, "its score", step=0.5)
    wait_until(lambda: scene.shows("does not stream"), 30, "the reason", step=0.5)
    scene.remember()
    for name in ("wal_keep_size", "min_wal_size"):
        primary.sql(f"alter system reset {name}")
    primary.sql("select pg_reload_conf()")
    repair.rebuild(lab, victim)
    scene.settled(primary=scene.old)
    return [victim]


@TABLE.row(34, "a base backup just restored", "the data directory made again by pg_basebackup",
           "starts as a standby; backup_label is PostgreSQL's to remove", budget=8)
def base_backup(scene):
    lab, victim = scene.lab, scene.others[0]
    node, data = lab.nodes[victim], lab.settings.pgdata
    tools.stand_by(lab, victim)
    node.run(["find", data, "-mindepth", "1", "-delete"])
    node.run([f"{lab.settings.bindir}/pg_basebackup", "-h", lab.nodes[scene.old].address, "-U",
              "postgres", "-D", data, "-X", "stream", "-c", "fast"], user="postgres", timeout=120)
    node.run(["test", "-e", f"{data}/backup_label"])
    tools.stand_by(lab, victim, on=False)
    scene.settled(primary=scene.old)
    node.run(["test", "-e", f"{data}/backup_label.old"])
