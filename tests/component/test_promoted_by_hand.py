"""A standby that was promoted by hand beside the primary: its later timeline counts less."""

import pytest

from paf.decide import wal
from tests.component.server import wait_until
from tests.component.test_rebuild import work_of
from tests.component.test_rewind_losses import promotions_of, reports


def stray(cluster):
    """srv2 is promoted by hand beside the primary, and takes a write; Pacemaker stops it."""
    cluster.store.promotes("srv1")
    assert cluster["srv1"].monitor(CRM_meta_role="Promoted").code == 8
    cluster["srv2"].sql("SELECT pg_promote()")
    wait_until(lambda: not cluster["srv2"].in_recovery, "srv2 to be promoted")
    cluster["srv2"].sql("SET LOCAL synchronous_commit = local; INSERT INTO t VALUES (3)")
    assert cluster["srv2"].agent("stop").code == 0


BESIDE = dict(active="srv1", promoted="srv1", start="srv2")


@pytest.mark.fast
def test_a_standby_that_was_promoted_by_hand_is_not_started_beside_the_primary(pair):
    """Its timeline is later than the primary's, and would win the next election."""
    stray(pair)
    run = pair["srv2"].agent("start", lists=BESIDE)
    assert run.code == 5 and "diverged: timeline 2 is later than the primary's" in run.reason, run
    assert not (pair["srv2"].pgdata / "postmaster.pid").exists()


def test_one_that_was_promoted_by_hand_is_not_rewound(hinted):
    """pg_rewind keeps the segment in which the later timeline begins: it would still show."""
    stray(hinted)
    before = hinted["srv2"].files()
    run = hinted["srv2"].agent("start", lists=BESIDE, rejoin="rewind")
    assert run.code == 5 and "rebuild it from the primary" in run.reason, run
    assert hinted["srv2"].files() == before


def promote_the_primary_again(cluster):
    """The primary's timeline gets the number that the other one's has."""
    server = cluster["srv1"]
    assert server.agent("demote").code == 0
    server.sql("SELECT pg_promote()")
    wait_until(lambda: not server.in_recovery, "srv1 to be promoted again")
    assert server.monitor(CRM_meta_role="Promoted").code == 8


@pytest.mark.parametrize("same_number", [False, True])
def test_a_rebuild_copies_the_primary_and_keeps_what_was_written(hinted, same_number):
    """pg_rewind has nothing to do where both are on a timeline of the same number."""
    stray(hinted)
    if same_number:
        promote_the_primary_again(hinted)
    node = hinted["srv2"]
    work = work_of(node, theirs=lambda: promotions_of("srv1", node))
    assert "pg_basebackup copies the primary" in "\n".join(work.says())
    work.do()
    assert node.agent("start", lists=BESIDE).code == 0
    hinted.wait_for_streams("srv1", 1)
    ((kept,), doubt) = reports(node)
    assert (len(kept["commits"]), doubt) == (1, [])


def test_one_that_runs_beside_the_primary_fails_once_that_can_be_asked(pair):
    stray(pair)
    pair.move_vip(None)
    assert pair["srv2"].agent("start", lists=BESIDE).code == 0
    assert pair["srv2"].monitor().code == 0, "nobody can be asked"
    pair.move_vip("srv1")
    # its receiver is refused each time; while it asks, it may stream for all that is known
    run, = wait_until(lambda: [run for run in [pair["srv2"].monitor()] if run.code],
                      "a monitor that has asked")
    assert run.code == 1 and "diverged: timeline 2" in run.reason, run


def test_an_earlier_timeline_that_is_not_the_primarys_own_word_proves_nothing(pair):
    """Who answers may be a former primary that is still there: fencing is for that."""
    stray(pair)
    pair.store.set_value("line", "srv1", "")
    assert pair["srv2"].agent("start", lists=BESIDE).code == 0


# Elections

ALONE = dict(active="srv2 srv3", unpromoted="srv2 srv3")
ROWS = 100


def lose_the_primary(cluster):
    """srv3 gets rows that srv2 does not have, and the primary is lost."""
    cluster.move_vip("srv1")
    cluster.wait_for_streams("srv1", 1)
    cluster["srv1"].sql(f"INSERT INTO t SELECT generate_series(101, {100 + ROWS})")
    cluster["srv1"].kill()
    cluster.move_vip(None)


