"""What gets a signal is what was looked at: neither a container's, nor a number given out again."""

import contextlib
import errno
import os
import shutil

import pytest

from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.instance import postmaster, proc, processes, server
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

def test_a_program_whose_number_is_anothers_after_the_look_is_not_killed(
        start, monkeypatch):  # noqa: F811
    """The look at all processes may take seconds."""
    sent, found = [], [[start().pid], []]
    monkeypatch.setattr(postmaster, "send", lambda *what: sent.append(what))
    monkeypatch.setattr(processes, "running", lambda *_: found.pop(0))
    processes.end("pg_rewind", "-c")
    assert sent == [] and found == []
