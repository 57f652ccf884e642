"""Broken builds of what elections rely on: who may hold a commit, and what the cluster says."""

from tests.broken.builds import _COMPONENT, _UNIT, Broken

BUILDS = (
    Broken(4, "a standby that was seen, and is no longer there, counts as a node without one",
           "paf/decide/quorum.py",
           "    return [node for node in nodes if node not in idle or _folded(node) in names]",
           "    return [node for node in nodes if node not in idle]", (_UNIT + "test_quorum.py",)),
    Broken(4, "with any standby, who acknowledges commits is published late",
           "paf/synchronous.py",
           "                                 or set(wanted.names) - set(mine.rule.names)):",
           "                                 or False):", (_UNIT + "test_synchronous.py",)),
    Broken(4, "a loss that was accepted once is accepted again by a later failover",
           "paf/cluster/base.py", "            self.forget_acceptance(node, deadline)",
           "            del node",
           (_COMPONENT + "test_synchronous.py::"
            "test_a_loss_that_was_accepted_is_not_accepted_by_a_later_failover",)),
    Broken(1, "a monitor without a role counts as a promoted instance's",
           "paf/actions/monitor.py",
           '            context.environment.meta("role").lower() in ("promoted", "master")):',
           '            context.environment.meta("role").lower() in ("promoted", "master", "")):',
           (_COMPONENT + "test_preconditions.py::test_a_second_primary_fails_and_scores_nobody",)),
    Broken(4, "what is no CIB counts as a cluster without scores",
           "paf/cluster/cib.py",
           '    if not start.startswith(b"<cib") or start[4:5] not in b" \\t\\r\\n>/":',
           "    if False:", (_UNIT + "test_cib.py",)),
)
