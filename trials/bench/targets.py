"""What is asked of the results: each target with its limit, and what was measured."""

import statistics
from dataclasses import dataclass
from typing import Callable

from trials.bench import beside

#: An action of a switchover in which the agent has nothing to do: what it takes is the machine's.
IDLE = "notify post-demote"

RATIO, SECONDS, COUNT = "of the other's", "s", ""


@dataclass(frozen=True)
class Target:
    """A number that is to be at most `limit`; `measure` gives it, None if it was not measured."""

    what: str
    limit: float
    unit: str
    measure: Callable

    def verdict(self, results):
        """Return (number or None, 'kept', 'missed' or 'not measured')."""
        found = self.measure(results)
        if found is None:
            return None, "not measured"
        return found, "kept" if found <= self.limit else "missed"


def samples(results, agent, scene, phase):
    """Return the seconds (a list) that a phase of a scene took; "total" is all of them."""
    runs = results["results"][agent]["outages"].get(scene, [])
    return [sum(run.values()) if phase == "total" else run[phase] for run in runs
            if phase == "total" or phase in run]


def switchovers(results, agent, nodes, what):
    """Return the seconds of switchovers with so many nodes: "without writes", or of an action."""
    if nodes == 3:
        mine = results["results"][agent]
        return (samples(results, agent, "switchover", what) if what == "without writes"
                else mine["actions"].get("switchover", {}).get(what, []))
    return results["results"][agent]["many"].get(str(nodes), {}).get(what, [])


def ratio(ours, theirs):
    """Return the ratio of two lists' medians, None without either."""
    if not ours or not theirs or not statistics.median(theirs):
        return None
    return statistics.median(ours) / statistics.median(theirs)


def cost(results, agent, nodes, action, what):
    """Return what an action costs, None if it was not measured."""
    found = results["results"][agent]["costs"].get(str(nodes), {})
    return found.get(action, {}).get(what)


def _outage(scene, phase, limit):
    return Target(f"{scene}, {phase}", limit, RATIO, lambda results: ratio(
        *(samples(results, agent, scene, phase) for agent in ("ours", results["peer"]))))


def _seconds(scene, phase, limit):
    return Target(f"{scene}, {phase}", limit, SECONDS, lambda results: (
        lambda found: statistics.median(found) if found else None)(
            samples(results, "ours", scene, phase)))


def _cheaper(action, what, limit):
    def measure(results):
        both = [cost(results, agent, 3, action, what) for agent in ("ours", results["peer"])]
        return both[0] / both[1] if None not in both and both[1] else None
    return Target(f"{action}, {what}", limit, RATIO, measure)


def _programs(role, nodes, limit):
    return Target(f"monitor, {role}, {nodes} nodes: programs", limit, COUNT,
                  lambda results: cost(results, "ours", nodes, f"monitor, {role}", "programs"))


def growth(results, agent, what):
    """Return how many times as long a phase or an action of a switchover takes with nine nodes."""
    return ratio(*(switchovers(results, agent, nodes, what) for nodes in (9, 3)))


def _scale(what, limit):
    def measure(results):
        grown, slowed = (growth(results, "ours", name) for name in (what, IDLE))
        return grown / slowed if grown and slowed else None
    return Target(f"switchover with 9 nodes, {what}", limit,
                  f"of what a {IDLE} grows by, from 3 nodes", measure)


CRASH, POWER = "crash of the primary", "power cut of the primary"
#: However the other agent does.
ABSOLUTE = (
    _seconds("switchover", "without writes", 1.4), _seconds(CRASH, "total", 1.7),
    *(_programs(role, nodes, limit) for nodes in (3, 9)
      for role, limit in (("primary", 3), ("standby", 2))),
    Target("CIB writes a minute while clients write", 0, COUNT,
           lambda results: results["results"]["ours"]["rest"].get("3", {}).get("cib writes")),
    _scale("without writes", 1.3), _scale("notify pre-promote", 1.3))
