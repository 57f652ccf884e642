"""The reader of the CIB: all that Pacemaker's schema allows, as one value."""

import pytest

from paf.cli import configuration
from paf.cli.common import Problem

NOW = 1795653840    # 2026-11-26 00:44:00 UTC
AGENT = 'class="ocf" provider="heartbeat" type="pgsqlms"'
PRIMITIVE = f'<primitive id="pgsqld" {AGENT}>{{}}</primitive>'


def pairs(tag, ident, words="", rule="", **values):
    inner = "".join(f'<nvpair id="{ident}-{name}" name="{name.replace("_", "-")}" value="{value}"/>'
                    for name, value in values.items())
    return f'<{tag} id="{ident}" {words}>{rule}{inner}</{tag}>'


def meta(ident, words="", rule="", **values):
    return pairs("meta_attributes", ident, words, rule, **values)


def clone(inner="", around="", tag="clone"):
    return f'<{tag} id="pgsqld-clone">{PRIMITIVE.format(inner)}{around}</{tag}>'


def read(resources, constraints="", more="", now=NOW):
    return configuration.parse(
        f"<cib><configuration><crm_config/><nodes/><resources>{resources}</resources>"
        f"<constraints>{constraints}</constraints>{more}</configuration></cib>", now)


def managed(*parts, **options):
    return configuration.find(read(*parts, **options))


@pytest.mark.parametrize("text, expected", [
    ("15s", 15), ("15", 15), (" 15 s", 15), ("15sec", 15), ("15 seconds", 15), ("PT15S", 15),
    ("1m", 60), ("1min", 60), ("PT1M", 60), ("P1D", 86400), ("PT1H30M", 5400), ("1h", 3600),
    ("1hr", 3600), ("500ms", 0.5), ("500msec", 0.5), ("1500us", 0.0015), ("1.5s", 1),
    ("P2W", 1209600), ("+5s", 5), ("0", 0), ("15S", 15), ("", None), ("s", None), ("-5s", None),
    ("P", None),
    ("PT", None), ("15x", None), ("fifteen", None), ("9" * 40 + "h", 2.0 ** 31)])
def test_every_spelling_of_a_time(text, expected):
    assert configuration.seconds(text) == (pytest.approx(expected) if expected else expected)


@pytest.mark.parametrize("text, expected", [
    ("true", True), ("TRUE", True), ("on", True), ("Yes", True), ("y", True), ("1", True),
    ("false", False), ("Off", False), ("no", False), ("N", False), ("0", False),
    ("maybe", None), ("", None), (None, None)])
def test_every_spelling_of_a_boolean(text, expected):
    assert configuration.boolean(text, None) is expected


def test_a_template_gives_what_the_primitive_does_not_say():
    found = managed(
        f'<template id="t" {AGENT}>{pairs("instance_attributes", "tp", bindir="/t", pgport="1")}'
        f'{meta("tm", migration_threshold="3")}<operations>'
        '<op id="t1" name="start" interval="0" timeout="9s"/>'
        '<op id="t2" name="stop" interval="0" timeout="8s"/></operations></template>'
        f'<clone id="c"><primitive id="pgsqld" template="t">'
        f'{pairs("instance_attributes", "p", bindir="/p")}'
        '<operations><op id="o1" name="start" interval="0s" timeout="PT7S"/></operations>'
        '</primitive></clone>')
    assert found.parameters == {"bindir": "/p", "pgport": "1"} and found.of_template == "t"
    assert found.meta == {"migration-threshold": "3"}
    assert [(item.name, item.timeout, item.inherited) for item in found.operations] == [
        ("start", 7, False), ("stop", 8, True)]


def test_of_several_sets_the_one_with_the_higher_score_wins_and_references_are_followed():
    found = managed(clone(
        pairs("instance_attributes", "low", 'score="1"', bindir="/low", pgport="1")
        + pairs("instance_attributes", "high", 'score="9"', bindir="/high")
        + '<instance_attributes id-ref="shared"/>'), more="", constraints="")
    assert found.parameters["bindir"] == "/high"
    equal = managed(clone(pairs("instance_attributes", "first", "", pgport="1")
                          + pairs("instance_attributes", "last", "", pgport="2")))
    assert equal.parameters == {"pgport": "2"}    # as Pacemaker has it
    reference = '<instance_attributes id-ref="s"/>'
    shared = read(f'{clone(reference)}'
                  f'<primitive id="d" class="ocf" provider="x" type="y">'
                  f'{pairs("instance_attributes", "s", pgdata="/d")}</primitive>')
    assert configuration.find(shared).parameters == {"pgdata": "/d"}
    loop = '<instance_attributes id-ref="gone"/>'
    assert managed(clone(loop)).parameters == {}


def rule(inner, words='score="INFINITY"'):
    return f'<rule id="r" {words}>{inner}</rule>'


