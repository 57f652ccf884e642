"""The power daemon of a lab: outside of the nodes, it switches them on and off.

One JSON request per connection on a unix socket: {"action": …, "node": …, "by": …}, answered by one
JSON line. Every fencing is written to fencings.jsonl with its times. The nodes are the daemon's
children and die with it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import network, owner
from .settings import CHECKOUT, Settings
from .tools import ENVIRONMENT, HELPER_ENVIRONMENT, PYTHON, LabError, wait_until, write_file

BOOT = Path(__file__).with_name("boot.py")
REQUEST_SECONDS = 120
#: How often the daemon looks whether the process that started the lab still runs.
OWNER_SECONDS = 1


def ask(settings, action, node=None, **more):
    """Ask the lab's power daemon; return its answer, LabError if it refuses or is not there."""
    request = {"action": action, "node": node, "by": "lab", **more}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(REQUEST_SECONDS)
            connection.connect(str(settings.socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(connection.makefile("r").readline() or "{}")
    except (OSError, ValueError) as error:
        raise LabError(
            f"the power daemon of lab {settings.name!r} does not answer: {error}"
        ) from error
    if not answer.get("ok"):
        raise LabError(f"power {action} {node}: {answer.get('error', 'no answer')}")
    return answer


def cut(settings, nodes):
    """Cut the power of nodes (a list of names), at the same moment where they are several."""
    if len(nodes) == 1:
        ask(settings, "off", nodes[0])
    else:
        ask(settings, "together", nodes=nodes)


def launch(settings):
    """Start the power daemon in the hub and wait until it listens."""
    with open(settings.folder / "power.log", "ab") as log:
        subprocess.Popen(
            network.inside(settings.netns(), [PYTHON, "-m", "lab.power", settings.name]),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**HELPER_ENVIRONMENT, "PAF_LAB_DIR": str(settings.folder.parent)},
        )
    wait_until(settings.socket.exists, 60, "the power daemon to listen", step=0.01)


class Power:
    """The switches of all nodes."""

    def __init__(self, settings):
        self.settings = settings
        self.network = network.Network(settings)
        self.machines = {}
        self.policy = {}
        self._log = settings.folder / "fencings.jsonl"

    def on(self, node, **more):
        """Switch a node on; more goes into its description."""
        if self.state(node) == "on":
            return {"pid": self._init(self.machines[node])}
        network.delete(self.settings.netns(node))
        self.network.plug(node)
        folder = self.settings.node_folder(node)
        spec = json.loads((folder / "node.json").read_text(encoding="utf-8"))
        spec.update(more)
        write_file(folder / "boot.json", json.dumps(spec, indent=1))
        unshare = [
            "unshare",
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ]
        argv = network.inside(
            self.settings.netns(node), [*unshare, PYTHON, "-ISB", BOOT, folder / "boot.json"]
        )
        with open(folder / "console.log", "ab") as console:
            machine = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, argv)],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd="/",
            )
        self.machines[node] = machine
        pid = wait_until(lambda: self._init(machine), 60, f"process 1 of {node}", step=0.005)
        write_file(folder / "pid", f"{pid}\n")
        return {"pid": pid}

    def off(self, node):
        """Cut a node's power: its port goes first, then each process, then its namespace."""
        self.network.unplug(node)
        machine = self.machines.pop(node, None)
        if machine:
            pid = self._init(machine)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            machine.wait(60)
        network.kill_all([self.settings.netns(node)])
        network.delete(self.settings.netns(node))
        (self.settings.node_folder(node) / "pid").unlink(missing_ok=True)
        return {}

    def together(self, nodes):
        """Cut the power of nodes at the same moment: none sees another one go first."""
        for pid in [self._init(self.machines[node]) for node in nodes if node in self.machines]:
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for node in nodes:
            self.off(node)
        return {}

    def reboot(self, node):
        """Cut a node's power, then switch it on again."""
        self.off(node)
        return self.on(node, members=1)

    def state(self, node):
        """Return 'on' or 'off'."""
        machine = self.machines.get(node)
        return "on" if machine and machine.poll() is None else "off"

    def handle(self, request):
        """Do what a request asks, return the answer."""
        action, node = request["action"], request.get("node")
        if node is not None:
            self.settings.number(node)
        if action in ("list", "list-status", "monitor"):
            return {"nodes": {name: self.state(name) for name in self.settings.names}}
        if action == "status":
            return {"power": self.state(node)}
        if action == "policy":
            self.policy[node] = request["policy"]
            return {}
        if action == "together":
            return self.together(request["nodes"])
        if action == "on":
            return self.on(node, **request.get("boot", {}))
        if action in ("off", "reboot"):
            return self._fence(request) if request.get("fence") else getattr(self, action)(node)
        raise LabError(f"no action {action!r}")

    def _fence(self, request):
        node, policy = request["node"], self.policy.get(request["node"], "reboot")
        record = {
            "node": node,
            "by": request["by"],
            "asked": request["action"],
            "policy": policy,
            "time": time.time(),
            "start": time.monotonic(),
        }
        try:
            if policy == "fail":
                raise LabError(f"the power switch of {node} is out of order")
            answer = self.off(node) if "off" in (policy, request["action"]) else self.reboot(node)
            record["ok"] = True
            return answer
        except LabError:
            record["ok"] = False
            raise
        finally:
            record["end"] = time.monotonic()
            with open(self._log, "a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")

    @staticmethod
    def _init(machine):
        if machine.poll() is not None:    # its number may be another process's by now
            return None
        children = Path(f"/proc/{machine.pid}/task/{machine.pid}/children")
        try:
            found = children.read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            found = []
        return int(found[0]) if found else None


def serve(settings):
    """Answer requests, one at a time; when the lab's owner has ended, take the lab down and end."""
    power = Power(settings)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        # moved into place when it listens: a client that sees it can connect
        fresh = settings.socket.with_suffix(".new")
        listener.bind(str(fresh))
        os.chmod(fresh, 0o666)
        listener.listen(16)
        listener.settimeout(OWNER_SECONDS)
        fresh.rename(settings.socket)
        while not _taken_down(settings.name):
            try:
                connection = listener.accept()[0]
            except socket.timeout:
                continue
            with connection:
                connection.settimeout(5)
                try:
                    connection.sendall(_answer(power, connection.makefile("r").readline()))
                except OSError as error:
                    print(f"a client went away: {error}", file=sys.stderr, flush=True)


def _taken_down(name):
    """Take the lab down if its owner has ended; return whether it is down."""
    if not owner.is_orphan(name):
        return False
    try:
        with owner.lock(name):
            if owner.is_orphan(name):    # still: not started again meanwhile
                owner.clear(name, spare=[os.getpid()])
                return True
    except LabError as error:
        print(f"the lab's owner has ended, but: {error}", file=sys.stderr, flush=True)
    return False


def _answer(power, line):
    try:
        answer = {"ok": True, **power.handle(json.loads(line))}
    except (LabError, ValueError, KeyError, OSError, subprocess.SubprocessError) as error:
        answer = {"ok": False, "error": str(error)}
        print(f"{line.strip()}: {error}", file=sys.stderr, flush=True)
    return json.dumps(answer).encode() + b"\n"


def fencings(settings):
    """Return the fencings so far, oldest first, as dictionaries."""
    path = settings.folder / "fencings.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    serve(Settings.load(sys.argv[1]))
