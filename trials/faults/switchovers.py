"""What goes wrong while roles change."""

import contextlib

from lab import scenarios
from trials.faults import tools
from trials.faults.model import Table
from trials.faults.networks import come_back, stays_off
from lab.tools import wait_until

TABLE = Table()
_SERVER_LOG = "/var/log/postgresql/postgresql.log"


@contextlib.contextmanager
def request(lab, target):
    """Ask for a switchover; take the request back at the end of the block."""
    scenarios.request_switchover(lab, target)
    try:
        yield
    finally:
        scenarios.withdraw_request(lab)


def wait_for_line(lab, text, count=1):
    """Wait until the nodes' logs have a text so many times more often than before."""
    def found():
        return sum(node.log().count(text) for node in lab.nodes.values())
    before = found()
    return lambda: wait_until(lambda: found() >= before + count, 90, f"{text!r} in a log",
                              step=0.02)


@TABLE.row(20, "the old primary dies between demote and promote", "its power is cut as soon as it "
           "is no longer a primary", "an election; one primary, no row lost", budget=40, quick=True)
def dies_in_between(scene):
    lab, target = scene.lab, scenarios.ranked_standbys(scene.lab)[0]
    stays_off(lab, scene.old)
    with request(lab, target):
        wait_until(lambda: not lab.nodes[scene.old].pids("checkpointer"), 60,
                   "the old primary to end", step=0.005)
        lab.power_off(scene.old)
        scene.settled(online=scene.others)
    come_back(lab, scene.old)
    scene.settled(not_primary=scene.old)
    return [scene.old]


@TABLE.row(21, "switchover to a node that misses the shutdown checkpoint",
           "the target stops receiving just before", "refused, the old primary is promoted again, "
           "the reason is shown", reason="shutdown checkpoint|lags by")
def shutdown_checkpoint_missed(scene):
    lab, target = scene.lab, scenarios.ranked_standbys(scene.lab)[-1]
    with scenarios.deaf(lab, target), request(lab, target):
        wait_until(lambda: scenarios.reason_of_refusal(lab, target), 90,
                   f"{target} to refuse", step=0.2)
        scene.remember()
        wait_until(lambda: lab.primary_now() == scene.old, 90, "the old primary", step=0.2)
    assert ("promote", target) not in scene.actions()
    scene.settled(primary=scene.old)
    scenarios.wait_for_ranks(lab)


@TABLE.row(22, "switchover to a node that lags", "the target has not received 20 MB",
           "refused before the demotion: no outage, the reason is shown",
           reason="lags by|does not stream", budget=8)
def lagging_target(scene):
    lab, target = scene.lab, scenarios.ranked_standbys(scene.lab)[-1]
    with scenarios.deaf(lab, target):
        lab.nodes[scene.old].sql("create table if not exists big as select generate_series(1, "
                                 "200000) as n, repeat('x', 80) as t")
        with request(lab, target):
            wait_until(lambda: scenarios.reason_of_refusal(lab, target), 90,
                       f"{target} to be refused", step=0.2)
            scene.remember()
    scene.settled(primary=scene.old)
    assert scene.actions("demote", "promote") == [], scene.actions()
    lab.nodes[scene.old].sql("drop table big")
    scenarios.wait_for_ranks(lab)


@TABLE.row(25, "a promotion fails", "pg_ctl promote fails on the best standby; power cut of the "
           "primary", "its score drops, the next candidate is promoted; no ping-pong",
           reason="pg_ctl promote failed", budget=60, quick=True)
def promotion_fails(scene):
    lab, target = scene.lab, scenarios.ranked_standbys(scene.lab)[0]
    program = f"{lab.settings.bindir}/pg_ctl"
    node = lab.nodes[target]
    node.run(["mv", program, program + ".real"])
    node.install(program, '#!/bin/sh\ncase " $* " in *" promote "*) echo "out of order" >&2; '
                          f'exit 1;; esac\nexec {program}.real "$@"\n')
    try:
        stays_off(lab, scene.old)
        lab.power_off(scene.old)
        scene.settled(online=scene.others, not_primary=target)
        scene.remember()
        failed = [action for action in scene.actions("promote") if action[1] == target]
        assert len(failed) == 1, scene.actions("promote")
    finally:
        node.run(["mv", "-f", program + ".real", program])
    come_back(lab, scene.old)
    return [scene.old]


@TABLE.row(26, "Pacemaker's attribute manager dies", "kill -9 of pacemaker-attrd on every node in "
           "turn; then a switchover", "no demotion; elections go on as before", budget=None)
