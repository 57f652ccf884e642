"""Actions where Pacemaker or a file gives no answer: what they still do, and what they refuse."""

import types

import pytest

from paf import lastgood, lastwords, ocf, promotion, refused, remarks
from paf.actions import promote, rejoin, start, stop, validate
from paf.cluster import base, notes
from paf.deadline import Deadline
from paf.decide import election, scores, state, transition
from paf.decide.knowledge import Known, Unknown
from paf.decide.wal import Position
from paf.instance import controldata, journal, postmaster, rewindrole, server, settings
from tests.unit.support import environment, notify_variables, parameters_with

SILENCE = ocf.OcfError("cibadmin failed: no answer in time")


class Cluster:
    """A cluster that refuses what `silent` names; `done` has what was asked of it."""

    def __init__(self, folder, silent=(), note=base.MARK_NONE, **view):
        self.silent, self.done, self._mark = silent, [], note
        self.notes = notes.Notes(ocf.Environment({"HA_RSCTMP": str(folder),
                                                  "OCF_RESOURCE_INSTANCE": "pgsqld"}))
        self._view = types.SimpleNamespace(**{
            "scores": {}, "online": [], "accepted": set(), "rules": {}, "last_words": {}, **view})

    def mark(self):
        return self._mark

    def view(self, deadline):
        return self._view if "view" not in self.silent else self._refuse()

    def _refuse(self):
        raise SILENCE

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def act(*words):
            if name in self.silent:
                self._refuse()
            self.done.append((name, *words[:-1]))
        return act


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes the context of srv2, whose programs are not asked."""
    monkeypatch.setattr(refused, "check_programs", lambda _: None)

    def context(silent=(), lists=None, in_cluster=True, note=base.MARK_NONE, rejoin="manual",
                **view):
        said = []
        cluster = Cluster(tmp_path, silent, note, **view)
        return types.SimpleNamespace(
            node="srv2", cluster=cluster, deadline=Deadline(30), in_cluster=in_cluster, said=said,
            instance=None, parameters=parameters_with(rejoin=rejoin),
            environment=ocf.Environment({"HA_RSCTMP": str(tmp_path),
                                         "OCF_RESOURCE_INSTANCE": "pgsqld"}),
            notification=transition.read(environment(**notify_variables(**(lists or {})))),
            log=types.SimpleNamespace(info=said.append, warning=said.append))
    return context


def block(tmp_path, name):
    """Put a folder where a note of the agent has to be: it can neither be read nor replaced."""
    (tmp_path / f"pgsqlms-pgsqld.{name}").mkdir()


# promote

def test_a_second_primary_is_refused_also_when_the_votes_are_counted(make):
    context = make(lists=dict(active="srv1 srv2", promoted="srv1", unpromoted="srv2",
                              promote="srv2"))
    with pytest.raises(ocf.OcfError, match="not promoted: .*srv1"):
        promote.check_election(context)


def test_without_scores_the_promotion_itself_goes_on(make):
    context = make(["view"])
    assert promote._look(context) is None
    assert "the scores could not be looked at: cibadmin failed" in context.said[0]
    assert promote._look(make(in_cluster=False)) is None


def test_a_score_of_an_old_primary_that_stays_is_said(make):
    context = make(["set_score"], online=["srv1"], scores={"srv1": scores.PRIMARY})
    promote._settle_scores(context, context.cluster.view(None))
    assert "the scores of old primaries could not be lowered" in context.said[0]


def test_after_a_failed_promotion_the_score_falls_or_the_log_says_that_it_did_not(make):
    context = make()
    promote._step_back(context)
    assert context.cluster.done == [("set_score", "srv2", election.LOSER_SCORE)]
    context = make(["set_score"])
    promote._step_back(context)
    assert "the promotion score could not be lowered" in context.said[0]
    context = make(in_cluster=False)
    promote._step_back(context)
    assert context.cluster.done == context.said == []


def test_a_node_that_came_after_the_notification_has_the_election_held_again(make, monkeypatch):
    monkeypatch.setattr("paf.instance.position.place", lambda *_: None)
    monkeypatch.setattr(promotion, "await_the_absent", lambda *_: True)
    with pytest.raises(ocf.OcfError, match="a node that was waited for has come"):
        promote._await_the_absent(make(note=base.MARK_COLD))
    promote._await_the_absent(make(note=base.MARK_NONE))


def test_who_streamed_is_nobody_where_the_scores_are_not_known(make):
    context = make(["view"])
    assert promotion._streamed(context, None) == []
    assert "the promotion scores are not known" in context.said[0]
    assert promotion._streamed(make(scores={"srv1": 1001, "srv3": 1000, "srv4": -1000}),
                               None) == ["srv3"]


# start and stop

def test_nothing_is_completed_under_a_server_that_runs(make, monkeypatch):
    down = types.SimpleNamespace(verdict=types.SimpleNamespace(state=state.STOPPED_STANDBY))
    monkeypatch.setattr(start.observe, "settle", lambda *_: down)
    monkeypatch.setattr(journal, "exists", lambda _: True)
    monkeypatch.setattr(postmaster, "orphans", lambda _: [4711])
    monkeypatch.setattr(rejoin, "finish", lambda _: pytest.fail("completed"))
    with pytest.raises(ocf.OcfError, match="that a rewind or rebuild has not completed: stop it"):
        start.run(make())


def test_a_server_that_came_up_as_a_primary_is_stopped_at_once(make, monkeypatch):
    """As a second one, beside another: the setting that made it one was changed after the check."""
    done = []
    primary = types.SimpleNamespace(verdict=types.SimpleNamespace(state=state.PRIMARY, why="it is"))
    monkeypatch.setattr(settings, "check_data_directory", lambda *_: None)
    monkeypatch.setattr(start.standby_mode, "enable", lambda _: None)
    monkeypatch.setattr(start.tablespaces, "check", lambda _: None)
    monkeypatch.setattr(journal, "exists", lambda _: False)
    monkeypatch.setattr(server, "start", lambda *_: done.append("start"))
    monkeypatch.setattr(server, "stop", lambda *_: done.append("stop"))
    monkeypatch.setattr(start.observe, "settle", lambda *_: primary)
    with pytest.raises(ocf.OcfError, match="started, but the instance is not a standby"):
        start.as_standby(make())
    assert done == ["start", "stop"]


def test_a_rebuild_that_began_after_the_first_look_stops_the_start(make, monkeypatch):
    monkeypatch.setattr(journal, "exists", lambda _: True)
    with pytest.raises(ocf.OcfError, match="was started in the meantime"):
        start._check_still_whole(make())


def test_the_monitor_does_what_the_start_had_no_time_for(make, monkeypatch):
    context, scored = make(), []
    monkeypatch.setattr(start, "_enter_without_primary", lambda *words: scored.append(words[1]))
    context.cluster.notes.write(notes.PENDING, f"{base.MARK_COLD}\n{state.STOPPED_PRIMARY}")
    start.finish(context)
    assert context.cluster.done == [("enter", base.MARK_COLD)]
    assert scored == [state.STOPPED_PRIMARY]
    assert context.cluster.notes.read(notes.PENDING) == ""


def test_a_note_of_the_start_that_is_damaged_is_removed(make):
    context = make()
    context.cluster.notes.write(notes.PENDING, "half")
    start.finish(context)
    assert context.cluster.done == [] and context.cluster.notes.read(notes.PENDING) == ""


def test_a_stop_ends_where_its_note_cannot_be_read(make, tmp_path):
    """The instance then has no last words, and counts as one that crashed: the safe side."""
    block(tmp_path, notes.UNSAID)
    assert stop._is_unsaid(make()) is False


# validate

def test_slots_need_a_server_that_can_limit_them(make, monkeypatch):
    monkeypatch.setattr(validate.local, "version", lambda _: 120000)
    with pytest.raises(ocf.BadParameter, match="slots=true: it needs PostgreSQL 13"):
        validate._slots(make())
    monkeypatch.setattr(validate.local, "version", lambda _: 150000)
    monkeypatch.setattr(settings, "read", lambda *_: "-1")
    with pytest.raises(ocf.BadParameter, match="a slot could fill the disk"):
        validate._slots(make())


def test_a_role_that_cannot_rewind_is_said_before_it_is_needed(make, monkeypatch):
    monkeypatch.setattr(settings, "conninfo", lambda *_: "host=10.0.0.1")
    monkeypatch.setattr(rewindrole, "_rights", lambda *_: (
        "replicator may not run pg_rewind", True, ""))
    with pytest.raises(ocf.BadParameter, match="rejoin=rewind: replicator may not run pg_rewind"):
        validate._rewind_role(make())
    monkeypatch.setattr(rewindrole, "_rights", lambda *_: (None, False, ""))    # no answer
    validate._rewind_role(make())


# rejoin

def test_a_control_file_that_is_not_known_is_no_ground_for_a_rewind(make, monkeypatch):
    found = types.SimpleNamespace(common=True, what="diverged: 8 bytes exist only here")
    monkeypatch.setattr(rejoin, "_lost", lambda *_: ("no commits", True))
    monkeypatch.setattr(controldata, "read", lambda *_: Unknown("pg_controldata was killed"))
    with pytest.raises(ocf.OcfError, match="cannot rewind: pg_controldata was killed"):
        rewind_checked(make(rejoin="rewind"), found)


def test_a_copy_that_never_ran_is_not_rewound(make, monkeypatch):
    found = types.SimpleNamespace(common=True, what="diverged: 8 bytes exist only here")
    monkeypatch.setattr(rejoin, "_lost", lambda *_: ("no commits", True))
    monkeypatch.setattr(controldata, "read", lambda *_: Known(None))
    monkeypatch.setattr(rejoin.rewind, "problem_now", lambda *_: None)
    monkeypatch.setattr(rejoin.rewind, "is_fresh_copy", lambda _: True)
    with pytest.raises(ocf.NotUsable, match="a rewind needs an instance that has run"):
        rewind_checked(make(rejoin="rewind"), found)


def rewind_checked(context, found):
    """Run the checks of a rewind for a Divergence that was found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rejoin, "_find", lambda _: found)
        patch.setattr(rejoin, "_check_line", lambda *_: None)
        patch.setattr(rejoin, "_rewind", lambda *_: pytest.fail("rewound"))
        patch.setattr(settings, "conninfo", lambda *_: "host=10.0.0.1")
        rejoin.check(context)