@pytest.mark.parametrize("inner, expected", [
    ('<date_expression id="d" operation="lt" end="2026-11-25 00:00:00Z"/>', {}),
    ('<date_expression id="d" operation="gt" start="2026-11-25 00:00:00Z"/>', {"is-managed": "no"}),
    ('<rsc_expression id="d" class="ocf" type="pgsqlms"/>', {"is-managed": "no"}),
    ('<rsc_expression id="d" type="IPaddr2"/>', {}),
    ('<rule id="s" boolean-op="or"><rsc_expression id="d" type="x"/>'
     '<rsc_expression id="e" provider="heartbeat"/></rule>', {"is-managed": "no"}),
])
def test_a_set_whose_rule_holds_counts(inner, expected):
    found = managed(clone(), more=f'<rsc_defaults>{meta("m", rule=rule(inner), is_managed="no")}'
                                  '</rsc_defaults>')
    assert found.defaults == expected and found.uncertain == set()


@pytest.mark.parametrize("inner", [
    '<expression id="e" attribute="#uname" operation="eq" value="srv1"/>',
    '<date_expression id="d" operation="date_spec"><date_spec id="x" hours="9-17"/>'
    '</date_expression>',
    '<date_expression id="d" operation="lt" end="next week"/>'])
def test_what_a_rule_decides_that_cannot_be_judged_is_uncertain(inner):
    found = managed(clone(meta("m", rule=rule(inner), target_role="Stopped")))
    assert found.meta == {} and found.uncertain == {"target-role"}


def test_defaults_of_operations_count_by_the_operation():
    found = managed(clone('<operations><op id="a" name="monitor" interval="15s"/>'
                          '<op id="b" name="start" interval="0"/></operations>'),
                    more="<op_defaults>"
                         + meta("m", rule=rule('<op_expression id="o" name="monitor" '
                                               'interval="PT15S"/>'), timeout="44s")
                         + "</op_defaults>")
    assert [(item.name, item.timeout) for item in found.operations] == [
        ("monitor", 44), ("start", 20)]


def test_a_group_a_bundle_and_several_resources():
    cloned = f'<clone id="c"><group id="g">{PRIMITIVE.format("")}</group></clone>'
    assert configuration.names_of(managed(cloned)) == ("c", "g", "pgsqld")
    with pytest.raises(Problem, match="the bundle b: PAF does not support bundles"):
        managed(f'<bundle id="b">{PRIMITIVE.format("")}</bundle>')
    two = read(clone() + f'<clone id="c2"><primitive id="other" {AGENT}/></clone>')
    assert configuration.find(two, "c2").name == "other"
    with pytest.raises(Problem, match="pgsqld, other"):
        configuration.find(two)


VIP = '<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>'
GROUPED = f'<group id="web">{VIP}</group>'


@pytest.mark.parametrize("constraint, expected", [
    ('<rsc_colocation id="c" rsc="vip" with-rsc="pgsqld-clone" with-rsc-role="Master"/>', ["vip"]),
    ('<rsc_colocation id="c" rsc="vip" with-rsc="pgsqld-clone" with-rsc-role="Unpromoted"/>', []),
    ('<rsc_colocation id="c" rsc="vip" with-rsc="pgsqld-clone" with-rsc-role="Promoted" '
     'score="-INFINITY"/>', []),
    ('<rsc_colocation id="c" rsc="pgsqld-clone" with-rsc="vip" rsc-role="Promoted"/>', ["vip"]),
    ('<rsc_colocation id="c"><resource_set id="s1"><resource_ref id="vip"/></resource_set>'
     '<resource_set id="s2" role="Promoted"><resource_ref id="pgsqld-clone"/></resource_set>'
     '</rsc_colocation>', ["vip"]),
    ('<rsc_order id="o" first="pgsqld-clone" then="vip" first-action="promote"/>', ["vip"]),
    ('<rsc_order id="o" first="pgsqld-clone" then="vip"/>', []),
    ('<rsc_order id="o"><resource_set id="s1" action="promote"><resource_ref id="pgsqld-clone"/>'
     '</resource_set><resource_set id="s2" action="start"><resource_ref id="vip"/></resource_set>'
     '</rsc_order>', ["vip"]),
    ('<rsc_colocation id="c" rsc="addresses" with-rsc="pgsqld-clone" with-rsc-role="Promoted"/>',
     ["vip"])])
def test_the_address_of_the_primary_is_known_from_that_of_readers(constraint, expected):
    tags = '<tags><tag id="addresses"><obj_ref id="vip"/></tag></tags>'
    found = read(clone() + VIP, constraint, tags)
    assert [vip.name for vip in configuration.vips_of(found, configuration.find(found))] == expected


