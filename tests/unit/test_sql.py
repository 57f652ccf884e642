"""psql's output and complaints, taken apart; and the words that reach postgres."""

import errno
import os
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.deadline import Deadline
from paf.decide import wal
from paf.instance import psql, server, sql, upstream, waldump, walpages, walprogram
from paf.ocf import OcfError
from paf.runner import Result
from tests.unit.support import instance_at

F, R = psql.FIELD, psql.RECORD


def test_rows_and_fields_are_split():
    assert psql.rows(f"me{F}t{F}{R}standby{F}a b|c{F}x\n") == [["me", "t", ""],
                                                               ["standby", "a b|c", "x"]]


def test_no_output_is_no_row():
    assert psql.rows("") == [] and psql.rows("\n") == []


def test_names_may_hold_anything_but_the_separators():
    assert psql.rows(f"a\nb{F}'; DROP\n") == [["a\nb", "'; DROP"]]


@pytest.mark.parametrize("result, kind", [
    (Result(0, "x\n", "", False), sql.ROWS), (Result(1, "", "", False), sql.REFUSED),
    (Result(2, "", "", False), sql.NO_CONNECTION), (Result(3, "", "", False), sql.REFUSED),
    (Result(-9, "", "", True), sql.TIMED_OUT), (Result(-9, "", "", False), sql.REFUSED)])
def test_each_end_of_psql_has_its_meaning(result, kind):
    assert sql._answer(result).kind == kind


def test_a_killed_psql_is_never_an_answer_without_rows():
    assert sql._answer(Result(-15, "me\n", "", False)).kind != sql.ROWS


def test_the_last_words_are_the_serious_ones():
    text = ("LOG:  starting\n2026 FATAL:  configuration file contains errors\n"
            "LOG:  shutting down\npg_ctl: could not start server\n")
    assert sql.last_words(text.replace("contains errors", "vanished")) == (
        "configuration file vanished")
    assert sql.last_words("pg_ctl: could not start\nExamine the log\n") == (
        "pg_ctl: could not start; Examine the log")
    assert sql.last_words("") == ""


def test_where_the_log_is_stands_alone_when_it_tells_all_there_is():
    # Pacemaker cuts a reason after 128 characters
    text = ("pg_ctl: another server might be running; trying to start server anyway\n"
            "2026 LOG:  redirecting log output to logging collector process\n"
            '2026 HINT:  Future log output will appear in directory "/var/log/postgresql".\n'
            "pg_ctl: could not start server\nExamine the log output.\n")
    assert sql.last_words(text) == (
        'Future log output will appear in directory "/var/log/postgresql".')


def test_of_errors_in_the_configuration_the_setting_is_named():
    text = ('2026-01-01 10:00:00 UTC [7] LOG:  skipping missing configuration file "/a/b.conf"\n'
            '2026-01-01 10:00:00 UTC [7] LOG:  unrecognized configuration parameter "x" in file '
            '"/a/postgresql.conf" line 5\n2026-01-01 10:00:00 UTC [7] FATAL:  configuration file '
            '"/a/postgresql.conf" contains errors\n')
    assert sql.last_words(text) == (
        'unrecognized configuration parameter "x" in file "/a/postgresql.conf" line 5')


# start_opts reach postgres as arguments, and nothing else

@given(st.lists(st.text(alphabet="ab=/ '\"\\$;&|`\n*?(){}!#~<>", max_size=8), max_size=5))
def test_quoted_words_are_the_same_words_to_a_shell(words):
    assert shlex.split(server.quoted(words)) == words


@pytest.mark.parametrize("word, text", [
    ("-c", "-c"), ("config_file=/etc/x.conf", "config_file=/etc/x.conf"), ("a b", "'a b'"),
    ("$(id)", "'$(id)'"), ("it's", "'it'\"'\"'s'"), ("", "''"), ("x\n", "'x\n'")])
def test_only_harmless_words_stay_bare(word, text):
    assert server.quoted([word]) == text


# pg_waldump

DUMP = """\
rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: 0/05000028, prev 0/04000060, \
desc: CHECKPOINT_SHUTDOWN redo 0/5000028; tli 1; prev tli 1; fpw true; xid 0:737; shutdown
rmgr: Standby     len (rec/tot):     50/    50, tx:          0, lsn: 0/050000A0, prev 0/05000028, \
desc: RUNNING_XACTS nextXid 737 latestCompletedXid 736 oldestRunningXid 737
"""
OLD_DUMP = """\
rmgr: XLOG        len (rec/tot):     72/   104, tx:          0, lsn: 0/05000028, prev 0/04000060, \
bkp: 0000, desc: checkpoint: redo 0/5000028; tli 1; prev tli 1; fpw true; xid 0/1811; shutdown
"""


def records(output):
    return waldump.records(Result(0, output, "", False))


def test_no_run_of_the_program_is_no_record():
    assert waldump.records(None) == []


def test_the_records_of_a_dump_are_read():
    found = records(DUMP)
    assert [lsn for lsn, _ in found] == [0x5000028, 0x50000A0]


def test_a_shutdown_checkpoint_is_known_by_its_words():
    assert waldump.is_shutdown(records(DUMP)[0][1])
    assert not waldump.is_shutdown(records(DUMP)[1][1])
    assert not waldump.is_shutdown("CHECKPOINT_ONLINE redo 0/5000028; tli 1; online")


def test_a_shutdown_checkpoint_of_9_3_is_known_by_its_words():
    assert [waldump.is_shutdown(text) for _, text in records(OLD_DUMP)] == [True]


