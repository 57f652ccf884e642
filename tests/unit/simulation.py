"""A small cluster in memory: real decisions of the agent over a simulated attribute manager.

Each node's agent runs in a coroutine of its own (the agent's code does not see that): after each
command and each pause the scheduler draws which goes on. So commands of several nodes interleave
in every way, values arrive late, and agents are killed at any point, all from one seed.
"""

import collections
import os
import random
from types import SimpleNamespace

import greenlet
import pytest

from paf import ocf
from paf.actions import notify as notify_action
from paf.actions import promote, start
from paf.cluster.cib import Scan
from paf.cluster.corosync2 import Corosync2
from paf.decide import transition
from paf.decide import state
from paf.decide.knowledge import Known, Unknown
from paf.decide.timelines import Line, Reign
from paf.instance.position import Place
from paf.notifications import late_vote
from paf.runner import Result
from tests.unit.support import environment, notify_variables

#: How many histories a test generates; `make elections` plays tens of thousands.
HISTORIES = int(os.environ.get("PAF_HISTORIES", "150"))
_TICK = 0.01


class Killed(BaseException):
    """Pacemaker killed this agent (or its node was lost)."""


class Task:
    """One run of an agent on one node, in a coroutine that waits for its turn."""

    def __init__(self, function, lives):
        self.error, self.ended = None, False
        self._function, self._lives = function, lives
        self._coroutine = greenlet.greenlet(self._run)

    def _run(self):
        try:
            self._function(self)
        except Killed:
            self.error = Killed()
        except BaseException as error:    # noqa: BLE001  (handed to the scheduler)
            self.error = error
        self.ended = True

    def step(self):
        """Run it to its next command or pause (called by the scheduler)."""
        self._coroutine.switch()

    def give_way(self):
        """Yield to the others (called by the agent)."""
        self._lives -= 1
        self._coroutine.parent.switch()
        if self._lives < 0:
            raise Killed()


class Deadline:
    """deadline.Deadline on the simulation's clock."""

    def __init__(self, world, task, seconds):
        self._world, self._task, self._end = world, task, world.now + seconds

    elapsed = 0.0

    @property
    def remaining(self):
        """Seconds left on the simulation's clock."""
        return max(0.0, self._end - self._world.now)

    @property
    def passed(self):
        """True when no time is left."""
        return self.remaining <= 0.0

    def within(self, seconds):
        """Return a deadline that is not later than this one."""
        return Deadline(self._world, self._task, min(seconds, self.remaining))

    def wait_for(self, condition, **_):
        """Wait as deadline.Deadline does, giving way to the other agents."""
        while True:
            answer = condition()
            if answer or self.passed:
                return answer
            # a wait is long against a command: time flies while all tasks wait
            self._world.now += self._world.random.choice((_TICK, 0.1, 0.5))
            self._task.give_way()


class Notes:
    """notes.Notes in memory; lost with the node."""

    def __init__(self):
        self.words = {}

    def read(self, name):
        """Return a note, "" for none."""
        return self.words.get(name, "")

    def write(self, name, text):
        """Set a note."""
        self.words[name] = text

    def remove(self, name):
        """Remove a note."""
        self.words.pop(name, None)


def stand_in(monkeypatch):
    """Have the simulation's nodes take the place of instances and their servers."""
    for name, function in (
            ("paf.instance.position.place", place), ("paf.instance.line.read", line),
            ("paf.instance.observe.is_primary", lambda *_: False),
            ("paf.instance.position.by_checkpoint", lambda node, fact, deadline: fact),
            ("paf.instance.walfiles.newest_history", lambda node: 0),
            ("paf.instance.peer.position", lambda *_: Unknown("no port")),
            ("paf.instance.server.stop", lambda *_: pytest.fail("one is stopped")),
            ("paf.stranger._data", lambda node: "data"),
            ("paf.refused.check_programs", lambda _: None)):
        monkeypatch.setattr(name, function)


