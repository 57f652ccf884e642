"""A backlog of the archiver is worked off before a switchover, while clients write."""

import types

import pytest

from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown, is_known
from paf.instance import archiving, sql
from paf.notifications import pre_demote
from paf.ocf import OcfError
from tests.unit.support import Clock, instance_at


def test_files_that_wait_are_counted(tmp_path):
    (tmp_path / "PG_VERSION").write_text("15\n")
    folder = tmp_path / "pg_wal" / "archive_status"
    assert not is_known(archiving.waiting(instance_at(tmp_path)))
    folder.mkdir(parents=True)
    for name in ("1.ready", "2.done", "3.ready"):
        (folder / name).touch()
    assert archiving.waiting(instance_at(tmp_path)) == Known(2)


ARCHIVES = sql.Answer(sql.ROWS, [["archive_command"]], "")


def waits(monkeypatch, counts, answer=ARCHIVES):
    """Return (how long it waits, what it returns) where each second has the next count."""
    clock, begin = Clock(), 1000.0

    def query(*_):
        if isinstance(answer, OcfError):
            raise answer
        return answer
    monkeypatch.setattr(sql, "query", query)
    monkeypatch.setattr(archiving, "waiting", lambda _: counts[
        min(int(clock.now - begin), len(counts) - 1)])
    wait = Deadline.wait_for
    monkeypatch.setattr(Deadline, "wait_for", lambda deadline, condition, longest: wait(
        deadline, condition, clock.sleep, longest))
    found = archiving.catch_up(None, Deadline(15, clock))
    return round(clock.now - begin), found


@pytest.mark.parametrize("counts, seconds, left", [
    ([2], 0, Known(0)), ([0], 0, Known(0)),
    ([8, 6, 4, 2], 3, Known(0)),
    ([8, 7, 7], 6, Known(7)),              # it hangs, or fails
    ([900 - each for each in range(99)], 15, Known(885)),
    ([Unknown("no permission")], 0, Unknown("no permission"))])
def test_the_archiver_is_waited_for_as_long_as_it_gets_on(monkeypatch, counts, seconds, left):
    facts = [one if isinstance(one, Unknown) else Known(one) for one in counts]
    waited, found = waits(monkeypatch, facts)
    assert waited == seconds and found.value == left.value and found.reason == left.reason


@pytest.mark.parametrize("answer, seconds, left", [
    (sql.Answer(sql.ROWS, [], ""), 0, 0),
    (ARCHIVES, 5, 7), (sql.Answer(sql.TIMED_OUT, [], "late"), 5, 7), (OcfError("no psql"), 5, 7)])
def test_files_that_nothing_archives_are_no_backlog(monkeypatch, answer, seconds, left):
    """They are left where archive_mode was turned off, or archive_command emptied."""
    assert waits(monkeypatch, [Known(7)], answer) == (seconds, Known(left))


@pytest.mark.parametrize("found, words", [
    (Known(0), ""), (Unknown("no permission"), ""),
    (Known(885), "885 WAL files wait for the archiver, and the shutdown waits for it")])
def test_a_switchover_that_will_take_long_says_why(monkeypatch, found, words):
    said = []
    monkeypatch.setattr(archiving, "catch_up", lambda *_: found)
    pre_demote._archive(types.SimpleNamespace(
        instance=None, deadline=Deadline(60), log=types.SimpleNamespace(
            info=lambda text: None, warning=said.append)))
    assert "; ".join(said).startswith(words) and bool(said) == bool(words)
