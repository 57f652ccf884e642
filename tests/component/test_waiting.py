"""Commits that no client has an answer to: an old primary is not kept stopped for them."""

import threading

import psycopg2
import pytest

from tests.component.server import wait_until
from tests.component.test_rewind import FAILOVER, come_back

STOP = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", stop="srv1", demote="srv1")


@pytest.fixture
def waits(make_cluster):
    """A primary (srv1) whose commits wait for its standby, which no longer receives anything."""
    cluster = make_cluster("srv1", "srv2")
    for node in cluster:
        node.server.configure("wal_log_hints = on", "wal_sender_timeout = '60s'")
    # from the start: after a reload commits wait only once the checkpointer has read it, too
    cluster["srv1"].server.configure("synchronous_standby_names = 'ANY 1 (srv1, srv2)'")
    cluster.start()
    cluster.move_vip(None)
    return cluster


class Session:
    """A client whose commit waits."""

    def __init__(self, node, *statements):
        self._statements, self.answer = statements, None
        self._connection = node.connect()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            with self._connection.cursor() as cursor:
                for statement in self._statements:
                    cursor.execute(statement)
            self.answer = "done"
        except psycopg2.Error as error:
            self.answer = str(error)

    def end(self):
        """Return what the client got: "done", or an error."""
        self._thread.join(30)
        self._connection.close()
        return self.answer


def all_wait(node, number):
    """Wait until the commits of so many sessions wait."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    wait_until(lambda: node.value(query) == number, "the commits to wait")


def take_over(cluster):
    """Promote srv2, which never heard of what srv1 has published since it was cut off."""
    if cluster.store.permanent("last_words", "srv1"):
        cluster.store.lose("last_words", "srv1")
    assert cluster.promote("srv2", FAILOVER, ["srv2"]).code == 0
    cluster["srv2"].sql("INSERT INTO t VALUES (2)")


@pytest.mark.parametrize("action", ["stop", "demote"])
def test_commits_that_waited_when_it_was_shut_down_are_given_up(waits, action):
    node = waits["srv1"]
    sessions = [Session(node, f"INSERT INTO t VALUES ({number})") for number in (7, 8)]
    all_wait(node, 2)
    run = node.agent(action, lists=STOP)
    assert run.code == 0 and "waited for a synchronous standby: 2" in run.log
    assert "done" not in [session.end() for session in sessions]
    take_over(waits)
    run = come_back(waits, None)
    assert "no commit among them but 2 commits that waited for a synchronous standby" in run.log
    assert node.value("SELECT count(*) FROM t WHERE n IN (7, 8)") == 0
    assert not (node.pgdata.parent / f".{node.pgdata.name}.waiting").exists()


def test_a_commit_that_was_acknowledged_beside_them_keeps_it_stopped(waits):
    node = waits["srv1"]
    session = Session(node, "INSERT INTO t VALUES (7)")
    all_wait(node, 1)
    local = Session(node, "SET synchronous_commit = local", "INSERT INTO t VALUES (8)")
    assert local.end() == "done"
    assert node.agent("stop", lists=STOP).code == 0
    assert session.end() != "done"
    take_over(waits)
    run = come_back(waits, None, code=5)
    assert "among them 1 commit, the last at" in run.reason
    assert "is not known" not in run.reason


def test_a_wait_that_was_cancelled_was_acknowledged(waits):
    node = waits["srv1"]
    session = Session(node, "INSERT INTO t VALUES (7)")
    all_wait(node, 1)
    node.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    assert session.end() == "done"
    assert node.agent("stop", lists=STOP).code == 0
    take_over(waits)
    assert "among them 1 commit" in come_back(waits, None, code=5).reason


def test_a_server_that_died_keeps_them_since_their_answers_are_not_known(waits):
    node = waits["srv1"]
    session = Session(node, "INSERT INTO t VALUES (7)")
    all_wait(node, 1)
    node.kill()
    session.end()
    take_over(waits)
    run = come_back(waits, None, code=5)
    assert "among them 1 commit" in run.reason
    assert "whether they waited for a synchronous standby is not known" in run.reason
