"""What an agent sees of the model: its cluster, and the time that an action has."""

from paf.cluster.cib import Scan
from paf.runner import Result
from tests.unit import simulation
from tests.unit.model.servers import operations

PROMOTED, UNPROMOTED = "promoted", "unpromoted"


class BrokenPromise(Exception):
    """A promise of the README does not hold.

    No AssertionError: that is a mistake in the agent, which a monitor survives.
    """


class Deadline(simulation.Deadline):
    """The simulation's deadline, which knows how long it has been."""

    def __init__(self, world, task, seconds):
        super().__init__(world, task, seconds)
        self._begin = world.now

    @property
    def elapsed(self):
        """Seconds since it was made."""
        return self._world.now - self._begin

    def within(self, seconds):
        """Return a deadline that is not later than this one."""
        return Deadline(self._world, self._task, min(seconds, self.remaining))


class View(simulation.Cluster):
    """The agent's view of the model."""

    def run(self, argv, deadline):
        """Write as clients do in between; keep what people see apart."""
        self.world.tick()
        if "--node" in argv and argv[0] == "attrd_updater" and not any(
                word.startswith("not_promoted_because") for word in argv):
            self.task.give_way()
            return Result(0, "", "", False)
        return super().run(argv, deadline)

    def cib(self, deadline):
        """Return what Pacemaker's history of operations says."""
        self.task.give_way()
        return operations({name: role == PROMOTED for name, role in self.world.roles.items()
                           if name in self.world.nodes}, self.resource)

    def view(self, deadline):
        """Return the cib.Scan."""
        self.task.give_way()
        world = self.world
        return Scan(online=sorted(world.nodes), scores=dict(world.scores),
                    reasons={node: text for node, text in world.reasons.items() if text},
                    positions={}, cleaned_up=[], wished={world.wish} - {None},
                    running=sorted(set(world.roles) & set(world.nodes)), rules=dict(world.rules),
                    last_words=dict(world.last_words), accepted=set(world.accepted),
                    acknowledged=dict(world.acknowledged), copies=dict(world.copies),
                    maintenance=set(world.nodes) - set(world._managed()), hidden=set())
