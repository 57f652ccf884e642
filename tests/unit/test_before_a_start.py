"""Before a start: what the files show, and what is done where they cannot be read."""

import errno
import os
import pwd
import types

import pytest

from paf import ocf, runner
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, historyfiles, limits, position, queries, tablespaces
from tests.unit.support import instance_at

# settings of which the primary had more

CONTROL = "max_connections setting:              200\nmax_worker_processes setting: 8\n"
HERE = " ".join("100" for _ in queries.LIMITS)


@pytest.fixture
def printed(monkeypatch):
    """Return a function that sets what pg_controldata prints."""
    def says(status, text, timed_out=False):
        monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(
            status, text, "", timed_out))
    return says


@pytest.mark.parametrize("said, found", [
    ("", Known([])), (HERE, Known([("max_connections", 100, 200)])),
    (HERE.replace("100", "200"), Known([])),
    ("100", Unknown("the server does not say its settings")),
    (HERE.replace("100", "?", 1), Unknown("the server does not say its settings"))])
def test_why_a_standby_does_not_replay(printed, tmp_path, said, found):
    printed(0, CONTROL)
    assert limits.running_below(instance_at(tmp_path), said, Deadline(5)) == found


@pytest.mark.parametrize("answer", [(1, CONTROL), (0, ""), (0, CONTROL, True)])
def test_without_the_control_file_a_paused_replay_is_still_said(printed, tmp_path, answer):
    printed(*answer)
    assert limits.why_paused(instance_at(tmp_path), HERE, Deadline(5)) == (
        "replay is paused, and cannot find out why: pg_controldata does not say what the primary "
        "had")
    assert limits.too_low(instance_at(tmp_path), Deadline(5)) == []


def test_the_reason_has_both_values(printed, tmp_path):
    printed(0, CONTROL)
    assert limits.why_paused(instance_at(tmp_path), HERE, Deadline(5)) == (
        "replay is paused: max_connections is 100 here, and was 200 on the primary; restart this "
        "standby")
    assert limits.why_paused(instance_at(tmp_path), "", Deadline(5)) == ""


# tablespaces

@pytest.fixture
def link(tmp_path):
    """The folder of a tablespace, to which pg_tblspc/16384 is a link, beside another file."""
    (tmp_path / "data" / "pg_tblspc").mkdir(parents=True)
    (tmp_path / "data" / "pg_tblspc" / "README").write_text("")
    (tmp_path / "fast").mkdir()
    (tmp_path / "data" / "pg_tblspc" / "16384").symlink_to(tmp_path / "fast")
    return tmp_path / "fast"


@pytest.mark.parametrize("inside", [None, "lost+found", "PG_15_202209061"])
def test_a_tablespace_is_there_if_it_has_a_folder_of_a_server(tmp_path, link, inside):
    if inside is None:
        link.rmdir()
    else:
        (link / inside).mkdir()
    if inside and inside.startswith("PG_"):
        tablespaces.check(instance_at(tmp_path / "data"))
        return
    with pytest.raises(ocf.OcfError, match="the tablespace at .*/fast is not there: mount"):
        tablespaces.check(instance_at(tmp_path / "data"))


def test_a_tablespace_that_cannot_be_read_is_not_there(monkeypatch, tmp_path, link):
    def refuse(folder):
        if folder.endswith("16384"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return ["16384"]
    monkeypatch.setattr(tablespaces.os, "listdir", refuse)
    with pytest.raises(ocf.OcfError, match="cannot look into .*16384: Input/output error"):
        tablespaces.check(instance_at(tmp_path / "data"))


@pytest.mark.parametrize("inside, uid, reason", [
    ([], None, None), (None, None, "fast here, where the primary has a tablespace now"),
    (["PG_15_202209061"], None, "fast to be empty"), ([], 1, "fast to belong to ")])
def test_a_tablespace_that_only_the_primary_has_needs_a_folder(
        tmp_path, link, monkeypatch, inside, uid, reason):
    """The one that this instance has (16384) may be elsewhere here."""
    mine = pwd.getpwuid(os.geteuid())
    instance = instance_at(tmp_path / "data")._replace(owner=runner.Account(
        mine.pw_name, mine.pw_uid if uid is None else mine.pw_uid + uid, mine.pw_gid, ""))
    monkeypatch.setattr(runner.Acting, "__enter__", lambda _: None)
    for name in inside or ():
        (link / name).mkdir()
    if inside is None:
        link.rmdir()
    found = tablespaces.problem_of_new(instance, [["16384", "/nowhere"], ["16999", str(link)]])
    assert found is None if reason is None else reason in found


# the history of the WAL

@pytest.mark.parametrize("control, history, is_off", [
    ((1, 0x3000028), None, False),                  # one timeline
    ((2, 0x5000028), "1\t0/4000000\tx\n", False),   # the newest
    ((1, 0x3000028), "1\t0/4000000\tx\n", False),   # on the way to it
    ((1, 0x4000028), "1\t0/4000000\tx\n", True),    # behind the fork
    ((1, 0x4000000), "1\t0/4000000\tx\n", True),
    ((1, 0x4000028), "", False)])                   # nothing to conclude from
def test_the_last_checkpoint_has_to_be_in_the_history_of_the_wal(
        monkeypatch, tmp_path, control, history, is_off):
    folder = tmp_path / "pg_wal"
    folder.mkdir()
    (tmp_path / "PG_VERSION").write_text("15\n")
    for timeline in (1,) if history is None else (1, 2):
        (folder / f"{timeline:08X}0000000000000004").write_bytes(b"")
    if history:
        (folder / "00000002.history").write_text(history)
    file = types.SimpleNamespace(timeline=control[0], checkpoint=control[1])
    instance = instance_at(tmp_path)
    reason = historyfiles.off_history(instance, file)
    assert reason.startswith("a rewind was cut off, or files were copied by hand") is is_off
    if is_off:
        monkeypatch.setattr(controldata, "read", lambda *_: Known(file))
        assert position.at_rest(instance, Deadline(5)) == Unknown(reason)
