"""A primary whose storage hangs answers, and has failed: no WAL is flushed."""

from types import SimpleNamespace

import pytest

from paf import codes, stuckwal
from paf.actions import demote
from paf.cluster import notes
from paf.deadline import Deadline
from paf.instance import queries, sql
from paf.ocf import OcfError
from tests.unit.model.servers import Notes

ME = ["me", "false", "0", "", "4000", ""]


class Primary:
    """A run of the agent on a primary: what its server answers, and when.

    waiting: how many processes wait for a flush; silent: whether another question gets no answer.
    """

    def __init__(self, monkeypatch, timeout=10, version=150000):
        self.now, self.flushed, self.waiting, self.version = 1000.0, 3000, 2, version
        self.silent, self.sees = False, "true"
        self.notes, self.asked, self.said = Notes(), [], []
        self.context = SimpleNamespace(
            in_cluster=True, instance=None, node="srv1", deadline=Deadline(30),
            environment=SimpleNamespace(timeout=timeout),
            log=SimpleNamespace(warning=self.said.append, info=self.said.append))
        monkeypatch.setattr(stuckwal.notes, "Notes", lambda _: self.notes)
        monkeypatch.setattr(stuckwal, "monotonic", lambda: self.now)
        monkeypatch.setattr(stuckwal.local, "version", lambda _: version)
        monkeypatch.setattr(stuckwal.sql, "query", self._query)
        monkeypatch.setattr(stuckwal, "_SURELY", 0.02)

    @property
    def rows(self):
        """Return the rows of queries.monitor."""
        return [ME] + [["flushed", str(self.flushed), str(self.waiting), self.sees, "", ""]] * (
            self.version >= 100000)

    def _query(self, _instance, text, _deadline):
        assert text == queries.monitor(self.version)
        self.asked.append(text)
        if self.silent:
            return sql.Answer(sql.TIMED_OUT, [], "psql did not end in time")
        return sql.Answer(sql.ROWS, self.rows, "")

    def monitor(self, after=0.0):
        """Return what a monitor some seconds later says."""
        self.now += after
        return stuckwal.check(self.context, SimpleNamespace(rows=self.rows))

    def fail(self):
        """Have monitors see it until one fails."""
        with pytest.raises(OcfError):
            for _ in range(12):
                self.monitor(15)


@pytest.fixture
def primary(monkeypatch):
    return Primary(monkeypatch)


def test_one_that_flushes_is_well_however_busy_it_is(primary):
    for number in range(40):
        primary.flushed += 8192
        primary.waiting = number % 3
        assert primary.monitor(15) == []
    assert primary.asked == []


def test_one_that_flushes_nothing_has_failed(primary):
    said = [primary.monitor(15) for _ in range(8)]
    assert [bool(one) for one in said] == [False] * 2 + [True] * 6
    assert said[2] == said[7] == ["no WAL is flushed, and processes wait for it: its storage hangs"]
    with pytest.raises(OcfError, match="the primary cannot commit: no WAL is flushed, for 120 s"):
        primary.monitor(15)


@pytest.mark.parametrize("interval, timeout, monitors", [(15, 180, 12), (300, 10, 2), (60, 10, 2)])
def test_it_has_as_long_as_a_monitor_may_take_and_some_looks(monkeypatch, interval, timeout,
                                                             monitors):
    primary = Primary(monkeypatch, timeout=timeout)
    for _ in range(monitors):
        primary.monitor(interval)
    with pytest.raises(OcfError):
        primary.monitor(interval)


@pytest.mark.parametrize("change", [{"flushed": 3001}, {"waiting": 0}])
def test_a_storage_that_comes_back_in_time_is_no_failure(primary, change):
    for _ in range(8):
        primary.monitor(15)
    before = dict(vars(primary))
    vars(primary).update(change)
    assert primary.monitor(15) == []
    vars(primary).update({name: before[name] for name in change})
    assert primary.monitor(1000) == [], "it counts from its beginning"


def test_one_commit_after_a_long_rest_is_no_failure(primary):
    """The page of an idle primary; a commit is under way at a monitor, by chance."""
    primary.waiting = 0
    for _ in range(20):
        assert primary.monitor(15) == []
    primary.waiting = 1
    assert primary.monitor(15) == []
    primary.flushed += 200
    assert primary.monitor(15) == []