def test_one_that_is_refused_keeps_no_other_from_promotion(synchronous):
    """Its last words say how far it followed: what it wrote after that was never the primary's."""
    stray(synchronous)
    lists = dict(active="srv1 srv3", promoted="srv1", unpromoted="srv3", start="srv2")
    assert synchronous["srv2"].agent("start", lists=lists).code == 5
    left = (synchronous["srv2"].pgdata / "pg_wal" / "00000002.history").read_text().split()[1]
    for name in ("last_words", "acknowledged"):
        assert synchronous.store.permanent(name, "srv2") == f"1#{wal.parse_lsn(left)}", name
    lose_the_primary(synchronous)
    assert synchronous.promote("srv3", dict(active="srv3", unpromoted="srv3", promote="srv3"),
                               ["srv3"]).code == 0
    assert synchronous["srv3"].value("SELECT count(*) FROM t WHERE n > 100") == ROWS


def test_one_that_runs_wins_no_election(synchronous):
    """Its start could not ask the primary."""
    stray(synchronous)
    synchronous.move_vip(None)
    for name in ("srv2", "srv3"):
        assert synchronous[name].agent("start", lists=dict(
            active="srv1", promoted="srv1", start="srv2 srv3")).code == 0
    lose_the_primary(synchronous)
    for name in ("srv3", "srv2", "srv3"):
        run = synchronous.promote(name, dict(ALONE, promote=name), ["srv2", "srv3"])
        assert run.code == 1, name
    assert "another history" in synchronous.store.refusal("srv2")
    assert "start srv1" in synchronous.store.refusal("srv2")


@pytest.mark.parametrize("absent", ["", "srv1"])
def test_it_wins_no_cold_start(synchronous, absent):
    stray(synchronous)
    lose_the_primary(synchronous)
    synchronous["srv3"].kill()
    for name, score in (("srv1", 1001), ("srv2", -1000), ("srv3", 1000)):
        synchronous.store.set_score(name, score)
    names = [name for name in ("srv1", "srv2", "srv3") if name != absent]
    cold, up = dict(active="", promoted="", start=" ".join(names)), " ".join(names)
    runs = synchronous.at_once(lambda node: node.agent("start", lists=cold), names)
    assert [run.code for run in runs.values()] == [0] * len(names)
    synchronous.notify("post", "start", cold, names)
    lists = dict(active=up, unpromoted=up)
    assert synchronous.promote("srv2", dict(lists, promote="srv2"), names).code == 1
    run = synchronous.promote("srv3", dict(lists, promote="srv3"), names)
    assert run.code == (1 if absent else 0), "it has all that srv1 has"
    assert not absent or "start srv1" in synchronous.store.refusal("srv3")


@pytest.mark.parametrize("later", [True, False])
def test_one_that_runs_as_another_is_promoted_leaves_the_service(synchronous, later):
    """Both have timeline 2 then: it would acknowledge commits, and win the next election."""
    names = ["srv1", "srv2", "srv3"]
    for name in names:
        synchronous[name].stop()
    by_hand(synchronous["srv2"])
    if not later:    # both were promoted, from one place
        by_hand(synchronous["srv1"])
    synchronous.move_vip(None)    # its resource is down, too
    for name, score in zip(names, (1001, 990, 1000)):
        synchronous.store.set_score(name, score)
    cold = dict(active="", promoted="", start=" ".join(names))
    runs = synchronous.at_once(lambda node: node.agent("start", lists=cold), names)
    assert [run.code for run in runs.values()] == [0, 0, 0]
    synchronous.notify("post", "start", cold, names)
    up = " ".join(names)
    assert synchronous.promote("srv1", dict(active=up, unpromoted=up, promote="srv1"),
                               names).code == 0
    assert not (synchronous["srv2"].pgdata / "postmaster.pid").exists()
    synchronous.move_vip("srv1")
    run = synchronous["srv2"].agent("start", lists=dict(
        active="srv1 srv3", promoted="srv1", unpromoted="srv3", start="srv2"))
    assert run.code == 5 and "diverged: this instance had another history" in run.reason, run
    synchronous.wait_for_streams("srv1", 1)
    assert synchronous["srv3"].monitor().code == 0


def test_a_primary_promoted_by_hand_forgets_whose_history_differed(pair):
    """That one may be made again from this one, and be its primary one day."""
    note = pair["srv1"].temporary / "pgsqlms-pgsqld.stranger"
    note.write_text("1:1 srv2")
    assert pair["srv1"].monitor().code == 8
    assert not note.exists()


def by_hand(node):
    """Start an instance as a standby, promote it, have it take a write, and stop it."""
    (node.pgdata / "standby.signal").touch()
    node.server.start()
    node.sql("SELECT pg_promote()")
    wait_until(lambda: not node.in_recovery, "its promotion")
    node.sql("SET LOCAL synchronous_commit = local; INSERT INTO t VALUES (3)")
    node.stop()
