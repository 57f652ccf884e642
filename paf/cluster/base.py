"""What both variants share: the node's name, promotion scores, what is kept between actions."""

import time

from paf import runner
from paf.cluster import cib, manager, notes, programs
from paf.decide import quorum
from paf.ocf import OcfError

#: The attribute, for each resource, with the reason of its failure.
FAILURE = "failed_because"
# Further attributes of a node, each for one fact. Permanent, in the nodes section of the CIB:
_SCORE = "master"                   # promotion score
_RULE = "synchronous"               # the quorum.Entry of a node that was or is the primary
_LAST_WORDS = "last_words"          # the vote of an instance that was stopped cleanly
_COPY = "primary_rule"              # of a node that was not: the last primary's Entry, and its name
_ACKNOWLEDGED = "acknowledged"      # a vote: what an instance has if it was not set back
# transient:
_REASON = "not_promoted_because"
_POSITION = "lsn_location"          # public in the corosync1 build only
_ACCEPT = "accept_loss"             # set by the administrator

_ALWAYS_LOCAL = (3, 20, 0)    # feature set of Pacemaker 3.0.0
#: Each of Pacemaker's programs answers in milliseconds, or something is wrong with the cluster.
_PATIENCE = 10.0
_NAME_PATIENCE = 2.0    # seconds; clients may be waiting

# How an instance came to run, as its start noted it; lasts until a promotion has ended
MARK_NONE = "none"
MARK_RECOVERED = "recovered"    # it crashed as a primary here, and was started again just now
MARK_COLD = "cold"              # no primary ran anywhere when it was started

# What a candidate finds of the round that its pre-promote notification opened
ROUND_NONE = "no round was opened"
ROUND_OPEN = "open"
ROUND_PASSED = "open, and the election said yes"
ROUND_RECOVERED = "open, and needs no votes"
ROUND_REFUSED = "closed by a refusal"
_WORDS = {"open": ROUND_OPEN, "passed": ROUND_PASSED,
          "recovered": ROUND_RECOVERED, "refused": ROUND_REFUSED}


