"""The clusters that faults are played on, and the course of each: play, repair, audit."""

import contextlib
import time
import traceback

from lab import scenarios
from trials.faults import audits, foreseen
from trials.faults.model import Scene
from trials.result import Played
from lab import repair
from lab.lab import Lab
from lab.outcome import outcomes
from lab.owner import free_name
from lab.tools import LabError

#: Quick monitors: what is asked is what happens after detection.
_MONITORS = {"monitor:Promoted": {"interval": "5s", "timeout": "10s"},
             "monitor:Unpromoted": {"interval": "6s", "timeout": "10s"}}

#: No socket in /tmp, which one of the faults fills.
_POSTGRES = {**scenarios.SYNCHRONOUS, "unix_socket_directories": "/var/run/postgresql"}
_USUAL = {"postgres": _POSTGRES, "operations": _MONITORS}

STAGES = {
    "three nodes": _USUAL,
    "no fencing": {**_USUAL, "fencing": False},
    # who is not named there cannot be missed: an absent srv3 may hold what was acknowledged
    "two nodes": {**_USUAL, "nodes": 2, "wait_for_all": True, "meta": {"priority": "1"},
                  "postgres": {**_POSTGRES, "synchronous_standby_names": "ANY 1 (srv1, srv2)"},
                  "properties": {"priority-fencing-delay": "3s"}},
    "a Perl agent": {**_USUAL, "agents": {"srv3": "perl"}},
}


class Stage:
    """A cluster on which one fault after the other is played.

    tolerated: an outage of so many seconds is never too long, on a machine with other work; more:
    settings of the lab that win over those of the stage.
    """

    def __init__(self, kind, logs=None, watch=True, tolerated=0.0, **more):
        parameters = {} if watch else {"parameters": {"crash_watch": "false"}}
        name = free_name(f"faults-{list(STAGES).index(kind)}")
        self.lab = Lab(name, **{**STAGES[kind], **parameters, **more})
        self.logs = logs
        self.tolerated = tolerated
        self.measure = None     # seconds of an undisturbed switchover's outage
        self._before = None

    def __enter__(self):
        try:
            self.lab.up()
            self._begin()
        except LabError:
            if self.logs and self.lab.is_up:
                self.lab.gather(self.logs / "begin")
            self.lab.down()
            raise
        return self

    def __exit__(self, *_):
        self.lab.down()

    def _begin(self):
        self._before = audits.configuration(self.lab)
        scenarios.wait_for_ranks(self.lab)
        with scenarios.watched(self.lab) as play:
            self.lab.move()
        self.measure = max(0.5, play.client.outage_ms / 1000)

    def run(self, fault):
        """Play a fault; return its Played. Afterwards the cluster is whole, or a new one."""
        start, result = time.monotonic(), Played(fault.number, [])
        try:
            scenarios.wait_for_ranks(self.lab)
            self._play(fault, result)
        except (AssertionError, LabError) as error:
            result.problems.append(_words(error))
        result.seconds = time.monotonic() - start
        if result.problems and self.logs:
            self.lab.gather(self.logs / f"fault-{fault.number}")
        if not self._is_whole(result.holds):
            self.lab.down()
            self.__enter__()
        return result

    def _play(self, fault, result):
        with scenarios.watched(self.lab, settled=False, durable=True) as play:
            scene = Scene(self.lab, play, self.lab.client(play.run), self.lab.now())
            assert scene.old, "no primary to begin with"
            expected, stopped = (), {}
            try:
                expected = fault.play(scene)
                stopped = whole_or_stopped(self.lab)
                scene.came_true()
                if len(self.lab.nodes) == 2:    # commits wait for the only standby
                    stopped = self._rebuilt(stopped, result)
                scene.client.wait_rows(50, 120)
            except (AssertionError, LabError) as error:
                # what was seen is reported anyway, below
                result.problems.append(_words(error))
            finally:
                _thaw(self.lab)
        result.outage_ms, result.fencings = play.client.outage_ms, len(play.fencings)
        result.lost = len(play.client.lost or ())
        result.problems += [*audits.two_primaries(play), *audits.rows(play), *audits.history(play),
                            *audits.fencings(play, expected)]
        if scene.foreseen and scene.foreseen.promoted is not None:
            result.forecast = str(scene.foreseen)
            result.problems += foreseen.wrong(scene.foreseen, scene.old, result.lost)
        if fault.reason and not scene.shows(fault.reason):
            result.problems.append(f"crm_mon does not show: {fault.reason}")
        if fault.budget and play.client.outage_ms > 1000 * max(
                self.tolerated, fault.budget * self.measure):
            result.problems.append(f"the outage was {play.client.outage_ms} ms, more than "
                                   f"{fault.budget:g} times that of a switchover")
        if result.problems:
            return
        self._rebuilt(stopped, result)
        self._audit(result, play)

    def _rebuilt(self, stopped, result):
        """Rebuild who stays stopped ({node: reason}), and remark it; return who is left: {}."""
        for node, reason in stopped.items():
            result.remarks.append(f"{node} stays stopped: {reason}")
            scenarios.rebuild(self.lab, node)
        return {}

    def _audit(self, result, play):
        self.lab.wait_settled(180)
        result.problems += audits.copies(self.lab, play.run)
        self.lab.cleanup()
        result.problems += [*audits.processes(self.lab), *audits.files(self.lab),
                            *audits.attributes(self.lab),
                            *audits.leftovers(self.lab, self._before)]

    def _is_whole(self, undisturbed):
        if undisturbed:
            with contextlib.suppress(LabError):
                self.lab.wait_settled(20, online=list(self.lab.nodes))
                return audits.leftovers(self.lab, self._before) == []
        with contextlib.suppress(LabError):
            self.lab.heal()
            return audits.leftovers(self.lab, self._before) == []
        return False


def _words(error):
    """Return what an error says; for an assertion without words, the line that asserts."""
    text = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
    return " ".join(text.split())[:400]


def _thaw(lab):
    for node in lab.nodes.values():
        if node.is_on:
            for pid in repair.network.pids(lab.settings.netns(node.name)):
                repair._thaw(pid)


def whole_or_stopped(lab, seconds=150):
    """Wait until each instance takes part, or is stopped with a reason: return {node: reason}."""
    found = outcomes(lab, seconds, wanted=lambda one: one.takes_part or one.is_refused)
    stopped = {name: one.reason for name, one in found.items() if one.is_refused}
    lab.wait_settled(seconds, online=list(lab.nodes), stopped=list(stopped))
    return stopped
