"""What paf health and paf metrics ask of a real server, and what it says."""

import signal
from types import SimpleNamespace

from paf import accounts, instance
from paf.cli.health import judge, looks
from tests.component.server import owner, send, wait_until
from tests.unit.support import parameters_with

PATIENCE = 30.0


def of(node):
    """Return the Instance that a node's parameters describe."""
    return instance.Instance(parameters_with(**node.parameters),
                             accounts.account(owner().pw_name))


def asked(node, patience=PATIENCE):
    return looks.ask(of(node), patience)


def test_a_primary_and_its_standbys_say_what_they_are(steady):
    server, silence = asked(steady["srv1"])
    assert silence == "" and server.in_recovery is False and server.streaming is None
    standby, silence = asked(steady["srv2"])
    assert silence == "" and standby.in_recovery is True and standby.streaming is True
    assert standby.timeline == server.timeline and standby.replayed > 0


def test_the_lag_is_what_is_not_replayed(steady):
    behind = steady["srv2"]
    behind.sql("SELECT pg_wal_replay_pause()")
    try:
        steady["srv1"].sql("INSERT INTO t SELECT generate_series(1, 10000)")
        wait_until(lambda: (judge.lag(asked(behind)[0]) or 0) > 100000, "the lag to be seen")
    finally:
        behind.sql("SELECT pg_wal_replay_resume()")
    wait_until(lambda: judge.lag(asked(behind)[0]) == 0, "the standby to have caught up")


def test_a_standby_without_a_primary_does_not_stream(standby):
    server, _ = asked(standby)
    assert server.in_recovery is True and server.streaming is False and judge.lag(server) is None


def test_the_commits_of_a_primary_wait_as_its_settings_say(node):
    node.server.configure("synchronous_standby_names = '*'", "synchronous_commit = remote_write")
    node.server.start()

    def said():
        facts = SimpleNamespace(server=SimpleNamespace(in_recovery=False), managed=SimpleNamespace(
            parameters=node.parameters))
        return looks.standbys(facts, PATIENCE).commits
    found = said()
    assert (found.names, found.level, found.exempt) == ("*", "remote_write", [])
    node.sql("SET synchronous_commit = local; CREATE ROLE app")
    node.sql("SET synchronous_commit = local; ALTER ROLE app SET synchronous_commit = 'OFF'")
    assert said().exempt == ["role app"]
    node.sql("SET synchronous_commit = local; "
             f'ALTER ROLE "{owner().pw_name}" SET synchronous_commit = on')
    assert said().level is None


def test_a_server_that_hangs_or_is_away_gives_no_answer(node):
    assert asked(node) == (None, "takes no connection")
    node.server.start()
    postmaster = node.pid()
    send(postmaster, signal.SIGSTOP)
    try:
        assert asked(node, 1.0) == (None, "does not answer in time")
    finally:
        send(postmaster, signal.SIGCONT)
    assert asked(node)[0].in_recovery is False
