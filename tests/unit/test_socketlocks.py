"""Lock files of sockets that a dead server left in the way of the next one."""

import errno
import os
import pwd

import pytest

from paf import runner
from paf.deadline import Deadline
from paf.instance import postmaster, settings, socketlocks
from paf.ocf import OcfError
from tests.unit.support import instance_at


@pytest.fixture
def node(tmp_path, monkeypatch):
    """An instance without processes whose sockets are in a folder of the test."""
    values = {"unix_socket_directories": str(tmp_path / "run") + ", @abstract", "port": "5433"}
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(settings, "read", lambda _, name, __: values[name])
    monkeypatch.setattr(postmaster, "processes", lambda _: [])
    mine = pwd.getpwuid(os.geteuid())
    return instance_at(tmp_path, datadir=str(tmp_path))._replace(owner=runner.Account(
        mine.pw_name, mine.pw_uid, mine.pw_gid, mine.pw_dir))


def lock(tmp_path, folder, port="5433"):
    """Write a lock file of a server whose data directory is `folder`; return its path."""
    path = tmp_path / "run" / f".s.PGSQL.{port}.lock"
    path.write_text(f"4711\n{folder}\n1700000000\n{port}\n{tmp_path}/run\n")
    return path


def test_only_the_lock_of_this_data_directory_and_port_is_removed(node, tmp_path):
    mine, other = lock(tmp_path, tmp_path), lock(tmp_path, tmp_path, "5434")
    socketlocks.make_way(node, Deadline(5.0))
    assert not mine.exists() and other.exists()


def test_the_lock_of_another_data_directory_stays(node, tmp_path):
    theirs = lock(tmp_path, "/srv/other")
    socketlocks.make_way(node, Deadline(5.0))
    assert theirs.exists()


def test_an_abstract_socket_has_no_lock_to_look_for(node, tmp_path):
    folder = tmp_path / "@abstract"
    folder.mkdir()
    path = lock(tmp_path, tmp_path).rename(folder / ".s.PGSQL.5433.lock")
    socketlocks.make_way(node, Deadline(5.0))
    assert path.exists()


def test_no_lock_is_removed_while_a_process_lives(node, tmp_path, monkeypatch):
    monkeypatch.setattr(postmaster, "processes", lambda _: [4711])
    mine = lock(tmp_path, tmp_path)
    socketlocks.make_way(node, Deadline(5.0))
    assert mine.exists()


def test_a_lock_that_cannot_be_removed_is_left_to_the_server_to_name(node, tmp_path, monkeypatch):
    def refused(path):
        raise OSError(errno.EPERM, "Operation not permitted", path)
    mine = lock(tmp_path, tmp_path)
    monkeypatch.setattr(os, "unlink", refused)
    socketlocks.make_way(node, Deadline(5.0))
    assert mine.exists()


def test_no_lock_is_removed_where_the_settings_are_not_known(node, tmp_path, monkeypatch):
    def unknown(*_):
        raise OcfError("postgres -C did not end")
    mine = lock(tmp_path, tmp_path)
    monkeypatch.setattr(settings, "read", unknown)
    socketlocks.make_way(node, Deadline(5.0))
    assert mine.exists()
