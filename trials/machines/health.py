"""The fault "health": a flood of the port for load balancers, on the primary's node.

The units are those of the package, under systemd with their limits. Asked of the node meanwhile:
what systemd knows of the units, every second, and when each monitor ended, from Pacemaker's log
(the image has it log that).
"""

import datetime
import json
import re
import statistics
import subprocess
import time
from dataclasses import dataclass

from lab import network
from lab.machines import bridges
from lab.settings import CHECKOUT
from lab.tools import HELPER_ENVIRONMENT, PYTHON, run, wait_until
from trials.machines import flood

SECONDS = 60
#: What the monitor of a primary exits with. Source: OCF.
PROMOTED = 8
#: What the units allow: connections, and those of one address.
CONNECTIONS, OF_ONE = 16, 4
#: Seconds: RuntimeMaxSec and TimeoutStopSec, and the wait for systemd on a busy machine.
LIFE = 8 + 1 + 21
#: Seconds that systemd may take to start another unit meanwhile.
START = 15
SLICE, SOCKET = "paf-health.slice", "paf-health.socket"
#: Seconds that a monitor of the primary may take, and its interval: the quick start's.
MONITOR = {"timeout": 10, "interval": 15}
_LIMITS = {"MemoryMax": 512 * 2 ** 20, "TasksMax": 256}
_UNITS = f"""systemctl show {SLICE} -p TasksCurrent -p MemoryCurrent \
-p MemoryMax -p TasksMax
systemctl show {SOCKET} -p NConnections -p NAccepted -p NRefused -p ActiveState -p Result
awk '{{ print "ManagerTicks=" $14 + $15 }}' /proc/1/stat
date +Now=%s.%N"""
#: As "Nov 27 19:38:54.116 srv1 pacemaker-execd [7] (log_finished) debug: pgsqld monitor (call 12,
#: PID 345) exited with status 8 (promoted) (execution time 213ms)" of Pacemaker 2.1. The time there
#: is no monitor's: 2.1.5 repeats that of the last operation which was not a repeated one.
_FINISHED = re.compile(r"^(\w{3} +\d+ [\d:.]+) .*log_finished.*\bpgsqld monitor \(call (\d+).*"
                       r"exited with status (\d+)", re.MULTILINE)


def units(guest):
    """Return what systemd knows of the units, {property: text}."""
    found = guest.run(["sh", "-c", _UNITS], timeout=60).output
    return dict(line.split("=", 1) for line in found.splitlines() if "=" in line)


def start(guest):
    """Return how long systemd takes to run an empty unit, seconds."""
    begin = time.monotonic()
    guest.run(["systemd-run", "--quiet", "--wait", "--collect", "/bin/true"], timeout=120)
    return time.monotonic() - begin


def number(text):
    """Return a number of systemd, None where it knows none."""
    return int(text) if text.isdigit() and int(text) < 2 ** 63 else None


def monitors(text):
    """Return [(exit status, seconds it took)] of the monitors in Pacemaker's log.

    Pacemaker starts the next one its interval after the end of the last: what the ends are further
    apart is at least what it took. Of the first of a call it is not known: None.
    """
    found, ends = [], {}
    for when, call, status in _FINISHED.findall(text):
        end = datetime.datetime.strptime(f"2000 {when}", "%Y %b %d %H:%M:%S.%f")
        took = (max(0, (end - ends[call]).total_seconds() - MONITOR["interval"])
                if call in ends else None)
        found.append((int(status), took))
        ends[call] = end
    return found


@dataclass
class Looks:
    """Looks at the units during a flood: a dictionary each, see `units`, and starts of another."""

    seen: list
    starts: list

    def most(self, name):
        """Return the largest of a number, 0 where it was never known."""
        return max((number(look[name]) or 0 for look in self.seen), default=0)

    def percent(self, name, unit):
        """Return the percent of a processor that a counter grew by; unit: seconds of one.

        None where it was not known twice.
        """
        known = [(float(look["Now"]), number(look[name])) for look in self.seen
                 if number(look[name]) is not None]
        if len(known) < 2:
            return None
        (begin, first), (end, last) = known[0], known[-1]
        return round(100 * unit * (last - first) / (end - begin))


class Flood:
    """The port of one guest, and the clients in the hub."""

    def __init__(self, lab, guest):
        self.lab, self.guest = lab, guest

    def addresses(self, word):
        """Give the hub the clients' addresses ("add"), or take them ("del")."""
        network.ip_batch(self.lab.hub, [f"addr {word} {source}/32 dev {bridges.CLUSTER}"
                                        for source in flood.SOURCES])

    def start(self, how, seconds=0):
        """Start the clients."""
        return subprocess.Popen(
            network.inside(self.lab.hub, [PYTHON, "-m", "trials.machines.flood", how,
                                          self.guest.address, str(seconds)]),
            cwd=CHECKOUT, env=HELPER_ENVIRONMENT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, encoding="ascii")

    def play(self, how, seconds=0):
        """Run the clients to their end; return (what they have seen, Looks)."""
        looks = Looks([units(self.guest)], [])
        with self.start(how, seconds) as clients:
            while clients.poll() is None:
                looks.seen.append(units(self.guest))
                looks.starts.append(start(self.guest))
            seen = json.loads(clients.stdout.read())
        looks.seen.append(units(self.guest))
        return seen, looks

    def answer(self):
        """Return the status that a load balancer gets."""
        found = run(network.inside(self.lab.hub, [
            "/usr/bin/python3", "-c", _ASK, self.guest.address, str(flood.PORT)]), timeout=40)
        return found.output.strip()


