"""Report a failure to Pacemaker before its monitor finds it: crm_resource --fail.

The controller enters it into the history twice, as the failure of an operation "asyncmon". The DC
counts both within a millisecond, and the attribute manager may take the second for the first
(2.1.5): one crash counts 1 or 2 against migration-threshold. So the count is set one lower before
the report, which makes 2 correct; 1 is corrected at once, before the recovery has started.

Pacemaker calls it a "Simulated failure". The real reason is in a node attribute, for crm_mon.
"""

from paf.cluster import base
from paf.ocf import OcfError, is_number

#: The first CRM feature set that counts the failures of each operation by itself: Pacemaker 1.1.17.
_BY_OPERATION = (3, 0, 13)

_PATIENCE = 5.0     # seconds until the count is final
_STILL = 0.03       # seconds after which it has stopped rising
_STEP = 0.01
_INFINITY = "INFINITY"


def attribute(resource, feature_set):
    """Return the name of the transient attribute that counts these failures.

    feature_set: that of the DC, which counts them (a tuple of ints); () is treated as a recent one.
    """
    newer, older = base.crash_counts(resource)
    return older if feature_set and feature_set < _BY_OPERATION else newer


class Report(object):
    """One failure of the resource on this node, reported once and counted once.

    cluster: base.Cluster; name: of the attribute that counts; before: the count so far (str) in
    the CIB.
    """

    def __init__(self, cluster, name, before):
        self._cluster, self._name = cluster, name
        self._before = int(before) if is_number(before) else 0
        # INFINITY stays INFINITY; a count below zero is of a watcher that was killed meanwhile
        self._endless = bool(before) and not is_number(before.lstrip("-"))

    def prepare(self, reason, deadline):
        """Set the count one lower and show the reason, before the report. Raises OcfError."""
        if not self._endless:
            self._set(self._before - 1, deadline)
        self._cluster.show_failure(reason, deadline)

    def withdraw(self, deadline):
        """Restore the attributes: nothing is reported. Raises OcfError."""
        if not self._endless:
            self._set(self._before, deadline)
        self._cluster.checked(["attrd_updater", "--name", self._cluster.attribute(base.FAILURE),
                               "--delete"], deadline)

    def send(self, deadline):
        """Report to Pacemaker that the resource has failed here. Raises OcfError.

        Returns whether Pacemaker has answered: what it has not answered it may have got.
        """
        result = self._cluster.run(
            ["crm_resource", "--fail", "--resource", self._cluster.resource,
             "--node", self._cluster.node(deadline)], deadline)
        if result.status != 0 and not result.timed_out:
            raise OcfError("crm_resource failed: {0}".format(
                (result.err or result.out).strip() or "status {0}".format(result.status)))
        return not result.timed_out

    def settle(self, deadline, pause):
        """Wait until it was counted, and see that it counts once. Raises OcfError.

        pause: a function that waits for so many seconds.
        """
        if self._endless:
            return
        deadline, value, since = deadline.within(_PATIENCE), None, 0.0
        while not deadline.passed:
            found = self._count(deadline)
            if found is None:    # no answer: the count is unknown
                pause(_STEP)
                continue
            if found == _INFINITY:    # by another failure since: the node stays banned
                return
            if found != value:
                value, since = found, deadline.elapsed
            if value == self._before + 1:
                break
            if value != self._before - 1 and deadline.elapsed - since > _STILL:
                break
            pause(_STEP)
        if value is not None and value != self._before + 1:
            # never counted, for example without a DC: as if nothing was reported
            self._set(self._before + (0 if value == self._before - 1 else 1), deadline)

    def _set(self, count, deadline):
        self._cluster.checked(["attrd_updater", "--name", self._name]
                              + (["--update={0}".format(count)] if count else ["--delete"]),
                              deadline)

    def _count(self, deadline):
        """Return the current count, 0 for none, or _INFINITY; None while it is unknown."""
        node = self._cluster.node(deadline)
        try:
            value = self._cluster.values(self._name, deadline).get(node, "")
        except OcfError:
            return None
        if not value:
            return 0
        return int(value) if is_number(value.lstrip("-")) else _INFINITY
