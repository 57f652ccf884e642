"""The data disk of a guest without a guest: what a power cut leaves of it, its protocol, faults."""

import contextlib
import os
import random
import socket
import struct
import threading
from pathlib import Path

import pytest

from lab.machines import datadisk, guest, image, layout, nbd, volatile
from lab.tools import run, wait_until

SIZE = 2 ** 20


@pytest.fixture
def disk(tmp_path):
    """A disk over a file."""
    file = os.open(tmp_path / nbd.FILE, os.O_RDWR | os.O_CREAT)
    yield volatile.Volatile(file, SIZE)
    os.close(file)


def test_what_was_flushed_is_kept_and_the_rest_is_lost(disk, tmp_path):
    disk.write(0, b"a" * 8192)
    disk.flush()
    disk.write(4096, b"b" * 4096)
    assert disk.read(0, 8192) == b"a" * 4096 + b"b" * 4096 and disk.unflushed == 4096
    assert disk.drop() == 4096 and disk.unflushed == 0
    assert disk.read(0, 8192) == b"a" * 8192 == (tmp_path / nbd.FILE).read_bytes()[:8192]


def test_a_part_of_the_cache_can_be_flushed(disk):
    disk.write(0, b"a" * 12288)
    disk.flush(4096, 100)
    assert disk.drop() == 8192
    assert disk.read(0, 12288) == bytes(4096) + b"a" * 4096 + bytes(4096)


def test_a_disk_is_like_bytes_with_a_copy_at_each_flush(disk):
    seen = random.Random(1)
    now, kept = bytearray(SIZE), bytes(SIZE)
    for _ in range(2000):
        offset = seen.randrange(SIZE)
        length = min(seen.choice((1, 512, 4096, 10000)), SIZE - offset)
        what = seen.choice("wwwwwwrrrfd")
        if what == "w":
            data = seen.randbytes(length)
            disk.write(offset, data)
            now[offset:offset + length] = data
        elif what == "f":
            disk.flush()
            kept = bytes(now)
        elif what == "d":
            disk.drop()
            now = bytearray(kept)
        assert disk.read(offset, length) == now[offset:offset + length]
    assert disk.read(0, SIZE) == now


def test_what_there_is_no_room_for_is_not_flushed(disk, monkeypatch):
    disk.write(0, b"a" * 4096)
    monkeypatch.setattr(volatile.os, "pwrite", lambda *_: 512)
    with pytest.raises(OSError, match="no room"):
        disk.flush()
    assert disk.unflushed == 4096


class Peer:
    """A client of a disk's server."""

    def __init__(self, place):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(place))

    def take(self, form):
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def bytes(self, count):
        return self.socket.recv(count, socket.MSG_WAITALL) if count else b""

    def greet(self, flags=3):
        assert self.bytes(16) == b"NBDMAGICIHAVEOPT" and self.take(">H") == (3,)
        self.socket.sendall(struct.pack(">I", flags))

    def option(self, number, data=b""):
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data)

    def answers(self):
        """The answers to an option up to the last one: (option, kind, data)."""
        found = []
        while not found or found[-1][1] == nbd.INFORMED:
            _, option, kind, length = self.take(">QIII")
            found.append((option, kind, self.bytes(length)))
        return found

    def ask(self, kind, offset=0, length=0, data=b"", flags=0):
        self.send(kind, offset, length or len(data), data, flags)
        magic, error, handle = self.take(">IIQ")
        assert (magic, handle) == (0x67446698, 77)
        return error or self.bytes(length)

    def send(self, kind, offset, length, data=b"", flags=0):
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, 77, offset, length)
                            + data)


class Served:
    """A served disk: a call gives a Peer whose handshake is done, disk is what the lab has of it.

    The server is a thread; it ends with the tests.
    """

    def __init__(self, folder, stack):
        self.disk, self._stack = datadisk.DataDisk("no-hub", folder), stack
        threading.Thread(target=nbd.serve, args=(folder, SIZE), daemon=True).start()
        wait_until((folder / nbd.SOCKET).exists, 10, "the server")

    def __call__(self):
        peer = Peer(self.disk.folder / nbd.SOCKET)
        self._stack.callback(peer.socket.close)
        peer.greet()
        peer.option(nbd.GO, struct.pack(">IH", 0, 0))
        peer.answers()
        return peer


@pytest.fixture
def served(tmp_path):
    """A Served."""
    with contextlib.ExitStack() as stack:
        yield Served(tmp_path, stack)


def end(peer, disk):
    """End a connection as a power cut does; return how many bytes that has cost."""
    before = len(disk.dropped())
    peer.socket.close()
    wait_until(lambda: len(disk.dropped()) > before, 10, "what was dropped")
    return disk.dropped()[-1]


def test_options_are_agreed_on_in_both_ways(served):
    peer = Peer(served.disk.folder / nbd.SOCKET)
    peer.greet()
    peer.option(8)
    assert peer.answers() == [(8, 2 ** 31 + 1, b"")]
    peer.option(nbd.GO, struct.pack(">I4sHH", 4, b"name", 1, 3))
    assert peer.answers() == [(7, 3, struct.pack(">HQH", 0, SIZE, 0b1101)), (7, 1, b"")]
    assert peer.ask(nbd.READ, 0, 512) == bytes(512)
    peer.send(nbd.DISCONNECT, 0, 0)
    assert peer.bytes(1) == b""
    for flags, zeroes in ((1, 124), (3, 0)):
        peer.socket.close()
        peer = Peer(served.disk.folder / nbd.SOCKET)
        peer.greet(flags)
        peer.option(nbd.EXPORT_NAME)
        assert peer.take(f">QH{zeroes}s") == (SIZE, 0b1101, bytes(zeroes))
        assert peer.ask(nbd.FLUSH) == b""
    peer.socket.close()


