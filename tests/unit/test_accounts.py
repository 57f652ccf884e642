"""The user database that is down or hangs: no account, no ban, and no action waits for it."""

import os
import pwd
import time

import pytest

from paf import accounts, instance, ocf, runner
from tests.unit.support import parameters_with

MINE = pwd.getpwuid(os.geteuid())


@pytest.fixture(autouse=True)
def asked(monkeypatch, tmp_path):
    """/etc/passwd has no such account."""
    monkeypatch.setattr(accounts, "_PASSWD", str(tmp_path / "passwd"))
    monkeypatch.setattr(accounts, "_HUNG", [])
    monkeypatch.setattr(accounts, "_GROUPS", {})


def unknown(key):
    raise KeyError(key)


def hang(_key):
    time.sleep(60)


def theirs(folder):
    return instance.of(parameters_with(pgdata=str(folder), system_user="dba"))


def test_who_is_in_no_file_is_asked_for():
    assert accounts.account(MINE.pw_name)[:3] == (MINE.pw_name, MINE.pw_uid, MINE.pw_gid)
    assert accounts.account(MINE.pw_name).home == MINE.pw_dir
    assert accounts.is_account(MINE.pw_uid)


@pytest.mark.parametrize("line, found", [
    ("dba:x:77:78:D\udcff B,,:/home/\udcff:/bin/sh", runner.Account("dba", 77, 78, "/home/\udcff")),
    ("+dba::::::", None), ("dba:x:77", None), ("dba:x::78:::", None), ("", None)])
def test_a_line_of_the_file_is_an_account(line, found, tmp_path, monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    (tmp_path / "passwd").write_bytes(b"root:x:0:0::/:\n" + os.fsencode(line) + b"\n")
    assert accounts.account("dba") == found


def test_a_directory_service_that_hangs_is_not_waited_for(monkeypatch, tmp_path):
    """The action, a stop as well, ended with its timeout."""
    monkeypatch.setattr(pwd, "getpwnam", hang)
    monkeypatch.setattr(pwd, "getpwuid", hang)
    monkeypatch.setattr(accounts, "_PATIENCE", 0.3)
    begin = time.monotonic()
    with pytest.raises(ocf.OcfError, match="sssd") as raised:
        instance.owner(theirs(tmp_path))
    assert raised.value.code == ocf.ERR_GENERIC
    assert 0.3 <= time.monotonic() - begin < 5, "once is enough"


def test_groups_are_those_of_the_file_where_a_service_hangs(monkeypatch, tmp_path):
    """It is asked for the groups of an account of /etc/passwd as well: no program was started."""
    (tmp_path / "group").write_text(
        "root:x:0:\nssl-cert:x:115:www,postgres\nposts:x:9:postgre\nbad:x::postgres\n")
    monkeypatch.setattr(accounts, "_GROUP", str(tmp_path / "group"))
    monkeypatch.setattr(accounts, "_PATIENCE", 0.3)
    monkeypatch.setattr(os, "initgroups", lambda *_: time.sleep(60))
    user, begin = runner.Account("postgres", 77, 78, "/"), time.monotonic()
    assert accounts.groups(user) == accounts.groups(user) == [78, 115]
    assert time.monotonic() - begin < 5


@pytest.mark.root
def test_groups_are_those_that_the_system_has(monkeypatch):
    monkeypatch.setattr(os, "initgroups", lambda name, gid: os.setgroups([gid, 4711]))
    assert sorted(accounts.groups(runner.Account("postgres", 77, 78, "/"))) == [78, 4711]


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
