"""paf check --all: what the servers of other nodes say, and what cannot be seen from here."""

import pytest

from paf import runner
from paf.cli import check, finding
from paf.cli.check import peers
from paf.cli.main import main

SAID = {"wal_level": "replica", "max_connections": "100", "server_version_num": "150018",
        "synchronous_standby_names": "ANY 1 (srv2, srv3)", "archive_command": ""}


def seen(problem="", pending=(), way="SQL", **changes):
    settings = {name: value for name, value in {**SAID, **changes}.items() if value is not None}
    return peers.Seen({} if problem else settings, list(pending), way, problem)


def compared(**others):
    nodes = {"srv1": seen(), "srv2": seen(), "srv3": seen(), **others}
    return [(name, item.level, item.what) for name, item in peers.compare(nodes, "srv1") if item]


def test_nodes_that_are_alike_have_nothing_but_what_is_not_seen_from_here():
    assert compared() == [("srv2", "UNSEEN", "seen by SQL"), ("srv3", "UNSEEN", "seen by SQL")]


@pytest.mark.parametrize("other, level, words", [
    (seen(max_connections="200"), "WARNING",
     "max_connections differs: 100 on srv1, 100 on srv2, 200 on srv3"),
    (seen(archive_command="/x"), "WARNING",
     "archive_command differs: empty on srv1, empty on srv2, /x on srv3"),
    (seen(server_version_num="150017"), "WARNING", "minor versions differ"),
    (seen(server_version_num="160002"), "ERROR", "major versions differ"),
    (seen(pending=["wal_level", "port"]), "WARNING",
     "on srv3 a restart is pending for port, wal_level"),
    (seen(synchronous_standby_names=""), "WARNING", "synchronous_standby_names is empty on srv3"),
    (seen("no pg_hba.conf entry"), "WARNING", "its server was not asked: no pg_hba.conf entry"),
    (seen(archive_command=None, way="a replication connection"), "WARNING",
     "seen by a replication connection, without archive_command"),
    (seen()._replace(pending=None), "WARNING", "on srv3 it is not known whether a restart")])
def test_what_differs_between_nodes_is_named(other, level, words):
    found = [item for item in compared(srv3=other) if item[0] != "srv2"]
    assert any(item[1] == level and words in item[2] for item in found), found
    assert len([item for item in found if item[1] != "UNSEEN"]) == 1


def test_a_command_with_a_password_is_not_printed():
    found = compared(srv3=seen(archive_command="pg_x 'host=a password=s3cret' %p"))
    assert "archive_command differs" in str(found) and "s3cret" not in str(found)


def test_different_lists_of_synchronous_standbys_are_no_difference():
    assert len(compared(srv3=seen(synchronous_standby_names="ANY 1 (srv1, srv2)"))) == 2


class Answers:
    """A substitute for psql at another node: SQL refused by pg_hba.conf, or none at all."""

    def __init__(self, sql, show):
        self.sql, self.show = sql, show

    def there(self, _instance, _conninfo, settings, text, _deadline):
        answer = self.show(text) if text.startswith("SHOW") else self.sql
        assert ("replication", "true") in settings or not text.startswith("SHOW")
        status, out, err = answer
        return runner.Result(status, out, err, False)

    @staticmethod
    def rows(text):
        return [text.split("|")]


@pytest.mark.parametrize("sql, show, expected", [
    ((0, "wal_level|replica|false", ""), None, ("SQL", {"wal_level": "replica"}, [], "")),
    ((2, "", "FATAL:  no pg_hba.conf entry"),
     lambda text: (0, "replica", "") if text == "SHOW wal_level" else (1, "", "ERROR: unknown"),
     ("a replication connection", {"wal_level": "replica"}, None, "")),
    ((2, "", "FATAL:  no pg_hba.conf entry"), lambda text: (2, "", "FATAL:  no"),
     ("", {}, None, "FATAL: no")),
    ((2, "", "connection refused"), None, ("", {}, None, "connection refused"))])
def test_another_node_is_asked_by_sql_or_else_by_replication(monkeypatch, sql, show, expected):
    monkeypatch.setattr(peers, "psql", Answers(sql, show))
    found = peers.there(None, "host=x", "10.0.0.2", 150000)
    assert (found.way, found.settings, found.pending, found.problem) == expected


@pytest.mark.parametrize("version, words", [(90400, "'unknown'"), (90600, "pending_restart::text"),
                                            (150000, "OR pending_restart")])
def test_pending_restarts_are_asked_for_where_there_are_some(version, words):
    assert words in peers.query(version)


def test_what_is_not_seen_is_no_mistake(monkeypatch):
    monkeypatch.setattr(check, "examine", lambda *_: [("srv2", finding.unseen("x", "y"))])
    assert main(["check", "--all"]) == 0
