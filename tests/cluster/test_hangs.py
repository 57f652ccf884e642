"""Processes stopped with SIGSTOP: no node is fenced, no action waits until its timeout."""

import contextlib
import os
import signal

import pytest

from lab import scenarios
from lab.tools import wait_until


# make faults plays servers and clients of WAL that hang, and tests of components do
pytestmark = pytest.mark.long


@pytest.mark.parametrize("role", ["primary", "standby"])
def test_a_stopped_postmaster_is_woken_and_restarted(lab, role):
    victim = lab.primary() if role == "primary" else lab.standbys()[0]
    with scenarios.watched(lab, primary=lab.primary()) as play:
        scenarios.strike(lab, victim, "stop", "postmaster")
    assert play.fencings == [] and play.two_primaries == [] and play.client.lost == []
    assert [action for action in play.actions("stop")] == [("stop", victim)]
    assert "does not answer in time" in play.after


def test_a_standby_that_hangs_does_not_hold_up_a_switchover(lab):
    """The old primary's shutdown waits for its acknowledgment, one minute by default."""
    lab.wait_candidates()
    old, (target, hung) = lab.primary(), scenarios.ranked_standbys(lab)
    lab.nodes[old].sql("alter system set wal_sender_timeout = '10min'")
    lab.nodes[old].sql("select pg_reload_conf()")
    # between two attempts to connect there is none
    receivers = wait_until(lambda: lab.nodes[hung].freeze("walreceiver"), 90,
                           f"a WAL receiver on {hung}", step=0.2)
    try:
        with scenarios.watched(lab, primary=target, online=list(lab.nodes)) as play:
            scenarios.request_switchover(lab, target)
            wait_until(lambda: lab.primary_now() == target, 180, f"{target} to be promoted",
                       step=0.2)
            for pid in receivers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    finally:
        scenarios.withdraw_request(lab)
        lab.nodes[old].sql("alter system reset wal_sender_timeout")
        lab.nodes[old].sql("select pg_reload_conf()")
    assert play.fencings == [] and play.two_primaries == [] and play.client.lost == []
    assert "without it: postgres: walsender" in lab.nodes[old].log()
