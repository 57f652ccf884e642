"""The sampler: asks every node directly, every few milliseconds, whether its server takes writes.

Runs in the hub, one thread per node. Writes the spans of time with the same answer as JSON lines,
each with the times of its first and last question and answer: within [first answer, last question]
the state is certain.
"""

import argparse
import json
import signal
import sys
import threading
import time

import psycopg2

from .client import Connection, TooLate

ANSWER_SECONDS = 0.5
PAUSE_AFTER_ERROR = 0.02


class Watcher(threading.Thread):
    """Asks one node."""

    def __init__(self, node, host, interval, done, emit):
        super().__init__(daemon=True)
        self.node, self.host, self.interval = node, host, interval
        self._done, self._emit = done, emit
        self._connection = None
        self._span = None

    def run(self):
        """Ask until stopped, then emit the last span."""
        while not self._done.is_set():
            asked = time.monotonic()
            state = self._ask()
            self._note(state, asked, time.monotonic())
            self._done.wait(self.interval if state is not None else PAUSE_AFTER_ERROR)
        if self._span:
            self._emit(self._span)

    def _ask(self):
        """Return 'primary', 'standby', or None without an answer."""
        try:
            if self._connection is None:
                self._connection = Connection(self.host, 5432, "paf_lab_sampler")
            cursor = self._connection.query("select pg_is_in_recovery()", (), ANSWER_SECONDS)
            return "standby" if cursor.fetchone()[0] else "primary"
        except (psycopg2.Error, TooLate):
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            return None

    def _note(self, state, asked, answered):
        if self._span is None or self._span["state"] != state:
            if self._span:
                self._emit(self._span)
            self._span = {
                "node": self.node,
                "state": state,
                "first_asked": asked,
                "first_answered": answered,
                "samples": 0,
            }
        self._span.update(
            last_asked=asked, last_answered=answered, samples=self._span["samples"] + 1
        )


def main(arguments):
    """Watch the nodes given as NAME=ADDRESS until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True)
    parser.add_argument(
        "--interval", type=float, default=0.01, help="seconds between two questions to a node"
    )
    parser.add_argument("nodes", nargs="+", metavar="NAME=ADDRESS")
    options = parser.parse_args(arguments)
    done, lock = threading.Event(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(options.output, "w", encoding="utf-8", buffering=1) as output:

        def emit(span):
            with lock:
                output.write(json.dumps(span) + "\n")

        watchers = [
            Watcher(name, host, options.interval, done, emit)
            for name, host in (node.split("=", 1) for node in options.nodes)
        ]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
