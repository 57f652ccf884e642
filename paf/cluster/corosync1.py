"""Pacemaker up to 1.1.12 with corosync 1.x or cman: public attributes carry the election.

There are no private attributes, and attrd_updater cannot query. So each node's position is a
transient attribute, lsn_location-<resource>, which all can read in the CIB. A change of it aborts
the transition: Pacemaker computes it again and announces the promotion again. All nodes publish the
same position again, nothing changes, and the promotion continues. So there can be no numbers of
rounds in it, which would be an endless loop.

Whatever an earlier, aborted election left is overwritten by the announcement, before `promote`
counts. The attributes are removed by the primary's monitor, not as soon as the election is over:
that would abort the transition which starts the clients' address.

What only this node has to remember, from one action to the next, is a word in a file in HA_RSCTMP.
"""

import errno
import os

from paf.decide import wal
from paf.cluster.base import (
    MARK_COLD, MARK_NONE, MARK_RECOVERED, ROUND_NONE, ROUND_OPEN, ROUND_RECOVERED, ROUND_REFUSED,
    Cluster)
from paf.ocf import NotUsable, OcfError

_FOLDER = "/var/run/resource-agents"
_WORDS = (MARK_RECOVERED, MARK_COLD, ROUND_OPEN, ROUND_RECOVERED, ROUND_REFUSED)


class Corosync1(Cluster):
    """The election over public transient attributes."""

    #: With old Pacemakers a candidate cannot refuse without a failure.
    guards_switchover = False

    #: The votes abort the transition, so that the announcement comes again with all of them there.
    #: What was not announced to all of them by then never is: a longer wait has no effect.
    votes_patience = 3.0

    def enter(self, mark, deadline):
        """Remember how the instance came to run; mark: one of base's MARK_..."""
        self._remember(mark)

    def mark(self, deadline):
        """Return the mark that `enter` left, MARK_NONE after an election."""
        word = self._remembered()
        self.is_announced_again = word in (ROUND_OPEN, ROUND_RECOVERED)
        if word == ROUND_RECOVERED:    # the same promotion, announced again
            return MARK_RECOVERED
        return word if word in (MARK_RECOVERED, MARK_COLD) else MARK_NONE

    def publish(self, position, deadline):
        """Publish the position to all nodes; returns when it is in the CIB.

        The attribute manager writes it later than crm_attribute returns. Pacemaker must see the
        change before it hears that this notification is done, or it promotes with an older one.
        """
        value, node = wal.to_wire(position), self.node(deadline)
        self.checked(["crm_attribute", "--type", "status", "--node", node,
                      "--name", self.attribute("lsn_location"), "--update", value], deadline)
        deadline.wait_for(lambda: self.view(deadline).positions.get(node) == value)

    def open_round(self, position, recovered, deadline):
        """Note that this node is the candidate, and publish its position.

        recovered: it needs no votes.
        """
        self._remember(ROUND_RECOVERED if recovered else ROUND_OPEN)
        self.publish(position, deadline)

    def close_round(self, deadline):
        """Refuse the current promotion, as its candidate."""
        self._remember(ROUND_REFUSED)

    def vote(self, candidate, position, deadline):
        """Publish this node's position; there are no rounds. Returns True."""
        self.publish(position, deadline)
        return True

    def round_state(self, deadline):
        """Return what `promote` finds of the round this node opened: one of base's ROUND_..."""
        self.check_host()
        word = self._remembered()
        return word if word in (ROUND_OPEN, ROUND_RECOVERED, ROUND_REFUSED) else ROUND_NONE

    def positions(self, voters, deadline):
        """Return the Positions (dict of node to wal.Position) that nodes published."""
        published = self.view(deadline).positions
        positions = dict((node, wal.from_wire(value)) for node, value in published.items())
        return dict((node, position) for node, position in positions.items() if position)

    def forget(self, deadline):
        """End the election on this node, whatever its result."""
        self._remember("")

    def tidy(self, view, deadline):
        """Remove the positions that past elections left; for the primary. Raises OcfError."""
        for node in sorted(view.positions):
            self.checked(["crm_attribute", "--type", "status", "--node", node,
                          "--name", self.attribute("lsn_location"), "--delete"], deadline)

    def check_host(self):
        """Check that there is a folder to remember in. Raises NotUsable."""
        if not os.path.isdir(_folder()):
            raise NotUsable("the folder {0} (HA_RSCTMP) is missing: elections need it".format(
                _folder()))

    def _file(self):
        return os.path.join(_folder(), "pgsqlms-{0}.election".format(
            self.resource.replace("/", "_")))

    def _remember(self, word):
        """Keep a word for this node's next action, "" for none. Raises OcfError."""
        self.check_host()
        name = self._file()
        try:
            _remove(name)
            if not word:
                return
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, word.encode("ascii"))
            finally:
                os.close(descriptor)
        except (IOError, OSError) as error:
            raise OcfError("cannot write {0}: {1}".format(name, error.strerror))

    def _remembered(self):
        try:
            with open(self._file()) as stream:
                word = stream.read(64)
        except (IOError, OSError):
            return ""
        return word if word in _WORDS else ""


def _folder():
    return os.environ.get("HA_RSCTMP") or _FOLDER


def _remove(name):
    try:
        os.unlink(name)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
