"""The board of a container: its power switch, which speaks QEMU's protocol (QMP).

`python3 -m lab.machines.board DESCRIPTION` starts the container and answers on the node's socket
and on the management network, where a guest's QEMU does: the same fence agent switches both. A
container whose process 1 calls reboot(2) is started again, as a guest is; one that was killed or
has switched itself off stays off until it is asked to start.

After a reset and after a reboot it does first what a server does in its firmware: nothing, for
FIRMWARE seconds. A node that is back before Corosync has noticed that it was away gets the report
of its own fencing, and stays down. Source: Pacemaker's "We were allegedly just fenced".

One thread: what a container is started with ends when the thread that has started it does.
"""

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from lab import network
from lab.settings import CHECKOUT
from lab.tools import HELPER_ENVIRONMENT, PYTHON, LabError, wait_until, write_file

from . import bridges, groups

#: Seconds between two looks whether the container has ended.
STEP = 0.1
#: Seconds before a reset container boots. Corosync notices the loss of one of three nodes after 8.
FIRMWARE = 15
RESET = {"event": "RESET", "data": {"guest": False}}


class Refused(Exception):
    """A command that a container has no answer to; the text says why."""


class Board:
    """A container's power. Raises LabError where it cannot be started or ended."""

    def __init__(self, path):
        self.path = path
        self.spec = json.loads(Path(path).read_text(encoding="utf-8"))
        self.process, self.init = None, Path(path).with_name("init")
        #: When it has done with its firmware (monotonic), None where it is not in it.
        self.due = None

    @property
    def runs(self):
        """True while process 1 has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_on(self):
        """True while it has power: process 1 runs, or the firmware does."""
        return self.runs or self.due is not None

    def start(self):
        """Plug it in and start it, unless it runs."""
        self.due = None
        if self.runs:
            return
        self.clear()
        bridges.plug(self.spec["hub"], self.spec["name"])
        self.spec["groups"] = [str(place) for place in groups.create(self.spec["group"]).values()]
        write_file(Path(self.path), json.dumps(self.spec, indent=1))
        with open(self.spec["console"], "ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *network.inside(
                    bridges.node(self.spec["hub"], self.spec["name"]),
                    [PYTHON, "-m", "lab.machines.init", "enter", self.path])],
                cwd=CHECKOUT, env=HELPER_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=console,
                stderr=console)
        write_file(self.init, f"{wait_until(self._systemd, 60, 'systemd')}\n")

    def _systemd(self):
        """Return the pid of systemd; None before: a program would run in this machine's root."""
        if not self.runs:
            raise LabError(f"{self.spec['name']} has not started: see {self.spec['console']}")
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        for child in text.split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{child}/comm").read_text(encoding="ascii") == "systemd\n":
                    return child
        return None

    def stop(self):
        """Cut its power: no process of it is left when this returns."""
        self.due = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.clear()

    def clear(self):
        """End what is left of the last boot, and its network."""
        self.init.unlink(missing_ok=True)
        bridges.unplug(self.spec["hub"], self.spec["name"])
        with contextlib.suppress(FileNotFoundError):
            groups.remove(groups.folders(self.spec["group"]).values())

    def look(self):
        """Start a container that has rebooted. Source of the signal: reboot(2), pid namespaces."""
        if self.process is not None and self.process.poll() == -signal.SIGHUP:
            self.stop()
            self.firmware()
        if self.due is not None and time.monotonic() >= self.due:
            self.start()

    def firmware(self):
        """Begin what comes before its boot."""
        self.due = time.monotonic() + FIRMWARE

    def obey(self, command):
        """Do what a command says; return the messages of the answer. Raises Refused."""
        done = {"return": {}}
        if command == "query-status":
            return [{"return": {"status": "running" if self.is_on else "shutdown",
                                "running": self.is_on}}]
        if command == "system_reset":
            self.stop()
            self.firmware()
            return [RESET, done]
        if command == "cont":
            if not self.is_on:
                self.start()
        elif command == "quit":
            self.stop()
        elif command != "qmp_capabilities":
            raise Refused(f"a container cannot {command}: that needs a machine of its own")
        return [done]


class Server:
    """The sockets of a board."""

    def __init__(self, board):
        self.board = board
        address = (board.spec["address"], board.spec["port"])
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(Path(board.path).with_name("qmp")))
        unix.listen()
        self.listeners = [unix, socket.create_server(address)]
        self.lines = {}

    def serve(self):
        """Answer until the board is switched off."""
        while True:
            ready, _, _ = select.select([*self.listeners, *self.lines], [], [], STEP)
            for one in ready:
                if one in self.listeners:
                    connection, _ = one.accept()
                    self.lines[connection] = b""
                    self._send(connection, [{"QMP": {"capabilities": []}}])
                elif self._read(one):
                    return
            self.board.look()

    def _read(self, connection):
        """Answer what has come on a connection; return True once the board is off."""
        data = b""
        with contextlib.suppress(OSError):
            data = connection.recv(65536)
        if not data:
            del self.lines[connection]
            connection.close()
            return False
        *lines, self.lines[connection] = (self.lines[connection] + data).split(b"\n")
        for command in [json.loads(line)["execute"] for line in lines]:
            try:
                self._send(connection, self.board.obey(command))
            except (LabError, Refused) as error:
                self._send(connection, [{"error": {"desc": str(error)}}])
            if command == "quit":
                return True
        return False

    @staticmethod
    def _send(connection, messages):
        with contextlib.suppress(OSError):
            connection.sendall(b"".join(json.dumps(one).encode() + b"\n" for one in messages))


def main():
    """Start the container and serve."""
    board = Board(sys.argv[1])
    server = Server(board)
    board.start()
    try:
        server.serve()
    finally:
        board.stop()


if __name__ == "__main__":
    main()
