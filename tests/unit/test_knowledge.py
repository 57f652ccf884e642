"""What is known of a fact."""

import pytest

from paf.decide.knowledge import AtLeast, Known, Unknown, is_known


def test_facts_of_different_classes_are_never_equal():
    facts = [Known("x"), Unknown("x"), AtLeast("x", ""), AtLeast(None, "x"), Known(None)]
    for index, one in enumerate(facts):
        assert [other == one for other in facts] == [i == index for i in range(len(facts))]
    assert len(set(facts)) == len(facts)


def test_only_a_known_fact_is_known():
    assert [is_known(fact) for fact in (Known(0), Known(None), AtLeast(5, "slow"),
                                        Unknown("no answer"))] == [True, True, False, False]


@pytest.mark.parametrize("fact", [Known(True), Known(0), AtLeast(1, "y"), Unknown("z")])
def test_a_fact_is_no_boolean(fact):
    with pytest.raises(TypeError):
        bool(fact)


def test_what_is_unknown_has_a_reason():
    assert Unknown("pg_controldata was killed").reason == "pg_controldata was killed"
    assert Unknown("x").value is None
