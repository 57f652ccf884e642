"""Which transactions are those of ANALYZE or VACUUM, on which no client relies."""

import pytest

from paf.instance import housekeeping

COMMIT = ("Transaction", "COMMIT 2026-11-27 16:21:41.020505 UTC; inval msgs: relcache 16384")
LOCK = ("Standby", "LOCK xid 730 db 5 rel 16384 ")
SHORTER = ("Storage", "TRUNCATE base/5/16384 to 0 blocks flags 7")
SIZES = ("Heap", "INPLACE off 2, blkref #0: rel 1663/5/1259 blk 0 FPW")
HINT = ("XLOG", "FPI_FOR_HINT , blkref #0: rel 1663/5/1259 blk 1 FPW")
OF_MAPS = ("XLOG", "FPI , blkref #0: rel 1663/5/16384 fork fsm blk 2 FPW")
STATISTICS = ("Heap", "HOT_UPDATE off 1, blkref #0: rel 1663/5/2619 blk 3")
OF_A_TABLE = ("XLOG", "FPI , blkref #0: rel 1663/5/16384 blk 2 FPW")
NEW_FILE = ("Storage", "CREATE base/5/16390")
ROW = ("Heap", "INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0")


def is_of_vacuum(*records):
    return housekeeping.is_of_vacuum([(manager, "730", "0/60", text) for manager, text in records])


@pytest.mark.parametrize("records", [
    (LOCK, SHORTER, SIZES), (OF_MAPS, SHORTER), (HINT, SHORTER, HINT), (STATISTICS, SIZES)])
def test_what_a_vacuum_writes_is_recognized(records):
    assert is_of_vacuum(*records, COMMIT)


@pytest.mark.parametrize("records", [
    (), (LOCK,), (SIZES,), (HINT,), (OF_MAPS,),
    (SHORTER, ROW), (SHORTER, NEW_FILE), (SHORTER, OF_A_TABLE), (STATISTICS, OF_A_TABLE),
    (SHORTER, ("LogicalMessage", "MESSAGE non-transactional")), (SHORTER, ("Sequence", "LOG rel"))])
def test_anything_else_counts(records):
    assert not is_of_vacuum(*records, COMMIT)


def test_a_transaction_that_did_not_commit_is_none():
    assert not is_of_vacuum(SHORTER, ("Transaction", "ABORT 2026"))
