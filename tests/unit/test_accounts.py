"""The user database that is down or hangs: no account, no ban, and no action waits for it."""

import os
import pwd
import time

import pytest

from paf import instance, ocf, runner
from tests.unit.support import parameters_with

MINE = pwd.getpwuid(os.geteuid())


@pytest.fixture(autouse=True)
def asked(monkeypatch, tmp_path):
    """/etc/passwd has no such account."""
    monkeypatch.setattr(runner, "_PASSWD", str(tmp_path / "passwd"))
    monkeypatch.setattr(runner, "_HUNG", [])


def unknown(key):
    raise KeyError(key)


def hang(_key):
    time.sleep(60)


def theirs(folder):
    return instance.of(parameters_with(pgdata=str(folder), system_user="dba"))


def test_who_is_in_no_file_is_asked_for():
    assert runner.account(MINE.pw_name)[:3] == (MINE.pw_name, MINE.pw_uid, MINE.pw_gid)
    assert runner.account(MINE.pw_name).home == MINE.pw_dir
    assert runner.is_account(MINE.pw_uid)


@pytest.mark.parametrize("line, found", [
    ("dba:x:77:78:D\udcff B,,:/home/\udcff:/bin/sh", runner.Account("dba", 77, 78, "/home/\udcff")),
    ("+dba::::::", None), ("dba:x:77", None), ("dba:x::78:::", None), ("", None)])
def test_a_line_of_the_file_is_an_account(line, found, tmp_path, monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    (tmp_path / "passwd").write_bytes(b"root:x:0:0::/:\n" + os.fsencode(line) + b"\n")
    assert runner.account("dba") == found


def test_a_directory_service_that_hangs_is_not_waited_for(monkeypatch, tmp_path):
    """The action, a stop as well, ended with its timeout."""
    monkeypatch.setattr(pwd, "getpwnam", hang)
    monkeypatch.setattr(pwd, "getpwuid", hang)
    monkeypatch.setattr(runner, "_ACCOUNT_PATIENCE", 0.3)
    begin = time.monotonic()
    with pytest.raises(ocf.OcfError, match="sssd") as raised:
        instance.owner(theirs(tmp_path))
    assert raised.value.code == ocf.ERR_GENERIC
    assert 0.3 <= time.monotonic() - begin < 5, "once is enough"


def test_no_node_is_banned_while_no_account_is_known(monkeypatch, tmp_path):
    """sssd that is down says of each user that there is none."""
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(ocf.OcfError, match="no system user \"dba\" here") as raised:
        instance.owner(theirs(tmp_path))
    assert raised.value.code == ocf.ERR_GENERIC


@pytest.mark.parametrize("folder", [".", "nonexistent"])
def test_a_user_that_is_not_there_is_a_mistake_where_others_are_known(
        folder, monkeypatch, tmp_path):
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(ocf.BadParameter):
        instance.owner(theirs(tmp_path / folder))


def test_without_another_process_nothing_is_known(monkeypatch, tmp_path):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(ocf.OcfError) as raised:
        instance.owner(theirs(tmp_path))
    assert raised.value.code == ocf.ERR_GENERIC
