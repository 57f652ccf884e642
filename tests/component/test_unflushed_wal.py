"""WAL that is not flushed, on a real primary: what a monitor takes for storage that hangs."""

import signal

import pytest

from paf.instance import queries
from tests.component.server import send, wait_until

VERSION = 150000


def unflushed(node):
    """Return the row of the monitor's query about it, None for none."""
    rows = [row for row in node.sql(queries.monitor(VERSION)) if row[0] == queries.UNFLUSHED]
    return rows[0][1] if rows else None


@pytest.fixture
def node(trio):
    """A primary whose WAL writer does nothing: what no commit flushes stays as it is."""
    primary = trio["srv1"]
    primary.sql("CREATE TABLE open (n int)")
    return primary


def note(node):
    """Return what the monitors have noted."""
    path = node.temporary / "pgsqlms-pgsqld.unflushed"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("command", ["SELECT pg_switch_wal()", "CHECKPOINT; SELECT 1"])
def test_at_rest_all_is_flushed_also_at_the_end_of_a_segment(node, command):
    """What comes next is inserted behind the header of the next page."""
    node.sql(command)
    wait_until(lambda: unflushed(node) is None, "all to be flushed")
    assert node.monitor().code == 8 and note(node) == ""


def test_an_open_transaction_is_no_storage_that_hangs(node):
    number = node.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")[0][0]
    send(number, signal.SIGSTOP)
    connection = node.connect()
    connection.autocommit = False
    try:
        connection.cursor().execute("INSERT INTO open SELECT generate_series(1, 100)")
        assert unflushed(node)
        for _ in range(3):
            assert node.monitor().code == 8
            old = note(node).split(" ")
            if len(old) == 3:    # long ago, and seen often
                (node.temporary / "pgsqlms-pgsqld.unflushed").write_text(f"{old[0]} 1.0 9")
    finally:
        connection.close()
        send(number, signal.SIGCONT)


def test_the_question_what_waits_is_understood(node):
    assert [type(one) for one in node.sql(queries.wal_waits(VERSION))[0]] == [str] * 3
    assert node.sql(queries.wal_waits(VERSION))[0][::2] == ("0", "true")
