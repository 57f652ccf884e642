"""Replication slots for the other members: names, what is done when, what is never done."""

import itertools
import re
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf import agent, slotkeeping as keeper
from paf.cluster import members as cluster_members
from paf.deadline import Deadline
from paf.decide import slots, state
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import psql, queries, settings
from paf.instance import serverslots as actual
from paf.ocf import OcfError
from paf.runner import Result
from tests.unit.support import instance_at, parameters_with

MB = 1 << 20
HERE = slots.Here(redo=50 * MB, end=100 * MB, segment=MB)
NAME = slots.name_of("srv2")


def slot(lsn=90 * MB, lost=False, active=False, name=NAME, holds=False):
    return slots.Slot(name, lost, lsn, active, holds)


def wanted(have, bound, is_wanted=True, here=HERE):
    member = slots.Peer("srv2", is_wanted, bound)
    return [(change.what, change.lsn) for change in slots.changes(have, [member], here)]


@given(st.lists(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1,
                        max_size=63), min_size=2, max_size=2, unique=True))
def test_two_nodes_have_two_legal_names(nodes):
    names = [slots.name_of(node) for node in nodes]
    assert names[0] != names[1]
    for name in names:
        assert len(name) <= 63 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        assert name.startswith(slots.PREFIX)


def test_nodes_that_a_slot_could_not_tell_apart_have_two_slots():
    nodes = ["pg-1", "pg.1", "pg_1", "PG-1", "x" * 62 + "1", "x" * 62 + "2"]
    assert len({slots.name_of(node) for node in nodes}) == len(nodes)


@pytest.mark.parametrize("have, bound, is_wanted, expected", [
    ([], 99 * MB, True, [("make", None)]),
    ([], None, True, [("make", None)]),
    ([], None, False, []),    # it has never streamed: a node for the quorum alone, for one
    ([slot()], 99 * MB, True, [("advance", 99 * MB)]),
    ([slot()], 99 * MB, False, [("advance", 99 * MB)]),
    ([slot()], 200 * MB, True, [("advance", 100 * MB)]),    # not replayed here yet
    ([slot()], 90 * MB + 5, True, []),     # nothing would be freed
    ([slot()], None, True, []),            # what it needs is not known
    ([slot()], None, False, []),
    ([slot(active=True)], 99 * MB, True, []),
    ([slot()], 80 * MB, True, [("drop", None), ("make", None)]),    # needs more than is kept
    ([slot(lsn=50 * MB)], 40 * MB, True, []),    # and a new slot would keep no more
    ([slot(lost=True, lsn=None)], None, False, [("drop", None), ("make empty", None)]),
    ([slot(lost=True, lsn=None)], 99 * MB, True, [("drop", None), ("make", None)]),
    ([slot(lost=True, lsn=None, active=True)], 99 * MB, True, []),
    ([slot(lsn=None)], None, False, []),
    ([slot(lsn=None)], 99 * MB, True, [("drop", None), ("make", None)])])
def test_what_is_done_with_a_slot(have, bound, is_wanted, expected):
    assert wanted(have, bound, is_wanted) == expected


@given(st.integers(0, 200 * MB), st.integers(0, 200 * MB) | st.none(), st.booleans(), st.booleans())
def test_no_slot_is_advanced_past_what_its_node_needs(lsn, bound, active, is_wanted):
    for what, target in wanted([slot(lsn=lsn, active=active)], bound, is_wanted):
        if what == slots.ADVANCE:
            assert bound is not None and lsn < target <= min(bound, HERE.end)


def test_only_the_agents_slots_of_nodes_that_left_are_dropped():
    have = [slot(name=slots.name_of(node)) for node in ("srv1", "srv2", "srv3")] + [
        slot(name="mine"), slot(name=slots.name_of("srv4"), active=True)]
    assert slots.strangers(have, "srv1", ["srv1", "srv2"]) == [
        slots.Change("drop", slots.name_of("srv3"), None)]
    for unknown in ([], ["srv2", "srv3"]):    # this node is not there: no list of members
        assert slots.strangers(have, "srv1", unknown) == []


def test_a_slot_without_wal_is_said_while_its_node_does_not_stream():
    members = [slots.Peer("srv2", False, None), slots.Peer("srv3", True, 5)]
    have = [slot(lsn=None), slot(lsn=None, name=slots.name_of("srv3"))]
    assert slots.empty(have, members) == ["srv2"]
    assert slots.empty([slot(lost=True)], members) == ["srv2"]
    assert slots.empty([slot()], members) == [] and slots.empty([], members) == []


# The server and the primary

