"""Failover quorum: no acknowledged synchronous commit is on absent nodes only."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.decide import quorum
from paf.decide.knowledge import Known, Unknown, is_known
from paf.decide.quorum import Entry, Rule

NODES = ["srv1", "srv2", "srv3", "srv4"]
RULES = st.builds(lambda number, names: Rule(number, tuple(sorted(names))), st.integers(1, 3),
                  st.sets(st.sampled_from([*NODES, "*", "backup"]), min_size=1))


@pytest.mark.parametrize("text, rule", [
    ("", None), ("  ", None),
    ("srv2", Rule(1, ("srv2",))),
    ("srv2, srv3", Rule(1, ("srv2", "srv3"))),
    ("*", Rule(1, ("*",))),
    ("2 (a, b, c)", Rule(2, ("a", "b", "c"))),
    ("FIRST 1 (srv2,srv3)", Rule(1, ("srv2", "srv3"))),
    ("first 2(srv2 , srv3)", Rule(2, ("srv2", "srv3"))),
    ("ANY 1 (*)", Rule(1, ("*",))),
    ("ANY 2 (srv1,srv2,srv3,srv4)", Rule(2, ("srv1", "srv2", "srv3", "srv4"))),
    ('ANY 1 ("Srv-2", SRV3)', Rule(1, ("srv-2", "srv3"))),
    ('"a""b", "x,y (z)"', Rule(1, ('a"b', "x,y (z)"))),
    ('"first"', Rule(1, ("first",))),
    ("first, any", Rule(1, ("any", "first"))),
    ("node-a", Rule(1, ("node-a",))),
    ("ANY 1 (srv2, srv2)", Rule(1, ("srv2",))),
    ("1 (1)", Rule(1, ("1",))),
])
def test_the_setting_is_read_as_postgresql_reads_it(text, rule):
    assert quorum.parse(text) == Known(rule)


@pytest.mark.parametrize("text", ['"open', "ANY 1 (a", "a,,b", "a b", ",", "ANY 0 (a)", "(a)",
                                  "ANY 1 ()", "1 (a) b"])
def test_what_is_not_understood_is_unknown_and_not_nothing(text):
    fact = quorum.parse(text)
    assert isinstance(fact, Unknown) and text in fact.reason


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    quorum.parse(text)


@given(st.lists(st.text(min_size=1).filter(lambda name: name.lower() == name.lower().lower()),
                min_size=1), st.integers(1, 9), st.integers(0, 10**6))
def test_an_entry_survives_the_wire_whatever_the_names(names, number, epoch):
    quoted = ", ".join('"{}"'.format(name.replace('"', '""')) for name in names)
    rule = quorum.parse(f"ANY {number} ({quoted})").value
    value = quorum.to_wire(Entry(epoch, rule))
    assert not set(value) & set("\"<&>'") and value.isascii()
    assert quorum.from_wire(value) == Known(Entry(epoch, rule))


@pytest.mark.parametrize("value", ["", "1", "1 1", "x 1 a", "1 x a", "cold:"])
def test_a_value_that_is_no_entry_is_unknown(value):
    assert isinstance(quorum.from_wire(value), Unknown)


def commits(rule, primary, nodes):
    """Return each set of nodes that may hold a commit acknowledged under the rule."""
    standbys = sorted(quorum.holders(rule, primary, nodes))
    return [{primary, *chosen} for chosen in itertools.combinations(
        standbys, min(rule.number, len(standbys)))]


@given(RULES, st.sampled_from(NODES), st.sets(st.sampled_from(NODES)))
def test_nothing_is_unheard_exactly_if_each_commit_is_on_a_node_that_was_heard(
        rule, primary, heard):
    safe = all(holding & heard for holding in commits(rule, primary, NODES))
    if quorum.holders(rule, primary, NODES):
        assert (not quorum.unheard(rule, primary, heard, NODES)) == safe


@given(RULES, st.sampled_from(NODES), st.sets(st.sampled_from(NODES)))
def test_a_primary_that_is_not_known_asks_for_more_never_for_less(rule, primary, heard):
    if not quorum.unheard(rule, None, heard, NODES):
        heard_of = heard - {primary}
        if not quorum.unheard(rule, None, heard_of, NODES):
            assert not quorum.unheard(rule, primary, heard_of, NODES)


@given(RULES, RULES, st.sampled_from([*NODES, None]), st.sets(st.sampled_from(NODES)))
def test_the_join_of_two_rules_covers_both(one, other, primary, heard):
    both = quorum.join(one, other)
    assert quorum.covers(both, one) and quorum.covers(both, other)
    # as many standbys as acknowledge have to exist, else no commit was acknowledged
    enough = all(rule.number <= len(quorum.holders(rule, primary, NODES))
                 for rule in (one, other, both))
    if enough and not quorum.unheard(both, primary, heard, NODES):
        assert not quorum.unheard(one, primary, heard, NODES)
        assert not quorum.unheard(other, primary, heard, NODES)


def test_the_join_with_no_rule_is_the_other():
    rule = Rule(1, ("a",))
    assert quorum.join(None, rule) == quorum.join(rule, None) == rule
    assert quorum.join(None, None) is None


@pytest.mark.parametrize("setting, heard, missing", [
    ("ANY 1 (srv1,srv2,srv3)", {"srv3"}, ["srv2"]),
    ("ANY 1 (srv1,srv2,srv3)", {"srv2", "srv3"}, []),
    ("ANY 1 (srv1,srv2,srv3)", {"srv1"}, []),
    ("ANY 2 (srv1,srv2,srv3)", {"srv3"}, []),
    ("FIRST 1 (srv2,srv3)", {"srv3"}, ["srv2"]),
    ("*", {"srv2", "srv3"}, ["srv4"]),
    ("ANY 1 (SRV2)", {"srv2"}, []),
    ("ANY 1 (srv2, backup)", {"srv2", "srv3"}, ["backup"]),
])
def test_the_nodes_that_have_to_come_back_are_named(setting, heard, missing):
    rule = quorum.parse(setting).value
    assert quorum.unheard(rule, "srv1", heard, NODES) == missing


@pytest.mark.parametrize("names, idle, taken_in", [
    # with "*", a primary names the standbys that it has seen
    (("*", "srv2"), {"srv4"}, ["srv1", "srv2", "srv3"]),
    (("*", "srv2"), set(), NODES),                                   # it is away, or runs one
    (("*", "srv2", "srv4"), {"srv4"}, NODES),                        # it was seen, and lost since
    # nothing says which were seen: an earlier agent, or none at all
    (("*",), {"srv4"}, NODES), (("*", "backup"), {"srv4"}, NODES),
    (("srv1", "srv2"), {"srv4"}, NODES), (None, {"srv4"}, NODES),
])
def test_a_node_that_never_had_a_standby_holds_nothing(names, idle, taken_in):
    rule = names and Rule(1, names)
    assert quorum.taken_in(rule, NODES, idle) == taken_in


@pytest.mark.parametrize("entries, scores, node, epoch", [
    ({}, {}, None, None),
    ({}, {"srv1": 1001, "srv2": 1000}, "srv1", None),
    ({}, {"srv1": 1001, "srv2": 1001}, None, None),
    ({"srv1": 3}, {"srv1": 1001}, "srv1", 3),
    ({"srv1": 3, "srv2": 4}, {"srv1": 1001}, "srv2", 4),     # promoted, and no monitor since
    ({"srv1": 3}, {"srv2": 1001, "srv1": -1000}, None, 3),   # promoted by an agent without entries
    ({"srv1": 3}, {}, "srv1", 3),
    ({"srv1": 3}, {"srv1": -1000}, None, 3),                 # a later one was removed since
    ({"srv1": 3}, {"srv1": -10}, "srv1", 3),
    ({"srv1": 0}, {}, None, 0),                              # the same, after its first monitor
    ({"srv1": 0, "srv2": 4}, {}, "srv2", 4),
])
def test_the_last_primary_is_who_published_last(entries, scores, node, epoch):
    entries = {name: Entry(number, Rule(1, ("x",))) for name, number in entries.items()}
    found, entry = quorum.last_primary(entries, scores, 1001)
    assert (found, entry and entry.epoch) == (node, epoch)


def test_of_two_entries_of_one_epoch_none_is_the_last_primarys():
    """Whichever was taken, the other one's standbys would not have been asked for."""
    for names in (("srv1", "srv2"), ("srv2", "srv1")):
        rules = {"srv1": Rule(2, ("a", "b")), "srv2": Rule(1, ("b", "c")), "srv3": Rule(1, ("d",))}
        entries = {name: Entry(7, rules[name]) for name in names}
        entries["srv3"] = Entry(6, rules["srv3"])
        assert quorum.last_primary(entries, {"srv1": 1001, "srv2": 1000}, 1001) == (
            None, Entry(7, Rule(1, ("a", "b", "c"))))


