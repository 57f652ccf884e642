"""The SQL of each PostgreSQL version: no name that a version lacks, one statement each."""

import pytest

from paf.instance import queries

BEFORE_10 = (90300, 90400, 90500, 90600)
SINCE_10 = (100000, 110000, 120000, 150000, 180000)


@pytest.mark.parametrize("version", BEFORE_10)
@pytest.mark.parametrize("query", [queries.monitor, queries.position])
def test_before_10_xlog_and_location_are_the_words(version, query):
    text = query(version)
    text = text.replace("latest_end_lsn", "")    # of the WAL receiver, by that name since 9.6
    assert "_lsn" not in text and "_wal_lsn" not in text and "current_wal" not in text
    assert "xlog" in text and "location" in text


@pytest.mark.parametrize("version", SINCE_10)
@pytest.mark.parametrize("query", [queries.monitor, queries.position])
def test_since_10_wal_and_lsn_are_the_words(version, query):
    text = query(version)
    assert "xlog" not in text and "location" not in text
    assert "lsn" in text


@pytest.mark.parametrize("version, there", [(90500, False), (90600, True), (150000, True)])
@pytest.mark.parametrize("query", [queries.monitor, queries.position])
def test_the_wal_receivers_view_is_asked_since_9_6(version, there, query):
    assert ("pg_stat_get_wal_receiver" in query(version)) is there


@pytest.mark.parametrize("text", [
    queries.role(), queries.monitor(90300), queries.monitor(150000), queries.position(90300),
    queries.position(150000)])
def test_each_is_one_statement_that_changes_nothing(text):
    assert ";" not in text
    assert text.strip().upper().startswith("SELECT")
    assert "{" not in text


@pytest.mark.parametrize("version, pauses", [(90300, False), (130000, False), (140000, True)])
@pytest.mark.parametrize("query", [queries.monitor, queries.replay])
def test_the_running_servers_settings_are_asked_where_replay_can_be_paused_for_them(
        version, pauses, query):
    assert ("pg_is_wal_replay_paused" in query(version)) is pauses
    assert ("current_setting('max_locks_per_transaction')" in query(version)) is pauses


def test_what_was_written_and_is_not_flushed_yet_counts():
    """With synchronous_commit=remote_write it was acknowledged."""
    assert "(SELECT greatest(pg_last_wal_receive_lsn(), r.written_lsn)" in queries.position(130000)
    assert "written_lsn" not in queries.position(120000)


def test_no_session_of_a_new_primary_is_ended():
    """Replay may have come to its end since it was seen to wait; then clients write already."""
    assert "WHERE pg_catalog.pg_is_in_recovery() AND " in queries.end_transactions()
