"""paf check: what cannot be found out is said, and is neither good nor wrong; the rules' edges."""

import runpy
import socket
import sys

import pytest

from paf import ocf, runner
from paf.cli import check, configuration, finding
from paf.cli.check import ask, hba, operations, peers, schemas, serverchecks, slotchecks
from paf.instance import psql, sql
from tests.unit.support import instance_at
from tests.unit.test_cli_check import found, HBA, slot, subject, SYNC, text

__all__ = ["text"]


# pg_hba.conf

NAMES = {"db1.example.org": ["10.0.0.1"], "db2.example.org": ["10.0.0.2"]}


@pytest.fixture
def names(monkeypatch):
    """The host names that have an address."""
    def look(name, _port):
        if name not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in NAMES[name]]
    monkeypatch.setattr(socket, "getaddrinfo", look)


def rule(address, method="trust", line=1):
    return [line, "host", "replication", "repl", address, None, method, None]


@pytest.mark.parametrize("address, lets_in", [
    ("all", True), ("samehost", True), ("samenet", True), ("db1.example.org", True),
    ("db2.example.org", False), ("10.0.0.2", False)])
def test_each_kind_of_address_of_a_rule_is_understood(names, address, lets_in):
    items = list(serverchecks.access(subject(rules=hba.rules([rule(address)]), vips=[])))
    assert ["line 1 of pg_hba.conf lets this node" in item.what for item in items] == [True] * lets_in


def test_the_rule_for_the_servers_own_host_is_for_no_other_address(names):
    assert hba.for_replication(hba.rules([rule("samehost")]), "repl", "10.0.0.9", ["10.0.0.1"]) is None


@pytest.mark.parametrize("rules, words", [
    ([rule("gone.example.org")], ["gone.example.org"]),
    ([rule(".example.org")], [".example.org"]),
    # a rule before it decides; a rule that lets nobody in
    ([*HBA[1:3], rule("gone.example.org")], []), ([rule("gone.example.org", "reject")], [])])
def test_a_host_name_that_has_no_address_here_is_not_known_to_be_another_node(names, rules, words):
    items = list(serverchecks.access(subject(rules=hba.rules(rules))))
    assert [item.level for item in items] == [finding.UNSEEN] * len(words)
    assert all(f"is not known: {word} has no address here" in item.what
               for word, item in zip(words, items, strict=True))


def test_a_node_without_a_known_address_is_not_called_kept_from_itself():
    item, = serverchecks.access(subject(own=[], vips=[]))
    assert item.level == finding.UNSEEN and item.what == "the address of srv1 is not known here"


# Settings

OPEN = "host=10.0.0.50 password='s e c"


@pytest.mark.parametrize("settings", [{}, SYNC])
def test_a_primary_conninfo_that_is_none_has_one_finding_without_its_password(settings):
    item, = found(conninfo=OPEN, settings=settings)
    assert item.level == finding.ERROR and "s e c" not in item.what
    assert item.what == "primary_conninfo cannot be used: a quote of the connection string is left open"


def test_whom_a_malformed_primary_conninfo_names_is_not_made_up():
    assert serverchecks.words(OPEN) == {}


def test_a_server_whose_sessions_are_read_only_is_named():
    item, = found(settings={"default_transaction_read_only": "on"})
    assert item.level == finding.WARNING and "default_transaction_read_only is on" in item.what
    assert "default_transaction_read_only = " in item.pcs[0]


@pytest.mark.parametrize("name, limit, cure", [
    ("pgsqlms_srv2_be09e3a0", None, "pg_drop_replication_slot"),    # as the agent names it
    ("slot_srv2", None, "pg_drop_replication_slot"),    # no limit can be set before PostgreSQL 13
    ("pgsqlms_srv2_be09e3a0", "-1", "max_slot_wal_keep_size")])
def test_an_inactive_slot_of_a_node_is_limited_or_where_there_is_no_limit_dropped(name, limit, cure):
    settings = {} if limit is None else {"max_slot_wal_keep_size": limit}
    item, = slotchecks.slots(subject(slots=[slot(name)], settings=settings))
    assert "by its name it is srv2's" in item.why and cure in item.pcs[0]
