"""paf check: what cannot be found out is said, and is neither good nor wrong; the rules' edges."""

import pathlib
import re
import runpy
import sys

import pytest

from paf import ocf, runner
from paf.cli import check, configuration, finding
from paf.cli.check import ask, hba, operations, peers, schemas, serverchecks, slotchecks
from paf.decide import slots as kept
from paf.decide.knowledge import Known, Unknown
from paf.instance import listening, psql, sql
from paf.ocf import OcfError
from tests.unit.support import instance_at
from tests.unit.test_cli_check import found, HBA, slot, subject, SYNC, text

__all__ = ["text"]


# pg_hba.conf

NAMES = {"db1.example.org": ["10.0.0.1"], "db2.example.org": ["10.0.0.2"]}


@pytest.fixture
def names(monkeypatch):
    """The host names that have an address."""
    asked = []

    def look(name, _):
        asked.append(name)
        if name.startswith("."):
            raise OcfError("no program can be started")
        return Known(NAMES[name]) if name in NAMES else Unknown("the address has no address")
    monkeypatch.setattr(listening, "addresses", look)
    monkeypatch.setattr(hba, "_RESOLVED", {})
    return asked


def rule(address, method="trust", line=1):
    return [line, "host", "replication", "repl", address, None, method, None, ""]


@pytest.mark.parametrize("address, lets_in", [
    ("all", True), ("samehost", True), ("samenet", True), ("db1.example.org", True),
    ("db2.example.org", False), ("10.0.0.2", False)])
def test_each_kind_of_address_of_a_rule_is_understood(names, address, lets_in):
    items = list(serverchecks.access(subject(rules=hba.rules([rule(address)]), vips=[])))
    assert [item.what.partition(" (")[0] for item in items] == [
        "line 1 of pg_hba.conf lets this node replicate from itself"] * lets_in


def test_each_name_is_asked_for_once(names):
    """With name servers that do not answer each question takes seconds."""
    assert [hba.resolved("gone.example.org") for _ in range(3)] == [[]] * 3
    assert hba.resolved("10.0.0.7") == ["10.0.0.7"] and names == ["gone.example.org"]


def test_the_rule_for_the_servers_own_host_is_for_no_other_address(names):
    rules = hba.rules([rule("samehost")])
    assert hba.for_replication(rules, "repl", "10.0.0.9", ["10.0.0.1"]) is None


