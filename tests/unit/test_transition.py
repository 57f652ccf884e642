"""The notify environment: both vocabularies, old Pacemakers, and the talk's transitions."""

import itertools

import pytest

from paf import ocf, promotion
from paf.decide import transition
from tests.unit.support import environment, notify_variables


def read(**lists):
    return transition.read(environment(**notify_variables(**lists)))


# The talk's transitions, as Pacemaker announces them

RECOVERY_OF_PRIMARY = dict(
    active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3",
    demote="srv1", stop="srv1", start="srv1", promote="srv1")
RECOVERY_OF_STANDBY = dict(
    active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", stop="srv2", start="srv2",
    kind="pre", operation="stop")
SWITCHOVER = dict(
    active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1",
    promote="srv2")
NODE_LOST = dict(
    active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1", stop="srv1",
    promote="srv3")
STANDBY_NODE = dict(
    active="srv1 srv2 srv3", promoted="srv1", unpromoted="srv2 srv3", demote="srv1", stop="srv1",
    promote="srv2")
FIRST_START = dict(
    inactive="pgsqld:0 pgsqld:1 pgsqld:2", start="srv1 srv3 srv2", promote="srv1")
ALREADY_STARTED = dict(active="srv1 srv2", unpromoted="srv1 srv2", promote="srv1")


@pytest.mark.parametrize("lists, nodes", [
    (RECOVERY_OF_PRIMARY, ""), (RECOVERY_OF_STANDBY, ""), (SWITCHOVER, ""), (NODE_LOST, ""),
    (dict(NODE_LOST, start="srv2"), "srv2"), (FIRST_START, "srv1 srv2 srv3"),
    (dict(active="srv1", unpromoted="srv1", start="srv2"), "srv2")])
def test_what_is_started_beside_no_primary(lists, nodes):
    """No primary has compared its history with its own. One that is recovered needs no election."""
    lists = read(**lists)
    assert transition.starts_without_primary(lists) == bool(nodes)
    for node in ("srv1", "srv2", "srv3"):
        assert transition.starts_without_primary(lists, node) == (node in nodes.split())


@pytest.mark.parametrize("lists, name", [
    (RECOVERY_OF_PRIMARY, transition.RECOVERY_OF_PRIMARY),
    (RECOVERY_OF_STANDBY, transition.RECOVERY_OF_STANDBY),
    (SWITCHOVER, transition.SWITCHOVER), (NODE_LOST, transition.FAILOVER),
    (STANDBY_NODE, transition.FAILOVER), (FIRST_START, transition.FIRST_START),
    (ALREADY_STARTED, transition.PROMOTION), (dict(start="srv1"), None), ({}, None)])
@pytest.mark.parametrize("vocabulary", ["old", "new", "both"])
def test_each_transition_of_the_talk_has_its_name(lists, name, vocabulary):
    assert transition.transition(read(vocabulary=vocabulary, **lists)) == name


@pytest.mark.parametrize("lists, voters", [
    (NODE_LOST, ["srv2", "srv3"]), (SWITCHOVER, ["srv1", "srv2", "srv3"]),
    (STANDBY_NODE, ["srv2", "srv3"]), (RECOVERY_OF_PRIMARY, ["srv1", "srv2", "srv3"]),
    (FIRST_START, ["srv1", "srv2", "srv3"]), ({}, [])])
def test_voters_are_all_that_run_once_it_is_promoted(lists, voters):
    assert transition.voters(read(**lists)) == voters


@pytest.mark.parametrize("lists, lasting", [
    (SWITCHOVER, []), (NODE_LOST, []), (STANDBY_NODE, []), (RECOVERY_OF_PRIMARY, []),
    (FIRST_START, []), (RECOVERY_OF_STANDBY, ["srv1"]),
    (dict(promoted="srv1", unpromoted="srv2", promote="srv2"), ["srv1"])])
def test_a_primary_lasts_unless_it_is_demoted_or_stopped(lists, lasting):
    assert transition.lasting_primaries(read(**lists)) == lasting


def test_no_second_primary_is_made():
    """promoted-max raised to 2 while the cluster runs: Pacemaker announces a second promotion."""
    reason = promotion.second_primary(read(promoted="srv1", unpromoted="srv2", promote="srv2"))
    assert "srv1 is the primary" in reason and "promoted-max=1" in reason
    assert promotion.second_primary(read(**SWITCHOVER)) is None


def test_an_instance_that_is_stopped_while_another_starts_does_not_vote():
    found = read(active="srv1 srv2", start="srv3", stop="srv1")
    assert transition.voters(found) == ["srv2", "srv3"]


def test_a_primary_that_is_stopped_is_no_switchover():
    assert not transition.is_switchover(read(**STANDBY_NODE))
    assert transition.is_switchover(read(**SWITCHOVER))


def test_a_failed_primary_that_moves_is_no_recovery():
    assert not transition.is_recovery_of_primary(read(**STANDBY_NODE))


def test_only_the_stopped_and_started_standby_is_recovered():
    found = read(**RECOVERY_OF_STANDBY)
    assert transition.is_recovery_of_standby(found, "srv2")
    assert not transition.is_recovery_of_standby(found, "srv3")
    assert not transition.is_recovery_of_standby(found, "srv1")


