"""A node that is a container: systemd as process 1 of namespaces, under this machine's kernel.

As quick as this machine, where a guest without KVM is slow. What needs a kernel of its own is left
to guests: a panic, a watchdog, a pause that stops the clocks, data that was not flushed (what a
container has written is in this machine's memory, and a power cut does not lose it).
"""

import json
import os
import signal
import subprocess
from pathlib import Path

from lab import network
from lab.settings import CHECKOUT
from lab.tools import HELPER_ENVIRONMENT, PYTHON, LabError, run, wait_until, write_file

from . import bridges, groups, layout, qmp
from .guest import Guest

PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
#: Joins groups ($1, separated by spaces) and runs the rest.
_JOIN = 'for one in $1; do echo 0 > "$one/cgroup.procs" || exit 125; done; shift; exec "$@"'


class Container(Guest):
    """One container of a lab; its files are in `folder`, its system is `image` (Path)."""

    BOOT = 120
    is_emulated = False

    def create(self):
        """Make its disk: an empty layer over the system."""
        for name in ("disk", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        os.chmod(self.folder / "disk", 0o755)
        write_file(self.folder / "board.json", json.dumps({
            "name": self.name, "hub": self.hub, "group": f"{self.hub}.{self.name}",
            "system": str(self.image), "console": str(self.folder / "console.log"),
            "address": f"{layout.MANAGEMENT}.{layout.HUB}",
            "port": layout.FIRST_PORT + layout.number(self.name),
            **{name: str(self.folder / name) for name in ("disk", "work", "root")}}))

    def on(self, *more):
        """Switch its board on, which starts it; does nothing where the board is on."""
        if self.is_on:
            return
        (self.folder / "qmp").unlink(missing_ok=True)
        with open(self.folder / "board.log", "ab") as log:
            board = subprocess.Popen(
                network.inside(self.hub, [PYTHON, "-m", "lab.machines.board",
                                          str(self.folder / "board.json")]),
                cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=HELPER_ENVIRONMENT)
        write_file(self.folder / "pid", f"{board.pid}\n")
        wait_until((self.folder / "qmp").exists, 60, f"the board of {self.name}")

    def dark(self):
        """Cut its power, but not that of its board: what fences can start it."""
        os.kill(self.init, signal.SIGKILL)
        wait_until(lambda: self.status() != "running", 30, f"{self.name} to be off", 0.02)

    def off(self):
        """Cut its power, and its board's."""
        super().off()
        bridges.unplug(self.hub, self.name)
        groups.remove(place for place in groups.folders(f"{self.hub}.{self.name}").values()
                      if place.is_dir())

    @property
    def init(self):
        """The pid of its process 1, seen from outside. Raises qmp.Silence."""
        if self.status() != "running":
            raise qmp.Silence(f"{self.name} is off")
        try:
            return int((self.folder / "init").read_text(encoding="ascii"))
        except FileNotFoundError as soon:
            raise qmp.Silence(f"{self.name} begins to boot") from soon

    def run(self, argv, *, check=True, text=None, env=(), timeout=60):
        """Run a program in it; return the Result. LabError if it fails and `check` is set."""
        init = self.init
        places = " ".join(json.loads((self.folder / "board.json").read_text("utf-8"))["groups"])
        words = ["sh", "-c", _JOIN, "sh", places, "nsenter", f"--target={init}", "--mount",
                 "--uts", "--ipc", "--net", "--pid", "--cgroup", f"--root=/proc/{init}/root",
                 f"--wd=/proc/{init}/cwd", "env", "-i", PATH, "LC_ALL=C.UTF-8", "HOME=/root", *env,
                 *argv]
        try:
            found = run(words, check=False, text=text, timeout=timeout)
        except LabError as error:
            raise qmp.Silence(f"{self.name}: {error}") from error
        if check and not found.ok:
            raise LabError(f"{self.name}: {' '.join(map(str, argv))!r} exited {found.status}: "
                           f"{(found.error or found.output).strip()}")
        return found

    def put(self, path, data, mode="644"):
        """Write a file in it (data: bytes or text)."""
        place = Path(f"/proc/{self.init}/root{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
        os.chmod(place, int(mode, 8))
