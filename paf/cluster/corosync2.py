"""Pacemaker 1.1.13 and later with corosync 2 and later: private attributes carry the election.

A private attribute (attrd_updater --private) exists in the attribute managers' memory only. It
is not written to the CIB, so it does not abort the current transition.

On each node, under the resource's name:

    ballot         ROUND:VOTE     a vote: the WAL position, for one round of one candidate
    primary_seen   ROUND:LSN      what the voter had heard of the primary's WAL; with maxlag only
    lsn_location   TL#LSN         the position, for a candidate that knows no rounds
    line           timelines.Line of a primary, and of what was started without one

The candidate opens a round with a number that was never used before, which also says who opened
it; the others repeat it. So a value that was left over by an earlier, aborted round is never
counted, and a candidate's old ballot for another node is not treated as its own round. A node whose
ballot never existed runs an agent that knows no rounds (PAF 2.2, 2.3), and its lsn_location counts.
How an instance was started, and what a candidate has decided, are notes of that node alone.
"""

import binascii
import os

from paf.cluster import notes
from paf.cluster.base import ROUND_NONE, ROUND_REFUSED, Cluster
from paf.decide import election, scores, wal
from paf.ocf import OcfError, is_number

_NO_ROUND = "none:"
_PUBLISHED = "published"
_LINE = notes.LINE
_UNKNOWN_LINE = "yes"    # of an earlier agent: a primary's monitor says it again
#: Answers of attrd_updater that say: no node has the attribute. The second one up to 1.1.24, for a
#: name that it has met before.
_NO_VALUES = ("does not exist", "no host values")
#: Environment variable of the action `vote`: a round that is over. Seconds between its looks.
_OVER, _LATE_STEP = "PAF_ROUND_OVER", 0.2
#: At the end of a round's number, which is hexadecimal: its candidate compares histories, and who
#: votes publishes its own first. Agents that do not know it repeat the number as it is.
_HISTORIES = "h"
_RESTART = 2.0    # seconds that Pacemaker takes to start an attribute manager that ended
_APPEARS = 1.0    # seconds after which a ballot that was taken can be read, as a rule