_ASK = """import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
connection.sendall(b"GET /primary HTTP/1.0\\r\\n\\r\\n")
print(connection.makefile("rb").readline().split()[1].decode())
"""


def journal(guest, since):
    """Return (lines, kilobytes) of the journal since that boot-independent cursor."""
    text = guest.run(["journalctl", "--no-pager", "-o", "cat", f"--after-cursor={since}"],
                     timeout=120).output
    return text.count("\n"), len(text) // 1024


def cursor(guest):
    """Return the place in the journal where it ends now."""
    text = guest.run(["journalctl", "-n", "0", "--show-cursor"]).output
    return text.partition("cursor: ")[2].strip()


def log(guest):
    """Return Pacemaker's log."""
    return guest.run(["cat", "/var/log/pacemaker/pacemaker.log"], timeout=120).output


def play(scene):
    """Play it; no node has to be fenced."""
    port = Flood(scene.lab, scene.victim)
    scene.victim.run(["systemctl", "enable", "--now", SOCKET])
    port.addresses("add")
    try:
        wait_until(lambda: port.answer() == "200", 60, "a first answer", 1)
        held(scene, port)
        flooded(scene, port)
        begin = time.monotonic()
        wait_until(lambda: port.answer() == "200", 60, "an answer after the flood", 0.2)
        scene.remarks.append(f"an answer {time.monotonic() - begin:.1f} s after the flood")
    finally:
        port.addresses("del")
    return []


def held(scene, port):
    """Connections that send nothing: as many as are allowed are held, for as long as is allowed."""
    seen, looks = port.play("hold")
    most = looks.most("NConnections")
    assert most == CONNECTIONS, f"{most} connections were held, {CONNECTIONS} are allowed"
    refused = int(looks.seen[-1]["NRefused"]) - int(looks.seen[0]["NRefused"])
    assert refused == 4 * (flood.HELD - OF_ONE), f"{refused} of {4 * flood.HELD} were refused"
    longest = max(seen["longest"].values())
    assert longest < LIFE, f"a connection was held for {longest} s"
    scene.remarks.append(f"silent connections: {most} held, {refused} refused, "
                         f"ended after {longest:.1f} s")


def flooded(scene, port):
    """The flood, and what it did to the node."""
    guest = scene.victim
    before, since = len(monitors(log(guest))), cursor(guest)
    seen, looks = port.play("flood", SECONDS)
    found = monitors(log(guest))[before:]
    took = [seconds for _, seconds in found if seconds is not None]
    lines, size = journal(guest, since)
    last, longest = looks.seen[-1], max(seen["longest"].values())
    scene.remarks += [
        f"{SECONDS} s: {sum(seen['outcomes'].values())} connections, "
        f"{seen['outcomes'].get('good 200', 0)} answered 200, longest {longest:.1f} s",
        f"{len(took)} monitors, longest {max(took, default=0):.2f} s",
        f"all requests: at most {looks.most('MemoryCurrent') >> 20} MB, "
        f"{looks.most('TasksCurrent')} tasks",
        f"systemd: {looks.percent('ManagerTicks', 0.01)} % of a processor, starts another unit in "
        f"{statistics.median(looks.starts):.1f} s, at most {max(looks.starts):.1f} s",
        f"journal {lines} lines, {size} kB"]
    wait_until(lambda: units(guest)["ActiveState"] == "active", 30, "the socket to listen")
    assert max(looks.starts) < START, f"systemd took {max(looks.starts):.1f} s to start a unit"
    assert len(took) >= SECONDS // MONITOR["interval"] - 1, f"{len(took)} monitors in {SECONDS} s"
    assert {status for status, _ in found} == {PROMOTED}, f"a monitor failed: {found}"
    assert max(took) < MONITOR["timeout"] / 2, f"a monitor took {max(took):.1f} s"
    assert longest < LIFE, f"a connection lived for {longest} s"
    for name, limit in _LIMITS.items():
        assert number(last[name]) == limit, f"{name} is {last[name]}"
    assert looks.most("NConnections") <= CONNECTIONS
    assert looks.most("TasksCurrent") <= _LIMITS["TasksMax"]
    assert looks.most("MemoryCurrent") <= _LIMITS["MemoryMax"]
