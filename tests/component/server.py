"""Real PostgreSQL instances on unix sockets, as the user that they belong to."""

import contextlib
import glob
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import time

import pytest

SETTINGS = """
fsync = off
listen_addresses = ''
dynamic_shared_memory_type = mmap
shared_buffers = 2MB
max_connections = 10
superuser_reserved_connections = 1
max_wal_senders = 5
max_wal_size = 32MB
min_wal_size = 2MB
wal_keep_size = 16MB
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1
autovacuum = off
logging_collector = on
log_filename = 'server.log'
"""

#: Long enough for a busy machine; whatever waits, waits on a condition.
PATIENCE = 180.0


def bindir():
    """Return the folder of PostgreSQL's programs; fail loudly without it."""
    folders = [os.environ.get("PAF_TEST_BINDIR", "")] + sorted(
        glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"),
        key=lambda name: int("".join(filter(str.isdigit, name)) or 0), reverse=True)
    for folder in folders:
        if os.access(os.path.join(folder, "initdb"), os.X_OK):
            return folder
    pytest.fail("the component tests need PostgreSQL 12 or later: apt-get install postgresql-15, "
                "or name its folder in PAF_TEST_BINDIR", pytrace=False)


def without_checksums():
    """Return the words of initdb for the same instance with each version: 18 has them by default.

    With checksums a rewind is always possible, and hint bits are logged.
    """
    said = subprocess.run([f"{bindir()}/postgres", "--version"], capture_output=True, text=True,
                          check=True).stdout
    major = int(re.search(r"\) (\d+)", said).group(1))
    return ["--no-data-checksums"] if major >= 18 else []


def owner():
    """Return the passwd entry of the user that the servers run as."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.fail("as root, the component tests need the user postgres: "
                    "apt-get install postgresql-common", pytrace=False)


def as_owner(*argv, check=True):
    """Run a program as that user and return what it printed."""
    who = owner()
    more = {} if os.geteuid() else {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    result = subprocess.run(
        [str(word) for word in argv], cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **more)
    if check and result.returncode:
        raise AssertionError(f"{argv[0]} failed: {result.stdout}{result.stderr}")
    return result.stdout


def wait_until(condition, what, seconds=PATIENCE):
    """Wait until the condition returns something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"still not after {seconds:.0f} s: {what}")
        time.sleep(0.02)


