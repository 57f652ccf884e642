"""paf status where one of two nodes is left, and where a removed one is still waited for."""

import pytest

from paf.cli.status import failover, fencing, simulate, votequorum
from paf.cli.status.succession import Election
from tests.unit.test_cli_advice import DISABLED
from tests.unit.test_cli_questions import asked, codes, texts  # noqa: F401

HALF = votequorum.Votes(2, 1, 1, {"3": 1}, {"2Node", "Quorate", "WaitForAll"}, "")
ALONE = {"outcome": simulate.Outcome(None, True, ""),
         "fencing": fencing.Fencing(True, [], False, ""), "votes": HALF}


def leave(texts, *names):  # noqa: F811
    """Have nodes leave the cluster."""
    for name in names:
        line = next(line for line in texts["mon"].splitlines()
                    if f'<node name="{name}" id=' in line)
        texts["mon"] = texts["mon"].replace(line, line.replace('online="true"', 'online="false"'))


def test_one_that_is_alone_is_to_have_the_others_back_and_nothing_else(texts):  # noqa: F811
    """Its fencing device may not run where it fences: no cleanup starts it there."""
    leave(texts, "srv1", "srv2")
    found = asked(texts, **ALONE)
    assert found["failover"]["answer"] is False
    assert "srv3 is alone" in found["failover"]["text"]
    assert codes(found) == ["no-successor", "offline", "offline"]


def test_beside_another_node_all_is_said(texts):  # noqa: F811
    leave(texts, "srv1")
    assert {"no-fencing-device", "votes", "no-successor"} <= set(codes(asked(
        texts, **{**ALONE, "votes": votequorum.Votes(3, 2, 2, {"2": 1, "3": 1}, set(), "")})))


@pytest.mark.parametrize("old, new", [
    (DISABLED[0], DISABLED[1]), ('pcmk_host_list" value="srv3', 'pcmk_host_list" value="srv1')])
def test_alone_too_a_device_has_to_be_there_and_enabled(texts, old, new):  # noqa: F811
    leave(texts, "srv1", "srv2")
    assert old in texts["cib"]
    texts["cib"] = texts["cib"].replace(old, new, 1)
    assert "no-fencing-device" in codes(asked(texts, **ALONE))


@pytest.mark.parametrize("text, words", [
    ("ANY 1 (srv1, srv2, srv3, srv4)", "srv4"), ("ANY 1 (SRV1, srv2)", ""), ("*", ""),
    ("ANY 1 (", ""), ("", "")])
def test_a_refusal_names_who_is_waited_for_and_is_no_node(texts, monkeypatch, text, words):  # noqa: F811
    monkeypatch.setattr(failover, "elected", lambda *_: Election(
        None, [], [], "srv4 may hold commits that were acknowledged, and is away", ""))
    item, = [item for item in asked(texts, commits=(text, 0, 0.0))["todo"]
             if item["code"] == "refused"]
    assert ("synchronous_standby_names has srv4, which is no node" in item["why"]) == bool(words)


@pytest.mark.parametrize("votes, waits", [
    (HALF._replace(flags={"2Node", "WaitForAll"}), True),
    (votequorum.Votes(3, 1, 2, {"3": 1}, {"WaitForAll"}, ""), False),
    (HALF._replace(flags={"2Node"}), False),
    (votequorum.Votes(0, 0, 0, {}, set(), "no answer"), False), (None, False)])
def test_without_quorum_it_is_said_who_is_waited_for(texts, votes, waits):  # noqa: F811
    leave(texts, "srv1", "srv2")
    assert 'with_quorum="true"' in texts["mon"]
    texts["mon"] = texts["mon"].replace('with_quorum="true"', 'with_quorum="false"')
    item, = [item for item in asked(texts, **{**ALONE, "votes": votes})["todo"]
             if item["code"] == "no-quorum"]
    assert ("srv1, srv2" in item["why"] and "wait_for_all" in item["why"]) == waits
    assert item["pcs"] == []


@pytest.mark.parametrize("policy, words", [
    ("freeze", "runs on, and what it takes is lost"), ("Ignore", "so may that of the others"),
    ("demote", "demotes its primary"), ("suicide", "fences the nodes"), ("stop", "stops"),
    ("", "stops")])
def test_what_becomes_of_a_partition_without_quorum_is_its_policys(
        texts, policy, words):  # noqa: F811
    leave(texts, "srv1", "srv2")
    texts["mon"] = texts["mon"].replace('with_quorum="true"', 'with_quorum="false"')
    if policy:
        texts["cib"] = texts["cib"].replace("</cluster_property_set>", (
            f'<nvpair id="nqp" name="no-quorum-policy" value="{policy}"/></cluster_property_set>'))
    item, = [item for item in asked(texts, **{**ALONE, "votes": None})["todo"]
             if item["code"] == "no-quorum"]
    assert words in item["why"]


@pytest.mark.parametrize("off, words", [(False, "no node is away"), (True, "bring back the nodes")])
def test_votes_that_are_missing_though_no_node_is_away(texts, off, words):  # noqa: F811
    if off:
        leave(texts, "srv2")
    votes = votequorum.Votes(2, 2, 2, {"1": 1, "3": 1}, {"Quorate"}, "")
    item, = [item for item in asked(texts, votes=votes)["todo"] if item["code"] == "votes"]
    assert words in item["why"]


QDEVICE = """Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      {0}
Quorum:           2
Flags:            Quorate Qdevice

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1   {1},NMW srv1
         3          1   {1},NMW srv3 (local)
         0          {2}            Qdevice{3}
"""


@pytest.mark.parametrize("text, is_said", [
    (QDEVICE.format(2, "A,NV", 0, " (votes 1)"), True),
    (QDEVICE.format(3, "A,V", 1, ""), None),
    (QDEVICE.format(2, "A,NV", 0, " (votes 1)").replace(" Qdevice\n", "\n", 1), False)])
def test_a_quorum_device_that_does_not_vote_is_named(texts, text, is_said):  # noqa: F811
    """No node is away: there is none to bring back."""
    found = [item for item in asked(texts, votes=votequorum.votes(text))["todo"]
             if item["code"] == "votes"]
    assert bool(found) == (is_said is not None)
    assert not found or ("quorum device" in found[0]["why"]) == is_said