@pytest.mark.parametrize("version", ["9.3", "9.4", "9.5", "9.6", "10"])
def test_the_shutdown_checkpoint_of_old_versions_is_known(data, version):
    text = (data / "pg_waldump" / f"{version}-shutdown.txt").read_text()
    (position, words), = records(text)
    assert position == 0x3000028 and waldump.is_shutdown(words)


ENDED = ("pg_waldump: error: could not find a valid record after 0/6007E0",
         "pg_xlogdump: FATAL:  error in WAL record at 0/3000028: record with zero length at 0/3000",
         'pg_waldump: error: could not find file "000000010000000000000007": No such file or '
         "directory")
FAILED = ('pg_waldump: error: could not open file "000000010000000000000006": Permission denied',
          "pg_waldump: error: could not read from file 000000010000000000000006, offset 0: "
          "Input/output error",
          'pg_xlogdump: FATAL:  could not find file "000000010000000000000006": Permission denied',
          "/usr/bin/pg_waldump: error while loading shared libraries: liblz4.so.1: cannot open "
          "shared object file: No such file or directory",
          'pg_waldump: error: could not open directory "/data/pg_wal": No such file or directory',
          "")


def ask_for_wal(monkeypatch, tmp_path, status, complaint):
    """Return what is reported of WAL behind a fork, where pg_waldump ended like this."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)    # the test's folder is its user's own
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "pg_wal").mkdir()
    (tmp_path / "pg_wal" / wal.segment_name(1, 6 << 20, 1 << 20)).write_bytes(b"")
    monkeypatch.setattr(walprogram.runner, "run", lambda *words, **more: Result(
        status, "", complaint, False))
    return waldump.has_record_at(instance_at(tmp_path), wal.Position(1, 6 << 20), 1 << 20, None)


@pytest.mark.parametrize("complaint", ENDED)
def test_wal_that_ends_has_no_record(monkeypatch, tmp_path, complaint):
    assert ask_for_wal(monkeypatch, tmp_path, 1, complaint) is False


@pytest.mark.parametrize("status", [1, -9, 127])
@pytest.mark.parametrize("complaint", FAILED)
def test_a_program_that_failed_has_not_seen_that_there_is_no_record(monkeypatch, tmp_path, status,
                                                                    complaint):
    with pytest.raises(OcfError, match="cannot read the WAL at 0/600000"):
        ask_for_wal(monkeypatch, tmp_path, status, complaint)


def test_a_segment_that_cannot_be_looked_for_is_not_missing(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(OcfError, match="Input/output error"):
        waldump.has_record_at(instance_at(tmp_path), wal.Position(1, 6 << 20), 1 << 20, None)


def test_a_shutdown_checkpoint_is_not_missing_where_no_wal_is_there(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(OcfError, match="cannot read the WAL at 0/600028"):
        waldump.ends_with_shutdown(instance_at(tmp_path), wal.Position(1, 0x600028), 1 << 20, None)


def test_a_page_that_cannot_be_read_does_not_end_the_wal(monkeypatch, tmp_path):
    """What follows a place that reading ends at may hold commits."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    segment = tmp_path / "pg_wal" / wal.segment_name(1, 6 << 20, 1 << 20)
    segment.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OcfError, match="cannot read .*Is a directory"):
        walpages.goes_on(instance_at(tmp_path), wal.Position(1, 6 << 20), 1 << 20)


@pytest.mark.parametrize("system, history, words", [
    ("x\x1f2\x1f0/3000000\x1f", "", "does not say its timeline"),
    ("7000000000000000001\x1f2\x1f0/3000000\x1f", "00000002.history\x1f",
     "does not say the history"),
    ("7000000000000000001\x1f3\x1f0/3000000\x1f",
     "00000003.history\x1f1\t0/3000060\tx\n2\t0/", "does not say the history")])
def test_a_primary_whose_answer_is_cut_off_is_not_known(
        monkeypatch, tmp_path, system, history, words):
    """From a part of the history an instance would have diverged, and its node be banned."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(upstream.psql, "there", lambda *given: Result(
        0, system + "\n" + (history + "\n" if len(given[3]) > 1 else ""), "", False))
    fact = upstream.ask(instance_at(tmp_path), "host=x", Deadline(5))
    assert words in fact.reason


@pytest.mark.parametrize("later", ["7000000000000000002\x1f2", "7000000000000000001\x1f3"])
def test_two_servers_that_answer_one_after_the_other_are_not_one_primary(
        monkeypatch, tmp_path, later):
    """An address that moves: this one's timeline, and the history of the other one's."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    answers = ["7000000000000000001\x1f2\x1f0/3000000\x1f\n",
               later + "\x1f0/3000000\x1f\n00000002.history\x1f1\t0/3000060\tno recovery\n\n"]
    monkeypatch.setattr(upstream.psql, "there", lambda *_: Result(0, answers.pop(0), "", False))
    fact = upstream.ask(instance_at(tmp_path), "host=x", Deadline(5))
    assert "another server, or on another timeline" in fact.reason and answers == []


@pytest.mark.parametrize("version, has_isolation", [("9.4", False), ("9.5", True), ("15", True)])
def test_options_hold_a_blank_only_where_the_server_understands_one(
        tmp_path, version, has_isolation):
    """Up to 9.4 it would end each connection: options were taken apart at each blank."""
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    options = psql.options(instance_at(str(tmp_path)))
    assert "default_transaction_deferrable=off" in options
    assert ("default_transaction_isolation=read\\ committed" in options) == has_isolation


def test_where_the_version_cannot_be_read_a_server_is_asked_anyway(tmp_path):
    assert "\\" not in psql.options(instance_at(str(tmp_path)))
