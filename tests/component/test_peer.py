"""A node that does not vote is asked through its database port."""

import os
import pathlib
import signal
import types

import pytest

from paf import accounts, instance, runner
from paf.deadline import Deadline
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.instance import peer
from tests.component.server import owner, wait_until
from tests.unit.support import parameters_with


def asked(node, host, streamed=True, **more):
    """Return what `peer` finds at a host, as the agent on `node` would.

    A folder of sockets, which libpq accepts in place of a host, has no address.
    """
    parameters = parameters_with(**{**node.parameters, "pgport": str(node.server.port), **more})
    account = accounts.account(owner().pw_name)
    with pytest.MonkeyPatch.context() as patch:
        if host.startswith("/"):
            patch.setattr(peer, "_addresses", lambda node, deadline: Known([""]))
        return peer.position(instance.Instance(parameters, account), host, streamed, Deadline(30))


def test_a_standby_says_where_it_is_and_a_primary_that_it_is_none(pair):
    host = str(pair.sockets)    # libpq takes a folder for a host
    seen = []

    def the_same():
        """Compare the two; the primary may write WAL of its own accord in between."""
        standby = asked(pair["srv2"], host)
        lsn = int(pair["srv2"].value(
            "SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'"))
        seen[:] = standby, Known((1, lsn))
        return seen[0] == seen[1]
    assert any(the_same() for _ in range(5)), seen
    primary = asked(pair["srv1"], host)
    assert isinstance(primary, Known) and primary.value.timeline == 2


def test_a_standby_that_was_restarted_beside_an_idle_primary_has_all(pair):
    """What it has is sent again and does not count: it shows where its receiver began to ask."""
    pair["srv2"].server.stop()
    pair["srv2"].server.start()
    pair.wait_for_streams("srv1", 1)
    pair["srv1"].kill()
    assert isinstance(asked(pair["srv2"], str(pair.sockets)), Known)
    if pair["srv2"].value("SELECT pg_last_wal_receive_lsn() < pg_last_wal_replay_lsn()"):
        assert isinstance(asked(pair["srv2"], str(pair.sockets), False), AtLeast)


def test_a_server_that_does_not_answer_is_unknown(pair):
    nowhere = pathlib.Path(pair.folder) / "nowhere"
    os.makedirs(nowhere, exist_ok=True)
    fact = asked(pair["srv2"], str(nowhere))
    assert isinstance(fact, Unknown) and "does not answer" in fact.reason


def test_the_port_is_that_of_the_server_here_whatever_the_parameter_says(pair):
    """A wrong pgport keeps no server from running, and no node without a vote from being asked."""
    assert isinstance(asked(pair["srv2"], str(pair.sockets), pgport="6999"), Known)
    pair["srv2"].stop()
    fact = asked(pair["srv2"], str(pair.sockets), pgport="6999")
    assert isinstance(fact, Unknown) and f"{pair.sockets}:6999" in fact.reason


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


def test_a_standby_whose_transactions_are_serializable_by_default_says_what_it_received(pair):
    pair["srv2"].sql("ALTER SYSTEM SET default_transaction_isolation = 'serializable'")
    pair["srv2"].sql("SELECT pg_reload_conf()")
    wait_until(lambda: pair["srv2"].value("SHOW default_transaction_isolation") == "serializable",
               "reload")
    wait_until(lambda: isinstance(asked(pair["srv2"], str(pair.sockets), False), Known),
               "an answer that is no lower bound")


def restarted_with_unread_wal(pair):
    """Start the standby again with a row that it has received and, for the delay, not replayed."""
    standby, primary = pair["srv2"], pair["srv1"]
    primary.sql("CREATE TABLE extra (n int)")
    wait_until(lambda: standby.value("SELECT to_regclass('extra')") == "extra", "replay")
    standby.sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    standby.sql("SELECT pg_reload_conf()")
    wait_until(lambda: standby.value("SHOW recovery_min_apply_delay") == "1h", "the delay")
    primary.sql("INSERT INTO extra VALUES (1)")
    end = primary.value("SELECT pg_current_wal_lsn()")
    wait_until(lambda: standby.value(f"SELECT pg_last_wal_receive_lsn() >= '{end}'"), "the WAL")
    standby.server.stop()
    standby.server.start()
    return standby


def test_a_standby_that_was_restarted_with_wal_that_it_has_not_read_is_a_lower_bound(pair):
    """With a delay it waits before the first commit: its position is that of its replay."""
    standby = restarted_with_unread_wal(pair)
    fact = asked(standby, str(pair.sockets))
    assert isinstance(fact, AtLeast) and "recovery_min_apply_delay is 1h" in fact.reason