def place(node, deadline):
    """Return what position.place does, for a Node."""
    del deadline
    fact = node.position if hasattr(node.position, "reason") else Known(node.position)
    return Place(fact, node.primary_seen, Known(node.synchronous), None)


def line(node, own):
    """Return what line.read does, for a Node: all have one history."""
    newest = node.position.value if hasattr(node.position, "reason") else node.position
    return newest and Line(tuple(Reign(number, number, "same")
                                 for number in range(1, newest.timeline + 1)), own)


class Cluster(Corosync2):
    """The agent's view of the cluster, over the simulation's store."""

    def __init__(self, world, name, task, variables):
        Corosync2.__init__(self, environment(CRM_meta_on_node=name, **variables))
        self.world, self.name, self.task = world, name, task
        self.notes = world.nodes[name].notes

    def run(self, argv, deadline):
        """Do what one of Pacemaker's programs would."""
        self.task.give_way()
        words = dict(zip(argv, argv[1:] + [""]))
        name = words.get("--name", "")
        if argv[0] == "attrd_updater" and "--node" in argv:
            self.world.reasons[words["--node"]] = words.get("--update", "")
        elif "--query" in argv:
            return Result(0, self.world.query(self.name, name), "", False)
        elif argv[0] == "attrd_updater":
            self.world.log.append((self.name, name, words.get("--update", "")))
        elif argv[0] == "crm_attribute":
            self.world.keep(name.rpartition("-")[0], words["--node"], words.get("--update", ""))
        return Result(0, "", "", False)

    def vote_in_background(self):
        """Leave a voter behind, as a daemon of the node."""
        self.world.leave(self.name, dict(self._environment.variables, PAF_ROUND_OVER=self._over))

    def view(self, deadline):
        """Return the substitute for the cib.Scan."""
        self.task.give_way()
        world = self.world
        return Scan(online=sorted(world.nodes), scores=dict(world.scores),
                    reasons=dict(world.reasons), positions={}, cleaned_up=[],
                    running=sorted(world.nodes), wished=set(), rules=dict(world.rules),
                    last_words=dict(world.last_words), accepted=set(world.accepted),
                    maintenance=set(), acknowledged=dict(world.acknowledged),
                    copies=dict(world.copies), hidden=set())


class Node:
    """A node: where its instance is, and whether it runs, is primary, crashed."""

    def __init__(self, name, position):
        self.name, self.position = name, position
        self.running, self.primary = True, False
        self.primary_seen, self.synchronous = None, ""
        self.notes = Notes()


