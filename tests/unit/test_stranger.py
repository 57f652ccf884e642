"""An instance with another history than the node that is promoted: noted, and stopped."""

import contextlib
import types

import pytest

from paf import ocf, stranger
from paf.actions import rejoin
from paf.cluster import notes, ophistory
from paf.crash import watcher
from paf.deadline import Deadline
from paf.decide import timelines, wal
from paf.decide.knowledge import AtLeast, Known, Unknown
from paf.instance import line, server
from tests.unit.support import environment, instance_at

MINE = "not 0:0:7 3:50:a 4:90:b"


@pytest.fixture
def context(tmp_path, monkeypatch):
    """One of srv2, whose data directory is there; the lines of the nodes are in `said`."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("15\n")
    monkeypatch.setattr(notes, "FOLDER", str(tmp_path))
    monkeypatch.setattr(line, "read", lambda *_: timelines.line_from_wire(MINE))
    own, said, stopped = notes.Notes(environment()), {}, []
    monkeypatch.setattr(server, "stop", lambda *_: stopped.append("server"))
    monkeypatch.setattr(watcher, "end", lambda *_: stopped.append("watcher"))
    quiet = types.SimpleNamespace(warning=stopped.append, error=lambda text: None)
    return types.SimpleNamespace(
        cluster=types.SimpleNamespace(notes=own, lines=lambda deadline: said, resource="x",
                                      cib=lambda deadline: ""), said=said,
        instance=instance_at(tmp_path / "data"), deadline=Deadline(9), log=quiet, stopped=stopped,
        notification=types.SimpleNamespace(promote=[types.SimpleNamespace(node="srv1")]))


def at(timeline):
    return Known(wal.Position(timeline, 500))


@pytest.mark.parametrize("theirs, fact, apart", [
    ("not 0:0:7 3:50:a 4:90:c", at(4), True), ("own 0:0:7 3:50:a 4:95:b", at(4), True),
    ("not 0:0:8 3:50:a 4:90:b", at(4), True), ("not 0:0:7 3:50:a", at(3), True),
    ("not 0:0:7 3:50:a", at(4), False),    # what it has published is old
    ("not 0:0:7 3:50:a", None, False), ("not 0:0:7 3:50:a", Unknown("no answer"), False),
    ("not 0:0:7 3:50:a", AtLeast(wal.Position(3, 500), "it replays"), False),
    ("own 0:0:7 3:50:a 4:90:b", at(4), False), ("not 0:0:7 3:50:a 4:90:", at(4), False),
    ("not 0:0:7 3:50:a 4:90:b 5:99:d", at(5), False), ("unknown", at(4), False),
    ("", at(4), False), (None, at(4), False)])
def test_only_a_history_that_is_surely_another_one_counts(context, theirs, fact, apart):
    if theirs is not None:
        context.said["srv1"] = theirs
    stranger.note(context, "srv1", fact)
    assert stranger.is_noted(context, "srv1") is apart
    assert not stranger.is_noted(context, "srv3")
    stranger.leave_service(context)
    assert context.stopped == ["watcher", "server"] * apart
    stranger.forget(context)
    stranger.leave_service(context)
    assert context.stopped == ["watcher", "server"] * apart


def test_a_history_that_cannot_be_read_is_no_other_one(context, monkeypatch):
    context.said["srv1"] = "not 0:0:7 3:50:a 4:90:c"
    monkeypatch.setattr(line, "read", lambda *_: None)
    stranger.note(context, "srv1", at(3))
    assert not stranger.is_noted(context, "srv1")


@pytest.mark.parametrize("promoted, fails", [(["srv1"], True), ([], False), (["srv3"], False)])
def test_a_monitor_fails_where_the_notification_did_not_see_the_end_of_the_promotion(
        context, monkeypatch, promoted, fails):
    monkeypatch.setattr(ophistory, "promoted", lambda *_: promoted)
    stranger.check_running(context)
    stranger.note(context, "srv1", at(3))
    with pytest.raises(ocf.OcfError, match="diverged") if fails else contextlib.nullcontext():
        stranger.check_running(context)


def test_what_cannot_be_found_out_fails_no_monitor_and_holds_nothing_up(context, monkeypatch):
    def fail(*_):
        raise ocf.OcfError("no answer")
    stranger.note(context, "srv1", at(3))
    context.cluster.cib = fail
    stranger.check_running(context)
    assert "is not known: no answer" in context.stopped[-1]
    monkeypatch.setattr(server, "stop", fail)
    stranger.leave_service(context)
    assert context.stopped[-1] == "it is not stopped yet: no answer"


def test_a_start_refuses_until_the_data_directory_is_another_one(context, tmp_path):
    stranger.note(context, "srv1", at(3))
    with pytest.raises(ocf.NotUsable, match="diverged: .* srv1 was promoted; rebuild it"):
        stranger.check(context, "srv1")
    stranger.check(context, "srv3")
    (tmp_path / "data/backup_label").touch()
    context.notification.promoted = context.notification.promote
    context.notification.demote = context.notification.stop = ()
    before = (tmp_path / "pgsqlms-default.stranger").read_text()
    rejoin._check_stranger(context)    # rewound, by hand for one
    (tmp_path / "data/backup_label").unlink()
    stranger.check_running(context)
    stranger.check(context, "srv1")
    (tmp_path / "pgsqlms-default.stranger").write_text(before)
    with pytest.raises(ocf.NotUsable):
        stranger.check(context, "srv1")
    (tmp_path / "data/new").write_text("15\n")
    (tmp_path / "data/new").rename(tmp_path / "data/PG_VERSION")
    stranger.check(context, "srv1")