@pytest.mark.parametrize("login", [True, False])
def test_a_standby_that_was_restarted_and_does_not_replay_for_a_while_is_a_lower_bound(
        pair, monkeypatch, login):
    """A disk that is slow, or a query that replay waits for: no progress is not the end."""
    standby = restarted_with_unread_wal(pair)
    startup = int(standby.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'"))
    os.kill(startup, signal.SIGSTOP)
    standby.sql("ALTER SYSTEM RESET recovery_min_apply_delay")
    if not login:
        monkeypatch.setattr(peer, "_RECEIVED", "SELECT 1 / 0")
    standby.sql("SELECT pg_reload_conf()")
    wait_until(lambda: standby.value("SHOW recovery_min_apply_delay") == "0", "reload")
    try:
        facts = [asked(standby, str(pair.sockets), streamed) for streamed in (False, login)]
        if not login:    # where it cannot be asked, its score decides
            assert isinstance(asked(standby, str(pair.sockets), True), Known)
        os.kill(startup, signal.SIGCONT)
        wait_until(lambda: standby.value("SELECT count(*) FROM extra") == 1, "replay")
        # the primary may write WAL of its own accord, and the standby be about to replay it
        wait_until(lambda: isinstance(asked(standby, str(pair.sockets), True), Known), "its end")
    finally:
        os.kill(startup, signal.SIGCONT)
    for fact in facts:
        assert isinstance(fact, AtLeast) and "WAL that it has not read" in fact.reason


def answered(received=(), streamed=True, identified=("7", "1", "0/5000060"), delay=("0",),
             at="0/5000060"):
    """Return what is understood of the answers of a standby at an LSN, "at"."""
    answers = [list(identified), ["on"], list(delay), list(received), ["7", "1", at]]
    control = types.SimpleNamespace(system_identifier="7", segment_size=16 << 20)
    return peer._understood(answers, control, "srv3:5432", streamed)


def test_a_standby_that_replays_while_it_is_asked_is_a_lower_bound():
    fact = answered(identified=("7", "1", "0/5000000"))
    assert fact == AtLeast((1, 0x5000060), "its server at srv3:5432 still replays")
    assert answered() == Known((1, 0x5000060))
    assert isinstance(answered(delay=()), AtLeast)


@pytest.mark.parametrize("received, streamed, kind", [
    ((), True, Known), ((), False, AtLeast),
    (("it received", ""), True, AtLeast),            # restarted since its score was given
    (("it received", "0/5000060"), False, Known),
    (("it received", "0/5000000"), True, Known),     # restarted beside a primary that is idle
    (("it received", "0/5000000"), False, AtLeast),  # it has asked for more, and perhaps got none
    (("it received", "0/4000000"), True, AtLeast),
    (("it received", "0/4FFFFF0"), True, AtLeast),   # what follows came from an archive
    (("it received", "0/6000000"), True, AtLeast)])  # on a timeline that it has not replayed yet
def test_a_standby_that_cannot_be_known_to_have_read_all_is_a_lower_bound(received, streamed, kind):
    assert isinstance(answered(received, streamed), kind)


def test_where_a_segment_begins_nothing_shows_that_more_has_arrived():
    where = "0/5000000"
    assert isinstance(answered(("it received", where), False, ("7", "1", where), at=where), AtLeast)
    # an idle primary may have ended there, and its standby is known to have streamed to its end
    assert isinstance(answered(("it received", where), True, ("7", "1", where), at=where), Known)


@pytest.mark.parametrize("status, out", [(2, ""), (-9, ""), (0, "")])
def test_a_name_that_is_not_looked_up_leads_nowhere(monkeypatch, status, out):
    """Where it is looked up again in the next moment, it may lead to this node."""
    monkeypatch.setattr(runner, "run", lambda *_, **__: runner.Result(status, out, "", False))
    fact = peer._addresses("srv3", Deadline(30))
    assert isinstance(fact, Unknown) and "srv3 leads to no address" in fact.reason


def test_the_addresses_that_were_looked_at_are_those_that_are_connected_to():
    place = dict(peer._place("srv3", ["10.0.0.3", "fd00::3"], 5433))
    assert place["hostaddr"] == "10.0.0.3,fd00::3" and place["host"] == "srv3,srv3"
    assert place["port"] == "5433"
