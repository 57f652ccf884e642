"""bindir, start_opts and system_user that are wrong while the server runs keep no service down."""

import os
import pathlib

import pytest

from tests.component.test_crashes import RECOVERY

STOPPED = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1", stop="srv1")

#: Programs of another version, for the fixture `mistaken`.
OTHER_VERSION = {"bindir": "of version 33"}
MISTAKES = [
    {"maxlag": "1MB"}, {"start_opts": "-c 'x"}, {"bindir": "/nowhere"}, {"bindir": "bin"},
    {"system_user": "no-such-account"}, {"system_user": "nobody"},
    {"start_opts": "-c no_such=1"}, OTHER_VERSION]


@pytest.fixture
def mistaken(pair, keys):
    """The parameters that are wrong; programs of another version read its settings, not its data.
    """
    if keys != OTHER_VERSION:
        return keys
    folder, node = pair.folder / "33", pair["srv2"]
    folder.mkdir()
    for name in os.listdir(node.programs):
        (folder / name).symlink_to(f"{node.programs}/{name}")
    for name in ("postgres", "pg_ctl", "pg_controldata"):
        (folder / name).unlink()
        (folder / name).write_text(
            f"#!/bin/sh\n[ $1 = --version ] && exec echo '{name} (PostgreSQL) 33.1'\n"
            f"[ $1 = -C ] && exec {node.programs}/postgres \"$@\"\n"
            "echo 'WARNING: database files are incompatible with server' >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    return {"bindir": str(folder)}


@pytest.mark.parametrize("keys", MISTAKES, ids=str)
def test_a_mistake_made_while_it_ran_does_not_keep_it_down_after_a_crash(pair, mistaken):
    """Pacemaker restarts it with the wrong value: the node would be banned until a cleanup."""
    standby, keys = pair["srv2"], mistaken
    assert standby.agent("reload").code == 0
    assert standby.agent("reload", **keys).code == 0
    assert "used instead: " + next(iter(keys)) in pair.store.remark("srv2")
    standby.kill()
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2")
    assert standby.agent("stop", lists=dict(lists, stop="srv2"), **keys).code == 0
    assert standby.agent("start", lists=dict(lists, start="srv2"), **keys).code == 0
    assert standby.monitor(**keys).code == 0
    assert "used instead: " + next(iter(keys)) in pair.store.remark("srv2")
    assert standby.agent("validate-all", OCF_CHECK_LEVEL="10", **keys).code in (2, 5, 6)
    assert standby.agent("reload").code == 0 and pair.store.remark("srv2") is None


@pytest.mark.parametrize("keys", MISTAKES[2:], ids=str)
def test_a_mistake_made_while_it_ran_does_not_keep_it_down_after_a_demotion(pair, mistaken):
    primary = pair["srv1"]
    assert primary.agent("reload").code == 0
    assert primary.agent("reload", **mistaken).code == 0
    lists = dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2", demote="srv1")
    assert primary.agent("demote", lists=lists, **mistaken).code == 0
    assert primary.in_recovery and primary.monitor(**mistaken).code == 0
    assert "used instead: " + next(iter(mistaken)) in pair.store.remark("srv1")


@pytest.mark.parametrize("keys", MISTAKES[2:], ids=str)
def test_a_mistake_made_while_it_ran_does_not_keep_a_standby_from_promotion(pair, mistaken):
    assert pair["srv2"].agent("reload").code == 0
    assert pair["srv2"].agent("reload", **mistaken).code == 0
    pair["srv1"].kill()
    pair.move_vip(None)
    lists = dict(active="srv2", unpromoted="srv2", promote="srv2")
    run = pair.promote("srv2", lists, ["srv2"], **mistaken)
    assert run.code == 0 and not pair["srv2"].in_recovery, run


@pytest.mark.parametrize("keys", [OTHER_VERSION], ids=str)
def test_a_primary_that_crashed_is_known_as_one_whatever_bindir_is(pair, mistaken):
    """It is recovered where it was: programs of another version do not know its control file."""
    srv1 = pair["srv1"]
    assert srv1.agent("reload").code == 0
    srv1.kill()
    for action in ("demote", "stop", "start"):
        assert srv1.agent(action, lists=RECOVERY, **mistaken).code == 0
    assert (srv1.temporary / "pgsqlms-pgsqld.start").read_text() == "recovered"
    assert pair.promote("srv1", RECOVERY, ["srv1", "srv2"], **mistaken).code == 0


@pytest.mark.parametrize("keys", [OTHER_VERSION], ids=str)
@pytest.mark.parametrize("actions", [("demote", "stop"), ("stop",)], ids=str)
def test_a_primary_says_where_it_ended_whatever_bindir_is(pair, mistaken, actions):
    srv1 = pair["srv1"]
    assert srv1.agent("reload").code == 0
    for action in actions:
        assert srv1.agent(action, lists=STOPPED, **mistaken).code == 0
    assert pair.store.permanent("last_words", "srv1") not in (None, "unknown")


def test_a_mistake_in_the_configuration_is_no_mistake_in_a_parameter(pair):
    """What is refused whatever the parameters are is not shown for as long as these stay."""
    standby = pair["srv2"]
    assert standby.agent("reload").code == 0
    standby.configure("no_such_setting = on")
    for keys in ({}, {"start_opts": "-c work_mem=5MB"}):
        assert standby.agent("reload", **keys).code == 0
        assert pair.store.remark("srv2") is None


def kept_of(node):
    """Return the files (a list of paths) of a node with its last good parameters."""
    return list(pathlib.Path(node.temporary).glob("pgsqlms-*.parameters"))


def test_an_agent_that_came_beside_a_running_server_keeps_its_parameters(trio):
    """An upgrade in maintenance mode: nothing is started, and no reload comes before the wrong."""
    clients = trio.folder / "clients"
    clients.mkdir()
    (clients / "psql").symlink_to(f"{trio['srv1'].programs}/psql")
    for node in trio:
        node.monitor(bindir=str(clients))
        assert not kept_of(node), "the server answers, and has no program there"
        node.monitor()
        assert node.agent("reload", bindir="/nowhere").code == 0
    trio["srv1"].kill()
    trio.move_vip(None)
    lists = dict(active="srv2 srv3", unpromoted="srv2 srv3", promote="srv2")
    run = trio.promote("srv2", lists, ["srv2", "srv3"], bindir="/nowhere")
    assert run.code == 0 and not trio["srv2"].in_recovery, run


@pytest.mark.parametrize("keys", MISTAKES[2:], ids=str)
def test_what_is_wrong_is_never_the_last_good_value(pair, mistaken):
    assert pair["srv2"].agent("reload", **mistaken).code == 0
    assert pair["srv2"].monitor(**mistaken).code == 0
    assert kept_of(pair["srv2"]) == []