def quoted(text):
    """Return text as a value in quotes, as conninfo and postgresql.conf both take it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Server:
    """One instance: its data directory, port, and processes."""

    def __init__(self, pgdata, sockets, port):
        self.pgdata, self.sockets, self.port = pathlib.Path(pgdata), sockets, port
        self.programs = bindir()

    def configure(self, *lines):
        """Add lines to postgresql.auto.conf's reader, the last of postgresql.conf."""
        path = self.pgdata / "postgresql.conf"
        with path.open("a") as stream:
            stream.write("\n".join(lines) + "\n")

    def start(self):
        """Start it as it is, without the agent."""
        as_owner(f"{self.programs}/pg_ctl", "-D", self.pgdata, "-w", "-s", "-t", "60", "-l",
                 "/dev/null", "start")

    def stop(self, mode="fast"):
        """Stop it without the agent."""
        as_owner(f"{self.programs}/pg_ctl", "-D", self.pgdata, "-w", "-s", "-m", mode, "stop")

    def connect(self):
        """Return a connection in autocommit mode."""
        try:
            import psycopg2
        except ImportError:
            pytest.fail("the component tests need psycopg2: apt-get install python3-psycopg2",
                        pytrace=False)
        connection = psycopg2.connect(host=str(self.sockets), port=self.port, dbname="postgres",
                                      user=owner().pw_name, connect_timeout=20)
        connection.autocommit = True
        return connection

    def sql(self, text):
        """Run one statement and return its rows."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, text):
        """Run one statement and return its only value."""
        return self.sql(text)[0][0]

    def drop_standbys(self):
        """End all replication connections, and wait until they are gone."""
        def dropped():
            return not self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        wait_until(dropped, f"no standby to stream from {self.port}")

    @property
    def in_recovery(self):
        """True for a standby."""
        return self.value("SELECT pg_is_in_recovery()")

    def control(self, name="Database cluster state"):
        """Return a line of pg_controldata."""
        text = as_owner(f"{self.programs}/pg_controldata", self.pgdata)
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)[name].strip()

    def pid(self):
        """Return the postmaster's pid from its file."""
        return int((self.pgdata / "postmaster.pid").read_text().split()[0])

    def processes(self):
        """Return the pids of all living processes of this data directory."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if self._works_here(pid)]

    def _works_here(self, pid):
        try:
            return (os.readlink(f"/proc/{pid}/cwd").startswith(str(self.pgdata))
                    and "/postgres" in os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            return False

    def kill(self):
        """Kill all its processes at once, as a power cut does; the machine stays up."""
        def dead():
            left = sorted(self.processes())
            for pid in left:    # the postmaster may have started one since the last look
                send(pid, signal.SIGKILL)
            return not left
        wait_until(dead, f"{self.pgdata} to be dead")

    def kill_and_reap(self):
        """The same; the postmaster is no zombie then, which keeps its lock files to the next one.

        The agent waits for that itself where postmaster.pid is still the zombie's.
        """
        pid = self.pid()
        self.kill()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the postmaster to be reaped")

    def hold_still(self):
        """Stop what the server writes to the WAL of its own accord, until it is killed.

        Every 15 s the background writer writes which transactions run, now and then the
        checkpointer a checkpoint; a standby that is cut off just then misses that.
        """
        pids = [row[0] for row in self.sql(
            "SELECT pid FROM pg_stat_activity "
            "WHERE backend_type IN ('background writer', 'checkpointer')")]
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    def signal(self, number):
        """Send a signal to the postmaster."""
        send(self.pid(), number)

    def files(self):
        """Return {path: (mode, uid, content)} of everything in the data directory."""
        found = {}
        for path in sorted(self.pgdata.rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(self.pgdata))] = (status.st_mode, status.st_uid, content)
        return found

    def destroy(self):
        """End it, what it started, and what it left in shared memory."""
        end_processes_in(self.pgdata)
        try:
            line = (self.pgdata / "postmaster.pid").read_text().splitlines()[6]
            subprocess.run(["ipcrm", "-m", line.split()[1]], stderr=subprocess.DEVNULL,
                           check=False)
        except (OSError, IndexError):
            pass


def send(pid, number):
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


@contextlib.contextmanager
def deaf_session(node, fifo):
    """A session that does not hear that it is to end: it opens a pipe that nothing writes to."""
    os.mkfifo(fifo)
    os.chown(fifo, owner().pw_uid, owner().pw_gid)
    node.sql("CREATE TABLE IF NOT EXISTS deaf (line text)")
    with subprocess.Popen(
            [f"{bindir()}/psql", "-h", str(node.cluster.sockets), "-p", str(node.port), "-U",
             owner().pw_name, "-c", f"COPY deaf FROM '{fifo}'", "postgres"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        try:
            wait_until(lambda: node.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
                                          "'COPY deaf FROM%' AND state = 'active'"), "the session")
            yield
        finally:
            # what waits to open it goes on; without a reader this fails at once
            with contextlib.suppress(OSError):
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            client.wait(60)


def end_processes_in(folder):
    """Kill every process whose working directory is in a folder of instances."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(str(folder)):
                send(int(pid), signal.SIGKILL)
        except OSError:
            continue


def clone(source, target):
    """Copy a stopped instance's data directory."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.chown(target.parent, owner().pw_uid, owner().pw_gid)
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


def remove(folder):
    """Remove a folder of instances."""
    shutil.rmtree(folder, ignore_errors=True)
