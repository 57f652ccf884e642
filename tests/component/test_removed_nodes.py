"""What the CIB no longer says of nodes that an administrator has removed from the cluster."""

import pytest

from tests.component.conftest import SYNCHRONOUS
from tests.component.test_synchronous import alone, lose_rows_on


@pytest.mark.parametrize("own, removed", [
    ("", ["srv1"]), ("ANY 2 (srv1, srv2, srv3)", ["srv1"]), (SYNCHRONOUS, ["srv1"]),
    (SYNCHRONOUS, ["srv1", "srv2"]), ("", ["srv1", "srv2"])])
def test_the_rule_of_a_last_primary_that_was_removed_from_the_cluster_holds(
        synchronous, own, removed):
    """crm_node -R removes what it had published. The candidate's own setting may be another one."""
    cluster, candidate = synchronous, synchronous["srv3"]
    candidate.configure(f"synchronous_standby_names = '{own}'")
    lose_rows_on(cluster, "srv3")
    cluster["srv2"].kill()
    cluster["srv1"].kill()
    cluster.move_vip(None)
    candidate.start()
    for name in removed:
        cluster.store.remove_member(name)
    assert cluster.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    assert "srv2 may hold commits that were acknowledged" in cluster.store.refusal("srv3")


def test_a_last_primary_that_was_removed_from_the_cluster_is_missed_by_nobody(synchronous):
    """All standbys vote: with what it published it is known that it was no standby."""
    synchronous["srv1"].kill()
    synchronous.move_vip(None)
    synchronous.store.remove_member("srv1")
    run = synchronous.promote("srv3", alone("srv2", "srv3"), ["srv2", "srv3"])
    assert run.code == 0, synchronous.store.refusal("srv3")


def test_what_an_earlier_election_would_have_published_is_not_published(pair):
    """Its note is of this node's, and was left where Pacemaker gave the promotion up."""
    node = pair["srv1"]
    (node.temporary / "pgsqlms-pgsqld.rule").write_text("7 1 srv9")
    node.kill_and_reap()
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1",
                 stop="srv1", start="srv1", promote="srv1")
    for action in ("demote", "stop", "start"):
        assert node.agent(action, lists=lists).code == 0
    assert pair.promote("srv1", lists, ["srv1", "srv2"]).code == 0
    assert pair.store.permanent("synchronous", "srv1") is None


def test_a_standby_that_is_left_alone_is_not_taken_for_the_last_primary(synchronous):
    """The primary published nothing, as a Perl agent, and no other node is in the CIB any more."""
    lose_rows_on(synchronous, "srv3")
    for name in ("srv1", "srv2"):
        synchronous[name].kill()
    synchronous.move_vip(None)
    for name in ("srv1", "srv2"):
        synchronous.store.remove_member(name)
    synchronous.store.forget_permanent()
    synchronous.store.set_score("srv3", 1000)
    assert synchronous["srv3"].agent("start", lists=dict(active="", start="srv3")).code == 0
    assert synchronous.promote("srv3", alone("srv3"), ["srv3"]).code == 1
    assert "may hold commits that were acknowledged" in synchronous.store.refusal("srv3")
