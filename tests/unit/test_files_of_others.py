"""What is not PostgreSQL's, or not the owner's, is left where it is by a rewind and a copy."""

import os

import pytest

from paf import ocf
from paf.cli.common import Problem
from paf.cli.rebuild import plan, source
from paf.instance import journal, replacement, tablespaces
from tests.unit.test_rebuild_cut import copier, instance_in


@pytest.fixture
def instance(tmp_path):
    """An instance with a tablespace, and its WAL on another disk."""
    found = instance_in(tmp_path)
    (tmp_path / "space" / "PG_15_202209061").mkdir(parents=True)
    (tmp_path / "main" / "pg_tblspc").mkdir()
    (tmp_path / "main" / "pg_tblspc" / "16384").symlink_to(tmp_path / "space")
    for name in ("archive_status", "summaries", "lost+found"):
        (tmp_path / "wal" / name).mkdir(parents=True)
    for name in ("000000010000000000000003", "00000002.history", "xlogtemp.77", "RECOVERYXLOG",
                 "000000010000000000000003.00000028.backup", "000000010000000000000004.partial"):
        (tmp_path / "wal" / name).write_text("")
    (tmp_path / "main" / "pg_wal").symlink_to(tmp_path / "wal")
    return found


@pytest.mark.parametrize("name", ["walg_data", ".wal-g", ".wal-e", "pbk_prefetch"])
def test_what_programs_for_archives_make_again_is_not_in_the_way(instance, tmp_path, name):
    """They make it where they work: to move it away would help once."""
    (tmp_path / "wal" / name).mkdir()
    assert tablespaces.not_the_servers(instance, []) == ""


@pytest.mark.parametrize("discard", [False, True])
def test_a_copy_takes_nobodys_archive_along_with_wal_inside_the_directory(tmp_path, discard):
    found = instance_in(tmp_path)
    where = source.Source("host=192.0.2.1", "1", 1, {}, "")
    (tmp_path / "main" / "pg_wal" / "archive_status").mkdir(parents=True)
    assert plan.make(found, where, discard, 150000)
    (tmp_path / "main" / "pg_wal" / "archive").mkdir()
    with pytest.raises(Problem, match="holds what is not this instance's: archive"):
        plan.make(found, where, discard, 150000)


def test_what_a_server_makes_is_the_servers(instance):
    assert tablespaces.not_the_servers(instance, []) == ""


@pytest.mark.parametrize("name", ["wal/archive", "wal/saved_by_dba", "space/PG_9.6_201608131",
                                  "space/dump", "space/PG_150_1"])
def test_what_pg_rewind_would_remove_is_named(instance, tmp_path, name):
    """It follows the links, and removes what the primary has not."""
    (tmp_path / name).mkdir()
    assert tablespaces.not_the_servers(instance, []) == str(tmp_path / name)


def test_what_is_moved_aside_before_is_not_in_the_way(instance, tmp_path):
    (tmp_path / "wal" / "conf").mkdir()
    assert tablespaces.not_the_servers(instance, ["pg_wal/conf/extra.conf"]) == ""
    assert tablespaces.not_the_servers(instance, ["pg_wal/other.conf"]) == str(
        tmp_path / "wal" / "conf")


@pytest.mark.parametrize("mode, good", [(0o755, False), (0o777, True)])
def test_a_folder_that_the_owner_cannot_move_is_seen_before_the_copy(tmp_path, mode, good):
    """rename(2) wants a folder that gets another parent to be writable itself."""
    found = instance_in(tmp_path)
    theirs = tmp_path / "main" / "certs"
    theirs.mkdir()
    theirs.chmod(mode)
    os.chown(theirs, 65534, 65534)
    if good:
        replacement.check_movable(found, str(tmp_path / "main"))
        return
    with pytest.raises(ocf.NotUsable, match="main/certs belongs to another user, so it cannot be"):
        copier(found, "--copy").run()
    assert not journal.exists(found) and not (tmp_path / "main.rebuilt").exists()
