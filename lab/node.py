"""One node of a lab: what can be asked of it and done to it."""

import os
import re
import signal
import time
from pathlib import Path

from . import agents, network, power, status
from .disk import PATH, STAND_INS, Disk
from .tools import LabError, run, wait_until, write_file

FIELD, ROW = "\x1f", "\x1e"
WATCHER = re.compile(r"/pgsqlms watch\s*$")
ROLES = (
    "postmaster",
    "watcher",
    "walreceiver",
    "walsender",
    "startup",
    "checkpointer",
    "pacemakerd",
    "corosync",
)
SIGNALS = {
    "kill": signal.SIGKILL,
    "stop": signal.SIGSTOP,
    "cont": signal.SIGCONT,
    "term": signal.SIGTERM,
}

#: The numbers of epoll_wait and epoll_pwait: x86-64's, and the one of newer processors.
EPOLL_WAIT = ("232", "281", "22")


def _no_connection(result):
    # psql exits 2 as well if the connection breaks while the query runs: that is not repeated
    return result.status == 2 and "connection to server" in result.error and (
        "failed: " in result.error)


def _send(pid, number):
    """Send a signal to a process; return whether it was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _waits(pid):
    """Return whether a stopped process was stopped in its wait for data."""
    process = Path(f"/proc/{pid}")
    try:
        wait_until(lambda: (process / "stat").read_text().rpartition(")")[2].split()[0] == "T",
                   10, f"process {pid} to stop", step=0.01)
        return (process / "syscall").read_text().split()[0] in EPOLL_WAIT
    except OSError:    # it has ended
        return False


class Node:
    """A node, on or off."""

    def __init__(self, settings, name):
        self.settings = settings
        self.name = name
        self.address = settings.address(name)
        self.disk = Disk(settings, name)
        self.network = network.Network(settings)

    def __repr__(self):
        return f"<Node {self.name} of {self.settings.name}>"

    # power

    def power_on(self, **boot):
        """Switch the node on: it boots, cluster and all."""
        power.ask(self.settings, "on", self.name, boot=boot)

    def power_off(self):
        """Cut the node's power."""
        power.ask(self.settings, "off", self.name)

    def reboot(self):
        """Cut the node's power and switch it on again."""
        power.ask(self.settings, "reboot", self.name)

    def fence_policy(self, policy):
        """Say what a fencing of this node does: 'reboot' (as at the start), 'off', or 'fail'."""
        power.ask(self.settings, "policy", self.name, policy=policy)

    @property
    def pid(self):
        """The pid of the node's process 1, None while it is off."""
        try:
            pid = int((self.disk.folder / "pid").read_text(encoding="ascii"))
            mine = os.stat(network.NETNS / self.settings.netns(self.name))
        except FileNotFoundError:
            return None
        return pid if network.is_in(pid, mine) else None

    @property
    def is_on(self):
        """True while the node has power."""
        return self.pid is not None

    # programs

    def inside(self, argv, user=None):
        """Return the command that runs `argv` in the node."""
        pid = self.pid
        if pid is None:
            raise LabError(f"{self.name} is off")
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return [
            "nsenter",
            f"--target={pid}",
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            f"--root=/proc/{pid}/root",
            f"--wd=/proc/{pid}/cwd",
            *switch,
            *argv,
        ]

    def run(self, argv, *, check=True, timeout=60, user=None, text=None, env=None):
        """Run a program in the node, return its Result; kill it and raise LabError if too slow."""
        # nsenter forks, so the program must be bounded in the node: killing nsenter would leave it
        bounded = ["timeout", "--signal=KILL", f"{timeout}", *argv]
        begin = time.monotonic()
        result = run(
            self.inside(bounded, user),
            check=False,
            timeout=timeout + 5,
            text=text,
            env={"PATH": PATH, **(env or {})},
        )
        if result.status == 137 and time.monotonic() - begin >= timeout:
            raise LabError(
                f"{' '.join(map(str, argv))!r} took more than {timeout:g} s on {self.name}"
            )
        if check and not result.ok:
            raise LabError(f"{self.name}: {result}")
        return result

    def sql(self, query, *, timeout=30, database="postgres", check=True, patience=30):
        """Run a query over the server's own socket; return the rows, as lists of strings.

        Where `check` is set and no connection is possible (the query has not run then), it is
        asked again for `patience` seconds.
        """
        argv = [
            f"{self.settings.bindir}/psql",
            "-XAtq",
            "-F",
            FIELD,
            "-R",
            ROW,
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "/var/run/postgresql",
            "-d",
            database,
            "-c",
            query,
        ]
        end = time.monotonic() + patience
        result = self.run(argv, user="postgres", timeout=timeout, check=False)
        while check and _no_connection(result) and time.monotonic() < end:
            time.sleep(0.2)
            result = self.run(argv, user="postgres", timeout=timeout, check=False)
        if check and not result.ok:
            raise LabError(f"{self.name}: {result}")
        output = result.output.rstrip("\n")
        return [row.split(FIELD) for row in output.split(ROW)] if output and result.ok else []

    def value(self, query, **options):
        """Run a query, return the first column of the first row, None if there is no row."""
        rows = self.sql(query, **options)
        return rows[0][0] if rows else None

    def in_recovery(self):
        """Return True for a standby, False for a primary, None when the server does not answer."""
        if not self.is_on:
            return None
        try:
            answer = self.value("select pg_is_in_recovery()", timeout=5, patience=0)
        except LabError:
            return None
        return answer == "t"

    def cluster_status(self):
        """Return what crm_mon says in this node as a ClusterStatus, None when it has no answer."""
        if not self.is_on:
            return None
        try:
            result = self.run(
                ["crm_mon", "-1", "--output-as=xml", "-A", "-f", "-r"], check=False, timeout=10
            )
        except LabError:
            return None
        return status.parse(result.output) if result.ok else None

    # processes

    def pids(self, role):
        """Return the pids (the machine's numbers) of a role's processes in the node; see ROLES."""
        return [pid for pid in network.pids(self.settings.netns(self.name)) if self._is(pid, role)]

    def _is(self, pid, role):
        try:
            command = (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
                .strip()
            )
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False
        if role == "postmaster":
            return (
                program == "postgres"
                and " -D" in command
                and not command.startswith("postgres:")
                # what the agent runs: a question on a setting, a recovery before a rewind
                and not re.search(" (-C|--single) ", command)
            )
        if role == "watcher":
            return bool(WATCHER.search(command))
        if role in ROLES[2:6]:
            return program == "postgres" and command.startswith(f"postgres: {role}")
        return program == role

    def running(self, words):
        """Return the pids (the machine's) of the node's processes with `words` in the command."""
        found = []
        for pid in network.pids(self.settings.netns(self.name)):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if words in command.decode(errors="replace"):
                found.append(pid)
        return found

    def signal(self, what, target):
        """Send 'kill', 'stop', 'cont', 'term' or a number to a role's processes, or to one pid."""
        number = SIGNALS.get(what, what)
        found = [self._outer_pid(int(target))] if str(target).isdigit() else self.pids(target)
        if not found:
            raise LabError(f"{self.name} runs no {target}")
        reached = [pid for pid in found if _send(pid, number)]
        if not reached:
            raise LabError(f"the {target} of {self.name} has just ended")
        return reached

    def _outer_pid(self, inner):
        """Return the machine's number of a process that the node knows by another."""
        for pid in network.pids(self.settings.netns(self.name)):
            try:
                text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
            except OSError:    # it has ended
                continue
            for line in text.splitlines():
                if line.startswith("NSpid:") and line.split()[-1] == str(inner):
                    return pid
        raise LabError(f"{self.name} has no process {inner}")

    def kill(self, target):
        """kill -9."""
        return self.signal("kill", target)

    def freeze(self, target):
        """SIGSTOP."""
        return self.signal("stop", target)

    def freeze_waiting(self, target):
        """SIGSTOP, if a role's processes wait for data; return them, [] if they did something else.

        A WAL receiver that is stopped while it writes reads what the kernel holds for it before it
        looks at its signals: it gets WAL that the test wants it to miss.
        """
        found = self.freeze(target)
        if all(_waits(pid) for pid in found):
            return found
        self.thaw(target)
        return []

    def thaw(self, target):
        """SIGCONT."""
        return self.signal("cont", target)

    # files

    def log(self, path="/var/log/pacemaker/pacemaker.log"):
        """Return the text of a file of the node, '' if there is none."""
        found = self.disk.path(path)
        return found.read_text(encoding="utf-8", errors="replace") if found.exists() else ""

    def console(self):
        """Return the last line that the node's boot has complained with, '' if none."""
        path = self.disk.folder / "console.log"
        lines = (
            path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
        )
        # util-linux 2.38 says so whenever a node's power is cut
        lines = [line for line in lines if line.strip() and "sigprocmask" not in line]
        return lines[-1].strip() if lines else ""

    def install(self, path, text, mode=0o755):
        """Write a file into the node, on or off."""
        if not self.is_on:
            write_file(self.disk.path(path), text, mode)
            return
        self.run(["mkdir", "-p", os.path.dirname(path)])
        self.run(["tee", path], text=text)
        self.run(["chmod", f"{mode:o}", path])

    def stand_in(self, program, text):
        """Put a program first in the PATH that the node's Pacemaker, and so the agent, has."""
        self.install(f"{STAND_INS}/{program}", text)

    def set_agent(self, agent):
        """Replace the node's agent, also while it runs. See agents.stage for what can be named."""
        tree = agents.stage(self.settings, agent, self.settings.system(self.name))
        if not self.is_on:
            self.disk.install_agent(tree)
            return
        old, new = self.disk.agent_files(), agents.files(tree)
        self.run(["cp", "-a", f"/run/paf-lab/agents/{tree.name}/.", "/"])
        gone = [f"/{name}" for name in old if name not in new]
        if gone:
            self.run(["rm", "-f", *gone])
        self.disk.record_agent(tree)

    def wait_booted(self, seconds=30):
        """Wait until the node's Pacemaker answers."""
        wait_until(self.cluster_status, seconds, f"Pacemaker of {self.name} to answer", step=0.1)
