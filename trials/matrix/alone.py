"""Servers without the other programs than initdb, pg_ctl and postgres: the agent's library on them.

PostgreSQL 10 to 12 from npm, with this machine's psql and pg_isready. Without pg_controldata and
pg_waldump of their own there is no cluster; what is played is how the agent makes a standby
(recovery.conf, standby.signal), what it asks, and how it recovers a crashed primary.
"""

import contextlib
import os
import platform
import shutil
import signal
import tempfile
from pathlib import Path

from paf import instance as local
from paf import parameters
from paf.decide import state
from paf.decide.knowledge import is_known
from paf.deadline import Deadline
from paf.instance import (
    observe, position, postmaster, queries, server, settings, sql, standby_mode, upstream)
from lab.tools import run, wait_until
from trials.matrix.steps import need
from tests.unit.support import environment

SECONDS = 60
_TEMPLATE = "standby_mode = on\nrecovery_target_timeline = 'latest'\nprimary_conninfo = '{0}'\n"
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
port = {port}
fsync = off
wal_level = replica
hot_standby = on
max_wal_senders = 10
wal_log_hints = on
wal_retrieve_retry_interval = 200ms
logging_collector = on
"""
_SINCE_12 = "recovery_target_timeline = 'latest'\nprimary_conninfo = '{0}'\n"
_PORTS = {"srv1": 5441, "srv2": 5442}
#: The agent's sessions look into PostgreSQL's own schema only.
_COUNT = "select count(*) from public.t"


class Pair:
    """A primary (srv1) and its copy (srv2), both stopped, in a folder of their own."""

    def __init__(self, programs, version):
        self.version = int(version)
        self.folder = Path(tempfile.mkdtemp(prefix="paf-matrix-"))
        shutil.chown(self.folder, "postgres", "postgres")
        self._bin = self.folder / "bin"
        self._bin.mkdir()
        for name in ("initdb", "pg_ctl", "postgres"):
            (self._bin / name).symlink_to(Path(programs) / "bin" / name)
        for name in ("psql", "pg_isready"):
            (self._bin / name).symlink_to(f"/usr/lib/postgresql/15/bin/{name}")

    def __enter__(self):
        first = self.folder / "srv1"
        run([self._bin / "initdb", "-D", first, "--no-sync", "-A", "trust", "-U", "postgres",
             "--locale=C", "-E", "UTF8"], user="postgres", cwd="/")
        run(["cp", "-a", first, self.folder / "srv2"])
        for name in _PORTS:
            self._configure(name)
        self.at = {name: self._instance(name) for name in _PORTS}
        return self

    def __exit__(self, *_):
        for name in _PORTS:
            run([self._bin / "pg_ctl", "stop", "-m", "immediate", "-D", self.folder / name],
                user="postgres", cwd="/", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _conninfo(self, name):
        other, = (other for other in _PORTS if other != name)
        return (f"host={self.folder} port={_PORTS[other]} user=postgres "
                f"application_name={name}")

    def _configure(self, name):
        text = _SETTINGS.format(folder=self.folder, port=_PORTS[name])
        text += _SINCE_12.format(self._conninfo(name)) if self.version >= 12 else ""
        with open(self.folder / name / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(text)
        template = self.folder / f"{name}.template"
        template.write_text(_TEMPLATE.format(self._conninfo(name)), encoding="utf-8")
        template.chmod(0o644)

    def _instance(self, name):
        values = {"bindir": str(self._bin), "pgdata": str(self.folder / name),
                  "pghost": str(self.folder), "pgport": str(_PORTS[name])}
        if self.version < 12:
            values["recovery_template"] = str(self.folder / f"{name}.template")
        return local.of(parameters.read(environment(**values)))

    def versions(self):
        """Return {program: version}."""
        answer = self._run("postgres", "--version").output.split()
        return {"postgresql": answer[2], "python": platform.python_version()}

    def _run(self, program, *words):
        return run([self._bin / program, *words], user="postgres", cwd="/")

    def gather(self, folder):
        """Copy the servers' logs into a folder."""
        for name in _PORTS:
            shutil.copytree(self.folder / name / "log", folder / name, dirs_exist_ok=True)

    def heal(self):
        """Nothing can be repaired here."""

    def state(self, name):
        """Return the state that the agent sees."""
        return observe.observe(self.at[name], Deadline(SECONDS)).verdict.state

    def ask(self, name, text):
        """Return the rows of a query that the agent asks."""
        answer = sql.query(self.at[name], text, Deadline(SECONDS))
        need(answer.kind == sql.ROWS, f"{name}: {answer.message}")
        return answer.rows

    def write(self, name, text):
        """Run a statement that writes."""
        run([self._bin / "psql", "-XAtq", "-h", self.folder, "-p", str(_PORTS[name]), "-c", text],
            user="postgres", cwd="/")

    def promote(self, name):
        """Promote a standby and wait until it takes writes."""
        run([self._bin / "pg_ctl", "promote", "-W", "-D", self.folder / name], user="postgres",
            cwd="/")
        wait_until(lambda: self.state(name) == state.PRIMARY, SECONDS, f"{name} to be a primary")


