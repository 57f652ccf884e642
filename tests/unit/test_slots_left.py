"""Slots that are left of a server's time as a primary: they hold vacuum back, or bar others."""

import types

import pytest

from paf import slotkeeping
from paf.decide import slots, state
from paf.decide.knowledge import Known, Unknown
from paf.decide.scores import Replica
from paf.instance import failoverslots, sql
from paf.notifications import pre_demote
from tests.unit.test_cli_check import found, slot as checked
from tests.unit.test_slots import HERE, Keeping, MB, ROWS, row
from tests.unit.unread import answer

THIRD = slots.name_of("srv3")


@pytest.mark.parametrize("of_primary, holds, done", [
    (Known({THIRD: 100 * MB}), "true", [("drop", THIRD, None), ("make", THIRD, None)]),
    (Known({THIRD: 70 * MB}), "false", [("advance", THIRD, 70 * MB)]),
    # a restartpoint that runs may start behind that: a new slot could keep less than is needed
    (Known({THIRD: 70 * MB}), "true", [("advance", THIRD, 70 * MB)]),
    (Known({THIRD: 40 * MB}), "true", []), (Unknown("no answer"), "true", [])])
def test_a_standbys_slot_that_holds_vacuum_back_is_made_again(
        monkeypatch, of_primary, holds, done):
    """To advance it moves no xmin: the primary kept dead rows for it without end."""
    context = Keeping(monkeypatch, of_primary)
    context.look(row("srv3", 35 * MB if done == [] else 60 * MB, holds=holds))
    assert [change for change in context.done if change[1] == THIRD and (
        change[0] != "advance" or done)] == done


def test_a_primarys_slot_holds_them_for_a_standby_that_is_away(monkeypatch):
    context = Keeping(monkeypatch, None)
    sight = types.SimpleNamespace(rows=ROWS + [row("srv3", 60 * MB, holds="true")],
                                  verdict=types.SimpleNamespace(state=state.PRIMARY))
    slotkeeping.keep(context, sight, [])
    assert [change for change in context.done if change[1] == THIRD] == []


@pytest.mark.parametrize("flushed, done", [
    (HERE.end, [("drop", THIRD, None), ("make", THIRD, None)]), (70 * MB, None)])
def test_a_primarys_slot_that_its_streaming_standby_does_not_use_is_made_again(
        monkeypatch, flushed, done):
    """It holds vacuum back without end, and max_slot_wal_keep_size does not limit that."""
    context = Keeping(monkeypatch, None)
    sight = types.SimpleNamespace(rows=ROWS + [row("srv3", 60 * MB, holds="true")],
                                  verdict=types.SimpleNamespace(state=state.PRIMARY))
    said = slotkeeping.keep(context, sight, [Replica("srv3", "streaming", flushed, 0, flushed)])
    assert [change for change in context.done if change[1] == THIRD] == done if done else [
        change[0] for change in context.done if change[1] == THIRD] == ["advance"]
    assert [f"the slot {THIRD} holds vacuum back" in word for word in said] == [True]


def test_what_could_not_be_made_again_is_not_dropped(monkeypatch):
    """Without a limit the agent makes no slot; those of nodes that are gone go."""
    context = Keeping(monkeypatch, Known({THIRD: 70 * MB}))
    limit = [list(one) for one in ROWS]
    limit[1][1] = "-1"
    lost = row("srv3", 60 * MB)
    lost[2], lost[3] = "lost", ""
    said = context.look(lost, row("srv9", 60 * MB), rows=limit)
    assert context.done == [("drop", slots.name_of("srv9"), None)]
    assert "max_slot_wal_keep_size is -1" in said[0]
    assert HERE.redo < 70 * MB < HERE.end


def test_the_slot_for_the_primary_itself_is_made_again(monkeypatch):
    context = Keeping(monkeypatch, Known({}))
    context.look(row("srv1", 40 * MB, holds="true"))
    first = slots.name_of("srv1")
    assert [change for change in context.done if change[1] == first] == [
        ("drop", first, None), ("make", first, None)]


@pytest.mark.parametrize("here, words", [
    (sql.Answer(sql.ROWS, [["sub"], ["x"]], ""), "here: sub; here are slots of these names "
     "that are no copies, drop them on this node, unless something reads them: sub"),
    (sql.Answer(sql.ROWS, [], ""), "here: sub"),
    (sql.Answer(sql.REFUSED, [], "too many connections"), "here: sub")])
def test_a_slot_that_keeps_the_primarys_from_being_copied_is_named(monkeypatch, here, words):
    """It never appears, however long it is waited for; and the primary's is the live one."""
    answer(monkeypatch, failoverslots, "missing", Known(["sub"]))
    answer(monkeypatch, sql, "query", here)
    context = types.SimpleNamespace(instance=None, log=None, deadline=types.SimpleNamespace(
        within=lambda _: None))
    assert pre_demote._without_slots(context).endswith(words)


def test_paf_check_names_such_a_slot_on_a_standby_only():
    left = checked("sub", kind="logical", failover=True)
    have = {"sync_replication_slots": "on", "max_slot_wal_keep_size": "10GB"}
    for in_recovery in (True, False):
        said = [item for item in found(slots=[left], settings=have, in_recovery=in_recovery)
                if "own time as a primary" in item.what]
        assert len(said) == in_recovery
