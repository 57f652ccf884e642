"""SBD without a disk: its own configuration on this host, and the cluster's timeout."""

import pytest

from paf.cli import configuration, finding
from paf.cli.check import sbd
from tests.unit.test_cli_check import text
from tests.unit.test_cli_devices import changed, watchdog

__all__ = ["text"]

ERROR, WARNING, UNSEEN = finding.ERROR, finding.WARNING, finding.UNSEEN
OWN = "SBD_WATCHDOG_TIMEOUT=5\n"

#: The cluster's timeout, SBD's file (None: there is none), and (level, words) of what is found.
TIMEOUTS = (
    ("10", OWN, []), ("10s", 'export SBD_WATCHDOG_TIMEOUT="5"\n', []), ("-1", OWN, []),
    ("3m", OWN, []), ("PT1S", OWN, []), ("soon", OWN, []),    # no times here: twice SBD's own
    ("10", "# SBD_WATCHDOG_TIMEOUT=15\n", []),    # SBD's default is 5 s
    ("9", OWN, [(WARNING, "stonith-watchdog-timeout is 9 s, SBD_WATCHDOG_TIMEOUT 5 s")]),
    ("5", OWN, [(ERROR, "stonith-watchdog-timeout is 5 s, SBD_WATCHDOG_TIMEOUT 5 s")]),
    ("10", OWN + "SBD_WATCHDOG_TIMEOUT='12'\n",
     [(ERROR, "stonith-watchdog-timeout is 10 s, SBD_WATCHDOG_TIMEOUT 12 s")]),
    ("-1", "SBD_WATCHDOG_DEV=/dev/watchdog\n",
     [(ERROR, "stonith-watchdog-timeout is -1, and SBD_WATCHDOG_TIMEOUT is not set here")]),
    ("PT9S", "", [(ERROR, "stonith-watchdog-timeout is PT9S, and SBD_WATCHDOG_TIMEOUT")]),
    ("10", OWN + 'SBD_DEVICE="/dev/sdb"\n',
     [(ERROR, "stonith-watchdog-timeout is set, and SBD has a disk here")]),
    ("10", OWN + 'SBD_DEVICE=""\n', []),
    ("10", OWN.replace("5", "$X"), [(UNSEEN, "SBD_WATCHDOG_TIMEOUT of this host is not known")]),
    ("10", None, [(UNSEEN, "SBD_WATCHDOG_TIMEOUT of this host is not known")]),
    ("0", None, []),
)


@pytest.mark.parametrize("folder", ["sysconfig", "default"])
@pytest.mark.parametrize("timeout, own, expected", TIMEOUTS)
def test_a_lost_node_has_ended_itself_before_it_counts_as_off(
        text, tmp_path, folder, timeout, own, expected):
    configured = configuration.parse(changed(text, [watchdog(timeout)]))
    (tmp_path / "etc" / folder).mkdir(parents=True)
    if own is not None:
        (tmp_path / "etc" / folder / "sbd").write_text(own)
    found = list(sbd.timeouts(configured, str(tmp_path)))
    assert [item.level for item in found] == [level for level, _ in expected]
    assert all(item.what.startswith(words) for item, (_, words) in zip(found, expected))


def test_without_sbd_nothing_is_asked_for(text, tmp_path):
    assert list(sbd.timeouts(configuration.parse(text), str(tmp_path))) == []
