"""Data directories, made once and copied: a primary and a standby, both shut down cleanly.

They are made with the server of the first node's system, by the programs that the nodes will run.
"""

import fcntl
import hashlib
import os
import shutil

from . import disk, systems
from .settings import cache_folder
from .tools import LabError, run

INITDB = [
    "--no-sync",
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--data-checksums",
]
# A standby refuses to start with less than the primary had: the template asks for little, so that a
# lab may
LIMITS = [
    "-c max_connections=10",
    "-c max_wal_senders=3",
    "-c max_worker_processes=2",
    "-c wal_log_hints=on",
]
#: Unused WAL is zeros: with holes in their place the copy for a node costs half as much.
HOLES = ["fallocate", "--dig-holes"]
INCLUDE = "\ninclude '/var/lib/postgresql/node.conf'\n"


class Template:
    """The pair of data directories for one version of the server, in the labs' cache."""

    def __init__(self, settings):
        self._bin = settings.bindir
        self._system = settings.system(settings.names[0])
        self._binds = [(source, place) for place, source in settings.binds.items()]
        version = self._ask("postgres", "--version").output.strip()
        made_from = [version, *self._foreign(), INCLUDE, *INITDB, *LIMITS, *HOLES]
        key = hashlib.sha256(" ".join(made_from).encode()).hexdigest()[:12]
        self.folder = cache_folder() / f"pgdata-{settings.pg_version}-{key}"

    def prepare(self):
        """Make the data directories unless they are there; return the folder of both."""
        cache_folder().mkdir(parents=True, exist_ok=True)
        with open(f"{self.folder}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.folder / "done").exists():
                self._build()
        return self.folder

    def _build(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o755)
        os.chown(self.folder, *disk.account(self._system, "postgres"))
        primary, standby = self.folder / "primary", self.folder / "standby"
        self._run("initdb", *INITDB, "-D", primary)
        try:
            self._start(primary)
            self._run(
                "pg_basebackup",
                "--no-sync",
                "-h",
                self.folder,
                "-U",
                "postgres",
                "-D",
                standby,
                "-X",
                "stream",
                "--checkpoint=fast",
                "-R",
            )
            # not what pg_basebackup writes: a receiver with an older libpq knows not all of it
            self._start(standby, "-c port=5433",
                        f"-c primary_conninfo='host={self.folder} user=postgres'")
            self._wait_streaming()
        finally:
            # The primary first: its shutdown checkpoint must reach the standby
            for pgdata in (primary, standby):
                self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", pgdata, check=False)
        for pgdata in (primary, standby):
            for segment in (pgdata / "pg_wal").glob("0*"):
                run([*HOLES, segment])
            with open(pgdata / "postgresql.conf", "a", encoding="utf-8") as file:
                file.write(INCLUDE)
            (pgdata / "postgresql.auto.conf").write_text(
                "# Set by ALTER SYSTEM\n", encoding="utf-8"
            )
        (self.folder / "done").touch()

    def _start(self, pgdata, *more):
        options = [
            "-c listen_addresses=''",
            f"-c unix_socket_directories={self.folder}",
            *LIMITS,
            *more,
        ]
        self._run(
            "pg_ctl",
            "start",
            "-w",
            "-D",
            pgdata,
            "-l",
            self.folder / f"{pgdata.name}.log",
            "-o",
            " ".join(options),
        )

    def _wait_streaming(self):
        query = (
            "select pg_sleep(0.05) from generate_series(1, 200) where not exists"
            " (select from pg_stat_replication where state = 'streaming')"
        )
        self._run(
            "psql", "-XAtq", "-h", self.folder, "-U", "postgres", "-c", "checkpoint", "-c", query
        )
        seen = self._run(
            "psql",
            "-XAtq",
            "-h",
            self.folder,
            "-U",
            "postgres",
            "-c",
            "select count(*) from pg_stat_replication where state = 'streaming'",
        ).output.strip()
        if seen != "1":
            raise LabError(
                f"the standby of the template does not stream: see {self.folder}/standby.log"
            )

    def _foreign(self):
        """Return what names a system other than this machine's; its collations may differ."""
        return [str(self._system), *map(str, self._binds)] if self._system != systems.HOST else []

    def _ask(self, program, *arguments):
        return self._run(program, *arguments, places=[])

    def _run(self, program, *arguments, check=True, places=None):
        argv = [f"{self._bin}/{program}", *arguments]
        if self._system == systems.HOST and not self._binds:
            return run(argv, user="postgres", check=check, cwd="/", timeout=300)
        own = [(str(self.folder), str(self.folder))] if places is None else places
        return run(systems.inside(self._system, argv, self._binds + own, user="postgres"),
                   check=check, cwd="/", timeout=300)
