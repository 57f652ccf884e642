"""Mistakes of people, other versions, an operating system that fails."""

import time

from lab import scenarios
from trials.faults import tools
from trials.faults.crashes import SEVERAL_MONITORS
from trials.faults.model import Table
from lab.settings import VIP
from lab.tools import wait_until

TABLE = Table()


@TABLE.row(23, "a wrong parameter while all runs", "bindir is set to a folder that is not there",
           "monitors go on, stop and start succeed with the value before; it is said what is wrong",
           budget=8, reason="/nowhere")
def wrong_parameter(scene):
    lab, victim = scene.lab, scene.others[0]
    with tools.with_parameter(lab, "bindir", "/nowhere", lab.settings.bindir):
        time.sleep(SEVERAL_MONITORS)
        # Pacemaker may have forgotten the primary: its promotion changes nothing there
        assert set(scene.actions()) <= {("promote", scene.old)}, scene.actions()
        tools.stand_by(lab, victim)
        tools.stand_by(lab, victim, on=False)
        scene.settled(primary=scene.old)
        wait_until(lambda: scene.shows("/nowhere lacks postgres"), 60, "the remark", step=0.5)
        assert not {("stop", scene.old), ("demote", scene.old)} & set(scene.actions())
    scene.settled(primary=scene.old)


@TABLE.row(24, "postgresql.conf broken while all runs", "a setting that does not exist on a "
           "standby; then its postmaster is killed",
           "it runs on; the start fails with the server's words", budget=8,
           reason="no_such_setting")
def broken_configuration(scene):
    lab, victim = scene.lab, scene.others[0]
    node, path = lab.nodes[victim], "/var/lib/postgresql/node.conf"
    node.run(["sh", "-c", f"echo 'no_such_setting = on' >> {path}"])
    time.sleep(SEVERAL_MONITORS)
    assert scene.actions() == [], scene.actions()
    node.kill("postmaster")
    wait_until(lambda: scene.shows(f"start on {victim} returned"), 60, "the refusal", step=0.5)
    node.run(["sed", "-i", "/no_such_setting/d", path])
    tools.cleanup(lab, victim)
    scene.settled(primary=scene.old)


@TABLE.row(35, "an instance is stopped and started by hand", "pg_ctl stop on the primary; pg_ctl "
           "start of a standby that Pacemaker has stopped",
           "the primary is recovered, no node fenced; the running standby is taken over")
def by_hand(scene):
    lab = scene.lab
    ctl = [f"{lab.settings.bindir}/pg_ctl", "-D", lab.settings.pgdata, "-w", "-s"]
    since = lab.now()
    lab.nodes[scene.old].run([*ctl, "stop", "-m", "fast"], user="postgres")
    scenarios.wait_until_noticed(lab, scene.old, since)
    scene.settled()
    victim = next(name for name in lab.nodes if name != lab.primary())
    tools.stand_by(lab, victim)
    lab.nodes[victim].run([*ctl, "start", "-l", "/dev/null"], user="postgres")
    tools.stand_by(lab, victim, on=False)
    scene.settled(primary=lab.primary())


@TABLE.row(36, "a switchover by hand in maintenance mode", "pg_ctl promote on another node, the "
           "old primary made a standby, the address moved; refresh, then the mode is left",
           "the new roles are accepted and scored", budget=None)
def maintenance(scene):
    lab, new = scene.lab, scene.others[0]
    old, node = lab.nodes[scene.old], lab.nodes[new]
    ctl = [f"{lab.settings.bindir}/pg_ctl", "-D", lab.settings.pgdata, "-w", "-s"]
    with tools.with_property(lab, "maintenance-mode", "true"):
        old.run([*ctl, "stop", "-m", "fast"], user="postgres")
        node.run([*ctl, "promote"], user="postgres")
        old.run(["ip", "addr", "del", f"{VIP}/24", "dev", "eth0"])
        node.run(["ip", "addr", "add", f"{VIP}/24", "dev", "eth0"])
        node.run(["arping", "-U", "-c", "2", "-I", "eth0", VIP], check=False)
        old.run(["touch", f"{lab.settings.pgdata}/standby.signal"], user="postgres")
        old.run([*ctl, "start", "-l", "/dev/null"], user="postgres")
        wait_until(lambda: scene.old in lab.streaming(new), 60, "the old one to stream", step=0.5)
        lab.any_node().run(["crm_resource", "--refresh"])
        time.sleep(3)
    scene.settled(primary=new)
    scenarios.wait_for_ranks(lab)
    assert scene.actions("demote", "promote") == [], scene.actions()


TABLE.tested(
    39, "a standby that gets WAL only from the archive", "no WAL receiver, WAL replayed from files",
    "counted by what it has replayed",
    "tests/component/test_elections.py::test_the_position_is_all_that_was_received_or_replayed",
    "tests/component/test_elections.py::test_a_timeline_that_only_its_wal_files_show_counts")


@TABLE.row(41, "nodes with PAF 2.3.0 and with this agent", "one node runs the Perl agent: "
           "switchover to it and back; then it is upgraded while it runs",
           "roles change as with one version; no row lost", stage="a Perl agent", budget=60)
def mixed_versions(scene):
    lab = scene.lab
    perl = "srv3"
    ours = next(name for name in lab.nodes if name != perl)
    if scene.old != perl:
        lab.move(perl)
        scenarios.wait_for_ranks(lab)
    lab.move(ours)
    lab.nodes[perl].set_agent("ours")
    scene.settled(primary=ours)
    scenarios.wait_for_ranks(lab)
    lab.move(perl)


TABLE.tested(
    42, "Pacemaker 2.1 and 3: roles with other names", "notify variables and meta-data of both",
    "both vocabularies are understood",
    "tests/unit/test_transition.py::test_both_vocabularies_give_the_same_value",
    "tests/unit/test_transition.py::test_each_transition_of_the_talk_has_its_name",
    "tests/unit/test_metadata.py")


@TABLE.row(43, "no HA_RSCTMP, /tmp full", "the folder removed and /tmp filled on the primary, "
           "whose postmaster is killed", "recovered as usual")
def no_room(scene):
    node = scene.lab.nodes[scene.old]
    node.run(["sh", "-c", "rm -rf /run/resource-agents; mount -t tmpfs -o size=4k,mode=1777 tmpfs "
              "/tmp; cat /dev/zero > /tmp/full 2>/dev/null; :"])
    scenarios.kill_primary(scene.lab)
    scene.settled()
    node.run(["sh", "-c", "umount /tmp; mkdir -p /run/resource-agents"], check=False)
