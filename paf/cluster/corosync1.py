"""Pacemaker up to 1.1.12 with corosync 1.x or cman: public attributes carry the election.

There are no private attributes, and attrd_updater cannot query. So each node's position is a
transient attribute, lsn_location-<resource>, which all can read in the CIB. A change of it aborts
the transition: Pacemaker computes it again and announces the promotion again. All nodes publish the
same position again, nothing changes, and the promotion continues. So there can be no numbers of
rounds in it, which would be an endless loop.

Whatever an earlier, aborted election left is overwritten by the announcement, before `promote`
counts. The attributes are removed by the primary's monitor, not as soon as the election is over:
that would abort the transition which starts the clients' address.

What only this node has to remember, from one action to the next, is in its notes (HA_RSCTMP).
"""

import os

from paf.cluster.base import Cluster
from paf.decide import election
from paf.ocf import NotUsable, OcfError


class Corosync1(Cluster):
    """The election over public transient attributes."""

    #: With old Pacemakers a candidate cannot refuse without a failure.
    guards_switchover = False

    #: The votes abort the transition, so that the announcement comes again with all of them there.
    #: What was not announced to all of them by then never is: a longer wait has no effect.
    votes_patience = 3.0

    #: What this candidate has heard of the primary's WAL (int bytes), as far as it knows.
    _heard = None    # type: int | None

    def _publish(self, text, deadline):
        """Publish a vote to all nodes; return whether it has come into the CIB, and waits for that.

        The attribute manager writes it later than crm_attribute returns. Pacemaker must see the
        change before it hears that this notification is done, or it promotes with an older one.
        """
        node = self.node(deadline)
        self.checked(["crm_attribute", "--type", "status", "--node", node,
                      "--name", self.attribute("lsn_location"), "--update", text], deadline)
        return deadline.wait_for(lambda: self.view(deadline).positions.get(node) == text)

    def open_round(self, fact, recovered, deadline, seen=None, compares=False):
        """Note that this node is the candidate, and publish its vote.

        fact: of its wal.Position; recovered: it needs no votes; seen: what it has heard of the
        primary's WAL; compares: only the other build has a use for it.
        """
        self._heard = seen
        self._note_round("recovered" if recovered else "open")
        self._publish(election.to_vote(fact), deadline)

    def vote(self, candidate, fact, deadline, seen=None, compare=None, patience=None):
        """Publish this node's vote; there are no rounds. Returns True. Raises OcfError."""
        if not self._publish(election.to_vote(fact), deadline):
            raise OcfError("its position has not come into the CIB in time")
        return True

    def primary_seen(self, deadline):
        """Return what this candidate has heard (int bytes); that of others is not published."""
        return self._heard

    def round_state(self, deadline):
        """Return what `promote` finds of the round this node opened: one of base's ROUND_..."""
        self.check_host()
        return self._noted_round()[0]

    def positions(self, voters, deadline):
        """Return the Facts of wal.Position (dict of node to Fact) that have been published."""
        votes = dict((node, election.from_vote(value))
                     for node, value in self.view(deadline).positions.items())
        return dict((node, fact) for node, fact in votes.items() if fact is not None)

    def tidy(self, view, deadline):
        """Remove the positions, too, that past elections left. Raises OcfError."""
        Cluster.tidy(self, view, deadline)
        for node in sorted(view.positions):
            self.checked(["crm_attribute", "--type", "status", "--node", node,
                          "--name", self.attribute("lsn_location"), "--delete"], deadline)

    def check_host(self):
        """Check that there is a folder to remember in. Raises NotUsable."""
        if not os.path.isdir(self.notes.folder):
            raise NotUsable("the folder {0} (HA_RSCTMP) is missing: elections need it".format(
                self.notes.folder))
