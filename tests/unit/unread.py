"""An instance with WAL for tests of what its files, or the programs that read them, do not say."""

import os
import struct

from paf.decide import wal
from tests.unit.support import instance_at

SIZE = 1 << 20


def with_wal_folder(tmp_path, monkeypatch):
    """Return an instance of PostgreSQL 15, of the tests' user, with an empty pg_wal."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)    # the test's folder is its user's own
    (tmp_path / "PG_VERSION").write_text("15\n")
    (tmp_path / "pg_wal").mkdir()
    return instance_at(tmp_path)


def answer(monkeypatch, module, name, value):
    """Make a function of a module return a value, or raise it."""
    def act(*_, **__):
        if isinstance(value, Exception):
            raise value
        return value
    monkeypatch.setattr(module, name, act)


def segment(folder, number, page=8192, length=None, timeline=2):
    """Write a segment with the long header of its first page."""
    address = number * SIZE
    header = struct.pack("=HHIQI4xQII", 0xD110, 2, timeline, address, 0, 7, SIZE, page)
    path = folder / "pg_wal" / wal.segment_name(timeline, address, SIZE)
    path.write_bytes(header if length is None else header[:length])
    return path
