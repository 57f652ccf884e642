"""What is read of the CIB: members by words and by times, scores with infinities, reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paf.cluster import cib
from paf.ocf import OcfError

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
    return cib.parse(CIB.format(nodes=nodes, states=states), "master-pgsqld", "reason-pgsqld")


@pytest.mark.parametrize("in_ccm, crmd, online", [
    ("true", "online", True), ("false", "offline", False), ("true", "offline", False),
    ("false", "online", False), ("1699999999", "1699999999", True), ("0", "0", False),
    ("1699999999", "0", False), ("0", "1699999999", False)])
def test_members_are_known_by_words_and_by_times(in_ccm, crmd, online):
    view = parse(states=node_state(1, in_ccm=in_ccm, crmd=crmd))
    assert view.online == (["srv1"] if online else [])


def test_a_remote_node_is_a_member():
    assert parse(states=node_state(9, remote_node="true", uname="far")).online == ["far"]


def test_a_state_without_membership_is_away():
    assert parse(states=node_state(1)).online == []


def test_a_state_without_name_is_known_by_its_id():
    view = parse(node(1), node_state(1, uname=None, in_ccm="true", crmd="online"))
    assert view.online == ["srv1"]


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


def test_a_score_that_is_no_number_is_left_out():
    assert parse(node(1, ("master-pgsqld", "many"))).scores == {}


@pytest.mark.parametrize("key, operation, code, running", [
    ("pgsqld_last_0", "start", 0, ["srv1"]), ("pgsqld_last_0", "promote", 0, ["srv1"]),
    ("pgsqld_last_0", "stop", 0, []), ("pgsqld_last_0", "monitor", 8, ["srv1"]),
    ("pgsqld_last_0", "monitor", 7, []), ("pgsqld_monitor_15000", "monitor", 0, []),
    ("pgsqld2_last_0", "start", 0, [])])
def test_an_instance_that_was_started_last_runs(key, operation, code, running):
    state = node_state(1).replace("</node_state>", (
        f'<lrm><lrm_resources><lrm_rsc_op id="{key}" operation="{operation}" rc-code="{code}"/>'
        "</lrm_resources></lrm></node_state>"))
    xml = CIB.format(nodes="", states=state)
    assert cib.parse(xml, "master-pgsqld", resource="pgsqld").running == running


def test_names_are_unescaped():
    view = parse(node(1, ("master-pgsqld", "1"), name="a&amp;b"))
    assert view.scores == {"a&b": 1}


@pytest.mark.parametrize("text", ["", "not XML", "<cib>", "<cib></configuration>"])
def test_what_is_no_cib_is_an_ocf_error(text):
    with pytest.raises(OcfError):
        cib.parse(text, "master-pgsqld")


@given(st.text(max_size=50))
def test_no_text_breaks_the_reader(text):
    try:
        cib.parse("<cib>" + text + "</cib>", "master-pgsqld")
    except OcfError:
        pass


def test_a_recorded_cib_is_understood(data):
    view = cib.parse((data / "cib" / "2.1.5.xml").read_text(), "master-pgsqld", "reason-pgsqld")
    assert view.scores == {"srv1": 1001, "srv2": 1000, "srv3": -1000000}
    assert view.online == []


@pytest.mark.parametrize("constraint, expected", [
    ('<rsc_location id="cli-prefer-x" rsc="x" role="Promoted" node="srv2" score="INFINITY"/>',
     {"srv2"}),
    ('<rsc_location id="cli-prefer-x" rsc="x"><rule score="INFINITY" role="Promoted">'
     '<expression attribute="#uname" operation="eq" value="srv2"/></rule></rsc_location>',
     {"srv2"}),
    ('<rsc_location id="a" rsc="x" node="srv2" score="100"/>', set()),
    ('<rsc_location id="a" rsc="x" node="srv2" score="-INFINITY"/>', set()),
    ('<rsc_location id="a" rsc="x"><rule score="-INFINITY">'
     '<expression attribute="#uname" operation="eq" value="srv2"/></rule></rsc_location>', set()),
    ('<rsc_location id="a" rsc="x"><rule score="INFINITY">'
     '<expression attribute="#uname" operation="ne" value="srv2"/></rule></rsc_location>', set()),
])
def test_a_request_is_a_constraint_that_draws_with_infinity(constraint, expected):
    text = f"<cib><configuration><constraints>{constraint}</constraints></configuration></cib>"
    assert cib.parse(text, "master-pgsqld").wished == expected


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
    view = cib.parse(CIB.format(nodes="", states=states), "m", failure_names=COUNTS)
    assert view.mended == ([] if stays else ["srv1"])
