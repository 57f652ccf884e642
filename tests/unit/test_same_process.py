"""What gets a signal is what was looked at: neither a container's, nor a number given out again."""

import contextlib
import errno
import os
import shutil
import types

import pytest

from paf import signals
from paf.crash import postmaster_end
from paf.deadline import Deadline
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.instance import controldata, postmaster, proc, processes, server, shutdown
from tests.unit.support import Clock
from tests.unit.test_processes import (  # pylint: disable=unused-import
    Silent, instance, ours, start)  # noqa: F401
from tests.unit.unread import answer

# A container's processes have another root folder


@pytest.fixture
def contain(tmp_path, monkeypatch):
    """Make a process look like one in a container; or its root folder fail to be seen (errno)."""
    stat, asked = os.stat, []

    def contain(pid, number=None):
        def seen(path, **more):
            if path != f"/proc/{pid}/root":
                return stat(path, **more)
            asked.append(path)
            if number:
                raise OSError(number, os.strerror(number))
            return stat(tmp_path)
        monkeypatch.setattr(os, "stat", seen)
        return asked
    return contain


@pytest.mark.parametrize("contained", [True, False])
def test_a_server_in_a_container_is_not_ours_though_our_folder_is_not_mounted(
        start, instance, contain, tmp_path, contained):  # noqa: F811
    """It works in a folder of the same name; a stop ended it, a start killed it."""
    process = start()
    shutil.rmtree(tmp_path / "data")
    if contained:
        contain(process.pid)
        assert postmaster.works_here(instance, process.pid) == Known(False)
        server.stop(instance, Deadline(5), Silent())
        assert process.poll() is None
    assert postmaster.processes(instance) == ([] if contained else [process.pid])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_server_whose_root_cannot_be_seen_may_be_ours(
        start, instance, contain, tmp_path, monkeypatch, number):  # noqa: F811
    process = start()
    shutil.rmtree(tmp_path / "data")
    asked = contain(process.pid, number)
    answer(monkeypatch, os, "geteuid", 0)
    answer(monkeypatch, postmaster, "_is_of", True)
    monkeypatch.setattr(postmaster.runner, "Acting", contextlib.nullcontext)
    assert isinstance(postmaster.works_here(instance, process.pid), Unknown)
    assert len(asked) == 2, "the owner may see more"


def test_a_program_in_a_container_works_on_another_directory(
        start, contain, monkeypatch):  # noqa: F811
    """Its pg_rewind got SIGKILL."""
    process, sent = start("pg_rewind"), []
    monkeypatch.setattr(postmaster, "send", lambda *what: sent.append(what))
    assert processes.running("pg_rewind", "-c") == [process.pid]
    contain(process.pid)
    assert processes.running("pg_rewind", "-c") == []
    processes.end("pg_rewind", "-c")
    assert sent == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOMEM])
def test_a_program_whose_root_cannot_be_seen_may_be_the_one(start, contain, number):  # noqa: F811
    contain(start("pg_rewind").pid, number)
    with pytest.raises(proc.Unseen, match="cannot see the root folder of process"):
        processes.end("pg_rewind", "-c")


def test_a_program_that_ends_meanwhile_is_none(start, contain):  # noqa: F811
    contain(start("pg_rewind").pid, errno.ESRCH)
    assert processes.running("pg_rewind", "-c") == []


# A number that is given out again


class Numbers:
    """Processes that have the numbers 10 to 13; from a moment on, `later` is another one's."""

    def __init__(self, monkeypatch, later=None):
        self.sent, self.later, self.is_later = [], later, False
        answer(monkeypatch, proc, "all_pids", [10, 11, 12, 13])
        monkeypatch.setattr(proc, "birth", self.birth)
        monkeypatch.setattr(postmaster, "send", lambda pid, number: self.sent.append(
            (pid, number)))

    def birth(self, pid):
        return Known("2" if self.is_later and pid == self.later else "1")

    def after(self, value):
        """Return a function that returns a value, and after which the number is another's."""
        def look(*_):
            self.is_later = True
            return value
        return look


def test_a_program_whose_number_is_anothers_after_the_look_is_not_killed(
        start, monkeypatch):  # noqa: F811
    """The look at all processes may take seconds."""
    sent, found = [], [[start().pid], []]
    monkeypatch.setattr(postmaster, "send", lambda *what: sent.append(what))
    monkeypatch.setattr(processes, "running", lambda *_: found.pop(0))
    processes.end("pg_rewind", "-c")
    assert sent == [] and found == []


@pytest.mark.parametrize("later", [None, 11])
def test_an_orphan_whose_number_is_anothers_after_the_look_gets_no_signal(monkeypatch, later):
    """Nor does one that was started since: a look at all processes lies before the signal."""
    one = Numbers(monkeypatch, later)
    monkeypatch.setattr(postmaster, "orphans", one.after([10, 11, 99]))
    monkeypatch.setattr(postmaster, "processes", one.after([10, 11, 99]))
    born = postmaster.births

    def births():
        one.is_later = False
        return born()
    monkeypatch.setattr(postmaster, "births", births)
    postmaster.end_orphans(None, Deadline(0))
    assert one.sent == [(pid, number) for number in (signals.SIGQUIT, signals.SIGKILL)
                        for pid in (10, 11) if pid != later]


