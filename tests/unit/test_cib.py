"""What is read of the CIB: members by words and by times, scores with infinities, reasons."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.cluster import cib, members, ophistory, rules
from paf.decide import scores
from paf.ocf import OcfError
from tests.unit.support import NO_NAMES

NAMES = cib.Names("master-pgsqld", "reason-pgsqld", "position", "failed", ("count",), "rule",
                  "last", "accept", "acknowledged", "copy")
CIB = ("<cib><configuration><nodes>{nodes}</nodes></configuration>"
       "<status>{states}</status></cib>")


def node(number, *pairs, name=None):
    inner = "".join(f'<nvpair id="{key}" name="{key}" value="{value}"/>' for key, value in pairs)
    return (f'<node id="{number}" uname="{name or f"srv{number}"}">'
            f'<instance_attributes id="n{number}">{inner}</instance_attributes></node>')


def node_state(number, **attributes):
    attributes.setdefault("uname", f"srv{number}")
    pairs = attributes.pop("pairs", ())
    inner = "".join(f'<nvpair id="{key}" name="{key}" value="{value}"/>' for key, value in pairs)
    words = " ".join(f'{key}="{value}"' for key, value in attributes.items() if value is not None)
    return (f'<node_state id="{number}" {words}><transient_attributes id="{number}">'
            f'<instance_attributes id="s{number}">{inner}</instance_attributes>'
            f'</transient_attributes></node_state>')


def parse(nodes="", states=""):
    return cib.parse(CIB.format(nodes=nodes, states=states), NAMES)


@pytest.mark.parametrize("in_ccm, crmd, online", [
    ("true", "online", True), ("false", "offline", False), ("true", "offline", False),
    ("false", "online", False), ("1699999999", "1699999999", True), ("0", "0", False),
    ("1699999999", "0", False), ("0", "1699999999", False)])
def test_members_are_known_by_words_and_by_times(in_ccm, crmd, online):
    view = parse(states=node_state(1, in_ccm=in_ccm, crmd=crmd))
    assert view.online == (["srv1"] if online else [])


@pytest.mark.parametrize("attributes, online", [
    ({}, True),    # as some versions write it: its connection is not asked
    ({"in_ccm": "true"}, True), ({"in_ccm": "1699999999", "node_fenced": "0"}, True),
    ({"in_ccm": "false", "node_fenced": "0"}, False), ({"in_ccm": "0"}, False),
    ({"in_ccm": "true", "crmd": "offline", "join": "down"}, False)])
def test_a_remote_or_guest_node_is_a_member_as_long_as_it_is_connected(attributes, online):
    states = node_state(9, remote_node="true", uname="far", **attributes)
    assert parse(states=states).online == (["far"] if online else [])


@pytest.mark.parametrize("join, online", [
    ("member", True), (None, True), ("down", False), ("pending", False), ("nack", False),
    ("banned", False)])
def test_a_node_whose_controller_has_not_joined_is_no_member(join, online):
    view = parse(states=node_state(1, in_ccm="true", crmd="online", join=join))
    assert view.online == (["srv1"] if online else [])


def test_a_state_without_membership_is_away():
    assert parse(states=node_state(1)).online == []


def test_a_state_without_name_is_known_by_its_id():
    view = parse(node(1), node_state(1, uname=None, in_ccm="true", crmd="online"))
    assert view.online == ["srv1"]


def test_a_state_of_a_node_that_nobody_knows_is_no_answer():
    """It would be a member without a name, or none, and its instance would count as away."""
    with pytest.raises(OcfError, match="which node is online"):
        parse(states=node_state(1, uname=None, in_ccm="true", crmd="online"))
    assert parse(states=node_state(1, uname=None)).online == []


def test_scores_are_node_attributes_only():
    view = parse(node(1, ("master-pgsqld", "1001")) + node(2, ("master-pgsqld", "-1000")),
                 node_state(3, pairs=[("master-pgsqld", "5")]))
    assert view.scores == {"srv1": 1001, "srv2": -1000}


def test_scores_of_other_resources_are_not_ours():
    assert parse(node(1, ("master-pgsqld2", "5"), ("master-pgsql", "6"))).scores == {}


def test_reasons_are_transient_attributes_only():
    view = parse(node(1, ("reason-pgsqld", "old")),
                 node_state(2, pairs=[("reason-pgsqld", "behind")]))
    assert view.reasons == {"srv2": "behind"}


def test_a_resource_in_the_status_is_no_node():
    view = parse(states=node_state(1, in_ccm="true", crmd="online")
                 + '<x><nvpair name="master-pgsqld" value="3"/></x>')
    assert view.scores == {}


@pytest.mark.parametrize("text, value", [
    ("1001", 1001), ("-1000", -1000), ("+990", 990), ("INFINITY", 1000000),
    ("-INFINITY", -1000000), ("+INFINITY", 1000000), ("-infinity", -1000000),
    ("2000000", 1000000), ("-2000000", -2000000), (" 5 ", 5), ("0", 0),
    ("", None), ("x", None), ("1.5", None), ("-", None)])
def test_scores_are_read_as_pacemaker_does(text, value):
    assert cib.score(text) == value


@pytest.mark.parametrize("text", ["many", "", "1.5", "1" * 21])
def test_a_node_whose_score_is_no_number_has_one(text):
    """Else a first start would give one: what Pacemaker does not understand is 0 to it."""
    found = parse(node(1, ("master-pgsqld", text))).scores
    assert found == {"srv1": 0} and not scores.bootstrap(True, found)


@pytest.mark.parametrize("xml", [
    "", " ", "<null/>", "<cib_query/>", "<node/>", '<pacemaker-result api-version="2.25">'
    '<status code="102" message="Not connected"/></pacemaker-result>', "Connection refused"])
def test_what_is_no_cib_says_nothing_of_nodes_and_scores(xml):
    """It would say that no node has a score: then a first start gives one."""
    with pytest.raises(OcfError, match="cannot understand the CIB"):
        cib.parse(xml, NAMES)
    with pytest.raises(OcfError, match="cannot understand the CIB"):
        ophistory.promoted(xml, "pgsqld")


def test_a_declaration_may_precede_the_cib():
    assert cib.parse('<?xml version="1.0"?>\n<cib/>', NAMES).online == []


@pytest.mark.parametrize("key, operation, code, running", [
    ("pgsqld_last_0", "start", 0, ["srv1"]), ("pgsqld_last_0", "promote", 0, ["srv1"]),
    ("pgsqld_last_0", "stop", 0, []), ("pgsqld_last_0", "monitor", 8, ["srv1"]),
    ("pgsqld_last_0", "monitor", 7, []), ("pgsqld_last_0", "monitor", 5, []),
    ("pgsqld_last_0", "monitor", 1, ["srv1"]),      # a server that hangs, or a probe that did
    ("pgsqld_last_0", "monitor", 9, ["srv1"]), ("pgsqld_last_0", "monitor", 193, ["srv1"]),
    ("pgsqld_monitor_15000", "monitor", 0, []),
    ("pgsqld2_last_0", "start", 0, [])])
def test_an_instance_that_was_started_last_runs(key, operation, code, running):
    state = node_state(1).replace("</node_state>", (
        f'<lrm><lrm_resources><lrm_rsc_op id="{key}" operation="{operation}" rc-code="{code}"/>'
        "</lrm_resources></lrm></node_state>"))
    xml = CIB.format(nodes="", states=state)
    assert cib.parse(xml, NAMES, resource="pgsqld").running == running


def test_names_are_unescaped():
    view = parse(node(1, ("master-pgsqld", "1"), name="a&amp;b"))
    assert view.scores == {"a&b": 1}


@pytest.mark.parametrize("text", ["", "not XML", "<cib>", "<cib></configuration>"])
def test_what_is_no_cib_is_an_ocf_error(text):
    with pytest.raises(OcfError):
        cib.parse(text, NAMES)


@given(st.text(max_size=50))
def test_no_text_breaks_the_reader(text):
    try:
        cib.parse("<cib>" + text + "</cib>", NAMES)
    except OcfError:
        pass


def test_a_recorded_cib_is_understood(data):
    view = cib.parse((data / "cib" / "2.1.5.xml").read_text(), NAMES)
    assert view.scores == {"srv1": 1001, "srv2": 1000, "srv3": -1000000}
    assert view.online == []


RESOURCES = """<resources><clone id="x-clone"><primitive id="x" template="t"/></clone>
  <primitive id="fence-srv1"/><group id="g"><primitive id="other"/></group></resources>"""
TAGS = '<tags><tag id="database"><obj_ref id="x-clone"/></tag></tags>'
NOW = 1795653840    # 2026-11-26 00:44:00 UTC


def rule(*parts, words='score="INFINITY" role="Promoted"', location='rsc="x-clone"'):
    return (f'<rsc_location id="a" {location}><rule id="r" {words}>{"".join(parts)}</rule>'
            '</rsc_location>')


def expression(attribute, value, operation="eq", kind="string"):
    return (f'<expression id="e" attribute="{attribute}" operation="{operation}" value="{value}" '
            f'type="{kind}"/>')


def until(end):
    return f'<date_expression id="d" operation="lt" end="{end}"/>'


def draws(words, node="srv2", score="INFINITY"):
    return f'<rsc_location id="a" {words} node="{node}" score="{score}"/>'


def drawn_sets(*pairs):
    sets = "".join(f'<resource_set id="s" {role}><resource_ref id="{name}"/></resource_set>'
                   for name, role in pairs)
    return f'<rsc_location id="a" node="srv2" score="INFINITY">{sets}</rsc_location>'


SRV2 = expression("#uname", "srv2")


@pytest.mark.parametrize("constraint, expected", [
    (draws('rsc="x" role="Promoted"'), "srv2"),
    (draws('rsc="x-clone" role="Promoted"'), "srv2"),
    (draws('rsc="x-clone" role="Master"'), "srv2"),
    (draws('rsc="x-clone" role="Promoted"', score="+INFINITY"), "srv2"),
    (draws('rsc="x-clone" role="Promoted"', score="2000000"), "srv2"),
    (draws('rsc="t" role="Promoted"'), "srv2"),
    (draws('rsc="database" role="Promoted"'), "srv2"),
    (draws('rsc-pattern="^x-c" role="Promoted"'), "srv2"),
    (draws('rsc-pattern="!^other" role="Promoted"'), "srv2"),
    (rule(SRV2), "srv2"),
    (rule(SRV2, words='role="Promoted" score="INFINITY" boolean-op="or"'), "srv2"),
    (rule(SRV2, until("2026-11-26 01:00:00Z")), "srv2"),
    (rule(SRV2, until("2026-11-26 01:44:30 +01:00")), "srv2"),
    (rule(SRV2, until("a form that is not known")), "srv2"),
    (rule(expression("#uname", "srv1", "ne")), "srv2 srv3"),
    (rule(expression("site", "paris")), "srv3"),
    (rule(expression("weight", "9", "gt", "number")), "srv3"),
    (rule(expression("weight", "1", "defined")), "srv2 srv3"),
    (rule("<rule id='i' boolean-op='or'>", SRV2, expression("#uname", "srv3"), "</rule>",
          expression("weight", "1")), "srv2"),
    (rule(SRV2, words='score-attribute="wish" role="Promoted"'), "srv2"),
    (drawn_sets(("other", 'role="Promoted"'), ("x-clone", 'role="Promoted"')), "srv2"),
    (rule(SRV2, location='rsc="other"') + '<rsc_location id="b" rsc="x-clone"><rule id-ref="r"/>'
     '</rsc_location>', "srv2"),
    (drawn_sets(("x-clone", 'role="Promoted"')).replace("INFINITY", "1") + '<rsc_location id="b" '
     'node="srv3" score="INFINITY"><resource_set id-ref="s"/></rsc_location>', "srv3"),
    # another role, or none: it moves the instance, not the primary
    (draws('rsc="x-clone"'), ""),
    (draws('rsc="x-clone" role="Started"'), ""),
    (draws('rsc="x-clone" role="Unpromoted"'), ""),
    (draws('rsc="x-clone" role="Slave"'), ""),
    (rule(SRV2, words='score="INFINITY"'), ""),
    (rule(SRV2, words='score="INFINITY" role="Unpromoted"'), ""),
    # another resource
    (draws('rsc="fence-srv1"'), ""),
    (draws('rsc="other" role="Promoted"'), ""),
    (draws('rsc="x-clone-ip" role="Promoted"'), ""),
    (draws('rsc-pattern="^other" role="Promoted"'), ""),
    (draws('rsc-pattern="!^x-clone" role="Promoted"'), ""),
    (rule(SRV2, location='rsc="other"'), ""),
    (drawn_sets(("other", 'role="Promoted"'), ("x-clone", "")), ""),
    # a preference, a ban, and what does not hold
    (draws('rsc="x-clone" role="Promoted"', score="100"), ""),
    (draws('rsc="x-clone" role="Promoted"', score="-INFINITY"), ""),
    (rule(SRV2, words='score="-INFINITY" role="Promoted"'), ""),
    (rule(SRV2, words='score="1000" role="Promoted"'), ""),
    (rule(SRV2, until("2026-11-26 00:43:59Z")), ""),
    (rule(SRV2, '<date_expression id="d" operation="in_range" start="2026-11-20T00:00:00Z" '
                'end="2026-11-21T00:00:00Z"/>'), ""),
    (rule(SRV2, expression("site", "paris")), ""),
    (rule(expression("site", "rome")), ""),
])
def test_a_request_draws_the_promoted_role_of_this_resource_with_infinity(constraint, expected):
    nodes = (node(1, ("site", "rome" * 2)), node(2, ("weight", "1"), ("wish", "INFINITY")),
             node(3, ("site", "Paris"), ("weight", "10")))
    text = (f"<cib><configuration><nodes>{''.join(nodes)}</nodes>{RESOURCES}"
            f"<constraints>{constraint}</constraints>{TAGS}</configuration></cib>")
    assert cib.parse(text, NAMES, resource="x", now=NOW).wished == set(expected.split())


def test_a_request_is_seen_without_the_nodes_and_without_a_clock():
    text = (f"<cib><configuration>{RESOURCES}<constraints>{rule(SRV2, until('2026-11-20T00:00Z'))}"
            "</constraints></configuration></cib>")
    assert cib.parse(text, NAMES, resource="x").wished == {"srv2"}


@given(st.datetimes(min_value=datetime.datetime(1970, 3, 1)), st.integers(-14 * 60, 14 * 60))
def test_a_date_is_read_as_python_reads_it(when, minutes):
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    when = when.replace(microsecond=0, tzinfo=zone)
    assert rules.moment(when.isoformat()) == when.timestamp()


def test_a_score_below_minus_infinity_stays_what_it_is():
    assert cib.score("-1000007") == -1000007
    assert cib.score("1000007") == 1000000


COUNTS = ("failed_because-pgsqld", "fail-count-pgsqld#asyncmon_0", "fail-count-pgsqld")


@pytest.mark.parametrize("count, stays", [
    (("fail-count-pgsqld#asyncmon_0", "1"), True),     # 1.1.17 and later
    (("fail-count-pgsqld", "1"), True),                # up to 1.1.16
    (("fail-count-pgsqld", "INFINITY"), True), (("fail-count-pgsqld", "0"), False),
    (("fail-count-other", "1"), False), (("fail-count-pgsqld#monitor_5000", "1"), False)])
def test_a_reason_stays_as_long_as_the_failure_counts(count, stays):
    states = node_state(1, pairs=[("failed_because-pgsqld", "crashed"), count])
    view = cib.parse(CIB.format(nodes="", states=states), NO_NAMES._replace(
        score="m", failure=COUNTS[0], counts=COUNTS[1:]))
    assert view.cleaned_up == ([] if stays else ["srv1"])


@pytest.mark.parametrize("quorum, policy, powerless", [
    ("1", "stop", False), ("0", "stop", True), ("0", "freeze", True), ("0", "ignore", False),
    ("0", "Ignore", False), ("0", None, True), (None, "stop", False)])
def test_a_partition_without_quorum_decides_nothing_unless_that_is_ignored(
        quorum, policy, powerless):
    have = f' have-quorum="{quorum}"' if quorum else ""
    option = f'<nvpair id="p" name="no-quorum-policy" value="{policy}"/>' if policy else ""
    xml = f"<?xml version='1.0'?><cib epoch='1'{have}><configuration>{option}</configuration></cib>"
    assert cib.is_powerless(xml) is powerless


@pytest.mark.parametrize("first, second", [
    ("no-quorum-policy", "no-quorum-policy"), ("no-quorum-policy", "no_quorum_policy")])
def test_where_one_of_two_policies_ignores_lost_quorum_it_is_not_sure_that_it_holds(first, second):
    """The other set, or the name of today, wins: what is written there could replace the CIB."""
    xml = ('<cib have-quorum="0"><configuration><nvpair id="p" name="{0}" value="stop"/>'
           '<nvpair id="q" name="{1}" value="ignore"/></configuration></cib>')
    assert cib.is_powerless(xml.format(first, second)) is True


def test_a_node_without_a_name_is_no_stranger():
    """Its slot would be dropped, and with it the WAL that it needs."""
    xml = '<cib><configuration><nodes><node id="1" uname="srv1"/>{0}</nodes></configuration></cib>'
    assert members.nodes(xml.format('<node id="2" uname="srv2"/>')) == ["srv1", "srv2"]
    with pytest.raises(OcfError, match="a node has no name"):
        members.nodes(xml.format('<node id="2"/>'))
