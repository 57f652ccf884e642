"""Start and stop the clients and the sampler of a lab, and report what they saw."""

import os
import re
import signal
import subprocess
import time

from . import checker, lists, network
from .report import client_report, parse_spans
from .settings import CHECKOUT, VIP
from .tools import HELPER_ENVIRONMENT, PYTHON, LabError, wait_until, write_file

TABLE = """create table if not exists paf_lab_rows
    (run text, id bigint, payload text, primary key (run, id))"""
#: As in "progress: 1795946841.012 s, 812.0 tps, lat 19.6 ms stddev 7.1, 0 failed" of pgbench.
_RATE = re.compile(r"^progress: ([0-9.]+) s, ([0-9.]+) tps", re.MULTILINE)
_BROKEN = re.compile(r"^pgbench: error: client [0-9]+ .*aborted", re.MULTILINE)


def _primary_if_any(lab):
    """Return the primary, None if there is none after it was waited for."""
    try:
        return lab.primary()
    except LabError:
        return None


class Helper:
    """A program of the lab that runs in the hub, found again by the pid in its folder."""

    module = ""
    #: Added to its environment.
    environment: dict = {}
    #: Seconds until its first row or transaction is acknowledged.
    first = 60

    def __init__(self, lab, run):
        self.lab = lab
        self.name = run
        self.folder = lab.folder / self.module / run
        self._process = None

    def _start(self, arguments):
        if self.is_running:
            raise LabError(f"the {self.module} {self.name!r} runs already")
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [PYTHON, "-m", f"lab.{self.module}", *arguments]
        with open(self.folder / "output.log", "ab") as output:
            self._process = subprocess.Popen(
                network.inside(self.lab.settings.netns(), argv),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**HELPER_ENVIRONMENT, **self.environment},
            )
        write_file(self.folder / "pid", f"{self._process.pid}\n")

    @property
    def pid(self):
        """The pid of the program, None if it does not run."""
        path = self.folder / "pid"
        if self._process is not None:
            self._process.poll()
        pid = int(path.read_text(encoding="ascii")) if path.exists() else None
        return pid if pid in network.pids(self.lab.settings.netns()) else None

    @property
    def is_running(self):
        """True while the program runs."""
        return self.pid is not None

    def stop(self, seconds=60):
        """End the program; return its report."""
        pid = self.pid
        if pid is None:
            raise LabError(
                f"the {self.module} {self.name!r} does not run: {self.read('output.log').strip()}"
            )
        os.kill(pid, signal.SIGTERM)
        wait_until(
            lambda: not self.is_running,
            seconds,
            f"the end of the {self.module} {self.name!r}",
            step=0.02,
        )
        write_file(self.folder / "end", f"{time.monotonic()}\n")
        return self.report()

    def read(self, name):
        """Return the text of one of its files."""
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def report(self):
        """Return what it has seen."""
        raise NotImplementedError


class Client(Helper):
    """The writing client: `with lab.client() as client: …` then `client.report()`."""

    module = "client"

    #: Seconds to wait for the network, and for a server that has just failed, before the client
    #: opens another connection; None: the client's own limits, for slow networks.
    patience: tuple | None = None
    #: For measuring outages: a client that waits longer would measure its own wait, not when the
    #: address was back.
    IMPATIENT = (0.03, 0.1)

    def start(self, interval=0.005, size=10, host=VIP, primary=None):
        """Start writing a row of `size` bytes every `interval` seconds; wait for the first one.

        primary: the name of the node where the table is made, where Pacemaker knows of none.
        """
        primary = primary or self.lab.primary()
        self.lab.nodes[primary].sql(TABLE)
        self.lab.nodes[primary].sql(f"delete from paf_lab_rows where run = '{self.name}'")
        self._start(
            [
                "--folder",
                str(self.folder),
                "--run",
                self.name,
                "--host",
                host,
                "--interval",
                str(interval),
                "--size",
                str(size),
                *self._patience(),
            ]
        )
        wait_until(
            lambda: self.read("acks.log"), self.first, "the client's first acknowledged row",
            step=0.02
        )
        return self

    def _patience(self):
        if self.patience is None:
            return []
        handshake, answer = self.patience
        return ["--handshake", str(handshake), "--answer", str(answer)]

    def report(self, node=None):
        """Return the ClientReport so far; rows are looked for on the primary, or on `node`."""
        acks = self.read("acks.log")
        end = float(self.read("end") or time.monotonic())
        return client_report(acks, self.read("errors.log"), end, self._present(node))

    def _present(self, node):
        node = node or _primary_if_any(self.lab)
        if node is None:
            return None
        rows = self.lab.nodes[node].sql(
            f"select id from paf_lab_rows where run = '{self.name}'", timeout=60
        )
        return [int(row[0]) for row in rows]

    def rows(self):
        """Return how many rows have been acknowledged so far."""
        return self.read("acks.log").count("\n")

    def wait_rows(self, count, seconds=90):
        """Wait for `count` more acknowledged rows."""
        goal = self.rows() + count
        wait_until(
            lambda: self.rows() >= goal, seconds, f"{count} more acknowledged rows", step=0.01
        )

    def __enter__(self):
        return self if self.is_running else self.start()

    def __exit__(self, *_):
        if self.is_running:
            self.stop()


