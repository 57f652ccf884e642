"""Which of a node's own files are in PostgreSQL's folders, and that they survive a copy."""

import errno
import os
import pwd
import shutil

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.instance import journal, ownfiles, replacement, settings
from paf.ocf import OcfError
from tests.component.cutting import cut
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
        monkeypatch.setattr(ownfiles, "can_only_move", lambda path: way == "moved")
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


def fail(monkeypatch, function):
    """Let a function of os meet a disk that does not answer."""
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(os, function, refuse)


def test_a_data_directory_that_is_not_there_has_no_folders_but_an_unread_one_may(
        node, monkeypatch):
    assert ownfiles.has_folders(node)
    gone = node._replace(parameters=node.parameters._replace(
        datadir=node.parameters.datadir + ".gone"))
    assert not ownfiles.has_folders(gone)
    fail(monkeypatch, "listdir")
    with pytest.raises(OcfError, match="cannot see what .* holds: Input/output error"):
        ownfiles.has_folders(node)


def test_a_link_that_cannot_be_read_may_lead_to_configuration(node, tmp_path, monkeypatch):
    link(tmp_path, "../../etc")
    fail(monkeypatch, "readlink")
    with pytest.raises(OcfError, match="cannot read .*: Input/output error"):
        list(ownfiles._steps(str(tmp_path / "main" / "global" / "conf" / "x")))


def test_a_copy_has_links_as_links_and_no_pipe(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to("nowhere")
    os.mkfifo(str(tmp_path / "a" / "pipe"))
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "a" / "file").chmod(0o640)
    ownfiles.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert sorted(os.listdir(str(tmp_path / "b"))) == ["file", "link"]
    assert os.readlink(str(tmp_path / "b" / "link")) == "nowhere"
    assert (tmp_path / "b" / "file").stat().st_mode & 0o777 == 0o640


def test_a_file_of_another_user_is_not_copied_as_ours(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(OSError, match="it belongs to another user"):
        ownfiles.copy(str(tmp_path / "file"), str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def no_rename_between(monkeypatch, folder):
    """Have nothing be renamed into a folder, or out of it: it is another file system."""
    rename = os.rename

    def within(path, target):
        if str(path).startswith(f"{folder}/") != str(target).startswith(f"{folder}/"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(path, target)
    monkeypatch.setattr(os, "rename", within)


def test_a_folder_on_its_way_between_file_systems_is_whole_wherever_it_is_cut(
        node, tmp_path, monkeypatch):
    """A data directory that is a mount point: the folder of logs is copied, and then removed."""
    main = tmp_path / "main"
    no_rename_between(monkeypatch, main)
    (main / "log").mkdir()
    for number in range(3):
        (main / "log" / str(number)).write_text("x")
    before = sorted(name for name in os.listdir(main / "log"))

    def back():
        ownfiles.put_back(node, [])

    def aside():
        journal.begin(node, {"what": "rewind", "phase": "keeping"})
        ownfiles.move_aside(node, ownfiles.names(node), [])
    cuts = 0
    for work, prepare in ((back, aside), (aside, lambda: None)):
        step, was_cut = 0, True
        while was_cut:
            prepare()
            was_cut = cut(work, step)
            back()
            assert sorted(os.listdir(main / "log")) == before, (work.__name__, step)
            assert not [name for name in os.listdir(main) if "pgsqlms" in name], step
            assert not ownfiles.is_any_aside(node), (work.__name__, step)
            if journal.exists(node):
                journal.remove(node)
            step += 1
        cuts += step
    assert cuts > 30


def test_a_mount_point_in_a_data_directory_that_is_one_is_named_and_stays(
        node, tmp_path, monkeypatch):
    """A file system for logs: it could be emptied, not removed, and never be put back."""
    no_rename_between(monkeypatch, tmp_path / "main")
    (tmp_path / "main" / "log").mkdir()
    (tmp_path / "main" / "log" / "a").write_text("x")
    monkeypatch.setattr(os.path, "ismount", lambda path: path.endswith("/main/log"))
    journal.begin(node, {"what": "rewind", "phase": "keeping"})
    with pytest.raises(OcfError, match="cannot keep log aside .* busy"):
        ownfiles.move_aside(node, ["log", "postgresql.conf"], [])
    ownfiles.put_back(node, [])
    assert os.listdir(tmp_path / "main" / "log") == ["a"]


def test_a_folder_that_cannot_be_renamed_is_named(node, tmp_path):
    with pytest.raises(OcfError, match="cannot rename .*/gone to .*/new: No such file"):
        replacement.rename(node, str(tmp_path / "gone"), str(tmp_path / "new"))


@pytest.mark.parametrize("roots", [False, True])
def test_only_a_folder_of_roots_is_renamed_with_roots_rights(node, tmp_path, monkeypatch, roots):
    """The first attempt is with the owner's rights: a link of the owner's leads root nowhere."""
    tried, rename = [], os.rename

    def once(path, target):
        tried.append(path)
        if len(tried) == 1:
            raise OSError(errno.EACCES, "Permission denied")
        rename(path, target)
    (tmp_path / "old").mkdir()
    monkeypatch.setattr(os, "rename", once)
    monkeypatch.setattr(journal, "is_roots", lambda _: roots)
    if roots:
        replacement.rename(node, str(tmp_path / "old"), str(tmp_path / "new"))
    else:
        with pytest.raises(OcfError, match="cannot rename .*: Permission denied"):
            replacement.rename(node, str(tmp_path / "old"), str(tmp_path / "new"))
    assert (tmp_path / "new").exists() == roots and len(tried) == 1 + roots
