"""Pacemaker 1.1.13 and later with corosync 2 and later: private attributes carry the election.

A private attribute (attrd_updater --private) exists in the attribute managers' memory only: it
is not written to the CIB, and so does not abort the current transition.

Two attributes on each node, both under the resource's name:

    lsn_location   TL#LSN         the position, as the agents since 2.2 understand it
    ballot         ROUND:TL#LSN   the same, for one round of one candidate

The candidate opens a round with a new number, which also names its opener; the
others repeat it. So a value of an earlier, aborted round is never counted, and
a candidate's old ballot for another node is never treated as its own round. A node that never had
a ballot runs an agent that knows no rounds, and its lsn_location counts.
"""

import binascii
import os

from paf.decide import scores, wal
from paf.cluster.base import (
    MARK_COLD, MARK_NONE, MARK_RECOVERED, ROUND_NONE, ROUND_OPEN, ROUND_RECOVERED, ROUND_REFUSED,
    Cluster, Departure)

_REFUSED = "refused"
#: Answers of attrd_updater that say: no node has the attribute. The second one up to 1.1.24, for a
#: name that it has met before.
_NO_VALUES = ("does not exist", "no host values")
_RESTART = 2.0    # seconds that Pacemaker takes to start an attribute manager that ended


class Corosync2(Cluster):
    """The election over private attributes."""

    _ballots = None

    def enter(self, mark, deadline):
        """Take part in elections from now on; called when the instance has started.

        mark: one of base's MARK_..., kept until the next election. It reads back when this
        returns: an old mark must not replace votes.
        """
        self._set("ballot", "{0}:".format(mark), deadline)

    def mark(self, deadline):
        """Return the mark that `enter` left, MARK_NONE after an election."""
        own = self._values("ballot", deadline).get(self.node(deadline), "")
        self.is_announced_again = bool(_round(own, self.node(deadline)))
        word = own.partition(":")[0]
        return word if word in (MARK_RECOVERED, MARK_COLD) else MARK_NONE

    def publish(self, position, deadline):
        """Publish the position for agents that know no rounds. Returns when it can be read here."""
        self._set("lsn_location", wal.to_wire(position), deadline)

    def open_round(self, position, recovered, deadline):
        """Open a round, as its candidate. recovered: it needs no votes; `promote` reads that.

        The others wait for the ballot, so it goes first; it reads back when this returns.
        """
        number = _stamp(self.node(deadline)) + binascii.hexlify(os.urandom(6)).decode("ascii")
        if recovered:
            number = "{0}-{1}".format(number, MARK_RECOVERED)
        told = wal.to_wire(position)
        ballot = "{0}:{1}".format(number, told)
        self._update("ballot", ballot, deadline)
        self._update("lsn_location", told, deadline)
        self._confirm("ballot", ballot, deadline)

    def close_round(self, deadline):
        """Refuse the current promotion, as its candidate: `promote` then finds no round."""
        self._set("ballot", "{0}:".format(_REFUSED), deadline)

    def vote(self, candidate, position, deadline):
        """Publish this node's position, for all agents, and for the candidate's round.

        Returns once it can be read here: False if no round was opened in time, and at once None
        if the candidate knows none.
        """
        value = wal.to_wire(position)
        self._update("lsn_location", value, deadline)
        # attrd takes changes in their order: who reads the ballot can read the position
        answered = self._answer(candidate, value, deadline)
        if not answered:
            self._confirm("lsn_location", value, deadline)
        return answered

    def _answer(self, candidate, value, deadline):
        """Wait for the candidate to open a round, and repeat it with this node's position.

        Not for one that has left the cluster.

        A round that was answered already is an old one; if no other is opened, that old vote is
        withdrawn. A candidate without any ballot runs another agent, or has never entered: this
        node then has none either, so that its lsn_location counts.
        """
        def opened():
            values = self._values("ballot", deadline)
            seen["known"] = bool(values.get(candidate))
            number = _round(values.get(candidate, ""), candidate)
            seen["old"] = _round(values.get(self.node(deadline), ""))
            if seen["old"] != number:
                seen["number"] = number
            return (seen.get("number") or not seen["known"]
                    or departure.is_noticed([candidate]))
        seen, departure = {}, Departure(self, deadline)
        deadline.wait_for(opened)
        if not seen.get("number"):
            if not seen["known"]:
                self._delete("ballot", deadline)
                return None
            if seen["old"]:
                self._set("ballot", "{0}:".format(MARK_NONE), deadline)
            return False
        self._set("ballot", "{0}:{1}".format(seen["number"], value), deadline)
        return True

    def round_state(self, deadline):
        """Return what `promote` finds of the round this node opened: one of base's ROUND_..."""
        self._ballots = self._values("ballot", deadline)
        own = self._ballots.get(self.node(deadline), "")
        if own.startswith(_REFUSED + ":"):
            return ROUND_REFUSED
        number = _round(own, self.node(deadline))
        if number.endswith("-" + MARK_RECOVERED):
            return ROUND_RECOVERED
        return ROUND_OPEN if number else ROUND_NONE

    def positions(self, voters, deadline):
        """Return the Positions (dict of node to wal.Position) published in this node's round.

        voters: the nodes (list of str) that are expected to tell. Nobody has told anything where
        the round itself is gone, which happens when the attribute manager ends.
        """
        # the first count needs not ask for what `round_state` has just seen
        ballots, self._ballots = self._ballots or self._values("ballot", deadline), None
        number = _round(ballots.get(self.node(deadline), ""), self.node(deadline))
        if not number:
            return {}
        told = {}
        for node, ballot in ballots.items():
            if _round(ballot) == number:
                told[node] = wal.from_wire(ballot.partition(":")[2])
        if not all(ballots.get(node) for node in voters):
            own = told.get(self.node(deadline))
            for node, position in self._positions_of_older_agents(own, deadline).items():
                if not ballots.get(node):
                    told[node] = position
        return dict((node, position) for node, position in told.items() if position)

    def _positions_of_older_agents(self, own, deadline):
        """Return the Positions in lsn_location, with timelines that compare to `own`, a Position.

        The agents of 2.x take the timeline from the last checkpoint, which PostgreSQL spreads over
        minutes after a promotion. Who has the score of a connected standby followed the last
        primary as the candidate did, and is on its timeline.
        """
        connected = [node for node, score in self.view(deadline).scores.items()
                     if 0 < score < scores.PRIMARY]
        told = {}
        for node, value in self._values("lsn_location", deadline).items():
            position = wal.from_wire(value)
            if position and own and node in connected:
                position = wal.Position(max(position.timeline, own.timeline), position.lsn)
            told[node] = position
        return told

    def forget(self, deadline):
        """End the round on this node, whatever its result.

        A candidate that is not notified of the next promotion must not find the round of this one.
        It is not waited for until it reads back: clients' addresses start after a promotion's end,
        and before the next comes a demotion or a start, whose `enter` does wait.
        """
        self._update("ballot", "{0}:".format(MARK_NONE), deadline)
        self._delete("lsn_location", deadline)

    def end_old_round(self, deadline):
        """Clear away an election whose end was not announced to this node. Raises OcfError.

        A cluster manager that is busy with a node that joins does not run what it announces to
        its own node (2.1.5).
        """
        if _round(self._values("ballot", deadline).get(self.node(deadline), "")):
            self.forget(deadline)
            self._confirm("ballot", "{0}:".format(MARK_NONE), deadline)
        else:    # what was published for a candidate that knows no rounds
            self._delete("lsn_location", deadline)

    def _show(self, name, node, text, deadline):
        """Set a public attribute of a node, or remove it.

        Where the attribute manager is away, crm_attribute would write to the CIB itself; what was
        written so, the attribute manager does not know, and never removes.
        """
        self.checked(["attrd_updater", "--node", node, "--name", self.attribute(name)]
                     + (["--update", text] if text else ["--delete"]), deadline)

    def _set(self, name, value, deadline):
        """Set a private attribute of this node and wait until it reads back."""
        self._update(name, value, deadline)
        self._confirm(name, value, deadline)

    def _update(self, name, value, deadline):
        self.checked(["attrd_updater", "--private", "--name", self.attribute(name),
                      "--update", value], deadline)

    def _confirm(self, name, value, deadline):
        """Wait until an attribute of this node reads back.

        attrd_updater returns before the attribute manager has the value (--wait came with
        Pacemaker 2.1.6), and Pacemaker promotes as soon as all notifications have returned.
        """
        node = self.node(deadline)
        deadline.wait_for(lambda: self._values(name, deadline).get(node) == value)

    def _delete(self, name, deadline):
        self.checked(["attrd_updater", "--private", "--name", self.attribute(name),
                      "--delete"], deadline)

    def _values(self, name, deadline):
        """Return all nodes' values of an attribute of the resource's, as `told` does."""
        return self.told(self.attribute(name), deadline)

    def told(self, attribute, deadline):
        """Return all nodes' values of an attribute (dict of node to str); {} if it never was.

        The program's status for "no such attribute" differs between versions, its output does
        not. An attribute manager that is just restarted is asked again.
        """
        def answered():
            results[:] = [self.run(["attrd_updater", "--name", attribute, "--query", "--all"],
                                   deadline)]
            return results[0].status == 0 or any(
                words in results[0].err for words in _NO_VALUES)
        results = []
        deadline.within(_RESTART).wait_for(answered)
        return _pairs(results[0].out)


def _pairs(output):
    """Return {node: value} of what attrd_updater prints: name="..." host="..." value="...".

    A value that others store may have quotes in it: nothing escapes them up to Pacemaker 2.1.
    """
    found = {}
    for line in output.splitlines():
        name, _, rest = line.rstrip().partition('" host="')
        host, middle, value = rest.partition('" value="')
        if name.startswith('name="') and middle and value.endswith('"'):
            found[host] = value[:-1]
    return found


def _round(ballot, opener=None):
    """Return the round that a ballot is for; "" for none, or if it is not the opener's own."""
    number, _, position = ballot.partition(":")
    if not position or (opener and not number.startswith(_stamp(opener))):
        return ""
    return number


def _stamp(node):
    """Return eight characters that identify a node, whatever characters its name has."""
    name = node if isinstance(node, bytes) else node.encode("utf-8", "surrogateescape")
    return "{0:08x}".format(binascii.crc32(name) & 0xffffffff)