def test_what_cannot_be_read_of_the_lost_wal_may_be_anything(monkeypatch):
    def fail(*_):
        raise ocf.OcfError("cannot read the WAL at 0/3000060: it is not there")
    monkeypatch.setattr(rejoin, "_lost", fail)
    text, safe = rejoin.what_is_lost(None, None, Deadline(5))
    assert "it is not there" in text and safe is False


# last words

def control(ended):
    return Known(types.SimpleNamespace(state=ended))


def test_a_damaged_instance_leaves_no_last_words(make, monkeypatch):
    """Most likely its disk failed while it ran: how far it came is not on it."""
    context = make()
    monkeypatch.setattr(controldata, "read", lambda *_: controldata.Damaged("it is damaged"))
    lastwords.leave(context)
    assert context.cluster.done == []


def test_words_that_cannot_be_noted_are_still_said(make, tmp_path, monkeypatch):
    block(tmp_path, notes.UNSAID)
    context = make()
    monkeypatch.setattr(controldata, "read", lambda *_: control(state.SHUT_DOWN))
    monkeypatch.setattr(lastwords.position, "at_rest", lambda *_: Known(Position(1, 0x3000060)))
    lastwords.leave(context)
    assert [words[0] for words in context.cluster.done] == ["leave_last_words"]
    assert "last words that fail are not repeated" in context.said[0]


