"""The server of a guest's data disk: python3 -m lab.machines.nbd FOLDER SIZE.

It speaks the protocol of network block devices on FOLDER/nbd, with one client at a time: QEMU. A
power cut of the guest ends QEMU, and with it the connection. What was not flushed is lost then, and
how many bytes that was is the next line of FOLDER/dropped. A file in FOLDER makes a fault:

    lie         a flush is answered and not done, until the file is gone and the next one comes
    hold        a flush with something to do waits until the file is gone; meanwhile the file
                `held` says how many bytes it is about

Source of the protocol: doc/proto.md of the project nbd.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import sys
from pathlib import Path

from lab.tools import write_file

from .volatile import Volatile

#: The socket and the disk's file in a guest's folder, what each power cut has cost, and the faults.
SOCKET, FILE, DROPPED, LIE, HOLD, HELD = "nbd", "data.raw", "dropped", "lie", "hold", "held"
#: Seconds between two looks whether a flush is still held.
STEP = 0.02
#: Most bytes of one request, as clients assume, and of an option.
LARGEST, LONGEST = 2 ** 25, 2 ** 16

GREETING, OPTION = 0x4e42444d41474943, 0x49484156454f5054
OPTION_ANSWER, REQUEST, ANSWER = 0x3e889045565a9, 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
ACKNOWLEDGED, INFORMED, UNSUPPORTED = 1, 3, 2 ** 31 + 1
#: Has flags, can flush, can write through its cache.
FLAGS = 1 | 4 | 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1


class HungUp(Exception):
    """The client has gone, or says what no client says."""


class Session:
    """One connection to the disk; faults are files in `folder`."""

    def __init__(self, connection, disk, folder):
        self._socket, self._disk, self._folder = connection, disk, folder

    def serve(self):
        """Answer until the client disconnects. Raises HungUp where it just goes."""
        try:
            if self._agree():
                while self._answer():
                    pass
        except ConnectionError as error:
            raise HungUp(str(error)) from error

    def _receive(self, count):
        data = bytearray()
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise HungUp("the connection has ended")
            data += more
        return bytes(data)

    def _unpack(self, form):
        return struct.unpack(form, self._receive(struct.calcsize(form)))

    def _agree(self):
        """Shake hands; return whether requests follow. Any name of an export will do."""
        self._socket.sendall(struct.pack(">QQH", GREETING, OPTION, FIXED_NEWSTYLE | NO_ZEROES))
        flags, = self._unpack(">I")
        if flags & ~(FIXED_NEWSTYLE | NO_ZEROES):
            raise HungUp(f"flags {flags:#x}")
        export = struct.pack(">QH", self._disk.size, FLAGS)
        while True:
            magic, option, length = self._unpack(">QII")
            if magic != OPTION or length > LONGEST:
                raise HungUp(f"option {option} of {length} bytes, {magic:#x}")
            self._receive(length)
            if option == EXPORT_NAME:
                self._socket.sendall(export + bytes(0 if flags & NO_ZEROES else 124))
                return True
            if option in (INFO, GO):
                self._reply(option, INFORMED, struct.pack(">H", 0) + export)
            self._reply(option, ACKNOWLEDGED if option in (ABORT, INFO, GO) else UNSUPPORTED)
            if option in (ABORT, GO):
                return option == GO

    def _reply(self, option, kind, data=b""):
        self._socket.sendall(struct.pack(">QIII", OPTION_ANSWER, option, kind, len(data)) + data)

    def _answer(self):
        """Answer a request; return False once the client disconnects."""
        magic, flags, kind, handle, offset, length = self._unpack(">IHHQQI")
        if magic != REQUEST or (kind == WRITE and length > LARGEST):
            raise HungUp(f"request {kind} of {length} bytes, {magic:#x}")
        data = self._receive(length) if kind == WRITE else b""
        if kind == DISCONNECT:
            return False
        error = 0
        try:
            data = self._do(kind, flags, offset, length, data)
        except OSError as failed:
            error, data = failed.errno or errno.EIO, b""
        self._socket.sendall(struct.pack(">IIQ", ANSWER, error, handle) + data)
        return True

    def _do(self, kind, flags, offset, length, data):
        """Do what a request asks for; return the data of the answer. Raises OSError."""
        if kind == FLUSH:
            self._flush()
            return b""
        if kind not in (READ, WRITE) or length > LARGEST or offset + length > self._disk.size:
            raise OSError(errno.EINVAL, "no such request")
        if kind == READ:
            return self._disk.read(offset, length)
        self._disk.write(offset, data)
        if flags & FUA:
            self._flush(offset, length)
        return b""

    def _flush(self, *which):
        if (self._folder / LIE).exists():
            return
        if self._disk.unflushed and (self._folder / HOLD).exists():
            self._wait()
        self._disk.flush(*which)

    def _wait(self):
        """Wait while flushes are held. Raises HungUp where the power is cut meanwhile."""
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        write_file(self._folder / HELD, f"{self._disk.unflushed}\n")
        try:
            while (self._folder / HOLD).exists():
                if poll.poll(STEP * 1000):
                    raise HungUp("the connection has ended")
        finally:
            (self._folder / HELD).unlink()


def serve(folder, size):
    """Serve a guest's disk, one client after the other."""
    disk = Volatile(os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), size)
    listener = socket.socket(socket.AF_UNIX)
    fresh = folder / f"{SOCKET}.new"
    fresh.unlink(missing_ok=True)
    listener.bind(str(fresh))
    listener.listen()
    fresh.rename(folder / SOCKET)       # who finds it can connect
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(HungUp):
            Session(connection, disk, folder).serve()
        with open(folder / DROPPED, "a", encoding="ascii") as lines:
            lines.write(f"{disk.drop()}\n")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
