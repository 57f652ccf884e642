"""Pacemaker and the clients of the model; the promises are asserted where they can be broken.

Transitions are those of a promotable clone: demote, stop, start, promote, each announced to the
nodes that run an instance. One is aborted as soon as a permanent attribute has changed, and at
random for no reason; what is left is then computed again from the roles as they are.
"""

from types import SimpleNamespace

from paf.actions import demote, monitor, promote, start, stop
from paf.actions import notify as notify_action
from paf.decide import transition
from paf.decide.knowledge import Unknown
from paf import ocf
from tests.unit import simulation
from tests.unit.model.servers import Server
from tests.unit.model.view import PROMOTED, UNPROMOTED, BrokenPromise, Deadline, View
from tests.unit.support import environment, notify_variables

#: What a monitor ends with where it has not failed.
_WELL = (ocf.SUCCESS, ocf.RUNNING_PROMOTED)
_COLD_PATIENCE = 20    # seconds that a candidate waits, after a cold start, for an absent node


class Model(simulation.World):
    """A cluster of named nodes.

    rule: None for asynchronous, or (method, number, names) of the synchronous standbys, in the
    order of their priority. forgetful: no agent can write what it remembers of its worries, so that
    they count at once.
    """

    nodes: dict

    def __init__(self, seed, names, rule=None, maxlag=0, forgetful=False):
        super().__init__(seed, {})
        self.forgetful = forgetful
        self.machines = {name: Server(self, name) for name in names}
        self.nodes = dict(self.machines)
        self.scores, self.roles, self.banned, self.failed = {}, {}, set(), set()
        self.maxlag, self.wish, self.moved, self.last_stop = maxlag, None, None, None
        self.marks = True    # the first records of timelines are still on disk
        self.acked, self.durable, self.timelines = [], True, [1]
        self.cold_since, self.stale = None, set()
        #: the primary that has run no monitor yet: scores are of an earlier one
        self.unscored = None
        self.late, self.doomed, self.removed = None, {}, set()
        self.set_back = set()    # nodes whose data directory was
        self.electing = self._joined = False
        self.busy = None    # draws in which order nodes are notified, where it is one by one
        self.use(rule)
        first = self.machines[names[0]]
        first.was_primary = True
        for server in self.machines.values():
            server.wal = [0]

    # clients and servers

    def use(self, rule):
        """Set synchronous_standby_names on all servers."""
        self.rule = rule
        self.names = "" if rule is None else "{} {} ({})".format(
            rule[0], rule[1], ", ".join(rule[2]))
        self.durable = self.durable and rule is not None

    def record(self, timeline):
        """Return a new record of the WAL."""
        self.timelines.append(timeline)
        return len(self.timelines) - 1

    def tick(self):
        """At random a client writes, and standbys receive; a node that is late joins."""
        if self.late and self.electing and self.random.random() < 0.1:
            self.join(self.late)
            self.late = None
        if self.random.random() < 0.2:
            self.write()

    def write(self):
        """A client writes a row; it is acknowledged once enough standbys have flushed it."""
        writable = [one for one in self.machines.values() if one.writable]
        if len(writable) > 1:
            raise BrokenPromise("two primaries: " + ", ".join(one.name for one in writable))
        for primary in writable:
            primary.wal.append(self.record(primary.timeline))
            followers = [one for one in self.machines.values() if one.follows(primary)]
            for standby in followers:
                standby.receive(primary, self.random.randint(0, 4))
            known = set(self.acked)
            self.acked += [record for place, record in enumerate(primary.wal)
                           if record not in known and self._is_acknowledged(place, followers)]

    def _is_acknowledged(self, place, followers):
        if self.rule is None:
            return True
        method, number, names = self.rule
        sources = [one for name in names for one in followers if name in (one.name, "*")]
        if method == "FIRST":
            sources = sources[:number]
        return sum(len(one.wal) > place for one in sources) >= number

    def promoted(self, server):
        """A server takes writes: does it have all that was acknowledged?"""
        here = set(server.wal)
        lost = [record for record in self.acked if record not in here]
        allowed = 0 if self.durable else self._allowed(server)
        if len(lost) > allowed and server.name not in self.accepted:
            raise BrokenPromise(f"{server.name} was promoted without {len(lost)} acknowledged "
                                f"records, {allowed} allowed")
        if lost and server.name in self.stale:
            raise BrokenPromise(f"{server.name} was promoted without {len(lost)} records; the last "
                                "primary had left it a score that forbids it")
        if lost and self.cold_since is not None and not self._is_undecided(server) and (
                self.now - self.cold_since < _COLD_PATIENCE):
            raise BrokenPromise(f"{server.name} was promoted {self.now - self.cold_since:.1f} s "
                                f"after a cold start without {len(lost)} records, and did not "
                                "wait for the node that has them")
        # scores that an earlier primary left do not show what this one writes
        self.cold_since, self.unscored, self.stale = None, server, set()
        self.acked = [record for record in self.acked if record in here]
        if self.moved and not self.accepted and server.wal[:len(self.moved.wal)] != self.moved.wal:
            raise BrokenPromise(f"{server.name} was promoted, and strands {self.moved.name}, "
                                "which was moved")
        self.moved = None
        self.write()

    def _is_undecided(self, server):
        """True where no score names the last primary yet, and no other fact does."""
        last = self.unscored
        return self.rule is None and last not in (None, server) and (
            not last.running or server.timeline == last.timeline + 1)

    def _allowed(self, server):
        """Return how many records may be lost in an asynchronous cluster."""
        heard = [one.seen for one in self.nodes.values() if one.running and one.seen is not None]
        unheard = len(self.acked) if not heard else max(0, len(self.acked) + 2 - max(heard))
        return len(self.acked) if not self.maxlag else self.maxlag + unheard

    def ask(self, name):
        """Return the Fact of a node's position, asked through its database port."""
        server = self.nodes.get(name)
        if server is None or not server.running or server.vague:
            return Unknown(f"{name} does not answer")
        return server.fact()

    # agents

    def context(self, name, task, lists, seconds=60, interval=15000):
        """Return what an action gets on a node."""
        variables = notify_variables(**lists)
        return SimpleNamespace(
            environment=environment(
                crm_feature_set="3.16.1", CRM_meta_on_node=name, CRM_meta_interval=str(interval),
                CRM_meta_role=self.roles.get(name, UNPROMOTED), **variables),
            in_cluster=True, node=name, deadline=Deadline(self, task, seconds),
            instance=self.machines[name], log=simulation._Silent(),
            notification=transition.read(environment(**variables)),
            parameters=SimpleNamespace(maxlag=self.maxlag, rejoin="no", bindir="/", slots=False),
            cluster=View(self, name, task, variables))

    def act(self, name, action, lists, interval=15000):
        """Run an action on a node; return the OcfError it ended with, None if it went well."""
        def work(node, task):
            code = action.run(self.context(node, task, lists, interval=interval))
            if code not in _WELL:
                raise ocf.OcfError(f"status {code}")
        error = self.run({name: work})[name]
        if error is not None and not isinstance(error, ocf.OcfError):
            raise error
        return error

    def notify(self, lists, kind, operation):
        """Announce an operation to all instances that Pacemaker manages."""
        def work(node, task):
            notify_action.run(self.context(node, task, dict(
                lists, kind=kind, operation=operation)))
        hearing = [name for name in self._managed() if name in self.roles
                   and not self.nodes[name].mute]
        lives = {name: self.random.randint(0, 9) for name in hearing
                 if self.random.random() < 0.02}
        if operation == "promote" and kind == "pre":
            lives.update(self.doomed)
            self.doomed = {}
        groups = [hearing]
        if self.busy is not None:
            groups = [[name] for name in self.busy.sample(hearing, len(hearing))]
        for group in groups:
            for error in self.run(dict.fromkeys(group, work), lives).values():
                if error is not None and not isinstance(error, (ocf.OcfError, simulation.Killed)):
                    raise error

    def sees(self, name, task):
        """Return what an agent that was left behind on a node sees of the cluster."""
        return View(self, name, task, {})

    def look(self, name):
        """Run a monitor where Pacemaker has an instance; note a failure."""
        if name in self.roles and name in self._managed():
            if self.act(name, monitor, {}) is not None:
                self.failed.add(name)
            elif self.nodes[name].writable:
                self.unscored = None
                self.stale = {other for other, score in self.scores.items() if score <= -1000}

    # Pacemaker

    def _managed(self):
        return [name for name, node in self.nodes.items() if not node.maintenance]

    def lose(self, name):
        """Power off: what the node has published in memory is gone with it."""
        self.machines[name].lose_power()
        if name in self.nodes:
            self.reasons.pop(name, None)
            super().lose(name)
        if not self.nodes:    # no node is left that knows what ran where
            self.roles, self.failed = {}, set()

    def join(self, name):
        """Power on: what Pacemaker knew of the node's instance is forgotten."""
        self.roles.pop(name, None)
        self.failed.discard(name)
        self.machines[name].power = True
        self.nodes[name], self._joined = self.machines[name], True
        self._delivered[name] = self.random.randint(0, len(self.log))

    def settle(self, most=40):
        """Run transitions until nothing is left to do; no cluster may continue without end.

        Where notifications never run, a promotion fails again and again: real clusters count that.
        """
        for _ in range(most):
            if not self.transition():
                return
        if not any(server.mute for server in self.machines.values()):
            raise BrokenPromise(f"no end of transitions: {self.plan()}, scores {self.scores}, "
                                f"{self.reasons}")

    @property
    def has_quorum(self):
        """True for a majority, and for one of two nodes (two_node of corosync)."""
        return len(self.nodes) * 2 > len(self.machines) or len(self.machines) == 2

    def plan(self):
        """Return the notify lists of the transition that is due, None if there is none."""
        if not self.has_quorum:
            return None
        managed = self._managed()
        lost = [name for name in self.roles if name not in self.nodes]
        allowed = [name for name in managed if not self.nodes[name].standby
                   and not self.nodes[name].bare and name not in self.banned]
        stops = lost + [name for name in self.roles if name in managed
                        and (name not in allowed or name in self.failed)]
        starts = [name for name in allowed if name not in self.roles or name in self.failed]
        before = [name for name, role in self.roles.items() if role == PROMOTED]
        stay = [name for name in before if name in self.nodes and name not in managed]
        target = stay[0] if stay else self._target(
            [name for name in allowed if name in self.roles or name in starts], before)
        demotes = [name for name in before if name != target or name in stops]
        promotes = [target] if target and target not in set(before) - set(demotes) else []
        if not stops and not starts and not demotes and not promotes:
            return None
        named = {"active": self.roles, "promoted": before,
                 "unpromoted": [name for name in self.roles if name not in before],
                 "start": starts, "stop": stops, "demote": demotes, "promote": promotes}
        return {key: " ".join(sorted(names)) for key, names in named.items()}

    def _target(self, names, before):
        able = [name for name in names if self.scores.get(name, -1) > 0]
        return max(able, key=lambda name: (name == self.wish, self.scores[name], name in before,
                                           name), default=None)

    def transition(self):
        """Run the transition that is due; return False if there is none."""
        lists = self.plan()
        if lists is None:
            return False
        self._before, self._joined = self._permanent(), False
        if not any(server.running for server in self.machines.values()) and (
                PROMOTED not in self.roles.values()):    # else it is a failover
            self.cold_since = self.now
        for step in (self._demote, self._stop, self._start, self._promote):
            if step(lists) or self._is_aborted():
                break
        return True

    def _permanent(self):
        return (dict(self.scores), dict(self.rules), dict(self.last_words),
                dict(self.acknowledged), dict(self.copies))

    def _is_aborted(self):
        return (self._permanent() != self._before or self._joined
                or self.random.random() < 0.05)

    def _demote(self, lists):
        names = lists["demote"].split()
        if not names:
            return None
        self.notify(lists, "pre", "demote")
        if self._is_aborted():
            return True
        for name in names:
            if name in self.nodes:
                server = self.nodes[name]
                moved = server.writable and not server.vague and name not in self.failed
                if self.act(name, demote, lists) is not None:
                    self.lose(name)
                    return True
                if moved and lists["promote"] not in ("", name):
                    self.moved = server
            self.roles[name] = UNPROMOTED
        return None

    def _stop(self, lists):
        for name in lists["stop"].split():
            if name in self.nodes and self.act(name, stop, lists) is not None:
                self.lose(name)
            self.roles.pop(name, None)
            self.failed.discard(name)

    def _start(self, lists):
        for name in lists["start"].split():
            if self.act(name, start, lists) is None:
                self.roles[name] = UNPROMOTED
            else:
                self.banned.add(name)
        if lists["start"]:
            self.notify(lists, "post", "start")

    def _promote(self, lists):
        name = lists["promote"]
        if not name or name not in self.roles or name not in self.nodes:
            return
        self.electing = True
        self.notify(lists, "pre", "promote")
        self.electing = False
        if self._is_aborted():
            return
        if self.act(name, promote, lists) is not None:
            self.failed.add(name)
        else:
            self.roles[name] = PROMOTED
        self.notify(lists, "post", "promote")    # also after one that failed: 2.1.5 does so

    # what has to hold once nothing is left to do

    def primary(self):
        """Return the name of the primary, None without one."""
        return next((name for name, role in self.roles.items() if role == PROMOTED
                     and name in self.nodes), None)

    def check_reason(self):
        """Without a primary, each instance that could be one says why it is none."""
        if self.primary() or self.plan() is not None or not self.has_quorum:
            return
        able = [name for name in self._managed() if name in self.roles]
        if able and not any(self.reasons.get(name) for name in self.nodes):
            raise BrokenPromise(f"no primary, no reason: scores {self.scores}, able {able}")
