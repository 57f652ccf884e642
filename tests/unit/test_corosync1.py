"""The variant for Pacemaker up to 1.1.12: public attributes, and notes in HA_RSCTMP."""

import os
import types
from collections import namedtuple

import pytest

from paf import cluster, hindrances, ocf, variant
from paf.decide import wal
from paf.decide.knowledge import Known
from paf.ocf import Environment, OcfError
from paf.actions import validate
from paf.cluster import base, ophistory
from paf.cluster.corosync1 import Corosync1
from paf.cluster.corosync2 import Corosync2
from paf.cluster.notes import Notes
from paf.deadline import Deadline
from paf.runner import Result
from tests.unit.support import environment

HERE = Known(wal.Position(3, 5000))
STATE = ('<node_state uname="{0}" in_ccm="true" crmd="online"><nvpair name="lsn_location-default" '
         'value="{1}"/></node_state>')


def test_a_candidate_knows_what_its_own_receiver_has_heard():
    node, context = Node(), types.SimpleNamespace(
        deadline=Deadline(1), parameters=types.SimpleNamespace(maxlag=100))
    context.cluster, where = node, types.SimpleNamespace(position=HERE)
    assert hindrances.lag(context, where) is None
    node.open_round(HERE, False, Deadline(1), HERE.value.lsn + 200)
    assert "lags by 200 bytes" in hindrances.lag(context, where)


class Node(Corosync1):
    """A node whose crm_attribute changes the CIB (`shown`, a dict) after some queries."""

    def __init__(self, late=0):
        super().__init__(environment(CRM_meta_on_node="srv1"))
        self.notes = Notes(Environment({"HA_RSCTMP": os.environ["HA_RSCTMP"]}))
        self.shown, self.calls, self._late, self._coming = {}, [], late, {}

    def run(self, argv, deadline):
        """Play crm_attribute and cibadmin."""
        self.calls.append(argv)
        if argv[0] == "cibadmin":
            self._late -= 1
            if self._late < 0:
                self.shown.update(self._coming)
            states = "".join(STATE.format(node, value) for node, value in self.shown.items())
            return Result(0, f"<cib><status>{states}</status></cib>", "", False)
        node = argv[argv.index("--node") + 1]
        if "--delete" in argv:
            self.shown.pop(node)
        else:
            self._coming[node] = argv[argv.index("--update") + 1]
        return Result(0, "", "", False)


@pytest.fixture
def deadline():
    return Deadline(30)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HA_RSCTMP", str(tmp_path))
    return tmp_path


def test_a_position_is_published_once_it_stands_in_the_cib(deadline):
    node = Node(late=3)
    node.vote("srv2", HERE, deadline)
    assert node.shown == {"srv1": "3#5000"}
    assert node.positions(["srv1"], deadline) == {"srv1": HERE}


def test_a_position_that_does_not_come_into_the_cib_is_no_vote():
    """What counts there is that of an earlier election."""
    with pytest.raises(OcfError, match="its position has not come into the CIB in time"):
        Node(late=10 ** 6).vote("srv2", HERE, Deadline(0.05))


def test_the_same_position_again_changes_nothing(deadline):
    node = Node()
    node.vote("srv2", HERE, deadline)
    before = dict(node.shown)
    node.vote("srv2", HERE, deadline)
    assert node.shown == before


@pytest.mark.parametrize("text", ["", "3", "x#y", "3#-1", "3#0/5000"])
def test_a_value_that_is_no_position_counts_for_none(text, deadline):
    node = Node()
    node.shown = {"srv1": "3#5000", "srv2": text}
    assert node.positions(["srv1", "srv2"], deadline) == {"srv1": HERE}


def test_the_primary_removes_all_positions_and_nothing_where_there_is_none(deadline):
    node = Node()
    node.shown = {"srv1": "3#5000", "srv2": "3#6000"}
    node.tidy(node.view(deadline), deadline)
    assert node.shown == {}
    calls = len(node.calls)
    node.tidy(node.view(deadline), deadline)
    assert len(node.calls) == calls + 1    # the look itself


@pytest.mark.parametrize("mark", [base.MARK_NONE, base.MARK_RECOVERED, base.MARK_COLD])
def test_how_the_instance_came_to_run_is_remembered_until_the_election(mark, deadline):
    node = Node()
    node.enter(mark, deadline)
    assert node.mark() == mark
    assert node.round_state(deadline) == base.ROUND_NONE
    node.open_round(HERE, False, deadline)
    assert node.mark() == mark    # the promotion may be announced again
    node.forget(deadline)
    assert node.mark() == base.MARK_NONE


def test_a_recovery_that_is_announced_again_is_still_one(deadline):
    node = Node()
    node.enter(base.MARK_RECOVERED, deadline)
    for _ in range(3):
        assert node.mark() == base.MARK_RECOVERED
        node.open_round(HERE, True, deadline)
        assert node.round_state(deadline) == base.ROUND_RECOVERED
    node.forget(deadline)
    assert node.mark() == base.MARK_NONE
    assert node.round_state(deadline) == base.ROUND_NONE


