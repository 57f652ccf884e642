"""What is not PostgreSQL's, or not the owner's, is left where it is by a rewind and a copy."""

import errno
import os
import struct

import pytest

from paf import ocf, runner
from paf.cli.common import Problem
from paf.cli.rebuild import plan, source
from paf.instance import journal, ownfiles, replacement, tablespaces
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
        replacement.check_movable(found, str(tmp_path / "main"), 1 << 20)
        return
    with pytest.raises(ocf.NotUsable, match="main/certs belongs to another user, so it cannot be"):
        copier(found, "--copy").run()
    assert not journal.exists(found) and not (tmp_path / "main.rebuilt").exists()


@pytest.mark.root
@pytest.mark.parametrize("mode, roots, good", [
    (0o000, False, False), (0o400, False, False), (0o500, True, False), (0o500, False, True),
    (0o700, True, True)])
def test_a_folder_that_its_owner_may_not_write_to_is_seen_before_the_copy(
        theirs, tmp_path, mode, roots, good):
    """Where it has to be moved: what its owner can read is copied."""
    found = instance_in(tmp_path)._replace(owner=OWNER)
    if roots:
        os.chown(theirs / "certs" / "root.key", 0, 0)
    (theirs / "certs").chmod(mode)
    try:
        if good:
            replacement.check_movable(found, str(theirs), 1 << 20)
        else:
            with pytest.raises(ocf.NotUsable, match="certs cannot be moved .* chmod u.w"):
                replacement.check_movable(found, str(theirs), 1 << 20)
    finally:
        (theirs / "certs").chmod(0o700)


# Groups and access lists

OWNER = runner.Account("nobody", 65534, 65534, "/")


@pytest.fixture
def theirs(tmp_path):
    """A folder of the server's user, with files of a group that is none of its own."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o777 == 0o700:    # pytest's own
            folder.chmod(0o755)
    top = tmp_path / "top"
    (top / "certs").mkdir(parents=True)
    for name, mode in (("certs/server.key", 0o640), ("certs/root.key", 0o600), ("mine", 0o600)):
        (top / name).write_text(name)
        os.chown(top / name, OWNER.uid, OWNER.gid if name == "mine" else 1)
        (top / name).chmod(mode)
    os.mkfifo(top / "pipe")
    for path, group in ((top / "pipe", 1), (top / "certs", 1), (top, OWNER.gid),
                        (tmp_path, OWNER.gid)):
        os.chown(path, OWNER.uid, group)
    (top / "certs").chmod(0o2750)
    return top


@pytest.mark.root
@pytest.mark.parametrize("inherited", [False, True])
def test_a_copy_has_the_group_of_the_original(theirs, tmp_path, inherited):
    """As a key of postgres:ssl-cert has. The owner's rights alone give its own group only."""
    target = tmp_path / "new" / "top"
    target.parent.mkdir()
    os.chown(target.parent, OWNER.uid, 1 if inherited else OWNER.gid)
    target.parent.chmod(0o2750 if inherited else 0o750)
    with runner.Acting(OWNER):
        ownfiles.copy(str(theirs), str(target))
        assert os.geteuid() == OWNER.uid
    assert os.geteuid() == 0 and os.getegid() == 0
    for name in ("", "certs", "certs/server.key", "certs/root.key", "mine"):
        before, after = (theirs / name).stat(), (target / name).stat()
        assert (after.st_uid, after.st_gid, after.st_mode) == (
            before.st_uid, before.st_gid, before.st_mode), name
    assert not (target / "pipe").exists()


@pytest.mark.root
@pytest.mark.parametrize("link, words", [
    (os.link, "not permitted"), (os.symlink, "symbolic links")])
def test_root_gives_no_group_to_a_file_of_another_user(theirs, tmp_path, monkeypatch, link, words):
    """As where the owner puts a link to it in the place of the copy."""
    (tmp_path / "roots").write_text("")
    made = ownfiles.copy_file

    def replaced(path, target):
        made(path, target)
        os.unlink(target)
        os.seteuid(0)
        link(tmp_path / "roots", target)
        os.seteuid(OWNER.uid)
    monkeypatch.setattr(ownfiles, "copy_file", replaced)
    with runner.Acting(OWNER), pytest.raises(OSError, match=words):
        ownfiles.copy(str(theirs / "certs" / "server.key"), str(tmp_path / "new"))
    assert (tmp_path / "roots").stat().st_gid == 0 and os.geteuid() == 0


