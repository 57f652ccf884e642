"""paf rebuild: from each state to a streaming standby, and what a cut leaves behind."""

import argparse
import itertools
import os
import shutil

import pytest

from paf import log, ocf
from paf.actions import rejoin
from paf.cli.common import Problem
from paf.cli.rebuild import awaited, copying, rebuild
from paf.context import Context
from paf.deadline import Deadline
from paf.decide.knowledge import Unknown
from paf.instance import divergence, journal
from tests.component.cutting import cut, steps_of
from tests.component.server import as_owner, bindir, clone, owner, quoted, remove
from tests.component.test_rewind import (
    RETURN, come_back, fail_over, journal_of, lost_of, own_files, write_commits)
from tests.component.test_rewind_cut import own, same_rows

OPTIONS = argparse.ArgumentParser()
rebuild.arguments(OPTIONS)
SOME = 4        # cuts; `make check-all` has all


@pytest.fixture(scope="module")
def far(lasting):
    """A crashed srv1 with commits of its own and its WAL elsewhere, and srv2, the primary."""
    cluster = lasting("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on")
        own_files(node)
    elsewhere = cluster.folder / "wal1"
    shutil.move(cluster["srv1"].pgdata / "pg_wal", elsewhere)
    (cluster["srv1"].pgdata / "pg_wal").symlink_to(elsewhere)
    cluster.start()
    write_commits(cluster)
    fail_over(cluster)
    for name, path in (("srv1", cluster["srv1"].pgdata), ("wal1", elsewhere)):
        clone(path, cluster.folder / f"{name}.aside")
    return cluster


@pytest.fixture
def crashed(far):
    """The same, srv1 as it was when it had crashed."""
    node = far["srv1"]
    if node.processes():
        node.stop()
    for path in [node.pgdata, journal_of(node), lost_of(node), far.folder / "wal1",
                 *node.pgdata.parent.glob("data.*"), *far.folder.glob("wal1.rebuilt"),
                 *far.folder.glob("wal1.before-*")]:
        shutil.rmtree(path, ignore_errors=True)
    clone(far.folder / "srv1.aside", node.pgdata)
    clone(far.folder / "wal1.aside", far.folder / "wal1")
    return far


def context_of(node):
    environment = ocf.Environment(node.environment(60, 0, RETURN, True, {}))
    return Context(environment, Deadline(60), log.Log(environment))


def work_of(node, *words, theirs=None):
    """Return the Work of `paf rebuild` with these words, after its look."""
    work = rebuild.Work(
        context_of(node).instance, node.name, OPTIONS.parse_args(list(words)), theirs)
    work.look()
    return work


def next_start(node):
    """Do what the next start does with a rewind or rebuild that was cut off, before the server.

    Returns "nothing left" where it had come to its end, "complete" (or the old directory is back),
    "refused".
    """
    context = context_of(node)
    if not journal.exists(context.instance):
        return "nothing left"
    try:
        rejoin.finish(context)
    except ocf.NotUsable as error:
        assert "run paf rebuild again" in str(error)
        return "refused"
    assert not journal.exists(context.instance)
    return "complete"


def origin(cluster):
    return f"host={cluster.vip} port=5432 user={owner().pw_name}"


def test_one_that_has_diverged_is_rewound(crashed):
    node = crashed["srv1"]
    before = own(node)
    work = work_of(node)
    text = "\n".join(work.says())
    assert "among them 1 commit" in text and "pg_rewind makes" in text
    work.do()
    assert own(node) == before and list(lost_of(node).iterdir())
    come_back(crashed, "manual")
    same_rows(crashed)


def test_a_copy_says_that_it_is_not_known_what_is_given_up(crashed, monkeypatch):
    monkeypatch.setattr(divergence, "look", lambda *_: Unknown("no pg_waldump"))
    text = "\n".join(work_of(crashed["srv1"], "--copy").says())
    assert "only here is not known (no pg_waldump)" in text and "pg_basebackup copies" in text


