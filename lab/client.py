"""The writing client: a row every few milliseconds through the VIP, acknowledged ones logged.

Runs in the hub. It never waits for the network longer than it must: a connection attempt has 0.3 s
(less to reach the server, as an option), an answer 1 s (after an error less, as an option;
then twice as long each time, so that commits that wait for a synchronous standby do not pile up),
and a lost peer is noticed by TCP within a second. A row whose answer never came is not repeated:
its fate is unknown, the next one gets a new number.
"""

import argparse
import os
import select
import signal
import sys
import time
from pathlib import Path

import psycopg2
import psycopg2.extensions

#: Servers that are emulated need longer to start a backend.
CONNECT_SECONDS = float(os.environ.get("PAF_LAB_CONNECT_SECONDS", "0.3"))
ANSWER_SECONDS = 1.0
LONGEST_ANSWER_SECONDS = 16.0
DSN = (
    "host={host} port={port} user=postgres dbname=postgres application_name={name} "
    "keepalives=1 keepalives_idle=1 keepalives_interval=1 keepalives_count=1 tcp_user_timeout=500 "
    "sslmode=disable gssencmode=disable"
)


class TooLate(Exception):
    """No answer in time."""


class Connection:
    """A connection to a server that never blocks for longer than its limit."""

    def __init__(self, host, port, name, handshake=CONNECT_SECONDS):
        self._connection = psycopg2.connect(DSN.format(host=host, port=port, name=name), async_=1)
        try:
            self._wait_reached(handshake)
            self._wait(CONNECT_SECONDS)
        except (TooLate, psycopg2.Error):
            self.close()
            raise
        self._cursor = self._connection.cursor()

    def query(self, text, arguments, seconds):
        """Run a statement and wait for its answer; return the cursor."""
        self._cursor.execute(text, arguments)
        self._wait(seconds)
        return self._cursor

    def close(self):
        """Close the socket."""
        self._connection.close()

    def _wait_reached(self, seconds):
        """Wait for the network's connection: a lost SYN would be repeated after a second."""
        if not select.select([], [self._connection.fileno()], [], seconds)[1]:
            raise TooLate(f"not reached in {seconds:g} s")

    def _wait(self, seconds):
        end = time.monotonic() + seconds
        while True:
            state = self._connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            left = end - time.monotonic()
            reads, writes = [], []
            (reads if state == psycopg2.extensions.POLL_READ else writes).append(
                self._connection.fileno()
            )
            if left <= 0 or not any(select.select(reads, writes, [], left)):
                raise TooLate(f"no answer in {seconds:g} s")


class Writer:
    """Writes rows until `stop`."""

    def __init__(self, options):
        self.options = options
        self.running = True
        self._connection = None
        self._patience = ANSWER_SECONDS
        self._error = None
        folder = Path(options.folder)
        self._acks = open(folder / "acks.log", "w", encoding="ascii", buffering=1)
        self._errors = open(folder / "errors.log", "w", encoding="utf-8", buffering=1)

    def stop(self, *_):
        """Finish after the current row."""
        self.running = False

    def write_rows(self):
        """Write rows, one each interval."""
        number, payload = 0, "x" * self.options.size
        due = time.monotonic()
        while self.running:
            number += 1
            sent = time.monotonic_ns()
            try:
                self._write(number, payload)
                self._acks.write(f"{number} {sent} {time.monotonic_ns()}\n")
                self._patience, self._error = ANSWER_SECONDS, None
            except (psycopg2.Error, TooLate) as error:
                self._give_up(error)
            due = max(due + self.options.interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def _write(self, number, payload):
        if self._connection is None:
            self._connection = Connection(self.options.host, self.options.port, self.options.run,
                                          self.options.handshake)
        self._connection.query(
            "insert into paf_lab_rows (run, id, payload) values (%s, %s, %s)",
            (self.options.run, number, payload),
            self._patience,
        )

    def _give_up(self, error):
        text = " ".join(str(error).split())
        if text != self._error:
            self._errors.write(f"{time.monotonic_ns()} {text}\n")
            self._error = text
        if self._connection is not None:
            if isinstance(error, TooLate):
                self._patience = min(self._patience * 2, LONGEST_ANSWER_SECONDS)
            elif self.options.answer:    # a question to an address that moves just then is lost
                self._patience = self.options.answer
            self._connection.close()
            self._connection = None
        time.sleep(0.005)


def main(arguments):
    """Write rows until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--interval", type=float, default=0.005, help="seconds between rows")
    parser.add_argument("--handshake", type=float, default=CONNECT_SECONDS,
                        help="seconds in which the network has to answer")
    parser.add_argument("--answer", type=float,
                        help="seconds in which a server that has just failed has to answer")
    parser.add_argument("--size", type=int, default=10, help="bytes of payload in a row")
    writer = Writer(parser.parse_args(arguments))
    signal.signal(signal.SIGTERM, writer.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer.write_rows()
    return 0


if __name__ == "__main__":
    # The rows are in the log; a connection that hangs in libpq must not keep the client from ending
    status = main(sys.argv[1:])
    os._exit(status)