@pytest.mark.parametrize("text", [
    struct.pack(">I", 4), struct.pack(">I", 3) + b"x" * 16,
    struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 7, 2 ** 31), b"",
    struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0) + b"x" * 28,
    struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 2, 0)])
def test_the_next_client_is_served_whatever_the_last_one_has_said(served, text):
    peer = Peer(served.disk.folder / nbd.SOCKET)
    peer.socket.sendall(text)
    peer.socket.close()
    assert served().ask(nbd.READ, 0, 512) == bytes(512)


def test_a_power_cut_loses_what_was_not_flushed_and_says_how_much(served):
    assert served.disk.dropped() == []
    peer = served()
    assert peer.ask(nbd.WRITE, 0, data=b"a" * 4096) == b""
    assert peer.ask(nbd.FLUSH) == b""
    assert peer.ask(nbd.WRITE, 4096, data=b"b" * 8192) == b""
    assert peer.ask(nbd.WRITE, 16384, data=b"c" * 4096, flags=nbd.FUA) == b""
    assert end(peer, served.disk) == 8192
    assert served().ask(nbd.READ, 0, 20480) == b"a" * 4096 + bytes(12288) + b"c" * 4096


@pytest.mark.parametrize("kind, offset, length", [
    (nbd.READ, SIZE - 512, 1024), (nbd.READ, 0, 2 ** 30), (nbd.READ, 2 ** 60, 1), (4, 0, 512)])
def test_what_cannot_be_done_is_refused_and_the_next_request_is_answered(served, kind, offset,
                                                                         length):
    peer = served()
    assert peer.ask(kind, offset, length) == 22
    assert peer.ask(nbd.WRITE, SIZE - 512, data=b"a" * 1024) == 22
    assert peer.ask(nbd.READ, 0, 512) == bytes(512)


def test_a_lie_makes_nothing_durable_until_it_is_over_and_a_flush_comes(served):
    peer = served()
    with served.disk.lies():
        assert peer.ask(nbd.WRITE, 0, data=b"a" * 4096, flags=nbd.FUA) == b""
        assert peer.ask(nbd.FLUSH) == b""
        assert end(peer, served.disk) == 4096
        peer = served()
        assert peer.ask(nbd.WRITE, 0, data=b"a" * 4096) == peer.ask(nbd.FLUSH) == b""
    assert peer.ask(nbd.FLUSH) == b""
    assert end(peer, served.disk) == 0
    assert served().ask(nbd.READ, 0, 4096) == b"a" * 4096


def test_a_held_flush_is_done_once_it_is_let_go(served):
    peer = served()
    with served.disk.holds():
        assert peer.ask(nbd.FLUSH) == b"" and served.disk.held() is None
        peer.ask(nbd.WRITE, 0, data=b"a" * 4096)
        peer.send(nbd.FLUSH, 0, 0)
        assert wait_until(served.disk.held, 10, "the flush") == 4096
    assert peer.take(">IIQ")[1] == 0 and served.disk.held() is None
    assert end(peer, served.disk) == 0


def test_what_a_held_flush_is_about_is_lost_when_the_power_is_cut(served):
    peer = served()
    with served.disk.holds():
        peer.ask(nbd.WRITE, 0, data=b"a" * 4096)
        peer.send(nbd.FLUSH, 0, 0)
        wait_until(served.disk.held, 10, "the flush")
        assert end(peer, served.disk) == 4096
        assert served.disk.held() is None
    assert served().ask(nbd.READ, 0, 4096) == bytes(4096)


def test_a_guest_finds_its_data_disk_by_a_name_behind_its_root():
    files = image.Image(Path("/c/disk.raw"), Path("/c/vmlinuz"), Path("/c/initrd.img"))
    argv = guest.command("srv2", Path("/l/srv2"), files, watchdog=True)
    disks = [word for word in argv if word.startswith("virtio-blk")]
    assert disks == [f"virtio-blk-pci,drive=root,id={guest.ROOT_DISK}",
                     "virtio-blk-pci,drive=data,serial=data",
                     "virtio-blk-pci,drive=shared,serial=sbd"]
    assert any("file.server.path=/l/srv2/nbd" in word and "cache=writeback" in word
               for word in argv)


def test_only_guests_have_a_data_disk_that_the_cluster_starts_after():
    name = f"etc/systemd/system/{layout.DATA_UNIT}"
    text, mode = layout.files()[name]
    assert mode == 0o644 and r"Requires=dev-disk-by\x2did-virtio\x2ddata.device" in text
    program = text.partition("ExecStart=/")[2].splitlines()[0]
    assert layout.files()[program][1] == 0o755
    assert run(["sh", "-n", "-c", layout.files()[program][0]], check=False).ok
    assert not {name, program} & set(layout.files(layout.CONTAINERS))
    assert f"enable {layout.DATA_UNIT}" in image.recipe().customize
    assert layout.DATA_UNIT not in image.recipe(layout.CONTAINERS).customize


def test_the_root_disk_is_throttled_by_the_name_of_its_backend(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(guest.qmp, "qmp", lambda *words: asked.append(words))
    guest.Guest("srv1", "no-hub", tmp_path, None).throttle(30)
    (_, command, limits), = asked
    assert command == "block_set_io_throttle" and limits.pop("iops") == 30
    assert limits.pop("id") == f"/machine/peripheral/{guest.ROOT_DISK}/virtio-backend"
    assert limits == {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops_rd": 0, "iops_wr": 0}