class History(Helper):
    """Several writers that append to lists and read them back: `with lab.history() as history: …`.

    See lab.appends for what they do, and lab.checker for what is asked of the outcome.
    """

    module = "appends"

    def start(self, host=VIP, interval=0.05):
        """Start the writers; wait for the first acknowledged transaction.

        interval: seconds between two transactions of a writer.
        """
        primary = self.lab.primary()
        self.lab.nodes[primary].sql(lists.TABLE)
        self.lab.nodes[primary].sql(f"delete from paf_lab_lists where run = '{self.name}'")
        self._start(["--folder", str(self.folder), "--run", self.name, "--host", host,
                     "--interval", str(interval)])
        wait_until(lambda: checker.OK in self.read("history.log"), self.first,
                   "the first acknowledged transaction", step=0.05)
        return self

    def report(self, node=None, durable=True):
        """Return the checker.Verdict so far, None without a primary; see checker.check.

        The lists are read on the primary, or on `node`. The answer is final once `stop` was called.
        """
        node = node or _primary_if_any(self.lab)
        if node is None:
            return None
        rows = self.lab.nodes[node].sql(
            "select list, array_to_string(items, ' ') from paf_lab_lists "
            f"where run = '{self.name}'", timeout=60)
        final = {int(name): [int(value) for value in items.split()] for name, items in rows}
        return checker.check(lists.parse(self.read("history.log")), final, durable)

    def __enter__(self):
        return self if self.is_running else self.start()

    def __exit__(self, *_):
        if self.is_running:
            self.stop()


class Sampler(Helper):
    """Asks each node every few milliseconds whether it takes writes."""

    module = "sampler"

    def start(self, interval=0.01):
        """Start asking."""
        nodes = [f"{name}={node.address}" for name, node in self.lab.nodes.items()]
        self._start(
            ["--output", str(self.folder / "spans.log"), "--interval", str(interval), *nodes]
        )
        wait_until((self.folder / "spans.log").exists, 60, "the sampler to start", step=0.02)
        return self

    def report(self):
        """Return the Spans; complete only once stopped. Raises LabError if it broke.

        Who saw nothing has seen no second primary either.
        """
        if self.read("output.log"):
            raise LabError(f"the sampler {self.name!r} broke: {self.read('output.log')[-2000:]}")
        return parse_spans(self.read("spans.log"))

    def __enter__(self):
        return self if self.is_running else self.start()

    def __exit__(self, *_):
        if self.is_running:
            self.stop()


class Load(Helper):
    """pgbench beside the fault: `with lab.load() as load: …`; see lab.load."""

    module = "load"
    CLIENTS = 16
    #: How many clients this one has, and what they do (a pgbench script), TPC-B's for "".
    clients, script = CLIENTS, ""

    def prepare(self, scale, fillfactor=80):
        """Make pgbench's tables, unless they are there."""
        node = self.lab.nodes[self.lab.primary()]
        if node.sql("select count(*) from pg_class where relname = 'pgbench_history'") == [["0"]]:
            node.run([f"{self.lab.settings.bindir}/pgbench", "--initialize", "--quiet",
                      f"--scale={scale}", f"--fillfactor={fillfactor}", "postgres"],
                     user="postgres", timeout=600)

    def start(self, host=VIP):
        """Start pgbench; wait for its first second."""
        script = []
        if self.script:
            write_file(self.folder / "script.sql", self.script)
            script = ["--script", str(self.folder / "script.sql")]
        self._start(["--folder", str(self.folder), "--host", host, "--clients", str(self.clients),
                     "--program", f"{self.lab.settings.bindir}/pgbench", *script])
        wait_until(self.rates, 60, "the first second of pgbench", step=0.1)
        return self

    def seconds(self):
        """Return (its end in epoch seconds, transactions in it) of each second so far."""
        return [(float(end), float(rate)) for end, rate in _RATE.findall(self.read("load.log"))]

    def rates(self):
        """Return the transactions of each second so far (list of float)."""
        return [rate for _, rate in self.seconds()]

    def broken(self):
        """Return how many of pgbench's sessions have ended with an error."""
        return len(_BROKEN.findall(self.read("load.log")))

    report = rates

    def __enter__(self):
        return self if self.is_running else self.start()

    def __exit__(self, *_):
        if self.is_running:
            self.stop()