class Corosync2(Cluster):
    """The election over private attributes."""

    votes_later, _ballots = True, None
    _over = ""      # the round that this node had answered already, as it was to vote

    def enter(self, mark, deadline):
        """Take part in elections from now on; called when the instance has started.

        mark: see base. That this node takes part reads back when this returns.
        """
        Cluster.enter(self, mark, deadline)
        self.withdraw_line(deadline)
        self._set("ballot", _NO_ROUND, deadline)

    def _publish_memory(self, deadline):
        """Publish what is in the attribute manager's memory only. Raises OcfError."""
        if not self._values("ballot", deadline).get(self.node(deadline)):
            self._update("ballot", _NO_ROUND, deadline)
        line = self.notes.read(_LINE)
        if line == _UNKNOWN_LINE:
            self.notes.remove(_LINE)
        elif line:
            self._update(_LINE, line, deadline)

    def say_line(self, line, deadline):
        """Publish this node's timelines.Line (str, as on the wire). Raises OcfError."""
        self.notes.write(_LINE, line)
        self._update(_LINE, line, deadline)

    def says_line(self, timeline=None):
        """Return whether this node's timelines.Line is published; see base. Raises OcfError."""
        words = self.notes.read(_LINE).split()
        return bool(words) and (timeline is None or words[0] == "own" and (
            words[-1].startswith("{0}:".format(timeline))))

    def counts_line(self):
        """Return whether a Line of this node is published. Raises OcfError."""
        return self.says_line()

    def lines(self, deadline, voters=()):
        """Return the timelines.Line (on the wire, str) of each node that says one (a dict).

        One that was withdrawn is still listed, without a value. "" for one of `voters` without one
        that has entered the cluster: an agent that publishes none has no ballot either.
        """
        lines = self._values(_LINE, deadline)
        found = dict((node, lines[node]) for node in lines if lines[node])
        if set(voters) - set(found):
            ballots = self._values("ballot", deadline)
            found.update((node, "") for node in voters if node not in found and ballots.get(node))
        return found

    def follow(self, deadline):
        """Withdraw this node's timelines.Line, and do what base.Cluster does. Raises OcfError."""
        self.withdraw_line(deadline)
        Cluster.follow(self, deadline)

    def withdraw_line(self, deadline):
        """Withdraw this node's timelines.Line, if it says one. Raises OcfError.

        Once a primary runs, an instance follows it, and its old line no longer counts.
        """
        if self.notes.read(_LINE):
            self._delete(_LINE, deadline)
            self.notes.remove(_LINE)

    def publish(self, position, deadline):
        """Publish a wal.Position for agents that know no rounds; it reads back on return."""
        self.notes.write(_PUBLISHED, "yes")
        self._set("lsn_location", wal.to_wire(position), deadline)

    def open_round(self, fact, recovered, deadline, seen=None, compares=False):
        """Open a round, as its candidate. `positions` counts no vote until the ballot reads back.

        fact: of this node's wal.Position. recovered: it needs no votes; `promote` finds it so.
        seen: the end of the primary's WAL that was heard of last (int), None without maxlag.
        compares: whether the histories (timelines.Line) of all that vote will be compared.
        """
        number = _stamp(self.node(deadline)) + binascii.hexlify(os.urandom(6)).decode("ascii")
        number += _HISTORIES if compares else ""
        self._note_round("recovered" if recovered else "open", number)
        self._say_seen(number, seen, deadline)
        publish = self._set if recovered else self._update
        publish("ballot", "{0}:{1}".format(number, election.to_vote(fact)), deadline)

    def vote(self, candidate, fact, deadline, seen=None, compare=None, patience=None):
        """Vote in the candidate's round; `fact` and `seen` as in `open_round`.

        compare: called with the candidate's Fact where the round compares histories. patience: the
        Deadline by which the round has to be open. Returns once the vote can be read here: False
        if no round was opened in time, and at once None if the candidate knows none.
        """
        return self._answer(candidate, fact, seen, compare, deadline, patience or deadline)

    def vote_in_background(self):
        """Have this node vote after this action has returned. Raises EnvironmentError.

        Not in the round that `vote` has seen: that one is over.
        """
        from paf import background
        background.start("vote", dict(self._environment.variables, **{_OVER: self._over}))

    def vote_late(self, candidate, ask, deadline, compare=None, patience=None):
        """Vote once the candidate has opened a round in which this node has not voted. OcfError.

        ask: returns what `open_round` takes as `fact` and `seen`, as they are then; compare and
        patience: as in `vote`.
        """
        over = self._environment.variables.get(_OVER, "")

        def opened():
            values = self._seen_values("ballot", deadline) or {}
            found = values.get(candidate, "")
            return "" if _round(found, candidate) in (
                over, _round(values.get(self.node(deadline), ""))) else found
        ballot = (patience or deadline).wait_for(opened, longest=_LATE_STEP)
        if ballot:
            number, (fact, seen) = _round(ballot), ask()
            if compare and _compares(ballot, fact):
                compare(election.from_vote(ballot.partition(":")[2]))
            self._say_seen(number, seen, deadline)
            self._update("ballot", "{0}:{1}".format(number, election.to_vote(fact)), deadline)

    def _say_seen(self, number, seen, deadline):
        # attrd takes changes in their order: who reads the ballot can read this
        if seen is not None:
            self._update("primary_seen", "{0}:{1}".format(number, seen), deadline)

    def primary_seen(self, deadline):
        """Return the furthest end of WAL (int bytes) that voters had heard of from the primary."""
        number = self._noted_round()[1]
        seen = [value.partition(":")[2] for value in self._values("primary_seen", deadline).values()
                if number and value.partition(":")[0] == number]
        known = [int(text) for text in seen if is_number(text)]
        return max(known) if known else None

    def _answer(self, candidate, fact, seen, compare, deadline, patience):
        """Wait for the candidate to open a round, and repeat it with this node's position.

        Not for one that has left the cluster.

        A round that was answered already is an old one; if no other is opened, that old vote is
        withdrawn. A candidate without any ballot runs another agent, or has never entered: this
        node then has none either, so that its lsn_location counts.
        """
        from paf.cluster.departure import Departure

        def opened():
            values = self._seen_values("ballot", deadline)
            if values is None:    # no answer is no news of the candidate
                return departure.is_noticed([candidate])
            found["known"] = bool(values.get(candidate))
            number = _round(values.get(candidate, ""), candidate)
            found["old"] = _round(values.get(self.node(deadline), ""))
            if found["old"] != number:
                found.update(number=number, ballot=values.get(candidate, ""))
            return (found.get("number") or not found["known"]
                    or departure.is_noticed([candidate]))
        found, departure = {"known": True, "old": ""}, Departure(self, deadline)
        patience.wait_for(opened)
        if not found.get("number"):
            if not found["known"]:
                self._delete("ballot", deadline)
                return None
            self._over = str(found["old"])
            if found["old"]:
                self._set("ballot", _NO_ROUND, deadline)
            return False
        if compare and _compares(str(found["ballot"]), fact):
            # before the vote: who has all votes has all histories
            compare(election.from_vote(str(found["ballot"]).partition(":")[2]))
        self._say_seen(found["number"], seen, deadline)
        # until it reads back, the same round would pass for another one if it is announced again
        self._set("ballot", "{0}:{1}".format(found["number"], election.to_vote(fact)), deadline)
        return True

    def close_round(self, deadline):
        """Refuse the current promotion, as its candidate; stop asking for votes."""
        Cluster.close_round(self, deadline)
        self._update("ballot", _NO_ROUND, deadline)

    def round_state(self, deadline):
        """Return what `promote` finds of the round this node opened: one of base's ROUND_..."""
        found, number = self._noted_round()
        if found == ROUND_REFUSED:
            return found

        def is_there():
            self._ballots = self._values("ballot", deadline)
            return _round(self._ballots.get(self.node(deadline), ""), self.node(deadline)) == number
        # the attribute manager forgets when it ends: then there is no round to rely on
        patience = deadline.within(_APPEARS if number else 0.0)
        return found if patience.wait_for(is_there) else ROUND_NONE

    def positions(self, voters, deadline):
        """Return the Facts of wal.Position (dict of node to Fact) in the round of this node.

        voters: the nodes (list of str) that are expected to vote. There is no vote where the
        round itself is gone, which happens when the attribute manager ends, nor while the ballot
        read is of an earlier round.
        """
        # the first count needs not ask for what `round_state` has just seen
        ballots, self._ballots = self._ballots or self._values("ballot", deadline), None
        number = _round(ballots.get(self.node(deadline), ""), self.node(deadline))
        if not number or number != self._noted_round()[1]:
            return {}
        votes = {}
        for node, ballot in ballots.items():
            if _round(ballot) == number:
                votes[node] = election.from_vote(ballot.partition(":")[2])
        if not all(ballots.get(node) for node in voters):
            own = votes.get(self.node(deadline))
            for node, fact in self._votes_of_older_agents(own, deadline).items():
                if not ballots.get(node):
                    votes[node] = fact
        return dict((node, fact) for node, fact in votes.items() if fact is not None)

    def _votes_of_older_agents(self, own, deadline):
        """Return the positions in lsn_location (dict of node to Fact), as they compare to `own`."""
        from paf.decide import older
        connected = [node for node, score in self.view(deadline).scores.items()
                     if 0 < score < scores.PRIMARY]
        return dict((node, older.vote(value, own, node in connected))
                    for node, value in self._values("lsn_location", deadline).items())

    def forget(self, deadline):
        """End the round on this node, whatever its result.

        A candidate that is not notified of the next promotion must not find this round. It is not
        waited for until it reads back: clients' addresses start after a promotion's end, and the
        next comes after a demotion or a start, whose `enter` does wait.
        """
        Cluster.forget(self, deadline)
        self._update("ballot", _NO_ROUND, deadline)
        self.withdraw_line(deadline)
        if self.notes.read(_PUBLISHED):
            self._delete("lsn_location", deadline)
            self.notes.remove(_PUBLISHED)

    def end_old_round(self, has_primary, deadline):
        """Clear away an election whose end was not announced to this node. Raises OcfError.

        A cluster manager that is busy with a node that joins does not run what it announces to
        its own node (2.1.5). Without a primary the election was refused: how this instance was
        started, its timelines, and what it waits for still count in the next one.
        """
        if _round(self._values("ballot", deadline).get(self.node(deadline), "")):
            if has_primary:
                self.forget(deadline)
            else:
                self._update("ballot", _NO_ROUND, deadline)
            self._confirm("ballot", _NO_ROUND, deadline)
        else:    # for a candidate that knows no rounds
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
        deadline.wait_for(lambda: (self._seen_values(name, deadline) or {}).get(node) == value)

    def _delete(self, name, deadline):
        self.checked(["attrd_updater", "--private", "--name", self.attribute(name),
                      "--delete"], deadline)

    def _values(self, name, deadline):
        """Return all nodes' values of an attribute of the resource's, as `values` does."""
        return self.values(self.attribute(name), deadline)

    def _seen_values(self, name, deadline):
        """Return what `_values` does, None while the attribute manager gives no answer."""
        try:
            return self._values(name, deadline)
        except OcfError:
            return None

    def values(self, attribute, deadline):
        """Return all nodes' values of an attribute (dict of node to str); {} if it never was.

        The program's status for "no such attribute" differs between versions, its output does
        not. An attribute manager that is just restarted is asked again. Raises OcfError where it
        gives no answer: that does not mean that no node has a value.
        """
        def answered():
            results[:] = [self.run(["attrd_updater", "--name", attribute, "--query", "--all"],
                                   deadline)]
            return results[0].status == 0 or _has_no_value(results[0])
        results = []
        if not deadline.within(_RESTART).wait_for(answered):
            raise OcfError("attrd_updater gives no answer: {0}".format(
                "it took too long" if results[0].timed_out else results[0].err.strip()
                or "status {0}".format(results[0].status)))
        return _pairs(results[0].out)


def _has_no_value(result):
    """Return True if attrd_updater says that no node has a value of the attribute."""
    return not result.timed_out and any(words in result.err for words in _NO_VALUES)


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


def _compares(ballot, fact):
    """Return whether a voter at a Fact publishes its history: the candidate's ballot asks for it,
    or it is on a later timeline, and the next candidate."""
    theirs = election.from_vote(ballot.partition(":")[2])
    later = theirs is not None and election.is_later(fact, theirs)
    return later or _round(ballot).endswith(_HISTORIES)


def _stamp(node):
    """Return eight characters that identify a node, whatever characters its name has."""
    name = node if isinstance(node, bytes) else node.encode("utf-8", "surrogateescape")
    return "{0:08x}".format(binascii.crc32(name) & 0xffffffff)
