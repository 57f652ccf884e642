"""A server whose shared memory was removed: seen in what the kernel says of its postmaster."""

import mmap
import os
from types import SimpleNamespace

import pytest

from paf.decide.knowledge import Known, Unknown
from paf.instance import sharedmemory
from paf.ocf import OcfError


@pytest.fixture
def segment():
    """Map a segment into this process, as a postmaster does; the name of its file."""
    name = "/dev/shm/PostgreSQL.{0}{1}".format(os.getpid(), 77)
    with open(name, "w+b") as stream:
        stream.truncate(4096)
        mapped = mmap.mmap(stream.fileno(), 4096)
    yield name
    mapped.close()
    if os.path.exists(name):
        os.unlink(name)


def test_the_kernel_says_that_the_file_of_mapped_memory_is_gone(segment):
    assert not sharedmemory.is_removed(os.getpid())
    os.unlink(segment)
    assert sharedmemory.is_removed(os.getpid())


@pytest.mark.parametrize("maps, expected", [
    (b"7f0-7f1 rw-s 0 00:19 2  /dev/shm/PostgreSQL.123 (deleted)\n", True),
    (b"7f0-7f1 rw-s 0 00:19 2  /dev/shm/PostgreSQL.123\n", False),
    # what each server has: its main memory, and the segment that keeps a second one away
    (b"7f0-7f1 rw-s 0 00:01 2  /dev/zero (deleted)\n"
     b"7f0-7f1 rw-s 0 00:01 2  /SYSV0052e2c1 (deleted)\n", False),
    (b"", False)])    # not to be seen, or gone
def test_only_a_segment_of_postgresql_counts(monkeypatch, maps, expected):
    monkeypatch.setattr(sharedmemory.proc, "content", lambda pid, name: maps)
    assert sharedmemory.is_removed(7) is expected


@pytest.mark.parametrize("found, raises", [
    (Known(SimpleNamespace(pid=7)), True), (Known(None), False), (Unknown("hidden"), False)])
def test_a_server_that_is_not_known_has_lost_nothing(monkeypatch, found, raises):
    monkeypatch.setattr(sharedmemory.postmaster, "find", lambda instance: found)
    monkeypatch.setattr(sharedmemory, "is_removed", lambda pid: pid == 7)
    if raises:
        with pytest.raises(OcfError, match="was removed from /dev/shm"):
            sharedmemory.check(None)
    else:
        sharedmemory.check(None)