#: Beside an agent.
BESIDE = {
    "perl": (
        _outage("switchover", "without writes", 0.45), _outage(CRASH, "recovery", 0.40),
        _outage(CRASH, "total", 0.12), _outage(POWER, "recovery", 0.45),
        _cheaper("monitor, primary", "cpu ms", 0.25), _cheaper("monitor, standby", "cpu ms", 0.30),
        _cheaper("notify, nothing to do", "wall ms", 0.20),
        Target("at rest, 3 nodes, CPU", 0.3, RATIO, lambda results: ratio(*(
            [found["cpu"] for found in [results["results"][agent]["rest"].get("3")] if found]
            for agent in ("ours", results["peer"])))),
    ),
    "pgsql": (
        _outage("switchover", "without writes", 1), _outage(CRASH, "total", 1),
        _outage(POWER, "total", 1), _cheaper("monitor, primary", "cpu ms", 1),
        _cheaper("monitor, standby", "cpu ms", 1)),
}


def _waits(scene, limit):
    """The outage of a cluster whose commits wait for a standby, beside one whose do not."""
    def measure(results):
        found = [samples(results, agent, scene, "total") for agent in ("sync", "ours")]
        return statistics.median(found[0]) - statistics.median(found[1]) if all(found) else None
    return Target(f"{scene}, with ANY 1 and 500 ms", limit, "s more than asynchronous", measure)


def _beside(scene, peer, limit, phase="total"):
    words = scene if phase == "total" else f"{scene}, {phase}"
    return Target(f"{words}, beside {peer}", limit, RATIO, lambda results: ratio(
        *(samples(results, agent, scene, phase) for agent in ("ours", peer))))


SWITCHOVER = "switchover"
#: Where outages alone are measured, of several clusters.
ALONE = {
    "sync": tuple(_waits(scene, 0.5) for scene in (SWITCHOVER, CRASH, POWER)),
    "load": (_beside(SWITCHOVER, "perl", 0.6), _beside(CRASH, "perl", 0.6),
             _beside(POWER, "perl", 1),
             *(_beside(scene, "pgsql", 1) for scene in (SWITCHOVER, CRASH, POWER))),
    "load-kinds": tuple(_beside(f"{scene}, {kind}", "perl", 0.6 if scene != POWER else 1)
                        for kind in beside.KINDS for scene in (SWITCHOVER, CRASH, POWER)),
    **dict.fromkeys(("patroni", "load-patroni"), (_beside(POWER, "tuned", 0.5),)),
    # until it is seen, a fault is the monitor's of the others (a crash), or corosync's
    "all": (_beside(SWITCHOVER, "perl", 0.45), _beside(SWITCHOVER, "pgsql", 1),
            *(_beside(scene, peer, 0.45, "recovery") for scene, peer in (
                (CRASH, "perl"), (POWER, "perl"), (POWER, "pgsql"))),
            _beside(CRASH, "pgsql", 1, "recovery"), _beside(CRASH, "patroni", 0.5),
            *(_beside(POWER, peer, 0.5) for peer in ("patroni", "tuned"))),
    "load-all": (_beside(SWITCHOVER, "perl", 0.6), _beside(CRASH, "perl", 0.6),
                 _beside(POWER, "perl", 1),
                 *(_beside(scene, "pgsql", 1) for scene in (SWITCHOVER, CRASH, POWER)),
                 _beside(POWER, "tuned", 0.5)),
}


def of(results):
    """Return all targets of these results."""
    if results.get("mode") in ALONE:
        return ALONE[results["mode"]]
    return (*BESIDE[results["peer"]], *ABSOLUTE)


def missed(results, part=False):
    """Return the targets that are missed; those of a whole run also if they were not measured."""
    good = ("kept", "not measured") if part else ("kept",)
    return [target for target in of(results) if target.verdict(results)[1] not in good]