def test_a_copy_that_has_not_run_yet_may_have_commits_that_the_primary_has_not(crashed):
    """Of a primary that died before a standby had them: only the copy has them then."""
    node = crashed["srv1"]
    (node.pgdata / "backup_label").write_text("START WAL LOCATION: 0/2000028 (file 0...2)\n")
    shutil.chown(node.pgdata / "backup_label", owner().pw_uid, owner().pw_gid)
    work = work_of(node)
    text = "\n".join(work.says())
    assert "it has not run since it was copied" in text
    assert "among them 1 commit" in text and "its WAL is kept in" in text
    for path in (crashed.folder / "wal1").glob("0*"):    # a backup comes without
        path.rename(crashed.folder / f"aside.{path.name}")
    assert "it has not run since it was copied" in "\n".join(work_of(node).says())
    for path in crashed.folder.glob("aside.*"):
        path.rename(crashed.folder / "wal1" / path.name[6:])
    work.do()
    assert list(lost_of(node).iterdir())


def test_a_copy_keeps_the_nodes_own_files_and_the_place_of_its_wal(crashed):
    node = crashed["srv1"]
    before = own(node)
    work = work_of(node, "--copy", "--rate", "200M")
    assert "pg_basebackup copies the primary" in "\n".join(work.says())
    work.do()
    assert own(node) == before
    assert os.readlink(node.pgdata / "pg_wal") == str(crashed.folder / "wal1")
    assert len(work.old()) == 2 and all(os.path.isdir(path) for path in work.old())
    assert list(lost_of(node).iterdir())
    come_back(crashed, "manual")
    same_rows(crashed)
    assert awaited.follow(context_of(node).instance, work, 60) == 0
    assert work.old() == []


@pytest.mark.parametrize("damage", ["journal", "control file", "empty", "absent"])
def test_what_cannot_be_read_is_copied(crashed, damage):
    node = crashed["srv1"]
    before, words = own(node), []
    if damage == "journal":
        (journal_of(node) / "own").mkdir(parents=True)
        (journal_of(node) / "state.json").write_text("{")
        for path in (journal_of(node), journal_of(node) / "own"):
            shutil.chown(path, owner().pw_uid, owner().pw_gid)
        shutil.move(node.pgdata / "pg_hba.conf", journal_of(node) / "own" / "pg_hba.conf")
        assert "paf rebuild" in come_back(crashed, "manual", code=5).reason
    elif damage == "control file":
        (node.pgdata / "global" / "pg_control").write_bytes(b"\0" * 8192)
    else:
        remove(node.pgdata)
        words = ["--from", origin(crashed)]
        if damage == "empty":
            node.pgdata.mkdir(mode=0o700)
            shutil.chown(node.pgdata, owner().pw_uid, owner().pw_gid)
    work = work_of(node, *words)
    assert ("goes to" in "\n".join(work.says())) is (damage == "journal")
    work.do()
    if damage in ("journal", "control file"):
        assert own(node) == before
    else:
        assert "application_name=srv1" in (node.pgdata / "postgresql.auto.conf").read_text()
        port = crashed["srv2"].port
        conf = node.pgdata / "postgresql.conf"
        conf.write_text(conf.read_text().replace(f"port = {port}", f"port = {node.port}").replace(
            "srv2/data", "srv1/data"))
        access = crashed["srv2"].pgdata / "access.conf"
        conf.write_text(conf.read_text().replace(str(access), str(node.pgdata / "access.conf")))
    come_back(crashed, "manual")
    same_rows(crashed)


def test_the_old_directory_can_be_given_up_first_also_after_a_cut(crashed):
    node = crashed["srv1"]
    before = own(node)
    work = work_of(node, "--copy", "--discard")
    total = steps_of(work.do)
    crashed_again(crashed)
    assert cut(work_of(node, "--copy", "--discard").do, total - 24)
    run = node.agent("start", lists=RETURN)
    assert run.code == 5 and "run paf rebuild again" in run.reason
    with pytest.raises(Problem, match="--discard again"):
        work_of(node, "--copy").do()
    work_of(node, "--copy", "--discard").do()
    assert own(node) == before
    come_back(crashed, "manual")
    same_rows(crashed)


def test_a_copy_that_is_cut_off_at_its_end_does_not_start_under_another_name(crashed):
    """Where its configuration came with it, as on a new node, that names the other server."""
    node, words = crashed["srv1"], ("--from", origin(crashed), "--discard")
    empty(node)
    total = steps_of(work_of(node, *words).do)
    ends = set()
    for step in range(total - 16, total, 1 if os.environ.get("PAF_ALL_CUTS") else 3):
        empty(node)
        shutil.rmtree(journal_of(node), ignore_errors=True)
        assert cut(work_of(node, *words).do, step), step
        ends.add(next_start(node))
        if not journal_of(node).exists():
            auto = (node.pgdata / "postgresql.auto.conf").read_text()
            assert "application_name=srv1" in auto, step
    assert "complete" in ends


