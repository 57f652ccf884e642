"""After a power cut of the whole cluster, the most advanced WAL wins, in any order of boots."""

import pytest

from lab import scenarios
from lab.tools import wait_until
from trials.faults.tools import with_timeout

#: The last primary is waited for as long as a notification may take: it boots when a test lets it.
LONG_WAIT = "400s"
LAB = {"properties": {"cluster-delay": "60s"}, "operations": {"notify": {"timeout": LONG_WAIT}}}


def test_the_last_primary_is_waited_for(lab):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    others = [name for name in lab.nodes if name != old]
    with lab.client("cut") as client, scenarios.deaf(lab, others[0]), \
            scenarios.deaf(lab, others[1]):
        client.wait_rows(200)
        for node in lab.nodes.values():
            node.fence_policy("off")
        lab.power_off()
    lab.power_on(*others)
    wait_until(lambda: any("waiting for" in scenarios.reason_of_refusal(lab, name)
                           for name in others), 180, f"a node to wait for {old}", step=0.5)
    assert lab.primary_now() is None
    for node in lab.nodes.values():
        node.fence_policy("reboot")
    lab.power_on(old)
    lab.wait_settled(300, primary=old)
    assert client.report().lost == []


@pytest.mark.long
def test_who_never_comes_does_not_keep_the_others_down(lab):
    scenarios.wait_for_ranks(lab)
    old = lab.primary()
    others = [name for name in lab.nodes if name != old]
    for node in lab.nodes.values():
        node.fence_policy("off")
    with with_timeout(lab, {"notify": LONG_WAIT}, notify="60s"):
        lab.power_off()
        lab.power_on(*others)
        lab.wait_settled(240, online=others)
    assert lab.primary() in others
    for node in lab.nodes.values():
        node.fence_policy("reboot")
    lab.power_on(old)
    lab.wait_settled(180)
