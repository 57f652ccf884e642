"""Which of a node's own files are in PostgreSQL's folders, and that they survive a copy."""

import os
import pwd
import shutil

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.instance import journal, ownfiles, replacement, settings
from tests.unit.support import instance_at


@pytest.fixture
def node(tmp_path, monkeypatch):
    """An instance whose postgresql.conf includes global/conf/x."""
    main = tmp_path / "main"
    for name in ("global", "pg_logical", "pg_tblspc"):
        (main / name).mkdir(parents=True)
    (main / "PG_VERSION").write_text("15\n")
    (main / "postgresql.conf").write_text("include 'global/conf/x'\n")
    monkeypatch.setattr(settings, "read", lambda _, name, __: str(
        main / "postgresql.conf") if name == "config_file" else "")
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(main)._replace(owner=runner.Account(
        mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def link(tmp_path, target):
    """Make global/conf a link to a folder with the file x; return that folder."""
    folder = tmp_path / "main" / "global" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x").write_text("work_mem = '5MB'")
    (tmp_path / "main" / "global" / "conf").symlink_to(target)
    return folder


@pytest.mark.parametrize("target, expected", [
    ("../../etc", ["global/conf"]),
    ("../pg_logical/conf", ["global/conf", "pg_logical/conf/x"]),
    ("../conf.d", ["global/conf"]),
    ("../pg_tblspc/16400", ["global/conf"])])
def test_a_link_to_configuration_is_the_nodes_own(node, tmp_path, target, expected):
    """pg_basebackup and pg_rewind leave the primary's, or none."""
    if "16400" in target:
        (tmp_path / "space").mkdir()
        (tmp_path / "main" / "pg_tblspc" / "16400").symlink_to(tmp_path / "space")
    link(tmp_path, target)
    assert ownfiles.deep(node, Deadline(5.0)) == expected


def test_a_link_in_a_circle_is_no_endless_way(node, tmp_path):
    (tmp_path / "main" / "global" / "conf").symlink_to("conf")
    assert ownfiles.deep(node, Deadline(5.0)) == []
    assert len(list(ownfiles._steps(str(tmp_path / "main" / "global" / "conf" / "x")))) > 40


@pytest.mark.parametrize("theirs", ["folder", "nothing"])
@pytest.mark.parametrize("way", ["copied", "moved", "aside"])
def test_a_link_out_of_the_data_directory_comes_back(node, tmp_path, monkeypatch, theirs, way):
    """moved: as one of another user; aside: as around pg_rewind, or with --discard."""
    outside, copy = link(tmp_path, "../../etc"), tmp_path / "copy"
    deep = ownfiles.deep(node, Deadline(5.0))
    if way == "aside":
        journal.make_folder(node, journal.folder(node))
        ownfiles.move_aside(node, ownfiles.names(node), deep)
        copy = tmp_path / "main"
    if theirs == "folder":
        (copy / "global" / "conf").mkdir(parents=True)
        (copy / "global" / "conf" / "x").write_text("theirs")
    elif way != "aside":
        copy.mkdir()
    if way == "aside":
        ownfiles.put_back(node, deep)
    else:
        monkeypatch.setattr(ownfiles, "is_anothers", lambda path: way == "moved")
        moves = replacement.own_again(node, str(tmp_path / "main"), str(copy), 1 << 20, deep)
        shutil.move(tmp_path / "main", tmp_path / "old")
        for name in moves:
            os.rename(tmp_path / "old" / name, copy / name)
        shutil.move(copy, tmp_path / "main")
    assert os.readlink(tmp_path / "main" / "global" / "conf") == "../../etc"
    assert (tmp_path / "main" / "global" / "conf" / "x").read_text() == "work_mem = '5MB'"
    assert (outside / "x").exists()


@pytest.mark.parametrize("theirs", [(), ("theirs.conf",)])
@pytest.mark.parametrize("mine", [(), ("mine.conf", "README")])
@pytest.mark.parametrize("way", ["copied", "aside"])
def test_a_folder_that_is_included_is_the_nodes_own_as_a_whole(node, tmp_path, way, mine, theirs):
    """An empty one too: a server does not start without it, and would read the primary's files."""
    main = tmp_path / "main"
    (main / "postgresql.conf").write_text("include_dir 'global/conf.d'\n")
    fill(main / "global" / "conf.d", mine)
    deep, copy = ownfiles.deep(node, Deadline(5.0)), tmp_path / "copy"
    assert deep == ["global/conf.d"]
    if way == "aside":
        journal.make_folder(node, journal.folder(node))
        ownfiles.move_aside(node, ownfiles.names(node), deep)
        copy = main
    if theirs:
        fill(copy / "global" / "conf.d", theirs)
    elif way != "aside":
        copy.mkdir()
    if way == "aside":
        ownfiles.put_back(node, deep)
    else:
        assert replacement.own_again(node, str(main), str(copy), 1 << 20, deep) == []
    assert sorted(os.listdir(copy / "global" / "conf.d")) == sorted(mine)


def fill(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("work_mem = '5MB'\n")


@pytest.mark.parametrize("folder", [
    "global", "pg_logical/snapshots", "base/5", "pg_wal/archive_status", "pg_replslot/one"])
def test_a_folder_that_the_server_fills_is_never_the_nodes_own(node, tmp_path, folder):
    """Only the files there that it reads as its configuration are."""
    main = tmp_path / "main"
    (main / "postgresql.conf").write_text(f"include_dir '{folder}'\n")
    (main / folder).mkdir(parents=True, exist_ok=True)
    assert ownfiles.deep(node, Deadline(5.0)) == []
    (main / folder / "a.conf").write_text("")
    assert ownfiles.deep(node, Deadline(5.0)) == [f"{folder}/a.conf"]
