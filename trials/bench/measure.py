"""The steps of a benchmark: clusters up, outages in turn, costs; a step that fails is noted."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from trials.bench import clusters, costs, pgsql, scenes
from trials.bench.progress import Progress
from lab.owner import free_name
from lab.tools import LabError

OURS = "ours"
KINDS: dict[str, Any] = {
    OURS: clusters.Cluster, "perl": clusters.PerlCluster, "pgsql": pgsql.PgsqlCluster}
STEADY = 60     # seconds for which CIB writes are counted
#: The sizes at which costs are measured besides three nodes, and that at which switchovers are.
SIZES, LARGEST = (5, 9), 9
SWITCHOVERS = 5    # with the largest number of nodes
#: What a step takes, in seconds, before one of its kind has been seen.
GUESSES = {OURS: {"switchover": 8, "crash of the primary": 12, "power cut of the primary": 20,
                  "partition of the primary": 20},
           "": {"up": 25, "down": 3, "costs": 20, "CIB writes": STEADY + 5, "switchover": 12,
                "crash of the primary": 25, "power cut of the primary": 30,
                "partition of the primary": 30, "switchover, 9 nodes": 20}}
#: After so many failures in a row an agent's steps are left out: its cluster does not become whole.
HOPELESS = 4


@dataclass(frozen=True)
class Step:
    """Something to do with the cluster of an agent."""

    agent: str
    what: str
    play: Callable

    @property
    def kind(self):
        """What the step is for the estimate of its duration."""
        return f"{self.agent}: {self.what}"

    @property
    def guess(self):
        """Seconds that it may take."""
        return GUESSES.get(self.agent, {}).get(self.what, GUESSES[""][self.what])


class Measurement:
    """The clusters and the results of a run; `save` is called with the results after each step."""

    def __init__(self, options, save):
        self.options, self._save = options, save
        self.agents = (OURS, options.peer)
        self.results: dict[str, dict[str, Any]] = {
            agent: {"outages": {}, "actions": {}, "costs": {}, "many": {}, "failed": []}
            for agent in self.agents}
        self._clusters = {}
        self._failures = dict.fromkeys(self.agents, 0)
        self._say = print

    def run(self):
        """Do all steps, whatever the result of each; take the clusters down."""
        steps = list(self.steps())
        with Progress([(step.kind, step.guess) for step in steps]) as progress:
            self._say = progress.say
            self._say(f"{len(steps)} steps, about {progress.remaining() / 60:.0f} min")
            try:
                for number, step in enumerate(steps, 1):
                    with progress.step(step.kind):
                        self._attempt(step, f"{number}/{len(steps)}")
                    self._save(self.results)
            finally:
                for agent in list(self._clusters):
                    self._down(agent)

    def steps(self):
        """Yield the steps in their order."""
        options = self.options
        for agent in self.agents:
            yield Step(agent, "up", partial(self._up, agent, 3))
        yield from self._steady(self.agents)
        if not options.quick:
            yield Step("both", "CIB writes", self._cib_writes)
        for _ in range(options.runs):
            for scene in scenes.SCENES:
                if not options.scenes or scene.split()[0] in options.scenes:
                    for agent in self.agents:
                        yield Step(agent, scene, partial(self._outage, agent, scene))
        for agent in self.agents:
            yield Step(agent, "down", partial(self._down, agent))
        for nodes in () if options.three else SIZES:
            for agent in self.agents:
                yield from self._many(agent, nodes)

    def _many(self, agent, nodes):
        yield Step(agent, "up", partial(self._up, agent, nodes))
        yield from self._steady([agent])
        if nodes == LARGEST:
            for _ in range(1 if self.options.quick else SWITCHOVERS):
                yield Step(agent, f"switchover, {nodes} nodes", partial(self._switchover, agent))
        yield Step(agent, "down", partial(self._down, agent))

    def _steady(self, agents):
        for agent in agents:
            yield Step(agent, "costs", partial(self._costs, agent))

    def _attempt(self, step, which):
        """Do a step; print the result, and note it if there was none."""
        if self._failures.get(step.agent, 0) >= HOPELESS and step.what not in ("up", "down"):
            self.results[step.agent]["failed"].append(step.what)
            return
        try:
            found = step.play()
        except (LabError, OSError) as error:
            self._say(f"{which} {step.kind}: FAILED: {' '.join(str(error).split())[:300]}")
            if step.agent in self.results:
                self.results[step.agent]["failed"].append(step.what)
                self._failures[step.agent] += 1
                self._start_anew(step.agent)
            return
        self._failures[step.agent] = 0
        self._say(f"{which} {step.kind}{': ' if found else ''}{found or ''}")

    def _start_anew(self, agent):
        """Give an agent's cluster new disks; the next step fails if that is not possible."""
        if agent in self._clusters:
            try:
                self._clusters[agent].reset()
            except (LabError, OSError) as error:
                self._say(f"  {agent}: no new start: {' '.join(str(error).split())[:200]}")

    def _up(self, agent, nodes):
        cluster = self._clusters[agent] = KINDS[agent](
            free_name(f"bench-{agent}-{nodes}"), nodes)
        cluster.up()
        return f"{nodes} nodes"

    def _down(self, agent):
        if agent in self._clusters:
            self._clusters[agent].down()
            del self._clusters[agent]

    def _whole(self, agent):
        cluster = self._clusters[agent]
        cluster.make_whole()
        return cluster

    def _outage(self, agent, scene):
        phases, durations = scenes.SCENES[scene](self._whole(agent))
        mine = self.results[agent]
        mine["outages"].setdefault(scene, []).append(phases)
        for label, seconds in durations.items():
            mine["actions"].setdefault(scene, {}).setdefault(label, []).append(seconds)
        return ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases.items())

    def _switchover(self, agent):
        """A switchover in a cluster with more nodes than three."""
        cluster = self._whole(agent)
        phases, durations = scenes.switchover(cluster)
        mine = self.results[agent]["many"].setdefault(str(len(cluster.nodes)), {})
        for label, seconds in {**durations, **phases}.items():
            mine.setdefault(label, []).append(seconds)
        return f"without writes {phases['without writes']:.2f} s, notify pre-promote " \
               f"{durations.get('notify pre-promote', 0):.2f} s"

    def _costs(self, agent):
        cluster = self._whole(agent)
        found = costs.monitors(cluster, 5 if self.options.quick else 20)
        self.results[agent]["costs"][str(len(cluster.nodes))] = found
        return "; ".join(f"{what}: " + ", ".join(f"{key} {value:.0f}"
                                                 for key, value in values.items())
                         for what, values in found.items())

    def _cib_writes(self):
        found = costs.cib_writes([self._whole(agent) for agent in self.agents], STEADY)
        for agent, number in zip(self.agents, found):
            self.results[agent]["cib writes"] = number
        return ", ".join(f"{agent} {number:.1f}" for agent, number in zip(self.agents, found))
