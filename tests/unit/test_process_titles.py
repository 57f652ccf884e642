"""What kind of process a title is of: names of clusters, roles and databases are in it as well."""

import types

import pytest

from paf import signals
from paf.decide.knowledge import Known
from paf.deadline import Deadline
from paf.instance import controldata, holdups, postmaster, proc, psql, server, shutdown
from tests.unit.support import Clock, instance_at
from tests.unit.unread import answer


@pytest.mark.parametrize("title, kind, is_so", [
    ("postgres: archiver", "archiver", True),
    ("postgres: 15/archiver: archiver last was 000000010000000000000003", "archiver", True),
    ("postgres: archiver process   last was 000000010000000000000003", "archiver", True),
    ("postgres: archiver shop [local] COPY", "archiver", False),
    ("postgres: 15/archiver: app shop 10.0.0.9(1) COPY", "archiver", False),
    ("postgres: app mailarchiver [local] idle", "archiver", False),
    ("postgres: 15/logger: checkpointer", "logger", False),
    ("postgres: 15/main: logger", "logger", True),
    ("postgres: 15/main: startup recovering 000000010000000000000007 waiting", "startup", True),
    ("postgres: 15/main: app startup 10.0.0.9(4711) SELECT waiting", "startup", False),
    ("", "startup", False)])
def test_the_kind_of_a_process(title, kind, is_so):
    assert proc.does(title, kind) is is_so
    if kind == "startup":
        assert holdups._waits(title) is is_so


@pytest.mark.parametrize("title, keeps, client", [
    ("postgres: main: checkpointer", False, False),
    ("postgres: checkpointer process   ", False, False),
    ("postgres: 15/main: archiver last was 000000010000000000000003", False, False),
    ("postgres: 15/main: walsender repl 10.0.0.2(4711) streaming 0/3000", False, False),
    ("postgres: wal sender process repl 10.0.0.2(4711) streaming 0/3000", False, False),
    ("postgres: stats collector process   ", False, False),
    ("postgres: 18/main: io worker 0", False, False), ("postgres: logger", False, False),
    ("postgres: startup recovering 000000010000000000000007 waiting", False, False),
    ("postgres: 15/main: app shop 10.0.0.9(5123) COPY", True, True),
    ("postgres: archiver shop [local] COPY", True, True),
    ("postgres: 15/main: walreceiver streaming 0/3000", True, False),
    ("postgres: 15/main: pg_cron launcher", True, False),
    ("postgres: autovacuum launcher", True, False),
    ("/usr/lib/postgresql/15/bin/postgres -D /data", False, False), ("", False, False)])
def test_what_has_to_end_before_the_shutdown_checkpoint(title, keeps, client):
    assert (proc.keeps_checkpoint(title), proc.is_client(title)) == (keeps, client)


@pytest.mark.parametrize("first, reason", [
    (["postgres: app shop 10.0.0.9(5123) COPY", "postgres: pg_cron launcher"], "sessions"),
    (["postgres: pg_cron launcher"], "workers"), ([], "WAL senders and the archiver and the "
                                                      "checkpoint")])
def test_a_shutdown_names_what_the_others_wait_for(monkeypatch, first, reason):
    titles = dict(enumerate([
        "/bin/postgres -D /data", "postgres: checkpointer", "postgres: archiver",
        "postgres: walsender repl 10.0.0.2(4711) streaming 0/3000"] + first))
    answer(monkeypatch, postmaster, "processes", sorted(titles))
    monkeypatch.setattr(postmaster, "title", titles.get)
    assert server._reasons(None, 0) == "waiting for " + reason


@pytest.mark.parametrize("programs, sent", [
    ([], [(20, signals.SIGTERM), (20, signals.SIGKILL)]),
    ([21], [(21, signals.SIGTERM), (20, signals.SIGTERM), (21, signals.SIGKILL),
            (20, signals.SIGTERM)])])
def test_an_archiver_that_runs_its_library_itself_hears_no_second_sigterm(
        monkeypatch, programs, sent):
    """It looks for a signal between two files; one that hangs held up demote and stop."""
    found = []
    answer(monkeypatch, proc, "all_pids", [20, 21])
    answer(monkeypatch, proc, "birth", Known("1"))
    answer(monkeypatch, postmaster, "title", "postgres: archiver archiving 000000010000000A")
    answer(monkeypatch, postmaster, "descendants", programs)
    monkeypatch.setattr(postmaster, "send", lambda *given: found.append(given))
    answer(monkeypatch, controldata, "read", Known(None))
    one = shutdown.Shutdown(None, Deadline(10, Clock()), types.SimpleNamespace(
        warning=lambda text: None))
    one._end_archiver(20)
    one._end_archiver(20)
    assert found == sent


@pytest.mark.parametrize("version, has", [("16", False), ("17", True), ("18", True), ("", False)])
def test_sessions_of_the_agent_have_no_limit_for_transactions_but_their_own(
        tmp_path, version, has):
    """The checkpoint before a switchover was cut off by it; an older server has no such setting."""
    if version:
        (tmp_path / "PG_VERSION").write_text(version + "\n")
    assert ("transaction_timeout=0" in psql.options(instance_at(tmp_path))) is has