@pytest.mark.parametrize("rules, words", [
    ([rule("gone.example.org")], ["gone.example.org"]),
    ([rule(".example.org")], [".example.org"]),
    # a rule before it decides; a rule that admits no host
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
    assert item.what == (
        "primary_conninfo cannot be used: a quote of the connection string is left open")


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
def test_an_inactive_slot_of_a_node_is_limited_or_where_there_is_no_limit_dropped(
        name, limit, cure):
    settings = {} if limit is None else {"max_slot_wal_keep_size": limit}
    item, = slotchecks.slots(subject(slots=[slot(name)], settings=settings))
    assert "by its name it is srv2's" in item.why and cure in item.pcs[0]


@pytest.mark.parametrize("kind, name, node", [
    ("physical", kept.name_of("db-1"), "db-1"), ("logical", kept.name_of("db-1"), "db-1"),
    ("physical", "slot_db_1", "db-1"), ("physical", "db_1", "db-1"), ("physical", "db", "db"),
    ("physical", "to_db_1_from_x", "db-1"), ("physical", "slot_db_2", "db"),
    ("logical", "slot_db_1", None), ("physical", "olddb_1", None)])
def test_a_slot_is_of_the_node_whose_whole_name_it_has(kind, name, node):
    """One of db-1 was that of db where there is such a node, else no node's, and to be dropped."""
    assert slotchecks.member_of(slot(name, kind), ["db", "db-1"]) == node


# Other nodes

def answer(out="", status=0, err="", timed_out=False):
    return runner.Result(status, out, err, timed_out)


def raising(error):
    def raise_it(*_, **__):
        raise error
    return raise_it


@pytest.mark.parametrize("said, settings, problem", [
    (answer(psql.FIELD.join(["wal_level", "replica", "false"])), {"wal_level": "replica"}, ""),
    (answer("", 2, "psql: error: FATAL:  no pg_hba.conf entry"), {}, "no pg_hba.conf entry"),
    (answer("", -9, timed_out=True), {}, "psql did not end in time"),
    (answer(), {}, "it did not answer")])
def test_the_local_server_says_its_settings_or_why_not(
        monkeypatch, tmp_path, said, settings, problem):
    monkeypatch.setattr(sql, "_client", lambda *_: {"PGOPTIONS": ""})
    monkeypatch.setattr(psql, "here", lambda *_: said)
    seen = peers.here(instance_at(tmp_path), 150000)
    assert (seen.settings, problem in seen.problem) == (settings, True)
    assert bool(seen.problem) is bool(problem)


def test_a_psql_that_cannot_be_started_is_no_server_without_settings(monkeypatch):
    monkeypatch.setattr(sql, "query", raising(ocf.OcfError("cannot run psql: no such file")))
    monkeypatch.setattr(psql, "there", raising(ocf.OcfError("cannot run psql: no such file")))
    for seen in (peers.here(None, 150000), peers.there(None, "", "10.0.0.2", 150000)):
        assert seen == peers.Seen({}, None, "", "cannot run psql: no such file")


REFUSED = answer("", 2, "FATAL:  no pg_hba.conf entry")
LATE = answer("", -9, timed_out=True)
SHOWN = answer("replica\n")


@pytest.mark.parametrize("answers, settings, problem", [
    ([LATE], {}, "no answer within 4 s"),
    ([REFUSED, LATE], {}, "no answer within 4 s"),
    ([REFUSED, SHOWN, LATE], {peers.SAME[0]: "replica"}, ""),
    # up to PostgreSQL 9.6 such a connection knows no SHOW: its role has to be let in for SQL
    ([REFUSED] + [answer("", 1, "ERROR:  syntax error")] * len(peers.SAME + peers.OTHER), {},
     "FATAL: no pg_hba.conf entry")])
def test_a_node_that_does_not_answer_once_is_asked_no_more(monkeypatch, answers, settings, problem):
    """It was asked for each setting, four seconds each."""
    left = list(answers)
    monkeypatch.setattr(psql, "there", lambda *_: left.pop(0))
    seen = peers.there(None, "", "10.0.0.2", 150000)
    assert (seen.settings, seen.pending, seen.problem, left) == (settings, None, problem, [])


# Schemas

class Lxml:
    """A substitute for lxml.etree, whose schemas find these mistakes."""

    def __init__(self, *mistakes):
        self.error_log, self.read = mistakes, []

    def fromstring(self, data):
        return {"validate-with": "pacemaker-9.9"} if b"<cib" in data else {}

    class LxmlError(Exception):
        """What lxml raises."""

    def parse(self, name):
        self.read.append(name)
        if pathlib.Path(name).read_text(encoding="ascii"):
            raise self.LxmlError("line 1: no document")

    def RelaxNG(self, _schema):
        return self

    def validate(self, _root):
        return not self.error_log


class Entry:
    line, message = 7, "Element x is not allowed"


@pytest.mark.parametrize("mistakes, expected", [((), []), ((Entry(), Entry(), Entry(), Entry()), [
    "the agent's meta-data are not valid: line 7: Element x is not allowed"] * 3)])
def test_the_meta_data_are_held_against_the_schema_that_is_there(
        monkeypatch, tmp_path, mistakes, expected):
    place = tmp_path / "ocf.rng"
    place.touch()
    monkeypatch.setattr(schemas, "_OCF", (str(tmp_path / "none.rng"), str(place), "/never"))
    etree = Lxml(*mistakes)
    items = list(schemas.agent(etree))
    assert [item.what for item in items] == expected and etree.read == [str(place)]
    assert all(item.level == finding.ERROR for item in items)


def test_what_no_schema_is_there_for_is_not_called_valid(monkeypatch, tmp_path, text):
    monkeypatch.setattr(schemas, "_OCF", (str(tmp_path / "none.rng"),))
    monkeypatch.setattr(schemas, "_CIB", str(tmp_path / "{0}.rng"))
    item, = schemas.agent(Lxml())
    assert item.level == finding.UNSEEN and "meta-data were not checked: no schema" in item.what
    item, = schemas.cib(Lxml(), text)
    assert item.level == finding.WARNING
    assert item.what.endswith("pacemaker-9.9.rng is not there")


def test_what_has_a_damaged_schema_is_not_called_valid_or_wrong(monkeypatch, tmp_path, text):
    (tmp_path / "pacemaker-9.9.rng").write_text("<")
    monkeypatch.setattr(schemas, "_OCF", (str(tmp_path / "pacemaker-9.9.rng"),))
    monkeypatch.setattr(schemas, "_CIB", str(tmp_path / "{0}.rng"))
    (one,), (other,) = schemas.agent(Lxml()), schemas.cib(Lxml(), text)
    assert (one.level, other.level) == (finding.UNSEEN, finding.WARNING)
    for item in (one, other):
        assert item.what.endswith("pacemaker-9.9.rng cannot be used: line 1: no document")


def test_without_lxml_nothing_is_called_valid(monkeypatch, text):
    monkeypatch.setitem(sys.modules, "lxml", None)
    assert schemas.lxml_or_none() is None
    name, item = list(check.of_cib(text, ""))[-1]
    assert (name, item.level) == ("schemas", finding.WARNING)


# Operations and parameters

def of_parameters(text, pair):
    """Return what is said of the parameters in a CIB with another one (an nvpair)."""
    first = '<nvpair id="pgsqld-params-pgdata"'
    configured = configuration.parse(text.replace(first, pair + first))
    return list(operations.values(configured, configuration.find(configured)))


@pytest.mark.parametrize("name, value, words, default", [
    ("rejoin", "perhaps", "rejoin must be manual, safe or rewind", "safe"),
    ("crash_watch", "perhaps", "crash_watch must be true or false", "true"),
    ("slots", "perhaps", "slots must be true or false", "false")])
def test_a_parameter_whose_default_is_safe_gets_it(text, name, value, words, default):
    item, = of_parameters(text, f'<nvpair id="new" name="{name}" value="{value}"/>')
    assert item.level == finding.ERROR and words in item.what
    assert item.pcs == [f"pcs resource update pgsqld {name}={default}"]
    assert item.crm == [f"crm resource param pgsqld set {name} {default}"]


@pytest.mark.parametrize("name, value, words, example", [
    ("maxlag", "1MB", "maxlag must be a number of bytes", "e.g. maxlag=1000000"),
    ("pgport", "x", "pgport must be a number", "that of the server (SHOW port)"),
    ("datadir", "data", "datadir must be an absolute path", "the value that is meant"),
    ("bindir", "bin", "bindir must be an absolute path", "the value that is meant"),
    ("recovery_template", "x", "recovery_template must be", "the value that is meant"),
    ("start_opts", "-c 'a", "start_opts cannot be understood", "the value that is meant")])
def test_a_parameter_whose_default_may_do_harm_is_for_people(text, name, value, words, example):
    """The default of maxlag removes a limit that protects data."""
    item, = of_parameters(re.sub(f'<nvpair id="[^"]*" name="{name}"[^>]*>', "", text),
                          f'<nvpair id="new" name="{name}" value="{value}"/>')
    assert item.level == finding.ERROR and words in item.what and example in item.why
    assert (item.pcs, item.crm) == ([], [])


def test_no_command_replaces_a_data_directory_by_the_default(text):
    configured = configuration.parse(re.sub('name="pgdata" value="[^"]*"',
                                            'name="pgdata" value="data"', text))
    items = list(operations.values(configured, configuration.find(configured)))
    assert any("pgdata must be an absolute path" in item.what for item in items)
    assert [item for item in items if item.pcs or item.crm] == []


@pytest.mark.parametrize("name, value, words", [
    ("rejoin", "perhaps", "rejoin must be"), ("colour", "blue", "no parameter colour")])
def test_a_parameter_by_reference_is_for_people_to_change(text, name, value, words):
    """No program of Pacemaker changes it in this place alone."""
    shared = '<primitive id="d" class="ocf" provider="x" type="y"><instance_attributes id="s">' \
             f'<nvpair id="shared" name="{name}" value="{value}"/></instance_attributes>' \
             '</primitive>'
    item, = of_parameters(text.replace("</resources>", shared + "</resources>"),
                          '<nvpair id-ref="shared"/>')
    assert words in item.what and (item.pcs, item.crm) == ([], [])


def test_the_program_that_asks_the_server_ends_with_what_it_found(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setattr(sys, "argv", [ask.__file__, "host=x"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(ask.__file__, run_name="__main__")
    assert ended.value.code == 3
