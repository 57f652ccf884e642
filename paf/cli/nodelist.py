"""The nodes that corosync knows, and those that only Pacemaker's configuration still has.

A node that was removed is in neither. Pacemaker 2.1.5 puts it back into the CIB, offline, where
one of its daemons still remembers it: seen after `pcs cluster node remove`.
"""

import re

from paf.cli import finding
from paf.cli.common import Problem, whole

#: What the CIB calls a node that corosync has to know; a remote or guest node is a "remote".
_MEMBERS = (None, "member", "normal")

_LINK = re.compile(r"ring\d_addr$")

WORDS = "{0} is in Pacemaker's configuration, but not in corosync's list of nodes: it was removed"
WHY = "Pacemaker puts it back where one of its daemons still remembers it. Where it is unclean, " \
      "as after a start of the whole cluster, nothing is promoted before it was fenced, which no " \
      "device can do; a slot that the agent keeps for it stays"


def read(pacemaker):
    """Return what corosync-cmapctl has of each node: a list of dicts of its text (str).

    Empty where it could not be read to its end. Raises Problem where the program is missing.
    """
    found = {}
    for line in (whole(pacemaker.run("corosync-cmapctl", "nodelist")) or "").splitlines():
        key, _, value = line.partition(" (str) = ")
        words = key.split(".")
        if value and len(words) > 2:
            found.setdefault(words[-2], {})[words[-1]] = value.strip()
    return list(found.values())


def addresses(nodes):
    """Return the addresses (dict of name to str) of nodes as `read` has them; pure.

    Those of the first link, whose number need not be 0.
    """
    found = [(node, min(key for key in node if _LINK.match(key))) for node in nodes
             if any(_LINK.match(key) for key in node)]
    return dict((node.get("name", node[link]), node[link]) for node, link in found)


def names(pacemaker, heard=()):
    """Return the names (set of str, in small letters) in corosync's list of nodes.

    heard: the members (their names), as others than this list have them. None where the names are
    not known: it could not be read, a node has no name there, or one that is heard is not in it.
    """
    try:
        found = read(pacemaker)
    except Problem:
        return None
    if not found or not all("name" in node for node in found):
        return None
    listed = set(node["name"].lower() for node in found)
    return listed if listed.issuperset(name.lower() for name in heard) else None


def heard(root):
    """Return the nodes (set of str) that are members by the status in a CIB (its root); pure.

    in_ccm is a moment since Pacemaker 2.1.7, and 0 for one that has left.
    """
    known = dict((node.get("id"), node.get("uname"))
                 for node in root.findall("configuration/nodes/node")
                 if node.get("type") in _MEMBERS)
    return set(known[state.get("id")] for state in root.findall("status/node_state")
               if known.get(state.get("id")) and state.get("in_ccm", "0") not in ("0", "false"))


def removed(root, listed):
    """Return the nodes (list of str) of a CIB (its root) that corosync does not have; pure.

    listed: as `names` returns it; nothing is known to be removed where that is None.
    """
    if listed is None:
        return []
    found = [node.get("uname") or node.get("id", "")
             for node in root.findall("configuration/nodes/node") if node.get("type") in _MEMBERS]
    return [name for name in found if name.lower() not in listed]


def cure(node):
    """Return what has Pacemaker forget a node: (pcs, crm), as in paf.cli.finding."""
    return finding.both("crm_node --force --remove {0}".format(node))
