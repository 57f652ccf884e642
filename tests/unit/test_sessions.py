"""The agent's own sessions: what they may see, and what is run in them besides its query."""

from collections import namedtuple

import pytest

from paf.deadline import Deadline
from paf.decide import state
from paf.instance import observe, psql, sql
from paf.runner import Result
from tests.unit.support import instance_at

Server = namedtuple("Server", "word")
ME = ["me", "false", "0", "", "1000", ""]
SEEN = ["standby", "srv2", "streaming", "1000", "0", "1000"]
HIDDEN = ["standby", "", "", "", "", ""]


@pytest.mark.parametrize("rows, hidden", [
    ([ME], False), ([ME, SEEN], False), ([ME, HIDDEN], True), ([ME, SEEN, HIDDEN], True),
    ([ME, ["limit", "", "", "", "", ""]], False)])
def test_standbys_that_a_role_may_not_see_are_not_known(monkeypatch, tmp_path, rows, hidden):
    """The role of the instance is; no row says that there is no standby."""
    monkeypatch.setattr(sql, "query", lambda *_, **__: sql.Answer(sql.ROWS, rows, ""))
    role, found, message = observe._ask(
        instance_at(str(tmp_path)), Server("ready"), None, Deadline(5), "")
    assert role == state.SAYS_PRIMARY
    assert (found, "pg_monitor" in message) == (([], True) if hidden else (rows, False))


REFUSAL = 'psql: error: FATAL:  permission denied to set parameter "event_triggers"\n'


@pytest.mark.parametrize("version, err, runs", [
    ("16", "", [False]), ("17", "", [True]), ("17", REFUSAL, [True, False]),
    ("17", "psql: error: connection refused\n", [True])])
def test_login_triggers_are_off_where_the_role_may_do_that(
        monkeypatch, tmp_path, version, err, runs):
    seen = []

    def run(*_, **more):
        seen.append("event_triggers=off" in more["env"]["PGOPTIONS"])
        return Result(2 if err and seen[-1] else 0, "", err if seen[-1] else "", False)
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    monkeypatch.setattr(psql.runner, "run", run)
    result = psql.here(instance_at(str(tmp_path)), "SELECT 1", Deadline(5), {"PGOPTIONS": "-c x=y"})
    assert seen == runs and result.status == (2 if runs == [True] and err else 0)


def test_a_session_has_the_rights_of_its_role_and_sees_the_servers_own_schema(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    options = "{0} {1}".format(sql.session(Deadline(5)), psql.options(instance_at(str(tmp_path))))
    assert "-c role=none" in options and "-c search_path=pg_catalog" in options
