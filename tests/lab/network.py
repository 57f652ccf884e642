"""The lab's network: a hub namespace with a bridge, a veth pair to each node, cuts and impairments.

Every process of a lab (nodes, power daemon, clients) lives in one of the lab's network namespaces, and nothing else does:
that is how an interrupted lab is found and cleared, with no list of processes to trust.
"""

import json
import os
import signal
import time
from pathlib import Path

from .settings import HUB_ADDRESS
from .tools import Deadline, LabError, run, wait_until, write_file

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
    """Return the command that runs `argv` in a network namespace, in the machine's own mount namespace."""
    return ["nsenter", f"--net={NETNS / namespace}", *argv]


def pids(namespace):
    """Return the pids of all processes in a network namespace."""
    if not exists(namespace):
        return []
    found = run(["ip", "netns", "pids", namespace], check=False)
    return [int(pid) for pid in found.output.split()]


def kill_all(namespaces, seconds=15):
    """Kill every process in the network namespaces."""
    deadline = Deadline(seconds)
    while True:
        alive = [pid for name in namespaces for pid in pids(name)]
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


class Network:
    """The hub, the nodes' ports in it, and what is broken in it.

    What is broken survives a node's reboot, as a cut cable does: it stands in the lab's network.json.
    """

    def __init__(self, settings):
        self.settings = settings
        self.hub = settings.netns()
        self._path = settings.folder / "network.json"

    def create(self):
        """Make the hub."""
        run(["ip", "netns", "add", self.hub])
        ip_batch(self.hub, [
            "link set lo up",
            f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0",
            f"addr add {HUB_ADDRESS}/24 dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ])

    def plug(self, node):
        """Make a node's network namespace with its port in the hub."""
        settings, namespace = self.settings, self.settings.netns(node)
        run(["ip", "netns", "add", namespace])
        ip_batch(self.hub, [
            f"link add {node} type veth peer name eth0 netns {namespace}",
            f"link set {node} master {BRIDGE}",
        ])
        ip_batch(namespace, [
            "link set lo up",
            f"link set eth0 address {settings.mac(node)}",
            f"addr add {settings.address(node)}/24 dev eth0",
            "link set eth0 up",
        ])
        self._apply_port(node, self._broken())

    def unplug(self, node):
        """Remove a node's port: nothing more comes out of it, at once."""
        ip_batch(self.hub, [f"link delete {node}"], check=False)

    def cut(self, node, peer=None, one_way=False):
        """Cut a node off: from all, from one peer, or only what it sends to that peer."""
        broken = self._broken()
        if peer is None:
            broken["down"].append(node)
        else:
            broken["pairs"] += [[node, peer]] if one_way else [[node, peer], [peer, node]]
        self._store(broken)

    def impair(self, node, latency=0, jitter=0, loss=0):
        """Delay (ms) and drop (%) what is sent to and by a node; all 0 mends it."""
        broken = self._broken()
        broken["impaired"][node] = {"latency": latency, "jitter": jitter, "loss": loss}
        if not (latency or loss):
            del broken["impaired"][node]
        self._store(broken)

    def mend(self, node=None, peer=None):
        """Mend what is broken: everything, all of a node, or what is between two nodes."""
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
        for node in [*broken["down"], *broken["impaired"], *(name for pair in broken["pairs"] for name in pair)]:
            self.settings.number(node)
        write_file(self._path, json.dumps(broken))
        self._filter(broken)
        for node in self.settings.names:
            if exists(self.settings.netns(node)):
                self._apply_port(node, broken)

    def _filter(self, broken):
        rules = [f"ether saddr {self.settings.mac(source)} ether daddr {self.settings.mac(target)} drop"
                 for source, target in broken["pairs"]]
        for node, how in broken["impaired"].items():
            if how["loss"]:
                share = f"numgen random mod 10000 < {round(how['loss'] * 100)} drop"
                rules += [f'iifname "{node}" {share}', f'ether daddr {self.settings.mac(node)} {share}']
        text = f"add table {TABLE}\ndelete table {TABLE}\n"
        if rules:
            text += (f"table {TABLE} {{\n chain cut {{\n  type filter hook prerouting priority -300; policy accept;\n  "
                     + "\n  ".join(rules) + "\n }\n}\n")
        run(inside(self.hub, ["nft", "-f", "-"]), text=text)

    def _apply_port(self, node, broken):
        state = "down" if node in broken["down"] else "up"
        ip_batch(self.hub, [f"link set {node} {state}"], check=False)
        self._delay(node, broken["impaired"].get(node, {}).get("latency", 0),
                    broken["impaired"].get(node, {}).get("jitter", 0))

    def _delay(self, node, latency, jitter):
        sides = ((self.hub, node), (self.settings.netns(node), "eth0"))
        for namespace, device in sides:
            if latency:
                half = ["delay", f"{latency / 2}ms", f"{jitter / 2}ms"]
                run(inside(namespace, ["tc", "qdisc", "replace", "dev", device, "root", "netem", *half]))
            else:
                run(inside(namespace, ["tc", "qdisc", "del", "dev", device, "root"]), check=False)

    def wait_unplugged(self, node, seconds=5):
        """Wait until a node's network namespace has no process left."""
        namespace = self.settings.netns(node)
        wait_until(lambda: not pids(namespace), seconds, f"the end of all processes of {node}")