def empty(node):
    """Give a node a data directory without anything in it."""
    remove(node.pgdata)
    node.pgdata.mkdir(mode=0o700)
    shutil.chown(node.pgdata, owner().pw_uid, owner().pw_gid)


def crashed_again(cluster):
    node = cluster["srv1"]
    for path in (node.pgdata, journal_of(node), lost_of(node), cluster.folder / "wal1"):
        shutil.rmtree(path, ignore_errors=True)
    clone(cluster.folder / "srv1.aside", node.pgdata)
    clone(cluster.folder / "wal1.aside", cluster.folder / "wal1")


def test_a_cut_at_any_step_leaves_the_old_directory_or_the_new_one(crashed):
    node = crashed["srv1"]
    before, whole = own(node), node.files()
    total = steps_of(work_of(node, "--copy").do)
    steps = range(total) if os.environ.get("PAF_ALL_CUTS") else (
        total * number // SOME for number in range(1, SOME))
    kinds = set()
    for step in itertools.chain(steps, range(total - 7, total)):
        crashed_again(crashed)
        for path in [*node.pgdata.parent.glob("data.b*"), *crashed.folder.glob("wal1.b*")]:
            shutil.rmtree(path)
        assert cut(work_of(node, "--copy").do, step), step
        context = context_of(node)
        if journal.exists(context.instance):
            rejoin.finish(context)
        assert own(node) == before, step
        assert not list(node.pgdata.parent.glob("*.rebuilt")), step
        old = divergence.fact(context.instance, context.deadline).value is not None
        assert not old or node.files() == whole, step
        kinds.add(old)
    assert kinds == {True, False}


def test_a_server_that_runs_and_another_clusters_data_are_left_alone(crashed):
    node = crashed["srv1"]
    with pytest.raises(Problem, match="PostgreSQL runs here"):
        work_of(crashed["srv2"])
    remove(node.pgdata)
    as_owner(f"{bindir()}/initdb", "-D", node.pgdata, "-N", "-A", "trust")
    before = node.files()
    with pytest.raises(Problem, match="holds another cluster"):
        work_of(node, "--from", origin(crashed))
    assert node.files() == before


def test_a_copy_needs_no_slot_of_the_primary(crashed):
    """With one its WAL, which is on no disk yet, would acknowledge commits."""
    node, primary = crashed["srv1"], crashed["srv2"]
    last = int(primary.value("SHOW max_replication_slots")) - int(
        primary.value("SELECT count(*) FROM pg_replication_slots"))
    primary.sql("SELECT pg_create_physical_replication_slot('full_' || n) FROM "
                f"generate_series(1, {last}) n")
    try:
        work_of(node, "--copy", "--discard").do()
    finally:
        primary.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "
                    "slot_name LIKE 'full_%'")
    assert not journal_of(node).exists() and (node.pgdata / "global" / "pg_control").exists()


def test_a_failed_copy_leaves_no_trace(crashed):
    node = crashed["srv1"]
    before = node.files()
    work = work_of(node, "--copy")
    work._options.rate = "nonsense"
    with pytest.raises(Problem, match="pg_basebackup failed"):
        work.do()
    assert node.files() == before and not journal_of(node).exists()
    assert not list(node.pgdata.parent.glob("*.rebuilt"))


def test_no_way_to_the_primary_is_said(crashed):
    node = crashed["srv1"]
    remove(node.pgdata)
    with pytest.raises(Problem, match="say --from"):
        work_of(node)
    with pytest.raises(Problem, match="cannot replicate from the primary"):
        work_of(node, "--from", "host=" + quoted("/nonexistent"))


@pytest.mark.parametrize("done, total, seconds, line", [
    (0, None, 0.0, "0 MB copied, 0.0 MB/s"),
    (50 << 20, 200 << 20, 5.0, "50 of 200 MB copied (25%), 10.0 MB/s, 15 s left"),
    (300 << 20, 200 << 20, 10.0, "300 MB copied, 30.0 MB/s"),
    (0, 200 << 20, 1.0, "0 of 200 MB copied (0%), 0.0 MB/s, no rate yet")])
def test_progress_is_bytes_rate_and_time_left(done, total, seconds, line):
    assert copying.progress(done, total, seconds) == line
