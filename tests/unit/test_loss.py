"""What a client may rely on in a part of the WAL: the table, record by record."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import loss
from paf.instance import configfiles, waiting_commits, waldump
from tests.conftest import REPOSITORY

STATISTICS = (REPOSITORY / "tests" / "data" / "pg_waldump" / "stats-15.txt").read_text()
LOST = {"Transaction/COMMIT", "Transaction/COMMIT_PREPARED", "Transaction/PREPARE",
        "Transaction/ABORT_PREPARED", "LogicalMessage/MESSAGE", "XLOG/RESTORE_POINT",
        "XLOG/BACKUP_END", "ReplicationOrigin/SET"}
HARMLESS = {"Transaction/ABORT", "Transaction/ASSIGNMENT", "Transaction/INVALIDATION",
            "XLOG/CHECKPOINT_SHUTDOWN", "XLOG/CHECKPOINT_ONLINE", "XLOG/SWITCH",
            "XLOG/FPI_FOR_HINT", "Standby/RUNNING_XACTS", "Standby/LOCK", "Heap/INSERT+INIT",
            "Heap2/PRUNE_VACUUM_SCAN", "Sequence/LOG", "Btree/INSERT_LEAF",
            "Database/CREATE_FILE_COPY"}


@pytest.mark.parametrize("record", sorted(LOST))
def test_a_client_may_rely_on_it(record):
    judged = loss.judge({record: 1, "Heap/INSERT": 9})
    assert judged.relied_on and not judged.unknown


@pytest.mark.parametrize("record", sorted(HARMLESS))
def test_no_client_relies_on_it(record):
    assert loss.judge({record: 3}) == loss.Loss("", [])


@pytest.mark.parametrize("record", ["custom128/CHANGE", "UNKNOWN/0", "XLOG/END_OF_RECOVERY",
                                    "XLOG/UNKNOWN (f0)", "", "Later/RECORD"])
def test_a_record_that_no_rule_knows_is_said(record):
    assert loss.judge({record: 1, "Heap/INSERT": 1}).unknown == [record]


@given(st.dictionaries(st.sampled_from(sorted(LOST | HARMLESS)), st.integers(1, 99)))
def test_nothing_is_promised_exactly_where_no_record_promises(counts):
    assert (loss.judge(counts).relied_on == "") == (not set(counts) & LOST)


def test_what_is_shown_is_counted_in_words():
    assert loss.judge({"Transaction/COMMIT": 1}).relied_on == "1 commit"
    assert loss.judge({"Transaction/COMMIT": 2, "Transaction/COMMIT_PREPARED": 3,
                       "XLOG/RESTORE_POINT": 1}).relied_on == "5 commits and 1 restore point"


def test_the_table_gives_a_reason_for_each_rule():
    assert all(rule.why and (rule.verdict == loss.LOST) == bool(rule.one) for rule in loss.RULES)


def test_the_statistics_of_pg_waldump_are_read():
    counts = waldump.statistics(STATISTICS)
    assert counts["Transaction/COMMIT"] == 4 and counts["Heap/INSERT+INIT"] == 1
    assert sum(counts.values()) == int(re.search(r"(?m)^Total\s+(\d+)", STATISTICS)[1])
    words = loss.judge(counts).relied_on
    assert all(each in words for each in (
        "5 commits", "2 prepared transactions", "1 restore point"))


# What the configuration includes

@pytest.mark.parametrize("line, found", [
    ("include 'a.conf'", [("include", "a.conf")]),
    ("  INCLUDE_DIR = 'conf.d'  # more", [("include_dir", "conf.d")]),
    ("include_if_exists'it''s.conf'", [("include_if_exists", "it's.conf")]),
    ("include a.conf # b", [("include", "a.conf")]),
    ("#include 'a.conf'", []), ("included = 'x'", []), ("work_mem = '1MB'", [])])
def test_includes_are_found_as_postgresql_finds_them(line, found):
    assert list(configfiles.included(f"port = 1\n{line}\n")) == found


@pytest.mark.parametrize("line, found", [
    ("local @users all trust", ["users"]), ('host all,@"my users" all ::1/128 md5', ["my users"]),
    ("# @none", []), ("include_dir more", ["more"]), ("local all a@b trust", [])])
def test_lists_of_names_are_files_in_pg_hba_conf(line, found):
    assert [name for _, name in configfiles.included(line, lists=True)] == found


TRANSACTIONS = [(100, "ABORT 2026"), (200, "COMMIT 2026-11-26 07:15:22.046192 UTC; sync"),
                (300, "COMMIT 2026-11-26 07:15:23 UTC"), (400, "PREPARE 2026")]


@pytest.mark.parametrize("ends, found", [
    ([], {}), ([100], {}), ([101], {"Transaction/ABORT": 1}),
    ([300], {"Transaction/COMMIT": 1}), ([280, 300, 348], {"Transaction/COMMIT": 2}),
    ([280, 280], {"Transaction/COMMIT": 1}), ([9000], {"Transaction/PREPARE": 1})])
def test_a_record_ends_after_it_begins_and_before_the_next(ends, found):
    lsns = loss.ended(TRANSACTIONS, ends)
    assert loss.counted(TRANSACTIONS, lsns) == found


def test_what_waited_is_no_loss_and_all_else_is():
    counts = {"Transaction/COMMIT": 2, "Transaction/PREPARE": 1, "Heap/INSERT": 3}
    left = loss.without(counts, {"Transaction/COMMIT": 1})
    assert loss.judge(left).relied_on == "1 commit and 1 prepared transaction"
    assert loss.judge(loss.without(counts, {"Transaction/COMMIT": 2,
                                            "Transaction/PREPARE": 1})) == loss.Loss("", [])
    assert loss.without(counts, {"Transaction/ABORT": 5}) == counts


@pytest.mark.parametrize("title, lsn", [
    ("postgres: app shop 10.0.0.9(40112) COMMIT waiting for 0/3040E38", "0/3040E38"),
    ("postgres: 15/main: app shop [local] INSERT waiting for 1A/0", "1A/0"),
    ("postgres: app shop 10.0.0.9(40112) INSERT waiting", ""),
    ("postgres: app shop 10.0.0.9(40112) idle", ""),
    ("postgres: startup waiting for 000000010000000000000003", ""),
    ("postgres: walsender repl 10.0.0.2(1) streaming 0/3040E38", ""),
    ("postgres: startup recovering 000000010000000000000003", ""), ("", "")])
def test_a_session_that_waits_is_known_by_its_title(title, lsn):
    assert waiting_commits._waits_for(title) == lsn
