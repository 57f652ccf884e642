"""What is asked of the cluster that the guests form, once the quick start was played on them.

Servers are asked from the hub, over the network, as clients ask them; Pacemaker's and PAF's tools
are asked in a guest. A guest that is off, paused, dead or busy gives no answer; who waits for one
asks again.
"""

import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

from lab import network
from lab.tools import LabError, run, wait_until

from . import layout

#: Seconds: guests have no KVM, and the machine may be shared.
PATIENCE = 900
_PSQL = ["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"]
#: What an instance that takes part is doing.
TAKES_PART = ("running", "streaming")


@dataclass(frozen=True)
class Hub:
    """What lab.traffic needs to know of a lab: the namespace that clients run in."""

    name: str

    def netns(self):
        """Return its name."""
        return self.name


def sql(hub, address, query, timeout=60):
    """Run a query on a server, from the hub; return the rows, lists of strings."""
    found = run(network.inside(hub, [*_PSQL, "-h", address, "-c", query]), timeout=timeout,
                env={"PGCONNECT_TIMEOUT": "10"})
    return [line.split("\t") for line in found.output.splitlines()]


class GuestQuestions:
    """The questions; a part of Machines, which has the guests."""

    hub: str
    nodes: dict
    #: Those of the nodes that are members of the cluster.
    members: tuple = layout.NAMES

    @property
    def settings(self):
        """The Hub."""
        return Hub(self.hub)

    def primary_now(self, among=layout.NAMES):
        """Return the guest whose server takes writes, None where none says so."""
        for name in among:
            with contextlib.suppress(LabError):
                if sql(self.hub, layout.address(name), "select pg_is_in_recovery()", 20) == [["f"]]:
                    return name
        return None

    def primary(self, among=layout.NAMES):
        """Return the guest whose server takes writes; waits for it."""
        return wait_until(lambda: self.primary_now(among), PATIENCE,
                          f"a primary among {', '.join(among)}", 0.2)

    def status(self):
        """Return (exit status, answer) of paf status in a guest. LabError without an answer."""
        words = []
        for name in self.members:
            try:
                if self.nodes[name].status() != "running":
                    continue
                found = self.nodes[name].run(["paf", "status", "--output", "json"], check=False,
                                             timeout=120)
                return found.status, json.loads(found.output)
            except (LabError, ValueError) as error:
                words.append(f"{name}: {error}")
        raise LabError(f"no answer of paf status: {'; '.join(words) or 'no guest runs'}")

    def fencings(self):
        """Return a Counter of the nodes that were fenced.

        When that was differs by a second between the nodes that are asked.
        """
        for name in self.members:
            with contextlib.suppress(LabError, ElementTree.ParseError):
                if self.nodes[name].status() == "running":
                    return Counter(history(self.nodes[name].run(
                        ["crm_mon", "-1", "--output-as=xml", "--fence-history=2"],
                        timeout=120).output))
        raise LabError("no guest answers with its history of fencings")

    def wait_whole(self, seconds=PATIENCE):
        """Wait until paf status succeeds and all three instances take part; return its answer."""
        seen = []

        def look():
            code, answer = self.status()
            seen[:] = [missing(answer, len(self.members)) or (
                f"paf status exits {code}" if code else "")]
            return answer if not seen[0] else None
        return wait_until(look, seconds, "a whole cluster", 1, lambda: str(seen))


def history(text):
    """Return the nodes (a list) of the fencings in crm_mon's XML that succeeded."""
    return [event.get("target")
            for event in ElementTree.fromstring(text).iter("fence_event")
            if event.get("status") == "success"]


def missing(answer, count=3):
    """Return in words what is not as it should be in an answer of paf status, "" if all is."""
    rows = answer["nodes"]
    if len(rows) != count:
        return f"{len(rows)} nodes"
    for row in rows:
        if row["membership"] != "online" or row["state"] not in TAKES_PART:
            return f"{row['node']} is {row['membership']} and {row['state']}"
        if (row["score"] or 0) <= 0:
            return f"the score of {row['node']} is {row['score']}"
    primary = [row["node"] for row in rows if row["state"] == "running"]
    if primary != [answer["primary"]] or [vip["node"] for vip in answer["vips"]] != primary:
        return f"the primary is {primary}, Pacemaker's {answer['primary']}, {answer['vips']}"
    return ""


def refused(answer):
    """Return {node: reason} of the instances that stay stopped until an administrator acts."""
    return {row["node"]: row["failures"][-1]["reason"] for row in answer["nodes"]
            if row["membership"] == "online" and row["role"] == "stopped" and row["failures"]
            and row["failures"][-1]["reason"]}