def test_the_query_is_as_before_without_the_parameter_and_before_13():
    for version in (90300, 100000, 120000, 130000, 180000):
        assert "pg_replication_slots" not in queries.monitor(version)
    assert queries.monitor(120000, True) == queries.monitor(120000)
    assert "pg_replication_slots" in queries.monitor(130000, True)
    assert queries.monitor(130000, True).startswith(queries.monitor(130000))


def test_nothing_is_imported_or_run_for_what_is_off():
    import ast
    import subprocess
    import sys
    code = ("import sys, paf.agent, paf.context, paf.actions.monitor, paf.cluster.corosync2; "
            "print(sorted(sys.modules))")
    loaded = ast.literal_eval(subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=agent.__file__.rpartition("/paf/")[0]).stdout)
    assert not [name for name in loaded if name.endswith("slots") or name.endswith("members")]


def answering(monkeypatch, tmp_path, result, version="15"):
    """Set the answer of the primary; return the instance and what it is asked."""
    def there(instance, where, pairs, text, deadline):
        asked.append((dict(pairs), text))
        return result
    asked = []
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    monkeypatch.setattr(settings, "conninfo", lambda *_: "host=10.0.0.50 dbname=shop")
    monkeypatch.setattr(psql, "there", there)
    return instance_at(tmp_path), asked


def output(text, status=0, err="", timed_out=False):
    return Result(status=status, out=text, err=err, timed_out=timed_out)


#: What psql 15.14 prints for a slot, one that keeps no WAL, and none, with -A -t.
ANSWER = "physical\x1f1/2000060\x1f1\nphysical\x1f\x1f\n\x1f\x1f\n"


@pytest.mark.parametrize("version, pairs, words", [
    ("15", {"replication": "true", "dbname": "replication"}, "READ_REPLICATION_SLOT a"),
    ("13", {"dbname": "shop"}, "FROM pg_catalog.pg_replication_slots WHERE slot_name = 'a'")])
def test_the_primarys_slots_are_read(monkeypatch, tmp_path, version, pairs, words):
    instance, asked = answering(monkeypatch, tmp_path, output(ANSWER), version)
    found = actual.of_primary(instance, ["a", "b", "c"], Deadline(5))
    assert found == Known({"a": (1 << 32) + 0x2000060, "b": None})
    assert pairs.items() <= asked[0][0].items() and words in asked[0][1][0]


@pytest.mark.parametrize("result", [
    output("", timed_out=True), output("", 2, "FATAL:  no pg_hba.conf entry"), output(""),
    output("physical\x1f1/2\n" * 2), output(ANSWER + "\x1f\x1f\n")])
def test_an_answer_that_is_none_is_unknown(monkeypatch, tmp_path, result):
    instance, _ = answering(monkeypatch, tmp_path, result)
    assert not is_known(actual.of_primary(instance, ["a", "b"], Deadline(5)))


# The monitor of a standby

ROWS = [["me", "true", "1", "", "", ""],
        [queries.LIMIT, "1GB", str(HERE.redo), str(HERE.end), str(HERE.segment), ""]]


class Keeping:
    """A monitor on srv2, whose primary is srv1."""

    node = "srv2"
    in_cluster = True
    instance = None
    parameters = parameters_with(slots="true")

    def __init__(self, monkeypatch, of_primary, promoted=("srv1",), nodes=("srv1", "srv2", "srv3")):
        self.done, self.deadline = [], Deadline(10)
        self.cluster = types.SimpleNamespace(cib=lambda deadline: "", resource="pgsqld")
        self.log = types.SimpleNamespace(info=lambda text: None)
        monkeypatch.setattr(cluster_members, "nodes", lambda xml: list(nodes))
        monkeypatch.setattr(keeper.ophistory, "promoted", lambda *_: list(promoted))
        monkeypatch.setattr(actual, "of_primary", lambda *_: of_primary)
        monkeypatch.setattr(actual, "change", self.change)

    def change(self, instance, change, deadline):
        self.done.append((change.what, change.name, change.lsn))
        return ""

    def look(self, *slot_rows, rows=ROWS):
        sight = types.SimpleNamespace(rows=rows + list(slot_rows), verdict=types.SimpleNamespace(
            state=state.STANDBY))
        return keeper.keep(self, sight, [])


def row(node, lsn, active="false", holds="false"):
    return [queries.SLOT, slots.name_of(node), "reserved", str(lsn), active, holds]