@pytest.mark.root
@pytest.mark.parametrize("name, mode", [("mine", 0o200), ("certs", 0o300), ("certs/root.key", 0)])
def test_what_its_owner_cannot_read_is_moved(theirs, tmp_path, name, mode):
    """So is what another user has in a folder that only that one can look into."""
    (theirs / name).chmod(mode)
    (tmp_path / "copy").mkdir()
    os.chown(tmp_path / "copy", OWNER.uid, OWNER.gid)
    found = instance_in(tmp_path)._replace(owner=OWNER)
    moves = replacement.own_again(found, str(theirs), str(tmp_path / "copy"), 1 << 20)
    assert moves == [name.split("/")[0]]
    assert sorted(os.listdir(tmp_path / "copy")) == sorted({"certs", "mine"} - set(moves))
    (theirs / name).chmod(0o700)
    os.chown(theirs / name, 0, 0)
    assert replacement.own_again(found, str(theirs), str(tmp_path / "copy"), 1 << 20) == moves


LIST = b"".join([struct.pack("<I", 2)] + [struct.pack("<HHI", *entry) for entry in (
    (1, 6, 0xFFFFFFFF), (2, 4, 4711), (4, 0, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF),
    (32, 0, 0xFFFFFFFF))])    # user::rw-, user:4711:r--, group::---, mask::r--, other::---
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def test_a_copy_has_the_access_lists_of_the_original_and_no_other(tmp_path):
    one, around = tmp_path / "one", tmp_path / "around"
    for folder in (one, around):
        folder.mkdir()
    (one / "conf").write_text("x")
    try:
        for path, name in ((one / "conf", ACCESS), (one, DEFAULT), (around, DEFAULT)):
            os.setxattr(path, name, LIST)
    except OSError as error:
        pytest.skip(f"this file system has no access lists: {error}")
    (one / "plain").write_text("x")
    os.removexattr(one / "plain", ACCESS)
    (one / "plain").chmod(0o600)
    ownfiles.copy(str(one), str(around / "two"))
    assert [sorted(os.listxattr(around / "two" / name)) for name in ("", "conf", "plain")] == [
        [DEFAULT], [ACCESS], []]
    assert os.getxattr(around / "two" / "conf", ACCESS) == LIST
    assert (around / "two" / "conf").stat().st_mode & 0o777 == 0o640
    assert (around / "two" / "plain").stat().st_mode & 0o777 == 0o600
    (tmp_path / "copy").mkdir()
    replacement.own_again(instance_in(tmp_path), str(one), str(tmp_path / "copy"), 1 << 20)
    assert os.listxattr(tmp_path / "copy") == [DEFAULT]    # a backup's user reads all of it


@pytest.mark.parametrize("listed, number, words", [
    (errno.EOPNOTSUPP, 0, ""), (errno.EIO, 0, "Input/output error"),
    (0, errno.EOPNOTSUPP, "it has an access list .*cannot keep"), (0, errno.EIO, "Input/output")])
def test_an_access_list_is_never_lost_without_a_word(tmp_path, monkeypatch, listed, number, words):
    """Without it the group would get what it leaves to a named user."""
    (tmp_path / "one").write_text("x")

    def listxattr(path):
        if listed:
            raise OSError(listed, os.strerror(listed))
        return [ACCESS, "security.selinux"] if str(path).endswith("one") else ["security.selinux"]

    def setxattr(path, name, value):
        assert (name, value) == (ACCESS, b"list")
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, "listxattr", listxattr)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"list")
    monkeypatch.setattr(os, "setxattr", setxattr)
    if words:
        with pytest.raises(OSError, match=words):
            ownfiles.copy(str(tmp_path / "one"), str(tmp_path / "two"))
        return
    ownfiles.copy(str(tmp_path / "one"), str(tmp_path / "two"))
    monkeypatch.delattr(os, "listxattr")    # Python 2
    ownfiles.copy(str(tmp_path / "one"), str(tmp_path / "three"))