class World:
    """The cluster: nodes, attribute log, scores, clock."""

    maxlag = 0

    def __init__(self, seed, positions):
        self.random = random.Random(seed)
        self.nodes: dict = {name: Node(name, where) for name, where in positions.items()}
        self.scores = {name: 1000 - 10 * rank for rank, name in enumerate(positions)}
        self.log, self.now, self.reasons = [], 0.0, {}
        self.rules, self.last_words, self.accepted = {}, {}, set()
        self.acknowledged, self.copies = {}, {}
        self._delivered = collections.Counter()
        self._daemons = []

    def leave(self, name, variables):
        """Start a voter on a node, which goes on while other actions run."""
        given = ocf.Environment(variables)

        def vote(task):
            cluster = self.sees(name, task)
            cluster._environment = given
            late_vote.run(SimpleNamespace(
                in_cluster=True, log=_Silent(), node=name, deadline=Deadline(self, task, 60),
                instance=self.nodes[name], notification=transition.read(given),
                cluster=cluster, parameters=SimpleNamespace(maxlag=self.maxlag)))
        self._daemons.append((name, Task(vote, 10**6)))

    def sees(self, name, task):
        """Return what an agent that was left behind on a node sees of the cluster."""
        return Cluster(self, name, task, {})

    def query(self, reader, name):
        """Return attrd_updater --query --all's output: what has reached that node by now."""
        late = len(self.log) - self._delivered[reader]
        self._delivered[reader] += self.random.randint(0, late) if late else 0
        values = {node: value for node, attribute, value in self.log[:self._delivered[reader]]
                  if attribute == name and node in self.nodes}
        return "".join(f'name="{name}" host="{node}" value="{value}"\n'
                       for node, value in values.items())

    def keep(self, attribute, node, value):
        """Set a permanent attribute of a node, "" removes it."""
        if attribute == "master":
            self.scores[node] = int(value)
            return
        values = {"synchronous": self.rules, "last_words": self.last_words,
                  "acknowledged": self.acknowledged, "primary_rule": self.copies}[attribute]
        values.pop(node, None)
        if value:
            values[node] = value

    def lose(self, name):
        """Power off: the node's private attributes are gone with it."""
        del self.nodes[name]
        self.forget_values(name)

    def forget_values(self, name):
        """The private attributes of a node are gone: its attribute manager has ended."""
        self.log = [entry for entry in self.log if entry[0] != name]
        for reader in self._delivered:
            self._delivered[reader] = len(self.log)

    def run(self, works, lives=None):
        """Run functions ({node: function of a context-maker}) at once; return their errors."""
        tasks = {}
        for name, work in works.items():
            tasks[name] = Task(lambda task, name=name, work=work: work(name, task),
                               (lives or {}).get(name, 10**6))
        while not all(task.ended for task in tasks.values()):
            waiting = [task for task in tasks.values() if not task.ended]
            self.random.choice(waiting + [task for _, task in self._living()]).step()
        self._daemons = self._living()
        # Pacemaker's own messages travel behind the attribute managers', in one total order
        self._delivered.update({name: len(self.log) - self._delivered[name]
                                for name in self.nodes})
        return {name: task.error for name, task in tasks.items()}

    def _living(self):
        """Return the daemons (pairs of node and Task) that run: none on a node that was lost."""
        for _, task in self._daemons:
            if task.error is not None and not isinstance(task.error, (Killed, ocf.OcfError)):
                raise task.error
        return [(name, task) for name, task in self._daemons
                if name in self.nodes and not task.ended]

    def context(self, name, task, lists, seconds=60):
        """Return what an action gets on a node."""
        variables = notify_variables(**lists)
        found = SimpleNamespace(
            environment=environment(crm_feature_set="3.16.1", **variables), in_cluster=True,
            node=name, deadline=Deadline(self, task, seconds), instance=self.nodes[name],
            log=_Silent(), notification=transition.read(environment(**variables)),
            cluster=Cluster(self, name, task, variables))
        found.parameters = SimpleNamespace(maxlag=self.maxlag)
        return found

    def voters(self, lists):
        """Return the nodes that run once the candidate is promoted."""
        return transition.voters(transition.read(environment(**notify_variables(**lists))))

    # What Pacemaker orders

    def started(self, name, recovered, lists):
        """The instance on `name` was started: it enters the cluster as start does."""
        def work(node, task):
            was = state.CRASHED_PRIMARY if recovered else state.STOPPED_STANDBY
            start.enter_cluster(self.context(node, task, lists), was)
        error = self.run({name: work})[name]
        if error is not None:
            raise error

    def notify(self, lists, kind, on, lives=None):
        """Run the notify action on these nodes at once."""
        def work(node, task):
            notify_action.run(self.context(node, task, dict(lists, kind=kind)))
        return self.run({name: work for name in on if name in self.nodes}, lives)

    def promote(self, name, lists):
        """Run promote's decision; return True if it would promote."""
        def work(node, task):
            promote.check_election(self.context(node, task, lists))
        error = self.run({name: work})[name]
        if error is not None and not isinstance(error, ocf.OcfError):
            raise error
        return error is None


class _Silent:
    debugging = False

    def __getattr__(self, name):
        return lambda *arguments: None