def test_a_standby_follows_the_primarys_slots(monkeypatch):
    third = slots.name_of("srv3")
    context = Keeping(monkeypatch, Known({third: 70 * MB}))
    assert context.look(row("srv1", 40 * MB), row("srv3", 60 * MB)) == []
    assert context.done == [("advance", slots.name_of("srv1"), HERE.redo),
                            ("advance", third, 70 * MB)]


@pytest.mark.parametrize("of_primary, promoted", [
    (Unknown("no answer in time"), ("srv1",)),
    (Known({}), ()), (Known({}), ("srv1", "srv3")), (Known({}), ("srv2",)),
    # by Pacemaker's history it is the primary, and yet the primary keeps a slot for it
    (Known({slots.name_of("srv1"): None}), ("srv1",))])
def test_what_the_others_need_is_not_known_and_nothing_is_advanced(monkeypatch, of_primary,
                                                                   promoted):
    context = Keeping(monkeypatch, of_primary, promoted)
    context.look(row("srv1", 40 * MB), row("srv3", 60 * MB))
    assert context.done == []


def test_a_primary_that_cannot_be_asked_is_a_remark_while_it_streams(monkeypatch):
    context = Keeping(monkeypatch, Unknown("no pg_hba.conf entry"))
    assert context.look() == [
        "slots=true: the primary's slots cannot be read: no pg_hba.conf entry"]
    away = [["me", "true", "0", "", "", ""], ROWS[1]]
    assert context.look(rows=away) == []


@pytest.mark.parametrize("text, said", [("1h", True), ("0", False), ("", False)])
def test_slots_that_the_server_gives_up_when_they_are_idle_are_said(monkeypatch, text, said):
    """Since PostgreSQL 18; those of the agent are never in use."""
    found = Keeping(monkeypatch, Known({})).look(rows=[ROWS[0], ROWS[1][:5] + [text]])
    assert [f"idle_replication_slot_timeout is {text}: " in word for word in found] == [True] * said


def test_without_time_no_slot_is_changed(monkeypatch):
    context = Keeping(monkeypatch, Known({}))
    context.deadline = Deadline(0)
    assert context.look(row("srv9", 40 * MB)) == [
        "slots=true: the slots are as they were: no time is left"]
    assert context.done == []


def test_a_cluster_that_cannot_be_asked_changes_nothing(monkeypatch):
    context = Keeping(monkeypatch, Known({}))

    def failing(deadline):
        raise OcfError("cibadmin failed: no answer in time")
    context.cluster.cib = failing
    assert "cibadmin failed" in context.look(row("srv9", 40 * MB))[0] and context.done == []


def test_without_a_limit_no_slot_is_made(monkeypatch):
    context = Keeping(monkeypatch, Known({slots.name_of("srv3"): 70 * MB}))
    found = context.look(rows=[ROWS[0], [queries.LIMIT, "-1"] + ROWS[1][2:]])
    assert "max_slot_wal_keep_size is -1" in found[0] and context.done == []


@pytest.mark.parametrize("content, words", [
    ("12", "it needs PostgreSQL 13, so no slot is kept"),
    (None, "the slots are as they were: cannot read .*PG_VERSION: No such file"),
    ("", "the slots are as they were: .*PG_VERSION holds no PostgreSQL version"),
    # it can be read again by now
    ("15", "the slots are as they were: the server was not asked .*, since its version could")])
def test_a_version_that_is_not_known_is_not_an_old_one(monkeypatch, tmp_path, content, words):
    """The monitor asks for the role alone then, and the answer has no limit either."""
    context = Keeping(monkeypatch, Known({}))
    context.instance = instance_at(tmp_path)
    if content is not None:
        (tmp_path / "PG_VERSION").write_text(content)
    (found,) = context.look(rows=[ROWS[0]])
    assert re.match("slots=true: " + words, found) and context.done == []


def test_a_server_that_gives_no_answer_changes_nothing(monkeypatch):
    context = Keeping(monkeypatch, Known({}))
    assert context.look(rows=[]) == []
    assert "how much WAL" in context.look(rows=[ROWS[0], [queries.LIMIT, "1GB", "", "", "", ""]])[0]
    assert context.done == []


def test_every_node_of_the_cib_is_a_member(data):
    nodes = cluster_members.nodes((data / "cib" / "2.1.5.xml").read_text())
    assert nodes == ["srv1", "srv2", "srv3"]
    with pytest.raises(OcfError):
        cluster_members.nodes("<error/>")


def test_all_changes_are_words_that_the_server_knows():
    assert set(actual._CHANGES) == {slots.MAKE, slots.MAKE_EMPTY, slots.DROP, slots.ADVANCE}
    assert len(set(itertools.chain(actual._CHANGES.values()))) == 4
