"""What process titles show: of PostgreSQL 9.3 to 9.5, and of a server that cannot be asked."""

import struct
from types import SimpleNamespace

import pytest

from paf import runner
from paf.actions import monitor, rejoin
from paf.cluster import notes
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.decide.timelines import Switch
from paf.instance import (
    divergence, line, observe, postmaster, queries, receiver, settings, sql, standby_mode,
    upstream, walfiles)
from paf.ocf import BadParameter, NotUsable, OcfError
from tests.unit.support import environment, instance_at
from tests.unit.unread import SIZE, segment, with_wal_folder


class Context:
    """What the monitor needs of a run."""

    instance, in_cluster = None, True
    environment = environment()

    class deadline:
        @staticmethod
        def within(seconds):
            """Return the deadline of a part."""
            return seconds


class Sight:
    """A standby of which SQL shows only the role."""

    rows = [["me", "true", "", "", ""]]


@pytest.fixture
def titled(monkeypatch):
    """Give the instance processes with these titles."""
    def put(*titles):
        monkeypatch.setattr(postmaster, "processes", lambda instance: list(range(len(titles))))
        monkeypatch.setattr(postmaster, "title", lambda pid: titles[pid])
    return put


@pytest.mark.parametrize("titles, streams", [
    (["postgres: wal receiver process   streaming 0/3000000"], True),      # 9.3 to 9.6
    (["postgres: srv2: wal receiver process   streaming 0/3000000"], True),
    (["postgres: wal receiver process"], True),    # update_process_title=off
    (["postgres: wal receiver process   idle"], False),
    (["postgres: wal receiver process   restarting at 0/3000000"], False),
    (["postgres: walreceiver streaming 0/3000000"], True), (["postgres: walreceiver idle"], False),
    (["postgres: startup process   recovering 000000010000000000000003"], False), ([], False)])
def test_a_receiver_is_known_by_its_title(titled, titles, streams):
    titled("/usr/lib/postgresql/9.5/bin/postgres -D /data", *titles)
    assert receiver.is_receiving(None) is streams


def _unseen(_):
    raise postmaster.Unseen("/proc cannot be read")


@pytest.mark.parametrize("titles, streams", [
    (["postgres: wal receiver process   streaming 0/3000000"], True),
    (["postgres: wal receiver process"], False),    # it connects, perhaps without an answer
    (["postgres: wal receiver process   idle"], False), ([], False), (None, False)])
def test_a_standby_of_9_5_that_streams_forgets_that_it_had_no_primary(
        titled, monkeypatch, titles, streams):
    """Also where an earlier agent has started it and noted nothing: nothing else would end that."""
    if titles is None:
        monkeypatch.setattr(postmaster, "processes", _unseen)
    else:
        titled("/usr/lib/postgresql/9.5/bin/postgres -D /data", *titles)
    monkeypatch.setattr(notes, "Notes", lambda _: SimpleNamespace(read=lambda _: ""))
    done = []
    monitor._try_again(SimpleNamespace(
        in_cluster=True, environment=None, deadline=None, instance=None,
        cluster=SimpleNamespace(follow=done.append)), Sight)
    assert bool(done) is streams


@pytest.mark.parametrize("titles, runs", [
    (["postgres: wal writer process"], True), (["postgres: srv2: wal writer process"], True),
    (["postgres: walwriter"], True), (["postgres: srv2: walwriter"], True),
    (["postgres: startup recovering 000000010000000000000003", "postgres: walreceiver"], False),
    (["postgres: postgres walwriter [local] idle"], False), ([""], False), ([], False)])
def test_a_wal_writer_is_known_by_its_title(titled, titles, runs):
    """So a primary is known where neither the server nor its control file can be asked."""
    titled("/usr/lib/postgresql/9.5/bin/postgres -D /data", *titles)
    assert postmaster.has_wal_writer(None) is runs


