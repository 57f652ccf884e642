"""Plays the steps of explore, and audits what only they need: reasons, fencings, bans."""

import contextlib
import re
import time
from xml.etree import ElementTree

from lab import configuration, scenarios
from lab.cib import RESOURCE
from lab.tools import LabError, wait_until
from trials import player
from trials.explore import states
from trials.explore.events import EVENTS
from trials.explore.moves import IMPOSSIBLE, PRIMARY
from trials.explore.states import STATES

_CONF = "/var/lib/postgresql/node.conf"
_PATIENCE = 120     # seconds until there must be a primary again, or a reason why not
_NAMES_A_FACT = re.compile(r"srv\d|[0-9A-F]+/[0-9A-F]+|bytes|maxlag|timeline|clients already|"
                           r"does not stream")
_STOPS_FOR_GOOD = re.compile(r"diverged|removed|rebuild|timeline")


class Explorer(player.Player):
    """Plays the steps of one lab."""

    def __init__(self, lab, maxlag):
        super().__init__(lab, True, maxlag)
        self.struck = {}        # node -> the moves that hit it, in this step
        self.remarks = []

    def play(self, step):
        """Play a step; return (problems, words)."""
        self.struck, self.remarks = {}, []
        self.synchronous = bool(step.names)
        use_names(self.lab, step.names)
        problems, words = super().play(step)
        return problems, "; ".join([words, *self.remarks])

    def disturb(self, step, play):
        """Bring the nodes into their states, let the events happen, see their result."""
        undo, old = [], self.lab.primary()
        for strike in step.states:
            old = self._strike(STATES[strike.word], strike.place, old, undo, play)
            time.sleep(step.pause)
        for strike in step.events:
            old = self._strike(EVENTS[strike.word], strike.place, old, undo, play)
        time.sleep(step.hold)
        problems = [*self._unexplained(step), *self._bans(step)]
        for take_back in reversed(undo):
            with contextlib.suppress(*IMPOSSIBLE):
                take_back()
        for node in self.lab.nodes.values():
            node.fence_policy("reboot")
        self.wait_in_service(lambda: states.reset(self.lab))
        return problems

    def _strike(self, move, place, old, undo, play):
        """Do one move; return the primary of before it, the last known one if there is none."""
        old = self.lab.primary_now() or old
        others = [name for name in self.lab.nodes if name != old]
        node = others[(place - 1) % len(others)] if place else old
        self.struck.setdefault(node, []).append(move)
        if move.by_hand:
            play.by_hand.setdefault(node, time.monotonic())
        try:
            undo += filter(None, [move.do(self.lab, node)])
        except IMPOSSIBLE as error:
            self.remarks.append(f"{move.word} on {node}: {' '.join(str(error).split())[:120]}")
        return old

    def _unexplained(self, step):
        """No primary, and nothing that says why."""
        if any(move.unmanaged and PRIMARY in move.roles for move in step.moves):
            return []
        seen = []

        def explained():
            seen[:] = reasons(self.lab)
            return self.lab.primary_now() or seen
        with contextlib.suppress(LabError):
            wait_until(explained, _PATIENCE, "a primary or a reason", step=0.5)
        if self.lab.primary_now() or not candidates(self.lab):
            return []
        self.remarks += seen
        if not seen:
            return [f"no primary for {_PATIENCE} s, and no reason is shown"]
        if not any(_NAMES_A_FACT.search(text) for text in seen):
            return [f"the reason names neither a node nor a fact: {'; '.join(seen)}"]
        return []

    def _bans(self, step):
        """Nodes that Pacemaker no longer tries, although no administrator is needed there."""
        with contextlib.suppress(LabError):
            return [f"banned: {node}, {reason}" for node, reason in banned(self.lab)
                    if not _may_stay_stopped(step, reason)]
        return []

    def at_rest(self, step, stopped):
        """Nothing is banned; only an old primary, or who lacks removed WAL, waits for people."""
        return self._bans(step) + [f"{node} stays stopped: {reason}"
                                   for node, reason in stopped.items()
                                   if not _may_stay_stopped(step, reason)]

    def losses_allowed(self, step):
        """Rows within maxlag, where a primary went away."""
        return super().losses_allowed(step) if any(move.loses for move in step.moves) else 0

    def fenced(self, step, play):
        """Only nodes whose state or event calls for it may be fenced."""
        return [f"fenced: {fencing['node']}, for {self._words(fencing['node'])}"
                for fencing in play.fencings
                if not any(move.fences for move in self.struck.get(fencing["node"], ()))]

    def _words(self, node):
        return " and ".join(move.word for move in self.struck.get(node, ())) or "nothing"


def _may_stay_stopped(step, reason):
    """Return whether an instance waits for its administrator as the documentation says.

    A start after a boot, which leaves no last good value, is refused while a parameter is wrong.
    """
    words = {move.word for move in step.moves}
    boots = any(move.fences or move.word == "cold-start" for move in step.moves)
    return bool(_STOPS_FOR_GOOD.search(reason)) or (
        "typo" in words and boots and "PAF-E218" in reason)


def use_names(lab, names):
    """Give all servers a value of synchronous_standby_names, while the cluster is settled."""
    lab.settings.postgres["synchronous_standby_names"] = names
    for name, node in lab.nodes.items():
        node.install(_CONF, configuration.postgres(lab.settings, name), 0o644)
        node.sql("select pg_reload_conf()")
    lab.nodes[lab.primary()].run(["crm_resource", "--refresh", "--resource", RESOURCE, "--node",
                                  lab.primary()])
    lab.wait_settled(60)
    scenarios.wait_for_ranks(lab)


def candidates(lab):
    """Return the nodes that could be promoted: in service, with a running standby, and quorum."""
    state = lab.look()
    if state is None or not state.quorum:
        return []
    return [node for node in state.roles(RESOURCE) if state.nodes.get(node) == "online"
            and lab.nodes[node].in_recovery() is not False]


def reasons(lab):
    """Return what crm_mon shows of why there is no primary that answers.

    Refusals, actions that failed, and a primary whose connections are used up.
    """
    state = lab.look()
    if state is None:
        return []
    said = [values[f"{name}-{RESOURCE}"] for values in state.attributes.values()
            for name in ("not_promoted_because", "degraded_because")
            if values.get(f"{name}-{RESOURCE}")]
    return said + [f"{item.operation} on {item.node}: {item.reason}" for item in state.failures
                   if item.reason and "monitor" not in item.operation]


def banned(lab):
    """Return (node, reason) where the resource's fail-count is INFINITY."""
    output = lab.any_node().run(["crm_mon", "-1", "--output-as=xml", "-f", "-r"]).output
    root, found = ElementTree.fromstring(output), []
    failures = {item.get("node"): item.get("exitreason") for item in root.iter("failure")
                if item.get("op_key", "").startswith(RESOURCE)}
    for node in root.iter("node"):
        for history in node.findall("resource_history"):
            if history.get("id", "").startswith(RESOURCE) and history.get("fail-count") in (
                    "1000000", "INFINITY"):
                found.append((node.get("name"), failures.get(node.get("name")) or "no reason"))
    return found
