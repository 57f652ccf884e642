"""What Pacemaker would do if a node were lost, by its own scheduler: crm_simulate on the live CIB.

crm_simulate changes nothing. It takes it that every fencing succeeds and that quorum is kept, and
knows no WAL positions: paf.cli.status.fencing, quorum and concerns look at these.
"""

import re
from collections import namedtuple

from paf.cli.common import Problem

#: promoted: the node (str) that Pacemaker would promote, None where it would promote none; fenced:
#: whether it would fence the lost node first (bool); unknown: why it is not known, "" if it is.
Outcome = namedtuple("Outcome", "promoted fenced unknown")

_ACTION = re.compile(r"^\s*\*\s+Resource action:\s+(?P<resource>\S+)\s+promote on (?P<node>\S+)")
_FENCING = re.compile(r"^\s*\*\s+Fencing (?P<node>\S+)")


def loss(pacemaker, managed, nodes, source=("--live-check",)):
    """Return the Outcome of losing all of `nodes` (list of str) at once; [] for none at all.

    source: the options that name the CIB to look at.
    """
    argv = ["crm_simulate"] + list(source) + ["--simulate"]
    for node in nodes:
        argv += ["--node-fail", node]
    try:
        result = pacemaker.run(*argv)
    except Problem as error:
        return Outcome(None, False, str(error))
    if result.timed_out or result.status != 0:
        return Outcome(None, False, "crm_simulate failed: {0}".format(
            "no answer in time" if result.timed_out else
            " ".join((result.err or result.out).split()) or "status {0}".format(result.status)))
    return outcome(result.out, managed.name, nodes)


def outcome(text, resource, nodes):
    """Return the Outcome in what crm_simulate prints (str); pure.

    The status after the transition comes last: without it the output is not whole.
    """
    if not re.search("^Revised cluster status", text, re.IGNORECASE | re.MULTILINE):
        return Outcome(None, False, "what crm_simulate printed cannot be understood")
    promoted, fenced = [], set()
    for line in text.splitlines():
        found = _ACTION.match(line)
        if found and found.group("resource").split(":")[0] == resource:
            promoted.append(found.group("node"))
        found = _FENCING.match(line)
        if found:
            fenced.add(found.group("node"))
    return Outcome(promoted[-1] if promoted else None, set(nodes) <= fenced, "")
