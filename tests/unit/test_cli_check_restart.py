"""paf check: how a server is restarted for a setting, by its role."""

import functools

import pytest

from paf.cli import check, configuration
from tests.unit.test_cli_check_here import (
    instance, pacemaker, programs, running, STANDBY, subject)

__all__ = ["instance", "pacemaker", "programs", "running"]


@pytest.mark.parametrize("in_recovery", [False, None])
def test_a_primary_is_restarted_after_a_switchover_only(
        instance, programs, running, pacemaker, monkeypatch, data, in_recovery):
    """crm_resource --restart stops it, and moves it without a warning."""
    configured = configuration.parse((data / "cli" / "cib.xml").read_text())
    managed = configuration.find(configured)
    answer = {**STANDBY, "in_recovery": in_recovery}
    look = functools.partial(subject, instance, pacemaker, monkeypatch, answer)
    reload, restart = look(managed, configured).restart
    # without a reload no setting is pending
    assert "pg_reload_conf" in reload and restart.startswith("paf restart --rolling --pending ")
    twice = configured._replace(resources=configured.resources * 2)
    assert " --pending --resource pgsqld " in look(managed, twice).restart[1]
    assert look().restart[1].partition(" # ")[2].startswith("before there is a resource: cd /")
    old = {**answer, "settings": {**answer["settings"], "server_version_num": "90400"}}
    command = subject(instance, pacemaker, monkeypatch, old, managed, configured).restart[1]
    assert command.startswith("paf restart --rolling    #")
    monkeypatch.setattr(check, "release_of", lambda _: (1, 1, 12))
    assert look(managed, configured).restart[1:3] == ["paf switchover", "paf pause"]
