"""paf health's look at a node: what Pacemaker's programs and the server answer, or do not."""

import os
import types

import pytest

from paf import runner
from paf.cli.common import Problem
from paf.cli.health import looks, wire
from paf.decide.knowledge import Known, Unknown
from paf.instance import psql, sql
from paf.instance.identity import Address
from tests.unit.support import instance_at, printed, programs
from tests.unit.test_cli_health import facts, standby
from tests.unit.test_cli_status import PRIMARY, STANDBY

__all__ = ["facts", "standby"]

ROW = ["me", "true", "5", "5000", "4000", "streaming", "5100", "0.25"]
NO_PROGRAM = runner.NotStarted("no such program")


@pytest.fixture
def answers(monkeypatch, data, tmp_path):
    """What programs answer on srv1, whose data directory is of PostgreSQL 15 (dict)."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    cib = (data / "cli" / "cib.xml").read_text().replace("/var/lib/postgresql/15/main",
                                                         str(tmp_path))
    found = {"cibadmin": printed(cib), "psql": printed(psql.FIELD.join(ROW) + "\n"),
             "crm_node": lambda argv: printed("1\n" if argv[1] == "--quorum" else "srv1\n")}
    found["asked"] = programs(monkeypatch, found)
    monkeypatch.setattr(wire, "query", lambda *_: None)    # psql has to be asked
    return found


@pytest.mark.parametrize("whole", [False, True])
def test_a_look_has_what_pacemaker_and_the_server_say(answers, whole):
    seen = looks.look(whole=whole)
    assert (seen.unknown, seen.node, seen.resource, seen.quorum) == ("", "srv1", "pgsqld", True)
    assert seen.promoted == ["srv3"] and seen.server.position == 5000 and seen.silence == ""
    assert (seen.root is not None, bool(seen.properties)) == (whole, whole)
    assert seen.view.online == ["srv1", "srv2", "srv3"]


def test_a_host_that_has_the_name_of_a_node_is_not_asked_for_it(answers, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: ("Linux", "srv2"))
    assert looks.look().node == "srv2"
    assert not any("-n" in argv for argv, _ in answers["asked"])


@pytest.mark.parametrize("name, answer, words", [
    ("cibadmin", printed("", 102, "secret"), "Pacemaker does not answer"),
    ("cibadmin", printed(timed_out=True), "Pacemaker does not answer in time"),
    ("cibadmin", printed("<cib"), "cannot understand the CIB"),
    ("crm_node", runner.NotStarted("secret"), "the name of this node is not known")])
def test_without_pacemaker_nothing_is_known_and_nothing_is_repeated(
        answers, name, answer, words):
    answers[name] = answer
    seen = looks.look()
    assert words in seen.unknown and "secret" not in seen.unknown
    assert (seen.view, seen.server, seen.quorum, seen.node) == (None, None, None, "")


def test_a_cib_that_is_not_one_of_a_cluster_is_not_understood(answers, monkeypatch):
    def refuse(*_):
        raise looks.ocf.OcfError("secret")
    monkeypatch.setattr(looks, "parse", refuse)
    assert looks.look().unknown == "the cluster's state cannot be understood"


def test_a_pacemaker_without_the_old_option_is_asked_without_it(answers):
    cib = answers["cibadmin"]
    answers["cibadmin"] = lambda argv: printed("", 64) if "--local" in argv else cib
    assert looks.look().unknown == "" and looks.look().node == "srv1"


@pytest.mark.parametrize("known, said, quorum", [
    ("1", printed("1\n"), True), ("true", printed("0\n"), False), ("0", printed("1\n"), False),
    ("", printed("1\n"), None), ("1", printed("1\n", 1), None), ("1", printed(""), None)])
def test_quorum_is_what_the_cib_and_the_controller_both_say(known, said, quorum):
    assert looks._quorum(types.SimpleNamespace(run=lambda *_: said), known) is quorum


@pytest.mark.parametrize("answer, why", [
    (printed("", 2, "FATAL: secret"), "takes no connection"),
    (printed("", 1, "ERROR: secret"), "answers with an error"),
    (printed(timed_out=True), "does not answer in time"),
    (printed("me\n"), "gives no answer that can be understood"),
    (NO_PROGRAM, "cannot be asked")])
def test_a_server_without_an_answer_has_a_reason_and_no_words_of_a_program(
        answers, monkeypatch, answer, why):
    answers["psql"] = answer
    monkeypatch.setattr(looks.postmaster, "find", lambda _: Unknown("/proc is hidden"))
    seen = looks.look()
    assert (seen.unknown, seen.server, seen.silence) == ("", None, why)


def test_a_server_that_is_not_there_is_down_also_where_it_could_not_be_asked(
        answers, monkeypatch):
    answers["psql"] = NO_PROGRAM
    monkeypatch.setattr(looks.postmaster, "find", lambda _: Known(None))
    assert looks.look().silence == "does not run"


def test_psql_is_run_only_where_the_socket_does_not_do(answers, tmp_path, monkeypatch):
    monkeypatch.setattr(looks.identity, "address", lambda _: Address("/run", 5432, ""))
    monkeypatch.setattr(wire, "query", lambda *_: sql.Answer(sql.ROWS, [ROW], ""))
    found, why = looks.ask(instance_at(tmp_path), 1.0)
    assert found.replayed == 4000 and why == "" and answers["asked"] == []


@pytest.mark.parametrize("version, name", [("11\n", "recovery.conf"), ("12\n", "standby.signal")])
def test_what_an_answer_rests_on_is_the_postmaster_and_the_file_of_a_standby(
        answers, facts, tmp_path, version, name):
    managed = facts.managed._replace(parameters={"pgdata": str(tmp_path)})
    (tmp_path / "PG_VERSION").write_text(version)
    (tmp_path / "postmaster.pid").write_text("4711\n")
    assert looks.process(facts._replace(managed=managed)) == (4711, str(tmp_path / name))
    (tmp_path / "PG_VERSION").unlink()
    assert looks.process(facts._replace(managed=managed)) == (None, "")


# What a primary says of its standbys


@pytest.fixture
def primary(facts, tmp_path):
    """A look at srv3, the primary, whose data directory is that of `answers`."""
    return facts._replace(managed=facts.managed._replace(parameters={"pgdata": str(tmp_path)}))


def test_a_primary_is_asked_for_its_standbys(answers, primary):
    answers["psql"] = printed(psql.RECORD.join(psql.FIELD.join(row) for row in PRIMARY + [
        ["commits", "srv1", "on", "", "", "", "0", ""]]) + "\n")
    said = looks.standbys(primary)
    assert set(said.standbys) == {"srv1", "srv2"} and said.position == 51654312
    assert said.commits.names == "srv1" and said.commits.waiting == 0


def test_a_standby_or_a_silent_server_is_not_asked_for_them(answers, primary, standby):
    assert looks.standbys(standby) is None
    assert looks.standbys(primary._replace(server=None)) is None
    assert answers["asked"] == []


@pytest.mark.parametrize("answer", [
    printed("", 2), NO_PROGRAM, printed(psql.FIELD.join(STANDBY[0]) + "\n")])
def test_no_answer_is_not_an_empty_list_of_standbys(answers, primary, answer):
    """Nor is that of a server which has become a standby since the look."""
    answers["psql"] = answer
    assert looks.standbys(primary) is None


def test_a_name_that_is_asked_for_has_no_word_of_a_program():
    def refuse():
        raise Problem("crm_node: secret")
    with pytest.raises(Problem, match="^the name of this node is not known$"):
        looks._node(types.SimpleNamespace(node=refuse), [])