def test_a_refusal_lasts_until_the_next_round(deadline):
    node = Node()
    node.open_round(HERE, False, deadline)
    node.close_round(deadline)
    assert node.round_state(deadline) == base.ROUND_REFUSED
    node.open_round(HERE, False, deadline)
    assert node.round_state(deadline) == base.ROUND_OPEN


def test_a_file_with_anything_else_in_it_says_nothing_of_the_start_or_the_round(folder, deadline):
    node = Node()
    node.enter(base.MARK_COLD, deadline)
    path, = folder.glob("*.start")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("open sesame")
    assert node.mark() == base.MARK_COLD
    assert node.round_state(deadline) == base.ROUND_NONE


def test_how_an_instance_was_started_is_not_known_where_nothing_was_noted(
        folder, deadline, monkeypatch):
    """As with a full folder, or one that was cleaned up; it may have been a cold start."""
    node = Node()
    assert node.mark() == base.MARK_COLD
    node.enter(base.MARK_NONE, deadline)
    assert node.mark() == base.MARK_NONE
    for path in folder.iterdir():
        path.unlink()
    assert node.mark() == base.MARK_COLD
    for primaries, mark in (([], base.MARK_COLD), (["srv2"], base.MARK_NONE)):
        monkeypatch.setattr(ophistory, "promoted", lambda *_, found=primaries: found)
        node.follow(deadline)
        assert node.mark() == mark


def test_what_an_earlier_start_has_noted_says_nothing_of_one_that_cannot_note_it(
        folder, deadline, monkeypatch):
    def full(*_):
        raise ocf.OcfError("no space left on device")
    node = Node()
    node.enter(base.MARK_NONE, deadline)
    monkeypatch.setattr(node.notes, "write", full)
    with pytest.raises(ocf.OcfError):
        node.enter(base.MARK_COLD, deadline)
    assert node.mark() == base.MARK_COLD


def test_a_link_in_its_place_is_replaced_and_not_followed(folder, deadline):
    node = Node()
    node.enter(base.MARK_COLD, deadline)
    path, = folder.glob("*.start")
    path.unlink()
    path.symlink_to(folder / "elsewhere")
    node.enter(base.MARK_COLD, deadline)
    assert not path.is_symlink() and not os.path.exists(folder / "elsewhere")


def test_a_missing_folder_is_named(monkeypatch, deadline, tmp_path):
    missing = tmp_path / "missing" / "folder"
    monkeypatch.setenv("HA_RSCTMP", str(missing))
    node = Node()
    for act in (node.check_host, lambda: node.round_state(deadline)):
        with pytest.raises(ocf.NotUsable, match=f"{missing} \\(HA_RSCTMP\\) is missing"):
            act()
    for act in (lambda: node.enter(base.MARK_COLD, deadline),
                lambda: node.open_round(HERE, False, deadline)):
        with pytest.raises(ocf.OcfError, match=f"{missing}/.* \\(HA_RSCTMP\\)"):
            act()


# The variant and the Pacemaker around it

Context = namedtuple("Context", "environment in_cluster cluster log")


class Log(list):
    """Collects warnings."""

    warning = list.append


def context(feature_set):
    return Context(environment(crm_feature_set=feature_set, CRM_meta_notify="true"), True, Node(),
                   Log())


@pytest.mark.parametrize("feature_set, lines", [
    ("3.0.1", 0), ("3.0.9", 0), ("3.0.10", 1), ("3.16.1", 1), ("3.20.5", 1)])
def test_the_build_for_old_pacemakers_works_on_newer_ones_and_says_so(
        feature_set, lines, monkeypatch):
    monkeypatch.setattr(variant, "NAME", "corosync1")
    here = context(feature_set)
    validate._meta(here)
    validate._variant(here)
    assert len(here.log) == lines
    assert all("the corosync2 build of resource-agents-paf" in line for line in here.log)


@pytest.mark.parametrize("build, kind", [("corosync1", Corosync1), ("corosync2", Corosync2)])
def test_each_build_has_its_own_way_to_hold_an_election(build, kind, monkeypatch):
    monkeypatch.setattr(variant, "NAME", build)
    assert type(cluster.connect(environment(CRM_meta_on_node="srv1"))) is kind


def test_the_build_for_old_pacemakers_publishes_no_history_and_checks_no_switchover(deadline):
    """Without rounds nothing would say which history belongs to which election."""
    node = Node()
    assert node.counts_line() is False and node.lines(deadline, ["srv2"]) == {}
    moved = types.SimpleNamespace(cluster=node, notification=None)
    assert hindrances.stranded(moved, None, None) is None


@pytest.mark.parametrize("feature_set, works", [
    ("3.0.9", False), ("3.0.10", True), ("3.1.0", True)])
def test_the_build_for_newer_pacemakers_refuses_older_ones(feature_set, works, monkeypatch):
    monkeypatch.setattr(variant, "NAME", "corosync2")
    here = context(feature_set)
    if works:
        validate._meta(here)
    else:
        with pytest.raises(ocf.NotUsable, match="the corosync1 build of resource-agents-paf"):
            validate._meta(here)
    validate._variant(here)
    assert here.log == []
