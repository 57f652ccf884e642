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

    unflushed: whether there is WAL to be flushed; waiting: how many processes wait for that, None
    where the server gives no answer; moves: bytes that are flushed between two questions.
    """

    def __init__(self, monkeypatch, timeout=10, version=150000):
        self.now, self.flushed, self.unflushed, self.waiting = 1000.0, 3000, True, 2
        self.moves, self.sees = 0, "true"
        self.notes, self.asked, self.said = Notes(), [], []
        self.context = SimpleNamespace(
            in_cluster=True, instance=None, node="srv1", deadline=Deadline(30),
            environment=SimpleNamespace(timeout=timeout),
            parameters=SimpleNamespace(system_user="postgres"),
            log=SimpleNamespace(warning=self.said.append, info=self.said.append))
        monkeypatch.setattr(stuckwal.notes, "Notes", lambda _: self.notes)
        monkeypatch.setattr(stuckwal, "monotonic", lambda: self.now)
        monkeypatch.setattr(stuckwal.local, "version", lambda _: version)
        monkeypatch.setattr(stuckwal.sql, "query", self._query)
        monkeypatch.setattr(stuckwal, "_SURELY", 0.02)

    def _query(self, _instance, text, _deadline):
        assert text == queries.wal_waits(150000)
        self.asked.append(text)
        self.flushed += self.moves
        if self.waiting is None:
            return sql.Answer(sql.TIMED_OUT, [], "psql did not end in time")
        return sql.Answer(sql.ROWS, [[str(self.waiting), str(self.flushed), self.sees]], "")

    def monitor(self, after=0.0):
        """Return what a monitor some seconds later says."""
        self.now += after
        unflushed = [["unflushed", str(self.flushed), "", "", "", ""]] * self.unflushed
        return stuckwal.check(self.context, SimpleNamespace(rows=[ME] + unflushed))

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
        primary.unflushed = number % 3 > 0
        assert primary.monitor(15) == []
    assert primary.asked == []


def test_one_that_flushes_nothing_has_failed(primary):
    """It takes one monitor to see the place, and two minutes in which others see processes wait."""
    said = [primary.monitor(15) for _ in range(9)]
    assert [bool(one) for one in said] == [False] * 3 + [True] * 6
    assert said[3] == said[8] == ["no WAL is flushed, and processes wait for it: its storage hangs"]
    with pytest.raises(OcfError, match="the primary cannot commit: no WAL is flushed, for 120 s"):
        primary.monitor(15)


@pytest.mark.parametrize("interval, timeout, monitors", [(15, 180, 13), (300, 10, 3), (60, 10, 3)])
def test_it_has_as_long_as_a_monitor_may_take_and_some_looks(monkeypatch, interval, timeout,
                                                             monitors):
    primary = Primary(monkeypatch, timeout=timeout)
    for _ in range(monitors):
        primary.monitor(interval)
    with pytest.raises(OcfError):
        primary.monitor(interval)


@pytest.mark.parametrize("change", [{"flushed": 3001}, {"unflushed": False}, {"waiting": 0}])
def test_a_storage_that_comes_back_in_time_is_no_failure(primary, change):
    for _ in range(9):
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


def test_before_it_fails_it_is_looked_again(primary):
    for _ in range(9):
        primary.monitor(15)
    asked = len(primary.asked)
    original = primary._query

    def moves_now(*args):
        if len(primary.asked) > asked:
            primary.flushed += 10
        return original(*args)
    stuckwal.sql.query = moves_now    # restored by the fixture
    assert primary.monitor(15)
    assert not primary.notes.read(notes.UNFLUSHED).endswith("failed")


@pytest.mark.parametrize("change, words", [
    ({"waiting": None}, "psql did not end in time"), ({"sees": "false"}, "member of pg_monitor")])
def test_what_is_not_known_is_no_failure_and_is_said(primary, change, words):
    vars(primary).update(change)
    assert [primary.monitor(60) for _ in range(6)] == [[]] * 6
    assert words in primary.said[0]


@pytest.mark.parametrize("broken", ["read", "write", "remove"])
def test_a_note_that_cannot_be_kept_is_no_failure(primary, broken):
    def fails(*_):
        raise OcfError("cannot write to HA_RSCTMP: No space left on device")
    setattr(primary.notes, broken, fails)
    for number in range(20):
        primary.unflushed = number % 2 == 0
        primary.flushed += not primary.unflushed
        assert primary.monitor(60) == []
    assert "whether WAL is flushed is not known" in primary.said[0]


def test_a_server_without_a_version_or_program_is_no_failure(primary, monkeypatch):
    primary.monitor()
    monkeypatch.setattr(stuckwal.local, "version", _fails)
    assert primary.monitor(15) == []
    assert stuckwal.lasts(primary.context) == ""


def _fails(*_):
    raise OcfError("cannot read PG_VERSION")


@pytest.mark.parametrize("note", [
    "", "3000", "3000 ", "3000 x 1", "3000  x", "2999 1.0 9", "3000 1.0 9 9 9"])
def test_a_note_that_says_nothing_of_this_place_is_replaced(primary, note):
    primary.notes.write(notes.UNFLUSHED, note)
    assert primary.monitor(1000) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000  0"


def test_a_clock_that_began_again_counts_from_now(primary):
    primary.notes.write(notes.UNFLUSHED, "3000 99999999.0 5")
    assert primary.monitor(15) and primary.monitor(15)


@pytest.mark.parametrize("rows", [None, []])
def test_a_server_that_cannot_be_asked_says_nothing_of_it(primary, rows):
    primary.notes.write(notes.UNFLUSHED, "3000 1.0 9")
    assert stuckwal.check(primary.context, SimpleNamespace(rows=rows)) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000 1.0 9"


def test_before_10_no_wait_events_say_so(monkeypatch):
    assert "unflushed" not in queries.monitor(90600)
    assert "unflushed" in queries.monitor(100000)
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
    for _ in range(9):
        primary.monitor(15)
    asked = len(primary.asked)
    assert stuckwal.lasts(primary.context) == ""
    assert len(primary.asked) == asked, "and it costs nothing"


@pytest.mark.parametrize("change", [
    {"flushed": 3001}, {"waiting": 0}, {"waiting": None}, {"sees": "false"}])
def test_one_whose_storage_came_back_or_that_is_not_known_is_shut_down(primary, change):
    primary.fail()
    vars(primary).update(change)
    assert stuckwal.lasts(primary.context) == ""


def test_it_has_a_code_of_its_own():
    for words in ("the primary cannot commit: no WAL is flushed, for 120 s",
                  "no WAL is flushed, and processes wait for it: its storage hangs",
                  "cannot be shut down: no WAL is flushed, for 130 s: its storage hangs"):
        assert codes.with_code(words).startswith("PAF-E313 ")
