"""What Pacemaker 1.1.12 and 1.1.13 call the agent with, as recorded in clusters."""

import pytest

from paf import ocf
from paf.cluster import base
from paf.decide import transition
from paf.notifications import pre_promote
from tests.cluster import old_pacemaker

CALLS = (
    # version, call, name, voters, lasting primaries
    ("1.1.12", "first-start", transition.FIRST_START, ["srv1", "srv2", "srv3"]),
    ("1.1.12", "recovery-of-the-primary", transition.RECOVERY_OF_PRIMARY,
     ["srv1", "srv2", "srv3"]),
    ("1.1.12", "announced-again", transition.PROMOTION, ["srv1", "srv2", "srv3"]),
    ("1.1.13", "switchover", transition.SWITCHOVER, ["srv1", "srv2", "srv3"]),
)


@pytest.fixture
def recorded(data):
    def read(version, call):
        path = data / "pacemaker" / version / "environment" / f"{call}.txt"
        lines = path.read_text().splitlines()[1:]
        return ocf.Environment(dict(line.split("=", 1) for line in lines))
    return read


@pytest.mark.parametrize("version, call, name, voters", CALLS)
def test_each_promotion_has_its_name_and_its_voters(recorded, version, call, name, voters):
    lists = transition.read(recorded(version, call))
    assert transition.transition(lists) == name
    assert transition.voters(lists) == voters
    assert transition.lasting_primaries(lists) == []
    assert (lists.kind, lists.operation) == ("pre", "promote")


@pytest.mark.parametrize("version, call", [item[:2] for item in CALLS])
def test_a_list_of_one_blank_is_empty(recorded, version, call):
    environment = recorded(version, call)
    raw = environment.variables["OCF_RESKEY_CRM_meta_notify_active_uname"]
    assert raw == " " and environment.meta("on_node") == ""
    lists = transition.read(environment)
    assert set(lists.active) == set(lists.promoted) | set(lists.unpromoted)


@pytest.mark.parametrize("mark, again, name", [
    (base.MARK_NONE, False, transition.FAILOVER), (base.MARK_COLD, False, transition.FIRST_START),
    (base.MARK_RECOVERED, False, transition.RECOVERY_OF_PRIMARY),
    (base.MARK_NONE, True, transition.PROMOTION)])
def test_where_the_lists_say_nothing_the_mark_does(recorded, mark, again, name):
    """Pacemaker announces again without what led to it, and a lost node is in no list."""
    class Context:
        notification = transition.read(recorded("1.1.12", "announced-again"))

        class cluster:
            is_announced_again = again
    assert pre_promote._name(Context, mark) == name


def test_the_stand_in_sends_what_1_1_12_sent(recorded):
    """It makes of a newer Pacemaker's environment one of the same names, lists and blanks."""
    old = recorded("1.1.12", "recovery-of-the-primary").variables
    newer = dict(old, OCF_EXIT_REASON_PREFIX="ocf-exit-reason:", PCMK_watchdog="false",
                 OCF_RA_VERSION_MINOR="1", OCF_RESKEY_crm_feature_set="3.16.1",
                 HA_cluster_type="corosync", PCMK_cluster_type="corosync",
                 HA_quorum_type="corosync", PCMK_quorum_type="corosync")
    prefix = "OCF_RESKEY_CRM_meta_"
    for name, value in (("on_node", "srv3"), ("promoted_max", "1"),
                        ("notify_promoted_uname", "srv3"), ("notify_all_uname", "srv3"),
                        ("notify_active_uname", "srv1 srv2 srv3"),
                        ("notify_promote_uname", "srv3")):
        newer[prefix + name] = value
    sent = old_pacemaker.environment(newer)
    assert sent.pop("HA_SBIN_DIR") == old_pacemaker.FOLDER
    assert sent == old
