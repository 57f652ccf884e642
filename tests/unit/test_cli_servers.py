"""What the command asks of servers: the one here, and others with this node's primary_conninfo."""

import types

import pytest

from paf import ocf, runner
from paf.cli import servers
from paf.decide.knowledge import Known, Unknown
from paf.instance import conninfo, controldata, psql
from tests.unit.support import instance_at, NOBODY, printed, programs
from tests.unit.test_cli_status import PLACES, PRIMARY, STANDBY

IDENTIFIER = "7000000000000000001"
REFUSED = printed("", 2, 'psql: FATAL:  no pg_hba.conf entry for host "10.0.0.2"\n')
NO_PSQL = runner.NotStarted("/b/psql: No such file or directory")


def shown(rows):
    """Return what psql prints for these rows."""
    return printed(psql.RECORD.join(psql.FIELD.join(row) for row in rows) + "\n")


@pytest.fixture
def asked(tmp_path):
    """Servers of a resource on srv2, whose data directory is of PostgreSQL 15."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    return types.SimpleNamespace(parameters={"pgdata": str(tmp_path), "bindir": "/b"})


# The server here


def test_the_server_here_is_asked_by_its_owner_in_the_words_of_its_version(asked, monkeypatch):
    calls = programs(monkeypatch, {"psql": shown(STANDBY)})
    one = servers.Servers(asked, "srv2")
    mine, standbys, waits = one._local()
    assert (mine.timeline, mine.source, standbys, waits) == (4, "SQL on srv2", {}, None)
    (argv, user), = calls
    assert "pg_last_wal_receive_lsn()" in argv[-1] and user == NOBODY and one.silence == ""


@pytest.mark.parametrize("answer, why", [
    (REFUSED, "no pg_hba.conf entry"), (printed(timed_out=True), "psql did not end in time"),
    (NO_PSQL, "No such file or directory")])
def test_a_server_that_does_not_answer_is_not_known_and_says_why(asked, monkeypatch, answer, why):
    programs(monkeypatch, {"psql": answer})
    one = servers.Servers(asked, "srv2")
    assert one._local() == (None, {}, None) and why in one.silence


def test_a_data_directory_that_cannot_be_read_is_a_reason_as_well(asked, tmp_path, monkeypatch):
    programs(monkeypatch, {"psql": shown(STANDBY)})
    (tmp_path / "PG_VERSION").unlink()
    one = servers.Servers(asked, "srv2")
    assert one._local() == (None, {}, None) and "PG_VERSION" in one.silence
    assert servers.query_or_none(one._instance) is None


def test_an_answer_after_a_silence_ends_it(asked, monkeypatch):
    answers = {"psql": REFUSED}
    programs(monkeypatch, answers)
    one = servers.Servers(asked, "srv2")
    one._local()
    answers["psql"] = shown(STANDBY)
    assert one._local()[0].timeline == 4 and one.silence == ""


# Others


def test_what_a_role_without_pg_monitor_sees_is_not_known(asked, monkeypatch):
    """It sees names, and no state: that a standby streams, or that none does, is not said."""
    hidden = [PRIMARY[0]] + [["standby", name, *[""] * 6] for name in ("srv1", "srv2")] + [
        ["commits", "srv1", "on", "", "", "", "0", "0"]]
    _, standbys = servers.understand(hidden, "SQL on srv3")
    assert list(standbys) == [""] and not servers.shows_all(standbys)
    one = servers.Servers(asked, "srv2")
    mine, _ = servers.understand(STANDBY, "SQL on srv2")
    monkeypatch.setattr(one, "_local", lambda: (mine, {}, None))
    monkeypatch.setattr(one, "_remote", lambda extra, _: (
        [[IDENTIFIER, "5", "0/3142D70"]] if extra[:1] == servers.REPLICATION[:1] else hidden))
    monkeypatch.setattr(one, "_identifier", lambda _: IDENTIFIER)
    known = one.known(["srv1", "srv2", "srv3"], "srv3", lambda: PLACES)
    assert sorted(known) == ["srv1", "srv2", "srv3"] and known["srv2"].state == "streaming"
    assert known["srv1"].timeline == 5 and known["srv1"].state != servers.NOT_STREAMING
    assert one.commits is None


@pytest.mark.parametrize("state, in_recovery", [
    ("startup", None), ("backup", None), ("catchup", True), ("streaming", True)])
def test_a_connection_that_only_asks_or_copies_is_no_standby(state, in_recovery):
    """It has the node's name, and is listed for hours where the node has lost its power."""
    place = ["50000", "50000"] if in_recovery else ["", ""]
    rows = [PRIMARY[0], ["standby", "srv1", state, *place, "", "async", ""]]
    _, standbys = servers.understand(rows, "SQL on srv3")
    assert (standbys["srv1"].in_recovery, standbys["srv1"].state) == (in_recovery, state)


