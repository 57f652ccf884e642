"""What a client may rely on in a part of the WAL: the table, record by record."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import loss
from paf.instance import ownfiles, waldump
from tests.conftest import REPOSITORY

STATISTICS = (REPOSITORY / "tests" / "data" / "pg_waldump" / "stats-15.txt").read_text()
TOLD = {"Transaction/COMMIT", "Transaction/COMMIT_PREPARED", "Transaction/PREPARE",
        "Transaction/ABORT_PREPARED", "LogicalMessage/MESSAGE", "XLOG/RESTORE_POINT",
        "XLOG/BACKUP_END", "ReplicationOrigin/SET"}
HARMLESS = {"Transaction/ABORT", "Transaction/ASSIGNMENT", "Transaction/INVALIDATION",
            "XLOG/CHECKPOINT_SHUTDOWN", "XLOG/CHECKPOINT_ONLINE", "XLOG/SWITCH",
            "XLOG/FPI_FOR_HINT", "Standby/RUNNING_XACTS", "Standby/LOCK", "Heap/INSERT+INIT",
            "Heap2/PRUNE_VACUUM_SCAN", "Sequence/LOG", "Btree/INSERT_LEAF",
            "Database/CREATE_FILE_COPY"}


@pytest.mark.parametrize("record", sorted(TOLD))
def test_a_client_may_rely_on_it(record):
    judged = loss.judge({record: 1, "Heap/INSERT": 9})
    assert judged.told and not judged.unknown


@pytest.mark.parametrize("record", sorted(HARMLESS))
def test_no_client_relies_on_it(record):
    assert loss.judge({record: 3}) == loss.Loss("", [])


@pytest.mark.parametrize("record", ["custom128/CHANGE", "UNKNOWN/0", "XLOG/END_OF_RECOVERY",
                                    "XLOG/UNKNOWN (f0)", "", "Later/RECORD"])
def test_a_record_that_no_rule_knows_is_said(record):
    assert loss.judge({record: 1, "Heap/INSERT": 1}).unknown == [record]


@given(st.dictionaries(st.sampled_from(sorted(TOLD | HARMLESS)), st.integers(1, 99)))
def test_nothing_is_promised_exactly_where_no_record_promises(counts):
    assert (loss.judge(counts).told == "") == (not set(counts) & TOLD)


def test_what_is_told_is_counted_in_words():
    assert loss.judge({"Transaction/COMMIT": 1}).told == "1 commit"
    assert loss.judge({"Transaction/COMMIT": 2, "Transaction/COMMIT_PREPARED": 3,
                       "XLOG/RESTORE_POINT": 1}).told == "5 commits and 1 restore point"


def test_the_table_gives_a_reason_for_each_rule():
    assert all(rule.why and (rule.verdict == loss.TOLD) == bool(rule.one) for rule in loss.RULES)


def test_the_statistics_of_pg_waldump_are_read():
    counts = waldump.statistics(STATISTICS)
    assert counts["Transaction/COMMIT"] == 4 and counts["Heap/INSERT+INIT"] == 1
    assert sum(counts.values()) == int(re.search(r"(?m)^Total\s+(\d+)", STATISTICS)[1])
    told = loss.judge(counts).told
    assert "5 commits" in told and "2 prepared transactions" in told and "1 restore point" in told


# What the configuration includes

@pytest.mark.parametrize("line, found", [
    ("include 'a.conf'", [("include", "a.conf")]),
    ("  INCLUDE_DIR = 'conf.d'  # more", [("include_dir", "conf.d")]),
    ("include_if_exists'it''s.conf'", [("include_if_exists", "it's.conf")]),
    ("include a.conf # b", [("include", "a.conf")]),
    ("#include 'a.conf'", []), ("included = 'x'", []), ("work_mem = '1MB'", [])])
def test_includes_are_found_as_postgresql_finds_them(line, found):
    assert list(ownfiles.included(f"port = 1\n{line}\n")) == found


@pytest.mark.parametrize("line, found", [
    ("local @users all trust", ["users"]), ('host all,@"my users" all ::1/128 md5', ["my users"]),
    ("# @none", []), ("include_dir more", ["more"]), ("local all a@b trust", [])])
def test_lists_of_names_are_files_in_pg_hba_conf(line, found):
    assert [name for _, name in ownfiles.included(line, lists=True)] == found
