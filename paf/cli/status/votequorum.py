"""Would the others still have quorum? From what corosync's votequorum reports."""

import re
from collections import namedtuple

from paf.cli.common import Problem, whole

#: expected, total, needed: votes (int); votes: dict of node id (str) to int, of the members; flags:
#: set of str; unknown: why nothing is known, "" if it is.
Votes = namedtuple("Votes", "expected total needed votes flags unknown")

_NUMBERS = (("expected", r"^Expected votes:\s+(\d+)"), ("total", r"^Total votes:\s+(\d+)"),
            ("needed", r"^Quorum:\s+(\d+)"))
#: The id that corosync-quorumtool gives the quorum device.
_DEVICE = "0"
#: How long corosync waits for the device's vote where nothing else is set, in seconds.
_SYNC_TIMEOUT = 30.0
_MEMBER = re.compile(r"^\s*(?:0x)?(?P<id>[0-9a-fA-F]+)\s+(?P<votes>\d+)\s+\S")


def of(pacemaker):
    """Return the Votes of this partition."""
    try:
        result = pacemaker.run("corosync-quorumtool", "-s")
    except Problem as error:
        return _unknown(str(error))
    # its status says whether there is quorum, not whether it could be asked
    cut = result.timed_out or result.status < 0
    return (None if cut else votes(result.out)) or _unknown("corosync-quorumtool: {0}".format(
        "no answer in time" if result.timed_out else
        " ".join((result.err or result.out).split()) or "no answer"))


def _unknown(why):
    return Votes(0, 0, 0, {}, set(), why)


def votes(text):
    """Return the Votes in what corosync-quorumtool -s prints; None if there are none; pure."""
    numbers = {}
    for name, pattern in _NUMBERS:
        found = re.search(pattern, text, re.MULTILINE)
        if not found:
            return None
        numbers[name] = int(found.group(1))
    flags = re.search(r"^Flags:\s+(.*)$", text, re.MULTILINE)
    members = {}
    for line in text.partition("Membership information")[2].splitlines():
        found = _MEMBER.match(line)
        if found:
            members[found.group("id")] = int(found.group("votes"))
    return Votes(numbers["expected"], numbers["total"], numbers["needed"], members,
                 set(flags.group(1).split()) if flags else set(), "")


def device_wait(pacemaker, found):
    """Return how long corosync waits at most for the device's vote once a node is lost (float).

    Seconds, 0.0 without a device, None where it is not known; found: Votes. Before, Pacemaker does
    not hear who is left. Source: corosync-qdevice(8), sync_timeout; corosync's
    votequorum_sync_process.
    """
    if found.unknown:
        return None
    if "Qdevice" not in found.flags:
        return 0.0
    try:
        text = whole(pacemaker.run("corosync-cmapctl", "quorum.device."))
    except Problem:
        return None
    if text is None or "quorum.device.model" not in text:
        return None
    given = re.search(r"^quorum\.device\.sync_timeout \(u32\) = (\d+)$", text, re.MULTILINE)
    return int(given.group(1)) / 1000.0 if given else _SYNC_TIMEOUT


def is_kept_without(found, lost):
    """Return whether the others keep quorum: True, False, or None where it is not known; pure.

    found: Votes; lost: ids (list of str) of the nodes that are gone. Source: votequorum(5).
    """
    if found.unknown or any(ident not in found.votes for ident in lost):
        return None
    left = found.total - sum(found.votes[ident] for ident in lost)
    if left >= found.needed:
        return True
    # half of the votes: which half goes on is decided by node ids, or by the quorum device
    if "AutoTieBreaker" in found.flags and left * 2 >= found.expected:
        return None
    return False


def is_waiting(found):
    """Return whether quorum fails for nodes alone that were not seen yet (wait_for_all); pure.

    found: Votes, None where they were not looked at. Source: votequorum(5).
    """
    return (found is not None and not found.unknown and "WaitForAll" in found.flags
            and "Quorate" not in found.flags and found.total >= found.needed)


def is_without_device(found):
    """Return whether there is a quorum device, and it has no vote now; pure. found: Votes."""
    return "Qdevice" in found.flags and not found.votes.get(_DEVICE)