@pytest.mark.parametrize("setting, flushed, confirmed", [
    ("ANY 1 (srv2)", {"srv2": 10}, True), ("ANY 1 (srv2)", {"srv2": 9}, False),
    ("ANY 1 (srv2)", {"srv3": 10}, False), ("ANY 1 (srv2)", {}, False),
    ("ANY 2 (srv2,srv3)", {"srv2": 10, "srv3": None}, False),
    ("ANY 2 (*)", {"srv2": 10, "SRV3": 11}, True),
    ("", {"srv2": 10, "srv3": 12}, True), ("", {"srv2": 10, "srv3": 9}, False), ("", {}, False),
])
def test_a_narrower_rule_holds_once_its_standbys_have_all_that_was_written(
        setting, flushed, confirmed):
    assert quorum.is_confirmed(quorum.parse(setting).value, 10, flushed) is confirmed


@pytest.mark.parametrize("copies, wanted", [
    ([], {"srv2": (7, 1, "srv1")}),
    (["srv1 8 2 srv2 srv3"], {"srv2": (7, 1, "srv1"), "srv1": (8, 2, "srv2 srv3")}),
    (["srv1 8 2 srv2 srv3", "srv1 8 1 srv2", "srv1 6 1 srv9"],    # some were not brought up to date
     {"srv2": (7, 1, "srv1"), "srv1": (8, 1, "srv2 srv3")}),
    (["srv1 6 1 srv9", "srv1 8 1 srv2"], {"srv2": (7, 1, "srv1"), "srv1": (8, 1, "srv2")}),
    (["srv2 7 1 srv9"], {"srv2": (7, 1, "srv1")}),    # what it says itself counts
    (["srv2 8 1 srv9"], {"srv2": (8, 1, "srv9")}),    # an older CIB came back
])
def test_the_rule_of_a_node_that_was_removed_is_known_by_copies(copies, wanted):
    entries = {"srv2": quorum.Entry(7, quorum.Rule(1, ("srv1",)))}
    facts = [quorum.copy_from_wire(text) for text in copies]
    assert quorum.with_copies(entries, [fact.value for fact in facts]) == {
        node: quorum.Entry(epoch, quorum.Rule(number, tuple(names.split())))
        for node, (epoch, number, names) in wanted.items()}


