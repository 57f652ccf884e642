"""What cannot be known, or looks like something else: no reason to promote or to stop."""

import contextlib
import time

from lab import scenarios
from lab.tools import wait_until
from trials.faults import tools
from trials.faults.crashes import SEVERAL_MONITORS
from trials.faults.model import Table
from trials.faults.networks import come_back, stays_off
from trials.faults.stage import whole_or_stopped

TABLE = Table()


def put(lab, node, name, value):
    """Change a setting of a server, as an administrator does; None resets it."""
    lab.nodes[node].sql(f"alter system reset {name}" if value is None
                        else f"alter system set {name} = '{value}'")
    lab.nodes[node].sql("select pg_reload_conf()")


@contextlib.contextmanager
def setting(lab, node, name, value):
    """Change a setting of a server while the block runs."""
    server = lab.nodes[node]
    put(lab, node, name, value)
    try:
        yield
    finally:
        wait_until(lambda: server.sql("select 1", check=False), 90, f"{node} to answer", step=0.5)
        put(lab, node, name, None)


def in_maintenance(lab, node, on=True):
    """Put a node into Pacemaker's maintenance mode, or take it out."""
    how = ["--update", "true"] if on else ["--delete"]
    lab.any_node().run(["crm_attribute", "--node", node, "--name", "maintenance", "--lifetime",
                        "forever", *how])


_CIB_FILE = "/var/lib/pacemaker/cib/cib.xml"


@TABLE.row(44, "the standby with the last rows is in standby mode", "replication of one standby is "
           "cut, the other is put into standby mode, then power cut of the primary under load",
           "no node is promoted, the reason names the one to start; once it is, it is promoted",
           reason=r"may hold commits that were acknowledged", budget=None)
def standby_mode_beside_lag(scene):
    lab = scene.lab
    lagging, other = scene.others
    stays_off(lab, scene.old)
    put(lab, scene.old, "wal_sender_timeout", "120s")    # it stays a candidate
    with tools.replication_cut(lab, lagging):
        scene.client.wait_rows(300)
        tools.stand_by(lab, other)
        scene.foresee(scene.old)
        lab.power_off(scene.old)
        wait_until(lambda: scene.shows(f"{other} may hold|{other} or \\S+ may hold"), 150,
                   "the refusal", step=0.5)
        assert ("promote", lagging) not in scene.actions()
        scene.came_true()
    tools.stand_by(lab, other, on=False)
    scene.settled(online=scene.others, primary=other)
    come_back(lab, scene.old)
    if scene.old not in whole_or_stopped(lab):    # a rebuilt one has the settings of the primary
        put(lab, scene.old, "wal_sender_timeout", None)
    return [scene.old]


@TABLE.row(45, "the synchronous standby hangs, the other one lags", "one standby misses rows; then "
           "SIGSTOP of all processes of the other, which has them; power cut of the primary",
           "who has the rows is promoted, or no node until it answers; no row lost", budget=None)
def synchronous_one_hangs(scene):
    lab = scene.lab
    lagging, other = scene.others
    stays_off(lab, scene.old)
    with scenarios.deaf(lab, lagging):
        scene.client.wait_rows(200)
        lab.nodes[other].freeze("postgres")
        lab.power_off(scene.old)
        lab.nodes[lagging].signal("term", "walreceiver")
        time.sleep(1)
    scene.settled(online=scene.others, primary=other)
    come_back(lab, scene.old)
    return [scene.old]


@TABLE.row(46, "only the old primary boots", "its node in standby mode, another is promoted and "
           "writes; power cut of all; it alone is switched on, and may run without quorum",
           "it is not promoted, and says why; the last primary is, once it is back",
           budget=None, reason=r"not_promoted_because")
def only_the_old_primary(scene):
    lab, away = scene.lab, scene.others
    scene.foresee(scene.old)
    tools.stand_by(lab, scene.old)
    wait_until(lambda: lab.primary_now() in away, 120, "another primary", step=0.5)
    scene.came_true()
    new = lab.primary()
    scene.client.wait_rows(200, 60)
    tools.stand_by(lab, scene.old, on=False)
    for name in lab.nodes:
        stays_off(lab, name)
    with tools.with_property(lab, "no-quorum-policy", "ignore"):
        # Pacemaker writes it to the disk of each node a moment later
        wait_until(lambda: lab.nodes[scene.old].run(
            ["grep", "-q", 'name="no-quorum-policy" value="ignore"', _CIB_FILE],
            check=False).ok, 60, f"the policy on the disk of {scene.old}", step=0.2)
        lab.power_off()
        lab.power_on(scene.old)
        wait_until(lab.nodes[scene.old].in_recovery, 120, f"{scene.old} to start", step=0.5)
        time.sleep(60)
        scene.texts.append(lab.nodes[scene.old].run(["crm_mon", "-1rAf"], check=False).output)
        assert lab.nodes[scene.old].in_recovery() is True, f"{scene.old} was promoted"
        for name in away:
            come_back(lab, name)
        scene.settled(primary=new)
    return away


@TABLE.row(47, "the server's program is renamed while it runs", "mv postgres postgres.old on the "
           "primary, as a package's upgrade does", "Pacemaker does nothing; a switchover goes well",
           budget=8)
