"""The lab's network: a hub namespace with a bridge, a veth pair to each node, cuts and impairments.

Every process of a lab (nodes, power daemon, clients) lives in one of the lab's network namespaces,
and nothing else does: that is how an interrupted lab is found and cleared, with no list of
processes to trust.
"""

import fcntl
import functools
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .settings import CHECKOUT, HUB_ADDRESS
from .tools import HELPER_ENVIRONMENT, PYTHON, Deadline, LabError, run, write_file

BRIDGE = "br0"
NETNS = Path("/run/netns")
TABLE = "bridge paf_lab"


def ip_batch(namespace, lines, check=True):
    """Run lines of the ip command in a network namespace."""
    text = "".join(line + "\n" for line in lines)
    return run(["ip", "-n", namespace, "-batch", "-"], text=text, check=check)


def exists(namespace):
    """Return True if there is a network namespace of that name."""
    return (NETNS / namespace).exists()


def inside(namespace, argv):
    """Return the command that runs `argv` in a network namespace, and in no other."""
    return ["nsenter", f"--net={NETNS / namespace}", *argv]


def pids(namespace):
    """Return the pids of all processes in a network namespace."""
    try:
        wanted = os.stat(NETNS / namespace)
    except FileNotFoundError:
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_in(name, wanted)]


def is_in(pid, wanted):
    """Return whether a process is in a network namespace, by that one's os.stat_result."""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), wanted)
    except (FileNotFoundError, ProcessLookupError, PermissionError):     # it has ended
        return False


def kill_all(namespaces, seconds=60, spare=()):
    """Kill every process in the network namespaces, except the pids in `spare`."""
    deadline = Deadline(seconds)
    while True:
        alive = [pid for name in namespaces for pid in pids(name) if pid not in spare]
        if not alive:
            return
        if deadline.passed():
            raise LabError(f"can't end the processes {alive} of {', '.join(namespaces)}")
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def delete(namespace):
    """Delete a network namespace."""
    if exists(namespace):
        run(["ip", "netns", "delete", namespace])


def alone(method):
    """Lock the network for this process: the power daemon changes it, too."""

    @functools.wraps(method)
    def locked(self, *arguments, **options):
        try:
            lock = open(self.settings.folder / "network.lock", "wb")
        except FileNotFoundError:    # the lab is being removed
            return method(self, *arguments, **options)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return method(self, *arguments, **options)

    return locked