@pytest.mark.parametrize("was", [state.CRASHED_PRIMARY, state.CRASHED_STANDBY])
def test_what_crashed_has_no_last_words(make, monkeypatch, was):
    """It may have gone on after them; what it had to have is published first."""
    context, entered = make(last_words={"srv2": "1#0000000003000060"}), []
    monkeypatch.setattr("paf.acknowledged.enter", lambda *words: entered.append(words[-1]))
    lastwords.compare_at_probe(context, was)
    assert entered == [was]
    assert context.cluster.done == [("leave_last_words", "")]


def test_last_words_that_may_be_old_are_said_to_count(make):
    context = make(["view"])
    lastwords.compare_at_probe(context, state.STOPPED_PRIMARY)
    lastwords.withdraw_at_probe(context)
    assert "last words of this node count, and may be old" in context.said[0]
    assert "last words of this node may count, although it runs" in context.said[1]


# remarks

def test_a_remark_that_stays_is_said(make, tmp_path):
    context = make(["remark"])
    lastgood.write(lastgood.path(context.environment, "remarks"), "hot_standby_feedback")
    remarks.forget(context)
    assert "the cluster shows a remark that is over" in context.said[0]


def test_a_file_of_remarks_that_cannot_be_removed_ends_no_action(make, monkeypatch):
    def fail(name):
        raise OSError(30, "Read-only file system")
    context = make()
    monkeypatch.setattr(lastgood, "remove", fail)
    remarks.forget(context)
    remarks.repeat(context)
    assert ["cannot" in line for line in context.said] == [True, True]


def test_a_folder_in_place_of_what_was_noted_is_nothing_noted(make, tmp_path):
    name = lastgood.path(make().environment, "remarks")
    block_path = tmp_path / name.rpartition("/")[2]
    block_path.mkdir()
    assert lastgood.read(name) == ""
