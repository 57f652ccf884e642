"""What happened, from the CIB: each node's detail log has every change of it, and so has the CIB.

Pacemaker's CIB manager writes each change of the CIB to the log of every node, and with it what the
nodes report of their operations: begin, end, result and reason. So the log of every node that was a
member covers all nodes. A node that was away gets the current CIB when it is back: each resource's
last operation on each node, with times in whole seconds.

Source: Pacemaker Explained, "Status", "lrm_rsc_op"; transition-magic is status:rc;action:graph:
expected-rc:uuid. Pure.
"""

import re
from collections import namedtuple
from xml.sax.saxutils import unescape

from paf.cli import configuration
from paf.cli.view import base_name

#: One run of an operation. start, end: epoch seconds, end None while it runs; rc, expected: int;
#: coarse: whether the times come from the CIB's whole seconds.
Run = namedtuple("Run", "resource operation interval node start end rc expected reason coarse")

_CHANGED = re.compile(r"\+  /cib/status/node_state\[@id='(?P<node>[^']+)'\].*"
                      r"/lrm_rsc_op\[@id='(?P<op>[^']+)'\]:\s+(?P<pairs>@.*)$")
_ADDED = re.compile(r"\+\+ .*<lrm_rsc_op (?P<pairs>.*?)/?>")
_NAMES = (re.compile(r"Node (?P<id>\d+) is now known as (?P<name>\S+)"),
          re.compile(r"<node(?:_state)? .*?\bid=\"(?P<id>[^\"]+)\" .*?uname=\"(?P<name>[^\"]+)\""),
          re.compile(r"Node (?P<name>\S+) state is now \w+ \| nodeid=(?P<id>\d+)"))
_PAIR = re.compile(r"(\S+?)=\"([^\"]*)\"")
_KEPT = ("operation_key", "operation", "transition-key", "transition-magic", "exit-reason",
         "on_node", "call-id", "rc-code", "op-status", "interval", "last-rc-change", "last-run",
         "exec-time")
_PENDING = ("-1", "193")
_ENTITIES = {"&quot;": "\"", "&apos;": "'"}
_LATE = 5.0     # seconds that a result may take to the log


def values_of(text):
    """Return (kind, values) of a log's text: of an operation, or of a node's name; None."""
    found = _CHANGED.search(text)
    if found:
        pairs = dict(pair.split("=", 1) for pair in
                     re.split(r", @", found.group("pairs")[1:]) if "=" in pair)
        return "op", dict(_kept(pairs), id=found.group("op"), node=found.group("node"))
    found = _ADDED.search(text)
    if found:
        pairs = dict(_PAIR.findall(found.group("pairs")))
        if "id" in pairs:
            return "op", dict(_kept(pairs), id=pairs["id"], node="", added="yes")
    for pattern in _NAMES:
        found = pattern.search(text)
        if found:
            return "name", found.groupdict()
    return None


def _kept(pairs):
    return dict((name, unescape(pairs[name], _ENTITIES)) for name in _KEPT if name in pairs)


def of_cib(root):
    """Yield the values of each operation that the CIB (an Element) has."""
    for node, state in configuration.node_states(root):
        for operation in state.findall("lrm/lrm_resources/lrm_resource/lrm_rsc_op"):
            yield dict(_kept(operation.attrib), id=operation.get("id", ""), node=node, added="yes",
                       on_node=operation.get("on_node", node))


class Runs(object):
    """Puts reported values together to Runs; each run of an operation has a key of its own."""

    def __init__(self, names):
        self._names = names          # dict of node id to name
        self._known = {}             # (node, element) to the values it has by now
        self._runs = {}              # key to Run
        self.order = []

    def add(self, values, moment, live=False):
        """Take the values (dict) that were logged at a moment; live: of the present CIB."""
        node = values.get("on_node") or self._names.get(values["node"], values["node"])
        place = (node, values["id"])
        known = {} if values.get("added") else self._known.setdefault(place, {})
        known.update(values)
        self._known[place] = known
        key = self._key(node, known)
        if key is None:
            return
        run = self._runs.get(key)
        if run is not None and _is_later(run, known):
            # all results of a recurring monitor have the number of its first action
            key += (known.get("rc-code"), known.get("last-rc-change"))
            run = self._runs.get(key)
        if run is None:
            self.order.append(key)
            self._runs[key] = _first(known, node, moment, live)
        elif run.end is None and not _is_pending(known):
            self._runs[key] = _ended(run, known, moment)

    @staticmethod
    def _key(node, known):
        """Return what a run is known by; None where the values do not say."""
        operation = known.get("operation_key", "")
        magic = known.get("transition-magic", "").partition(";")[2]
        if not operation or not magic:
            return None
        # what was reported by hand has no transition of its own
        by_hand = known.get("call-id", "") if "xxxxxxxx" in magic else ""
        return (node, operation, magic, by_hand)

    def found(self):
        """Return the Runs, in the order of their start."""
        return sorted((self._runs[key] for key in self.order), key=lambda run: run.start)


def _is_later(run, known):
    """Return whether these are the values of a later run of a recurring operation."""
    return bool(run.interval and run.end is not None and not _is_pending(known)
                and _number(known.get("rc-code")) != run.rc)


def _is_pending(known):
    return known.get("op-status") == "-1" or known.get("rc-code") in _PENDING


def _first(known, node, moment, live):
    resource, _, rest = known["operation_key"].rpartition("_")[0].rpartition("_")
    interval = known["operation_key"].rpartition("_")[2]
    run = Run(base_name(resource), rest, int(interval) if interval.isdigit() else 0, node, moment,
              None, None, None, "", False)
    if _is_pending(known):
        return run
    changed = _number(known.get("last-rc-change") or known.get("last-run"))
    length = (_number(known.get("exec-time")) or 0) / 1000.0
    if changed and (live or moment > changed + length + _LATE):
        return _ended(run._replace(start=float(changed), coarse=True), known, changed + length)
    return _ended(run._replace(start=moment - length), known, moment)


def _ended(run, known, moment):
    magic = known.get("transition-magic", "")
    expected = magic.partition(";")[2].split(":")
    return run._replace(
        end=moment, rc=_number(known.get("rc-code")),
        expected=_number(expected[2]) if len(expected) > 3 else 0,
        reason=known.get("exit-reason", ""))


def _number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return None
