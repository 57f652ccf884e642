"""A server that was asked for its role alone has not said that it has no standbys."""

from types import SimpleNamespace

import pytest

from paf import ocf, remarks, synchronous
from paf import instance as local
from paf.actions import monitor, promote
from paf.decide import state
from paf.decide.knowledge import Unknown
from paf.instance import observe, postmaster, queries, sharedmemory
from tests.unit.support import parameters_with

ROLE = [["me", "false", "", "", "", ""]]
WHOLE = [["me", "false", "0", "", "50331648", ""],
         ["standby", "srv2", "streaming", "50331648", "0", "50331648"]]
STALE = ocf.OcfError("cannot read /data/PG_VERSION: Stale file handle")


def sight(verdict, rows):
    return observe.Sight(state.Verdict(verdict, "it says so"), None, rows, "", "")


def look(verdict=state.PRIMARY):
    """Return a look that answers what it was asked for, at a server in that state."""
    def observed(_, __, query=None):
        up = verdict in (state.PRIMARY, state.STANDBY)
        return sight(verdict, [] if not up else WHOLE if query else ROLE)
    return observed


@pytest.fixture
def stale(monkeypatch):
    """The file with the version cannot be read for a moment: once."""
    looks = [STALE]

    def version(_):
        if looks:
            raise looks.pop()
        return 150000
    monkeypatch.setattr(local, "version", version)


def test_an_answer_to_less_has_no_rows_and_says_why(stale):
    first, second = (observe.ask(look(), None, None, queries.replay) for _ in range(2))
    assert (first.rows, first.message) == ([], f"for no more than its role: {STALE}")
    assert first.verdict.state == state.PRIMARY
    assert (second.rows, second.message) == (WHOLE, "")


def test_a_server_that_is_down_is_described_by_the_look(stale):
    assert observe.ask(look(state.DAMAGED), None, None, queries.replay).message == ""


def test_promotion_scores_stay_as_they_are(stale, monkeypatch):
    """The next call could read the version: nothing else would keep it from writing."""
    monkeypatch.setattr(observe, "observe", look())
    monkeypatch.setattr(observe, "settle", look())
    sights = []
    monkeypatch.setattr(monitor, "update_scores", lambda _, sight: sights.append(sight))
    context = SimpleNamespace(instance=None, parameters=parameters_with(), in_cluster=True,
                              deadline=SimpleNamespace(within=lambda _: SimpleNamespace(
                                  wait_for=lambda condition: condition())))
    monitor.look_at_standbys(context, [])
    monitor.look_at_standbys(context, [])
    assert [seen.rows for seen in sights] == [[], WHOLE]


class Patience:
    """A deadline that has time for two looks: the second one gets no answer."""
    passed = False

    def within(self, _):
        return self

    def wait_for(self, condition):
        return any(condition() for _ in range(2))


def test_the_last_look_does_not_undo_what_was_seen(monkeypatch):
    """It has a millisecond: no answer to it means nothing."""
    context = SimpleNamespace(instance=None, parameters=parameters_with(), in_cluster=True,
                              deadline=Patience())
    monkeypatch.setattr(local, "version", lambda _: 150000)

    def looks(*seen):
        left = list(seen)
        monkeypatch.setattr(observe, "observe", lambda *_: left.pop(0))
    looks(sight(state.PRIMARY, WHOLE), sight(state.HUNG, []))
    assert [one.name for one in monitor._first_replicas(context, [], 2)] == ["srv2"]
    sights = []
    monkeypatch.setattr(monitor, "update_scores", lambda _, seen: sights.append(seen.rows))
    looks(sight(state.PRIMARY, WHOLE), sight(state.HUNG, []))
    monitor.look_at_standbys(context, ["srv2", "srv3"])
    looks(sight(state.HUNG, []), sight(state.PRIMARY, WHOLE))
    monitor.look_at_standbys(context, ["srv2"])
    looks(sight(state.PRIMARY, WHOLE), sight(state.STOPPED_PRIMARY, []))
    monitor.look_at_standbys(context, ["srv2", "srv3"])
    assert sights == [WHOLE, WHOLE]


def test_a_worry_lasts_where_a_monitor_has_no_answer(monkeypatch):
    asked = []
    monkeypatch.setattr(remarks, "lasting", lambda _, worries: asked.append(worries) or worries)
    for name in ("check_memory", "say"):
        monkeypatch.setattr(remarks, name, lambda *_: None)
    for name in ("_publish_again", "_try_again", "_check_stream"):
        monkeypatch.setattr(monitor, name, lambda *_: [])
    monkeypatch.setattr(monitor, "_remarks", lambda *_: [])
    monkeypatch.setattr("paf.crash.watcher.keep", lambda _: None)
    monkeypatch.setattr("paf.keeping.look_again", lambda *_: None)
    monitor._look_after(None, sight(state.STANDBY, []))
    assert asked == []
    monitor._look_after(None, sight(state.STANDBY, [["me", "true", "1", "", "", ""]]))
    assert asked == [[]]


def test_a_server_that_says_its_role_has_its_shared_memory(monkeypatch):
    monkeypatch.setattr(sharedmemory, "is_removed", lambda _: True)
    monkeypatch.setattr(sharedmemory.postmaster, "find",
                        lambda _: SimpleNamespace(value=SimpleNamespace(pid=7)))
    answered = sight(state.PRIMARY, [])._replace(message=str(STALE))
    remarks.check_memory(SimpleNamespace(instance=None), answered)
    with pytest.raises(ocf.OcfError):
        remarks.check_memory(SimpleNamespace(instance=None), answered._replace(
            control=Unknown("cannot log in")))


def test_a_primary_that_says_so_is_promoted_already(stale, monkeypatch):
    def unseen(_):
        raise postmaster.Unseen("/proc/7 is hidden")
    monkeypatch.setattr(observe, "settle", look())
    monkeypatch.setattr(postmaster, "has_wal_writer", unseen)
    monkeypatch.setattr("paf.refused.check_programs", lambda _: None)
    context = SimpleNamespace(instance=None, deadline=None)
    assert promote.run(context) == ocf.SUCCESS


def test_what_standbys_have_acknowledged_is_not_forgotten():
    view = SimpleNamespace(last_words={}, rules={}, copies={}, acknowledged={"srv2": "1 5"})
    assert list(synchronous.steps(None, view, ROLE[0], [], 1, None)) == []
    assert len(list(synchronous.steps(None, view, WHOLE[0], [], 1, None))) == 1


@pytest.mark.parametrize("verdict, said", [(state.STANDBY, 1), (state.STOPPED_STANDBY, 0)])
def test_a_promotion_says_that_it_does_not_know_whether_replay_is_paused(verdict, said):
    warnings = []
    context = SimpleNamespace(log=SimpleNamespace(warning=warnings.append))
    promote._let_replay(context, sight(verdict, [])._replace(message=str(STALE)))
    assert len(warnings) == said
