"""The load of a busy database: pgbench through the VIP, started again whenever it has ended.

Runs in the hub. pgbench ends when it loses its connections; the next one begins as soon as the
server answers. What pgbench says, a line each second with the time (epoch), goes to load.log.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

#: Seconds between the end of a pgbench and the next one, and for which one runs at most.
PAUSE, LONGEST = 0.1, 3600
#: Seconds in which a connection has to come about; libpq takes 2 at the least.
CONNECT_SECONDS = 2


class Pgbench:
    """Keeps one pgbench running until `stop`."""

    def __init__(self, argv, output):
        self._argv, self._output = argv, output
        self._over = threading.Event()
        self._process = None

    def stop(self, *_):
        """End pgbench, and start no other one."""
        self._over.set()
        if self._process is not None:
            self._process.terminate()

    def run(self):
        """Run until `stop`."""
        while not self._over.is_set():
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output,
                env={**os.environ, "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)})
            if self._over.is_set():
                self._process.terminate()
            self._process.wait()
            self._over.wait(PAUSE)


def main(arguments):
    """Run pgbench until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--script", help="a file of pgbench's; without it TPC-B's transactions")
    options = parser.parse_args(arguments)
    with open(Path(options.folder) / "load.log", "a", encoding="utf-8") as output:
        script = [f"--file={options.script}"] if options.script else []
        load = Pgbench([options.program, "--no-vacuum", "--progress=1", "--progress-timestamp",
                        f"--time={LONGEST}", *script,
                        f"--client={options.clients}", "--jobs=2", f"--host={options.host}",
                        f"--port={options.port}", "--username=postgres", "postgres"], output)
        signal.signal(signal.SIGTERM, load.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        load.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
