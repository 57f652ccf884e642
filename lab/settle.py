"""When is a cluster settled? What is expected of it, and what is not reached yet."""

import time

from .cib import RESOURCE, VIP_RESOURCE
from .tools import Deadline, LabError

#: Scores with which a standby cannot be promoted yet: none, and that of "streaming begins".
NO_CANDIDATE = (None, "-1")


class Settle:
    """What a settled cluster looks like.

    primary: a name; None for any node; False for none. not_primary: a node that must not
    be primary. online: the nodes that must be members (default: all that have power).
    standbys: the nodes that must stream from the primary (default: all online but the primary and
    the stopped ones).
    stopped: nodes that are online and whose server must be stopped.
    vip: whether the VIP must be on the primary.
    scores: whether each of these standbys must have a promotion score, without which it is no
    candidate.
    """

    def __init__(
        self,
        lab,
        primary=None,
        not_primary=None,
        online=None,
        standbys=None,
        stopped=(),
        vip=True,
        scores=False,
    ):
        self.lab = lab
        self.primary = primary
        self.not_primary = not_primary
        self.online = online
        self.standbys = standbys
        self.stopped = tuple(stopped)
        self.vip = vip and lab.settings.resource
        self.scores = scores
        self.resource = lab.settings.resource

    def missing(self):
        """Return what is not reached, in words; nothing if all is."""
        try:
            state = self.lab.look()
            if state is None:
                return ["no node's Pacemaker answers", self.lab.describe()]
            if not state.dc or not state.quorum:
                return ["no DC elected by a majority"]
            return self._members(state) or self._resources(state) or self._idle(state)
        except LabError as error:    # a question without an answer
            return [str(error)]

    def wait(self, timeout):
        """Wait until nothing is missing, twice in a row; LabError says what is."""
        deadline, calm = Deadline(timeout), 0
        while True:
            asked = time.monotonic()
            missing = self.missing()
            calm = 0 if missing else calm + 1
            if calm == 2:
                return
            if missing and deadline.passed():
                raise LabError(
                    f"lab {self.lab.name!r} has not settled in {timeout:g} s: {'; '.join(missing)}"
                )
            time.sleep(max(0.2, time.monotonic() - asked))

    def _members(self, state):
        powered = [name for name, node in self.lab.nodes.items() if node.is_on]
        online = powered if self.online is None else self.online
        wrong = [
            f"{name} is {state.nodes.get(name, 'unknown')}, expected online"
            for name in online
            if state.nodes.get(name) not in ("online", "standby", "maintenance")
        ]
        wrong += [
            f"{name} has no power and is still seen {word}"
            for name, word in state.nodes.items()
            if name not in powered and word != "offline"
        ]
        return wrong + [
            f"{name} is unclean" for name, word in state.nodes.items() if word == "unclean"
        ]

    def _resources(self, state):
        if not self.resource:
            return []
        promoted, roles = state.promoted(RESOURCE), state.roles(RESOURCE)
        wrong = [
            f"{item.resource} is {item.doing} on {item.node}"
            for item in state.instances
            if item.doing
        ]
        wrong += [
            f"the server is {roles[name]} on {name}, expected stopped"
            for name in self.stopped
            if name in roles
        ]
        if self.primary is False:
            return wrong + [f"{name} is promoted, expected none" for name in promoted]
        if len(promoted) != 1 or (self.primary and promoted != [self.primary]):
            found = ", ".join(promoted) or "none"
            return wrong + [f"promoted: {found}, expected {self.primary or 'one node'}"]
        if promoted == [self.not_primary]:
            return wrong + [f"{self.not_primary} is still promoted"]
        return wrong + self._server(promoted[0], state, roles)

    def _server(self, primary, state, roles):
        if self.lab.nodes[primary].in_recovery() is not False:
            return [f"the server of {primary} does not take writes"]
        wrong = []
        if self.vip and list(state.roles(VIP_RESOURCE)) != [primary]:
            found = ", ".join(state.roles(VIP_RESOURCE)) or "no node"
            wrong.append(f"the VIP is on {found}, expected {primary}")
        standbys = self.standbys
        if standbys is None:
            standbys = [
                name
                for name in (state.online if self.online is None else self.online)
                if name != primary and name not in self.stopped
            ]
        streaming = self.lab.streaming_now(primary)
        wrong += [
            f"{name} is {roles.get(name, 'stopped')} and does not stream from {primary}"
            for name in standbys
            if name not in streaming or roles.get(name) is None
        ]
        return wrong or self._unscored(standbys, state)

    def _unscored(self, standbys, state):
        attribute = f"master-{RESOURCE}"
        return [
            f"{name} has no promotion score"
            for name in standbys
            if self.scores and state.attributes.get(name, {}).get(attribute) in NO_CANDIDATE
        ]

    def _idle(self, state):
        return [] if self.lab.is_idle(state) else [f"the DC {state.dc} is busy"]
