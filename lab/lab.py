"""A lab: a real cluster of N nodes on this machine."""

import contextlib
import math
import time
from pathlib import Path

from . import agents, cib, network, owner, power, repair
from .cib import CLONE, RESOURCE
from .gather import gather
from .node import Node
from .pacemaker_log import transitions
from .owner import labs
from .questions import Questions
from .settings import Settings
from .settle import Settle
from .template import Template
from .tools import require_files, spread
from .traffic import Client, History, Load, Sampler


class Lab(Questions):
    """A cluster: `with Lab("demo", agent="perl") as lab:` brings it up and takes it down again.

    The arguments are those of Settings; `logs` is a folder where all logs are gathered if the block
    fails. `Lab.attach(name)` gives a lab that is up already.
    """

    def __init__(self, name="lab", nodes=3, agent="ours", *, logs=None, **more):
        self._use(Settings(name=name, count=nodes, agent=agent, **more), logs)

    @classmethod
    def attach(cls, name):
        """Return the lab of that name, which is up."""
        lab = cls.__new__(cls)
        lab._use(Settings.load(name))
        return lab

    def _use(self, settings, logs=None):
        self.settings = settings
        self.name = settings.name
        self.folder = settings.folder
        self.logs = logs and Path(logs)
        self.nodes = {name: Node(settings, name) for name in settings.names}
        self.network = network.Network(settings)

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.push(self)
            self.up()
            undo.pop_all()
        return self

    def __exit__(self, kind, *_):
        if kind is not None and self.logs and self.is_up:
            self.gather(self.logs)
        self.down()

    @property
    def is_up(self):
        """True if the lab has been started and not taken down, whatever its nodes do."""
        return (self.folder / "lab.json").exists()

    # life

    def up(self, wait=True, timeout=400, replace=False):
        """Start the cluster and wait until it is settled; it is taken down when this process ends.

        What an interrupted run has left of a lab of this name goes first. LabError if another
        process has a lab of this name, or left it up. replace: not if this checkout left it up.
        """
        owner.require_root()
        require_files()
        with owner.lock(self.name):
            owner.refuse_if_taken(self.name, replace)
            owner.clear(self.name)
            self.settings.shared.mkdir(parents=True)
            owner.take(self.name)
            self.settings.save()
            self.settings.disks.mkdir()
            spread(self.settings.disks)
            self._disks(self.nodes, self.settings.names[0])
            self.network.create()
            power.launch(self.settings)
        self.power_on()
        if wait:
            self._wait_ready(timeout)
        return self

    def reset(self, wait=True, timeout=400):
        """Give every node a new disk and start again: as `up`, whatever state the cluster is in."""
        self.mend()
        self.power_off()
        self._disks(self.nodes, self.settings.names[0])
        for node in self.nodes.values():
            node.fence_policy("reboot")
        (self.folder / "fencings.jsonl").unlink(missing_ok=True)
        self.power_on()
        if wait:
            self._wait_ready(timeout)

    def _wait_ready(self, timeout):
        self.wait_settled(timeout)
        if self.settings.resource:
            self.wait_candidates(timeout)

    def heal(self, timeout=180):
        """Repair what a test broke, the cheap way, and wait until all is whole; see repair."""
        repair.heal(self, timeout)

    def renew(self, *names):
        """Give nodes that are off new disks, with a standby of the beginning, and no score."""
        self._disks(names)
        for name in names:
            self.ask(["crm_attribute", "--type", "nodes", "--node", name, "--name",
                      f"master-{RESOURCE}", "--delete"])

    def _disks(self, names, primary=None):
        template = Template(self.settings).prepare()
        wanted = {name: (self.settings.agents.get(name, self.settings.agent),
                         self.settings.system(name)) for name in names}
        trees = {which: agents.stage(self.settings, *which) for which in set(wanted.values())}
        for name, which in wanted.items():
            self.nodes[name].disk.create(template, primary=name == primary)
            self.nodes[name].disk.install_agent(trees[which])

    def down(self, force=False):
        """Stop everything and remove every trace, however the lab was left.

        Taken if the lab belongs to another process that still runs, unless `force` is set.
        """
        with owner.lock(self.name):
            found = owner.owner(self.name)
            if found and found.alive and not owner.is_mine(self.name) and not force:
                raise owner.Taken(owner.why_taken(self.name))
            owner.clear(self.name)
            owner.release(self.name)

    def keep(self):
        """Keep the lab when this process ends; without this call it is then taken down."""
        owner.keep(self.name)

    # power and network

    def power_on(self, *names):
        """Switch nodes on (all without a name) that meet each other before the cluster starts."""
        names = names or tuple(self.nodes)
        on = sum(node.is_on for node in self.nodes.values())
        missing = [name for name in names if not self.nodes[name].is_on]
        whole = not any(self.network.broken().values())
        for name in missing:
            self.nodes[name].power_on(members=on + len(missing) if whole else 1)

    def power_off(self, *names):
        """Cut the power of nodes (all without a name), at the same moment."""
        power.cut(self.settings, list(names or self.nodes))

    def cut(self, node, peer=None, one_way=False):
        """Cut the network of a node: wholly, towards and from a peer, or only towards it."""
        self.network.cut(node, peer, one_way)

    def impair(self, node, latency=0, jitter=0, loss=0):
        """Delay (ms) and drop (%) a node's traffic."""
        self.network.impair(node, latency, jitter, loss)

    def mend(self, node=None, peer=None):
        """Repair the network, or what is cut at a node, or between two."""
        self.network.mend(node, peer)

    def fencings(self):
        """Return the fencings so far: node, by, time, start and end (monotonic), ok."""
        return power.fencings(self.settings)

    # cluster

    def move(self, target=None, wait=True, timeout=180):
        """Move the primary to `target` or to the best; take the move's constraint away."""
        old = self.primary()
        where = ["--node", target] if target else []
        self.ask(["crm_resource", "--move", "--resource", CLONE, self.promoted_option, *where])
        if not wait:
            return
        try:
            self.wait_settled(timeout, primary=target, not_primary=None if target == old else old)
        finally:
            self.clear()

    @property
    def promoted_option(self):
        """The option of crm_resource --move that means the primary."""
        return f"--{cib.role_word(self.settings, 'Promoted').lower()}"

    def now(self):
        """Return the nodes' clock: epoch seconds, as the times of transitions are."""
        return time.time()

    def transitions(self, since=0.0):
        """Return what Pacemaker did, as Transitions, from `since` on (epoch seconds, see `now`)."""
        logs = {name: node.log() for name, node in self.nodes.items()}
        return [item for item in transitions(logs, self.now())
                if item.start >= (since if item.start % 1 else math.floor(since))]

    def gather(self, folder):
        """Gather the logs of all nodes, and what they say now, in a folder."""
        return gather(self, Path(folder))

    def client(self, run="client"):
        """Return the writing client of that name, running or not."""
        return Client(self, run)

    def history(self, run="history"):
        """Return the history client of that name, running or not."""
        return History(self, run)

    def load(self, run="load"):
        """Return the load of that name, running or not."""
        return Load(self, run)

    def sampler(self, run="sampler"):
        """Return the sampler of that name, running or not."""
        return Sampler(self, run)

    def settle(self, **expected):
        """Return a Settle: what is expected, and `missing()`, what is not reached yet."""
        return Settle(self, **expected)

    def wait_settled(self, timeout=120, **expected):
        """Wait until the cluster is settled and as expected; see Settle for what can be said."""
        self.settle(**expected).wait(timeout)

    def wait_candidates(self, timeout=90, **expected):
        """Wait as wait_settled does, and until each standby has a promotion score.

        The primary's monitor gives them, and its first one after a promotion comes before the
        standbys are back: instead of a wait for the next, have Pacemaker run it again.
        """
        if self.settle(scores=True, **expected).missing():
            self.wait_settled(timeout, **expected)
            self.ask(["crm_resource", "--refresh", "--resource", RESOURCE, "--node",
                      self.primary()])
        self.wait_settled(timeout, scores=True, **expected)


def down_all():
    """Take down every lab in this folder of labs."""
    for name in labs():
        Lab(name).down(force=True)
