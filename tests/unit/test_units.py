"""What the systemd units say, where a real systemd showed that it matters: `make containers`."""

import pytest

from tests.component.listener import unit
from tests.conftest import REPOSITORY

SOCKET = unit("paf-health.socket", "Socket")
SERVICE = unit("paf-health@.service", "Service")
SLICE = unit("paf-health.slice", "Slice")


AGAIN = (REPOSITORY / "units" / "paf-health-again.service").read_text(encoding="utf-8")


def test_a_flood_closes_the_port_and_opens_it_again():
    """Without the limit systemd starts no unit of the node while connections wait."""
    rate = int(SOCKET["TriggerLimitBurst"]) / int(SOCKET["TriggerLimitIntervalSec"])
    assert 16 < rate < 50       # sixteen load balancers, and what has kept systemd busy
    assert int(SOCKET["TriggerLimitBurst"]) > int(SOCKET["MaxConnections"])
    assert unit("paf-health.socket", "Unit")["OnFailure"] == "paf-health-again.service"
    assert "ExecStart=/bin/systemctl start --no-block paf-health.socket\n" in AGAIN


def test_the_port_is_not_opened_more_often_than_systemd_lets_a_unit_start():
    """Five starts in ten seconds are its limit: DefaultStartLimitBurst."""
    assert "ExecStart=/bin/sleep 3\n" in AGAIN
    assert unit("paf-health-again.service", "Service")["Type"] == "oneshot"


def test_all_requests_together_are_bounded():
    assert int(SOCKET["MaxConnectionsPerSource"]) < int(SOCKET["MaxConnections"]) <= 16
    assert SERVICE["RuntimeMaxSec"] == "8" and SERVICE["Slice"] == "paf-health.slice"
    assert (SLICE["CPUQuota"], SLICE["MemoryMax"], SLICE["TasksMax"]) == ("100%", "512M", "256")


@pytest.mark.parametrize("settings", [SOCKET, SERVICE])
def test_what_is_refused_or_late_writes_no_journal(settings):
    """Systemd writes a warning for each of those: thousands in a minute."""
    assert settings["LogLevelMax"] == "err"