def test_a_constraint_may_name_the_address_or_its_group():
    for name in ("vip", "web"):
        found = read(clone() + GROUPED, f'<rsc_colocation id="c" rsc="{name}" '
                                        'with-rsc="pgsqld-clone" with-rsc-role="Promoted"/>')
        assert configuration.vips_of(found, configuration.find(found))


WITH = '<rsc_colocation id="{0}-{1}" rsc="{0}" with-rsc="{1}" score="{2}"/>'
TO_PRIMARY = '<rsc_colocation id="p" rsc="{0}" with-rsc="pgsqld-clone" score="INFINITY" ' \
             'with-rsc-role="Promoted"/>'


@pytest.mark.parametrize("leader, score, role, expected", [
    ("vip", "INFINITY", "", True), ("web", "INFINITY", "", True), ("vip", "100", "", False),
    ("vip", "INFINITY", 'with-rsc-role="Unpromoted"', False), ("other", "INFINITY", "", False)])
def test_an_address_may_follow_the_primary_through_another_resource(leader, score, role, expected):
    second = VIP.replace('"vip"', '"second"')
    follows = WITH.format("second", leader, score).replace("/>", f" {role}/>")
    # a circle ends
    found = read(clone() + GROUPED + second, TO_PRIMARY.format("web") + follows
                 + WITH.format("vip", "second", "INFINITY"))
    names = [vip.name for vip in configuration.vips_of(found, configuration.find(found))]
    assert names == ["vip"] + ["second"] * expected


def refs(ident, *names, words=""):
    inner = "".join(f'<resource_ref id="{name}"/>' for name in names)
    return f'<resource_set id="{ident}" {words}>{inner}</resource_set>'


def written(kind, *sets, words=""):
    found = read(clone(), f'<rsc_{kind} id="x" {words}>{"".join(sets)}</rsc_{kind}>')
    return found.constraints


def test_sets_of_an_order_are_written_out():
    found = written("order", refs("1", "a", "b", words='action="stop"'),
                    refs("2", "c", "d", words='sequential="no"'), words='symmetrical="0"')
    assert [tuple(item.values[name] for name in ("first", "first-action", "then", "then-action"))
            for item in found] == [("a", "stop", "b", "stop"), ("b", "stop", "c", "start"),
                                   ("b", "stop", "d", "start")]
    assert not any(item.whole or configuration.is_symmetrical(item) for item in found)


def test_sets_of_a_colocation_are_written_out():
    found = written("colocation", refs("1", "a", "b"), refs("2", "c", words='role="Master"'))
    assert [(item.values["rsc"], item.values["with-rsc"], item.values["with-rsc-role"])
            for item in found] == [("b", "a", ""), ("a", "c", "Promoted")]


def test_sets_of_a_location_and_of_a_ticket():
    location = written("location", refs("1", "a", "b", words='role="Slave"'),
                       words='node="srv1" score="-INFINITY"')
    assert [(item.values["rsc"], item.values["role"], item.node, item.score)
            for item in location] == [(name, "Unpromoted", "srv1", -1000000) for name in "ab"]
    assert [item.kind for item in written("ticket", refs("1", "a"), words='ticket="t"')] == [
        "ticket"]


@pytest.mark.parametrize("words, symmetrical, optional", [
    ("", True, False), ('symmetrical="0"', False, False), ('symmetrical="FALSE"', False, False),
    ('symmetrical="1"', True, False), ('kind="Serialize"', False, True),
    ('kind="Optional"', True, True), ('score="0"', True, True), ('score="INFINITY"', True, False),
    ('kind="Mandatory"', True, False)])
def test_what_kind_of_order_it_is(words, symmetrical, optional):
    order, = read(clone(), f'<rsc_order id="x" first="a" then="b" {words}/>').constraints
    assert configuration.is_symmetrical(order) is symmetrical
    assert configuration.is_optional(order) is optional


def test_what_is_no_cib_is_a_problem():
    for text in ("", "<x/>", "<cib>", "no XML"):
        with pytest.raises(Problem):
            configuration.parse(text)


def test_a_kind_of_constraint_that_is_not_known_says_nothing():
    assert read(clone(), '<rsc_future id="x" rsc="pgsqld-clone"/>').constraints == []


@pytest.mark.parametrize("pattern, names", [
    ("^pgsqld", ["pgsqld-clone"]), ("!^vip", ["pgsqld-clone"]), ("(", []), ("!(", [])])
def test_a_pattern_that_is_none_means_no_resource(pattern, names):
    """Pacemaker ignores such a constraint, also where "!" is before it."""
    found = read(clone() + VIP, f'<rsc_location id="x" rsc-pattern="{pattern}" node="srv1" '
                                'score="1"/>').constraints
    assert [item.values["rsc"] for item in found] == names


