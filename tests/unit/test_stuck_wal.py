"""A primary whose storage hangs answers, and has failed: no WAL is flushed."""

from types import SimpleNamespace

import pytest

from paf import codes, stuckwal
from paf.actions import demote, stop
from paf.cluster import notes
from paf.deadline import Deadline
from paf.instance import queries, sql
from paf.ocf import OcfError
from tests.unit.model.servers import Notes

ME = ["me", "false", "0", "", "4000", ""]


class Primary:
    """A run of the agent on a primary: what its server answers, and how late it is (seconds)."""

    def __init__(self, monkeypatch, timeout=10, version=150000):
        self.now, self.flushed, self.unflushed, self.waiting = 1000.0, 3000, True, 2
        self.notes, self.asked, self.warnings = Notes(), [], []
        self.context = SimpleNamespace(
            in_cluster=True, instance=None, node="srv1", deadline=Deadline(30),
            environment=SimpleNamespace(timeout=timeout),
            log=SimpleNamespace(warning=self.warnings.append, info=self.warnings.append))
        monkeypatch.setattr(stuckwal.notes, "Notes", lambda _: self.notes)
        monkeypatch.setattr(stuckwal, "monotonic", lambda: self.now)
        monkeypatch.setattr(stuckwal.local, "version", lambda _: version)
        monkeypatch.setattr(stuckwal.sql, "query", self._query)

    @property
    def rows(self):
        """Return the rows of queries.monitor."""
        return [ME] + [["unflushed", str(self.flushed), "", "", "", ""]] * self.unflushed

    def _query(self, _instance, text, _deadline):
        self.asked.append(text)
        if self.waiting is None:
            return sql.Answer(sql.TIMED_OUT, [], "psql did not end in time")
        if text == queries.wal_waits():
            return sql.Answer(sql.ROWS, [[str(self.waiting)]], "")
        return sql.Answer(sql.ROWS, self.rows, "")

    def monitor(self, after=0.0):
        """Return what a monitor some seconds later says."""
        self.now += after
        return stuckwal.check(self.context, SimpleNamespace(rows=self.rows))


@pytest.fixture
def primary(monkeypatch):
    return Primary(monkeypatch)


def test_one_that_flushes_is_well_however_busy_it_is(primary):
    for number in range(20):
        primary.flushed += 8192
        primary.unflushed = number % 3 > 0
        assert primary.monitor(15) == []
    assert primary.asked == []


def test_one_that_flushes_nothing_for_a_minute_has_failed(primary):
    assert primary.monitor() == []
    for seconds in (15, 30, 45):
        said, = primary.monitor(15)
        assert said.startswith("no WAL was flushed for {0} s, and 2 wait for it".format(seconds))
    with pytest.raises(OcfError, match="the primary cannot commit: no WAL was flushed for 60 s"):
        primary.monitor(15)


def test_it_has_as_long_as_a_monitor_may_take(monkeypatch):
    """Operations have long timeouts where all is slow."""
    primary = Primary(monkeypatch, timeout=100)
    primary.monitor()
    assert primary.monitor(90)
    with pytest.raises(OcfError):
        primary.monitor(10)


def test_a_storage_that_comes_back_in_time_is_no_failure(primary):
    primary.monitor()
    primary.monitor(45)
    primary.flushed += 1
    assert primary.monitor(15) == []
    assert primary.monitor(15) and primary.monitor(30)


@pytest.mark.parametrize("waiting, warned", [(0, False), (None, True)])
def test_where_nothing_is_known_to_wait_it_has_not_failed(primary, waiting, warned):
    """A transaction that has written and is idle leaves WAL that needs no flush."""
    primary.waiting = waiting
    assert [primary.monitor(60) for _ in range(4)] == [[]] * 4
    assert bool(primary.warnings) is warned


def test_all_flushed_forgets_what_was_seen(primary):
    primary.monitor()
    primary.unflushed = False
    primary.monitor(15)
    primary.unflushed = True    # by chance at the same place, with a look in between
    assert primary.monitor(100) == []


@pytest.mark.parametrize("note", ["", "3000", "3000 ", "3000 x", "2999 1.0", "3000 99999999.0"])
def test_a_note_that_says_nothing_of_this_place_begins_again(primary, note):
    primary.notes.write(notes.UNFLUSHED, note)
    assert primary.monitor(100) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000 1100.0"


@pytest.mark.parametrize("rows", [None, []])
def test_a_server_that_cannot_be_asked_says_nothing_of_it(primary, rows):
    primary.notes.write(notes.UNFLUSHED, "3000 1.0")
    assert stuckwal.check(primary.context, SimpleNamespace(rows=rows)) == []
    assert primary.notes.read(notes.UNFLUSHED) == "3000 1.0"


def test_before_10_no_wait_events_say_so(monkeypatch):
    assert "unflushed" not in queries.monitor(90600)
    assert "unflushed" in queries.monitor(100000)
    primary = Primary(monkeypatch, version=90600)
    assert primary.monitor() == primary.monitor(100) == []


def test_a_demotion_that_cannot_succeed_fails_at_once(primary, monkeypatch):
    """Pacemaker stops it next, and fences the node after that."""
    monkeypatch.setattr(demote.server, "stop", lambda *_: pytest.fail("it was tried"))
    primary.monitor()
    primary.now += 75
    with pytest.raises(OcfError, match="cannot be shut down: no WAL was flushed for 75 s"):
        demote.run(primary.context)


def test_a_stop_waits_a_moment_for_the_storage_to_come_back(primary, monkeypatch):
    waits = []
    monkeypatch.setattr(stop.watcher, "end", lambda _: None)
    monkeypatch.setattr(stop.transition, "is_recovery_of_standby", lambda *_: False)
    monkeypatch.setattr(stop.postmaster, "find", lambda _: None)
    monkeypatch.setattr(stop.waiting_commits, "end", lambda *_: None)

    def fails(_instance, deadline, _log):
        waits.append(deadline.remaining)
        raise OcfError("PostgreSQL did not shut down")
    monkeypatch.setattr(stop.server, "stop", fails)
    primary.context.environment.meta = lambda _: "srv1"
    primary.context.notification = None
    for step in (15, 75):
        primary.monitor()
        primary.now += step
        with pytest.raises(OcfError):
            stop.run(primary.context)
    assert waits[0] > 20 and waits[1] <= 10


@pytest.mark.parametrize("change", [
    {"flushed": 3001}, {"unflushed": False}, {"waiting": 0}, {"waiting": None}])
def test_one_whose_storage_came_back_or_that_is_not_known_is_shut_down(primary, change):
    primary.monitor()
    primary.now += 75
    vars(primary).update(change)
    assert stuckwal.lasts(primary.context) == ""
    assert stuckwal.patience(primary.context) is primary.context.deadline


def test_it_has_a_code_of_its_own():
    assert codes.with_code("the primary cannot commit: no WAL was flushed for 60 s, and 2 wait "
                           "for it: its storage hangs").startswith("PAF-E313 ")
