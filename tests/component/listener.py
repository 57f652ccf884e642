"""What systemd does for paf-health.socket, as far as it can be had without systemd.

Accept=yes, as the instance's owner, with the limits that the units have: a connection beyond
MaxConnections, or beyond MaxConnectionsPerSource, is closed at once; a request that takes longer
than RuntimeMaxSec is killed. Not here: the limits on processor and memory, and on what the process
may see.
"""

import os
import selectors
import signal
import socket
import subprocess
import threading
import time

from tests.conftest import REPOSITORY


def unit(name, section):
    """Return a section of one of the units (a dict of str)."""
    text = (REPOSITORY / "units" / name).read_text(encoding="utf-8")
    lines = text.partition(f"[{section}]\n")[2].partition("\n[")[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


class Listener:
    """Answers each connection to a port with a process of its own, as a context."""

    def __init__(self, argv, account, environment):
        limits = unit("paf-health.socket", "Socket")
        self.most = int(limits["MaxConnections"])
        self.most_of_one = int(limits["MaxConnectionsPerSource"])
        self._seconds = float(unit("paf-health@.service", "Service")["RuntimeMaxSec"])
        self._environment = environment
        switch = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}",
                  "--clear-groups"]
        self._argv = argv if os.geteuid() else switch + argv
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=int(limits["Backlog"]))
        self.port = self._socket.getsockname()[1]
        self._running = {}      # process: (source, when it has to end)
        self._ending, self._wake = os.pipe()
        self.started = self.refused = self.most_at_once = 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._wake)
        self._thread.join()
        os.close(self._ending)
        self._socket.close()
        for process in self._running:
            process.kill()
            process.wait()

    def _serve(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._ending, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(0.05)]
                self._reap()
                if self._ending in ready:
                    return
                if self._socket in ready:
                    self._accept()

    def _accept(self):
        connection, (source, _) = self._socket.accept()
        with connection:
            taken = [one for one, _ in self._running.values()]
            if len(taken) >= self.most or taken.count(source) >= self.most_of_one:
                self.refused += 1
                return
            process = subprocess.Popen(
                self._argv, env=self._environment, stdin=connection.fileno(),
                stdout=connection.fileno(), stderr=subprocess.DEVNULL, cwd="/",
                start_new_session=True)
        self._running[process] = (source, time.monotonic() + self._seconds)
        self.started += 1
        self.most_at_once = max(self.most_at_once, len(self._running))

    def _reap(self):
        for process, (_, end) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[process]
            elif time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                del self._running[process]

    @property
    def idle(self):
        """True when no request is being answered."""
        return not self._running