def program_renamed(scene):
    node, program = scene.lab.nodes[scene.old], f"{scene.lab.settings.bindir}/postgres"
    node.run(["sh", "-ec", f"cp {program} {program}.new; mv {program} {program}.old; "
              f"mv {program}.new {program}"])
    node.run(["rm", f"{program}.old"])
    time.sleep(SEVERAL_MONITORS)
    assert scene.actions() == [], scene.actions()
    scene.settled(primary=scene.old)
    scene.lab.move()    # the server that is restarted runs from the new file


@TABLE.row(48, "a typo in a parameter while all runs", "maxlag = 1MB, then pgport = 5433",
           "no instance is stopped or moved, and crm_mon says what is wrong", budget=8,
           reason="maxlag")
def typo(scene):
    for name, value, before in (("maxlag", "1MB", None), ("pgport", "5433", None)):
        with tools.with_parameter(scene.lab, name, value, before):
            time.sleep(SEVERAL_MONITORS)
            scene.remember()
            # after a reload Pacemaker 2.1.5 forgets who the primary is, and promotes it again
            assert set(scene.actions()) <= {("promote", scene.old)}, scene.actions()
    scene.settled(primary=scene.old)


@TABLE.row(49, "the primary's node goes into standby mode, and no standby has its rows",
           "both standbys stop receiving just before", "no standby is promoted, the reason names "
           "the old primary, which is promoted again once it is back", budget=None,
           reason="not_promoted_because")
def node_standby_with_stale_standbys(scene):
    lab, others = scene.lab, scene.others
    with contextlib.ExitStack() as cut:
        for name in others:
            cut.enter_context(tools.replication_cut(lab, name))
        lab.nodes[scene.old].sql("set synchronous_commit = local; create table if not exists "
                                 "left_behind as select generate_series(1, 1000)")
        tools.stand_by(lab, scene.old)
        wait_until(lambda: scene.shows("not_promoted_because"), 120, "a refusal", step=0.5)
        assert not [action for action in scene.actions("promote") if action[1] in others]
        tools.stand_by(lab, scene.old, on=False)
        wait_until(lambda: lab.primary_now() == scene.old, 120, "the old primary", step=0.5)
    scene.settled(primary=scene.old)


@TABLE.row(50, "a client of a standby's WAL hangs while the standby is stopped", "SIGSTOP of a "
           "pg_receivewal there, wal_sender_timeout = 120 s; the node goes into standby mode",
           "stopped in time, the node is not fenced", budget=8)
def hung_receiver_of_a_standby(scene):
    lab, victim = scene.lab, scene.others[0]
    with setting(lab, victim, "wal_sender_timeout", "120s"):
        node = lab.nodes[victim]
        node.run(["sh", "-c", f"mkdir -p /tmp/wal && chown postgres /tmp/wal && setsid setpriv "
                  f"--reuid=postgres --regid=postgres --init-groups {lab.settings.bindir}/"
                  "pg_receivewal -D /tmp/wal -h /var/run/postgresql >/dev/null 2>&1 &"])
        wait_until(lambda: node.pids("walsender"), 30, "pg_receivewal to connect", step=0.2)
        node.freeze("pg_receivewal")
        scene.client.wait_rows(300)
        tools.stand_by(lab, victim)
        node.kill("pg_receivewal")
        node.run(["rm", "-rf", "/tmp/wal"])
        tools.stand_by(lab, victim, on=False)
        scene.settled(primary=scene.old)


@TABLE.row(51, "a standby in maintenance, and the primary's power is cut", "one standby's node is "
           "in maintenance, as for an upgrade of the agent", "the other standby is promoted, or "
           "the reason names the node in maintenance; no row lost", budget=None)
def maintenance_of_a_standby(scene):
    lab, upgraded = scene.lab, scene.others[0]
    stays_off(lab, scene.old)
    in_maintenance(lab, upgraded)
    scene.client.wait_rows(100)
    scene.foresee(scene.old)
    lab.power_off(scene.old)
    wait_until(lambda: lab.primary_now() in scene.others or scene.shows(
        f"because.*{upgraded}"), 120, "another primary, or why not", step=0.5)
    in_maintenance(lab, upgraded, on=False)
    scene.settled(online=scene.others)
    come_back(lab, scene.old)
    return [scene.old]


@TABLE.row(60, "a session of a standby holds replay up, and the primary's power is cut", "the best "
           "standby has max_standby_streaming_delay = -1 and a transaction that has read a table; "
           "the table gets a column", "what was received is replayed, then it is promoted: the "
           "session is ended; no row lost")
def replay_held_up(scene):
    lab, best = scene.lab, scenarios.ranked_standbys(scene.lab)[0]
    stays_off(lab, scene.old)
    with tools.replay_held_up(lab, best):
        scene.client.wait_rows(200)
        scene.foresee(scene.old)
        lab.power_off(scene.old)
        wait_until(lambda: lab.primary_now() == best, 120, f"{best} to be promoted", step=0.2)
    lab.nodes[best].sql("drop table paf_held_up")
    come_back(lab, scene.old)
    return [scene.old]
