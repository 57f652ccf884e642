"""Steps of a rewind: what a program does not say in time, and what of the WAL is kept."""

import os
import types

import pytest

from paf import ocf, runner
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import (
    controldata, journal, keptwal, ownfiles, pidfile, processes, psql, rewind, rewindrole, settings)
from tests.unit.test_keptwal import NAMES, SIZE, instance  # noqa: F401
from tests.unit.unread import answer

TIMEOUT = runner.Result(-9, "", "", True)
FAILED = runner.Result(1, "", "LOG:  the database system is shut down", False)
COMMON = "rewinding from last common checkpoint at 0/100028 on timeline 1"


def silent():
    said = []
    return said, types.SimpleNamespace(info=lambda _: None, warning=said.append)


# the WAL that is given up

def test_where_the_histories_part_is_not_known_all_wal_may_exist_only_here(
        instance, tmp_path):  # noqa: F811
    found = types.SimpleNamespace(what="another promotion", size=SIZE)
    assert rewind.described(found, None) == {"diverged": "another promotion", "segment_size": SIZE}
    (tmp_path / ".main.pgsqlms").mkdir()
    assert rewind._keep_copies(instance, COMMON, None, SIZE, Deadline(9)) == {
        "again": True, "kept": True}
    assert set(NAMES) <= set(os.listdir(tmp_path / ".main.pgsqlms" / "wal"))


@pytest.mark.parametrize("kept, words", [
    (True, "is kept in "), (False, "was too much to keep: only its place is noted, in "),
    (None, "")])
def test_the_log_says_whether_wal_that_was_given_up_is_kept(instance, kept, words):  # noqa: F811
    facts = {"what": "rewind", "phase": rewind.RETURNING, "deep": [], "kept": kept, "set": "now"}
    journal.begin(instance, facts)
    if kept:
        keptwal.keep(instance, NAMES[:1], SIZE, Deadline(9))
    said, log = silent()
    place = rewind._carry_on(instance, facts, Deadline(5), log)
    assert bool(place) == bool(kept) and not journal.exists(instance)
    assert len(said) == bool(words) and words in "".join(said)


@pytest.mark.parametrize("own", [True, False])
def test_a_rewind_that_is_given_up_leaves_no_configuration_but_the_nodes_own(
        instance, tmp_path, monkeypatch, own):  # noqa: F811
    """One was made for pg_rewind to find restore_command in."""
    answer(monkeypatch, processes, "end", None)
    text = tmp_path / "main" / "postgresql.conf"
    facts = {"what": "rewind", "phase": rewind.KEPT, "deep": [], "kept": None,
             "top": ["postgresql.conf"] if own else []}
    journal.begin(instance, facts)
    if own:
        text.write_text("port = 5433")
        ownfiles.move_aside(instance, facts["top"], [])
    text.write_text("restore_command = 'cp x'")
    assert rewind.give_up(instance, facts) == ""
    assert text.read_text() == "port = 5433" if own else not text.exists()
    assert not journal.exists(instance)


# programs

@pytest.mark.parametrize("version, command", [(120000, ""), (130000, "cp /archive/%f %p")])
def test_the_archive_is_only_for_a_pg_rewind_that_can_use_it(monkeypatch, version, command):
    answer(monkeypatch, rewind.local, "version", version)
    answer(monkeypatch, settings, "read", "cp /archive/%f %p")
    assert rewind._restore_command(None, Deadline(5)) == command


def test_a_pg_rewind_that_takes_too_long_bans_no_node(instance, monkeypatch):  # noqa: F811
    answer(monkeypatch, runner, "run", TIMEOUT)
    with pytest.raises(ocf.OcfError, match="did not end in .*give start a longer") as caught:
        rewind._pg_rewind(instance, {"conninfo": "host=x", "restore_command": ""}, Deadline(5))
    assert caught.value.code == ocf.ERR_GENERIC


CLEAN, CRASHED = (Known(types.SimpleNamespace(state=word)) for word in (
    state.SHUT_DOWN, state.IN_PRODUCTION))


@pytest.mark.parametrize("result, after, reason", [
    (FAILED, CLEAN, None),
    (TIMEOUT, CLEAN, "did not end in"), (TIMEOUT, CRASHED, "did not end in"),
    (FAILED, CRASHED, "failed: .*the database system is shut down"),
    (FAILED, Unknown("pg_controldata was killed"), "failed: pg_controldata was killed")])
def test_a_crash_recovery_is_complete_where_the_control_file_says_so(
        instance, tmp_path, monkeypatch, result, after, reason):  # noqa: F811
    """pg_rewind would take what was not recovered for whole."""
    looks = [CRASHED, after]
    monkeypatch.setattr(controldata, "read", lambda *_: looks.pop(0))
    answer(monkeypatch, pidfile, "make_way", None)
    answer(monkeypatch, runner, "run", result)
    (tmp_path / "main" / "standby.signal").touch()
    if reason is None:
        rewind.recover(instance, None, Deadline(5), silent()[1])
    else:
        with pytest.raises(ocf.OcfError, match="crash recovery before a rewind " + reason):
            rewind.recover(instance, None, Deadline(5), silent()[1])
    assert not (tmp_path / "main" / "standby.signal").exists()    # it would be no crash recovery


# the primary

@pytest.mark.parametrize("result, words", [
    (TIMEOUT, "timeout"), (runner.Result(2, "", "FATAL:  too many clients", False), "too many")])
def test_tablespaces_that_the_primary_does_not_name_are_not_none(
        instance, monkeypatch, result, words):  # noqa: F811
    answers = [runner.Result(0, "t\n", "", False), result]
    monkeypatch.setattr(psql, "there", lambda *_: answers.pop(0))
    with pytest.raises(ocf.OcfError, match=f"needs to know the primary's tablespaces: .*{words}"
                       ) as caught:
        rewindrole.check(instance, "host=x", Deadline(5))
    assert caught.value.code == ocf.ERR_GENERIC