def test_the_first_of_the_promote_list_is_the_candidate():
    assert transition.candidate(read(promote="srv2")) == "srv2"
    assert transition.candidate(read()) is None


# A cloned group, as Pacemaker 2.1.5 announces it

def in_group(own, other):
    """Return what is read of the lists of two members of a group (dicts of words), as the first."""
    found = notify_variables(**own)
    for name, value in notify_variables(**other).items():
        if name.endswith(("_resource", "_uname")) and value.strip():
            added = value.replace("pgsqld", "other:0") if name.endswith("_resource") else value
            found[name] = f"{found[name]} {added}".strip()
    return transition.read(ocf.Environment(dict(
        {"OCF_RESKEY_" + name: value for name, value in found.items()},
        OCF_RESOURCE_INSTANCE="pgsqld")))


@pytest.mark.parametrize("lists", [
    RECOVERY_OF_PRIMARY, RECOVERY_OF_STANDBY, SWITCHOVER, NODE_LOST, STANDBY_NODE, FIRST_START,
    ALREADY_STARTED])
def test_other_members_of_its_group_do_not_count(lists):
    """The primary of a switchover was counted twice: nothing was checked of it."""
    found = in_group(lists, lists)
    assert found == read(**lists)
    assert transition.transition(found) == transition.transition(read(**lists))


def test_what_is_lost_does_not_vote_where_another_member_of_its_group_is_stopped_later():
    """Seen with Pacemaker 2.1.5: promote has in its lists what was done until then."""
    found = in_group(NODE_LOST, dict(NODE_LOST, stop=""))
    assert transition.voters(found) == ["srv2", "srv3"]
    assert transition.moved_primary(found) == "srv1"


# Vocabularies

def test_both_vocabularies_give_the_same_value():
    found = {read(vocabulary=words, **SWITCHOVER) for words in ("old", "new", "both")}
    assert len(found) == 1


def test_a_blank_new_list_does_not_hide_the_old_one():
    variables = notify_variables(vocabulary="old", **SWITCHOVER)
    variables.update({"CRM_meta_notify_promoted_resource": " ",
                      "CRM_meta_notify_promoted_uname": " "})
    assert transition.nodes(transition.read(environment(**variables)).promoted) == ["srv1"]


def test_blank_lists_are_empty():
    found = read()
    assert all(getattr(found, name) == () for name in transition.LISTS)


def test_without_any_variable_all_is_empty():
    found = transition.read(environment())
    assert found.kind == "" and found.operation == ""
    assert all(getattr(found, name) == () for name in transition.LISTS)


def test_an_empty_active_list_is_made_of_both_roles():
    """Pacemaker before 1.1.16 leaves it empty for promotable clones."""
    found = read(promoted="srv1", unpromoted="srv2 srv3", vocabulary="old")
    assert sorted(transition.nodes(found.active)) == ["srv1", "srv2", "srv3"]


def test_a_list_without_its_twin_is_empty():
    found = transition.read(environment(CRM_meta_notify_start_resource="pgsqld",
                                        CRM_meta_notify_start_uname=" "))
    assert found.start == ()


def test_the_inactive_have_no_node():
    assert read(inactive="pgsqld:2").inactive == (transition.Member("pgsqld:2", ""),)


def test_kind_and_operation_are_read():
    found = read(kind="post", operation="promote")
    assert (found.kind, found.operation) == ("post", "promote")


# What the log shows

def test_the_picture_has_the_shape_of_the_talk():
    text = transition.picture(read(start="srv1 srv3", promote="srv1", inactive="pgsqld:2"))
    assert "active => [ ],\n" in text
    assert "inactive => [\n  { rsc => 'pgsqld:2' }\n],\n" in text
    assert "promote => [\n  { rsc => 'pgsqld', uname => 'srv1' }\n],\n" in text
    assert ("start => [\n  { rsc => 'pgsqld', uname => 'srv1' },\n"
            "  { rsc => 'pgsqld', uname => 'srv3' }\n],\n") in text
    assert text.endswith("type => 'pre',\noperation => 'promote'")


def test_every_combination_of_small_lists_is_understood():
    choices = ("", "srv1", "srv1 srv2")
    names = ("active", "promoted", "unpromoted", "promote", "demote", "stop", "start")
    for values in itertools.product(choices, repeat=len(names)):
        found = read(**dict(zip(names, values)))
        assert transition.transition(found) is None or isinstance(transition.transition(found), str)
        assert transition.voters(found) == sorted(set(transition.voters(found)))


def test_promote_itself_lacks_stops_that_its_notification_has():
    """Of Pacemaker 2.1.5: srv5 was the primary, srv2 a standby, and both are fenced."""
    lists = dict(active="srv5 srv3 srv4 srv2 srv1", promoted="srv5", demote="srv5", promote="srv4")
    own, announced = read(stop="srv2", **lists), read(stop="srv5 srv2", **lists)
    assert transition.voters(own) == ["srv1", "srv3", "srv4", "srv5"]
    known = transition.voters(announced)
    assert known == ["srv1", "srv3", "srv4"]
    assert transition.voters(transition.with_stops(own, known)) == known
    assert transition.with_stops(announced, known) == announced
    assert transition.with_stops(own, transition.voters(own)) == own
    moved = read(start="srv5", stop="srv2", **lists)
    assert transition.voters(transition.with_stops(moved, known)) == known