def attribute_manager_dies(scene):
    lab = scene.lab
    for node in lab.nodes.values():
        node.kill("pacemaker-attrd")
        wait_until(lambda node=node: node.pids("pacemaker-attrd"), 30,
                   "pacemakerd to start it again", step=0.2)
    scene.settled(primary=scene.old)
    assert scene.actions() == [], scene.actions()
    scenarios.wait_for_ranks(lab)
    target = scenarios.ranked_standbys(lab)[0]
    with request(lab, target):
        scene.settled(primary=target)


@TABLE.row(27, "the transition is aborted during the election", "power cut of the primary; the "
           "cluster's configuration changes during each of the first notifications",
           "the election is held again; one primary, no row lost", budget=60)
def election_aborted(scene):
    lab = scene.lab
    stays_off(lab, scene.old)
    with tools.with_property(lab, "paf-test", "0"):
        begun = wait_for_line(lab, "pre_notify_promote")
        scene.foresee(scene.old)
        lab.power_off(scene.old)
        begun()
        for number in range(1, 4):
            tools.set_property(lab, "paf-test", str(number))
        scene.settled(online=scene.others)
    come_back(lab, scene.old)
    return [scene.old]


@TABLE.row(28, "a node joins during an election", "it is switched on just before a switchover",
           "not waited for, not asked; one primary, no row lost", budget=60)
def node_joins(scene):
    lab = scene.lab
    target, late = scenarios.ranked_standbys(lab)
    stays_off(lab, late)
    lab.power_off(late)
    scene.settled(online=[scene.old, target])
    come_back(lab, late)
    wait_until(lambda: lab.nodes[late].pids("pacemakerd"), 30, "it to boot", step=0.02)
    with request(lab, target):
        scene.settled(primary=target)
    return [late]


TABLE.tested(
    29, "a node never publishes its position",
    "no ballot of one node; late, lost and doubled messages",
    "a bounded wait, then no promotion, and the reason names the node",
    "tests/component/test_elections.py::test_a_peer_that_never_speaks_is_named_in_time",
    "tests/unit/test_election_histories.py::"
    "test_a_missing_peer_is_named_and_nobody_is_promoted")


@TABLE.row(30, "a slow shutdown", "a WAL sender cannot get rid of its WAL during a switchover",
           "waited for, never immediate mode", budget=60)
def slow_shutdown(scene):
    lab = scene.lab
    target, slow = scenarios.ranked_standbys(lab)
    before = len(lab.nodes[scene.old].log(_SERVER_LOG))     # an earlier row may have needed it
    with scenarios.deaf(lab, slow), request(lab, target):
        scene.settled(primary=target, standbys=[scene.old])
    assert "immediate shutdown request" not in lab.nodes[scene.old].log(_SERVER_LOG)[before:]
    scene.settled(primary=target)


@TABLE.row(31, "demote reaches its timeout", "a WAL sender that waits forever; short timeouts",
           "the agent ends the sender, and the switchover goes on; or demote and stop fail, the "
           "node is fenced, and the target is promoted", budget=80)
def demote_times_out(scene):
    lab = scene.lab
    target, deaf = scenarios.ranked_standbys(lab)
    lab.nodes[scene.old].sql("alter system set wal_sender_timeout = 0")
    lab.nodes[scene.old].sql("select pg_reload_conf()")
    stays_off(lab, scene.old)
    with tools.with_timeout(lab, {"demote": "120s", "stop": "60s"}, demote="10s", stop="10s"), \
            scenarios.deaf(lab, deaf), request(lab, target):
        wait_until(lambda: not lab.nodes[scene.old].is_on or lab.primary_now() == target,
                   180, "the fencing or the switchover", step=0.3)
        lab.nodes[deaf].thaw("walreceiver")
        fenced = [] if lab.nodes[scene.old].is_on else [scene.old]
        scene.settled(online=scene.others if fenced else None)
        scene.remember()
    if fenced:
        come_back(lab, scene.old)
    scene.settled()
    lab.nodes[scene.old].sql("alter system reset wal_sender_timeout")
    return fenced


@TABLE.row(54, "a node is busy, and Pacemaker runs one operation at a time",
           "`load-threshold` is 1 %; the primary moves to each standby in turn",
           "both switchovers succeed; who is notified before the candidate votes as well",
           budget=40)
def one_at_a_time(scene):
    lab = scene.lab
    with tools.with_property(lab, "load-threshold", "1%", before="800%"):
        wait_for_line(lab, "High CPU load")()
        for target in scene.others:
            with request(lab, target):
                scene.settled(primary=target)
            scenarios.wait_for_ranks(lab)
    return []