class Network:
    """The hub, the nodes' ports in it, and what is broken in it.

    A fault survives a node's reboot, as a cut cable does: it is in the lab's
    network.json.
    """

    def __init__(self, settings):
        self.settings = settings
        self.hub = settings.netns()
        self._path = settings.folder / "network.json"

    def create(self):
        """Make the hub."""
        run(["ip", "netns", "add", self.hub])
        ip_batch(
            self.hub,
            [
                "link set lo up",
                f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0",
                f"addr add {HUB_ADDRESS}/24 dev {BRIDGE}",
                f"link set {BRIDGE} up",
            ],
        )

    @alone
    def plug(self, node):
        """Make a node's network namespace with its port in the hub."""
        settings, namespace = self.settings, self.settings.netns(node)
        run(["ip", "netns", "add", namespace])
        ip_batch(
            self.hub,
            [
                f"link add {node} type veth peer name eth0 netns {namespace}",
                f"link set {node} master {BRIDGE}",
            ],
        )
        ip_batch(
            namespace,
            [
                "link set lo up",
                f"link set eth0 address {settings.mac(node)}",
                f"addr add {settings.address(node)}/24 dev eth0",
                "link set eth0 up",
            ],
        )
        self._apply_port(node, self._broken())

    @alone
    def unplug(self, node):
        """Remove a node's port: nothing more comes out of it, at once."""
        ip_batch(self.hub, [f"link delete {node}"], check=False)

    @alone
    def cut(self, node, peer=None, one_way=False):
        """Cut a node off: from all, from one peer, or only what it sends to that peer."""
        broken = self._broken()
        if peer is None:
            broken["down"].append(node)
        else:
            broken["pairs"] += [[node, peer]] if one_way else [[node, peer], [peer, node]]
        self._store(broken)

    @alone
    def impair(self, node, latency=0, jitter=0, loss=0):
        """Delay (ms) and drop (%) what is sent to and by a node; all 0 repairs it."""
        broken = self._broken()
        broken["impaired"][node] = {"latency": latency, "jitter": jitter, "loss": loss}
        if not (latency or loss):
            del broken["impaired"][node]
        self._store(broken)

    @alone
    def mend(self, node=None, peer=None):
        """Repair the network: everything, all of a node, or between two nodes."""
        broken = self._broken()
        if node is None:
            broken = {"down": [], "pairs": [], "impaired": {}}
        elif peer is None:
            broken["down"] = [name for name in broken["down"] if name != node]
            broken["pairs"] = [pair for pair in broken["pairs"] if node not in pair]
            broken["impaired"].pop(node, None)
        else:
            broken["pairs"] = [pair for pair in broken["pairs"] if set(pair) != {node, peer}]
        self._store(broken)

    def broken(self):
        """Return what is broken: {'down': [node], 'pairs': [[from, to]], 'impaired': {node: …}}."""
        return self._broken()

    def _broken(self):
        if not self._path.exists():
            return {"down": [], "pairs": [], "impaired": {}}
        return json.loads(self._path.read_text(encoding="utf-8"))

    def _store(self, broken):
        for node in [
            *broken["down"],
            *broken["impaired"],
            *(name for pair in broken["pairs"] for name in pair),
        ]:
            self.settings.number(node)
        write_file(self._path, json.dumps(broken))
        self._filter(broken)
        for node in self.settings.names:
            if exists(self.settings.netns(node)):
                self._apply_port(node, broken)

    def _filter(self, broken):
        rules = [
            f"ether saddr {self.settings.mac(source)} ether daddr {self.settings.mac(target)} drop"
            for source, target in broken["pairs"]
        ]
        hook = "type filter hook prerouting priority -300; policy accept;"
        body = "\n".join(["chain cut {", hook, *rules, "}"])
        text = f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{body}\n}}\n"
        run(inside(self.hub, ["nft", "-f", "-"]), text=text)

    def _apply_port(self, node, broken):
        state = "down" if node in broken["down"] else "up"
        how = broken["impaired"].get(node)
        if how != self._wired(node):
            self._unwire(node)
            if how:
                self._wire(node, how)
        ip_batch(self.hub, [f"link set {node} {state}"], check=False)

    def _wired(self, node):
        """Return how a node's wire is impaired now, None if the port is plugged into the bridge.

        {} for a wire that has ended: the port is in no bridge.
        """
        record = self._record(node)
        if not record.exists():
            return None
        known = json.loads(record.read_text(encoding="utf-8"))
        return known["how"] if known["pid"] in pids(self.hub) else {}

    def _record(self, node):
        return self.settings.node_folder(node) / "wire.json"

    def _wire(self, node, how):
        """Put a bad wire between a node's port and the bridge, once it is ready to carry."""
        ip_batch(
            self.hub,
            [
                f"link add w-{node} type veth peer name b-{node}",
                f"link set w-{node} arp off up",
                f"link set b-{node} up",
            ],
        )
        argv = [PYTHON, "-m", "lab.wire", node, f"w-{node}"]
        argv += ["--latency", str(how["latency"] / 2000), "--jitter", str(how["jitter"] / 2000)]
        argv += ["--loss", str(how["loss"] / 100)]
        with open(self.settings.folder / "wire.log", "ab") as log:
            wire = subprocess.Popen(
                inside(self.hub, argv),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env=HELPER_ENVIRONMENT,
            )
        with wire.stdout:
            wire.stdout.readline()
        write_file(self._record(node), json.dumps({"pid": wire.pid, "how": how}))
        ip_batch(
            self.hub, [f"link set {node} nomaster arp off", f"link set b-{node} master {BRIDGE}"]
        )

    def _unwire(self, node):
        """Plug a node's port into the bridge again."""
        record = self._record(node)
        if record.exists():
            pid = json.loads(record.read_text(encoding="utf-8"))["pid"]
            if pid in pids(self.hub):
                os.kill(pid, signal.SIGKILL)
            record.unlink()
        ip_batch(self.hub, [f"link delete w-{node}"], check=False)
        ip_batch(self.hub, [f"link set {node} master {BRIDGE} arp on"], check=False)