def test_before_it_fails_it_is_looked_again(primary, monkeypatch):
    for _ in range(8):
        primary.monitor(15)
    original = primary._query

    def moves_now(*args):
        if primary.asked:
            primary.flushed += 10
        return original(*args)
    monkeypatch.setattr(stuckwal.sql, "query", moves_now)
    assert primary.monitor(15)
    assert not primary.notes.read(notes.UNFLUSHED).endswith("failed")


def test_what_cannot_be_asked_again_is_no_failure_and_is_said(primary):
    primary.silent = True
    assert [primary.monitor(60) for _ in range(6)][3:] == [[]] * 3
    assert "psql did not end in time" in primary.said[0]


def test_a_role_that_may_not_see_what_others_wait_for_finds_nothing(primary):
    """It sees its own session alone, and each monitor would say so."""
    primary.sees = "false"
    assert [primary.monitor(60) for _ in range(6)] == [[]] * 6 and not primary.said


@pytest.mark.parametrize("broken", ["read", "write", "remove"])
def test_a_note_that_cannot_be_kept_is_no_failure(primary, broken):
    def fails(*_):
        raise OcfError("cannot write to HA_RSCTMP: No space left on device")
    setattr(primary.notes, broken, fails)
    for number in range(20):
        primary.waiting = number % 2
        primary.flushed += not primary.waiting
        assert primary.monitor(60) == []
    assert "whether WAL is flushed is not known" in primary.said[0]


def test_a_server_without_a_version_or_program_is_no_failure(primary, monkeypatch):
    for _ in range(8):
        primary.monitor(15)
    monkeypatch.setattr(stuckwal.local, "version", _fails)
    assert primary.monitor(15) == []
    assert stuckwal.lasts(primary.context) == ""


def _fails(*_):
    raise OcfError("cannot read PG_VERSION")


@pytest.mark.parametrize("note", [
    "", "3000", "3000 ", "3000 x 1", "3000 1.0 x", "2999 1.0 9", "3000 99999999.0 9"])
def test_a_note_that_says_nothing_of_this_place_is_replaced(primary, note):
    primary.notes.write(notes.UNFLUSHED, note)
    assert primary.monitor(1000) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000 2000.0 1"


@pytest.mark.parametrize("rows", [None, []])
def test_a_server_that_cannot_be_asked_says_nothing_of_it(primary, rows):
    primary.notes.write(notes.UNFLUSHED, "3000 1.0 9")
    assert stuckwal.check(primary.context, SimpleNamespace(rows=rows)) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000 1.0 9"


def test_before_10_no_wait_events_say_so(monkeypatch):
    assert "flush_lsn" not in queries.monitor(90600) and "'flushed'" not in queries.monitor(90600)
    assert "'flushed'" in queries.monitor(100000)
    primary = Primary(monkeypatch, version=90600)
    assert [primary.monitor(100) for _ in range(6)] == [[]] * 6


def test_a_demotion_that_cannot_succeed_fails_at_once(primary, monkeypatch):
    """Pacemaker stops it next, and fences the node after that."""
    monkeypatch.setattr(demote.server, "stop", lambda *_: pytest.fail("it was tried"))
    primary.fail()
    with pytest.raises(OcfError, match="cannot be shut down: no WAL is flushed, for "):
        demote.run(primary.context)


def test_without_a_monitor_that_has_failed_a_demotion_is_tried(primary):
    """Its own timeout decides then: also the administrator orders one while the storage hangs."""
    for _ in range(8):
        primary.monitor(15)
    asked = len(primary.asked)
    assert stuckwal.lasts(primary.context) == ""
    assert len(primary.asked) == asked, "and it costs nothing"


@pytest.mark.parametrize("change", [
    {"flushed": 3001}, {"waiting": 0}, {"silent": True}, {"sees": "false"}])
def test_one_whose_storage_came_back_or_that_is_not_known_is_shut_down(primary, change):
    primary.fail()
    vars(primary).update(change)
    assert stuckwal.lasts(primary.context) == ""


def test_it_has_a_code_of_its_own():
    for words in ("the primary cannot commit: no WAL is flushed, for 120 s",
                  "no WAL is flushed, and processes wait for it: its storage hangs",
                  "cannot be shut down: no WAL is flushed, for 130 s: its storage hangs"):
        assert codes.with_code(words).startswith("PAF-E313 ")
