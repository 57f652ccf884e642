"""The history client: several writers append to lists through the VIP and read them back.

Runs in the hub. Each transaction appends unique values to one or two lists, or only reads; what it
did, saw and heard is a line of JSON in history.log. lab.checker judges the whole afterwards. Lists
are replaced when they are long, so that a read stays short.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import psycopg2

from .checker import FAILED, OK, UNKNOWN
from .client import ANSWER_SECONDS, Connection, TooLate
from .lists import Lists

LONGEST_ANSWER_SECONDS = 5.0
READ_ONLY = 0.25    # share of the transactions
_APPEND = """insert into paf_lab_lists as lists values (%s, %s, array[%s])
    on conflict (run, list) do update set items = lists.items || excluded.items returning items"""
_READ = """select (select items from paf_lab_lists where run = %s and list = %s),
    pg_is_in_recovery()"""


class Appender(threading.Thread):
    """One client: transaction after transaction."""

    def __init__(self, options, number, lists, done, log):
        super().__init__(daemon=True)
        self._options, self._lists, self._done, self._log = options, lists, done, log
        self._dice = random.Random(f"{options.seed}/{number}")
        self._connection = None
        self._patience = ANSWER_SECONDS
        self._in_recovery = False    # whether a server in recovery has answered this transaction

    def run(self):
        """Work until it is time to end."""
        while not self._done.is_set():
            self._log(self._transaction())
            self._done.wait(self._options.interval * self._dice.uniform(0.5, 1.5))

    def _transaction(self):
        """Do one transaction; return what goes into the log."""
        appends, reads, outcome, begin = [], [], FAILED, time.monotonic()
        self._in_recovery = False
        try:
            self._connect()
            self._query("begin")
            self._statements(appends, reads)
            outcome = UNKNOWN
            self._query("commit")
            outcome, self._patience = OK, ANSWER_SECONDS
        except (psycopg2.Error, TooLate) as error:
            if isinstance(error, TooLate):
                self._patience = min(self._patience * 2, LONGEST_ANSWER_SECONDS)
            self._close()
            time.sleep(0.02)
        return [begin, time.monotonic(), outcome, appends, reads, self._in_recovery]

    def _statements(self, appends, reads):
        read_only = self._dice.random() < READ_ONLY
        for name in self._lists.draw(self._dice, self._dice.choice((1, 1, 2))):
            if read_only:
                row = self._query(_READ, (self._options.run, name)).fetchone()
                self._in_recovery = self._in_recovery or row[1]
            else:
                appends.append((name, self._lists.value(name)))
                row = self._query(_APPEND, (self._options.run, *appends[-1])).fetchone()
            reads.append((name, row[0] if row and row[0] else []))

    def _connect(self):
        if self._connection is None:
            self._connection = Connection(self._options.host, self._options.port,
                                          self._options.run)

    def _query(self, text, arguments=()):
        return self._connection.query(text, arguments, self._patience)

    def _close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def main(arguments):
    """Write until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--interval", type=float, default=0.05,
                        help="seconds between two transactions of a writer")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    done, lists, lock = threading.Event(), Lists(), threading.Lock()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(Path(options.folder) / "history.log", "w", encoding="ascii", buffering=1) as output:

        def log(entry):
            with lock:
                output.write(json.dumps(entry, separators=(",", ":")) + "\n")

        writers = [Appender(options, number, lists, done, log) for number in range(options.writers)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    return 0


if __name__ == "__main__":
    # What was heard is in the log; a connection that hangs in libpq must not keep this from ending
    status = main(sys.argv[1:])
    os._exit(status)
