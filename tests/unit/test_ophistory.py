"""Which nodes run the resource promoted, from recorded and made histories."""

from xml.parsers import expat

import pytest

from paf import ocf
from paf.cluster import ophistory


#: Recorded from Pacemaker 1.1.13, without keys and times.
RECORDED = """<cib><status>
<node_state id="1" uname="srv1" in_ccm="true" crmd="online" join="member" expected="member"><lrm>
<lrm_resource id="pgsqld-ip" type="IPaddr2" class="ocf" provider="heartbeat">
<lrm_rsc_op id="pgsqld-ip_last_0" operation="start" call-id="30" rc-code="0" op-status="0"/>
</lrm_resource><lrm_resource id="pgsqld" type="pgsqlms" class="ocf" provider="heartbeat">
<lrm_rsc_op id="pgsqld_last_failure_0" operation="asyncmon" call-id="41" rc-code="1"/>
<lrm_rsc_op id="pgsqld_last_0" operation="promote" call-id="54" rc-code="0" op-status="0"/>
<lrm_rsc_op id="pgsqld_monitor_5000" operation="monitor" call-id="56" rc-code="8" op-status="0"/>
</lrm_resource></lrm></node_state>
<node_state id="2" uname="srv2" in_ccm="true" crmd="online" join="member" expected="member"><lrm>
<lrm_resource id="pgsqld" type="pgsqlms" class="ocf" provider="heartbeat">
<lrm_rsc_op id="pgsqld_last_0" operation="start" call-id="38" rc-code="0" op-status="0"/>
<lrm_rsc_op id="pgsqld_monitor_6000" operation="monitor" call-id="40" rc-code="0" op-status="0"/>
<lrm_rsc_op id="pgsqld_last_failure_0" operation="asyncmon" call-id="35" rc-code="1"/>
</lrm_resource></lrm></node_state></status></cib>"""


def test_the_end_of_the_recorded_promotion_is_there():
    assert ophistory.promotion(RECORDED, "pgsqld", "srv1") is True
    assert ophistory.promotion(RECORDED, "pgsqld", "srv2") is None
    assert ophistory.promotion(RECORDED, "pgsqld", "srv3") is None


def test_the_recorded_cib_has_its_primary():
    assert ophistory.promoted(RECORDED, "pgsqld") == ["srv1"]


@pytest.mark.parametrize("words", ['crmd="offline"', 'crmd="online" join="down"'])
def test_a_primary_whose_controller_has_failed_may_still_run(words):
    assert ophistory.promoted(RECORDED.replace('crmd="online" join="member"', words),
                              "pgsqld") == ["srv1"]


def cib(*operations, online="true", resource="pgsqld"):
    inner = "".join(f'<lrm_rsc_op operation="{name}" call-id="{number}" rc-code="{code}"/>'
                    for number, name, code in operations)
    return (f'<cib><status><node_state uname="srv1" in_ccm="{online}" crmd="online"><lrm>'
            f'<lrm_resource id="{resource}">{inner}</lrm_resource></lrm></node_state>'
            '</status></cib>')


@pytest.mark.parametrize("operations, expected", [
    ([(5, "promote", "0")], True), ([(5, "promote", "1")], False), ([], False),
    ([(5, "promote", "0"), (6, "monitor", "8")], True),
    ([(6, "monitor", "8"), (7, "demote", "0")], False),
    ([(7, "demote", "0"), (6, "monitor", "8")], False),
    ([(5, "promote", "0"), (9, "stop", "0")], False),
    ([(5, "start", "0"), (9, "monitor", "0")], False), ([(9, "monitor", "8")], True),
    ([(5, "start", "0"), (9, "monitor", "190")], False), ([(9, "monitor", "191")], True),
    ([(5, "promote", "0"), (9, "notify", "0")], True),
    ([(5, "promote", "0"), (9, "demote", "1")], True)])
def test_the_last_operation_that_says_so_counts(operations, expected):
    assert ophistory.promoted(cib(*operations), "pgsqld") == ["srv1"] * expected


@pytest.mark.parametrize("operations, expected", [
    ([(5, "start", "0")], True), ([(5, "start", "1")], False), ([(5, "start", "-1")], False),
    ([(5, "promote", "0"), (7, "demote", "0"), (9, "monitor", "0")], True),
    ([(7, "demote", "0"), (9, "stop", "0")], False),
    ([(7, "demote", "0"), (9, "stop", "1")], False),
    ([(5, "promote", "0")], False), ([(5, "start", "0"), (9, "promote", "1")], False),
    ([(5, "start", "0"), (9, "monitor", "7")], False), ([(5, "start", "0"), (9, "monitor", "1")],
                                                        False), ([], False)])
def test_a_standby_is_one_that_has_surely_been_left_as_one(operations, expected):
    assert ophistory.standbys(cib(*operations), "pgsqld") == ["srv1"] * expected
    assert ophistory.standbys(cib(*operations, online="false"), "pgsqld") == []


def test_nodes_that_are_away_and_other_resources_do_not_count():
    promoted = (5, "promote", "0")
    assert ophistory.promoted(cib(promoted, online="false"), "pgsqld") == []
    assert ophistory.promoted(cib(promoted, resource="other"), "pgsqld") == []
    assert ophistory.promoted(cib(promoted, resource="pgsqld:1"), "pgsqld") == ["srv1"]


def test_a_state_without_a_name_is_that_of_the_node_with_its_number():
    """A primary that nobody sees would let a second one go on."""
    nodes = '<configuration><nodes><node id="1" uname="srv1"/></nodes></configuration><status>'
    nameless = RECORDED.replace('id="1" uname="srv1"', 'id="1"')
    assert ophistory.promoted(nameless.replace("<status>", nodes), "pgsqld") == ["srv1"]
    with pytest.raises(ocf.OcfError, match="on which node"):
        ophistory.promoted(nameless, "pgsqld")
    assert ophistory.promoted(nameless.replace(
        'in_ccm="true"', 'in_ccm="false"', 1), "pgsqld") == []


def test_what_is_no_cib_is_an_error():
    with pytest.raises(ocf.OcfError):
        ophistory.promoted("<cib", "pgsqld")


def test_names_are_read_as_those_of_the_environment_are(monkeypatch):
    """With Python 2's own strings a name with more than ASCII would be another node's."""
    made = []
    monkeypatch.setattr(ophistory.cib, "xml_parser", lambda: made.append(1) or expat.ParserCreate())
    assert ophistory.promoted("<cib/>", "pgsqld") == [] and made


@pytest.mark.parametrize("operations, expected", [
    ([], None), ([(5, "promote", "0")], True), ([(5, "promote", "1")], False),
    ([(5, "promote", "0"), (6, "monitor", "8")], True),
    ([(4, "start", "0"), (4, "monitor", "0")], None),
    ([(5, "promote", "1"), (7, "stop", "0"), (9, "start", "0")], None),
    ([(5, "promote", "1"), (9, "start", "0"), (11, "promote", "0")], True),
    ([(5, "promote", "1"), (9, "start", "0"), (11, "promote", "1")], False),
    ([(2, "promote", "0"), (3, "demote", "0")], None)])
def test_the_end_of_a_promotion_is_that_of_the_last_one(operations, expected):
    """The history still has the failure of the one before."""
    assert ophistory.promotion(cib(*operations), "pgsqld", "srv1") is expected


def test_a_promotion_that_still_runs_has_no_end():
    running = cib((5, "promote", "193")).replace('rc-code="193"', 'rc-code="193" op-status="-1"')
    assert ophistory.promotion(running, "pgsqld", "srv1") is None