@pytest.mark.parametrize("titles, found", [(["postgres: walwriter"], True), ([], False)])
def test_a_role_that_is_concluded_from_files_is_certain_where_a_process_shows_it(
        titled, titles, found):
    """As with a wrong bindir."""
    titled(*titles)
    primary = concluded(state.NEITHER)
    assert primary.verdict.state == state.PRIMARY
    assert observe.shows_primary(None, primary) is found
    assert observe.shows_primary(None, concluded(state.SIGNAL)) is False


def test_processes_that_cannot_be_seen_show_no_primary(monkeypatch):
    monkeypatch.setattr(postmaster, "processes", _unseen)
    assert observe.shows_primary(None, concluded(state.NEITHER)) is False


@pytest.mark.parametrize("version, socket, listens, control, expected", [
    ("9.6", "/tmp", "", state.IN_PRODUCTION, state.PRIMARY),
    ("9.3", "", "192.0.2.1", state.IN_PRODUCTION, state.PRIMARY),
    ("9.6", "/tmp", "", state.IN_ARCHIVE_RECOVERY, state.STANDBY),
    ("9.6", "/tmp", "", state.IN_CRASH_RECOVERY, state.BUSY),
    ("9.6", "/tmp", "", state.SHUT_DOWN, state.BUSY),
    ("9.6", "", "", state.IN_PRODUCTION, state.BUSY),
    ("10", "/tmp", "", state.IN_PRODUCTION, state.BUSY)])
def test_a_socket_that_a_cleaner_removed_brings_no_server_down_that_has_no_word_of_its_own(
        tmp_path, monkeypatch, version, socket, listens, control, expected):
    """The server says where it listens once it does; since 10 it says that it is up as well."""
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    server = postmaster.Postmaster(4711, 5432, socket, listens, "", None)
    monkeypatch.setattr(postmaster, "find", lambda instance: Known(server))
    monkeypatch.setattr(sql, "query", lambda *_: sql.Answer(sql.NO_CONNECTION, [], "no socket"))
    monkeypatch.setattr(sql, "readiness", lambda *_: state.NO_LISTENER)
    monkeypatch.setattr(observe.controldata, "read", lambda *_: Known(SimpleNamespace(
        state=control)))
    sight = observe.observe(instance_at(tmp_path, pghost=socket or listens), Deadline(5))
    assert sight.verdict.state == expected


def concluded(files):
    """Return the Sight of a running server whose data directory has these files, and no more."""
    seen = state.Observation(state.ALIVE, state.NOT_ASKED, state.UNANSWERED, files)
    return observe.Sight(state.decide(seen), Unknown("no pg_controldata"), [], "", "")


def _unread(_instance):
    raise NotUsable("cannot read PG_VERSION")


def test_a_standby_that_has_diverged_is_noticed_where_sql_says_nothing(titled, monkeypatch):
    asked = []
    monkeypatch.setattr(rejoin, "find", lambda *_: asked.append(True) or Known(SimpleNamespace(
        reason="diverged: timeline 1 is not in the history")))
    monkeypatch.setattr(divergence, "reason", lambda found: found.reason)
    monkeypatch.setattr("paf.stranger.check_running", lambda _: None)
    titled("postgres: wal receiver process   streaming 0/3000000")
    later = []
    monkeypatch.setattr(walfiles, "knows_later", lambda _: bool(later))
    monitor._check_stream(Context, Sight)
    assert asked == []
    later.append("a history that no segment is of")
    with pytest.raises(OcfError, match="diverged"):
        monitor._check_stream(Context, Sight)
    monkeypatch.setattr(walfiles, "knows_later", _unread)
    said, = monitor._check_stream(Context, Sight)
    assert "left the primary's history is not known: cannot read PG_VERSION" in said
    monkeypatch.setattr(walfiles, "knows_later", lambda _: False)
    titled("postgres: startup process   waiting for 000000010000000000000003")
    with pytest.raises(OcfError, match="diverged"):
        monitor._check_stream(Context, Sight)


@pytest.mark.parametrize("version, receivers", [(90500, "''"), (90600, "pg_stat_get_wal_receiver")])
def test_the_query_says_nothing_rather_than_none_before_9_6(version, receivers):
    assert receivers in queries.monitor(version)


