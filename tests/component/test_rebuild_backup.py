"""paf rebuild --from pgbackrest, with a real repository."""

import os
import shutil

import pytest

from paf import runner
from paf.cli.common import Problem
from paf.cli.rebuild import awaited, backup, plan
from paf.deadline import Deadline
from tests.component.cutting import cut, steps_of
from tests.component.server import as_owner, clone, owner, quoted, wait_until
from tests.component.test_rebuild import context_of, next_start, work_of
from tests.component.test_rewind import come_back, journal_of, own_files
from tests.component.test_rewind_cut import own, same_rows

pytestmark = pytest.mark.long
PROGRAM = "/usr/bin/pgbackrest"


@pytest.fixture(scope="module")
def stored(lasting):
    """A dead srv1, which lacks WAL that only the archive has, and srv2, the primary.

    srv1 has its WAL on another disk.
    """
    if not os.access(PROGRAM, os.X_OK):
        pytest.fail("this test needs pgbackrest: tests/install-tools.sh unit")
    cluster = lasting("srv2", "srv1")
    primary, old = cluster["srv2"], cluster["srv1"]
    for name in ("repository", "locks"):
        folder(cluster, name)
    config(cluster).write_text(
        f"[global]\nrepo1-path={cluster.folder}/repository\nlock-path={cluster.folder}/locks\n"
        "log-level-file=off\nstart-fast=y\n"
        f"[main]\npg1-path={primary.pgdata}\npg1-port={primary.port}\n"
        f"pg1-socket-path={cluster.sockets}\npg1-user={owner().pw_name}\n"
        f"[empty]\npg1-path={primary.pgdata}\n")
    primary.server.configure(
        "archive_mode = on", "wal_keep_size = 0",
        f"archive_command = '{PROGRAM} --config={config(cluster)} --stanza=main archive-push %p'")
    shutil.move(old.pgdata / "pg_wal", cluster.folder / "wal1")
    (old.pgdata / "pg_wal").symlink_to(cluster.folder / "wal1")
    own_files(old)
    cluster.start("srv2")
    pgbackrest(cluster, "stanza-create")
    old.kill()
    pgbackrest(cluster, "backup")
    for _ in range(3):
        primary.sql("INSERT INTO t SELECT generate_series(1, 12000)")
        primary.sql("SELECT pg_switch_wal()")
    wait_until(lambda: primary.value(
        "SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) "
        "FROM pg_stat_archiver"), "the WAL to be in the archive")
    primary.sql("CHECKPOINT")
    return cluster


def config(cluster):
    return cluster.folder / "pgbackrest.conf"


def folder(cluster, name):
    path = cluster.folder / name
    path.mkdir(mode=0o700)
    shutil.chown(path, owner().pw_uid, owner().pw_gid)
    return path


def pgbackrest(cluster, *words):
    return as_owner(PROGRAM, f"--config={config(cluster)}", "--stanza=main", *words)


def restoring(cluster, *words):
    """Return the Work of `paf rebuild --from pgbackrest` on srv1, after its look."""
    return work_of(cluster["srv1"], "--from", "pgbackrest", "--config", str(config(cluster)),
                   *words)


def nodes_files(node):
    """Return the node's own files, without the one that the server writes itself."""
    return {name: value for name, value in own(node).items() if name != "postgresql.auto.conf"}


@pytest.mark.parametrize("words, reason", [
    (["--stanza", "empty"], "the stanza empty cannot be used: missing stanza path"),
    (["--config", "/dev/null"], "pgbackrest info failed|has no stanza here"),
    (["--rate", "50M"], "--rate does not limit pgbackrest"),
    (["--from", "barman"], "only pgbackrest can be restored from")])
def test_what_is_missing_is_named_and_nothing_is_changed(stored, words, reason):
    before = stored["srv1"].files()
    with pytest.raises(Problem, match=reason):
        restoring(stored, *words)
    assert stored["srv1"].files() == before


