"""Who published a rule to be promoted, and was not, has been no primary of its timeline."""

import types

import pytest

from paf import holders, ocf
from paf.cluster import notes
from paf.decide.knowledge import Known
from paf.decide.wal import Position
from tests.unit.simulation import Notes

WHERE = types.SimpleNamespace(position=Known(Position(4, 900)), synchronous=Known("*"))


def prepared(rules):
    """Return what an agent has after its election, and the cib.Scan once its rule is published."""
    kept = Notes()
    context = types.SimpleNamespace(
        node="srv2", cluster=types.SimpleNamespace(notes=kept), log=None)
    view = types.SimpleNamespace(rules=dict(rules), copies={}, scores={})
    holders.prepare_rule(context, WHERE, view)
    view.rules["srv2"] = kept.read(notes.RULE)
    return context, view


@pytest.mark.parametrize("rules, newest, own", [
    ({}, 4, False), ({"srv1": "3 1 *"}, 4, False), ({}, 3, False),
    ({}, 5, True),                      # it was promoted
    ({}, 0, True),                      # its timeline is not known
    ({"srv2": "3 1 *"}, 4, True),       # it had a rule before: it may have been a primary
    ({"srv2": "0 1 *"}, 4, True)])
def test_its_timeline_shows_whether_it_was_promoted(rules, newest, own):
    context, view = prepared(rules)
    assert holders.has_own_rule(context, view, newest) is own


def test_the_next_election_does_not_forget_it():
    """Its rule is there by then, as if it had been a primary."""
    context, view = prepared({})
    holders.prepare_rule(context, WHERE, view)
    assert holders.has_own_rule(context, view, 4) is False


def test_without_a_rule_it_was_no_primary():
    context, _ = prepared({})
    view = types.SimpleNamespace(rules={})
    assert holders.has_own_rule(context, view, 5) is False


def test_a_promotion_that_succeeds_ends_it():
    context, view = prepared({})
    holders.confirm(context)
    assert holders.has_own_rule(context, view, 4) is True


def test_a_note_that_stays_fails_no_promotion():
    said = []

    def fail(_):
        raise ocf.OcfError("no rights")
    context = types.SimpleNamespace(
        cluster=types.SimpleNamespace(notes=types.SimpleNamespace(remove=fail)),
        log=types.SimpleNamespace(warning=said.append))
    holders.confirm(context)
    assert said == ["no rights"]
