"""paf rebuild with a tablespace that each node has elsewhere, and with its WAL elsewhere."""

import os
import shutil

import pytest

from paf.actions import rejoin
from paf.cli.common import Problem
from paf.cli.rebuild import awaited, copying
from paf.instance import divergence, journal
from tests.component.cutting import cut, steps_of
from tests.component.server import clone, owner, wait_until
from tests.component.test_rebuild import context_of, next_start, work_of
from tests.component.test_rewind import (
    come_back, fail_over, journal_of, lost_of, own_files, write_commits)
from tests.component.test_rewind_cut import own, same_rows

PLACES = ("data", "wal", "space")
SOME = 3        # cuts; `make check-all` has all


def place_of(cluster, kind):
    """Return where srv1 has its data directory, its WAL, its tablespace."""
    return cluster["srv1"].pgdata if kind == "data" else cluster.folder / f"{kind}1"


@pytest.fixture(scope="module")
def apart(lasting):
    """A crashed srv1 with commits of its own, and srv2, the primary."""
    cluster = lasting("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
        own_files(node)
    shutil.move(cluster["srv1"].pgdata / "pg_wal", cluster.folder / "wal1")
    (cluster["srv1"].pgdata / "pg_wal").symlink_to(cluster.folder / "wal1")
    cluster.start()
    make_tablespace(cluster, cluster.folder / "space1", cluster.folder / "space2")
    write_commits(cluster)
    fail_over(cluster)
    cluster["srv2"].sql("INSERT INTO placed VALUES (2)")
    for kind in PLACES:
        clone(place_of(cluster, kind), cluster.folder / f"{kind}.aside")
    return cluster


def make_tablespace(cluster, one, two):
    """Make a tablespace with a table; the primary has it in one folder, the standby in another."""
    one.mkdir()
    shutil.chown(one, owner().pw_uid, owner().pw_gid)
    cluster["srv1"].sql(f"CREATE TABLESPACE apart LOCATION '{one}'")
    folder = cluster["srv2"].pgdata / "pg_tblspc"
    wait_until(lambda: list(folder.iterdir()), "the standby to have the tablespace")
    cluster["srv1"].sql("CHECKPOINT")
    cluster.wait_for_streams("srv1", 1)
    cluster["srv2"].sql("CHECKPOINT")    # its next start does not make the link again
    cluster["srv2"].stop()
    clone(one, two)
    (link,) = folder.iterdir()
    link.unlink()
    link.symlink_to(two)
    cluster["srv2"].start()
    cluster.wait_for_streams("srv1", 1)
    assert list(folder.iterdir())[0].resolve() == two
    cluster["srv1"].sql("CREATE TABLE placed (n int) TABLESPACE apart")
    cluster["srv1"].sql("INSERT INTO placed VALUES (1)")
    cluster.wait_for_streams("srv1", 1)


def as_it_was(cluster):
    """Make srv1 what it was when it had crashed."""
    node = cluster["srv1"]
    for path in [journal_of(node), lost_of(node), *cluster.folder.glob("*1.[rb]*"),
                 *node.pgdata.parent.glob("data.[rb]*")]:
        shutil.rmtree(path, ignore_errors=True)
    for kind in PLACES:
        shutil.rmtree(place_of(cluster, kind), ignore_errors=True)
        clone(cluster.folder / f"{kind}.aside", place_of(cluster, kind))


@pytest.fixture
def crashed(apart):
    """The same, srv1 as it was when it had crashed."""
    if apart["srv1"].processes():
        apart["srv1"].stop()
    as_it_was(apart)
    return apart


def streams_in_its_places(cluster):
    """See srv1 stream, with all rows, its WAL and tablespace where they were."""
    node = cluster["srv1"]
    come_back(cluster, "manual")
    same_rows(cluster)
    assert node.value("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE "
                      "spcname = 'apart'") == str(place_of(cluster, "space"))
    assert os.readlink(node.pgdata / "pg_wal") == str(place_of(cluster, "wal"))
    assert [row[0] for row in node.sql("SELECT n FROM placed ORDER BY n")] == [1, 2]
    assert not list(cluster.folder.glob("*.rebuilt"))


@pytest.mark.parametrize("words", [(), ("--copy",), ("--copy", "--discard")])
def test_each_way_leaves_things_in_their_places(crashed, words):
    work = work_of(crashed["srv1"], *words)
    work.do()
    assert len(work.old()) == (3 if words == ("--copy",) else 0)
    streams_in_its_places(crashed)
    assert awaited.follow(context_of(crashed["srv1"]).instance, work, 60) == 0
    assert not list(crashed.folder.glob("*1.before*"))


def test_a_cut_at_any_step_leaves_all_of_the_old_or_all_of_the_new(crashed):
    node = crashed["srv1"]
    total = steps_of(work_of(node, "--copy").do)
    steps = range(total) if os.environ.get("PAF_ALL_CUTS") else [
        *(total * number // SOME for number in range(1, SOME)), *range(total - 8, total, 3)]
    kinds = set()
    for step in steps:
        as_it_was(crashed)
        assert cut(work_of(node, "--copy").do, step), step
        context = context_of(node)
        if journal.exists(context.instance):
            rejoin.finish(context)
        assert not list(crashed.folder.glob("*.rebuilt")), step
        assert os.readlink(node.pgdata / "pg_wal") == str(place_of(crashed, "wal")), step
        kinds.add(divergence.fact(context.instance, context.deadline).value is not None)
    assert kinds == {True, False}
    streams_in_its_places(crashed)


def test_a_cut_after_the_old_directory_is_given_up_leads_to_the_same_places(crashed):
    """Or it is refused by name, until `paf rebuild --discard` is run again."""
    node, words = crashed["srv1"], ("--copy", "--discard")
    before = own(node)
    total = steps_of(work_of(node, *words).do)
    steps = range(total) if os.environ.get("PAF_ALL_CUTS") else [
        total // 4, total // 2, *range(total - 40, total, 9)]
    ends = set()
    for step in steps:
        as_it_was(crashed)
        assert cut(work_of(node, *words).do, step), step
        ends.add(brought_to_an_end(node, *words))
        assert own(node) == before, step
        assert os.readlink(node.pgdata / "pg_wal") == str(place_of(crashed, "wal")), step
        assert [path.resolve() for path in (node.pgdata / "pg_tblspc").iterdir()] == [
            place_of(crashed, "space")], step
    assert {"run again", "complete"} <= ends
    streams_in_its_places(crashed)


def brought_to_an_end(node, *words):
    """Do what the next start does after a cut, or paf rebuild where that is refused; say which."""
    end = next_start(node)
    if end != "refused":
        return end
    work_of(node, *words).do()
    assert not journal_of(node).exists()
    return "run again"


def test_a_tablespace_that_the_plan_does_not_know_is_found_before_the_copy_is_used(crashed):
    """Where the primary cannot be asked by SQL, its tablespaces may be elsewhere."""
    work, elsewhere = work_of(crashed["srv1"], "--copy"), crashed.folder / "unforeseen1"
    copy = copying.Copying(context_of(crashed["srv1"]).instance, "srv1", work._plan, work._source,
                           work._options, work._version)
    folder = crashed.folder / "copy1" / "pg_tblspc"
    folder.mkdir(parents=True)
    (folder / "16400").symlink_to(elsewhere)
    with pytest.raises(Problem, match="16400 was copied to .*unforeseen1, which was not foreseen"):
        copy._check_tablespaces(str(folder.parent))
    (folder / "16400").unlink()
    (folder / "16400").symlink_to(work._plan.mapping[0][1])
    copy._check_tablespaces(str(folder.parent))


@pytest.mark.long
def test_a_rewind_with_a_tablespace_inside_the_data_directory_is_refused(hinted):
    """PostgreSQL only warns of one. pg_rewind sees its files twice, and would fail half way."""
    one, two = (node.pgdata / "space" for node in hinted)
    make_tablespace(hinted, one, two)
    hinted.move_vip(None)
    hinted["srv1"].sql("CREATE TABLE gone (n int) TABLESPACE apart")
    fail_over(hinted)
    before = hinted["srv1"].files()
    run = come_back(hinted, "rewind", code=5)
    assert f"outside of the data directory, not in {one}" in run.reason
    assert hinted["srv1"].files() == before and not journal_of(hinted["srv1"]).exists()
    with pytest.raises(Problem, match="is inside"):
        work_of(hinted["srv1"])
    assert hinted["srv1"].files() == before


def test_a_tablespace_that_only_the_primary_has_needs_its_folder_before_a_rewind(hinted):
    """A dry run of pg_rewind does not see it: it would end half way."""
    node, space = hinted["srv1"], hinted.folder / "new"
    write_commits(hinted)
    fail_over(hinted)
    space.mkdir()
    os.chown(space, owner().pw_uid, owner().pw_gid)
    hinted["srv2"].sql(f"CREATE TABLESPACE new LOCATION '{space}'")    # one machine, one folder
    before = node.files()
    run = come_back(hinted, "rewind", code=5)
    assert f"a rewind needs the folder {space} to be empty" in run.reason
    assert node.files() == before and not journal_of(node).exists()
    hinted["srv2"].sql("DROP TABLESPACE new")
    come_back(hinted, "rewind")
