"""Repair a lab after a test: cheaper than a new one."""

import os
import signal

from . import network
from .cib import CLONE
from .settings import VIP
from .tools import Deadline, LabError, wait_until


def heal(lab, timeout):
    """Repair the network, resume processes, power nodes on, clean up failures, rebuild standbys."""
    deadline = Deadline(timeout)
    lab.mend()
    for node in lab.nodes.values():
        for pid in network.pids(lab.settings.netns(node.name)):
            _thaw(pid)
        node.fence_policy("reboot")
    lab.power_on()
    wait_until(lambda: _all_online(lab), deadline, "all nodes to be online", step=0.2,
               seen=lab.describe)
    lab.clear()
    lab.cleanup()
    try:
        lab.wait_settled(min(30, deadline.left()))
    except LabError:
        _rebuild_the_lame(lab, deadline)
        lab.wait_settled(max(5, deadline.left()))
    lab.wait_candidates(max(10, deadline.left()))


def rebuild(lab, name, timeout=120):
    """Make a node's data directory again from the primary, with the node in standby mode."""
    node = lab.nodes[name]
    standby = ["crm_attribute", "--node", name, "--name", "standby", "--lifetime", "forever"]
    # Asked of a node that is well: the lame one may be in no cluster
    lab.ask([*standby, "--update", "on"])
    try:
        wait_until(
            lambda: not node.pids("postmaster"), timeout, f"the server of {name} to be stopped"
        )
        node.run(["rm", "-rf", node.settings.pgdata])
        _run_as_postgres(
            node,
            "pg_basebackup",
            "-h",
            VIP,
            "-U",
            "postgres",
            "-D",
            node.settings.pgdata,
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-R",
            timeout=timeout,
        )
        node.run(["truncate", "--size=0", f"{node.settings.pgdata}/postgresql.auto.conf"])
        # The control file must say 'shut down in recovery', as it does for a standby that once ran
        for action in ("start", "stop"):
            _run_as_postgres(
                node, "pg_ctl", action, "-w", "-D", node.settings.pgdata, "-l", "/dev/null"
            )
    finally:
        # first: a start that is under way meets a resource that the executor has just forgotten
        # ("No such device", fail-count INFINITY; seen with 2.1.5)
        lab.cleanup(CLONE, name)
        lab.ask([*standby, "--delete"])


def _rebuild_the_lame(lab, deadline):
    primary = lab.primary()
    streaming = lab.streaming(primary)
    for name in lab.nodes:
        if name != primary and name not in streaming:
            rebuild(lab, name, max(10, deadline.left()))


def _run_as_postgres(node, program, *arguments, timeout=30):
    return node.run(
        [f"{node.settings.bindir}/{program}", *arguments], user="postgres", timeout=timeout
    )


def _all_online(lab):
    state = lab.look()
    return state is not None and state.quorum and set(state.online) == set(lab.nodes)


def _thaw(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
