"""A server that somebody stopped with SIGSTOP: neither fenced nor waited for until timeouts."""

import pytest

from tests import scenarios


@pytest.mark.parametrize("role", ["standby", "primary"])
def test_a_stopped_postmaster_is_woken_and_restarted(lab, role):
    victim = lab.primary() if role == "primary" else lab.standbys()[0]
    with scenarios.watched(lab, primary=lab.primary()) as play:
        lab.nodes[victim].freeze("postmaster")
        scenarios.wait_until_noticed(lab, victim)
    assert play.fencings == [] and play.two_primaries == [] and play.client.lost == []
    assert [action for action in play.actions("stop")] == [("stop", victim)]
    assert "does not answer in time" in play.after
