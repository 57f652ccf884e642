"""A node that does not vote is asked through its database port."""

import os
import pathlib

from paf import instance, runner
from paf.deadline import Deadline
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.instance import peer
from tests.component.server import owner, wait_until
from tests.unit.support import parameters_with


def asked(node, host):
    """Return what `peer` finds at a host, as the agent on `node` would."""
    parameters = parameters_with(**{**node.parameters, "pgport": str(node.server.port)})
    account = runner.account(owner().pw_name)
    return peer.position(instance.Instance(parameters, account), host, Deadline(30))


def test_a_standby_says_where_it_is_and_a_primary_that_it_is_none(pair):
    host = str(pair.sockets)    # libpq takes a folder for a host
    standby = asked(pair["srv2"], host)
    lsn = int(pair["srv2"].value(
        "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'"))
    assert standby == Known((1, lsn))
    primary = asked(pair["srv1"], host)
    assert isinstance(primary, Known) and primary.value.timeline == 2


def test_a_server_that_does_not_answer_is_unknown(pair):
    nowhere = pathlib.Path(pair.folder) / "nowhere"
    os.makedirs(nowhere, exist_ok=True)
    fact = asked(pair["srv2"], str(nowhere))
    assert isinstance(fact, Unknown) and "does not answer" in fact.reason


def test_a_name_that_leads_to_this_node_itself_is_no_other_node(pair):
    """As where /etc/hosts has each name at 127.0.1.1: this node would vote for the other one."""
    fact = asked(pair["srv2"], "localhost")
    assert isinstance(fact, Unknown) and "leads to this node itself" in fact.reason


def test_a_server_of_another_cluster_does_not_vote(pair, monkeypatch):
    read = peer.controldata.read
    monkeypatch.setattr(peer.controldata, "read", lambda *arguments: Known(
        read(*arguments).value._replace(system_identifier="7")))
    fact = asked(pair["srv2"], str(pair.sockets))
    assert isinstance(fact, Unknown) and "of another cluster" in fact.reason


def test_a_primary_that_lets_nothing_write_by_default_is_a_primary(pair):
    pair["srv1"].sql("ALTER SYSTEM SET default_transaction_read_only = on")
    pair["srv1"].sql("SELECT pg_reload_conf()")
    wait_until(lambda: pair["srv1"].value("SHOW default_transaction_read_only") == "on", "reload")
    assert asked(pair["srv1"], str(pair.sockets)).value.timeline == 2


def test_a_standby_that_was_restarted_with_wal_that_it_has_not_read_is_a_lower_bound(pair):
    """With a delay it waits before the first commit: its position is that of its replay."""
    standby, primary = pair["srv2"], pair["srv1"]
    primary.sql("CREATE TABLE extra (n int)")
    wait_until(lambda: standby.value("SELECT to_regclass('extra')") == "extra", "replay")
    standby.sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    standby.sql("SELECT pg_reload_conf()")
    primary.sql("INSERT INTO extra VALUES (1)")
    end = primary.value("SELECT pg_current_wal_lsn()")
    wait_until(lambda: standby.value(f"SELECT pg_last_wal_receive_lsn() >= '{end}'"),
               "the WAL")
    standby.server.stop()
    standby.server.start()
    fact = asked(standby, str(pair.sockets))
    assert isinstance(fact, AtLeast) and "recovery_min_apply_delay is 1h" in fact.reason


def test_a_standby_that_replays_while_it_is_asked_is_a_lower_bound():
    answers = [["7", "1", "0/5000000"], ["on"], ["0"], ["7", "1", "0/5000060"]]
    fact = peer._understood(answers, "7", "srv3:5432")
    assert fact == AtLeast((1, 0x5000060), "its server at srv3:5432 still replays")
    assert isinstance(peer._understood([answers[3], *answers[1:]], "7", "srv3:5432"), Known)
    assert isinstance(peer._understood([*answers[:2], [], answers[3]], "7", "srv3:5432"), AtLeast)