def test_an_orphan_that_cannot_be_seen_gets_its_signal(monkeypatch):
    one = Numbers(monkeypatch)
    answer(monkeypatch, proc, "birth", Unknown("cannot see stat of process 10"))
    postmaster.send_to([10], signals.SIGQUIT, proc.births())
    assert one.sent == [(10, signals.SIGQUIT)]


def test_a_stop_does_not_wait_for_what_has_the_number_of_a_server_that_ended(
        instance, monkeypatch):  # noqa: F811
    """It waited for a stranger until its timeout, and the node was fenced."""
    one = Numbers(monkeypatch, 10)
    answer(monkeypatch, postmaster, "find", Known(types.SimpleNamespace(pid=10)))
    monkeypatch.setattr(postmaster, "processes", one.after([]))
    server.stop(instance, Deadline(0), Silent())
    assert one.sent[0] == (10, signals.SIGINT)


def test_a_stop_signals_no_stranger_where_no_file_names_the_server(
        instance, monkeypatch):  # noqa: F811
    one = Numbers(monkeypatch, 10)
    answer(monkeypatch, postmaster, "find", Known(None))
    answer(monkeypatch, postmaster, "parent", 10)
    monkeypatch.setattr(postmaster, "processes", one.after([]))
    server.stop(instance, Deadline(0), Silent())
    assert (10, signals.SIGINT) not in one.sent


@pytest.mark.parametrize("has_descriptor", [True, False])
def test_the_watcher_does_not_watch_a_stranger(
        start, instance, tmp_path, monkeypatch, has_descriptor):  # noqa: F811
    """The number was given out again before it was looked at."""
    process = start()
    if not has_descriptor:
        answer(monkeypatch, postmaster_end, "_pidfd", None)
    (tmp_path / "data").rename(tmp_path / "other")
    (tmp_path / "data").mkdir()
    postmaster_end.await_end(instance, process.pid, pause=None, look=process.kill)
    assert process.poll() is None


SENDER, ARCHIVER, SHELL = "postgres: walsender srv2", "postgres: archiver", "-bash"


@pytest.fixture
def late(monkeypatch):
    """Make a Shutdown that ends what does not get on."""
    def late(control, titles):
        answer(monkeypatch, controldata, "read", control)
        monkeypatch.setattr(postmaster, "title", titles.get)
        clock = Clock()
        one = shutdown.Shutdown(None, Deadline(10, clock), Silent())
        clock.sleep(9)
        return one
    return late


WRITTEN = Known(types.SimpleNamespace(state=state.SHUT_DOWN))


@pytest.mark.parametrize("title", [SENDER, SHELL, ""])
def test_what_has_the_number_of_a_sender_by_now_is_not_ended(monkeypatch, late, title):
    """pg_controldata runs between the look at titles and the signal, for seconds perhaps."""
    one = Numbers(monkeypatch)
    late(WRITTEN, {10: title})._end({10: (SENDER, 0)}, [])
    assert one.sent == ([(10, signals.SIGTERM)] if title == SENDER else [])


@pytest.mark.parametrize("title, later, sent", [
    (ARCHIVER, None, [11, 10]), (ARCHIVER, 11, [10]), (ARCHIVER, 10, [11]), (SHELL, None, [])])
def test_what_has_the_number_of_an_archiver_or_its_program_is_not_ended(
        monkeypatch, late, title, later, sent):
    """All that a stranger has started got SIGKILL."""
    one = Numbers(monkeypatch, later)
    monkeypatch.setattr(postmaster, "descendants", one.after([11]))
    late(WRITTEN, {10: title})._end({}, [10])
    assert one.sent == [(pid, signals.SIGTERM) for pid in sent]


@pytest.mark.parametrize("before, now, is_ended", [
    ("1", "1", True), ("0", "1", False), ("0", "0", False)])
def test_what_has_the_number_of_a_program_by_now_is_not_ended(
        monkeypatch, late, before, now, is_ended):
    """Neither one that has it since the last look, nor one since this."""
    one, found = Numbers(monkeypatch), late(WRITTEN, {})
    titles = {10: "postgres: app shop [local] COPY"}
    found._end_programs({11: (10, before)}, titles)
    found._end_programs({11: (10, now)}, titles)
    assert one.sent == ([(11, signals.SIGTERM)] if is_ended else [])


def test_programs_are_known_with_their_start(monkeypatch):
    def fields(parent, session, since):
        return [b"S", b"%d" % parent, b"0", b"%d" % session] + [b"0"] * 15 + [b"%d" % since]
    stats = {10: fields(1, 10, 100), 11: fields(10, 11, 200), 12: fields(11, 11, 300),
             13: fields(12, 13, 400)}
    answer(monkeypatch, proc, "all_pids", sorted(stats))
    monkeypatch.setattr(proc, "state_of", stats.get)
    assert shutdown._programs([10, 11]) == {12: (11, "300"), 13: (11, "400")}
