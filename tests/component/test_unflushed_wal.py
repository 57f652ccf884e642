"""WAL that is not flushed, on a real primary: when a monitor finds that the storage hangs."""

import signal

import pytest

from paf.instance import queries
from tests.component.server import send, wait_until
from tests.component.test_waiting import Session

VERSION = 150000


def flushed(node):
    """Return what the monitor's query says of it."""
    return [row for row in node.sql(queries.monitor(VERSION)) if row[0] == queries.FLUSHED]


def note(node):
    """Return what the monitors have noted."""
    path = node.temporary / "pgsqlms-pgsqld.unflushed"
    return path.read_text() if path.exists() else ""


@pytest.fixture
def node(trio):
    """A primary, with a table."""
    trio["srv1"].sql("CREATE TABLE open (n int)")
    return trio["srv1"]


def test_a_primary_says_what_waits_and_a_standby_nothing(trio, node):
    (_, place, waiting, sees, _, _), = flushed(node)
    assert int(place) > 0 and (waiting, sees) == ("0", "true")
    assert flushed(trio["srv2"]) == []
    assert node.monitor().code == 8 and note(node) == ""


def test_an_open_transaction_is_no_storage_that_hangs(node):
    """Its WAL is not flushed, and nothing waits for that."""
    number = node.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
    send(number, signal.SIGSTOP)
    connection = node.connect()
    connection.autocommit = False
    try:
        connection.cursor().execute("INSERT INTO open SELECT generate_series(1, 100)")
        place = node.value("SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()")
        assert place and node.monitor().code == 8 and note(node) == ""
    finally:
        connection.close()
        send(number, signal.SIGCONT)


def test_who_waits_for_a_flush_is_seen(node):
    """In one of many looks at a server that commits."""
    node.sql("CREATE PROCEDURE busy() LANGUAGE plpgsql AS $$ BEGIN FOR n IN 1..1000000 LOOP "
             "INSERT INTO open VALUES (n); COMMIT; END LOOP; END $$")
    client = Session(node, "CALL busy()")
    try:
        wait_until(lambda: flushed(node)[0][2] != "0", "a process that waits for a flush")
    finally:
        node.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%'")
        client.end()
