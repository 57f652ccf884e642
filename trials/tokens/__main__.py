"""python3 -m trials.tokens --minutes 5: a bad network, and the token with which it costs a node.

Three nodes with corosync alone, once for each token, side by side. The link of one of them loses or
delays packets, a while for each kind of it. What is counted is how often two nodes form a
membership without the third: with Pacemaker that one is fenced, though it lives. And for how long
it is out: here nothing is fenced, and it comes back when the network lets it.
"""

import argparse
import json
import re
import sys
import time

from lab.lab import Lab
from lab.owner import free_name
from lab.settings import CHECKOUT
from lab.tools import LabError, interruptible, wait_until

RESULTS = CHECKOUT / "build" / "tokens.json"
PAGE = CHECKOUT / "docs" / "configuration.md"
BEGIN, END = "<!-- begin: make tokens -->\n", "<!-- end: make tokens -->\n"
#: corosync's `token`, in milliseconds.
TOKENS = (500, 1000, 2000, 3000, 5000)
#: Of one node's link, there and back: what it is to people, and what Lab.impair takes.
LINKS = (
    ("as it is", {}),
    ("5 % lost", {"loss": 5}),
    ("10 % lost", {"loss": 10}),
    ("20 % lost", {"loss": 20}),
    ("30 % lost", {"loss": 30}),
    ("50 % lost", {"loss": 50}),
    ("100 ms late, 100 ms more or less", {"latency": 100, "jitter": 100}),
    ("400 ms late, 400 ms more or less", {"latency": 400, "jitter": 400}),
)
VICTIM, LOG = "srv3", "/var/log/corosync/corosync.log"
#: The lab asks the links more often than corosync does by itself: here they are as users have them.
_LINK_SETTINGS = re.compile(r"    interface \{\n.*?    \}\n", re.S)
_FORMED = re.compile(r"A new membership \((\S+)\) was formed\.")
_MEMBERS = re.compile(r"Members\[(\d+)\]:")


class Ring(Lab):
    """Three nodes that run corosync alone, with the settings of its links that it has itself."""

    def _disks(self, names, primary=None):
        super()._disks(names, primary)
        for name in names:
            path = self.nodes[name].disk.path("/etc/corosync/corosync.conf")
            path.write_text(_LINK_SETTINGS.sub("", path.read_text(encoding="utf-8")),
                            encoding="utf-8")

    def power_on(self, *names):
        """Switch nodes on without Pacemaker."""
        for name in names or self.nodes:
            self.nodes[name].power_on(pacemaker=False)

    def wait_joined(self):
        """Wait until corosync sees all nodes. LabError if it never does."""
        wait_until(self.is_whole, 300, f"all nodes of {self.name} to be members", 0.5)

    def _log(self, name):
        path = self.nodes[name].disk.path(LOG)
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def is_whole(self):
        """Return whether corosync of the first node sees all nodes."""
        return members(self._log("srv1")) == len(self.nodes)

    def losses(self):
        """Return how often a majority has gone on without a node, since the start."""
        return len({ring for name in self.nodes for ring in left_behind(self._log(name))})


def members(log):
    """Return how many members corosync named last in its log, 0 before the first time."""
    found = _MEMBERS.findall(log)
    return int(found[-1]) if found else 0


def left_behind(log):
    """Return the memberships of a node's log (ring ids, set of str) of two where there were three.

    A node that is alone has no quorum, and fences none.
    """
    found, ring, before = set(), None, 0
    for line in log.splitlines():
        formed, count = _FORMED.search(line), _MEMBERS.search(line)
        if formed:
            ring = formed.group(1)
        elif count:
            now = int(count.group(1))
            if ring is not None and before == 3 and now == 2:
                found.add(ring)
            before = now
    return found


def play(rings, link, seconds):
    """Give one node of each ring that link for so many seconds.

    Returns {token: [how often a majority went on without a node, % of the time without it]}.
    """
    for ring in rings.values():
        if link:
            ring.impair(VICTIM, **link)
    before = {token: ring.losses() for token, ring in rings.items()}
    looks = {token: [] for token in rings}
    end = time.monotonic() + seconds

    def look():
        for token, ring in rings.items():
            looks[token].append(not ring.is_whole())
        return time.monotonic() > end
    wait_until(look, seconds + 60, "the end of the time", 1)
    found = {token: [ring.losses() - before[token],
                     round(100 * sum(looks[token]) / len(looks[token]))]
             for token, ring in rings.items()}
    for ring in rings.values():
        ring.mend()
        ring.wait_joined()
    return found


def cell(seen, minutes):
    """Return the text for losses and the share of the time (%) without the node; see play."""
    losses, share = seen
    if not losses and not share:
        return "0"
    return f"{losses * 60 / minutes:.0f} ({share} %)"


def table(results):
    """Return the text between the page's markers: losses an hour, for each link and token."""
    minutes, rows = results["minutes"], results["losses"]
    head = ["its link", *(f"`token: {token}`" for token in TOKENS)]
    lines = [head, ["---"] + ["---:"] * len(TOKENS)]
    lines += [[what, *(cell(rows[what][str(token)], minutes) for token in TOKENS)]
              for what, _ in LINKS if what in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + (
        f"\nMeasured on {results['date']}, {minutes:g} minutes for each, times an hour.\n")


def write(results):
    """Put the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table(results)}{END}{after}", encoding="utf-8")


def measure(minutes):
    """Play all links; return {"minutes", "date", "losses": {link: {token: [..]}}}, see play."""
    found = {}
    rings = {token: Ring(free_name(f"token-{token}"), 3, token=token, resource=False)
             for token in TOKENS}
    try:
        for ring in rings.values():
            ring.up(wait=False)
        for ring in rings.values():
            ring.wait_joined()
        for what, link in LINKS:
            losses = play(rings, link, 60 * minutes)
            found[what] = {str(token): seen for token, seen in losses.items()}
            print(f"{what:34}", *(f"{token} ms: {number}, {share} %;"
                                  for token, (number, share) in losses.items()), flush=True)
    finally:
        for ring in rings.values():
            ring.down()
    return {"minutes": minutes, "date": time.strftime("%Y-%m-%d"), "losses": found}


def main(arguments=None):
    """Measure, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="make tokens", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="for each kind of link (5)")
    options = parser.parse_args(arguments)
    try:
        results = measure(options.minutes)
    except LabError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write(results)
    print(f"written: {PAGE.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(interruptible(main))
