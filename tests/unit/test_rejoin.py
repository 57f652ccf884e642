"""The way back of an old primary: no node is banned for what is not known just now."""

from collections import namedtuple
from unittest import mock

import pytest

from paf import ocf, runner
from paf.actions import rejoin
from paf.deadline import Deadline
from paf.decide import state, wal
from paf.decide.knowledge import Known, Unknown
from paf.instance import divergence, rewindrole, upstream, waldump
from tests.unit.model.servers import operations
from tests.unit.support import instance_at, parameters_with
from tests.unit.unread import answer

Context = namedtuple("Context", "instance parameters deadline")
Control = namedtuple("Control", "state")
FORK = wal.Position(1, 0x3000060)
FOUND = divergence.Divergence("diverged: 8 bytes", True, upstream.Upstream(2, [], "7"), FORK,
                              FORK._replace(lsn=FORK.lsn + 8), 16 << 20)


@pytest.mark.parametrize("error, mode, code", [
    (waldump.NoAnswer("reading the WAL took too long"), "safe", ocf.ERR_GENERIC),
    (runner.NotStarted("cannot run pg_waldump"), "safe", ocf.ERR_GENERIC),
    (waldump.NoAnswer("reading the WAL took too long"), "manual", ocf.ERR_INSTALLED),
    (ocf.OcfError("the WAL is damaged at 0/3000060"), "safe", ocf.ERR_INSTALLED)])
def test_a_pg_waldump_that_gave_no_answer_bans_no_node_that_could_be_rewound(
        tmp_path, monkeypatch, error, mode, code):
    def fail(*_):
        raise error
    monkeypatch.setattr(rejoin, "_find", lambda _: FOUND)
    monkeypatch.setattr(rejoin, "_check_line", lambda *_: None)
    monkeypatch.setattr(rejoin.settings, "conninfo", lambda *_: "host=x")
    monkeypatch.setattr(waldump, "content", fail)
    context = Context(instance_at(tmp_path), parameters_with(rejoin=mode), Deadline(30))
    with pytest.raises(ocf.OcfError, match=str(error)) as caught:
        rejoin.check(context)
    assert caught.value.code == code


@pytest.mark.parametrize("found, mode, wanted", [
    (FOUND, "safe", "a rewind needs to compare"), (FOUND, "rewind", "a rewind needs to compare"),
    (FOUND, "manual", None), (None, "safe", None)])
def test_promotions_that_cannot_be_compared_are_no_ground_for_a_rewind(monkeypatch, found, mode,
                                                                       wanted):
    said = []

    def lines(_):
        raise ocf.OcfError("attrd gave no answer")
    context = mock.Mock(parameters=parameters_with(rejoin=mode))
    context.cluster.lines, context.log.warning = lines, said.append
    monkeypatch.setattr(rejoin.transition, "lasting_primaries", lambda _: ["srv2"])
    if wanted:
        with pytest.raises(ocf.OcfError, match=wanted) as caught:
            rejoin._check_line(context, found)
        assert caught.value.code == ocf.ERR_GENERIC
    else:
        rejoin._check_line(context, found)
        assert len(said) == 1 and "attrd gave no answer" in said[0]


@pytest.mark.parametrize("status, out, complaint, code", [
    (0, "f\n", "", ocf.ERR_INSTALLED),
    (2, "", 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "r"', ocf.ERR_INSTALLED),
    (2, "", "FATAL:  sorry, too many clients already", ocf.ERR_GENERIC),
    (2, "", "could not connect to server: Connection refused", ocf.ERR_GENERIC),
    (-9, "", "", ocf.ERR_GENERIC)])
def test_a_primary_that_does_not_answer_bans_no_node_that_could_be_rewound(
        tmp_path, monkeypatch, status, out, complaint, code):
    (tmp_path / "PG_VERSION").write_text("15\n")
    monkeypatch.setattr(rewindrole.psql, "there", lambda *_: runner.Result(
        status, out, complaint, status < 0))
    with pytest.raises(ocf.OcfError, match="a rewind needs") as caught:
        rewindrole.check(instance_at(tmp_path), "host=x", Deadline(5))
    assert caught.value.code == code


PRIMARY, OTHER = {"srv2": True}, {"srv2": True, "srv3": True}


@pytest.mark.parametrize("promoted, said, found", [
    (PRIMARY, "own 1:0:initdb 3:20:b", 3), (PRIMARY, "not 1:0:initdb 3:20:b", None),
    (PRIMARY, "", None), (PRIMARY, "unknown", None), (OTHER, "own 1:0:initdb 3:20:b", None),
    ({}, "own 1:0:initdb 3:20:b", None), ({"srv1": True}, "own 1:0:initdb 3:20:b", None)])
def test_the_acting_primarys_timeline_is_what_that_one_says_itself(promoted, said, found):
    context = mock.Mock(node="srv1")
    context.cluster.resource = "pgsqld"
    context.cluster.cib.return_value = operations(promoted, "pgsqld")
    context.cluster.lines.return_value = {"srv2": said} if said else {}
    assert rejoin.acting_timeline(context) == found
    context.in_cluster = False
    assert rejoin.acting_timeline(context) is None


@pytest.mark.parametrize("answered, said, fits", [
    (upstream.Upstream(2, [], "7"), "own 0:0:7 1:0:initdb 2:20:b", True),
    (upstream.Upstream(3, [], "7"), "own 0:0:7 1:0:initdb 2:20:b", False),    # promoted by hand
    (upstream.Upstream(2, [], "8"), "own 0:0:7 1:0:initdb 2:20:b", False),    # another cluster
    (upstream.Upstream(2, [], "8"), "own 1:0:initdb 2:20:b", True), (FOUND.upstream, "", True)])
def test_who_is_not_pacemakers_primary_shows_no_divergence(monkeypatch, answered, said, fits):
    """A standby was banned, or rewound to a server that is none of the cluster's."""
    found = Known(FOUND._replace(upstream=answered))
    monkeypatch.setattr(rejoin.divergence, "fact", lambda *_: found)
    context = mock.Mock(node="srv1", instance=None)
    context.cluster.resource = "pgsqld"
    context.cluster.cib.return_value = operations(PRIMARY, "pgsqld")
    context.cluster.lines.return_value = {"srv2": said} if said else {}
    seen = rejoin.find(context, Deadline(5))
    assert (seen == found) is fits
    assert fits or "is another server than Pacemaker's primary" in seen.reason


@pytest.mark.parametrize("control, setting, doubt", [
    (Known(Control(state.SHUT_DOWN)), "ANY 1 (srv2)", False),    # it has noted which waited
    (Known(Control(state.IN_PRODUCTION)), "", False), (Unknown("it was killed"), "", False),
    (Known(Control(state.IN_PRODUCTION)), "ANY 1 (srv2)", True),
    (Unknown("pg_controldata was killed"), "ANY 1 (srv2)", True),
    (Known(Control(state.IN_PRODUCTION)), ocf.OcfError("postgres -C took too long"), True)])
def test_commits_of_a_server_that_died_may_have_waited_unless_none_ever_does(
        monkeypatch, control, setting, doubt):
    answer(monkeypatch, rejoin.controldata, "read", control)
    answer(monkeypatch, rejoin.settings, "read", setting)
    assert bool(rejoin._doubt(None, Deadline(5))) == doubt