class Cluster(object):
    """The cluster as this node's agent sees and changes it.

    All attributes carry the resource's name, so that several resources of this agent can run in
    one cluster.
    """

    #: Whether a candidate can check a switchover and refuse it.
    guards_switchover = True

    #: For how long a candidate waits for votes before Pacemaker promotes it, in seconds.
    votes_patience = 20.0

    #: Whether `mark` found a round of this node still open: the same promotion is announced again.
    is_announced_again = False

    #: Whether the last `view` was of a partition without quorum, in which Pacemaker starts nothing.
    is_powerless = False

    def __init__(self, environment):
        self._environment = environment
        self._node = None
        #: The Facts (dict of node to that) of nodes that did not vote, as their servers said it.
        self.asked = {}    # type: dict
        self.counted = {}  # type: dict    # of all nodes in the last count, as `asked`
        self.notes = notes.Notes(environment)
        self._hidden = None    # what the last `view` found, None without one

    @property
    def resource(self):
        """The resource's name (str)."""
        return self._environment.resource

    def attribute(self, name):
        """Return the full name of one of the resource's attributes."""
        return "{0}-{1}".format(name, self.resource)

    def node(self, deadline):
        """Return this node's name in the cluster. Raises OcfError.

        Pacemaker says it since 1.1.17. The machine's own name may be another one.
        """
        if self._node is None:
            self._node = self._environment.meta("on_node") or self._asked_node(deadline)
        return self._node

    def _asked_node(self, deadline):
        try:
            name = self.checked(["crm_node", "-n"], deadline.within(_NAME_PATIENCE)).out.strip()
        except OcfError as error:
            raise OcfError("the name of this node in the cluster is not known: {0}".format(error))
        if not name:
            raise OcfError("the name of this node in the cluster is not known: crm_node printed "
                           "nothing")
        return name

    def view(self, deadline):
        """Return the cib.Scan: members, promotion scores, public attributes. Raises OcfError."""
        xml = self.cib(deadline)
        self.is_powerless = cib.is_powerless(xml)
        scan = cib.parse(xml, self.names(), self.resource, time.time())
        self._hidden = scan.hidden
        return scan

    def names(self):
        """Return how the resource's attributes are called: cib.Names."""
        return cib.Names(
            score=self.attribute(_SCORE), reason=self.attribute(_REASON),
            position=self.attribute(_POSITION), failure=self.attribute(FAILURE),
            counts=crash_counts(self.resource), rule=self.attribute(_RULE),
            last_words=self.attribute(_LAST_WORDS), accept=self.attribute(_ACCEPT),
            acknowledged=self.attribute(_ACKNOWLEDGED), copy=self.attribute(_COPY))

    def cib(self, deadline):
        """Return this node's CIB (XML, str). Raises OcfError."""
        # Answered by this node in any case since 3.0, which deprecates the option. The set is the
        # DC's: where a newer DC spares older programs the option, they answer here as well
        local = [] if self._environment.feature_set >= _ALWAYS_LOCAL else ["--local"]
        return self.checked(["cibadmin", "--query"] + local, deadline).out

    def set_score(self, node, score, deadline):
        """Set the promotion score (int) of a node, for as long as the node exists.

        A score that outlives a restart is what makes a cold start prefer the last primary.
        crm_attribute returns once the change is made. Raises OcfError.
        """
        self.reveal([node], deadline)
        self._keep(_SCORE, node, str(score), deadline)

    def reveal(self, nodes, deadline):
        """Remove transient promotion scores of `nodes` (of str). Raises OcfError.

        Pacemaker goes by them where there are any (crm_attribute --promotion, crm_master, another
        agent): then a refusal, or the score of a standby that has caught up, would change nothing.
        """
        hidden = self.view(deadline).hidden if self._hidden is None else self._hidden
        for node in sorted(hidden & set(nodes)):
            self._show(_SCORE, node, "", deadline)

    def publish_rule(self, node, entry, deadline):
        """Publish which standbys acknowledge a primary's commits. Raises OcfError.

        node: the primary; entry: quorum.Entry, None to remove it. Outlives the primary.
        """
        self._keep(_RULE, node, quorum.to_wire(entry) if entry else "", deadline)

    def publish_copy(self, node, text, deadline):
        """Keep a primary's rule (quorum.copy_to_wire) at another node, "" none. Raises OcfError."""
        self._keep(_COPY, node, text, deadline)

    def leave_last_words(self, vote, deadline):
        """Publish where the WAL of an instance ends that was stopped cleanly. Raises OcfError.

        vote: text of election.to_vote, "" to take it back, before the instance is started again.
        """
        self._keep(_LAST_WORDS, self.node(deadline), vote, deadline)

    def forget_last_words(self, node, deadline):
        """Remove the last words of a node that runs again. Raises OcfError."""
        self._keep(_LAST_WORDS, node, "", deadline)

    def publish_acknowledged(self, node, vote, deadline):
        """Publish up to where a node's instance may have acknowledged commits. Raises OcfError.

        vote: text of election.to_vote, "" to remove it, once the primary has seen it there again.
        """
        self._keep(_ACKNOWLEDGED, node, vote, deadline)

    def forget_acceptance(self, node, deadline):
        """Remove the administrator's word that a loss is accepted: it has been used."""
        self._show(_ACCEPT, node, "", deadline)

    def _keep(self, name, node, value, deadline):
        """Set a permanent attribute of a node in the CIB, "" removes it. Raises OcfError."""
        argv = ["crm_attribute", "--type", "nodes", "--node", node, "--name", self.attribute(name)]
        self.checked(argv + (["--update", value] if value else ["--delete"]), deadline)

    def explain(self, node, reason, deadline):
        """Show why `node` was not promoted, as a node attribute (crm_mon -A); "" removes it.

        Pacemaker keeps no reason of a notify action, which is where promotions are refused.
        """
        if node == self._node:
            try:
                self.notes.write(notes.REASON, reason)
            except OcfError:
                pass    # shown all the same, only not again where the attribute manager ends
        self._show(_REASON, node, _coded(reason), deadline)

    def show_failure(self, reason, deadline):
        """Show why the resource has failed on this node, as a node attribute. Raises OcfError."""
        self.checked(["attrd_updater", "--name", self.attribute(FAILURE),
                      "--update", _coded(reason)], deadline)

    def forget_failure(self, node, deadline):
        """Remove why the resource has failed on a node. Raises OcfError."""
        self._show(FAILURE, node, "", deadline)

    def remark(self, name, node, text, deadline):
        """Show a node attribute of the resource while it holds; "" removes it. Raises OcfError."""
        self._show(name, node, _coded(text), deadline)

    def _show(self, name, node, text, deadline):
        argv = ["crm_attribute", "--type", "status", "--node", node, "--name", self.attribute(name)]
        self.checked(argv + (["--update", text] if text else ["--delete"]), deadline)

    def check_host(self):
        """Check what elections need of this host. Raises OcfError."""

    # the life of a round: what this node alone has to know of it is in its notes

    def enter(self, mark, deadline):
        """Take part in elections from now on; called when the instance has started.

        mark: one of MARK_..., kept until a promotion has ended. Raises OcfError.
        """
        # an earlier start's: where there is no room for this one's, nothing is known of it
        for name in (notes.ENTERED, notes.ROUND, notes.NARROWER, notes.WAITED, notes.UNFLUSHED,
                     notes.HISTORY, notes.HEARD):
            self.notes.remove(name)
        self.notes.write(notes.START, "" if mark == MARK_NONE else mark)
        self.note_entry()
        self.notes.write(notes.MANAGER, manager.find())

    def note_entry(self):
        """Note that it is known how the instance came to run. Raises OcfError."""
        if not self.notes.read(notes.ENTERED):
            self.notes.write(notes.ENTERED, "yes")

    def publish_again(self, deadline):
        """Publish what this node's attribute manager has forgotten. Raises OcfError.

        Called by a monitor that finds another one than the node's attributes were published in.
        Votes and what was heard of the primary are said again in each round. Returns False where
        the attribute manager is not known, as on a remote node: then nothing is published.
        """
        current = manager.find()
        if not current:
            return False
        self._publish_memory(deadline)
        reason = self.notes.read(notes.REASON)
        if reason:
            self.explain(self.node(deadline), reason, deadline)
        self.notes.write(notes.MANAGER, current)
        return True

    def _publish_memory(self, deadline):
        """Publish what is in the attribute manager's memory only; in the corosync2 build."""

    def mark(self):
        """Return the mark that `enter` left, MARK_NONE once a promotion has ended.

        MARK_COLD where there was no room for it, or it is gone with its folder. Notes in
        is_announced_again whether this node has been the candidate since.
        """
        self.is_announced_again = self._noted_round()[0] != ROUND_NONE
        word = self.notes.read(notes.START)
        if word == MARK_RECOVERED:
            return word
        return MARK_COLD if word or not self.notes.read(notes.ENTERED) else MARK_NONE

    def _note_round(self, word, number=""):
        self.notes.write(notes.ROUND, "{0} {1}".format(word, number))

    def _noted_round(self):
        """Return (one of ROUND_..., the round's number) as this node's candidate noted it."""
        words = self.notes.read(notes.ROUND).split(" ")
        if len(words) != 2 or words[0] not in _WORDS:
            return ROUND_NONE, ""
        return _WORDS[words[0]], words[1]

    def pass_round(self):
        """Note that the election decided for this node, as its candidate. Raises OcfError."""
        self._note_round("passed", self._noted_round()[1])

    def close_round(self, deadline):
        """Refuse the current promotion, as its candidate. Raises OcfError."""
        del deadline    # only the corosync2 build has something to withdraw
        self._note_round("refused", self._noted_round()[1])

    def forget(self, deadline):
        """End the election on this node, whatever its result. Raises OcfError."""
        for name in (notes.ROUND, notes.START, notes.AWAITED, notes.PRIMARY, notes.RULE,
                     notes.ORIGIN, notes.REASON, notes.WAITED, notes.VOTES):
            self.notes.remove(name)
        self.note_entry()

    def say_line(self, line, deadline):
        """Publish this node's timelines.Line (str). Only the corosync2 build can."""

    def says_line(self, timeline=None):
        """Return whether this node's timelines.Line is published, as far as it can be.

        timeline: of a primary (int): only a Line counts that has it as this node's own. What was
        said before a promotion is still there where its end was not announced here.
        """
        del timeline
        return True

    def follow(self, deadline):
        """Forget how the instance came to run, if it follows a primary. Raises OcfError."""
        # it may stream from another standby: primary_conninfo may name all nodes
        from paf.cluster import ophistory
        if not ophistory.promoted(self.cib(deadline), self.resource):
            return
        for name in notes.WITHOUT_PRIMARY:
            if name != notes.LINE:    # withdrawn by the build that publishes it
                self.notes.remove(name)
        self.note_entry()

    def withdraw_line(self, deadline):
        """Withdraw this node's timelines.Line, if it says one. Only the corosync2 build does."""

    def counts_line(self):
        """Return whether a Line of this node is published, for the elections to compare with."""
        return False

    def lines(self, deadline, voters=()):
        """Return the timelines.Line (on the wire, str) of each node that says one (a dict).

        "" for one of `voters` (of str) that could, and has said none.
        """
        del deadline, voters
        return {}

    #: Whether a node that could not vote in its notification does so later.
    votes_later = False

    def vote_in_background(self):
        """Have this node vote after this action. Only the corosync2 build waits for a round."""

    def primary_seen(self, deadline):
        """Return the furthest end of WAL (int bytes) that voters had heard of from the primary.

        None where no voter has said so.
        """

    def end_old_round(self, has_primary, deadline):
        """Clear away an election whose end was not announced to this node. Raises OcfError.

        has_primary: False where no promotion has ended it, and this node's votes alone are over.
        """

    def tidy(self, view, deadline):
        """Remove what past elections left in the cib.Scan; for the primary. Raises OcfError.

        A loss is accepted where no primary runs. A word that was left, or was given while one
        runs, would have its node promoted by the next failover, whatever it lacks by then. And
        whose history differed from this one, which may have been promoted by hand, is over.
        """
        self.notes.remove(notes.STRANGER)
        self.reveal(view.hidden, deadline)
        for node in sorted(view.accepted):
            self.forget_acceptance(node, deadline)

    def run(self, argv, deadline, patience=_PATIENCE):
        """Run one of Pacemaker's programs and return its runner.Result. Raises OcfError.

        patience: seconds that it may take at most; more than a moment only where it waits itself.
        """
        return runner.run([programs.find(argv[0])] + argv[1:], deadline.within(patience),
                          env=programs.environment())

    def checked(self, argv, deadline):
        """Run one of Pacemaker's programs, a second time if it fails; then raise OcfError.

        A daemon that is just restarted by Pacemaker answers the second time.
        """
        def succeeded():
            results[:] = [self.run(argv, deadline)]
            return results[0].status == 0
        results = []
        if not deadline.within(min(_PATIENCE, deadline.remaining / 2)).wait_for(succeeded):
            result = results[0]
            raise OcfError("{0} failed: {1}".format(
                argv[0], "no answer in time" if result.timed_out else
                (result.err or result.out).strip() or "status {0}".format(result.status)))
        return results[0]


def _coded(reason):
    """Return a reason (str) with its code, as it is stored in an attribute; "" for none."""
    if not reason:
        return ""
    from paf.cluster import attributetext
    return attributetext.coded(reason)


def crash_counts(resource):
    """Return the names of the transient attributes that count what the watcher reports.

    The newer name first: Pacemaker counts for each operation since 1.1.17.
    """
    return ("fail-count-{0}#asyncmon_0".format(resource), "fail-count-{0}".format(resource))
