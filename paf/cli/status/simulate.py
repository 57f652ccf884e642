"""What Pacemaker would do if a node were lost, by its own scheduler: crm_simulate on the live CIB.

crm_simulate changes nothing. It takes it that every fencing succeeds and that quorum is kept, and
knows no WAL positions: paf.cli.status.fencing, quorum and concerns look at these.
"""

import os
import re
import shutil
import tempfile
from collections import namedtuple
from xml.etree import ElementTree
from xml.parsers import expat

from paf.cli.common import Problem, xml_data


class Outcome(namedtuple("Outcome", "promoted fenced unknown places")):
    """What Pacemaker would do.

    promoted: the node (str) that it would promote, None where it would promote none; fenced:
    whether it would fence the lost node first (bool); unknown: why it is not known, "" if it is;
    places: where each resource with a line of its own would be (dict of name to node, None for
    nowhere, "a and b" for two, UNKNOWN); None where that was not looked at.
    """

    __slots__ = ()

    def __new__(cls, promoted, fenced, unknown, places=None):
        """Make one; without places where other resources were not looked at."""
        return super(Outcome, cls).__new__(cls, promoted, fenced, unknown, places)


#: The place of a resource whose line is not understood: no node has such a name.
UNKNOWN = "?"
_ACTION = re.compile(r"^\s*\*\s+Resource action:\s+(?P<resource>\S+)\s+promote on (?P<node>\S+)")
_RESOURCE = re.compile(r"^\s*(?:\*\s+)?(?P<resource>\S+?)(?::\d+)?\s+"
                       r"\((?:ocf|lsb|systemd|service)\b[^)]*\):\s*(?P<state>.*)$")
_ORPHANED = re.compile(r"^ORPHANED\s+")
_FLAGS = re.compile(r"\s*\([^)]*\)")
_IS_STARTED = re.compile(r"^(?:Started|FAILED(?: Started)?) (?:(?P<node>[^][ ]+)|"
                         r"\[ (?P<nodes>[^][]+) \])$")
_OF_A_CLONE = re.compile(r"^(?:FAILED )?(?:Promoted|Unpromoted|Master|Slave)\b")
_FENCING = re.compile(r"^\s*\*\s+Fencing (?P<node>\S+)")


def loss(pacemaker, managed, nodes, source=("--live-check",)):
    """Return the Outcome of losing all of `nodes` (list of str) at once; [] for none at all.

    source: the options that name the CIB to look at.
    """
    options = list(source)
    for node in nodes:
        options += ["--node-fail", node]
    return _asked(pacemaker, managed.name, nodes, options)


def move(pacemaker, resource, clone, target):
    """Return the Outcome of a wish to have a resource (its name) promoted on `target`.

    clone: the name of its clone. On a copy of the CIB, with the constraint that `crm_resource
    --move` makes.
    """
    folder = tempfile.mkdtemp(prefix="paf-move-")
    try:
        role = "Promoted" if pacemaker.release() >= (3, 0, 0) else "Master"
        name = os.path.join(folder, "cib.xml")
        with open(name, "wb") as stream:
            stream.write(_with_wish(pacemaker.cib(), clone, role, target))
        return _asked(pacemaker, resource, [], ["--xml-file", name])
    except (Problem, SyntaxError, expat.ExpatError, EnvironmentError) as error:
        return Outcome(None, False, str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_wish(xml, clone, role, target):
    """Return a CIB (XML, bytes) with a constraint that draws a role of a clone to a node."""
    root = ElementTree.fromstring(xml_data(xml))
    wish = {"id": "paf-move", "rsc": clone, "role": role, "node": target, "score": "INFINITY"}
    for constraints in root.findall("configuration/constraints"):
        constraints.append(ElementTree.Element("rsc_location", wish))
    return ElementTree.tostring(root)


def _asked(pacemaker, resource, nodes, options):
    """Return the Outcome by crm_simulate with these options (list of str)."""
    argv = ["crm_simulate", "--simulate"] + options
    try:
        result = pacemaker.run(*argv)
    except Problem as error:
        return Outcome(None, False, str(error))
    if result.timed_out or result.status != 0:
        return Outcome(None, False, "crm_simulate failed: {0}".format(
            "no answer in time" if result.timed_out else
            " ".join((result.err or result.out).split()) or "status {0}".format(result.status)))
    return outcome(result.out, resource, nodes)


def outcome(text, resource, nodes):
    """Return the Outcome in what crm_simulate prints (str); pure.

    The status after the transition comes last: without it the output is not whole.
    """
    revised = re.search("^Revised cluster status", text, re.IGNORECASE | re.MULTILINE)
    if not revised:
        return Outcome(None, False, "what crm_simulate printed cannot be understood")
    promoted, fenced = [], set()
    for line in text.splitlines():
        found = _ACTION.match(line)
        if found and found.group("resource").split(":")[0] == resource:
            promoted.append(found.group("node"))
        found = _FENCING.match(line)
        if found:
            fenced.add(found.group("node"))
    return Outcome(promoted[-1] if promoted else None, set(nodes) <= fenced, "",
                   _places(text[revised.start():]))


def _places(text):
    """Return where each resource with a line of its own is in a status (str), as in Outcome."""
    found = {}
    for line in text.splitlines():
        match = _RESOURCE.match(line)
        state = _FLAGS.sub("", _ORPHANED.sub("", match.group("state"))).strip() if match else ""
        if match and not _OF_A_CLONE.match(state):
            found.setdefault(match.group("resource"), []).append(_nodes(state))
    return dict((name, UNKNOWN if None in seen else " and ".join(sorted(sum(seen, []))) or None)
                for name, seen in found.items())


def _nodes(state):
    """Return the nodes (list) in a resource's state (str, without flags); None if not understood.
    """
    if state in ("Stopped", "FAILED", "FAILED Stopped"):
        return []
    started = _IS_STARTED.match(state)
    return (started.group("nodes") or started.group("node")).split() if started else None


def left_behind(found, vips):
    """Yield which of the addresses (their names) would not be where the primary is; pure.

    found: Outcome. See also `unplaced`.
    """
    for name in vips if found.promoted and found.places else ():
        if found.places.get(name, UNKNOWN) not in (UNKNOWN, found.promoted):
            yield "the address {0} would be on {1}".format(name, found.places[name] or "no node")


def unplaced(found, vips):
    """Yield of which of the addresses (their names) it is not known where they would be; pure.

    found: Outcome. Nothing where other resources were not looked at.
    """
    for name in vips if found.promoted and found.places is not None else ():
        if found.places.get(name, UNKNOWN) == UNKNOWN:
            yield "where the address {0} would be is not known".format(name)