def test_primary_conninfo_is_read_once(asked, monkeypatch):
    calls = programs(monkeypatch, {"postgres": printed("host=vip\n")})
    one = servers.Servers(asked, "srv2")
    assert one._settings() == one._settings() == "host=vip" and len(calls) == 1


def test_without_a_primary_conninfo_no_server_is_asked(asked, monkeypatch):
    calls = programs(monkeypatch, {"postgres": printed("", 1, "FATAL:  no\n")})
    one = servers.Servers(asked, "srv2")
    assert one._settings() == "" and one._by_replication("srv1", "10.0.0.1") is None
    assert one.count("srv1", "10.0.0.1", "SELECT 1") is None
    assert [argv[0].rpartition("/")[2] for argv, _ in calls] == ["postgres"]


@pytest.mark.parametrize("row", [
    ["7"], [IDENTIFIER, "five", "0/3000000", ""], [IDENTIFIER, "5", "rubbish", ""]])
def test_an_answer_that_is_none_of_a_replication_connection_is_no_position(
        asked, monkeypatch, row):
    programs(monkeypatch, {"postgres": printed("host=vip\n"), "psql": shown([row])})
    assert servers.Servers(asked, "srv2")._by_replication("srv1", "10.0.0.1") is None


@pytest.mark.parametrize("mine, state", [
    (Known(IDENTIFIER), ""), (Known("8"), servers.STRANGER), (Unknown("no rights"), "")])
def test_a_position_counts_where_it_is_of_this_cluster_or_this_ones_name_is_not_known(
        asked, monkeypatch, mine, state):
    looks = []

    def look(*_):
        looks.append(mine)
        return Known(types.SimpleNamespace(system_identifier=mine.value)) if (
            isinstance(mine, Known)) else mine
    monkeypatch.setattr(controldata, "read", look)
    programs(monkeypatch, {"postgres": printed("host=vip\n"),
                           "psql": shown([[IDENTIFIER, "5", "0/3000000", ""]])})
    one = servers.Servers(asked, "srv2")
    for _ in range(2):
        found = one._by_replication("srv1", "10.0.0.1")
        assert found.state == state and found.received == (None if state else 0x3000000)
    assert len(looks) == 1


@pytest.mark.parametrize("answer", [
    REFUSED, printed("5\n", timed_out=True), printed("5\n", 3, "ERROR:  no"), NO_PSQL])
def test_another_server_that_does_not_answer_has_no_rows(asked, tmp_path, monkeypatch, answer):
    programs(monkeypatch, {"psql": answer})
    instance = instance_at(tmp_path, bindir="/b")
    assert servers.remote(instance, "host=x", (), "SELECT 1") == []


def test_a_primary_conninfo_that_libpq_does_not_take_asks_nobody(tmp_path, monkeypatch):
    calls = programs(monkeypatch, {"psql": shown(PRIMARY)})
    instance = instance_at(tmp_path, bindir="/b")
    assert servers.remote(instance, "rubbish", (), "SELECT 1") == [] and calls == []
    assert issubclass(conninfo.Malformed, ocf.OcfError)


@pytest.mark.parametrize("answer, number", [
    (shown([["12"]]), 12), (shown([["many"]]), None), (printed(""), None), (REFUSED, None),
    (NO_PSQL, None)])
@pytest.mark.parametrize("node", ["srv2", "srv1"])
def test_a_number_is_that_of_the_server_on_one_node_or_not_known(
        asked, monkeypatch, node, answer, number):
    calls = programs(monkeypatch, {"postgres": printed("host=vip\n"), "psql": answer})
    assert servers.Servers(asked, "srv2").count(node, "10.0.0.1", "SELECT 1") == number
    there = [argv for argv, _ in calls if any("10.0.0.1" in word for word in argv)]
    assert bool(there) == (node == "srv1")


def test_the_primary_that_cannot_be_asked_by_sql_is_asked_again_by_replication(
        asked, monkeypatch):
    """Its position is that after the standbys were asked; a server in recovery there is none."""
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("no rights"))

    def answer(argv):
        if argv[-1] != "IDENTIFY_SYSTEM":
            return REFUSED
        return shown([[IDENTIFIER, "5", "0/3000000", ""]])
    programs(monkeypatch, {"postgres": printed("host=vip\n"), "psql": answer})
    found = servers.Servers(asked, "srv2").known(["srv1", "srv3"], "srv3", lambda: PLACES)
    assert found["srv3"].received == found["srv1"].received == 0x3000000
    assert found["srv3"].source == "replication connection to srv3"
