"""The cluster of nodes that the faults are played on, and the course of each: play, audit."""

import contextlib
import itertools
import time

from lab.machines import layout
from lab.machines.bridges import plugged
from lab.machines.qmp import Silence
from lab.machines.guest_questions import missing, refused
from lab.report import two_primaries
from lab.tools import LabError, wait_until
from lab.traffic import Client, History, Sampler
from trials.machines import page
from trials.machines.model import Fault, Scene, title
from trials.result import Played

#: What the page does not set: one standby has each commit, and the lab's clients are let in.
_MORE = f"""set -e
echo "synchronous_standby_names = 'ANY 1 ({', '.join(layout.NAMES)})'" \
    > /etc/postgresql/15/main/conf.d/trial.conf
sed -i '1i host all postgres {layout.NETWORK}.{layout.HUB}/32 trust' \
    /etc/postgresql/15/main/pg_hba.conf
pg_ctlcluster 15 main reload
"""
_LONG = 1200
#: Emulated servers need longer to start a backend.
_PATIENT = {"PAF_LAB_CONNECT_SECONDS": "5"}
#: The row of the table that comes before the faults.
QUICK_START = Fault("quickstart", "the quick start, command by command; then a standby reboots",
                    "a whole cluster, before and after", None, smoke=True)
_numbers = itertools.count(1)


class Writer(Client):
    """The writing client, patient."""

    environment = _PATIENT
    patience = (3, 5)
    first = _LONG


class Lists(History):
    """The history client, patient."""

    environment = _PATIENT
    first = _LONG


class Looks(Sampler):
    """The sampler, patient."""

    environment = _PATIENT


class Stage:
    """Three nodes: quick_start makes a cluster of them, and then run plays faults on it."""

    def __init__(self, lab, logs):
        self.lab, self.logs = lab, logs

    def quick_start(self, say):
        """Make a cluster of bare guests as the page does, and reboot a standby; return a Played."""
        start, result = time.monotonic(), Played(title(QUICK_START.name, self.lab.kind), [])
        try:
            page.play(self.lab, say)
            say("now for the lab: a synchronous standby, and its clients")
            for guest in self.lab.nodes.values():
                guest.run(["sh", "-c", _MORE])
            self.lab.wait_whole()
            if self.lab.kind == layout.GUESTS:
                page.without_pcsd(self.lab)
            self._reboot()
        except (AssertionError, LabError) as error:
            result.problems.append(_words(error))
        return self._done(result, start)

    def _reboot(self):
        """Reboot a standby as an administrator does: the cluster starts on it at boot."""
        name = next(name for name in self.lab.nodes if name != self.lab.primary())
        guest, before = self.lab.nodes[name], self.lab.fencings()
        boot = guest.boot_id()
        with contextlib.suppress(Silence):
            guest.run(["systemctl", "reboot"], check=False, timeout=30)
        guest.wait_up(_LONG, boot)
        self.lab.wait_whole()
        assert self.lab.fencings() == before, f"{name} was fenced during its reboot"

    def run(self, fault):
        """Play a fault; return its Played."""
        start, result = time.monotonic(), Played(title(fault.name, self.lab.kind), [])
        try:
            if fault.prepare:
                fault.prepare(self.lab)
            self.lab.wait_whole()
            self._play(fault, result)
        except (AssertionError, LabError) as error:
            result.problems.append(_words(error))
        return self._done(result, start)

    def _done(self, result, start):
        result.seconds = time.monotonic() - start
        if result.problems:
            self.lab.gather(self.logs / result.fault)
        return result

    def _play(self, fault, result):
        # another one than that of an earlier command on these nodes, whose rows are still there
        run = f"{fault.name}-{time.strftime('%H%M%S')}-{next(_numbers)}"
        client, lists, looks = Writer(self.lab, run), Lists(self.lab, run), Looks(self.lab, run)
        scene = Scene(self.lab, client, run, result.remarks, self.lab.fencings())
        assert scene.old, "no primary to begin with"
        expected = None
        # emulated servers have little left for the agent where clients ask as often
        slower = 2 if self.lab.kind == layout.GUESTS else 1
        looks.start(interval=0.5 * slower)
        lists.start(host=layout.VIP, interval=slower)
        client.start(host=layout.VIP, interval=0.1 * slower)
        with looks, lists, client:
            client.wait_rows(50, _LONG)
            try:
                expected = fault.play(scene)
            except (AssertionError, LabError) as error:
                # what was seen is reported anyway, below
                result.problems.append(_words(error))
            finally:
                self._repair(scene)
            client.wait_rows(50, _LONG)
        self._judge(result, scene, expected, (client, lists), fault.two)
        both = two_primaries(looks.report())
        words = [f"{one.node} and {other.node} both took writes for {together(one, other):.1f} s"
                 for one, other in both]
        (result.remarks if fault.two else result.problems).extend(words)

    def _repair(self, scene):
        """Take back what a fault may have left, and wait until the cluster is whole."""
        for name, guest in self.lab.nodes.items():
            plugged(self.lab.hub, name, True)
            guest.on()
            guest.resume()
        wait_until(lambda: self._is_whole(scene), _LONG, "a whole cluster", 1)

    def _is_whole(self, scene):
        """Return whether the cluster is whole; rebuild what asks for the administrator."""
        for name, reason in refused(self.lab.status()[1]).items():
            scene.remarks.append(f"{name} was rebuilt: {reason}")
            self.lab.nodes[name].run(["paf", "rebuild", "--yes"], timeout=_LONG)
        self._clean_up(scene)
        return self.lab.wait_whole(10)

    def _clean_up(self, scene):
        """Clean up failures, where paf status asks for nothing else."""
        answer = self.lab.status()[1]
        todo = answer.get("todo", [])
        if missing(answer, len(self.lab.members)) or {one["code"] for one in todo} != {"failed"}:
            return
        for one in todo:
            scene.remarks.append(f"cleaned up: {one['what']}"[:150])
            for command in one["pcs"]:
                self.lab.nodes[self.lab.members[0]].run(["sh", "-c", command], timeout=_LONG)

    def _judge(self, result, scene, expected, seen, two):
        """two: it shows what makes a second primary; what that costs is said, and is no failure."""
        client, lists = seen
        report, verdict = client.report(), lists.report()
        cost = result.remarks if two else result.problems
        result.outage_ms = report.outage_ms
        result.lost = None if report.lost is None else len(report.lost)
        if report.lost is None:
            result.problems.append("no primary is left to look for the rows")
        elif report.lost:
            cost.append(f"{len(report.lost)} rows lost")
        if verdict is None:
            result.problems.append("no primary to read the lists")
        else:
            cost.extend(verdict.problems)
        fenced = sorted((self.lab.fencings() - scene.fenced).elements())
        result.fencings = len(fenced)
        if expected is not None and fenced != sorted(expected):
            result.problems.append(f"fenced: {', '.join(fenced) or 'none'}; expected: "
                                   f"{', '.join(sorted(expected)) or 'none'}")


def together(one, other):
    """Return for how many seconds two spans surely overlap, at least."""
    return (min(one.last_asked, other.last_asked)
            - max(one.first_answered, other.first_answered))


def _words(error):
    return " ".join((str(error) or type(error).__name__).split())[:400]