def test_tablespaces_and_wal_go_where_the_plan_has_them(stored):
    primary = stored["srv2"]
    primary.sql(f"CREATE TABLESPACE space LOCATION {quoted(str(folder(stored, 'space')))}")
    oid = primary.value("SELECT oid FROM pg_tablespace WHERE spcname = 'space'")
    with pytest.raises(Problem, match=f"the tablespace {oid} is not in the backup"):
        restoring(stored)
    pgbackrest(stored, "backup", "--type=full")
    context = context_of(stored["srv1"])
    found = backup.look(context.instance, restoring_source(stored),
                        rebuild_options(stored), 150000)
    assert found.spaces == {str(oid): "space"} and found.size > 1 << 20
    copies = [str(folder(stored, name)) for name in ("space.new", "wal.new", "data.new")]
    target = plan.Plan([(copy, "", "") for copy in copies],
                       [(f"pg_tblspc/{oid}", "x"), ("pg_wal", "y")],
                       [(str(stored.folder / "space"), copies[0])], copies[1], [])
    backup.check_spaces(found, target)
    result = runner.run(backup.command(found, target), Deadline(60), user=context.instance.owner)
    assert result.status == 0, result.err
    assert os.readlink(f"{copies[2]}/pg_tblspc/{oid}") == copies[0]
    assert os.readlink(f"{copies[2]}/pg_wal") == copies[1]
    assert not os.path.exists(f"{copies[2]}/standby.signal")
    primary.sql("DROP TABLESPACE space")
    with pytest.raises(Problem, match="the tablespace space is in the backup, and no longer"):
        restoring(stored)
    pgbackrest(stored, "backup", "--type=full")


def rebuild_options(cluster):
    from tests.component.test_rebuild import OPTIONS
    return OPTIONS.parse_args(["--from", "pgbackrest", "--config", str(config(cluster))])


def restoring_source(cluster):
    from paf.cli.rebuild import source
    identifier = cluster["srv2"].value("SELECT system_identifier FROM pg_control_system()")
    return source.Source("", str(identifier), 1, {}, "")


def test_a_restore_that_is_cut_off_leaves_the_old_directory(stored):
    node = stored["srv1"]
    before = node.files()
    for step in (10, 25, 40):
        assert cut(restoring(stored).do, step)
        next_start(node)
        assert node.files() == before and not journal_of(node).exists()
        assert not list(node.pgdata.parent.glob("*.rebuilt"))


def test_a_cut_after_the_old_directory_was_given_up_still_knows_the_archive(stored):
    """What a cut leaves is refused by name, or completed: never started without the archive."""
    node, ends = stored["srv1"], set()
    for path, kept in ((node.pgdata, "data.kept"), (stored.folder / "wal1", "wal.kept")):
        clone(path, stored.folder / kept)
    before, auto = nodes_files(node), node.pgdata / "postgresql.auto.conf"
    total = steps_of(restoring(stored, "--discard").do)
    for step in range(total - 19, total, 1 if os.environ.get("PAF_ALL_CUTS") else 3):
        as_it_was(stored)
        assert cut(restoring(stored, "--discard").do, step), step
        ends.add(next_start(node))
        if journal_of(node).exists():
            continue
        assert auto.read_text().count("archive-get") == 1, step
        assert nodes_files(node) == before, step
        assert os.readlink(node.pgdata / "pg_wal") == str(stored.folder / "wal1"), step
    assert "complete" in ends
    as_it_was(stored)


def as_it_was(cluster):
    """Make srv1 what it was when it had crashed."""
    node = cluster["srv1"]
    for path, kept in ((node.pgdata, "data.kept"), (cluster.folder / "wal1", "wal.kept")):
        shutil.rmtree(path)
        clone(cluster.folder / kept, path)
    shutil.rmtree(journal_of(node), ignore_errors=True)


def test_a_backup_is_restored_and_streams(stored):
    node = stored["srv1"]
    before = nodes_files(node)
    work = restoring(stored)
    text = "\n".join(work.says())
    assert "pgbackrest restores the backup" in text and "of the stanza main" in text
    work.do()
    assert nodes_files(node) == before
    assert os.readlink(node.pgdata / "pg_wal") == str(stored.folder / "wal1")
    assert "archive-get" in (node.pgdata / "postgresql.auto.conf").read_text()
    come_back(stored, "manual")
    same_rows(stored)
    assert awaited.follow(context_of(node).instance, work, 60) == 0 and work.old() == []