@contextlib.contextmanager
def pair(cell):
    """A Pair of a cell's servers."""
    with Pair(cell.programs(), cell.postgres) as made:
        yield made


def standby(pair):
    """A standby is made, and follows: standby.signal, or recovery.conf from the template."""
    server.start(pair.at["srv1"], Deadline(SECONDS))
    settings.check_standby(pair.at["srv2"], "srv2", Deadline(SECONDS))
    standby_mode.enable(pair.at["srv2"])
    server.start(pair.at["srv2"], Deadline(SECONDS))
    made = "standby.signal" if pair.version >= 12 else "recovery.conf"
    need((pair.folder / "srv2" / made).exists(), f"no {made}")
    need(pair.state("srv1") == state.PRIMARY, f"srv1 is {pair.state('srv1')}")
    need(pair.state("srv2") == state.STANDBY, f"srv2 is {pair.state('srv2')}")


def questions(pair):
    """The monitor's query and the election's have the names of this version."""
    number = local.version(pair.at["srv1"])
    wait_until(lambda: [row[:3] for row in pair.ask("srv1", queries.monitor(number))[1:]] ==
               [["standby", "srv2", "streaming"]], SECONDS, "srv2 to be seen streaming")
    need(pair.ask("srv2", queries.monitor(number))[0][:3] == ["me", "true", "1"],
         f"the monitor of srv2: {pair.ask('srv2', queries.monitor(number))}")
    pair.write("srv1", "create table t as select generate_series(1, 1000) as n")

    def same():
        primary, other = (position.place(pair.at[name], Deadline(SECONDS)).position
                          for name in ("srv1", "srv2"))
        return is_known(primary) and is_known(other) and (
            primary.value.lsn == other.value.lsn
            and primary.value.timeline == other.value.timeline + 1)
    wait_until(same, SECONDS, "both to publish the same position, the primary on the next timeline")


def crash(pair):
    """A crashed primary starts as a standby, with all its rows, and is promoted."""
    server.stop(pair.at["srv2"], Deadline(SECONDS), lambda *_: None)
    pid = int((pair.folder / "srv1" / "postmaster.pid").read_text().splitlines()[0])
    pair.write("srv1", "insert into t select generate_series(1001, 2000)")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), SECONDS, "the postmaster to be gone")
    need(postmaster.end_orphans(pair.at["srv1"], Deadline(SECONDS)) == [], "backends are left")
    standby_mode.enable(pair.at["srv1"])
    server.start(pair.at["srv1"], Deadline(SECONDS))
    need(pair.state("srv1") == state.STANDBY, f"srv1 is {pair.state('srv1')}")
    need(pair.ask("srv1", _COUNT) == [["2000"]], "rows are gone")
    pair.promote("srv1")


def histories(pair):
    """The other learns the new timeline's history over a replication connection, and follows."""
    conninfo = settings.conninfo(pair.at["srv2"], Deadline(SECONDS))
    seen = upstream.ask(pair.at["srv2"], conninfo, Deadline(SECONDS))
    need(is_known(seen) and seen.value.timeline == 2 and len(seen.value.switches) == 1,
         f"the history says: {seen}")
    standby_mode.enable(pair.at["srv2"])
    server.start(pair.at["srv2"], Deadline(SECONDS))
    wait_until(lambda: pair.ask("srv2", _COUNT) == [["2000"]], SECONDS,
               "srv2 to follow on the new timeline")


STEPS = {"standby": standby, "queries": questions, "crashed primary": crash,
         "timelines": histories}
