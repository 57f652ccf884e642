"""The steps of a benchmark: clusters up, outages in turn, costs; a step that fails is noted."""

import contextlib
import itertools
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from trials.bench import beside, costs, modes, scenes
from trials.bench.modes import KINDS, OURS, PATRONI, TUNED
from trials.bench.progress import Progress
from lab.owner import free_name
from lab.tools import LabError, wait_until

STEADY = 120    # seconds for which nothing happens
#: The sizes at which costs are measured besides three nodes, and that at which switchovers are.
SIZES, LARGEST = (5, 9), 9
SWITCHOVERS = 5    # with the largest number of nodes
#: What a step takes, in seconds, before one of its kind has been seen.
GUESSES = {OURS: {"switchover": 8, "crash of the primary": 12, "power cut of the primary": 20,
                  "partition of the primary": 20},
           PATRONI: {"up": 45, "switchover": 40, "crash of the primary": 60,
                     "power cut of the primary": 100},
           TUNED: {"up": 30, "power cut of the primary": 60},
           "": {"up": 25, "down": 3, "costs": 20, "at rest": STEADY + 5, "switchover": 12,
                "crash of the primary": 25, "power cut of the primary": 30,
                "partition of the primary": 30, "switchover, 9 nodes": 20}}
#: pgbench's scale, and a server that keeps what it changes in memory until a checkpoint is due.
SCALE = 30
BUSY = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min",
        "wal_keep_size": "4GB", "max_connections": "100"}
#: Connections where hundreds of sessions are beside it.
MOST = 600
#: Seconds for which pgbench runs before a fault; in a quick run.
BUSY_SECONDS, BUSY_QUICKLY = 20, 8
#: Seconds within which pgbench is to be as fast again; between two of its lines where it goes on.
FAST_AGAIN, PAUSE = 60, 1.6
_WRITTEN = """select round(pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn) / 1048576)
  from pg_control_checkpoint()"""
#: After so many failures in a row an agent's steps are left out: its cluster does not become whole.
HOPELESS = 4


def _of_clients(load, before):
    """Return [seconds until pgbench was as fast again, or None, sessions of it that broke].

    load: a running Load, whose outage is over; before: [transactions a second, ...] before it.
    """
    with contextlib.suppress(LabError):
        wait_until(lambda: regained(load.seconds(), before[0]) is not None, FAST_AGAIN,
                   "pgbench to be as fast again", step=0.5)
    return [regained(load.seconds(), before[0]), load.broken()]


def regained(rows, usual):
    """Return after how many seconds pgbench did 90 % of the usual transactions a second again.

    None where it has not yet. rows: Load.seconds(); usual: transactions a second before. Counted
    from the last second in which most of them were done before the first that is missing, or in
    which most of them were not.
    """
    for (last, _), (end, rate) in itertools.pairwise(rows):
        if end - last > PAUSE or rate < usual / 2:
            return next((later - last for later, again in rows
                         if later >= end and again >= 0.9 * usual), None)
    return None


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
        self.mode = modes.of(options)
        self.agents = self.mode.agents
        self.results: dict[str, dict[str, Any]] = {
            agent: {"outages": {}, "actions": {}, "costs": {}, "rest": {}, "many": {}, "failed": [],
                    "load": [], "clients": {}} for agent in self.agents}
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
        if not self.mode.outages:
            yield from self._steady(self.agents)
            if not options.quick:
                yield Step("both", "at rest", partial(self._at_rest, self.agents))
        wanted = options.scenes or (modes.FAULTS if self.mode.outages else ())
        found = [scene for scene in scenes.SCENES if not wanted or scene.split()[0] in wanted]
        for kind in self.mode.kinds:
            for scene in found * options.runs:
                for agent in self.agents:
                    yield Step(agent, scene, partial(self._outage, agent, scene, kind))
        for agent in self.agents:
            yield Step(agent, "down", partial(self._down, agent))
        for nodes in () if options.three or self.mode.outages else SIZES:
            for agent in self.agents:
                yield from self._many(agent, nodes)

    def _many(self, agent, nodes):
        yield Step(agent, "up", partial(self._up, agent, nodes))
        yield from self._steady([agent])
        if nodes == LARGEST:
            if not self.options.quick:
                yield Step(agent, "at rest", partial(self._at_rest, [agent]))
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
            free_name(f"bench-{agent}-{nodes}"), nodes,
            **({"postgres": {**BUSY, "max_connections": str(MOST) if len(
                self.mode.kinds) > 1 else BUSY["max_connections"]}} if self.mode.load else {}))
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

    def _outage(self, agent, scene, kind):
        """Play a fault; kind: what goes on beside pgbench, "" for nothing."""
        cluster, mine = self._whole(agent), self.results[agent]
        play = scenes.SCENES[scene]
        scene = ", ".join([scene] + [kind] * bool(kind))
        with self._load(cluster, mine["load"], kind) as load:
            phases, durations = play(cluster)
            if load is not None:
                mine["clients"].setdefault(scene, []).append(_of_clients(load, mine["load"][-1]))
        mine["outages"].setdefault(scene, []).append(phases)
        for label, seconds in durations.items():
            mine["actions"].setdefault(scene, {}).setdefault(label, []).append(seconds)
        return ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases.items())

    @contextlib.contextmanager
    def _load(self, cluster, seen, kind):
        """Run pgbench in the block, if it is to run, from some seconds before it on; yield it.

        seen: gets [transactions a second before the block, MiB of WAL since the last checkpoint].
        """
        if not self.mode.load:
            yield None
            return
        load = cluster.load(f"load{time.monotonic_ns()}")
        load.clients = beside.clients(kind)
        load.prepare(SCALE)
        if self.mode.checkpoint:
            cluster.nodes[cluster.primary()].sql("checkpoint", timeout=120)
        with load:
            wanted = BUSY_QUICKLY if self.options.quick else BUSY_SECONDS
            wait_until(lambda: len(load.rates()) >= wanted, 10 * wanted, "pgbench to run")
            rate = statistics.median(load.rates())
            with beside.of(cluster, kind):
                written = cluster.nodes[cluster.primary()].sql(_WRITTEN)[0][0]
                seen.append([rate, float(written)])
                yield load

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

    def _at_rest(self, agents):
        found = costs.at_rest([self._whole(agent) for agent in agents], STEADY)
        for agent, seen in zip(agents, found):
            self.results[agent]["rest"][str(len(self._clusters[agent].nodes))] = seen
        return ", ".join(f"{agent} {seen['cib writes']:.1f} CIB writes a minute, "
                         f"{seen['cpu']:.1f} s CPU an hour" for agent, seen in zip(agents, found))
