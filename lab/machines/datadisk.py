"""The data disk of a guest, as the lab sees it: its server, its faults, and what it has lost."""

import contextlib
import subprocess

from lab import network
from lab.settings import CHECKOUT
from lab.tools import HELPER_ENVIRONMENT, PYTHON, wait_until, write_file

from . import layout, nbd

SIZE = 2 * 2 ** 30      # bytes; sparse


class DataDisk:
    """The disk whose files are in a guest's folder. It has power of its own until the lab ends."""

    def __init__(self, hub, folder):
        self.hub, self.folder = hub, folder

    def on(self):
        """Start its server, unless it runs."""
        pid = self.folder / "nbd.pid"
        if pid.exists() and int(pid.read_text(encoding="ascii")) in network.pids(self.hub):
            return
        (self.folder / nbd.SOCKET).unlink(missing_ok=True)
        with open(self.folder / "nbd.log", "ab") as log:
            server = subprocess.Popen(
                network.inside(self.hub, [PYTHON, "-m", "lab.machines.nbd", str(self.folder),
                                          str(SIZE)]),
                cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=HELPER_ENVIRONMENT)
        write_file(pid, f"{server.pid}\n")
        wait_until((self.folder / nbd.SOCKET).exists, 60,
                   f"the server of a disk, see {self.folder / 'nbd.log'}")

    @contextlib.contextmanager
    def lies(self):
        """Let it answer flushes that it does not do: `with disk.lies():`."""
        with self._fault(nbd.LIE):
            yield

    @contextlib.contextmanager
    def holds(self):
        """Let its flushes take as long as the `with` does."""
        with self._fault(nbd.HOLD):
            yield

    @contextlib.contextmanager
    def _fault(self, name):
        (self.folder / name).touch()
        try:
            yield
        finally:
            (self.folder / name).unlink()

    def held(self):
        """Return how many bytes the flush that is held now is about, None where none is."""
        try:
            return int((self.folder / nbd.HELD).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def dropped(self):
        """Return how many bytes each power cut has cost, a list; the last one is over."""
        try:
            text = (self.folder / nbd.DROPPED).read_text(encoding="ascii")
        except FileNotFoundError:
            return []
        return [int(line) for line in text.splitlines()]


def options(folder):
    """Return the words of QEMU's command line for it. A flush of the guest is one of the disk."""
    return ["-drive", "if=none,id=data,format=raw,cache=writeback,file.driver=nbd,"
            f"file.server.type=unix,file.server.path={folder / nbd.SOCKET}",
            "-device", f"virtio-blk-pci,drive=data,serial={layout.DATA}"]