def test_a_set_of_a_colocation_has_a_score_of_its_own():
    found = written("colocation", refs("1", "a", "b", words='score="7"'), refs("2", "c"),
                    words='score="INFINITY"')
    assert [(item.values["rsc"], item.values["with-rsc"], item.score) for item in found] == [
        ("b", "a", 7), ("a", "c", 1000000)]


def test_references_that_lead_round_or_nowhere_give_nothing():
    pair = '<nvpair id="{0}1" name="pgport" value="1"/>'
    round_ = "".join(f'<instance_attributes id="{one}" id-ref="{other}">{pair.format(one)}'
                     "</instance_attributes>" for one, other in ("ab", "ba"))
    assert managed(clone(round_)).parameters == {}
    lost = '<instance_attributes id="a"><nvpair id-ref="gone"/>' \
           '<nvpair id="n" name="pgport" value="1"/></instance_attributes>'
    assert managed(clone(lost)).parameters == {"pgport": "1"}


@pytest.mark.parametrize("inner", [
    '<rule id-ref="gone"/>', rule('<op_expression id="o" name="monitor"/>')])
def test_a_rule_that_is_not_there_or_is_about_operations_is_not_known(inner):
    found = managed(clone(meta("m", rule=inner, target_role="Stopped")))
    assert found.meta == {} and found.uncertain == {"target-role"}


def exclusive(ident, rest):
    return f'<rsc_location id="{ident}" resource-discovery="Exclusive" score="0" {rest}'


EXPRESSION = '<rule id="r" score="0"><expression id="x" attribute="{}" operation="ne" ' \
             'value="srv2"/></rule></rsc_location>'


@pytest.mark.parametrize("constraints, expected", [
    (exclusive("a", 'rsc="pgsqld-clone" node="srv1"/>')
     + exclusive("b", 'rsc="pgsqld" node="srv3"/>'), {"srv2"}),
    (exclusive("a", 'rsc="pgsqld-clone">') + EXPRESSION.format("#uname"), {"srv2"}),
    (exclusive("a", 'rsc="pgsqld-clone">') + EXPRESSION.format("site"), set()),
    (exclusive("a", 'rsc="other" node="srv1"/>'), set()),
    (exclusive("a", 'rsc="pgsqld-clone" node="srv1"/>').replace("Exclusive", "always"), set())])
def test_exclusive_discovery_keeps_a_resource_off_all_other_nodes(constraints, expected):
    """As Pacemaker's scheduler has it: 2.1.5 stops the instance on srv2 in the first two."""
    text = (f"<cib><configuration><nodes>{''.join(NODE.format(node) for node in (1, 2, 3))}</nodes>"
            f"<resources>{clone()}</resources><constraints>{constraints}</constraints>"
            "</configuration></cib>")
    found = configuration.parse(text, NOW)
    assert configuration.barred(found, configuration.names_of(
        configuration.find(found))) == expected


NODE = '<node id="{0}" uname="srv{0}"/>'


BY_NODE = pairs("instance_attributes", "one", 'score="1"', '<rule id="r1" score="0">'
                '<expression id="x1" attribute="{}" operation="eq" value="{}"/></rule>',
                pgdata="/one", pgport="5433")
HERE = """<cib><configuration><nodes>{nodes}<node id="4" uname="srv4"><instance_attributes id="i">
<nvpair id="v" name="disk" value="big"/></instance_attributes></node></nodes><resources>{clone}
</resources></configuration><status><node_state id="4"><transient_attributes id="4">
<instance_attributes id="s"><nvpair id="w" name="rack" value="2"/></instance_attributes>
</transient_attributes></node_state></status></cib>"""


@pytest.mark.parametrize("attribute, value, node, data", [
    ("#uname", "srv2", "srv2", "/one"), ("#uname", "srv2", "srv3", "/all"),
    ("disk", "big", "srv4", "/one"), ("rack", "2", "srv4", "/one"), ("disk", "big", "srv2", "/all"),
    ("#site-name", "east", "srv2", None)])
def test_parameters_that_depend_on_the_node_are_those_of_this_node(attribute, value, node, data):
    """The default in their place is another instance, to be shown, reloaded or even rebuilt."""
    found = configuration.parse(HERE.format(
        nodes="".join(NODE.format(number) for number in (1, 2, 3)), clone=clone(
            BY_NODE.format(attribute, value)
            + pairs("instance_attributes", "rest", pgdata="/all"))), NOW)
    assert configuration.find(found).parameters == {"pgdata": "/all"}
    if data is None:
        with pytest.raises(Problem) as refused:
            configuration.find(found, "", lambda: node)
        assert "that only Pacemaker can judge decides on pgdata and pgport" in str(refused.value)
        return
    here = configuration.find(found, "", lambda: node)
    assert here.parameters == {"pgdata": data, **({"pgport": "5433"} if data == "/one" else {})}
