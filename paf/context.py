"""All that an action is given: the environment, what was made of it, and the time it has."""

from paf import instance, parameters


class Context(object):
    """One run of the agent.

    environment: ocf.Environment; given: parameters.Parameters as Pacemaker has them; parameters:
    the same with values that can be worked with; instance: instance.Instance; deadline:
    deadline.Deadline; log: log.Log.
    """

    def __init__(self, environment, deadline, log):
        self.environment = environment
        self.deadline = deadline
        self.log = log
        self.given = self.parameters = parameters.read(environment)
        self.instance = instance.of(self.given)
        if parameters.unusable(self.given) or instance.misplaced(self.instance):
            from paf import lastgood
            before = lastgood.load(environment)
            self.instance = instance.with_earlier(
                instance.of(parameters.usable(self.given, before)), before)
            self.parameters = self.instance.parameters
        self._cluster = None
        self._notification = None

    @property
    def in_cluster(self):
        """True when Pacemaker runs the agent; by hand (ocf-tester, a shell) there is no cluster."""
        return self.environment.is_pacemakers

    @property
    def cluster(self):
        """The cluster.base.Cluster; the actions that need none do not import it."""
        if self._cluster is None:
            from paf import cluster
            self._cluster = cluster.connect(self.environment)
        return self._cluster

    @property
    def node(self):
        """This node's name in the cluster (str)."""
        return self.cluster.node(self.deadline)

    @property
    def notification(self):
        """The transition.Notification that came with the action; start, stop... have it as well."""
        if self._notification is None:
            from paf.decide import transition
            self._notification = transition.read(self.environment)
        return self._notification

    @notification.setter
    def notification(self, lists):
        self._notification = lists