@pytest.mark.parametrize("node", ["srv1", "é x", "*"])
def test_a_copy_comes_back_as_it_was_written(node):
    entry = quorum.Entry(3, quorum.Rule(1, ("*", "srv2")))
    assert quorum.copy_from_wire(quorum.copy_to_wire(node, entry)).value == (node, entry)


@pytest.mark.parametrize("text", ["", "srv1", "srv1 x 1 srv2", " 3 1 srv2", "3 1 srv2"])
def test_what_is_no_copy_is_not_known(text):
    assert not is_known(quorum.copy_from_wire(text))


@pytest.mark.parametrize("setting, streaming, able", [
    ("", [], None), ("ANY 1 (srv2, srv3)", ["srv3"], None), ("ANY 1 (srv2, srv3)", [], "0 of 1"),
    ("FIRST 2 (srv2, srv3)", ["SRV2", "backup"], "1 of 2"), ("2 (*)", ["srv2"], "1 of 2"),
    ("2 (*)", ["srv2", "backup"], None), ("srv2, (", [], None)])
def test_too_few_standbys_to_acknowledge_a_commit_are_a_worry(setting, streaming, able):
    found = quorum.worries(quorum.parse(setting), streaming)
    assert found == ([f"commits wait for synchronous standbys: {able} stream"] if able else [])
