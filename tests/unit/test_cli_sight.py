"""paf status as a whole: which programs are asked, and what the report has of their answers."""

import json
import os

import pytest

from paf import runner
from paf.cli.common import ERROR, NOT_DONE, OK, Pacemaker
from paf.cli.main import main
from paf.cli.status import status
from paf.instance import psql
from tests.unit.support import printed, programs
from tests.unit.test_cli_questions import PRIMARY, texts

__all__ = ["texts"]

NODELIST = "".join(f"nodelist.node.{number}.name (str) = srv{number + 1}\n"
                   f"nodelist.node.{number}.ring0_addr (str) = 10.77.0.{number + 1}\n"
                   for number in range(3))
ROWS = [*PRIMARY, ["commits", "", "on", "", "", "", "0", ""]]


@pytest.fixture
def answers(monkeypatch, texts, tmp_path):  # noqa: F811
    """What programs answer on srv3, the primary's node, where all is well (dict)."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    texts["cib"] = texts["cib"].replace("/var/lib/postgresql/15/main", str(tmp_path))
    found = {
        "cibadmin": lambda argv: printed(
            "Pacemaker 2.1.5\n" if "--version" in argv else texts["cib"]),
        "crm_mon": lambda argv: printed(texts["mon"]), "crm_node": printed("srv3\n"),
        "crm_simulate": printed(texts["simulated"]), "corosync-cmapctl": printed(NODELIST),
        "corosync-quorumtool": printed(texts["votes"]),
        "stonith_admin": printed("fence-srv3\n1 fence device found\n"),
        "postgres": printed("\n"),    # no primary_conninfo: no other server is asked
        "psql": printed(psql.RECORD.join(psql.FIELD.join(row) for row in ROWS) + "\n")}
    found["asked"] = programs(monkeypatch, found)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return found


def names(answers):
    return [argv[0].rpartition("/")[2] for argv, _ in answers["asked"]]


def row(found, name):
    return next(node for node in found["nodes"] if node["node"] == name)


def test_where_all_is_well_it_is_up_and_would_fail_over(answers, capsys):
    assert main(["status", "--output", "json"]) == OK
    found = json.loads(capsys.readouterr().out)
    assert (found["primary"], found["failover"]["to"]) == ("srv3", "srv1")
    assert found["up"]["answer"] is found["failover"]["answer"] is True and found["todo"] == []
    assert row(found, "srv1")["state"] == "streaming"
    asked = next(argv for argv, _ in answers["asked"] if "crm_simulate" in argv[0])
    assert "srv3" in " ".join(asked)
    assert ["--list", "srv3"] in [argv[1:] for argv, _ in answers["asked"]]
    # no node is away, so none is looked for in corosync's list
    assert "corosync-cmapctl" not in names(answers)


def test_the_text_has_what_the_json_has(answers, capsys):
    assert main(["status"]) == OK
    said = capsys.readouterr().out
    assert "to srv1, which has all of srv3's WAL" in said and not said.startswith("{")


@pytest.mark.parametrize("uid, words", [(0, "no pg_hba.conf entry"), (65534, None)])
def test_why_the_server_here_is_silent_is_said_to_root_alone(
        answers, capsys, monkeypatch, uid, words):
    """Others are not let in by the server, which says nothing of it."""
    answers["psql"] = printed("", 2, "psql: FATAL:  no pg_hba.conf entry\n")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert main(["status", "--output", "json"]) == NOT_DONE
    text = capsys.readouterr().out
    assert ("no pg_hba.conf entry" in text) == bool(words)
    assert row(json.loads(text), "srv3")["timeline"] is None


def test_a_node_that_is_away_is_looked_for_in_corosyncs_list(answers, capsys, texts):  # noqa: F811
    """One that was removed is to be removed from Pacemaker's configuration as well."""
    begin, end = texts["mon"].split('<node name="srv2"', 1)
    texts["mon"] = begin + '<node name="srv2"' + end.replace('online="true"', 'online="false"', 1)
    answers["corosync-cmapctl"] = printed(NODELIST.replace("srv2", "srv4"))
    assert main(["status", "--output", "json"]) == NOT_DONE
    found = json.loads(capsys.readouterr().out)
    assert [item["node"] for item in found["todo"] if item["code"] == "removed"] == ["srv2"]


def test_without_a_primary_nothing_is_asked_of_its_fencing(answers, capsys, texts):  # noqa: F811
    texts["mon"] = texts["mon"].replace('role="Promoted"', 'role="Unpromoted"')
    answers["psql"] = runner.NotStarted("no psql")
    assert main(["status", "--output", "json"]) == ERROR
    assert json.loads(capsys.readouterr().out)["primary"] is None
    assert "stonith_admin" not in names(answers)


def test_a_cluster_that_cannot_be_asked_is_an_error_without_a_report(answers, capsys):
    answers["crm_mon"] = runner.NotStarted("crm_mon: No such file or directory")
    assert main(["status"]) == ERROR
    said = capsys.readouterr()
    assert "crm_mon: No such file or directory" in said.err and said.out == ""


def test_a_look_is_a_report_and_what_it_was_made_of(answers):
    found = status.sight("", Pacemaker())
    assert found.report["primary"] == "srv3" and found.managed.name == "pgsqld"
    assert set(found.facts.known) == {"srv1", "srv2", "srv3"} and found.facts.listed is None
    assert found.facts.commits.level == "on" and found.facts.silence == {}
    assert found.facts.ballot.online == ["srv1", "srv2", "srv3"]
    assert status.look("pgsqld", Pacemaker())["primary"] == "srv3"
    assert status.names_of("pgsqld").score == "master-pgsqld"
