"""paf lost: all WAL of a real server is read to its end, wherever that is."""

import pytest

from paf.cli import walrecords
from paf.decide import wal
from tests.component.test_health import of


@pytest.mark.since(10)
def test_wal_that_is_there_is_read_to_its_end(node):
    """With segments of 1 MB: one that was switched, and a record that is longer than three."""
    server = node.server
    server.configure("autovacuum = off", "max_wal_size = '1GB'")
    server.start()
    begin = server.value("SELECT pg_current_wal_lsn()")
    server.sql("CREATE TABLE filler AS "
               "SELECT i, repeat('x', 300) FROM generate_series(1, 5000) AS i")
    server.value("SELECT pg_switch_wal()")
    server.sql("INSERT INTO filler VALUES (1, 'x')")
    server.value("SELECT pg_logical_emit_message(true, 'p', repeat('y', 3500000))")
    server.value("SELECT pg_switch_wal()")
    server.sql("INSERT INTO filler SELECT i, 'x' FROM generate_series(1, 500) AS i")
    end = server.value("SELECT pg_current_wal_flush_lsn()")

    def read(begin, end):
        found = walrecords.Records(
            of(node), str(server.pgdata / "pg_wal"), 1 << 20, [1], begin, end)
        return [record[2] for record in found], found.unread
    edges, unread = read(begin, end)
    assert unread is None and len(edges) > 5000
    # where a segment or a page begins, and where a long record does
    ends = {min(edge for edge in edges if edge >> 20 == number)
            for number in {edge >> 20 for edge in edges}}
    ends |= set([edge for edge in edges if edge % 8192 == 24][:2])
    for one in sorted(ends):
        assert read(begin, wal.format_lsn(one)) == ([x for x in edges if x < one], None)
    for step in range(20):
        server.sql(f"INSERT INTO filler VALUES ({step}, repeat('x', 50 * {step}))")
        now = server.value("SELECT pg_current_wal_flush_lsn()")
        found, unread = read(end, now)
        assert found and unread is None
        end = now
    server.stop("immediate")
    last = wal.parse_lsn(end)
    assert read(begin, wal.format_lsn(last + 64))[1] == last