@pytest.mark.parametrize("title", [
    "postgres: 19/main: syslogger", "postgres: syslogger", "postgres: 15/main: logger ",
    "postgres: logger process"])
def test_the_collector_of_each_version_is_no_orphan(titled, title):
    titled(title.strip(), "postgres: 19/main: checkpointer")
    assert postmaster.orphans(None) == [1]


@pytest.mark.parametrize("version", ["9.3", "9.6", "10", "11"])
def test_a_wrong_line_in_postgresql_conf_is_a_mistake_of_the_configuration(
        tmp_path, monkeypatch, version):
    """Without this, pg_ctl says so once the start has failed: a failure like any other."""
    said = ("LOG:  syntax error in file \"/data/postgresql.conf\" line 3, near token \"b\"\n"
            "FATAL:  configuration file \"/data/postgresql.conf\" contains errors\n")
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    monkeypatch.setattr(standby_mode, "template", lambda instance: (
        "standby_mode on\nrecovery_target_timeline latest\n"
        "primary_conninfo 'application_name=srv1'\n"))
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(1, "", said, False))
    with pytest.raises(BadParameter, match="syntax error in file"):
        settings.check_standby(instance_at(tmp_path), "srv1", Deadline(5))
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(0, "on\n", "", False))
    settings.check_standby(instance_at(tmp_path), "srv1", Deadline(5))


class Psql:
    """The psql of a version at a primary on timeline 2; up to 9.5 it runs the last command only."""

    def __init__(self, version, timelines):
        self.version, self.timelines = version, list(timelines)

    def there(self, instance, where, more, commands, deadline):
        """Answer as psql.there does."""
        del instance, where, more, deadline
        said = ""
        for command in commands if self.version >= 90600 else commands[-1:]:
            if command == "IDENTIFY_SYSTEM":
                said += f"77\x1f{self.timelines[0]}\x1f0/3000098\x1f\n"
            else:
                said += "00000002.history\x1f1\t0/3000000\tno recovery target specified\n\n"
        self.timelines.pop(0)
        return runner.Result(0, said, "", False)


@pytest.mark.parametrize("version, timelines, known", [
    (90300, [2, 2, 2], True), (90500, [2, 2, 2], True), (90500, [2, 2, 3], False),
    (90600, [2, 2], True), (150000, [2, 3], False)])
def test_the_primary_is_asked_for_its_history_also_with_a_psql_that_runs_one_command(
        monkeypatch, version, timelines, known):
    """Without its history an old primary that had diverged was started, and never rewound."""
    monkeypatch.setattr(upstream.psql, "there", Psql(version, timelines).there)
    monkeypatch.setattr(upstream.local, "version", lambda instance: version)
    found = upstream.ask(None, "host=vip", Deadline(5))
    if known:
        assert found == Known(upstream.Upstream(2, [Switch(1, 0x3000000)], "77"))
    else:
        assert "another server, or on another timeline" in found.reason


@pytest.mark.parametrize("version, layout", [
    ("9.3", "=IIIBBxxQI4x"), ("9.4", "=IIIBBxxQI4x"), ("9.5", "=IIQBBxxI"), ("15", "=IIQBBxxI")])
def test_a_promotion_is_known_by_the_checksum_of_its_first_record(
        tmp_path, monkeypatch, version, layout):
    """Up to 9.4 it is in another place: two promotions at one LSN counted as the same."""
    instance, begin = with_wal_folder(tmp_path, monkeypatch), 5 * SIZE + 8192 + 64
    path = segment(tmp_path, 5)
    (tmp_path / "PG_VERSION").write_text(version)
    (tmp_path / "pg_xlog").symlink_to("pg_wal")    # its name up to 9.6
    length = (1,) if layout.startswith("=III") else ()    # of the record's own data
    words = (0x90, 0, begin - 48) if length else (begin - 48, 0x90, 0)
    record = struct.pack(layout, 42, 0, *length, *words, 0x5EED1234)
    with open(path, "r+b") as stream:
        stream.seek(8192 + 64)
        stream.write(record)
    assert line._mark(instance, 2, begin, SIZE) == "5eed1234"
